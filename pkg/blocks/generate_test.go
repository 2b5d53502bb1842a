package blocks_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/decimal256"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/blocks"
)

// leafTypes are all types without children that travel.
var leafTypes = []arrow.DataType{
	arrow.Null,
	arrow.FixedWidthTypes.Boolean,
	arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
	arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
	arrow.FixedWidthTypes.Float16, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
	arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString, arrow.BinaryTypes.Binary, arrow.BinaryTypes.LargeBinary,
	&arrow.FixedSizeBinaryType{ByteWidth: 3},
	arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Date64,
	arrow.FixedWidthTypes.Time32s, arrow.FixedWidthTypes.Time32ms, arrow.FixedWidthTypes.Time64us, arrow.FixedWidthTypes.Time64ns,
	&arrow.TimestampType{Unit: arrow.Microsecond}, &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "Atlantic/Madeira"},
	arrow.FixedWidthTypes.Duration_s, arrow.FixedWidthTypes.Duration_ns,
	arrow.FixedWidthTypes.MonthInterval, arrow.FixedWidthTypes.DayTimeInterval, arrow.FixedWidthTypes.MonthDayNanoInterval,
	&arrow.Decimal32Type{Precision: 7, Scale: 2}, &arrow.Decimal64Type{Precision: 15, Scale: -2},
	&arrow.Decimal128Type{Precision: 38, Scale: 10}, &arrow.Decimal256Type{Precision: 70, Scale: 3},
}

func drawType(t *rapid.T, depth int) arrow.DataType {
	kind := "leaf"
	if depth > 0 {
		kind = rapid.SampledFrom([]string{"leaf", "leaf", "list", "large_list", "fixed_size_list", "struct", "map"}).Draw(t, "kind")
	}
	field := func(name string) arrow.Field {
		dt := drawType(t, depth-1)
		return arrow.Field{Name: name, Type: dt, Nullable: dt.ID() == arrow.NULL || rapid.Bool().Draw(t, "nullable")}
	}
	switch kind {
	case "list":
		return arrow.ListOfField(field("item"))
	case "large_list":
		return arrow.LargeListOfField(field("element"))
	case "fixed_size_list":
		return arrow.FixedSizeListOfField(int32(rapid.IntRange(1, 3).Draw(t, "n")), field("item"))
	case "struct":
		fields := make([]arrow.Field, rapid.IntRange(0, 3).Draw(t, "fields"))
		for i := range fields {
			fields[i] = field(fmt.Sprintf("f%d", i))
		}
		return arrow.StructOf(fields...)
	case "map":
		m := arrow.MapOfFields(arrow.Field{Name: "key", Type: arrow.BinaryTypes.String}, field("value"))
		m.KeysSorted = rapid.Bool().Draw(t, "sorted")
		return m
	}
	return rapid.SampledFrom(leafTypes).Draw(t, "leaf")
}

func drawSchema(t *rapid.T, most int) *arrow.Schema {
	fields := make([]arrow.Field, rapid.IntRange(1, most).Draw(t, "columns"))
	for i := range fields {
		dt := drawType(t, 2)
		fields[i] = arrow.Field{
			Name: fmt.Sprintf("c%d", i), Type: dt,
			Nullable: dt.ID() == arrow.NULL || rapid.Bool().Draw(t, "nullable"),
		}
	}
	return arrow.NewSchema(fields, nil)
}

// randomArray builds n values. Null rows of strings and lists own values or not,
// as rng pleases.
func randomArray(mem memory.Allocator, rng *rand.Rand, f arrow.Field, n int) arrow.Array {
	b := array.NewBuilder(mem, f.Type)
	defer b.Release()
	for range n {
		appendRandom(b, rng, f.Nullable)
	}
	return b.NewArray()
}

