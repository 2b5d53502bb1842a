package expr_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

const benchRows = 64 << 10

// benchBatch is a batch as a job has it: some nulls in one column of each pair.
func benchBatch(mem memory.Allocator) arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "visits", Type: arrow.PrimitiveTypes.Int64},
		{Name: "small", Type: arrow.PrimitiveTypes.Int32},
		{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
		{Name: "price", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "email", Type: arrow.BinaryTypes.String},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "country", Type: arrow.BinaryTypes.String},
		{Name: "digits", Type: arrow.BinaryTypes.String},
		{Name: "active", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us},
		{Name: "at_ms", Type: arrow.FixedWidthTypes.Timestamp_ms},
	}, nil)
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	random := rand.New(rand.NewPCG(1, 2))
	countries := []string{"PT", "ES", "FR", "DE", "IT", "BR", "US", "GB", "NL", "SE"}
	for i := range benchRows {
		appendTo[*array.Int64Builder](b.Field(0), random.Int64N(1000)+1)
		appendTo[*array.Int32Builder](b.Field(1), random.Int32N(1000))
		appendTo[*array.Float64Builder](b.Field(2), random.Float64()*100)
		appendTo[*array.StringBuilder](b.Field(4), fmt.Sprintf("Customer.%07d@example.%s", i, []string{"org", "com"}[i%2]))
		if random.IntN(10) < 3 {
			b.Field(3).AppendNull()
			b.Field(5).AppendNull()
		} else {
			appendTo[*array.Float64Builder](b.Field(3), random.Float64()*100)
			appendTo[*array.StringBuilder](b.Field(5), "a note of about forty bytes, as they come")
		}
		appendTo[*array.StringBuilder](b.Field(6), countries[random.IntN(len(countries))])
		appendTo[*array.StringBuilder](b.Field(7), fmt.Sprint(random.IntN(1_000_000)))
		appendTo[*array.BooleanBuilder](b.Field(8), random.IntN(2) == 0)
		at := random.Int64N(1_700_000_000_000_000)
		appendTo[*array.TimestampBuilder](b.Field(9), arrow.Timestamp(at))
		appendTo[*array.TimestampBuilder](b.Field(10), arrow.Timestamp(at/1000))
	}
	return b.NewRecordBatch()
}

// BenchmarkEval reports nanoseconds a row for one expression of each class of kernel.
func BenchmarkEval(b *testing.B) {
	batch := benchBatch(memory.DefaultAllocator)
	defer batch.Release()
	for _, src := range []string{
		"amount * 0.92",
		"amount * price",
		"amount / 3.0",
		"visits + 1",
		"visits * visits",
		"visits % 7",
		"small + 1",
		"visits * 2.5",
		"amount > 20.0",
		"price > 20.0",
		"visits == 7",
		"amount > price",
		"at >= timestamp('2001-01-01T00:00:00Z')",
		"at_ms >= timestamp('2001-01-01T00:00:00Z')",
		"amount > 20.0 && visits < 500 || active",
		"visits > 0 ? amount / visits : 0.0",
		"coalesce(price, 0.0)",
		"isNull(note)",
		"visits in [1, 2, 3, 4]",
		"country == 'PT'",
		"country in ['PT', 'ES']",
		"country + '-' + email",
		"lower(email)",
		"size(email)",
		"email.endsWith('.org')",
		"email.contains('9@')",
		"email.matches('^[a-zA-Z.]+[0-9]+@')",
		"substring(email, 0, 8)",
		"int(digits)",
		"double(digits)",
		"string(visits)",
		"string(amount)",
		"string(at)",
		"year(at)",
		"at + duration('1h')",
		"round(amount)",
		"min(amount, price)",
	} {
		p, err := expr.Compile(src, batch.Schema())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(src, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a, _, err := p.Eval(b.Context(), memory.DefaultAllocator, batch)
				if err != nil {
					b.Fatal(err)
				}
				a.Release()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
		})
	}
}

// BenchmarkPlainLoop is what there is to compare with.
func BenchmarkPlainLoop(b *testing.B) {
	batch := benchBatch(memory.DefaultAllocator)
	defer batch.Release()
	amount := batch.Column(2).(*array.Float64).Float64Values()
	b.Run("amount * 0.92", func(b *testing.B) {
		out := make([]float64, len(amount))
		for b.Loop() {
			for i, x := range amount {
				out[i] = x * 0.92
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
	})
	b.Run("amount > 20.0", func(b *testing.B) {
		out := make([]bool, len(amount))
		for b.Loop() {
			for i, x := range amount {
				out[i] = x > 20
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
	})
}

func BenchmarkCompile(b *testing.B) {
	batch := benchBatch(memory.DefaultAllocator)
	defer batch.Release()
	for b.Loop() {
		if _, err := expr.Compile("amount > 20.0 && visits < 500 || email.endsWith('.org')", batch.Schema()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCanSkip(b *testing.B) {
	batch := benchBatch(memory.DefaultAllocator)
	defer batch.Release()
	p, err := expr.Compile("amount > 20.0 && visits < 500 || country in ['PT', 'ES']", batch.Schema())
	if err != nil {
		b.Fatal(err)
	}
	stats := func(column string) (expr.Stats, bool) {
		switch column {
		case "amount":
			return expr.Stats{Min: 0.0, Max: 10.0, Rows: 100, Exact: true}, true
		case "visits":
			return expr.Stats{Min: int64(0), Max: int64(10), Rows: 100, Exact: true}, true
		}
		return expr.Stats{Min: "A", Max: "B", Rows: 100, Exact: true}, true
	}
	for b.Loop() {
		if !p.CanSkip(stats) {
			b.Fatal("not skipped")
		}
	}
}
