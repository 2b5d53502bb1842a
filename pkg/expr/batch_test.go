package expr_test

import (
	"fmt"
	"math"
	"math/big"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/decimal256"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/expr"
)

// testColumn is a column of random batches: how to draw an element into a
// builder, and what the oracle reads there.
type testColumn struct {
	name string
	kind string
	typ  arrow.DataType
	draw func(t *rapid.T, b array.Builder) any
}

func appendTo[B interface{ Append(v V) }, V any](b array.Builder, v V) { b.(B).Append(v) }

// scaled is a time of n units of so many microseconds.
func scaled(n, micros int64, as func(int64) any) any {
	x, err := exact((*big.Int).Mul, n, micros)
	if err != nil {
		return badInput{err}
	}
	return as(x)
}

func toInstant(x int64) any { return instant(x) }
func toSpan(x int64) any    { return span(x) }

func floorMicros(nanos int64) int64 {
	m := nanos / 1000
	if nanos%1000 < 0 {
		m--
	}
	return m
}

// decimalColumn draws numbers of few digits and of as many as there may be.
func decimalColumn(name string, typ arrow.DecimalType) testColumn {
	return testColumn{name, "decimal", typ, func(t *rapid.T, b array.Builder) any {
		n := rapid.IntRange(1, int(typ.GetPrecision())).Draw(t, "digits")
		if rapid.IntRange(0, 2).Draw(t, "few") > 0 {
			n = min(n, 4)
		}
		x, _ := new(big.Int).SetString(rapid.StringMatching(fmt.Sprintf("-?[0-9]{%d}", n)).Draw(t, "decimal"), 10)
		switch b := b.(type) {
		case *array.Decimal64Builder:
			b.Append(decimal.Decimal64(x.Int64()))
		case *array.Decimal128Builder:
			b.Append(decimal128.FromBigInt(x))
		case *array.Decimal256Builder:
			b.Append(decimal256.FromBigInt(x))
		}
		return newDec(x, typ.GetScale())
	}}
}

var structType = arrow.StructOf(
	arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	arrow.Field{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	arrow.Field{Name: "far", Type: arrow.FixedWidthTypes.Timestamp_s, Nullable: true},
	arrow.Field{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Float64), Nullable: true},
)

// drawNested draws a value, nulls within it included: a row of its fields for a struct, a
// slice for a list, a map for a map.
func drawNested(t *rapid.T, b array.Builder) any {
	within := func(b array.Builder) any {
		if rapid.IntRange(0, 4).Draw(t, "null within") == 0 {
			b.AppendNull()
			return nil
		}
		return drawNested(t, b)
	}
	switch b := b.(type) {
	case *array.Int64Builder:
		x := rapid.OneOf(rapid.Int64Range(-3, 3), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64})).Draw(t, "int")
		b.Append(x)
		return x
	case *array.Float64Builder:
		x := drawDouble(t)
		b.Append(x)
		return x
	case *array.StringBuilder:
		x := rapid.SampledFrom(texts).Draw(t, "text")
		b.Append(x)
		return x
	case *array.TimestampBuilder:
		x := drawTime(t, 1)
		b.Append(arrow.Timestamp(x))
		return scaled(x, 1_000_000, toInstant)
	case *array.StructBuilder:
		b.Append(true)
		r := row{}
		for i, f := range b.Type().(*arrow.StructType).Fields() {
			r[f.Name] = within(b.FieldBuilder(i))
		}
		return r
	case *array.MapBuilder:
		b.Append(true)
		m := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "entries") {
			key := rapid.SampledFrom(texts).Draw(t, "key")
			b.KeyBuilder().(*array.StringBuilder).Append(key)
			value := within(b.ItemBuilder())
			if _, twice := m[key]; !twice { // the first counts
				m[key] = value
			}
		}
		return m
	case array.ListLikeBuilder:
		b.Append(true)
		n := 2
		if b.Type().ID() != arrow.FIXED_SIZE_LIST {
			n = rapid.SampledFrom([]int{0, 1, 2, 3, 3, 40}).Draw(t, "elements")
		}
		list := []any{}
		for range n {
			list = append(list, within(b.ValueBuilder()))
		}
		return list
	}
	panic(b.Type())
}

var text = rapid.OneOf(rapid.SampledFrom(texts), rapid.StringN(0, 6, 20))

// instants within the years that most tests are about, seldom beyond.
func drawTime(t *rapid.T, perSecond int64) int64 {
	if rapid.IntRange(0, 9).Draw(t, "far") == 0 {
		return drawInt(t)
	}
	return rapid.Int64Range(-5e9*perSecond, 5e9*perSecond).Draw(t, "time")
}

