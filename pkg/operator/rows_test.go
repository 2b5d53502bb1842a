package operator_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/operator"
)

var ids = arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)

// idBatch has the numbers [from,to). The caller must Release it.
func idBatch(mem memory.Allocator, from, to int64) arrow.RecordBatch {
	b := array.NewInt64Builder(mem)
	defer b.Release()
	for v := from; v < to; v++ {
		b.Append(v)
	}
	col := b.NewArray()
	defer col.Release()
	return array.NewRecordBatch(ids, []arrow.Array{col}, to-from)
}

// idsOf runs a chain over the numbers [0,n), which are their own places in the source, in
// blocks of so many rows.
func idsOf(t *testing.T, chain *operator.Chain, n, block int64) (kept []int64) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	for from := int64(0); from < n; from += block {
		batch := idBatch(mem, from, min(from+block, n))
		out, err := chain.RunAt(t.Context(), mem, batch, operator.Rows{InFile: from})
		batch.Release()
		require.NoError(t, err)
		kept = append(kept, out.Batch.Column(0).(*array.Int64).Int64Values()...)
		out.Batch.Release()
	}
	return kept
}

func chainOf(t *testing.T, op operator.Operator, err error) *operator.Chain {
	t.Helper()
	require.NoError(t, err)
	return operator.NewChain(op)
}

// The rows of a sample are the same for ever: who reads a sample again tomorrow, with
// another version, must find the same ones. Python's xxhash says the same.
func TestSample_IsFixed(t *testing.T) {
	op, err := operator.Sample(ids, 0.1, 42)
	got := idsOf(t, chainOf(t, op, err), 100, 100)
	require.Equal(t, []int64{9, 11, 13, 15, 18, 29, 63, 77, 82, 85}, got)
}

func TestSample_DoesNotDependOnBlocks(t *testing.T) {
	op, err := operator.Sample(ids, 0.25, 1)
	chain := chainOf(t, op, err)
	want := idsOf(t, chain, 10_000, 10_000)
	require.InDelta(t, 2500, len(want), 200)
	for _, block := range []int64{1, 7, 1024, 9999} {
		require.Equal(t, want, idsOf(t, chain, 10_000, block))
	}
	// Nor on what was dropped before.
	behind := operator.NewChain(filter(t, ids, "id % 3 == 0"), chain.Operators()[0])
	require.Equal(t, slices.DeleteFunc(slices.Clone(want), func(v int64) bool { return v%3 != 0 }), idsOf(t, behind, 10_000, 64))
}

func TestSample_SeedsAndFractions(t *testing.T) {
	of := func(fraction float64, seed uint64) []int64 {
		op, err := operator.Sample(ids, fraction, seed)
		return idsOf(t, chainOf(t, op, err), 4096, 512)
	}
	require.NotEqual(t, of(0.5, 1), of(0.5, 2))
	large := of(0.5, 1)
	for _, id := range of(0.2, 1) {
		require.Contains(t, large, id, "a smaller sample is part of a larger one")
	}
	require.Empty(t, of(0, 1))
	require.Len(t, of(1, 1), 4096)
	for _, wrong := range []float64{-0.1, 1.1} {
		_, err := operator.Sample(ids, wrong, 0)
		require.ErrorContains(t, err, "from 0 to 1")
	}
}

func TestLimit_CountsRowsOfTheSource(t *testing.T) {
	op, err := operator.Limit(ids, 1000)
	chain := chainOf(t, op, err)
	for _, block := range []int64{1, 333, 1000, 5000} {
		got := idsOf(t, chain, 5000, block)
		require.Len(t, got, 1000)
		require.EqualValues(t, 999, got[999])
	}
	_, err = operator.Limit(ids, -1)
	require.Error(t, err)
}

