package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"sync"
	"time"
)

// Options says what an endpoint shows.
type Options struct {
	Addr    string       // where to listen, "127.0.0.1:8080"; port 0 takes a free one
	Ready   func() error // nil when the process can work, else why not; nil func: always ready
	Profile bool         // serve /debug/pprof/
	Log     *slog.Logger // nothing is logged when nil
}

// Endpoint is a running HTTP server. Safe for concurrent use.
type Endpoint struct {
	addr   net.Addr
	srv    *http.Server
	served sync.WaitGroup
}

// closeTime is how long answers under way may take when the endpoint closes.
const closeTime = time.Second

// Listen starts an endpoint. It serves until [Endpoint.Close].
func Listen(ctx context.Context, o Options) (*Endpoint, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("serve health and readiness: %w", err)
	}
	e := &Endpoint{addr: l.Addr(), srv: &http.Server{
		Handler:           handler(o),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}}
	e.served.Go(func() {
		if err := e.srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.ErrorContext(ctx, "health endpoint ended", slog.Any("error", err))
		}
	})
	return e, nil
}

// Addr is where the endpoint listens.
func (e *Endpoint) Addr() string { return e.addr.String() }

// Close stops the endpoint, after the answers under way.
func (e *Endpoint) Close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTime)
	defer cancel()
	err := e.srv.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, e.srv.Close()) // a profile is still being taken
	}
	e.served.Wait()
	return err
}

func handler(o Options) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, nil) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		var err error
		if o.Ready != nil {
			err = o.Ready()
		}
		answer(w, err)
	})
	if o.Profile {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func answer(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}
