package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/pool"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
)

// Output is what a stage made of one record batch.
type Output struct {
	// Batch holds the rows that go on; nil or empty when none do. The stage takes
	// ownership.
	Batch arrow.RecordBatch
	// Kept are the rows of the input that are in Batch, ascending; nil: all of them.
	Kept []uint32
	// Dropped counts the rows that were filtered out, by operator.
	Dropped []blocks.Drop
	// Failed are the rows that go to the dead letters.
	Failed []Failure
}

// Failure is one row that could not be processed.
type Failure struct {
	Row      int    // of the input batch
	Operator string // label, "protect/with[1]"
	Column   string // "" when no single column is concerned
	Reason   string // never a value
}

// ProcessFunc maps the rows of one block. It borrows in, whose Batch is never
// nil, and may be called by several workers at once. The same rows must always
// give the same rows: a block may be processed again. Its errors state their
// intent ([Permanent], [Snooze], [Fatal]; anything else is tried again, then
// permanent).
type ProcessFunc func(ctx context.Context, in *blocks.Block) (Output, error)

// Stage is a [Role] that maps the blocks of one edge to those of the next.
//
//	edge ─► Next ─► judge ─► decode ─► Process ─► letters ─► publish ─► ack the input
//	                  │ settled: ack             stored ▲      stored ▲
type Stage struct {
	Stage   string // name in the pipeline
	Workers int    // that call Process at once; the number of cores when 0
	// MaxWorkers is up to how many workers there may be while blocks wait and the next
	// edge takes what comes out; they leave again when they have nothing to do. Always
	// Workers of them when it is not more than that.
	MaxWorkers int
	Process    ProcessFunc
}

// Map returns a [Stage] of one function that keeps the number and the order of
// the rows. The function borrows the batch; the stage takes ownership of what it
// returns.
func Map(stage string, f func(ctx context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error)) *Stage {
	return &Stage{Stage: stage, Process: func(ctx context.Context, in *blocks.Block) (Output, error) {
		out, err := f(ctx, in.Batch)
		if err == nil && out.NumRows() != in.Batch.NumRows() {
			n := out.NumRows()
			out.Release()
			return Output{}, Fatal(fmt.Errorf("stage %s returned %d rows for %d: a map keeps its rows", stage, n, in.Batch.NumRows()))
		}
		return Output{Batch: out}, err
	}}
}

// Name implements [Role].
func (s *Stage) Name() string { return "stage " + s.Stage }

// Serve implements [Role].
func (s *Stage) Serve(intake, work context.Context, run *Run) error {
	if run.Upstream(s.Stage) == "" {
		return nil // the stage of another pipeline
	}
	meter, stopMeter := run.Meter(work, s.Stage)
	defer stopMeter()
	leave := run.Takes(s.Stage)
	defer leave()
	meter.SetState("waiting")
	if _, err := run.WaitPlan(intake); err != nil {
		return err
	}
	least, most := s.bounds()
	in, err := run.inputOf(s.Stage, meter, most)
	if err != nil {
		return err
	}
	out, err := run.Output(s.Stage, meter)
	if err != nil {
		return err
	}
	if err := out.Await(intake); err != nil {
		return nil // another process plays the next stage, and this one too, or the run is over
	}
	w := &stageWorker{s: s, run: run, meter: meter, out: out, letters: run.DeadLetters()}
	w.flights.SetLimit(run.Window() + most)
	// keep lasts until every block in flight is settled, so that they stay alive.
	keep, release := context.WithCancel(work)
	outer := intake
	intake, stop := context.WithCancelCause(outer)
	defer stop(nil)
	var feeding sync.WaitGroup
	feeding.Go(func() { in.Serve(intake, keep) })
	c := &crew{start: pool.State{Min: least, Max: most, Size: least}, in: in, out: out, meter: meter, log: run.log.With(slog.String("stage", s.Stage))}
	c.work = func() { w.loop(intake, work, c, stop) }
	c.serve(intake)
	_ = w.flights.Wait() // returns nil
	release()
	feeding.Wait()
	if err := context.Cause(intake); isFinal(err) || outer.Err() == nil {
		return err // what has stopped this stage, and nobody else: it is served again
	}
	return nil
}