// An assert counts a row on which it does not hold in one of three ways, and names it by
// its place in the chain's input.
func TestAssert_OnFail(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)
	col := column(t, mem, arrow.PrimitiveTypes.Int64, -5, 1, nil, 0, 7)
	defer col.Release()
	batch := array.NewRecordBatch(in, []arrow.Array{col}, 5)
	defer batch.Release()
	run := func(onFail operator.OnFail) (operator.Outcome, error) {
		op, err := operator.Assert(in, compile(t, in, "10 / v > 0.0"), onFail)
		require.NoError(t, err)
		return operator.NewChain(filter(t, in, "isNull(v) || v > -1"), op).Run(context.Background(), mem, batch)
	}

	out, err := run(operator.OnFailDeadLetter)
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 4}, out.Kept)
	require.Len(t, out.Failed, 2)
	require.Equal(t, 2, out.Failed[0].Row, "null does not hold")
	require.ErrorIs(t, out.Failed[0].Err, operator.ErrAssert)
	require.EqualError(t, out.Failed[0].Err, "assert does not hold: 10 / v > 0.0")
	require.Equal(t, 3, out.Failed[1].Row)
	require.ErrorIs(t, out.Failed[1].Err, expr.ErrDivideByZero, "a row without a value says why")
	out.Batch.Release()

	out, err = run(operator.OnFailDrop)
	require.NoError(t, err)
	require.Equal(t, []uint32{1, 4}, out.Kept)
	require.Len(t, out.Failed, 1, "one without a value is no row that was looked at and found wanting")
	require.Contains(t, out.Dropped, operator.Drop{Operator: "assert[1]", Rows: 1})
	out.Batch.Release()

	_, err = run(operator.OnFailFail)
	var stop *operator.StopError
	require.ErrorAs(t, err, &stop)
	require.Equal(t, 2, stop.Row)
	require.Equal(t, "assert[1]", stop.Operator)
	require.ErrorIs(t, err, operator.ErrAssert)

	_, err = operator.Assert(in, compile(t, in, "v + 1"), operator.OnFailDrop)
	require.ErrorContains(t, err, "true or false")
	_, err = operator.Assert(in, compile(t, in, "v > 1"), "ignore")
	require.Error(t, err)
}

func TestStructs(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	inner := arrow.StructOf(arrow.Field{Name: "lat", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "d", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, Nullable: true})
	place := arrow.StructOf(arrow.Field{Name: "city", Type: arrow.BinaryTypes.String, Nullable: true}, arrow.Field{Name: "geo", Type: inner, Nullable: true})
	in := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "p", Type: place, Nullable: true}, {Name: "z", Type: arrow.PrimitiveTypes.Int64}}, nil)
	batch, _, err := array.RecordFromJSON(mem, in, strings.NewReader(`[
		{"id":0,"z":0,"p":null},
		{"id":1,"z":1,"p":{"city":"A","geo":{"lat":1,"d":"x"}}},
		{"id":2,"z":2,"p":{"city":null,"geo":null}},
		{"id":3,"z":3,"p":{"city":"B","geo":{"lat":3,"d":null}}}]`))
	require.NoError(t, err)
	defer batch.Release()
	slice := batch.NewSlice(1, 4)
	defer slice.Release()

	op, err := operator.Flatten(in, []string{"p"}, "_")
	require.NoError(t, err)
	require.Equal(t, []string{"id", "p_city", "p_geo_lat", "p_geo_d", "z"}, fieldNames(op.Out()))
	require.Equal(t, []int{0, -1, -1, -1, 2}, op.From())
	for _, f := range op.Out().Fields()[1:4] {
		require.True(t, f.Nullable, f.Name)
	}
	for _, in := range []arrow.RecordBatch{batch, slice} {
		res, err := op.Apply(t.Context(), mem, in)
		require.NoError(t, err)
		from := 4 - int(in.NumRows())
		require.Equal(t, []string{"(null)", "A", "(null)", "B"}[from:], shown(res.Batch.Column(1)))
		require.Equal(t, []string{"(null)", "1", "(null)", "3"}[from:], shown(res.Batch.Column(2)))
		require.Equal(t, []string{"(null)", "x", "(null)", "(null)"}[from:], shown(res.Batch.Column(3)))
		res.Batch.Release()
	}

	op, err = operator.Unnest(in, []string{"p"})
	require.NoError(t, err)
	require.Equal(t, []string{"id", "city", "geo", "z"}, fieldNames(op.Out()))
	res, err := op.Apply(t.Context(), mem, batch)
	require.NoError(t, err)
	require.Equal(t, 2, res.Batch.Column(2).NullN())
	res.Batch.Release()

	clash := arrow.NewSchema(append(slices.Clone(in.Fields()), arrow.Field{Name: "city", Type: arrow.PrimitiveTypes.Int64}), nil)
	_, err = operator.Unnest(clash, []string{"p"})
	require.ErrorContains(t, err, `column "city" would be there twice`)
	require.ErrorContains(t, err, "or use flatten")
	_, err = operator.Flatten(in, []string{"id"}, "_")
	require.ErrorContains(t, err, `column "id" is int64, not a struct`)
	_, err = operator.Flatten(in, []string{"p", "p"}, "_")
	require.ErrorContains(t, err, "twice")
}

