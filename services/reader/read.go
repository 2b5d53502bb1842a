package reader

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// reading is what all tasks of one plan have in common.
type reading struct {
	id     string // the plan's hash
	job    *job.Job
	source source
}

// open returns the reading of the standing plan.
func (t *tasker) open(ctx context.Context) (*reading, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	id := t.run.PlanHash()
	if t.current != nil && t.current.id == id {
		return t.current, nil
	}
	j, err := job.Wait(ctx, t.run)
	if err != nil {
		return nil, err
	}
	if j.Pipeline == nil {
		return nil, flow.ErrRunEnded // the plan skips the run
	}
	// A task can be here before the plan is: its id is asked for after the wait, and
	// must be that of the plan which was waited for.
	same := false
	t.run.Ledger.View(func(s *ledger.State) { id, same = s.PlanID(), s.Plan() == j.Plan })
	if !same {
		return nil, errors.New("open plan: it changed while it was opened")
	}
	t.current = &reading{id: id, job: j, source: sourceOf(j, t.cfg)}
	return t.current, nil
}

// read serves one task, delivered as d: blocks, then the extent.
//
//	row group ─► block of the planned rows ─► covered? skip ─► publish ─┐ all stored
//	                                                        extent ◄─────┘
func (t *tasker) read(intake, work context.Context, task flow.Task, d *flow.Delivery) error {
	r, err := t.open(work)
	if err != nil {
		return err
	}
	plan := r.job.Plan
	if int(task.Task) >= len(plan.Tasks) {
		t.run.Log().WarnContext(work, "task of another plan dropped")
		return nil
	}
	g, ctx := errgroup.WithContext(work)
	g.SetLimit(t.run.Window()) // blocks that wait for their publish ack, encoded
	rows := int64(0)
	want := func(from, to int64) bool {
		span := blocks.Span{Task: task.Task, From: from, To: to}
		// What is settled is not published again (rule 13).
		return intake.Err() != nil || flow.Look(t.run.Ledger, func(s *ledger.State) ledger.Overlap { return s.Covered(span) }) != ledger.OverlapAll
	}
	err = r.source.read(ctx, task.Task, t.meter, want, func(from, to int64, batch arrow.RecordBatch) error {
		// emit takes ownership of the batch, which is nil for a span that was not wanted.
		rows = max(rows, to)
		if batch == nil {
			return nil
		}
		if err := intake.Err(); err != nil {
			batch.Release()
			return context.Cause(intake) // asked to stop: the rest is read by another
		}
		b := &blocks.Block{Header: blocks.Header{
			Run: string(t.run.Run), Stage: flow.SourceStage, Span: blocks.Span{Task: task.Task, From: from, To: to},
			Attempt: flow.NewNonce(), Plan: r.id, Epoch: task.Epoch, Rows: batch.NumRows(),
		}, Batch: batch}
		g.Go(func() error { return t.publish(ctx, b, d, want) })
		return nil
	}, func(from, to int64, operator string, cause error) error {
		rows = max(rows, to)
		if err := intake.Err(); err != nil {
			return context.Cause(intake)
		}
		t.run.Log().WarnContext(ctx, "rows of a bad file skipped", slog.Any("error", cause), slog.Int("task", int(task.Task)), slog.Int64("from", from), slog.Int64("to", to))
		t.meter.Dropped(operator, to-from)
		b := &blocks.Block{Header: blocks.Header{
			Run: string(t.run.Run), Stage: flow.SourceStage, Span: blocks.Span{Task: task.Task, From: from, To: to},
			Attempt: flow.NewNonce(), Plan: r.id, Epoch: task.Epoch, Dropped: []blocks.Drop{{Operator: operator, Rows: to - from}},
		}, Offsets: []uint32{}, Batch: noRows(t.cfg.Memory, r.job.Pipeline.Source)}
		g.Go(func() error { return t.publish(ctx, b, d, want) })
		return nil
	})
	if gerr := g.Wait(); gerr != nil {
		return gerr // what stopped the publishing also stopped the reading
	}
	if err != nil {
		return err
	}
	return t.extent(work, r, task.Task, rows)
}

// noRows is a batch without rows. The caller must Release it.
func noRows(mem memory.Allocator, schema *arrow.Schema) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	return b.NewRecordBatch()
}

// publish stores one block, in those of its halves that are wanted if it is too large,
// taking ownership.
func (t *tasker) publish(ctx context.Context, b *blocks.Block, d *flow.Delivery, want func(from, to int64) bool) error {
	parts, letters, err := t.run.Fit(ctx, b, flow.SourceStage, b.Attempt)
	if err != nil {
		return unreadable(err)
	}
	defer func() {
		for _, p := range parts {
			p.Release()
		}
	}()
	for _, l := range letters {
		if err := t.run.PublishLetter(ctx, t.letters, l); err != nil {
			return err
		}
		t.meter.Dead(int64(len(l.Offsets)))
	}
	for _, p := range parts {
		if len(parts) > 1 && !want(p.Span.From, p.Span.To) {
			continue // settled, unlike another part
		}
		fault.Point(fault.ReaderBlockPublishBefore)
		if err := t.out.PublishBlock(ctx, t.run.Run, p, d); err != nil {
			return err
		}
		t.meter.Rows(p.Span.Rows(), p.Rows)
		fault.Point(fault.ReaderBlockPublishAfter)
	}
	return nil
}

// extent says in the ledger that the task has been read to its end, and how many
// rows it had. One that is there already and differs fails the run: the file was
// not the planned one (rule 17).
func (t *tasker) extent(ctx context.Context, r *reading, task uint32, rows int64) error {
	if want := r.job.Plan.Tasks[task].Rows; rows != want {
		return unreadable(fmt.Errorf("%s: the plan says %d rows, the file gave %d: it changed while the run was on its way; run again with the file as it is now",
			r.source.name(task), want, rows))
	}
	fault.Point(fault.ReaderExtentAppendBefore)
	err := t.run.Ledger.AppendUntil(ctx, func(s *ledger.State) *ledger.Entry {
		if s.Status() != ledger.Running || s.PlanID() != r.id {
			return nil
		}
		if _, ok := s.Extent(task); ok {
			return nil
		}
		return &ledger.Entry{Kind: ledger.KindExtent, Extent: &ledger.Extent{Plan: r.id, Task: task, Rows: rows}}
	})
	fault.Point(fault.ReaderExtentAppendAfter)
	fault.Point(fault.ReaderTaskAckBefore)
	return err
}