type stageWorker struct {
	s       *Stage
	run     *Run
	meter   *Meter
	out     *Publisher
	letters *Publisher
	flights errgroup.Group // blocks processed and not settled: a window of them
}

// loop is one worker: it leaves between two blocks, never with one.
func (w *stageWorker) loop(intake, work context.Context, c *crew, stop context.CancelCauseFunc) {
	for !c.leave() {
		d, err := c.in.Next(intake, c.patience())
		if err != nil {
			return
		}
		if d == nil {
			continue
		}
		w.meter.SetState("working")
		if err := w.block(work, d, stop); err != nil {
			stop(err)
			return
		}
	}
}

// maxTries is how often a block is tried by one delivery before its error counts
// as permanent.
const maxTries = 5

// block settles one delivery, or hands that to a flight.
func (w *stageWorker) block(ctx context.Context, d *Delivery, stop context.CancelCauseFunc) error {
	h, err := d.Header()
	if err != nil {
		return w.broken(ctx, d, err)
	}
	switch w.run.Judge(&h) {
	case Settled:
		d.Ack()
		return nil
	case Foreign:
		d.Term("block of another plan")
		return nil
	case Owed, Torn: // torn: some of the blocks that came of it are settled, see finish
	}
	attempt := NewNonce()
	for try := 0; ; try++ {
		var (
			in   *blocks.Block
			outs []*blocks.Block
			lets []*Letter
		)
		err := w.meter.Work(func() error {
			var err error
			if in, err = d.Block(); err != nil {
				return err
			}
			outs, lets, err = w.process(ctx, in, attempt)
			return err
		})
		if err == nil {
			finish := func() error {
				defer in.Release()
				if err := w.finish(ctx, d, outs, lets); err != nil {
					stop(err)
				}
				return nil
			}
			if w.out.fused != nil {
				return finish() // nothing is gained by waiting beside the worker, and memory is lost
			}
			w.flights.Go(finish)
			return nil
		}
		if in == nil {
			return w.broken(ctx, d, err)
		}
		done, err := w.failed(ctx, d, in, attempt, try, err)
		in.Release()
		if done || err != nil {
			return err
		}
	}
}

// broken drops a message that is no valid block, because it was damaged on its way:
// its span is owed, and the task that made it will be read again. One of a version that
// this process does not know is nobody's to drop: it is given back, unread, for a
// process that knows it.
func (w *stageWorker) broken(ctx context.Context, d *Delivery, err error) error {
	w.meter.Error()
	if errors.Is(err, blocks.ErrVersion) {
		d.Nak(0)
		return Leave(err)
	}
	w.run.log.ErrorContext(ctx, "damaged block dropped, its span is read again", slog.Any("error", err))
	d.Term("damaged block")
	return nil
}

// failed decides about a block whose processing gave an error; done means that
// the delivery is settled.
func (w *stageWorker) failed(ctx context.Context, d *Delivery, in *blocks.Block, attempt string, try int, cause error) (done bool, err error) {
	if ctx.Err() != nil {
		d.Nak(0)
		return true, nil //nolint:nilerr // no time left: given back
	}
	w.meter.Error()
	class, after := classOf(cause)
	switch {
	case class == classFatal, class == classLeave:
		d.Nak(0)
		return true, cause
	case class == classSnooze:
		d.Nak(after)
		return true, nil
	case class == classRetry && try+1 < maxTries:
		w.run.log.WarnContext(ctx, "block tried again", slog.String("span", in.Span.String()), slog.Int("try", try+1), slog.Any("error", cause))
		return false, pause(ctx, backoff(try+2))
	}
	if err := w.bury(ctx, in, attempt, cause); err != nil {
		d.Nak(0)
		return true, err
	}
	d.Ack()
	return true, nil
}

