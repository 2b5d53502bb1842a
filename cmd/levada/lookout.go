package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/top"
	"github.com/levada-data/levada/internal/embedded"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// lookout finds out what runs do, again and again: those of a server, or those of this
// machine, as 'levada runs' lists them. It listens to what is said anyhow, asks what only
// reads, and starts no server. It is not safe for concurrent use.
type lookout struct {
	log    *slog.Logger
	where  string
	remote *sight     // nil without a server in flags and environment
	state  home.State // "" where they name one and nothing of this machine is shown
	local  map[home.Home]*sight
}

// newLookout connects to the server of the flags or the environment, if they name one.
func (a *app) newLookout(ctx context.Context, flags serverFlags, state stateFlag) (*lookout, error) {
	l := &lookout{log: a.log, local: map[home.Home]*sight{}}
	var places []string
	if !flags.named() {
		s, err := a.own(state)
		if err != nil {
			return nil, err
		}
		if s != "" {
			l.state = s
			places = append(places, "this machine")
		}
	}
	if flags.named() || a.serverInEnvironment() {
		conn, err := a.connect(ctx, flags, lookConfig(), 0)
		if err != nil {
			return nil, err
		}
		l.remote = newSight(conn)
		places = append(places, redacted(conn.NATS().ConnectedUrl()))
	}
	l.where = strings.Join(places, " and ")
	return l, nil
}

// lookConfig is how a process uses a server that it only looks at.
func lookConfig() flow.Config { return flow.Config{Name: "levada-top", ReadOnly: true} }

func (l *lookout) close() {
	if l.remote != nil {
		l.remote.close()
	}
	for _, s := range l.local {
		s.close()
	}
}

