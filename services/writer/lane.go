package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// lane is one writer: it has its own open files, and cuts them together.
//
//	Next ─► judge ─► held? ─► decode ─► append to the open files ─► hold ─► due? ─► cut
//	          │ settled: ack     │ join the list to settle
type lane struct {
	cfg    Config
	run    *flow.Run
	job    *job.Job
	sink   *sink.Sink
	in     *flow.Input
	meter  *flow.Meter
	log    *slog.Logger
	policy pipeline.Policies
	edge   flow.Edge

	late  *late // nil when all columns travel
	files *fileSet
	hold  *hold
	fresh time.Time // when the last block came that was not held already
}

func newLane(cfg Config, run *flow.Run, j *job.Job, out *sink.Sink, in *flow.Input, meter *flow.Meter, log *slog.Logger) (*lane, error) {
	l := &lane{
		cfg: cfg, run: run, job: j, sink: out, in: in, meter: meter, log: log,
		policy: j.Pipeline.Spec.Policies, edge: run.EdgeOf(flow.SinkStage), fresh: time.Now(),
	}
	if j.Pipeline.Late() {
		var err error
		if l.late, err = newLate(j, cfg.Memory); err != nil {
			return nil, fmt.Errorf("lay out files: %w", err)
		}
	}
	l.reopen()
	return l, nil
}

// reopen starts a new cut with nothing held.
func (l *lane) reopen() {
	l.files = newFileSet(l.sink, l.job.Pipeline, fileSetOptions{Buffer: l.cfg.Buffer, Memory: l.cfg.Memory, Late: l.late})
	l.hold = newHold()
}

// linger is how long the edge must bring nothing new before a lane asks itself
// whether more will come: longer where it has to ask the server.
func (l *lane) linger() time.Duration {
	if l.edge.Fused {
		return 2 * time.Millisecond
	}
	return 100 * time.Millisecond
}

func (l *lane) serve(intake, work context.Context) error {
	defer l.late.close()
	defer func() { l.files.Abandon(context.WithoutCancel(work)) }()
	for {
		d, err := l.in.Next(intake, l.patience())
		if err != nil { // a drain, or the end: what is held is worth a commit
			return l.cut(work, "drain")
		}
		if d != nil {
			if err := l.take(work, d); err != nil {
				return l.broken(work, err)
			}
		}
		if why := l.due(work); why != "" {
			if err := l.cut(work, why); err != nil {
				return err
			}
		}
	}
}

// patience is how long Next may wait: until a held block makes a cut possible.
func (l *lane) patience() time.Duration {
	if l.hold.empty() {
		return time.Second
	}
	return max(min(l.linger(), time.Until(l.hold.since.Add(l.policy.MaxAge))), time.Millisecond)
}

// take appends one delivery to the open files, or settles it. An error means that
// the lane cannot go on with its open files.
func (l *lane) take(ctx context.Context, d *flow.Delivery) error {
	h, err := d.Header()
	if err != nil {
		return l.damaged(ctx, d, err)
	}
	switch l.run.Judge(&h) {
	case flow.Settled:
		d.Ack()
		return nil
	case flow.Foreign:
		d.Term("block of another plan")
		return nil
	case flow.Torn:
		return l.torn(ctx, d, h.Span)
	case flow.Owed:
	}
	// Rule 1 (once): what is held counts like what is covered.
	if joined, torn := l.hold.joins(d, h.Span); torn {
		return l.torn(ctx, d, h.Span)
	} else if joined {
		return nil
	}
	if !l.hold.empty() && l.hold.plan != h.Plan {
		// The ledger went back and has another plan now: what is held is for nothing.
		if err := l.cut(ctx, "another plan"); err != nil {
			return err
		}
	}
	l.meter.SetState("writing")
	var decoded bool
	err = l.meter.Work(func() error {
		b, err := d.Block()
		if err != nil {
			return err
		}
		defer b.Release()
		decoded = true
		if b.Batch == nil {
			return nil
		}
		batch, err := conform(b.Batch, l.job.Pipeline.Carried)
		if err != nil {
			return &strangerError{stage: b.Stage, err: err}
		}
		defer batch.Release()
		if l.late != nil {
			whole := *b
			whole.Batch = batch
			return l.files.AppendLate(ctx, &whole)
		}
		return l.placed(b, l.files.Append(ctx, batch, b.Span))
	})
	if err != nil && !decoded {
		return l.damaged(ctx, d, err)
	}
	if err != nil {
		d.Nak(0)
		return err
	}
	l.fresh = time.Now()
	l.meter.Rows(h.Rows, h.Rows)
	return l.hold.add(d, &h)
}