// bury settles a block that cannot be processed at all: its rows go to the dead
// letters, and a dead entry covers its span (rule 7).
func (w *stageWorker) bury(ctx context.Context, in *blocks.Block, attempt string, cause error) error {
	w.run.log.ErrorContext(ctx, "block dead-lettered", slog.String("span", in.Span.String()), slog.String("stage", w.s.Stage), slog.Any("error", cause))
	offsets := in.Offsets
	if offsets == nil {
		offsets = sequence(int(in.Rows))
	}
	letter := &Letter{Span: in.Span, Stage: w.s.Stage, Attempt: attempt, Operator: w.s.Stage, Reason: cause.Error(), Offsets: offsets, Rows: in.Batch}
	if err := w.run.PublishLetter(ctx, w.letters, letter); err != nil {
		return w.letterFailed(ctx, err)
	}
	w.meter.Dead(in.Rows)
	torn := false
	err := w.run.Ledger.AppendUntil(ctx, func(s *ledger.State) *ledger.Entry {
		torn = s.Status() == ledger.Running && s.Covered(in.Span) == ledger.OverlapPart
		if s.Status() != ledger.Running || s.Covered(in.Span) != ledger.OverlapNone {
			return nil
		}
		dead := &ledger.Dead{Plan: in.Plan, Span: in.Span, Stage: w.s.Stage, Attempt: attempt, Reason: cause.Error(), Dropped: map[string]int64{}}
		for _, d := range in.Dropped {
			dead.Dropped[d.Operator] += d.Rows
		}
		for _, d := range in.Dead {
			dead.Before = append(dead.Before, ledger.DeadRows{Span: in.Span, Stage: d.Stage, Attempt: d.Attempt, Offsets: d.Offsets})
		}
		return &ledger.Entry{Kind: ledger.KindDead, Dead: dead}
	})
	if err == nil && torn {
		return w.run.Fail(ctx, fmt.Sprintf("block %s of stage %s cannot be processed (%v), and once it could, for part of it is settled: the stage is not deterministic", in.Span, in.Stage, cause))
	}
	return err
}

func (w *stageWorker) letterFailed(ctx context.Context, err error) error {
	if isDeadFull(err) {
		return w.run.Fail(ctx, err.Error())
	}
	return err
}

// finish makes an attempt count: letters first, then the blocks, then the ack,
// each after the one before is stored.
func (w *stageWorker) finish(ctx context.Context, d *Delivery, outs []*blocks.Block, letters []*Letter) error {
	defer release(outs, letters)
	for _, l := range letters {
		if err := w.run.PublishLetter(ctx, w.letters, l); err != nil {
			d.Nak(0)
			return w.interrupted(ctx, w.letterFailed(ctx, err))
		}
		w.meter.Dead(int64(len(l.Offsets)))
	}
	fault.Point(fault.TransformPublishBefore)
	for _, b := range outs {
		if len(outs) > 1 && w.run.settled(b.Span) {
			continue // a part of the block, of an attempt before
		}
		if err := w.out.PublishBlock(ctx, w.run.Run, b, d); err != nil {
			d.Nak(0)
			return w.interrupted(ctx, err)
		}
		w.meter.Rows(0, b.Rows)
	}
	fault.Point(fault.TransformPublishAfter)
	fault.Point(fault.TransformAckBefore)
	d.Ack()
	return nil
}

// interrupted makes an error that only says that time is up into none.
func (w *stageWorker) interrupted(ctx context.Context, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrRunEnded) {
		return nil //nolint:nilerr // the block is given back; that is all there is to it
	}
	return err
}

func release(outs []*blocks.Block, letters []*Letter) {
	for _, b := range outs {
		b.Release()
	}
	for _, l := range letters {
		if l.Rows != nil {
			l.Rows.Release()
		}
	}
}

