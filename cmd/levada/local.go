package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/embedded"
	"github.com/levada-data/levada/pkg/flow"
)

// server is a connection to the server that knows a run, whoever it belongs to.
type server struct {
	conn *flow.Conn
	home home.Home        // "" for a server that somebody else runs
	own  *embedded.Server // nil when another process runs the home's
	pid  int              // of that process
}

// close gives everything back.
func (s *server) close() error {
	s.conn.Close()
	if s.own == nil {
		return nil
	}
	return s.own.Close()
}

// gone reports that the process that ran the home's server does not any more.
func (s *server) gone() bool {
	if s.home == "" || s.own != nil || s.conn.Ready() {
		return false
	}
	_, err := embedded.Attach(string(s.home))
	return errors.Is(err, embedded.ErrNotRunning)
}

// localAckWait is after which the embedded server delivers again what a killed process
// left unsettled. All roles are in one process, which says in time that it lives: a
// run that goes on need not wait long for what its dead process held.
const localAckWait = 3 * time.Second

// localConfig is how a process uses an embedded server.
func localConfig(name string) flow.Config {
	return flow.Config{Name: name, AckWait: localAckWait, Alone: true}
}

// start runs the home's embedded server in this process. Another process that does is
// an [embedded.LockedError].
func (a *app) start(ctx context.Context, h home.Home, store int64, cfg flow.Config) (*server, error) {
	own, err := embedded.Start(ctx, embedded.Options{StateDir: string(h), StoreLimit: store, Log: slog.New(demoted{a.log.Handler()})})
	if err != nil {
		return nil, environment(err)
	}
	conn, err := flow.Connect(ctx, own.Connect, cfg, a.log)
	if err != nil {
		return nil, errors.Join(environment(err), own.Close())
	}
	return &server{conn: conn, home: h, own: own}, nil
}

// environment gives an error of the embedded server its exit code.
func environment(err error) error { return &codeError{exitEnvironment, err} }

// openPatience covers the moments in which another process has the home's lock and
// does not listen yet, or not any more.
const openPatience = 5 * time.Second

// open reaches the home's server: that of a live process, else one of our own.
func (a *app) open(ctx context.Context, h home.Home, cfg flow.Config) (*server, error) {
	for deadline := time.Now().Add(openPatience); ; {
		s, err := a.attach(ctx, h, cfg)
		if !errors.Is(err, embedded.ErrNotRunning) && !errors.Is(err, nats.ErrNoServers) {
			return s, err
		}
		s, err = a.start(ctx, h, 0, cfg)
		if err == nil || !errors.Is(err, embedded.ErrLocked) || time.Now().After(deadline) {
			return s, err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

func (a *app) attach(ctx context.Context, h home.Home, cfg flow.Config) (*server, error) {
	at, err := embedded.Attach(string(h))
	if err != nil {
		return nil, err
	}
	conn, err := flow.Connect(ctx, at.Connect, cfg, a.log)
	if err != nil {
		return nil, fmt.Errorf("process %d: %w", at.PID, err)
	}
	return &server{conn: conn, home: h, pid: at.PID}, nil
}

// find reaches the server that knows a run, named by its id or a part of it: the
// server of the flags, else a home of this user, else the server of the environment.
func (a *app) find(ctx context.Context, run string, flags serverFlags, state stateFlag) (*server, flow.RunID, error) {
	cfg := localConfig("levada-cli")
	if flags.named() {
		return a.findRemote(ctx, run, flags, cfg)
	}
	s, err := a.own(state)
	if err != nil {
		return nil, "", err
	}
	if s == "" {
		return a.findRemote(ctx, run, flags, cfg)
	}
	found, err := s.Find(run)
	unknown := (*home.UnknownRunError)(nil)
	if errors.As(err, &unknown) && len(unknown.Many) == 0 && a.serverInEnvironment() {
		return a.findRemote(ctx, run, flags, cfg)
	}
	if err != nil {
		return nil, "", fmt.Errorf("%w (levada runs lists them; a run of another server needs --nats)", err)
	}
	srv, err := a.open(ctx, found.Home, cfg)
	return srv, flow.RunID(found.Run), err
}

func (a *app) findRemote(ctx context.Context, run string, flags serverFlags, cfg flow.Config) (*server, flow.RunID, error) {
	conn, err := a.connect(ctx, flags, cfg, 0)
	if err != nil {
		return nil, "", err
	}
	if flow.RunID(run).Valid() { // the usual case needs no list
		_, err := conn.Lookup(ctx, flow.RunID(run))
		if err == nil {
			return &server{conn: conn}, flow.RunID(run), nil
		}
		if errors.Is(err, flow.ErrVersion) {
			conn.Close()
			return nil, "", fmt.Errorf("run %s: %w", run, err)
		}
	}
	recs, err := conn.Records(ctx)
	if recs == nil && err != nil {
		conn.Close()
		return nil, "", err
	}
	ids := make([]string, len(recs))
	for i, r := range recs {
		ids[i] = string(r.Run)
	}
	id, err := home.Resolve(run, ids)
	if err != nil {
		conn.Close()
		return nil, "", fmt.Errorf("%w (levada runs --nats URL lists them)", err)
	}
	return &server{conn: conn}, flow.RunID(id), nil
}
