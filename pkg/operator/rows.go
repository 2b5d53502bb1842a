package operator

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// Rows says which rows of the source a batch holds. The zero value is a batch that the
// source begins with.
type Rows = expr.Rows

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