// process runs the stage's function over one decoded block, and makes of its
// output the blocks and letters to publish. The caller must release both.
func (w *stageWorker) process(ctx context.Context, in *blocks.Block, attempt string) ([]*blocks.Block, []*Letter, error) {
	out := Output{}
	if in.Batch != nil && in.Batch.NumRows() > 0 {
		var err error
		if out, err = w.s.Process(ctx, in); err != nil {
			return nil, nil, err
		}
	}
	w.meter.Rows(in.Rows, 0)
	for _, drop := range out.Dropped {
		w.meter.Dropped(drop.Operator, drop.Rows)
	}
	b := &blocks.Block{Header: in.Header, Batch: out.Batch}
	b.Stage, b.Attempt = w.s.Stage, attempt
	b.Dropped, b.Dead = slices.Clone(in.Dropped), slices.Clone(in.Dead)
	b.Dropped = append(b.Dropped, out.Dropped...)
	b.Offsets = compose(in.Offsets, out.Kept)
	b.Rows = 0
	if b.Batch != nil {
		b.Rows = b.Batch.NumRows()
	}
	if b.Rows == b.Span.Rows() {
		b.Offsets = nil // dense
	}
	letters, dead, err := w.lettersOf(ctx, in, out.Failed, attempt)
	if err != nil {
		b.Release()
		return nil, nil, err
	}
	if len(dead) > 0 {
		b.Dead = append(b.Dead, blocks.Dead{Stage: w.s.Stage, Attempt: attempt, Offsets: dead})
	}
	outs, more, err := w.run.Fit(ctx, b, w.s.Stage, attempt)
	if err != nil {
		release(nil, letters)
		return nil, nil, err
	}
	return outs, append(letters, more...), nil
}

// compose maps rows of the input to source rows: nil means all, in order.
func compose(offsets, kept []uint32) []uint32 {
	switch {
	case kept == nil:
		return offsets
	case offsets == nil:
		return kept
	}
	out := make([]uint32, len(kept))
	for i, k := range kept {
		out[i] = offsets[k]
	}
	return out
}

func sequence(n int) []uint32 {
	s := make([]uint32, n)
	for i := range s {
		s[i] = uint32(i)
	}
	return s
}

// lettersOf groups failed rows by operator, column and reason, one letter each,
// and returns the source offsets of them all.
func (w *stageWorker) lettersOf(ctx context.Context, in *blocks.Block, failed []Failure, attempt string) ([]*Letter, []uint32, error) {
	if len(failed) == 0 {
		return nil, nil, nil
	}
	failed = slices.Clone(failed)
	slices.SortFunc(failed, func(a, b Failure) int {
		return cmp.Or(cmp.Compare(a.Operator, b.Operator), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Row, b.Row))
	})
	var (
		letters []*Letter
		dead    []uint32
	)
	for start := 0; start < len(failed); {
		f := failed[start]
		end := start
		var rows []uint32
		for ; end < len(failed) && failed[end].Operator == f.Operator && failed[end].Column == f.Column && failed[end].Reason == f.Reason; end++ {
			rows = append(rows, uint32(failed[end].Row)) //nolint:gosec // a row of a block
		}
		taken, err := take(ctx, in.Batch, rows)
		if err != nil {
			release(nil, letters)
			return nil, nil, Permanent(fmt.Errorf("take failed rows: %w", err))
		}
		offsets := compose(in.Offsets, rows)
		letters = append(letters, &Letter{Span: in.Span, Stage: w.s.Stage, Attempt: attempt, Operator: f.Operator, Column: f.Column, Reason: f.Reason, Offsets: offsets, Rows: taken})
		dead = append(dead, offsets...)
		start = end
	}
	slices.Sort(dead)
	return letters, dead, nil
}

// take copies rows of a batch. The caller must Release the result.
func take(ctx context.Context, batch arrow.RecordBatch, rows []uint32) (arrow.RecordBatch, error) {
	b := array.NewUint32Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues(rows, nil)
	idx := b.NewUint32Array()
	defer idx.Release()
	cols := make([]arrow.Array, batch.NumCols())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range cols {
		col, err := compute.TakeArray(ctx, batch.Column(i), idx)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", batch.ColumnName(i), err)
		}
		cols[i] = col
	}
	return array.NewRecordBatch(batch.Schema(), cols, int64(len(rows))), nil
}
