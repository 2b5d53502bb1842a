package operator

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Rows says which rows of the source a batch holds, counted from 0 over the whole source:
// its files one after the other, in the order of the plan. The zero value is a batch that
// the source begins with.
type Rows struct {
	First   int64
	Offsets []uint32 // of each row of the batch, from First, ascending; nil: the batch has all rows from First on
}

// At is the source's row that row i of the batch is.
func (r Rows) At(i int) int64 {
	if r.Offsets == nil {
		return r.First + int64(i)
	}
	return r.First + int64(r.Offsets[i])
}

// Slice is the rows [from,to) of the batch.
func (r Rows) Slice(from, to int64) Rows {
	if r.Offsets == nil {
		return Rows{First: r.First + from}
	}
	return Rows{First: r.First, Offsets: r.Offsets[from:to]}
}

// of are those rows that an operator has kept; nil: all.
func (r Rows) of(kept []uint32) Rows { return Rows{First: r.First, Offsets: compose(r.Offsets, kept)} }

// Placed is an operator that decides by where in the source a row is, and so gives the
// same rows whatever blocks they come in.
type Placed interface {
	Operator

	// ApplyAt is Apply for a batch of the given rows; Apply is for one that the source
	// begins with.
	ApplyAt(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch, at Rows) (Result, error)
}

// ApplyAt applies an operator to a batch of the given rows, whether or not it is a
// [Placed]. As [Operator]'s Apply otherwise.
func ApplyAt(ctx context.Context, mem memory.Allocator, op Operator, in arrow.RecordBatch, at Rows) (Result, error) {
	if p, ok := op.(Placed); ok {
		return p.ApplyAt(ctx, mem, in, at)
	}
	return op.Apply(ctx, mem, in)
}
