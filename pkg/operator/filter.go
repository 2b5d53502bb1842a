package operator

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// filter keeps the rows for which a predicate is true; false and null drop the row.
type filter struct {
	pred *expr.Program
	out  *arrow.Schema
}

// Filter returns the operator for a predicate compiled against the schema in.
func Filter(in *arrow.Schema, pred *expr.Program) (Operator, error) {
	if pred.Type().ID() != arrow.BOOL {
		return nil, fmt.Errorf("a filter needs true or false, this expression is %s: compare it with something", pred.Type())
	}
	return &filter{pred: pred, out: in}, nil
}

func (f *filter) Kind() string       { return "filter" }
func (f *filter) Out() *arrow.Schema { return f.out }

// From implements [Operator]: what is kept is kept as it is.
func (f *filter) From() []int { return identity(f.out.NumFields()) }

// identity maps n columns to themselves.
func identity(n int) []int {
	from := make([]int, n)
	for i := range from {
		from[i] = i
	}
	return from
}

// Reads implements [Reader].
func (f *filter) Reads() []string { return f.pred.Columns() }

// Drops implements [Dropper].
func (f *filter) Drops() bool { return true }

// Predicate is the filter's expression, for pruning.
func (f *filter) Predicate() *expr.Program { return f.pred }

func (f *filter) Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	vals, failed, err := f.pred.Eval(ctx, mem, in)
	if err != nil {
		return Result{}, err
	}
	defer vals.Release()
	mask, ok := vals.(*array.Boolean)
	if !ok {
		return Result{}, fmt.Errorf("%w: predicate gave %s", ErrSchema, vals.DataType())
	}
	kept := make([]uint32, 0, mask.Len())
	for i := range mask.Len() {
		if mask.IsValid(i) && mask.Value(i) { // a failed row is null
			kept = append(kept, uint32(i))
		}
	}
	return gather(ctx, mem, f.out, in, kept, rowErrors("", failed))
}

func rowErrors(column string, failed []expr.RowError) []RowError {
	if len(failed) == 0 {
		return nil
	}
	errs := make([]RowError, len(failed))
	for i, f := range failed {
		errs[i] = RowError{Row: f.Row, Column: column, Err: f}
	}
	return errs
}

// gather makes the result of an operator that keeps some rows of its input.
func gather(ctx context.Context, mem memory.Allocator, out *arrow.Schema, in arrow.RecordBatch, kept []uint32, failed []RowError) (Result, error) {
	if int64(len(kept)) == in.NumRows() {
		return Result{Batch: array.NewRecordBatch(out, in.Columns(), in.NumRows()), Failed: failed}, nil
	}
	batch, err := Take(ctx, mem, in, kept)
	if err != nil {
		return Result{}, err
	}
	defer batch.Release()
	return Result{Batch: array.NewRecordBatch(out, batch.Columns(), batch.NumRows()), Kept: kept, Failed: failed}, nil
}