// facts looks at all runs, and at what waits between the stages of those for which deep
// is true. What cannot be read is the facts' trouble.
func (l *lookout) facts(ctx context.Context, deep func(run string) bool) top.Facts {
	f := top.Facts{At: time.Now(), Where: l.where}
	var errs []error
	if l.state != "" {
		runs, err := l.here(ctx, deep)
		f.Runs, errs = append(f.Runs, runs...), append(errs, err)
	}
	if l.remote != nil {
		runs, err := l.remote.runs(ctx, deep)
		f.Runs, errs = append(f.Runs, runs...), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil && ctx.Err() == nil {
		f.Trouble = strings.ReplaceAll(err.Error(), "\n", "; ")
	}
	f.At = time.Now() // looking takes its time
	return f
}

// here looks at the runs of this machine: their notes, and of those whose process is
// alive what its server says.
func (l *lookout) here(ctx context.Context, deep func(run string) bool) ([]top.Run, error) {
	found, err := l.state.Runs()
	errs := []error{err}
	live := map[home.Home]map[string]top.Run{}
	for _, f := range found {
		if f.Status == home.Active && live[f.Home] == nil {
			runs, err := l.at(ctx, f.Home, deep)
			live[f.Home] = runs
			errs = append(errs, err)
		}
	}
	for h, s := range l.local {
		if live[h] == nil { // its process has ended
			s.close()
			delete(l.local, h)
		}
	}
	runs := make([]top.Run, 0, len(found))
	for _, f := range found {
		r, ok := live[f.Home][f.Run]
		if !ok {
			r = top.Run{
				ID: f.Run, Pipeline: f.Pipeline, Sink: f.Sink, Status: f.Status, Reason: f.Reason,
				Planned: f.Planned, Covered: f.Covered, Written: f.Written, Submitted: f.Started, Ended: f.Ended,
			}
		}
		runs = append(runs, r)
	}
	return runs, errors.Join(errs...)
}

// at looks at the runs of a home whose process is alive. One that is just ending, or not
// ready yet, has none: the notes say what there is to say.
func (l *lookout) at(ctx context.Context, h home.Home, deep func(run string) bool) (map[string]top.Run, error) {
	runs := map[string]top.Run{} // not nil: the home is alive
	at, err := embedded.Attach(string(h))
	if errors.Is(err, embedded.ErrNotRunning) {
		return runs, nil
	}
	if err != nil {
		return runs, err
	}
	s := l.local[h]
	if s != nil && s.url != at.URL { // another process, another server
		s.close()
		s = nil
		delete(l.local, h)
	}
	if s == nil {
		conn, err := flow.Connect(ctx, at.Connect, lookConfig(), l.log)
		if errors.Is(err, nats.ErrNoServers) {
			return runs, nil
		}
		if err != nil {
			return runs, fmt.Errorf("process %d: %w", at.PID, err)
		}
		s = newSight(conn)
		s.url = at.URL
		l.local[h] = s
	}
	if !s.conn.Ready() {
		return runs, nil
	}
	all, err := s.runs(ctx, deep)
	for _, r := range all {
		runs[r.ID] = r
	}
	return runs, err
}

// sight is one server that is looked at.
type sight struct {
	conn   *flow.Conn
	url    string // of an embedded server
	roster *flow.Roster
	active map[flow.RunID]*watched
	ended  map[flow.RunID]top.Run // which do not change any more
}

// watched is a run that is on its way.
type watched struct {
	run   *flow.Run
	board *flow.Board
	since time.Time
}

func newSight(conn *flow.Conn) *sight {
	return &sight{conn: conn, roster: conn.Roster(), active: map[flow.RunID]*watched{}, ended: map[flow.RunID]top.Run{}}
}

func (s *sight) close() {
	for _, w := range s.active {
		w.board.Close()
	}
	s.conn.Close()
}

// runs looks at all runs of the server. Those that cannot be read are left out, and named
// in the error.
func (s *sight) runs(ctx context.Context, deep func(run string) bool) ([]top.Run, error) {
	recs, err := s.roster.Look(ctx)
	if recs == nil && err != nil {
		return nil, err
	}
	errs := []error{err}
	runs := make([]top.Run, 0, len(recs))
	for _, rec := range recs {
		r, err := s.look(ctx, rec, deep(string(rec.Run)))
		if err != nil {
			errs = append(errs, fmt.Errorf("run %s: %w", rec.Run, err))
			continue
		}
		runs = append(runs, r)
	}
	return runs, errors.Join(errs...)
}

func (s *sight) look(ctx context.Context, rec *flow.Record, deep bool) (top.Run, error) {
	if rec.Status == flow.StatusActive {
		return s.lookActive(ctx, rec, deep)
	}
	if w := s.active[rec.Run]; w != nil {
		w.board.Close()
		delete(s.active, rec.Run)
	}
	if r, ok := s.ended[rec.Run]; ok {
		return r, nil
	}
	sum, err := summaryOf(rec)
	if err != nil {
		return top.Run{}, err
	}
	r := runOf(rec)
	r.Planned, r.Covered, r.Written, r.Dead = sum.Planned, sum.Covered, sum.Books.Written, sum.Books.Dead
	for _, st := range sum.Stages {
		r.Reports = append(r.Reports, st.Instances...)
	}
	s.ended[rec.Run] = r
	return r, nil
}

func (s *sight) lookActive(ctx context.Context, rec *flow.Record, deep bool) (top.Run, error) {
	w := s.active[rec.Run]
	if w == nil {
		run, err := s.conn.Attach(ctx, rec.Run)
		if err != nil {
			return top.Run{}, err
		}
		board, err := s.conn.Watch(rec.Run)
		if err != nil {
			return top.Run{}, err
		}
		w = &watched{run: run, board: board, since: time.Now()}
		s.active[rec.Run] = w
	} else if err := w.run.Ledger.Sync(ctx); err != nil {
		return top.Run{}, err
	}
	r := runOf(rec)
	r.Reports = w.board.All()
	w.run.Ledger.View(func(l *ledger.State) {
		p, b := l.Progress(), l.Books()
		r.Planned, r.Covered, r.Written, r.Dead = p.Planned, p.Covered, b.Written, b.Dead
		r.Phase, r.Reason = phase(l), l.Reason()
	})
	if time.Since(w.since) >= 2*reportEvery { // whoever there is has reported by now
		r.Waits = missing(rec, w.board, r.Planned > 0)
	}
	if !deep {
		return r, nil
	}
	for _, e := range rec.Edges {
		d, err := s.conn.Depth(ctx, rec.Run, e.Stage)
		if err != nil {
			return top.Run{}, fmt.Errorf("edge of %s: %w", e.Stage, err)
		}
		r.Edges = append(r.Edges, top.Edge{Stage: e.Stage, Depth: d})
	}
	return r, nil
}

func runOf(rec *flow.Record) top.Run {
	return top.Run{
		ID: string(rec.Run), Pipeline: rec.Pipeline, Sink: rec.Sink, Status: string(rec.Status), Reason: rec.Reason,
		Submitted: rec.Submitted, Ended: rec.Ended, Stages: stagesOf(rec),
	}
}
