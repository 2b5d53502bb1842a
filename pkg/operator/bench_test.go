package operator_test

import (
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/operator"
)

// Rows as people have them: numbers, texts of numbers, one null in seven, structs.
func BenchmarkOperators(b *testing.B) {
	const rows = 65536
	st := arrow.StructOf(arrow.Field{Name: "city", Type: arrow.BinaryTypes.String, Nullable: true}, arrow.Field{Name: "lat", Type: arrow.PrimitiveTypes.Float64, Nullable: true})
	in := arrow.NewSchema([]arrow.Field{
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "f", Type: arrow.PrimitiveTypes.Float64},
		{Name: "digits", Type: arrow.BinaryTypes.String},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "st", Type: st, Nullable: true},
	}, nil)
	build := array.NewRecordBuilder(memory.DefaultAllocator, in)
	defer build.Release()
	for i := range rows {
		build.Field(1).(*array.Float64Builder).Append(float64(i) / 3)
		build.Field(2).(*array.StringBuilder).Append(fmt.Sprint(i * 7919))
		if i%7 == 3 {
			for _, f := range []int{0, 3, 4} {
				build.Field(f).AppendNull()
			}
			continue
		}
		build.Field(0).(*array.Int64Builder).Append(int64(i))
		build.Field(3).(*array.StringBuilder).Append(fmt.Sprintf("text %d", i%1000))
		s := build.Field(4).(*array.StructBuilder)
		s.Append(true)
		s.FieldBuilder(0).(*array.StringBuilder).Append("Lisboa")
		s.FieldBuilder(1).(*array.Float64Builder).Append(38.7)
	}
	batch := build.NewRecordBatch()
	defer batch.Release()
	cast := func(column string, to arrow.DataType) (operator.Operator, error) {
		return operator.Cast(in, []operator.CastColumn{{Name: column, To: to}})
	}
	for _, c := range []struct {
		name string
		make func() (operator.Operator, error)
	}{
		{"cast/int64_int32", func() (operator.Operator, error) { return cast("n", arrow.PrimitiveTypes.Int32) }},
		{"cast/float64_int64", func() (operator.Operator, error) { return cast("f", arrow.PrimitiveTypes.Int64) }},
		{"cast/string_int64", func() (operator.Operator, error) { return cast("digits", arrow.PrimitiveTypes.Int64) }},
		{"cast/int64_string", func() (operator.Operator, error) { return cast("n", arrow.BinaryTypes.String) }},
		{"cast/string_decimal", func() (operator.Operator, error) {
			return cast("digits", &arrow.Decimal128Type{Precision: 20, Scale: 2})
		}},
		{"fill_null/int64", func() (operator.Operator, error) {
			return operator.FillNull(in, []operator.Fill{{Column: "n", Value: "0"}})
		}},
		{"fill_null/string", func() (operator.Operator, error) {
			return operator.FillNull(in, []operator.Fill{{Column: "s", Value: "none"}})
		}},
		{"flatten", func() (operator.Operator, error) { return operator.Flatten(in, []string{"st"}, "_") }},
		{"unnest", func() (operator.Operator, error) { return operator.Unnest(in, []string{"st"}) }},
		{"sample/half", func() (operator.Operator, error) { return operator.Sample(in, 0.5, 1) }},
		{"sample/hundredth", func() (operator.Operator, error) { return operator.Sample(in, 0.01, 1) }},
		{"limit/all", func() (operator.Operator, error) { return operator.Limit(in, rows) }},
		{"limit/half", func() (operator.Operator, error) { return operator.Limit(in, rows/2) }},
		{"assert/holds", func() (operator.Operator, error) {
			return operator.Assert(in, compile(b, in, "f >= 0.0"), operator.OnFailFail)
		}},
		{"assert/drop_half", func() (operator.Operator, error) {
			return operator.Assert(in, compile(b, in, "f < 10923.0"), operator.OnFailDrop)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			op, err := c.make()
			require.NoError(b, err)
			measure(b, op, batch)
		})
	}
}

// measure applies an operator to a batch, over and over.
func measure(b *testing.B, op operator.Operator, batch arrow.RecordBatch) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		res, err := op.Apply(b.Context(), memory.DefaultAllocator, batch)
		if err != nil {
			b.Fatal(err)
		}
		res.Batch.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(batch.NumRows()), "ns/row")
}