func TestFillNull(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	for _, c := range []struct {
		of    arrow.DataType
		fill  string
		value any
		want  []string
	}{
		{arrow.PrimitiveTypes.Int64, "-3", 5, []string{"5", "-3", "5"}},
		{arrow.PrimitiveTypes.Float64, "NaN", 0.5, []string{"0.5", "NaN", "0.5"}},
		{arrow.FixedWidthTypes.Boolean, "true", false, []string{"false", "true", "false"}},
		{arrow.BinaryTypes.String, "?", "a", []string{"a", "?", "a"}},
		{arrow.BinaryTypes.LargeString, "", "a", []string{"a", "", "a"}},
		{arrow.BinaryTypes.Binary, "a", "b", []string{"Yg==", "YQ==", "Yg=="}},
		{&arrow.Decimal128Type{Precision: 9, Scale: 2}, "1.5", 25, []string{"0.25", "1.5", "0.25"}},
		{arrow.FixedWidthTypes.Date32, "1970-01-03", 0, []string{"1970-01-01", "1970-01-03", "1970-01-01"}},
		{arrow.FixedWidthTypes.Timestamp_us, "1970-01-03", 0, []string{"1970-01-01T00:00:00Z", "1970-01-03T00:00:00Z", "1970-01-01T00:00:00Z"}},
	} {
		in := arrow.NewSchema([]arrow.Field{{Name: "x", Type: c.of, Nullable: true}}, nil)
		op, err := operator.FillNull(in, []operator.Fill{{Column: "x", Value: c.fill}})
		require.NoError(t, err)
		require.False(t, op.Out().Field(0).Nullable)
		col := column(t, mem, c.of, nil, c.value, nil, c.value)
		batch := array.NewRecordBatch(in, []arrow.Array{col}, 4)
		slice := batch.NewSlice(1, 4)
		res, err := op.Apply(t.Context(), mem, slice)
		require.NoError(t, err)
		require.Equal(t, c.want, shown(res.Batch.Column(0)), c.of)
		require.Zero(t, res.Batch.Column(0).NullN())
		for _, r := range []interface{ Release() }{res.Batch, slice, batch, col} {
			r.Release()
		}
	}
	in := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int8, Nullable: true}, {Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int8), Nullable: true}}, nil)
	_, err := operator.FillNull(in, []operator.Fill{{Column: "x", Value: "300"}})
	require.ErrorContains(t, err, `column "x" is int8, which "300" is not`)
	_, err = operator.FillNull(in, []operator.Fill{{Column: "l", Value: "1"}})
	require.ErrorContains(t, err, "no value can be written")
	_, err = operator.FillNull(in, []operator.Fill{{Column: "x", Value: "1"}, {Column: "x", Value: "2"}})
	require.ErrorContains(t, err, "twice")
}
