package natstest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// startTimeout bounds how long a server may take to become ready. It is generous
// because tests of several packages share the cores.
const startTimeout = 30 * time.Second

var errDown = errors.New("natstest: the server is down")

// Server is one nats-server with JetStream, in the process of the test. Safe for
// concurrent use.
type Server struct {
	t    testing.TB
	opts server.Options // what every start begins from; Port is fixed by the first

	mu      sync.Mutex
	running *server.Server // nil while down
}

// Option changes how [New] starts a server.
type Option func(*server.Options)

// Listen lets the server accept TCP on a random port of 127.0.0.1 too.
func Listen() Option {
	return func(o *server.Options) { o.DontListen = false }
}

// MaxPayload sets the largest message in bytes; 8 MiB without this option.
func MaxPayload(bytes int32) Option {
	return func(o *server.Options) { o.MaxPayload = bytes }
}

// StoreLimit bounds the file store in bytes; 8 GiB without this option, which is
// reserved by the bounds of streams and not taken from the disk.
func StoreLimit(bytes int64) Option {
	return func(o *server.Options) { o.JetStreamMaxStore = bytes }
}

// Configure gives access to everything else that the server can be told.
func Configure(f func(*server.Options)) Option { return f }

// New starts a server and waits until it is ready. It ends with the test.
func New(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s := prepare(t, opts)
	s.Restart()
	return s
}

// prepare returns a server that has not started. It ends with the test.
func prepare(t testing.TB, opts []Option) *Server {
	t.Helper()
	s := &Server{t: t, opts: server.Options{
		ServerName:         "natstest",
		DontListen:         true,
		Host:               "127.0.0.1",
		Port:               server.RANDOM_PORT,
		NoLog:              true,
		NoSigs:             true,
		MaxPayload:         8 << 20,
		JetStream:          true,
		JetStreamMaxStore:  8 << 30,
		JetStreamMaxMemory: 256 << 20,
		StoreDir:           t.TempDir(),
	}}
	for _, o := range opts {
		o(&s.opts)
	}
	t.Cleanup(s.Shutdown)
	return s
}

// start returns a ready server or ends the test.
func (s *Server) start(opts server.Options) *server.Server {
	s.t.Helper()
	srv, err := server.NewServer(&opts)
	if err != nil {
		s.t.Fatalf("natstest: %v", err)
	}
	srv.Start()
	if !srv.ReadyForConnections(startTimeout) {
		srv.Shutdown()
		s.t.Fatalf("natstest: server not ready after %v", startTimeout)
	}
	return srv
}

// URL is where a server started with [Listen] listens. It ends the test for others.
func (s *Server) URL() string {
	s.t.Helper()
	if s.opts.DontListen {
		s.t.Fatal("natstest: URL of a server that does not listen: start it with natstest.Listen()")
	}
	return "nats://" + net.JoinHostPort(s.opts.Host, strconv.Itoa(s.opts.Port))
}

// StoreDir is the directory under which JetStream keeps its files.
func (s *Server) StoreDir() string { return filepath.Join(s.opts.StoreDir, server.JetStreamStoreDir) }

// Interest is how many subscriptions a message on a subject reaches, that of a stream
// included: evidence that somebody listens.
func (s *Server) Interest(subject string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return 0
	}
	subs, err := s.running.Subsz(&server.SubszOptions{Subscriptions: true, Test: subject})
	if err != nil {
		s.t.Errorf("natstest: subscriptions to %s: %v", subject, err)
		return 0
	}
	return len(subs.Subs)
}

// InProcessConn implements [nats.InProcessConnProvider]. It follows restarts, so
// that a client reconnects to the server of the moment.
func (s *Server) InProcessConn() (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running == nil {
		return nil, errDown
	}
	return s.running.InProcessConn()
}

// Dial connects in-process. Its signature is that of a dialer, for code that opens
// connections of its own; the caller closes them.
func (s *Server) Dial(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect("", append(defaults(nats.InProcessServer(s)), opts...)...)
}

// Connect connects in-process and closes the connection with the test. It
// reconnects for ever and quickly, unless opts say otherwise.
func (s *Server) Connect(t testing.TB, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := s.Dial(opts...)
	if err != nil {
		t.Fatalf("natstest: connect: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// ConnectURL connects over TCP to url, which is the server's or a proxy's, and
// closes the connection with the test. It reconnects like [Server.Connect].
func ConnectURL(t testing.TB, url string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(defaults(), opts...)...)
	if err != nil {
		t.Fatalf("natstest: connect: %v", err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// JetStream returns a JetStream context on a connection of its own.
func (s *Server) JetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	return JetStream(t, s.Connect(t))
}

// JetStream returns a JetStream context on nc.
func JetStream(t testing.TB, nc *nats.Conn) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatalf("natstest: jetstream: %v", err)
	}
	return js
}

// defaults are what connections of tests begin with.
func defaults(own ...nats.Option) []nats.Option {
	return append(own,
		nats.MaxReconnects(-1),
		nats.ReconnectWait(10*time.Millisecond),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			if !errors.Is(err, io.ErrClosedPipe) { // how an in-process server goes away
				fmt.Fprintln(os.Stderr, "natstest: connection:", err)
			}
		}),
	)
}

// Shutdown stops the server and waits until it has. Its store stays, for
// [Server.Restart]. Calling it again does nothing.
func (s *Server) Shutdown() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
}

func (s *Server) stop() {
	if s.running == nil {
		return
	}
	s.running.Shutdown()
	s.running.WaitForShutdown()
	s.running = nil
}

// Restart stops the server, if it runs, and starts it on the same store and port.
// What JetStream keeps in memory only, the deduplication windows and ephemeral
// consumers, is lost as with any restart.
func (s *Server) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	s.running = s.start(s.opts)
	if addr, ok := s.running.Addr().(*net.TCPAddr); ok {
		s.opts.Port = addr.Port // a restart must answer where the clients look
	}
}
