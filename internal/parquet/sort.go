package parquet

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
)

// sorted is the rows of batches as one, in order; those that are equal stay as they came.
// It borrows them; the caller must Release the result. The sort of arrow-go does not let
// go of its memory, and has no order for NaN.
//
//nolint:contextcheck,nolintlint // it computes, and nothing waits; the first linter looks for this line in the callers
func (w *Writer) sorted(batches []arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, w.schema.NumFields())
	defer releaseAll(cols)
	rows := int64(0)
	for _, b := range batches {
		rows += b.NumRows()
	}
	for i := range cols {
		parts := make([]arrow.Array, len(batches))
		for j, b := range batches {
			parts[j] = b.Column(i)
		}
		col, err := array.Concatenate(parts, w.o.Memory)
		if err != nil {
			return nil, fmt.Errorf("sort: column %q: %w", w.schema.Field(i).Name, err)
		}
		cols[i] = col
	}
	order, err := w.order(cols, int(rows))
	if err != nil {
		return nil, err
	}
	b := array.NewUint32Builder(w.o.Memory)
	defer b.Release()
	b.AppendValues(order, nil)
	places := b.NewUint32Array()
	defer places.Release()
	ctx := compute.WithAllocator(context.Background(), w.o.Memory) //nolint:forbidigo // computing, which nothing interrupts
	taken := make([]arrow.Array, len(cols))
	defer releaseAll(taken)
	for i := range cols {
		if taken[i], err = compute.TakeArrayOpts(ctx, cols[i], places, compute.TakeOptions{BoundsCheck: false}); err != nil {
			return nil, fmt.Errorf("sort: column %q: %w", w.schema.Field(i).Name, err)
		}
	}
	return array.NewRecordBatch(w.schema, taken, rows), nil
}

func releaseAll(arrays []arrow.Array) {
	for _, a := range arrays {
		if a != nil {
			a.Release()
		}
	}
}

// order is the rows in the order of the keys.
func (w *Writer) order(cols []arrow.Array, rows int) ([]uint32, error) {
	keys := make([]func(a, b uint32) int, len(w.o.Finish.Sort))
	for i, k := range w.o.Finish.Sort {
		at := w.schema.FieldIndices(k.Column)
		if len(at) != 1 {
			return nil, fmt.Errorf("sort: column %q is not there", k.Column)
		}
		compare := comparison(cols[at[0]])
		if compare == nil {
			return nil, fmt.Errorf("sort: column %q is %s, whose values have no order", k.Column, cols[at[0]].DataType())
		}
		keys[i] = withNulls(cols[at[0]], compare, k)
	}
	order := make([]uint32, rows)
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortStableFunc(order, func(a, b uint32) int {
		for _, key := range keys {
			if c := key(a, b); c != 0 {
				return c
			}
		}
		return 0
	})
	return order, nil
}

// withNulls puts nulls before or behind all values, whatever their direction.
func withNulls(col arrow.Array, compare func(a, b uint32) int, k SortKey) func(a, b uint32) int {
	if k.Descending {
		up := compare
		compare = func(a, b uint32) int { return up(b, a) }
	}
	if col.NullN() == 0 {
		return compare
	}
	null := 1
	if k.NullsFirst {
		null = -1
	}
	return func(a, b uint32) int {
		x, y := col.IsNull(int(a)), col.IsNull(int(b))
		switch {
		case x && y:
			return 0
		case x:
			return null
		case y:
			return -null
		}
		return compare(a, b)
	}
}

// comparison compares two rows of a column that are not null; nil when its values have no
// order.
func comparison(col arrow.Array) func(a, b uint32) int {
	switch c := col.(type) {
	case *array.Int8:
		return ordered(c.Int8Values())
	case *array.Int16:
		return ordered(c.Int16Values())
	case *array.Int32:
		return ordered(c.Int32Values())
	case *array.Int64:
		return ordered(c.Int64Values())
	case *array.Uint8:
		return ordered(c.Uint8Values())
	case *array.Uint16:
		return ordered(c.Uint16Values())
	case *array.Uint32:
		return ordered(c.Uint32Values())
	case *array.Uint64:
		return ordered(c.Uint64Values())
	case *array.Date32:
		return ordered(c.Date32Values())
	case *array.Time32:
		return ordered(c.Time32Values())
	case *array.Time64:
		return ordered(c.Time64Values())
	case *array.Timestamp:
		return ordered(c.TimestampValues())
	case *array.Float32:
		return func(a, b uint32) int { return floats(float64(c.Value(int(a))), float64(c.Value(int(b)))) }
	case *array.Float64:
		return func(a, b uint32) int { return floats(c.Value(int(a)), c.Value(int(b))) }
	case *array.String:
		return func(a, b uint32) int { return cmp.Compare(c.Value(int(a)), c.Value(int(b))) }
	case *array.LargeString:
		return func(a, b uint32) int { return cmp.Compare(c.Value(int(a)), c.Value(int(b))) }
	case *array.Binary:
		return func(a, b uint32) int { return bytes.Compare(c.Value(int(a)), c.Value(int(b))) }
	case *array.Boolean:
		return func(a, b uint32) int { return truth(c.Value(int(a))) - truth(c.Value(int(b))) }
	case *array.Decimal128:
		return func(a, b uint32) int { return c.Value(int(a)).Cmp(c.Value(int(b))) }
	}
	return nil
}

func ordered[T cmp.Ordered](values []T) func(a, b uint32) int {
	return func(a, b uint32) int { return cmp.Compare(values[a], values[b]) }
}

// floats compares numbers of which NaN is the largest.
func floats(a, b float64) int {
	x, y := math.IsNaN(a), math.IsNaN(b)
	if x || y {
		return truth(x) - truth(y)
	}
	return cmp.Compare(a, b)
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}
