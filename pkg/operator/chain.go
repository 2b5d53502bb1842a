package operator

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// Chain runs operators one after another and keeps account of every row: what it
// returns speaks of the rows of the chain's own input.
type Chain struct {
	ops    []Operator
	labels []string
}

// NewChain returns a chain. Operators are labelled by kind and place, "filter[2]".
// Each must take what the one before it gives.
func NewChain(ops ...Operator) *Chain {
	c := &Chain{ops: ops}
	for i, op := range ops {
		c.labels = append(c.labels, Label(op.Kind(), i))
	}
	return c
}

// Label is the name of the operator at place i of a chain.
func Label(kind string, i int) string { return fmt.Sprintf("%s[%d]", kind, i) }

// Operators returns the chain's operators. Read-only.
func (c *Chain) Operators() []Operator { return c.ops }

// Drop is how many rows an operator filtered out.
type Drop struct {
	Operator string // label
	Rows     int64
}

// FailedRow is a row of the chain's input that an operator could not process.
type FailedRow struct {
	Row      int
	Operator string // label
	Column   string
	Err      error
}

// Outcome is what a chain made of a batch.
type Outcome struct {
	Batch   arrow.RecordBatch // never nil; possibly without rows
	Kept    []uint32          // rows of the input in Batch, ascending; nil: all
	Dropped []Drop            // operators that dropped none are left out
	Failed  []FailedRow       // in the order of the operators, then of the rows
}

// Run is RunAt for a batch that the source begins with.
func (c *Chain) Run(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Outcome, error) {
	return c.RunAt(ctx, mem, in, Rows{})
}

// RunAt maps a batch of the given rows of the source, borrowing it; the caller must
// Release the outcome's batch. A panic in an operator becomes a [*PanicError]; after an
// error nothing is left to release. A [*StopError] says that the run must not go on.
func (c *Chain) RunAt(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch, at Rows) (Outcome, error) {
	in.Retain()
	out := Outcome{Batch: in}
	for i, op := range c.ops {
		if err := ctx.Err(); err != nil {
			out.Batch.Release()
			return Outcome{}, context.Cause(ctx)
		}
		rows := out.Batch.NumRows()
		here := at.Keep(out.Kept)
		res, err := apply(expr.WithRows(ctx, here), mem, op, c.labels[i], out.Batch, *here)
		out.Batch.Release()
		if err != nil {
			if stop := (*StopError)(nil); errors.As(err, &stop) && out.Kept != nil {
				stop.Row = int(out.Kept[stop.Row])
			}
			return Outcome{}, err
		}
		out.Batch = res.Batch
		for _, f := range res.Failed {
			row := f.Row
			if out.Kept != nil {
				row = int(out.Kept[row])
			}
			out.Failed = append(out.Failed, FailedRow{Row: row, Operator: c.labels[i], Column: f.Column, Err: f.Err})
		}
		if n := rows - res.Batch.NumRows() - int64(len(res.Failed)); n > 0 {
			out.Dropped = append(out.Dropped, Drop{Operator: c.labels[i], Rows: n})
		}
		out.Kept = compose(out.Kept, res.Kept)
	}
	return out, nil
}

func apply(ctx context.Context, mem memory.Allocator, op Operator, label string, in arrow.RecordBatch, at Rows) (res Result, err error) {
	defer func() {
		if v := recover(); v != nil {
			res, err = Result{}, &PanicError{Operator: label, Value: v, Stack: debug.Stack()}
		}
	}()
	if res, err = ApplyAt(ctx, mem, op, in, at); err != nil {
		if stop := (*StopError)(nil); errors.As(err, &stop) {
			return Result{}, &StopError{Operator: label, Row: stop.Row, Err: stop.Err}
		}
		return Result{}, fmt.Errorf("operator %s: %w", label, err)
	}
	return res, nil
}

// compose maps the rows that an operator kept back to those that came into the
// chain.
func compose(before, kept []uint32) []uint32 {
	if kept == nil {
		return before
	}
	if before == nil {
		return kept
	}
	rows := make([]uint32, len(kept))
	for i, k := range kept {
		rows[i] = before[k]
	}
	return rows
}