func timestampColumn(name string, unit arrow.TimeUnit, zone string, perSecond int64) testColumn {
	return testColumn{name, "timestamp", &arrow.TimestampType{Unit: unit, TimeZone: zone}, func(t *rapid.T, b array.Builder) any {
		x := drawTime(t, perSecond)
		appendTo[*array.TimestampBuilder](b, arrow.Timestamp(x))
		if unit == arrow.Nanosecond {
			return instant(floorMicros(x))
		}
		return scaled(x, 1_000_000/perSecond, toInstant)
	}}
}

var testColumns = []testColumn{
	{"i64", "int", arrow.PrimitiveTypes.Int64, func(t *rapid.T, b array.Builder) any {
		x := drawInt(t)
		appendTo[*array.Int64Builder](b, x)
		return x
	}},
	{"unit price", "int", arrow.PrimitiveTypes.Int32, func(t *rapid.T, b array.Builder) any {
		x := rapid.Int32().Draw(t, "int32")
		appendTo[*array.Int32Builder](b, x)
		return int64(x)
	}},
	{"i16", "int", arrow.PrimitiveTypes.Int16, func(t *rapid.T, b array.Builder) any {
		x := rapid.Int16().Draw(t, "int16")
		appendTo[*array.Int16Builder](b, x)
		return int64(x)
	}},
	{"i8", "int", arrow.PrimitiveTypes.Int8, func(t *rapid.T, b array.Builder) any {
		x := rapid.Int8Range(-5, 5).Draw(t, "int8")
		appendTo[*array.Int8Builder](b, x)
		return int64(x)
	}},
	{"u64", "int", arrow.PrimitiveTypes.Uint64, func(t *rapid.T, b array.Builder) any {
		x := rapid.OneOf(rapid.Uint64Max(9), rapid.Uint64(), rapid.SampledFrom([]uint64{math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64})).Draw(t, "uint64")
		appendTo[*array.Uint64Builder](b, x)
		if x > math.MaxInt64 {
			return badInput{expr.ErrOverflow}
		}
		return int64(x)
	}},
	{"u32", "int", arrow.PrimitiveTypes.Uint32, func(t *rapid.T, b array.Builder) any {
		x := rapid.Uint32().Draw(t, "uint32")
		appendTo[*array.Uint32Builder](b, x)
		return int64(x)
	}},
	{"u16", "int", arrow.PrimitiveTypes.Uint16, func(t *rapid.T, b array.Builder) any {
		x := rapid.Uint16().Draw(t, "uint16")
		appendTo[*array.Uint16Builder](b, x)
		return int64(x)
	}},
	{"u8", "int", arrow.PrimitiveTypes.Uint8, func(t *rapid.T, b array.Builder) any {
		x := rapid.Uint8().Draw(t, "uint8")
		appendTo[*array.Uint8Builder](b, x)
		return int64(x)
	}},
	{"f64", "double", arrow.PrimitiveTypes.Float64, func(t *rapid.T, b array.Builder) any {
		x := drawDouble(t)
		appendTo[*array.Float64Builder](b, x)
		return x
	}},
	{"f32", "double", arrow.PrimitiveTypes.Float32, func(t *rapid.T, b array.Builder) any {
		x := float32(drawDouble(t))
		appendTo[*array.Float32Builder](b, x)
		return float64(x)
	}},
	{"f16", "double", arrow.FixedWidthTypes.Float16, func(t *rapid.T, b array.Builder) any {
		x := float16.New(float32(rapid.Float64Range(-10, 10).Draw(t, "half")))
		appendTo[*array.Float16Builder](b, x)
		return float64(x.Float32())
	}},
	{"s", "string", arrow.BinaryTypes.String, func(t *rapid.T, b array.Builder) any {
		x := text.Draw(t, "text")
		appendTo[*array.StringBuilder](b, x)
		return x
	}},
	{"large", "string", arrow.BinaryTypes.LargeString, func(t *rapid.T, b array.Builder) any {
		x := text.Draw(t, "text")
		appendTo[*array.LargeStringBuilder](b, x)
		return x
	}},
	{"dict", "string", &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int16, ValueType: arrow.BinaryTypes.String}, func(t *rapid.T, b array.Builder) any {
		x := rapid.SampledFrom(texts).Draw(t, "text")
		if err := b.(*array.BinaryDictionaryBuilder).AppendString(x); err != nil {
			t.Fatal(err)
		}
		return x
	}},
	{"view", "string", arrow.BinaryTypes.StringView, func(t *rapid.T, b array.Builder) any {
		x := text.Draw(t, "text")
		appendTo[*array.StringViewBuilder](b, x)
		return x
	}},
	{"bin", "bytes", arrow.BinaryTypes.Binary, func(t *rapid.T, b array.Builder) any {
		x := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")
		appendTo[*array.BinaryBuilder](b, x)
		return blob(x)
	}},
	{"four", "bytes", &arrow.FixedSizeBinaryType{ByteWidth: 4}, func(t *rapid.T, b array.Builder) any {
		x := rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "bytes")
		appendTo[*array.FixedSizeBinaryBuilder](b, x)
		return blob(x)
	}},
	{"time_ms", "duration", arrow.FixedWidthTypes.Time32ms, func(t *rapid.T, b array.Builder) any {
		x := rapid.Int32Range(0, 86_399_999).Draw(t, "time of day")
		appendTo[*array.Time32Builder](b, arrow.Time32(x))
		return span(int64(x) * 1000)
	}},
	{"time_ns", "duration", arrow.FixedWidthTypes.Time64ns, func(t *rapid.T, b array.Builder) any {
		x := rapid.Int64Range(0, 86_399_999_999_999).Draw(t, "time of day")
		appendTo[*array.Time64Builder](b, arrow.Time64(x))
		return span(x / 1000)
	}},
	{"b", "bool", arrow.FixedWidthTypes.Boolean, func(t *rapid.T, b array.Builder) any {
		x := rapid.Bool().Draw(t, "bool")
		appendTo[*array.BooleanBuilder](b, x)
		return x
	}},
	decimalColumn("d1", &arrow.Decimal128Type{Precision: 10, Scale: 2}),
	decimalColumn("d2", &arrow.Decimal64Type{Precision: 12, Scale: 4}),
	decimalColumn("d3", &arrow.Decimal128Type{Precision: 38, Scale: 0}),
	decimalColumn("d4", &arrow.Decimal256Type{Precision: 38, Scale: 30}),
	{"st", "nested", structType, func(t *rapid.T, b array.Builder) any { return drawNested(t, b) }},
	{"xs", "nested", arrow.ListOf(arrow.PrimitiveTypes.Int64), func(t *rapid.T, b array.Builder) any { return drawNested(t, b) }},
	{"ss", "nested", arrow.LargeListOf(arrow.BinaryTypes.String), func(t *rapid.T, b array.Builder) any { return drawNested(t, b) }},
	{"pair", "nested", arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Float64), func(t *rapid.T, b array.Builder) any { return drawNested(t, b) }},
	{"items", "nested", arrow.ListOf(structType), func(t *rapid.T, b array.Builder) any { return drawNested(t, b) }},
	{"m", "nested", arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), func(t *rapid.T, b array.Builder) any { return drawNested(t, b) }},
	timestampColumn("us", arrow.Microsecond, "UTC", 1_000_000),
	timestampColumn("ns", arrow.Nanosecond, "", 1_000_000_000),
	timestampColumn("ms", arrow.Millisecond, "Europe/Lisbon", 1000),
	timestampColumn("sec", arrow.Second, "", 1),
	{"d32", "timestamp", arrow.FixedWidthTypes.Date32, func(t *rapid.T, b array.Builder) any {
		x := rapid.OneOf(rapid.Int32Range(-100_000, 100_000), rapid.Int32()).Draw(t, "date")
		appendTo[*array.Date32Builder](b, arrow.Date32(x))
		return scaled(int64(x), 86_400_000_000, toInstant)
	}},
	{"d64", "timestamp", arrow.FixedWidthTypes.Date64, func(t *rapid.T, b array.Builder) any {
		x := drawTime(t, 1000)
		appendTo[*array.Date64Builder](b, arrow.Date64(x))
		return scaled(x, 1000, toInstant)
	}},
	{"span_us", "duration", arrow.FixedWidthTypes.Duration_us, func(t *rapid.T, b array.Builder) any {
		x := drawTime(t, 1000)
		appendTo[*array.DurationBuilder](b, arrow.Duration(x))
		return span(x)
	}},
	{"span_s", "duration", arrow.FixedWidthTypes.Duration_s, func(t *rapid.T, b array.Builder) any {
		x := drawTime(t, 1)
		appendTo[*array.DurationBuilder](b, arrow.Duration(x))
		return scaled(x, 1_000_000, toSpan)
	}},
	{"span_ns", "duration", arrow.FixedWidthTypes.Duration_ns, func(t *rapid.T, b array.Builder) any {
		x := drawTime(t, 1_000_000)
		appendTo[*array.DurationBuilder](b, arrow.Duration(x))
		return span(floorMicros(x))
	}},
}

