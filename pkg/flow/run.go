package flow

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
)

// Run is an active run as one process sees it: its record, its ledger, and the
// reports of its instances. A [Role] gets it to work on.
type Run struct {
	Record
	Ledger *Ledger
	Board  *Board

	c      *Conn
	log    *slog.Logger
	intake context.Context       //nolint:containedctx // of the roles: when it has ended, nothing new is begun
	fused  map[string]*fusedEdge // by the stage that fills them
}

// newRun returns the run of a record, which nobody serves yet.
func newRun(c *Conn, rec *Record, l *Ledger) *Run {
	r := &Run{Record: *rec, Ledger: l, c: c, log: c.log.With(slog.String("run", string(rec.Run))), intake: c.life, fused: map[string]*fusedEdge{}}
	for _, e := range rec.Edges {
		if e.Fused {
			r.fused[e.Stage] = newFusedEdge(c, rec.Run, e.Stage, r.Window())
		}
	}
	return r
}

// Log is the run's logger; it names the run.
func (r *Run) Log() *slog.Logger { return r.log }

// Conn is the connection that serves the run.
func (r *Run) Conn() *Conn { return r.c }

// PlanHash names the standing plan; "" before there is one. Blocks and entries
// carry it, and those of another plan are dropped (rule 17).
func (r *Run) PlanHash() string { return Look(r.Ledger, (*ledger.State).PlanID) }

// WaitPlan blocks until the run has a plan and returns it. It returns
// [ErrRunEnded] when the run is over before that.
func (r *Run) WaitPlan(ctx context.Context) (*ledger.Plan, error) {
	err := r.Ledger.Wait(ctx, func(s *ledger.State) bool { return s.Plan() != nil || s.Status() == ledger.Ended })
	if err != nil {
		return nil, err
	}
	if p := Look(r.Ledger, (*ledger.State).Plan); p != nil {
		return p, nil
	}
	return nil, ErrRunEnded
}

// alive returns ErrRunEnded when the ledger, read now, says so.
func (r *Run) alive(ctx context.Context) error {
	if err := r.Ledger.Sync(ctx); err != nil {
		return err
	}
	if Look(r.Ledger, (*ledger.State).Status) == ledger.Ended {
		return ErrRunEnded
	}
	return nil
}

// Live reports that the run still takes commits: running, neither cancelled nor
// sealed nor ended.
func (r *Run) Live() bool {
	return Look(r.Ledger, func(s *ledger.State) bool { return s.Status() == ledger.Running })
}

// Fail ends the run as failed, for a reason without row values that says what to
// do. It is a ledger entry like any other: void when the run is complete or over.
func (r *Run) Fail(ctx context.Context, reason string) error {
	ours, err := r.cancel(ctx, reason, true)
	if ours || err != nil { // others may meet the same, and more of it while the run ends
		r.log.ErrorContext(ctx, "run fails", slog.String("reason", reason))
	}
	return err
}

// cancel reports whether it is this call's word that ended the run.
func (r *Run) cancel(ctx context.Context, reason string, failed bool) (ours bool, err error) {
	err = r.Ledger.AppendUntil(ctx, func(s *ledger.State) *ledger.Entry {
		if ours = s.Status() == ledger.Running && !s.Complete(); !ours {
			return nil
		}
		return &ledger.Entry{Kind: ledger.KindCancel, Cancel: &ledger.Cancel{Reason: reason, Failed: failed}}
	})
	return ours, err
}

// Cancel asks a run to end as cancelled. It reports false when the run was
// complete or over before: the ledger's order decides (rule 6).
func (c *Conn) Cancel(ctx context.Context, run RunID, reason string) (bool, error) {
	r, err := c.Attach(ctx, run)
	if err != nil {
		return false, err
	}
	if _, err := r.cancel(ctx, reason, false); err != nil {
		return false, fmt.Errorf("cancel run %s: %w", run, err)
	}
	return Look(r.Ledger, func(s *ledger.State) bool { return s.Status() == ledger.Cancelled }), nil
}

// Attach opens a run to look at it or to steer it, without serving it. The fold
// is as of now; call Ledger.Sync, or Follow, for more.
func (c *Conn) Attach(ctx context.Context, run RunID) (*Run, error) {
	rec, err := c.Lookup(ctx, run)
	if err != nil {
		return nil, err
	}
	l, err := c.OpenLedger(ctx, rec)
	if err != nil {
		return nil, err
	}
	return newRun(c, rec, l), nil
}

// Follow keeps an attached run's ledger up to date until ctx ends.
func (r *Run) Follow(ctx context.Context) error { return r.Ledger.follow(ctx) }