func appendRandom(b array.Builder, rng *rand.Rand, nullable bool) {
	if nullable && rng.IntN(4) == 0 {
		b.AppendNull()
		return
	}
	text := func() string {
		letters := []string{"a", "bb", "é", "levada", "", "0123456789abcdef"}
		return letters[rng.IntN(len(letters))] + letters[rng.IntN(len(letters))]
	}
	switch b := b.(type) {
	case *array.NullBuilder:
		b.AppendNull()
	case *array.BooleanBuilder:
		b.Append(rng.IntN(2) == 0)
	case *array.Int8Builder:
		b.Append(int8(rng.Int()))
	case *array.Int16Builder:
		b.Append(int16(rng.Int()))
	case *array.Int32Builder:
		b.Append(int32(rng.Int()))
	case *array.Int64Builder:
		b.Append(int64(rng.Uint64()))
	case *array.Uint8Builder:
		b.Append(uint8(rng.Int()))
	case *array.Uint16Builder:
		b.Append(uint16(rng.Int()))
	case *array.Uint32Builder:
		b.Append(rng.Uint32())
	case *array.Uint64Builder:
		b.Append(rng.Uint64())
	case *array.Float16Builder:
		b.Append(float16.New(float32(rng.IntN(100))))
	case *array.Float32Builder:
		b.Append(rng.Float32())
	case *array.Float64Builder:
		b.Append(rng.NormFloat64())
	case *array.StringBuilder:
		b.Append(text())
	case *array.LargeStringBuilder:
		b.Append(text())
	case *array.BinaryBuilder:
		b.Append([]byte(text()))
	case *array.FixedSizeBinaryBuilder:
		b.Append([]byte{byte(rng.Int()), 1, 2})
	case *array.Date32Builder:
		b.Append(arrow.Date32(rng.Int32()))
	case *array.Date64Builder:
		b.Append(arrow.Date64(rng.Int64()))
	case *array.Time32Builder:
		b.Append(arrow.Time32(rng.IntN(86400)))
	case *array.Time64Builder:
		b.Append(arrow.Time64(rng.IntN(86400)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(rng.Int64()))
	case *array.DurationBuilder:
		b.Append(arrow.Duration(rng.Int64()))
	case *array.MonthIntervalBuilder:
		b.Append(arrow.MonthInterval(rng.Int32()))
	case *array.DayTimeIntervalBuilder:
		b.Append(arrow.DayTimeInterval{Days: rng.Int32(), Milliseconds: rng.Int32()})
	case *array.MonthDayNanoIntervalBuilder:
		b.Append(arrow.MonthDayNanoInterval{Months: rng.Int32(), Days: rng.Int32(), Nanoseconds: rng.Int64()})
	case *array.Decimal32Builder:
		b.AppendValueFromString("12.34")
	case *array.Decimal64Builder:
		b.AppendValueFromString("123400")
	case *array.Decimal128Builder:
		b.Append(decimal128.New(int64(rng.IntN(1000)), rng.Uint64()))
	case *array.Decimal256Builder:
		b.Append(decimal256.New(0, uint64(rng.IntN(1000)), rng.Uint64(), rng.Uint64()))
	case *array.ListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			appendRandom(b.ValueBuilder(), rng, b.Type().(*arrow.ListType).ElemField().Nullable)
		}
	case *array.LargeListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			appendRandom(b.ValueBuilder(), rng, b.Type().(*arrow.LargeListType).ElemField().Nullable)
		}
	case *array.FixedSizeListBuilder:
		dt := b.Type().(*arrow.FixedSizeListType)
		b.Append(true)
		for range dt.Len() {
			appendRandom(b.ValueBuilder(), rng, dt.ElemField().Nullable)
		}
	case *array.MapBuilder:
		b.Append(true)
		for range rng.IntN(3) {
			appendRandom(b.KeyBuilder(), rng, false)
			appendRandom(b.ItemBuilder(), rng, b.Type().(*arrow.MapType).ItemField().Nullable)
		}
	case *array.StructBuilder:
		b.Append(true)
		for i, f := range b.Type().(*arrow.StructType).Fields() {
			appendRandom(b.FieldBuilder(i), rng, f.Nullable)
		}
	default:
		panic(fmt.Sprintf("no values for %T", b))
	}
}

func randomBatch(mem memory.Allocator, rng *rand.Rand, s *arrow.Schema, rows int) arrow.RecordBatch {
	columns := make([]arrow.Array, s.NumFields())
	for i, f := range s.Fields() {
		columns[i] = randomArray(mem, rng, f, rows)
	}
	batch := array.NewRecordBatch(s, columns, int64(rows))
	for _, c := range columns {
		c.Release()
	}
	return batch
}

