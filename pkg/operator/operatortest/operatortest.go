package operatortest

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/operator"
)

// Run checks an operator that was made for the given schema, on batches that [Batch]
// makes of it.
func Run(t *testing.T, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	for _, c := range []struct {
		name string
		test func(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator)
	}{
		{"OutMatchesDeclaredSchema", outMatches},
		{"KeepsInputUntouched", keepsInput},
		{"AcceptsSlices", acceptsSlices},
		{"AcceptsEmptyBatch", acceptsEmpty},
		{"IsDeterministic", isDeterministic},
		{"CountsAddUp", countsAddUp},
		{"RowsDoNotDependOnTheirNeighbours", byHalves},
		{"RowsDoNotDependOnThoseLeftOut", bySome},
		{"FromNamesWhatIsUnchanged", fromIsTrue},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0) // ReleasesEverything
			c.test(t, mem, in, op)
		})
	}
}

const rows = 257

// apply applies an operator to a batch that the source begins with.
func apply(t *testing.T, mem memory.Allocator, op operator.Operator, in arrow.RecordBatch) operator.Result {
	t.Helper()
	return applyAt(t, mem, op, in, operator.Rows{})
}

func applyAt(t *testing.T, mem memory.Allocator, op operator.Operator, in arrow.RecordBatch, at operator.Rows) operator.Result {
	t.Helper()
	res, err := operator.ApplyAt(t.Context(), mem, op, in, at)
	require.NoError(t, err)
	require.NotNil(t, res.Batch)
	return res
}

func outMatches(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	batch := Batch(mem, in, rows)
	defer batch.Release()
	res := apply(t, mem, op, batch)
	defer res.Batch.Release()
	require.True(t, op.Out().Equal(res.Batch.Schema()), "%s\n%s", op.Out(), res.Batch.Schema())
	for i, f := range op.Out().Fields() {
		require.True(t, arrow.TypeEqual(f.Type, res.Batch.Column(i).DataType()), f.Name)
		if !f.Nullable {
			require.Zero(t, res.Batch.Column(i).NullN(), f.Name)
		}
	}
}

func keepsInput(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	batch, twin := Batch(mem, in, rows), Batch(mem, in, rows)
	defer batch.Release()
	defer twin.Release()
	apply(t, mem, op, batch).Batch.Release()
	require.True(t, array.RecordEqual(twin, batch))
}

func acceptsSlices(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	whole := Batch(mem, in, rows)
	defer whole.Release()
	slice := whole.NewSlice(13, 200)
	defer slice.Release()
	res := applyAt(t, mem, op, slice, operator.Rows{InFile: 13})
	defer res.Batch.Release()
	require.LessOrEqual(t, res.Batch.NumRows(), slice.NumRows())
}

func acceptsEmpty(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	empty := Batch(mem, in, 0)
	defer empty.Release()
	res := apply(t, mem, op, empty)
	defer res.Batch.Release()
	require.Zero(t, res.Batch.NumRows())
	require.Empty(t, res.Failed)
}

func isDeterministic(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	batch := Batch(mem, in, rows)
	defer batch.Release()
	a, b := apply(t, mem, op, batch), apply(t, mem, op, batch)
	defer a.Batch.Release()
	defer b.Batch.Release()
	require.True(t, array.RecordEqual(a.Batch, b.Batch))
	require.Equal(t, a.Kept, b.Kept)
	require.Equal(t, a.Failed, b.Failed)
}

func countsAddUp(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	batch := Batch(mem, in, rows)
	defer batch.Release()
	res := apply(t, mem, op, batch)
	defer res.Batch.Release()
	failed := map[int]bool{}
	last := -1
	for _, f := range res.Failed {
		require.False(t, failed[f.Row], "row %d fails once", f.Row)
		require.Error(t, f.Err)
		failed[f.Row] = true
	}
	if res.Kept == nil {
		require.Equal(t, batch.NumRows(), res.Batch.NumRows()+int64(len(res.Failed)))
		require.Empty(t, res.Failed, "failed rows are not kept")
		return
	}
	require.Len(t, res.Kept, int(res.Batch.NumRows()))
	for _, k := range res.Kept {
		require.Greater(t, int(k), last, "kept rows are in order")
		require.False(t, failed[int(k)], "failed rows are not kept")
		last = int(k)
	}
	require.Less(t, last, rows)
}

