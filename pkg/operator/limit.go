package operator

import (
	"context"
	"errors"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// limit keeps the first rows of the source.
type limit struct {
	rows int64
	out  *arrow.Schema
}

// Limit returns the operator that keeps those rows that are among the first n of the
// source. It counts the source's rows, not those that reach it: otherwise a row's fate
// would hang on the rows before it, which other processes work on. Who compiles it
// therefore lets nothing stand before it that drops rows.
func Limit(in *arrow.Schema, n int64) (Operator, error) {
	if n < 0 {
		return nil, errors.New("a limit is a number of rows, 0 or more")
	}
	return &limit{rows: n, out: in}, nil
}

func (l *limit) Kind() string       { return "limit" }
func (l *limit) Out() *arrow.Schema { return l.out }
func (l *limit) From() []int        { return identity(l.out.NumFields()) }

// Drops implements [Dropper].
func (l *limit) Drops() bool { return true }

func (l *limit) Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	return l.ApplyAt(ctx, mem, in, Rows{})
}

// ApplyAt implements [Placed].
func (l *limit) ApplyAt(_ context.Context, _ memory.Allocator, in arrow.RecordBatch, at Rows) (Result, error) {
	n := int(in.NumRows())
	first := sort.Search(n, func(i int) bool { return at.At(i) >= l.rows }) // row that is left out; rows ascend
	if first == n {
		return Result{Batch: array.NewRecordBatch(l.out, in.Columns(), in.NumRows())}, nil
	}
	head := in.NewSlice(0, int64(first))
	defer head.Release()
	return Result{Batch: array.NewRecordBatch(l.out, head.Columns(), head.NumRows()), Kept: sequence(first)}, nil
}

// sequence is the rows below n.
func sequence(n int) []uint32 {
	s := make([]uint32, n)
	for i := range s {
		s[i] = uint32(i)
	}
	return s
}