// drawBlock draws a block whose rows add up. Its batch is a slice of a longer
// one. The caller must Release the result.
func drawBlock(t *rapid.T, mem memory.Allocator) *blocks.Block {
	schema := drawSchema(t, 4)
	spanRows := rapid.IntRange(1, 60).Draw(t, "span rows")
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))

	// Each source row is kept, dropped by one of three operators, or dead in one of
	// two attempts.
	var kept []uint32
	dropped := []blocks.Drop{{Operator: "protect/filter[0]"}, {Operator: "protect/filter[2]"}, {Operator: "score/filter[0]"}}
	dead := []blocks.Dead{{Stage: "protect", Attempt: "00000000000000aa"}, {Stage: "score", Attempt: "00000000000000bb"}}
	keep := rapid.SampledFrom([]int{0, 3, 7, 10}).Draw(t, "keep of 10")
	for i := range spanRows {
		switch fate := rng.IntN(10); {
		case fate < keep:
			kept = append(kept, uint32(i))
		case fate%2 == 0:
			dropped[rng.IntN(3)].Rows++
		default:
			d := &dead[rng.IntN(2)]
			d.Offsets = append(d.Offsets, uint32(i))
		}
	}
	from := int64(rapid.IntRange(0, 1<<40).Draw(t, "from"))
	b := &blocks.Block{Header: blocks.Header{
		Run: "01hzx5m3q8e9t2v4w6y8a0b1c2", Stage: "protect", Attempt: "0123456789abcdef", Plan: "feedface", Epoch: "0011223344556677",
		Span:    blocks.Span{Task: uint32(rapid.IntRange(0, 99).Draw(t, "task")), From: from, To: from + int64(spanRows)},
		Dropped: slices.DeleteFunc(dropped, func(d blocks.Drop) bool { return d.Rows == 0 }),
		Dead:    slices.DeleteFunc(dead, func(d blocks.Dead) bool { return len(d.Offsets) == 0 }),
		Rows:    int64(len(kept)),
		Schema:  blocks.FingerprintOf(schema),
	}}
	if len(kept) < spanRows && len(kept) > 0 {
		b.Offsets = kept
	}
	before, after := rapid.IntRange(0, 17).Draw(t, "before"), rapid.IntRange(0, 9).Draw(t, "after")
	whole := randomBatch(mem, rng, schema, before+len(kept)+after)
	defer whole.Release()
	b.Batch = whole.NewSlice(int64(before), int64(before+len(kept)))
	return b
}

// customers makes a batch like the demo's: about 110 bytes a row.
func customers(mem memory.Allocator, rows int) arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "signed_up", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
		{Name: "visits", Type: arrow.PrimitiveTypes.Int32},
		{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
		{Name: "country", Type: arrow.BinaryTypes.String},
		{Name: "email", Type: arrow.BinaryTypes.String},
		{Name: "phone", Type: arrow.BinaryTypes.String},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	rng := rand.New(rand.NewPCG(7, 7))
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(1).(*array.TimestampBuilder).Append(arrow.Timestamp(1_600_000_000_000_000 + rng.Int64N(1e14)))
		b.Field(2).(*array.Int32Builder).Append(rng.Int32N(500))
		b.Field(3).(*array.Float64Builder).Append(rng.Float64() * 1000)
		b.Field(4).(*array.StringBuilder).Append([]string{"PT", "ES", "FR", "DE"}[rng.IntN(4)])
		b.Field(5).(*array.StringBuilder).Append(fmt.Sprintf("person.%d@example.org", i))
		b.Field(6).(*array.StringBuilder).Append(fmt.Sprintf("+351 9%08d", rng.IntN(1e8)))
		if note := b.Field(7).(*array.StringBuilder); rng.IntN(10) < 3 {
			note.AppendNull()
		} else {
			note.Append("a note of about forty bytes, more or less")
		}
	}
	return b.NewRecordBatch()
}

// block wraps a batch in a block that covers as many source rows.
func block(batch arrow.RecordBatch) *blocks.Block {
	return &blocks.Block{
		Header: blocks.Header{
			Run: "01hzx5m3q8e9t2v4w6y8a0b1c2", Stage: "source", Attempt: "0123456789abcdef", Plan: "feedface", Epoch: "0011223344556677",
			Span: blocks.Span{Task: 12, From: 4096, To: 4096 + batch.NumRows()},
		},
		Batch: batch,
	}
}

// checked returns an allocator that fails the test for what is left in it.
func checked(t testing.TB) *memory.CheckedAllocator {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return mem
}
