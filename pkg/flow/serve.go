package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/pkg/ledger"
)

// Role is what a process does for every active run: read, transform, write.
type Role interface {
	// Name is the role's name in logs.
	Name() string

	// Serve works for one run until intake ends, then finishes what it holds and
	// returns. intake ends when the process is asked to stop or the run has ended;
	// work ends when there is no more time, or nothing more to do: what is not
	// settled by then is delivered again, so a deadline is never a reason to settle
	// early. A role that has no part in the run returns nil at once. An error is
	// logged and the role is served again after a back-off; a [Leave] one ends the
	// process' service of the run, a [Fatal] one all its service.
	Serve(intake, work context.Context, run *Run) error
}

// Serve plays the roles for every active run, those that are there and those
// that come, until intake ends; work bounds what remains then.
//
//	bucket of runs ──watch, and a look every 2 s──► one goroutine group a run:
//	                                                ledger.follow   the fold
//	                                                reconcile       owed work
//	                                                role.Serve ...  the work
//
// A run of which something is of a version that this process does not know is left to
// others, and that is logged, once. It returns nil after a drain, or the first fatal
// error; with [Config.Alone] there are no others, and such a run is one.
func (c *Conn) Serve(intake, work context.Context, roles ...Role) error {
	g, gctx := errgroup.WithContext(intake)
	s := &server{c: c, roles: roles, known: map[RunID]*Record{}, left: map[RunID]bool{}, g: g, work: work}
	g.Go(func() error { return s.watch(gctx) })
	err := g.Wait()
	if intake.Err() != nil && errors.Is(err, context.Cause(intake)) {
		return nil
	}
	return err
}

type server struct {
	c     *Conn
	roles []Role
	g     *errgroup.Group
	work  context.Context //nolint:containedctx // outlives the intake of the group

	mu    sync.Mutex
	known map[RunID]*Record // served now
	left  map[RunID]bool    // never to be served by this process: it does not know their version
}

// lookEvery is how often the bucket is read as a whole, whatever the watcher
// said: a watcher can die with a bucket that is deleted and made again.
const lookEvery = 2 * time.Second

func (s *server) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		s.look(ctx)
		updates, stop := s.updates(ctx)
		deadline := time.NewTimer(lookEvery)
		s.wait(ctx, updates, deadline.C)
		deadline.Stop()
		stop()
	}
	return nil
}

// wait serves what the watcher brings until the next look is due.
func (s *server) wait(ctx context.Context, updates <-chan jetstream.KeyValueEntry, due <-chan time.Time) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-due:
			return
		case e, ok := <-updates:
			if !ok {
				updates = nil // the watcher is gone: wait for the next look
				continue
			}
			if e == nil {
				continue // all that was there has been sent
			}
			rec, err := decodeRecord(e.Value())
			switch {
			case err == nil:
				s.start(ctx, rec)
			case errors.Is(err, ErrVersion):
				s.leave(ctx, RunID(e.Key()), err)
			}
		}
	}
}

func (s *server) updates(ctx context.Context) (<-chan jetstream.KeyValueEntry, func()) {
	kv, err := s.c.bucket(ctx, runsBucket)
	if err != nil {
		return nil, func() {}
	}
	w, err := kv.WatchAll(ctx, jetstream.UpdatesOnly())
	if err != nil {
		return nil, func() {}
	}
	return w.Updates(), func() { _ = w.Stop() }
}

// look starts every active run that is not served yet, and puts records back
// that are served but no longer in the bucket.
func (s *server) look(ctx context.Context) {
	recs, strange, err := s.c.records(ctx)
	if err != nil {
		s.c.log.DebugContext(ctx, "runs not listed", slog.Any("error", err))
		return
	}
	listed := map[RunID]bool{}
	for run, err := range strange {
		listed[run] = true
		s.leave(ctx, run, err)
	}
	for _, rec := range recs {
		listed[rec.Run] = true
		s.start(ctx, rec)
	}
	s.mu.Lock()
	var lost []*Record
	for id, rec := range s.known {
		if !listed[id] {
			lost = append(lost, rec)
		}
	}
	s.mu.Unlock()
	for _, rec := range lost {
		s.c.log.WarnContext(ctx, "run record is gone, put back", slog.String("run", string(rec.Run)))
		if err := s.c.createRecord(ctx, rec); err != nil {
			s.c.forget(runsBucket)
		}
	}
}