// Judgement is what the fold says about a block that has arrived.
type Judgement int

// The judgements of [Run.Judge].
const (
	// Owed: the block's span is not settled; work on it.
	Owed Judgement = iota
	// Settled: the span is covered, or the run takes nothing any more: ack it.
	Settled
	// Foreign: the block belongs to another plan or run: drop it (rule 17).
	Foreign
	// Torn: the span is covered in part. A stage that is not the last one may meet that:
	// its block was halved behind it, and the halves are settled one by one. For the sink
	// the protocol makes it impossible: the run must fail.
	Torn
)

// Judge compares a block with the fold.
func (r *Run) Judge(h *blocks.Header) Judgement {
	r.Ledger.mu.RLock()
	defer r.Ledger.mu.RUnlock()
	s := r.Ledger.state
	switch {
	case h.Run != string(r.Run) || h.Plan != s.PlanID(): // Rule 17 (determinism): a plan's blocks only.
		return Foreign
	case s.Status() != ledger.Running:
		return Settled
	}
	switch s.Covered(h.Span) {
	case ledger.OverlapNone:
		return Owed
	case ledger.OverlapAll:
		return Settled
	default:
		return Torn
	}
}

// settled reports that nothing of a span is owed any more: to publish it again would be
// for nothing.
func (r *Run) settled(span blocks.Span) bool {
	return Look(r.Ledger, func(s *ledger.State) bool { return s.Covered(span) == ledger.OverlapAll })
}

// Meter starts a meter for an instance of a stage; it reports until ctx ends.
func (r *Run) Meter(ctx context.Context, stage string) (m *Meter, stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	m = newMeter(r.Run, stage, r.c.cfg.Instance)
	done := make(chan struct{})
	go func() {
		defer close(done)
		m.report(ctx, r.c)
	}()
	return m, func() {
		cancel()
		<-done
	}
}

// Window is how many blocks a stage may have in flight, in each direction: 8 MiB of
// them at their largest. Far more makes the server call the connection slow and drop
// it.
func (r *Run) Window() int {
	return int(min(max(r.c.cfg.Window/max(r.BlockBytes, 1), 2), 32))
}

// Input opens the edge that feeds a stage (or [SinkStage]): all its instances
// share one durable consumer. Serve it with [Input.Serve].
func (r *Run) Input(stage string, meter *Meter) (*Input, error) {
	return r.inputOf(stage, meter, 0)
}

// inputOf is Input for a stage whose workers take up to so many blocks out of the window
// at once: the window is what waits and travels besides.
func (r *Run) inputOf(stage string, meter *Meter, workers int) (*Input, error) {
	up := r.Upstream(stage)
	if e := r.fused[up]; e != nil {
		return &Input{c: r.c, fused: e, ready: e.ready, meter: meter}, nil
	}
	for _, e := range r.Edges {
		if e.Stage == up {
			in := r.input(r.c.edgeConfig(&r.Record, e), edgeConsumer(stage), r.Window()+workers, meter)
			in.most = r.Window()
			return in, nil
		}
	}
	return nil, fmt.Errorf("run %s has no stage %q", r.Run, stage)
}

// Tasks opens the task queue. n is how many tasks this process works on at once.
func (r *Run) Tasks(n int, meter *Meter) *Input {
	return r.input(r.c.tasksConfig(&r.Record), tasksConsumer, n, meter)
}

// Output opens the edge that a stage fills.
func (r *Run) Output(stage string, meter *Meter) (*Publisher, error) {
	if e := r.fused[stage]; e != nil {
		return &Publisher{c: r.c, fused: e, intake: r.intake, meter: meter}, nil
	}
	for _, e := range r.Edges {
		if e.Stage == stage {
			return r.publisher(r.c.edgeConfig(&r.Record, e), meter), nil
		}
	}
	return nil, fmt.Errorf("run %s has no stage %q", r.Run, stage)
}

// EdgeOf returns the edge that feeds the given stage.
func (r *Run) EdgeOf(stage string) Edge {
	up := r.Upstream(stage)
	for _, e := range r.Edges {
		if e.Stage == up {
			return e
		}
	}
	return Edge{}
}

// Depth returns what waits in the edge that the given stage fills, as this process sees
// it: of a fused edge, the blocks that the next stage has not taken or is not done with.
func (r *Run) Depth(ctx context.Context, stage string) (Depth, error) {
	if e := r.fused[stage]; e != nil {
		return Depth{Blocks: uint64(max(e.inside.Load(), 0))}, nil
	}
	return r.c.Depth(ctx, r.Run, stage)
}
