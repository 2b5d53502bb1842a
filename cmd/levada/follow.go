package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

const (
	followEvery = 200 * time.Millisecond
	// askFor is how long a follower waits for statistics before it shows the last.
	askFor = 100 * time.Millisecond
	// endPatience is how long the end of a run may stand in its ledger before somebody
	// writes it into its record.
	endPatience = 15 * time.Second
	// lonely is after which a stage that nobody serves is named.
	lonely = 3 * time.Second
)

// errGone is returned by follow when the process that ran the home's server is gone.
var errGone = errors.New("the process that ran the server is gone")

// follow shows a run until it has ended, and returns its record then. It calls seen
// with what it has seen, now and then. When ctx ends first, it returns why.
func (a *app) follow(ctx context.Context, srv *server, id flow.RunID, seen func(ledger.Progress)) (*flow.Record, error) {
	rec, err := srv.conn.Lookup(ctx, id)
	if err != nil || rec.Status != flow.StatusActive {
		return rec, err
	}
	run, err := srv.conn.Attach(ctx, id)
	if err != nil {
		return nil, err
	}
	board, err := srv.conn.Watch(id)
	if err != nil {
		return nil, err
	}
	defer board.Close()
	following, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = run.Follow(following) // what it cannot read it reads again; the loop below sees the rest
	}()
	defer func() {
		stop()
		<-done
	}()
	if err := a.watch(ctx, srv, run, board, seen); err != nil {
		return nil, err
	}
	return a.ended(ctx, srv, run)
}

// watch shows a run until its ledger has ended.
func (a *app) watch(ctx context.Context, srv *server, run *flow.Run, board *flow.Board, seen func(ledger.Progress)) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	tracker := progress.NewTracker(run.Pipeline, stagesOf(&run.Record), time.Now())
	began := time.Now()
	for {
		changed := run.Ledger.Changed()
		var (
			f    progress.Facts
			over bool
		)
		run.Ledger.View(func(s *ledger.State) {
			p := s.Progress()
			f = progress.Facts{Phase: phase(s), Planned: p.Planned, Covered: p.Covered}
			over = s.Status() == ledger.Ended
		})
		if over {
			return nil
		}
		asking, cancel := context.WithTimeout(ctx, askFor)
		board.Ask(asking)
		cancel()
		f.At, f.Reports = time.Now(), board.All()
		if who := missing(&run.Record, board, f.Planned > 0); who != "" && time.Since(began) > lonely {
			f.Phase = "waiting for " + who
		}
		a.screen.Show(tracker.Observe(f))
		seen(ledger.Progress{Planned: f.Planned, Covered: f.Covered})
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed: // perhaps the end
			if err := pause(ctx, followEvery/10); err != nil {
				return err
			}
		case <-tick.C:
		}
		if srv.gone() {
			return errGone
		}
	}
}

// phase is where a run stands, in a word.
func phase(s *ledger.State) string {
	switch s.Status() {
	case ledger.Cancelled:
		if s.Failed() {
			return "failing"
		}
		return "cancelling"
	case ledger.Sealed, ledger.Ended:
		return "finishing"
	case ledger.Running:
	}
	switch {
	case s.Plan() == nil:
		return "planning"
	case s.Complete():
		return "finishing"
	default:
		return "running"
	}
}

// stagesOf returns all that report statistics for a run, in the order of the flow.
func stagesOf(r *flow.Record) []string {
	var stages []string
	for _, e := range r.Edges {
		stages = append(stages, e.Stage)
	}
	return append(stages, flow.SinkStage)
}

// missing names the service that a run waits for because no process plays it, or "".
func missing(r *flow.Record, board *flow.Board, planned bool) string {
	switch {
	case board.Live(flow.SourceStage) == 0 && !planned:
		return "a levada reader"
	case !planned:
		return ""
	case board.Live(flow.SinkStage) == 0:
		return "a levada writer"
	}
	for _, e := range r.Edges[1:] {
		if board.Live(e.Stage) == 0 {
			return "somebody who serves stage " + e.Stage
		}
	}
	return ""
}

// ended returns the record of a run whose ledger has ended: those who served it write
// it there. When they are slow, or dead, the ledger itself says the same.
func (a *app) ended(ctx context.Context, srv *server, run *flow.Run) (*flow.Record, error) {
	patient, cancel := context.WithTimeout(ctx, endPatience)
	defer cancel()
	for {
		rec, err := srv.conn.Lookup(patient, run.Run)
		if err == nil && rec.Status != flow.StatusActive {
			return rec, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if patient.Err() != nil {
			break
		}
		if srv.gone() {
			return nil, errGone
		}
		_ = pause(patient, 10*time.Millisecond) // its error is the context's, asked above
	}
	rec := run.Record
	run.Ledger.View(func(s *ledger.State) {
		end := s.End()
		rec.Status, rec.Reason, rec.Ended, rec.Summary = flow.Status(end.Status), end.Reason, s.LastAt(), end.Stats
	})
	return &rec, nil
}

// summaryOf reads the statistics of a run that has ended.
func summaryOf(rec *flow.Record) (*flow.Summary, error) {
	s := &flow.Summary{V: 1, Run: rec.Run, Status: rec.Status, Reason: rec.Reason}
	if len(rec.Summary) > 0 {
		if err := json.Unmarshal(rec.Summary, s); err != nil {
			return nil, fmt.Errorf("statistics of run %s: %w", rec.Run, err)
		}
	}
	s.Pipeline = rec.Pipeline
	return s, nil
}

// outcome is the error that a run's end is: nil when it is done.
func outcome(rec *flow.Record) error {
	if rec.Status == flow.StatusDone {
		return nil
	}
	return &RunError{Run: rec.Run, Status: rec.Status, Reason: rec.Reason}
}

// distance says how far a run is.
func distance(p ledger.Progress) string {
	if p.Planned == 0 {
		return "has no plan yet"
	}
	return fmt.Sprintf("is at %s (%s of %s rows)", figure.Percent(p.Covered, p.Planned), figure.Rows(p.Covered), figure.Rows(p.Planned))
}