func (s *server) start(ctx context.Context, rec *Record) {
	if rec.Status != StatusActive {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known[rec.Run] != nil || s.left[rec.Run] {
		return
	}
	s.known[rec.Run] = rec
	s.g.Go(func() error {
		defer func() {
			s.mu.Lock()
			delete(s.known, rec.Run)
			s.mu.Unlock()
		}()
		err := s.c.serveRun(ctx, s.work, rec, s.roles)
		if IsLeave(err) && !s.c.cfg.Alone {
			s.leave(ctx, rec.Run, err)
			return nil
		}
		if err != nil && !isFinal(err) && ctx.Err() == nil {
			s.c.log.ErrorContext(ctx, "run not served, will try again", slog.String("run", string(rec.Run)), slog.Any("error", err))
			_ = pause(ctx, lookEvery)
			return nil // the next look starts it again
		}
		if errors.Is(err, context.Canceled) {
			return nil
		}
		return err
	})
}

// leave gives up a run, for good and for one reason: this process cannot read something
// of it. A newer process can. One that serves the run already goes on with what it could
// read until its ledger says something else.
func (s *server) leave(ctx context.Context, run RunID, err error) {
	s.mu.Lock()
	said := s.left[run]
	s.left[run] = true
	s.mu.Unlock()
	if said {
		return
	}
	s.c.log.ErrorContext(ctx, "run left to newer processes: this one does not know a version in it",
		slog.String("run", string(run)), slog.Any("error", err))
}

// serveRun plays the roles for one run until it has ended or intake is over.
func (c *Conn) serveRun(intake, work context.Context, rec *Record, roles []Role) error {
	l, err := c.OpenLedger(intake, rec)
	if err != nil {
		return err
	}
	board, err := c.Watch(rec.Run)
	if err != nil {
		return err
	}
	defer board.Close()
	// The run's own end stops the intake of its roles; the ledger is followed until
	// they have all returned, for they decide by it.
	intake, stopIntake := context.WithCancelCause(intake)
	defer stopIntake(nil)
	run := newRun(c, rec, l)
	run.Board, run.intake = board, intake
	run.log.InfoContext(intake, "run joined", slog.String("pipeline", rec.Pipeline))
	work, stopWork := context.WithCancel(work)
	defer stopWork()
	following, stopFollow := context.WithCancel(work)
	defer stopFollow()
	var background errgroup.Group
	background.Go(func() error {
		err := l.follow(following)
		if err != nil {
			stopIntake(err)
		}
		return err
	})
	background.Go(func() error { run.reconcile(intake); return nil })
	background.Go(func() error {
		if l.Wait(intake, ended) != nil {
			return nil //nolint:nilerr // stopped before the end: nothing to write down
		}
		stopIntake(ErrRunEnded)
		stopWork()
		return c.entomb(context.WithoutCancel(intake), run)
	})
	var g errgroup.Group
	for _, role := range roles {
		g.Go(func() error {
			err := run.play(intake, work, role)
			if err != nil {
				stopIntake(err)
			}
			return err
		})
	}
	err = g.Wait()
	stopFollow()
	stopIntake(nil)
	err = errors.Join(err, background.Wait())
	if Look(l, ended) {
		c.clear(context.WithoutCancel(intake), run)
		return nil
	}
	return err
}

func ended(s *ledger.State) bool { return s.Status() == ledger.Ended }

// play serves one role, again and again while the run lives and it fails.
func (r *Run) play(intake, work context.Context, role Role) error {
	for n := 0; ; n++ {
		err := role.Serve(intake, work, r)
		switch {
		case intake.Err() != nil, errors.Is(err, ErrRunEnded):
			return nil //nolint:nilerr // stopped, or over: what failed by that is no fault
		case err == nil:
			<-intake.Done() // no part in this run, or done with it
			return nil
		case isFinal(err):
			return fmt.Errorf("%s: %w", role.Name(), err)
		}
		r.log.ErrorContext(intake, "role failed, will try again", slog.String("role", role.Name()), slog.Any("error", err))
		if pause(intake, patience(n)) != nil {
			return nil //nolint:nilerr // stopped
		}
	}
}

// patience is the pause before a role is served again that has failed n+1 times: up to
// a quarter of a minute, so that a fault that stays does not fill the log.
func patience(n int) time.Duration { return backoff(n) << min(max(n-6, 0), 4) }

// buryTime bounds each of the things that a process does for a run after its end.
const buryTime = 10 * time.Second

// entomb writes the end into the run's record, where it stays for ever. Every process
// that serves the run does it, as soon as it sees the end: the first one counts.
func (c *Conn) entomb(ctx context.Context, run *Run) error {
	ctx, cancel := context.WithTimeout(ctx, buryTime)
	defer cancel()
	rec := run.Record
	run.Ledger.View(func(s *ledger.State) {
		end := s.End()
		rec.Status, rec.Reason, rec.Ended, rec.Summary = Status(end.Status), end.Reason, s.LastAt(), end.Stats
	})
	if err := c.persist(ctx, "store the end of the run", func() error { return c.finishRecord(ctx, rec) }, nil); err != nil {
		return fmt.Errorf("run %s: %w", rec.Run, err)
	}
	run.log.InfoContext(ctx, "run ended", slog.String("status", string(rec.Status)))
	return nil
}

// clear drops the transport of a run that has ended, after the process' own roles have
// stopped. Every process does it, and the last one removes what a slower one made
// again.
func (c *Conn) clear(ctx context.Context, run *Run) {
	ctx, cancel := context.WithTimeout(ctx, buryTime)
	defer cancel()
	if err := c.dropStreams(ctx, &run.Record); err != nil {
		run.log.WarnContext(ctx, "streams of an ended run stay", slog.Any("error", err))
	}
	c.dropSnapshot(ctx, run.Run)
}
