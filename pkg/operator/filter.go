package operator

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// filter keeps the rows for which a predicate is true; false and null drop the row.
type filter struct{ predicate }

// Filter returns the operator for a predicate compiled against the schema in.
func Filter(in *arrow.Schema, pred *expr.Program) (Operator, error) {
	p, err := newPredicate("a filter", in, pred)
	if err != nil {
		return nil, err
	}
	return &filter{p}, nil
}

func (f *filter) Kind() string { return "filter" }

// Drops implements [Dropper].
func (f *filter) Drops() bool { return true }

// Predicate is the filter's expression, for pruning.
func (f *filter) Predicate() *expr.Program { return f.pred }

func (f *filter) Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	kept, failed, err := f.holds(ctx, mem, in)
	if err != nil {
		return Result{}, err
	}
	return gather(ctx, mem, f.out, in, kept, rowErrors("", failed))
}
