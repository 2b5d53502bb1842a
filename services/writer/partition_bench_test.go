package writer

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

// customerSchema is the customer table that the project's demo writes.
var customerSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "signed_up", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
	{Name: "visits", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "amount", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "country", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "email", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "phone", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// customers makes a block of the customer table with that many countries, its ids
// ascending from first. The caller must Release the result.
func customers(mem memory.Allocator, rng *rand.Rand, first int64, rows, countries int) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, customerSchema)
	defer b.Release()
	b.Reserve(rows)
	for row := range int64(rows) {
		id := first + row
		b.Field(0).(*array.Int64Builder).Append(id)
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(1.7e15 + rng.Int64N(1e14)))
		b.Field(2).(*array.Int32Builder).Append(rng.Int32N(500))
		b.Field(3).(*array.Float64Builder).Append(float64(rng.IntN(1e6)) / 100)
		b.Field(4).(*array.StringBuilder).Append(fmt.Sprintf("C%d", rng.IntN(countries)))
		b.Field(5).(*array.StringBuilder).Append(fmt.Sprintf("user%d@example.com", id))
		b.Field(6).(*array.StringBuilder).Append(fmt.Sprintf("+351 %09d", rng.IntN(1e9)))
		if rng.IntN(10) < 3 {
			b.Field(7).AppendNull()
		} else {
			b.Field(7).(*array.StringBuilder).Append(fmt.Sprintf("a note of about forty bytes, number %d", rng.IntN(1e6)))
		}
	}
	return b.NewRecordBatch()
}

func BenchmarkSplit(b *testing.B) {
	const rows = 32 << 10
	for _, c := range []struct {
		name      string
		by        []string
		countries int
	}{
		{"one value", []string{"country"}, 1},
		{"40 values", []string{"country"}, 40},
		{"40x500 values", []string{"country", "visits"}, 40},
	} {
		b.Run(c.name, func(b *testing.B) {
			mem := memory.DefaultAllocator
			batch := customers(mem, rand.New(rand.NewPCG(1, 2)), 0, rows, c.countries)
			defer batch.Release()
			p, err := newPartitioner(mem, customerSchema, c.by)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				pieces, err := p.split(b.Context(), batch)
				require.NoError(b, err)
				releaseAll(pieces)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
