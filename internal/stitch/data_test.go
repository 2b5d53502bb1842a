package stitch_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/float16"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/stitch"
)

// flat are the types of columns that rows are gathered from.
func flat() []arrow.DataType {
	return []arrow.DataType{
		arrow.FixedWidthTypes.Boolean,
		arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64,
		arrow.FixedWidthTypes.Float16, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64,
		arrow.BinaryTypes.String, arrow.BinaryTypes.Binary, &arrow.FixedSizeBinaryType{ByteWidth: 5},
		&arrow.Decimal128Type{Precision: 7, Scale: 2}, &arrow.Decimal128Type{Precision: 18, Scale: 4}, &arrow.Decimal128Type{Precision: 38, Scale: 10},
		arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Time32ms, arrow.FixedWidthTypes.Time64us, arrow.FixedWidthTypes.Time64ns,
		&arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}, &arrow.TimestampType{Unit: arrow.Microsecond}, &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "Europe/Lisbon"},
	}
}

func nested() []arrow.DataType {
	pair := arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true}, arrow.Field{Name: "y", Type: arrow.BinaryTypes.String})
	return []arrow.DataType{
		arrow.ListOf(arrow.BinaryTypes.String), pair, arrow.ListOf(pair), arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int32),
		arrow.ListOf(arrow.ListOf(arrow.PrimitiveTypes.Int64)), arrow.StructOf(arrow.Field{Name: "in", Type: pair, Nullable: true}),
	}
}

// fields makes a required and a nullable field of each type, named by their kind.
func fields(types []arrow.DataType) []arrow.Field {
	var out []arrow.Field
	for i, t := range types {
		out = append(out, arrow.Field{Name: fmt.Sprintf("r%d", i), Type: t}, arrow.Field{Name: fmt.Sprintf("n%d", i), Type: t, Nullable: true})
	}
	return out
}

// fill appends one random value; few bounds how many different ones there are.
func fill(b array.Builder, rng *rand.Rand, nullable bool, few int) {
	if nullable && rng.IntN(4) == 0 {
		b.AppendNull()
		return
	}
	v := rng.IntN(few)
	switch b := b.(type) {
	case *array.BooleanBuilder:
		b.Append(v%2 == 0)
	case *array.Int8Builder:
		b.Append(int8(v))
	case *array.Int16Builder:
		b.Append(int16(v) - 50)
	case *array.Int32Builder:
		b.Append(int32(v)*77777 - 1_000_000)
	case *array.Int64Builder:
		b.Append(int64(v)*7_777_777_777 - 1_000_000_000_000)
	case *array.Uint8Builder:
		b.Append(uint8(v))
	case *array.Uint16Builder:
		b.Append(uint16(v * 7))
	case *array.Uint32Builder:
		b.Append(uint32(v) * 2_000_000_011)
	case *array.Uint64Builder:
		b.Append(uint64(v) * 9_000_000_000_000_000_011)
	case *array.Float16Builder:
		b.Append(float16.New(float32(v) / 4))
	case *array.Float32Builder:
		b.Append([]float32{float32(v) - 7.5, float32(math.NaN()), 0}[min(v%11, 2)])
	case *array.Float64Builder:
		b.Append(float64(v)/3 - 1000)
	case *array.StringBuilder:
		b.Append(fmt.Sprintf("%0*d", v%90, v))
	case *array.BinaryBuilder:
		b.Append([]byte{byte(v), byte(v >> 8), 0, 0xff}[:v%5])
	case *array.FixedSizeBinaryBuilder:
		b.Append([]byte{byte(v), 1, 2, byte(v >> 8), 0xff})
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(int64(v)*3 - 5000))
	case *array.Date32Builder:
		b.Append(arrow.Date32(v - 100))
	case *array.Time32Builder:
		b.Append(arrow.Time32(v))
	case *array.Time64Builder:
		b.Append(arrow.Time64(v))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(v)*1_000_003 - 5)
	case *array.ListBuilder:
		b.Append(true)
		for range rng.IntN(4) {
			fill(b.ValueBuilder(), rng, true, few)
		}
	case *array.MapBuilder:
		b.Append(true)
		for range rng.IntN(3) {
			fill(b.KeyBuilder(), rng, false, few)
			fill(b.ItemBuilder(), rng, true, few)
		}
	case *array.StructBuilder:
		b.Append(true)
		st := b.Type().(*arrow.StructType)
		for i := range b.NumField() {
			fill(b.FieldBuilder(i), rng, st.Field(i).Nullable, few)
		}
	default:
		panic(fmt.Sprintf("no values of %T", b))
	}
}

// batch makes rows of random values.
func batch(t testing.TB, fields []arrow.Field, rows int, seed uint64, few int) arrow.RecordBatch {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i, f := range fields {
		for range rows {
			fill(b.Field(i), rng, f.Nullable, few)
		}
	}
	return b.NewRecordBatch()
}

// form is how a source file is written.
type form struct {
	codec  compress.Compression
	v2     bool
	dict   bool
	limit  int64 // bytes of a dictionary; the default when 0
	page   int64 // bytes of a page; the default when 0
	group  int64 // rows of a row group; all when 0
	noIdx  bool
	delta  bool // integers, dates and times are delta-packed
	ints   bool // decimals of at most 18 digits are in integers
	sorted []arrowparquet.SortingColumn
}