func testSchema() *arrow.Schema {
	var fields []arrow.Field
	for _, c := range testColumns {
		fields = append(fields, arrow.Field{Name: c.name, Type: c.typ, Nullable: true})
	}
	return arrow.NewSchema(fields, nil)
}

func columnsByKind() map[string][]string {
	byKind := map[string][]string{}
	for _, c := range testColumns {
		byKind[c.kind] = append(byKind[c.kind], c.name)
	}
	return byKind
}

// drawBatch draws rows rows of the columns that are used; the others hold
// nulls. Columns begin somewhere inside of their arrays, and what lies under a
// null is as random as the rest. A small pool of rows, repeated, keeps large
// batches cheap to draw.
func drawBatch(t *rapid.T, mem memory.Allocator, rows int, used map[string]bool) (arrow.RecordBatch, []row) {
	values := make([]row, rows)
	for i := range values {
		values[i] = row{}
	}
	schema := testSchema()
	columns := make([]arrow.Array, len(testColumns))
	for i, c := range testColumns {
		if !used[c.name] {
			columns[i] = array.MakeArrayOfNull(mem, c.typ, rows)
			continue
		}
		columns[i] = drawColumn(t, mem, c, values)
	}
	batch := array.NewRecordBatch(schema, columns, int64(rows))
	for _, c := range columns {
		c.Release()
	}
	return batch, values
}

