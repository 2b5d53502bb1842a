package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/operator"
)

// run applies a chain to a batch of the given rows, borrowing it. When the chain gives
// an error as a whole, or an operator panics, the batch is halved until the rows that do
// it stand alone: they are failed rows, and the others go on. An [*operator.StopError]
// is returned as it is. The caller must Release the outcome's batch.
func run(ctx context.Context, mem memory.Allocator, chain *operator.Chain, in arrow.RecordBatch, at operator.Rows) (operator.Outcome, error) {
	out, err := chain.RunAt(ctx, mem, in, at)
	if err == nil || ctx.Err() != nil || errors.As(err, new(*operator.StopError)) {
		return out, err
	}
	b := bisection{mem: mem, chain: chain, at: at}
	defer b.release()
	if err := b.search(ctx, in, 0, in.NumRows(), err); err != nil {
		return operator.Outcome{}, err
	}
	return b.outcome()
}

// bisection collects the outcomes of the parts of a batch, in row order.
type bisection struct {
	mem     memory.Allocator
	chain   *operator.Chain
	at      operator.Rows
	batches []arrow.RecordBatch
	kept    []uint32
	dropped []operator.Drop
	failed  []operator.FailedRow
}

// search handles rows [lo,hi), which failed together with cause.
func (b *bisection) search(ctx context.Context, in arrow.RecordBatch, lo, hi int64, cause error) error {
	if hi-lo == 1 {
		f := operator.FailedRow{Row: int(lo), Operator: "chain", Err: cause}
		if p := (*operator.PanicError)(nil); errors.As(cause, &p) {
			f.Operator = p.Operator
		}
		b.failed = append(b.failed, f)
		return nil
	}
	mid := lo + (hi-lo)/2
	for _, part := range [][2]int64{{lo, mid}, {mid, hi}} {
		slice := in.NewSlice(part[0], part[1])
		out, err := b.chain.RunAt(ctx, b.mem, slice, *b.at.Slice(part[0], part[1]))
		slice.Release()
		stop := (*operator.StopError)(nil)
		switch {
		case errors.As(err, &stop):
			stop.Row += int(part[0])
			return err
		case ctx.Err() != nil:
			if err == nil && out.Batch != nil {
				out.Batch.Release()
			}
			return context.Cause(ctx)
		case err != nil:
			if err := b.search(ctx, in, part[0], part[1], err); err != nil {
				return err
			}
		default:
			b.add(out, part[0], part[1])
		}
	}
	return nil
}

// add takes ownership of the outcome of rows [lo,hi).
func (b *bisection) add(out operator.Outcome, lo, hi int64) {
	if out.Batch != nil {
		b.batches = append(b.batches, out.Batch)
		if out.Kept == nil {
			for row := lo; row < hi; row++ {
				b.kept = append(b.kept, uint32(row)) //nolint:gosec // a row of a block
			}
		}
	}
	for _, k := range out.Kept {
		b.kept = append(b.kept, k+uint32(lo)) //nolint:gosec // a row of a block
	}
	for _, f := range out.Failed {
		f.Row += int(lo)
		b.failed = append(b.failed, f)
	}
	for _, d := range out.Dropped {
		i := slices.IndexFunc(b.dropped, func(o operator.Drop) bool { return o.Operator == d.Operator })
		if i < 0 {
			b.dropped = append(b.dropped, d)
			continue
		}
		b.dropped[i].Rows += d.Rows
	}
}

func (b *bisection) outcome() (operator.Outcome, error) {
	out := operator.Outcome{Kept: b.kept, Dropped: b.dropped, Failed: b.failed}
	if out.Kept == nil {
		out.Kept = []uint32{} // none; nil would say all
	}
	if len(b.batches) == 0 {
		return out, nil
	}
	schema := b.batches[0].Schema()
	cols := make([]arrow.Array, schema.NumFields())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	rows := int64(0)
	for _, p := range b.batches {
		rows += p.NumRows()
	}
	for i := range cols {
		parts := make([]arrow.Array, len(b.batches))
		for j, p := range b.batches {
			parts[j] = p.Column(i)
		}
		col, err := array.Concatenate(parts, b.mem)
		if err != nil {
			return operator.Outcome{}, fmt.Errorf("join the rows around the failed ones: column %q: %w", schema.Field(i).Name, err)
		}
		cols[i] = col
	}
	out.Batch = array.NewRecordBatch(schema, cols, rows)
	return out, nil
}

func (b *bisection) release() {
	for _, p := range b.batches {
		p.Release()
	}
}

// reason is an error's text for a dead letter. The message of a panic may hold
// anything, a row's value too, so it stays out.
func reason(err error) string {
	if p := (*operator.PanicError)(nil); errors.As(err, &p) {
		return "operator panicked: a fault in the operator, see the log of the transform"
	}
	return err.Error()
}
