package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

const (
	// DefaultMaxPayload is the largest message when [Options] do not say: two blocks.
	DefaultMaxPayload = 8 << 20

	readyTimeout = 30 * time.Second
	// lockPatience covers the moment in which an Attach looks at the lock.
	lockPatience = 500 * time.Millisecond
	lockRetry    = 10 * time.Millisecond
	// memoryLimit bounds streams in memory; Levada has none.
	memoryLimit = 64 << 20
)

// Options says how to start a server.
type Options struct {
	StateDir     string        // made if absent; required
	MaxPayload   int32         // largest message in bytes; DefaultMaxPayload when 0
	StoreLimit   int64         // bytes that all streams together may reserve; 75 % of the free disk when 0
	SyncInterval time.Duration // between two syncs of the store; 2 minutes when 0, at every write when negative
	Log          *slog.Logger  // nothing is logged when nil
}

// Server is a running nats-server. Safe for concurrent use.
type Server struct {
	dir  string
	lock *flock.Flock
	srv  *server.Server
	at   Endpoint

	close func() error
}

// Start locks the state directory and runs a server on it until [Server.Close]. When
// another process has the directory, the error is a [LockedError].
func Start(ctx context.Context, o Options) (*Server, error) {
	s, err := start(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("start embedded server: %w", err)
	}
	return s, nil
}

func start(ctx context.Context, o Options) (_ *Server, err error) {
	if o.StateDir == "" {
		return nil, errors.New("no state directory")
	}
	dir, err := filepath.Abs(o.StateDir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	s := &Server{dir: dir, lock: flock.New(filepath.Join(dir, lockName), flock.SetPermissions(0o600))}
	if err := s.acquire(ctx); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.lock.Close())
		}
	}()

	// From here on the directory is ours: whatever server.json says is stale. It names
	// us first, so that who is refused the lock can say by whom, and where we listen
	// once we do.
	s.at = Endpoint{PID: os.Getpid(), Started: time.Now().UTC()}
	if err := writeEndpoint(dir, &s.at); err != nil {
		return nil, err
	}
	s.at.Token = rand.Text()
	if err := s.listen(o); err != nil {
		return nil, errors.Join(err, os.Remove(filepath.Join(dir, endpointName)))
	}
	s.at.URL = s.srv.ClientURL()
	if err := writeEndpoint(dir, &s.at); err != nil {
		s.srv.Shutdown()
		s.srv.WaitForShutdown()
		return nil, err
	}
	s.close = sync.OnceValue(s.shutdown)
	return s, nil
}

func (s *Server) acquire(ctx context.Context) error {
	patient, cancel := context.WithTimeout(ctx, lockPatience)
	defer cancel()
	ok, err := s.lock.TryLockContext(patient, lockRetry)
	switch {
	case ok:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil && !errors.Is(err, context.DeadlineExceeded):
		return err
	}
	held := &LockedError{Dir: s.dir}
	if e, err := readEndpoint(s.dir); err == nil {
		held.PID = e.PID
	}
	return held
}

func (s *Server) listen(o Options) error {
	log := &serverLog{log: o.Log}
	if log.log == nil {
		log.log = slog.New(slog.DiscardHandler)
	}
	opts := &server.Options{
		ServerName:         "levada",
		Host:               "127.0.0.1",
		Port:               server.RANDOM_PORT,
		Authorization:      s.at.Token,
		MaxPayload:         o.MaxPayload,
		NoSigs:             true, // signals are the process' own business
		JetStream:          true,
		StoreDir:           s.dir,
		JetStreamMaxStore:  o.StoreLimit, // 0: the server takes 75 % of the free disk
		JetStreamMaxMemory: memoryLimit,
		SyncInterval:       o.SyncInterval,
	}
	if opts.MaxPayload == 0 {
		opts.MaxPayload = DefaultMaxPayload
	}
	if o.SyncInterval < 0 {
		opts.SyncInterval, opts.SyncAlways = 0, true
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return err
	}
	srv.SetLogger(log, false, false)
	srv.Start()
	ready := log.died() == "" && srv.ReadyForConnections(readyTimeout)
	if died := log.died(); died != "" || !ready {
		srv.Shutdown()
		srv.WaitForShutdown()
		if died != "" {
			return errors.New(died)
		}
		return fmt.Errorf("not ready after %v", readyTimeout)
	}
	s.srv = srv
	return nil
}

// Connect opens a connection through memory, for this process. The caller closes it.
func (s *Server) Connect(opts ...nats.Option) (*nats.Conn, error) {
	own := []nats.Option{nats.InProcessServer(s.srv), nats.Token(s.at.Token)}
	return nats.Connect("", append(own, opts...)...)
}

// Endpoint is how other processes reach the server; see [Attach].
func (s *Server) Endpoint() Endpoint { return s.at }

// URL is where the server listens.
func (s *Server) URL() string { return s.at.URL }

// Token is what a connection must show.
func (s *Server) Token() string { return s.at.Token }

// StoreLimit is how many bytes all streams together may reserve.
func (s *Server) StoreLimit() int64 {
	if c := s.srv.JetStreamConfig(); c != nil {
		return c.MaxStore
	}
	return 0
}

// Close stops the server: it takes no new work, finishes what it is writing, and
// gives the directory free. Publishes that it has not answered were perhaps stored,
// perhaps not; who sent them asks the next server. Close connections, drained, before
// it. Calling it again returns the same error.
func (s *Server) Close() error { return s.close() }

func (s *Server) shutdown() error {
	// server.json goes first: from now on nobody new should come.
	err := os.Remove(filepath.Join(s.dir, endpointName))
	s.srv.Shutdown()
	s.srv.WaitForShutdown()
	if err = errors.Join(err, s.lock.Close()); err != nil {
		return fmt.Errorf("close embedded server: %w", err)
	}
	return nil
}
