package operator

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// identity maps n columns to themselves.
func identity(n int) []int {
	from := make([]int, n)
	for i := range from {
		from[i] = i
	}
	return from
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

// leaveOut makes the result of an operator that has changed columns: all rows but those
// that have failed, each named by the first column that has.
func leaveOut(ctx context.Context, mem memory.Allocator, whole arrow.RecordBatch, failed []RowError) (Result, error) {
	if len(failed) == 0 {
		whole.Retain()
		return Result{Batch: whole}, nil
	}
	slices.SortStableFunc(failed, func(a, b RowError) int { return a.Row - b.Row })
	failed = slices.CompactFunc(failed, func(a, b RowError) bool { return a.Row == b.Row })
	return gather(ctx, mem, whole.Schema(), whole, without(int(whole.NumRows()), failed), failed)
}

// without lists the rows below n that did not fail.
func without(n int, failed []RowError) []uint32 {
	kept := make([]uint32, 0, n-len(failed))
	for i := range n {
		if len(failed) > 0 && failed[0].Row == i {
			failed = failed[1:]
			continue
		}
		kept = append(kept, uint32(i))
	}
	return kept
}