func drawColumn(t *rapid.T, mem memory.Allocator, c testColumn, values []row) arrow.Array {
	offset := rapid.IntRange(0, 70).Draw(t, "offset")
	nulls := rapid.SampledFrom([]int{0, 0, 1, 5, 10}).Draw(t, "nulls in ten")
	firstNull := rapid.SampledFrom([]int{0, 0, 0, 1030}).Draw(t, "no null before")
	pool := min(len(values)+offset, 16)
	b := array.NewBuilder(mem, c.typ)
	defer b.Release()
	drawn := make([]any, pool)
	for i := range drawn {
		drawn[i] = c.draw(t, b)
	}
	few := b.NewArray()
	defer few.Release()
	seed := rapid.Uint64().Draw(t, "seed")
	random := func() uint64 { // xorshift: the elements of large columns need not shrink one by one
		seed |= 1
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		return seed >> 8
	}
	total := len(values) + offset
	picks := make([]int, total)
	bitmap := make([]byte, (total+7)/8)
	var slices []arrow.Array
	for i := range picks {
		picks[i] = i
		if i >= pool && pool > 0 {
			picks[i] = int(random() % uint64(pool))
		}
		slices = append(slices, array.NewSlice(few, int64(picks[i]), int64(picks[i]+1)))
		valid := int(random()%10) >= nulls || i < firstNull
		if valid {
			bitmap[i/8] |= 1 << (i % 8)
		}
		if i >= offset {
			values[i-offset][c.name] = nil
			if valid {
				values[i-offset][c.name] = drawn[picks[i]]
			}
		}
	}
	defer func() {
		for _, s := range slices {
			s.Release()
		}
	}()
	if total == 0 {
		return array.NewSlice(few, 0, 0)
	}
	full, err := array.Concatenate(slices, mem)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Release()
	data := full.Data()
	buffers := append([]*memory.Buffer{nil}, data.Buffers()[1:]...)
	if nulls > 0 {
		buffers[0] = memory.NewBufferBytes(bitmap)
	}
	var masked arrow.ArrayData
	if d, ok := full.(*array.Dictionary); ok {
		masked = array.NewDataWithDictionary(c.typ, total, buffers, array.UnknownNullCount, 0, d.Dictionary().Data().(*array.Data))
	} else {
		masked = array.NewData(c.typ, total, buffers, data.Children(), array.UnknownNullCount, 0)
	}
	defer masked.Release()
	whole := array.MakeFromData(masked)
	defer whole.Release()
	return array.NewSlice(whole, int64(offset), int64(total))
}

// valueAt is what the oracle would call element i of a result.
func valueAt(a arrow.Array, i int) any {
	if a.IsNull(i) {
		return nil
	}
	switch a := a.(type) {
	case *array.Int64:
		return a.Value(i)
	case *array.Float64:
		return a.Value(i)
	case *array.String:
		return a.Value(i)
	case *array.Binary:
		return blob(a.Value(i))
	case *array.Boolean:
		return a.Value(i)
	case *array.Decimal128:
		return newDec(a.Value(i).BigInt(), a.DataType().(arrow.DecimalType).GetScale())
	case *array.Timestamp:
		return instant(a.Value(i))
	case *array.Duration:
		return span(a.Value(i))
	}
	return a.DataType()
}

// same compares values bit by bit, but for NaN, of which there are many.
func same(a, b any) bool {
	x, isFloat := a.(float64)
	y, also := b.(float64)
	if isFloat && also {
		return math.Float64bits(x) == math.Float64bits(y) || math.IsNaN(x) && math.IsNaN(y)
	}
	return a == b
}
