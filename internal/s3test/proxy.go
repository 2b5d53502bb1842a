package s3test

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/storage"
)

// Fault is what a proxy does to a request.
type Fault int

// The faults.
const (
	Pass    Fault = iota
	Slow          // 503 SlowDown, the store's way to say: too many requests
	Failed        // 500 InternalError
	Expired       // 400 ExpiredToken
	Denied        // 403 AccessDenied
	Reset         // the connection is reset before an answer
	Lost          // the request arrives and is done, and its answer is lost
	Broken        // the connection is reset in the middle of the answer's body
)

// Proxy stands before a server and plays a store that is busy, far away, or failing.
type Proxy struct {
	*Server
	http *httptest.Server

	mu      sync.Mutex
	judge   func(r *http.Request) Fault
	latency time.Duration
	seen    []string
	bytes   int64
}

// NewProxy starts a proxy, and puts it in the server's place for this process. It ends
// with the test.
func NewProxy(t testing.TB, s *Server) *Proxy {
	t.Helper()
	target, err := url.Parse(s.URL())
	require.NoError(t, err)
	p := &Proxy{Server: s}
	back := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { reset(w) },
	}
	p.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(back, w, r) }))
	t.Cleanup(p.http.Close)
	t.Setenv("AWS_ENDPOINT_URL_S3", p.http.URL)
	return p
}

// Options reach the server through the proxy.
func (p *Proxy) Options() storage.S3Options { return storage.S3Options{Endpoint: p.http.URL} }

// URL is where clients connect to.
func (p *Proxy) URL() string { return p.http.URL }

// Judge makes the proxy ask f what to do with each request; nil ends that.
func (p *Proxy) Judge(f func(r *http.Request) Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge = f
}

// Latency is added before each request is passed on.
func (p *Proxy) Latency(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency = d
}

// Seen returns the requests since the last call, as "GET /bucket/key?query range", and the
// bytes of their answers.
func (p *Proxy) Seen() (requests []string, answered int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests, answered = p.seen, p.bytes
	p.seen, p.bytes = nil, 0
	return requests, answered
}

func (p *Proxy) serve(back http.Handler, w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.seen = append(p.seen, strings.TrimSpace(fmt.Sprintf("%s %s %s", r.Method, r.URL.RequestURI(), r.Header.Get("Range"))))
	judge, latency := p.judge, p.latency
	p.mu.Unlock()
	fault := Pass
	if judge != nil {
		fault = judge(r)
	}
	if latency > 0 {
		time.Sleep(latency) //nolint:forbidigo // the latency itself
	}
	switch fault {
	case Slow:
		refuse(w, http.StatusServiceUnavailable, "SlowDown", "Please reduce your request rate.")
	case Failed:
		refuse(w, http.StatusInternalServerError, "InternalError", "We encountered an internal error. Please try again.")
	case Expired:
		refuse(w, http.StatusBadRequest, "ExpiredToken", "The provided token has expired.")
	case Denied:
		refuse(w, http.StatusForbidden, "AccessDenied", "Access Denied")
	case Reset:
		_, _ = io.Copy(io.Discard, r.Body)
		reset(w)
	case Lost, Broken:
		answer := httptest.NewRecorder()
		back.ServeHTTP(answer, r)
		if fault == Lost {
			reset(w)
			return
		}
		maps.Copy(w.Header(), answer.Header())
		w.WriteHeader(answer.Code)
		_, _ = w.Write(answer.Body.Bytes()[:answer.Body.Len()/2])
		_ = http.NewResponseController(w).Flush()
		reset(w)
	default:
		back.ServeHTTP(&counting{ResponseWriter: w, p: p}, r)
	}
}

// counting counts the bytes of an answer.
type counting struct {
	http.ResponseWriter
	p *Proxy
}

func (c *counting) Write(b []byte) (int, error) {
	c.p.mu.Lock()
	c.p.bytes += int64(len(b))
	c.p.mu.Unlock()
	return c.ResponseWriter.Write(b)
}

// Unwrap is for http.ResponseController.
func (c *counting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

func refuse(w http.ResponseWriter, status int, code, message string) {
	var body bytes.Buffer
	fmt.Fprintf(&body, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message><RequestId>test</RequestId></Error>`, code, message)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes())
}

// reset cuts the connection, without a proper end.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