// fromIsTrue: a writer that takes a column from the source, because no operator made it,
// writes what would have come through the operators.
func fromIsTrue(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	batch := Batch(mem, in, rows)
	defer batch.Release()
	res := apply(t, mem, op, batch)
	defer res.Batch.Release()
	kept := res.Kept
	if kept == nil {
		for i := range rows {
			kept = append(kept, uint32(i))
		}
	}
	want, err := operator.Take(t.Context(), mem, batch, kept)
	require.NoError(t, err)
	defer want.Release()
	require.Len(t, op.From(), op.Out().NumFields())
	for i, from := range op.From() {
		if from >= 0 {
			require.True(t, array.Equal(want.Column(from), res.Batch.Column(i)), op.Out().Field(i).Name)
		}
	}
}

// byHalves: an operator maps rows, so two halves give what the whole gives. Blocks are
// cut and bisected on the strength of it.
func byHalves(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	batch := Batch(mem, in, rows)
	defer batch.Release()
	whole := apply(t, mem, op, batch)
	defer whole.Batch.Release()
	at := int64(0)
	for _, part := range [][2]int64{{0, 100}, {100, rows}} {
		slice := batch.NewSlice(part[0], part[1])
		res := applyAt(t, mem, op, slice, operator.Rows{InFile: part[0]})
		same := whole.Batch.NewSlice(at, at+res.Batch.NumRows())
		require.True(t, array.RecordEqual(same, res.Batch))
		at += res.Batch.NumRows()
		same.Release()
		res.Batch.Release()
		slice.Release()
	}
	require.Equal(t, whole.Batch.NumRows(), at)
}

// bySome: rows before an operator may have been dropped; what becomes of the others is the
// same, for their places in the source are.
func bySome(t *testing.T, mem memory.Allocator, in *arrow.Schema, op operator.Operator) {
	t.Helper()
	batch := Batch(mem, in, rows)
	defer batch.Release()
	whole := apply(t, mem, op, batch)
	defer whole.Batch.Release()
	var odd []uint32
	for i := uint32(1); i < rows; i += 2 {
		odd = append(odd, i)
	}
	some, err := operator.Take(t.Context(), mem, batch, odd)
	require.NoError(t, err)
	defer some.Release()
	res := applyAt(t, mem, op, some, operator.Rows{Offsets: odd})
	defer res.Batch.Release()
	var want []uint32                              // of the whole's rows those that are odd
	for i := range uint32(whole.Batch.NumRows()) { //nolint:gosec // at most rows
		row := i
		if whole.Kept != nil {
			row = whole.Kept[i]
		}
		if row%2 == 1 {
			want = append(want, i)
		}
	}
	same, err := operator.Take(t.Context(), mem, whole.Batch, want)
	require.NoError(t, err)
	defer same.Release()
	require.True(t, array.RecordEqual(same, res.Batch))
}

// Batch makes a batch of a schema, always the same for the same number of rows, with
// nulls in nullable columns. It panics for a type that it does not know. The caller must
// Release it.
func Batch(mem memory.Allocator, s *arrow.Schema, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, s)
	defer b.Release()
	for i, f := range s.Fields() {
		for row := range rows {
			if f.Nullable && row%7 == 3 {
				b.Field(i).AppendNull()
				continue
			}
			appendValue(b.Field(i), row)
		}
	}
	return b.NewRecordBatch()
}

func text(row int) string { return "row " + string(rune('a'+row%26)) }

func appendValue(b array.Builder, row int) {
	switch b := b.(type) {
	case *array.Int64Builder:
		b.Append(int64(row * 31 % 601))
	case *array.Int32Builder:
		b.Append(int32(row % 100))
	case *array.Float64Builder:
		b.Append(float64(row) / 3)
	case *array.StringBuilder:
		b.Append(text(row))
	case *array.LargeStringBuilder:
		b.Append(text(row))
	case *array.BinaryBuilder: // large ones too
		b.AppendString(text(row))
	case *array.BooleanBuilder:
		b.Append(row%2 == 0)
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(row) * 1_000_000)
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(int64(row)))
	case *array.StructBuilder:
		b.Append(true)
		st, _ := b.Type().(*arrow.StructType)
		for i, f := range st.Fields() {
			if f.Nullable && (row+i)%5 == 1 {
				b.FieldBuilder(i).AppendNull()
				continue
			}
			appendValue(b.FieldBuilder(i), row+i)
		}
	case *array.ListBuilder:
		b.Append(true)
		for i := range row % 4 {
			appendValue(b.ValueBuilder(), row+i)
		}
	default:
		panic("operatortest: no values for " + b.Type().String())
	}
}