func (f form) String() string {
	return fmt.Sprintf("%s,v2=%t,dict=%t,delta=%t,ints=%t,limit=%d,page=%d,group=%d", f.codec, f.v2, f.dict, f.delta, f.ints, f.limit, f.page, f.group)
}

func write(t testing.TB, f form, b arrow.RecordBatch) []byte {
	t.Helper()
	props := []arrowparquet.WriterProperty{
		arrowparquet.WithCompression(f.codec), arrowparquet.WithDictionaryDefault(f.dict), arrowparquet.WithStats(true), arrowparquet.WithPageIndexEnabled(!f.noIdx), arrowparquet.WithVersion(arrowparquet.V2_LATEST),
		arrowparquet.WithBatchSize(64), arrowparquet.WithSortingColumns(f.sorted), arrowparquet.WithStoreDecimalAsInteger(f.ints),
	}
	for _, c := range b.Schema().Fields() {
		fixed, ok := c.Type.(arrow.FixedWidthDataType)
		if _, decimal := c.Type.(arrow.DecimalType); ok && f.delta && !decimal && !arrow.IsFloating(c.Type.ID()) && c.Type.ID() != arrow.BOOL && c.Type.ID() != arrow.FIXED_SIZE_BINARY && fixed.BitWidth() <= 64 {
			props = append(props, arrowparquet.WithEncodingFor(c.Name, arrowparquet.Encodings.DeltaBinaryPacked))
		}
	}
	if f.v2 {
		props = append(props, arrowparquet.WithDataPageVersion(arrowparquet.DataPageV2))
	}
	if f.limit > 0 {
		props = append(props, arrowparquet.WithDictionaryPageSizeLimit(f.limit))
	}
	if f.page > 0 {
		props = append(props, arrowparquet.WithDataPageSize(f.page))
	}
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(b.Schema(), &out, arrowparquet.NewWriterProperties(props...), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
	require.NoError(t, err)
	tbl := array.NewTableFromRecords(b.Schema(), []arrow.RecordBatch{b})
	defer tbl.Release()
	group := f.group
	if group == 0 {
		group = max(b.NumRows(), 1)
	}
	require.NoError(t, w.WriteTable(tbl, group))
	require.NoError(t, w.Close())
	return out.Bytes()
}

// codec is the name of a codec in Options.
func codec(c compress.Compression) string {
	return map[compress.Compression]string{compress.Codecs.Uncompressed: "none", compress.Codecs.Snappy: "snappy", compress.Codecs.Zstd: "zstd"}[c]
}

func open(t testing.TB, data []byte) *stitch.Source {
	t.Helper()
	s, err := stitch.OpenSource("dir/test.parquet", bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	return s
}

func layout(t testing.TB, o stitch.Options, fields ...arrow.Field) *stitch.Layout {
	t.Helper()
	l, err := stitch.NewLayout(arrow.NewSchema(fields, nil), o)
	require.NoError(t, err)
	return l
}

// all takes every column of a row group.
func all(s *stitch.Source, group int, fields []arrow.Field) stitch.Group {
	g := stitch.Group{Rows: s.Rows(group)}
	for _, f := range fields {
		g.Columns = append(g.Columns, stitch.Column{Source: s, Group: group, Name: f.Name})
	}
	return g
}

// read reads a whole file, checking its page indexes.
func read(t testing.TB, data []byte) arrow.Table {
	t.Helper()
	tbl, err := tryRead(data)
	require.NoError(t, err)
	return tbl
}

func tryRead(data []byte) (tbl arrow.Table, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%v", v)
		}
	}()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	pr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	return pr.ReadTable(context.Background())
}

// whole is a column as one array.
func whole(t testing.TB, c *arrow.Chunked) arrow.Array {
	t.Helper()
	if len(c.Chunks()) == 0 {
		return array.MakeArrayOfNull(memory.DefaultAllocator, c.DataType(), 0)
	}
	a, err := array.Concatenate(c.Chunks(), memory.DefaultAllocator)
	require.NoError(t, err)
	return a
}

// equal compares arrays by value; NaN is NaN.
func equal(t testing.TB, want, got arrow.Array, what string) {
	t.Helper()
	require.Equal(t, want.Len(), got.Len(), what)
	if !array.ApproxEqual(want, got, array.WithNaNsEqual(true), array.WithAbsTolerance(0)) {
		for i := range want.Len() {
			require.Equal(t, want.ValueStr(i), got.ValueStr(i), "%s, row %d", what, i)
		}
		require.Fail(t, "columns differ", "%s", what)
	}
}

// take returns the named rows.
func take(t testing.TB, a arrow.Array, rows []uint32) arrow.Array {
	t.Helper()
	var parts []arrow.Array
	for i := 0; i < len(rows); {
		n := i + 1
		for n < len(rows) && rows[n] == rows[n-1]+1 {
			n++
		}
		parts = append(parts, array.NewSlice(a, int64(rows[i]), int64(rows[n-1])+1))
		i = n
	}
	if len(parts) == 0 {
		return array.NewSlice(a, 0, 0)
	}
	out, err := array.Concatenate(parts, memory.DefaultAllocator)
	require.NoError(t, err)
	return out
}