// placed says of an error about a row of a block where the row is from.
func (l *lane) placed(b *blocks.Block, err error) error {
	bad := (*valueError)(nil)
	if !errors.As(err, &bad) {
		return err
	}
	rows := job.RowsOf(l.job.Plan, b.Span, b.Offsets)
	file, _, _ := strings.Cut(rows.File, "\n")
	if file == "" {
		file = "source"
	}
	return fmt.Errorf("%s: row %d: %w", file, rows.At(bad.row)-rows.Before, bad)
}

// damaged drops a message that is no valid block; its task is read again. One of a
// version that this process does not know is given back, unread.
func (l *lane) damaged(ctx context.Context, d *flow.Delivery, err error) error {
	l.meter.Error()
	if errors.Is(err, blocks.ErrVersion) {
		d.Nak(0)
		return flow.Leave(err)
	}
	l.log.ErrorContext(ctx, "damaged block dropped, its span is read again", slog.Any("error", err))
	d.Term("damaged block")
	return nil
}

// torn fails the run: one span, cut in two ways.
func (l *lane) torn(ctx context.Context, d *flow.Delivery, span blocks.Span) error {
	d.Nak(0)
	return l.run.Fail(ctx, fmt.Sprintf("block %s overlaps others in part: a stage is not deterministic", span))
}

// broken gives everything back after an error of the sink that the run cannot
// survive, and says so to the run.
func (l *lane) broken(ctx context.Context, err error) error {
	l.hold.giveBack(l.run.Ledger, time.Second)
	l.files.Abandon(context.WithoutCancel(ctx))
	l.reopen()
	if ctx.Err() != nil || errors.Is(err, context.Canceled) {
		return nil //nolint:nilerr // no time left: given back
	}
	l.meter.Error()
	if stranger := (*strangerError)(nil); errors.As(err, &stranger) {
		return l.run.Fail(ctx, err.Error())
	}
	of := (*sourceError)(nil)
	switch {
	case sink.IsPermanent(err) && errors.As(err, &of):
		return l.run.Fail(ctx, err.Error())
	case sink.IsPermanent(err):
		return l.run.Fail(ctx, "write to the sink: "+err.Error())
	}
	return err
}

// Why a lane cuts although more will come.
const (
	whyTarget = "target_file"
	whyFull   = "share of the edge"
)

// due says why the lane should cut now, or "".
func (l *lane) due(ctx context.Context) string {
	if l.hold.empty() {
		return ""
	}
	p := l.job.Pipeline.Spec.Sink.Parquet
	switch {
	case l.files.LargestFile() >= p.TargetFile:
		return whyTarget
	case l.files.Full():
		return "open files"
	case !l.edge.Fused && l.hold.bytes >= l.share():
		return whyFull
	case l.entryBytes() >= ledger.EntryCap/2:
		return "entry size"
	case time.Since(l.hold.since) >= l.policy.MaxAge: // Rule 14 (maxage): always finite.
		return "max_age"
	case time.Since(l.fresh) >= l.linger() && l.nothingMore(ctx):
		return "nothing more comes"
	}
	return ""
}

// share is how many bytes of the edge this lane may pin: three quarters of it
// over all lanes that live, so that there is room for what is on its way.
func (l *lane) share() int64 {
	writers := max(l.run.Board.Live(flow.SinkStage), 1) * l.cfg.Lanes
	return l.edge.MaxBytes * 3 / 4 / int64(writers)
}

// entryBytes estimates the ledger entry of a cut (rule 16): spans are a few bytes
// each, here and once more in the lineage of every file that has rows of them.
func (l *lane) entryBytes() int {
	return 1024 + 8*l.hold.spans.Len() + l.files.EntryBytes()
}

// nothingMore reports that waiting is in vain: upstream is finished, or the edge is
// so full with what lanes hold that nothing new fits (a fused one holds nothing). A fetch that brings only what
// is held counts as empty, because it does not make the lane fresh.
func (l *lane) nothingMore(ctx context.Context) bool {
	here, err := l.run.Depth(ctx, l.edge.Stage)
	if err != nil {
		return false
	}
	if here.MaxBytes > 0 && here.Bytes+2*l.run.BlockBytes >= here.MaxBytes {
		return true
	}
	if !flow.Look(l.run.Ledger, (*ledger.State).AllExtents) || l.edge.Fused && here.Blocks > 0 {
		return false
	}
	for _, e := range l.run.Edges {
		if e.Stage == l.edge.Stage {
			continue
		}
		if d, err := l.run.Depth(ctx, e.Stage); err != nil || d.Blocks > 0 {
			return false
		}
	}
	return true
}

// retryDelay is for blocks that are given back because somebody else was faster:
// spread, so that lanes do not meet again (rule 15).
func retryDelay() time.Duration { return rand.N(200 * time.Millisecond) }
