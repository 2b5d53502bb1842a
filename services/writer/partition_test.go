package writer

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHiveSegment(t *testing.T) {
	for _, c := range []struct{ value, want string }{
		{"PT", "country=PT"},
		{"", "country="},
		{"a b", "country=a%20b"},
		{"São Tomé", "country=São%20Tomé"},
		{"../x", "country=..%2Fx"},
		{"c=d", "country=c%3Dd"},
		{"100%", "country=100%25"},
		{"a+b", "country=a%2Bb"},
		{"~-_.", "country=~-_."},
		{"\x00\x1f\x7f\\", "country=%00%1F%7F%5C"},
		{"\xff!", "country=%FF%21"},
		{"日本", "country=日本"},
	} {
		assert.Equal(t, c.want, hiveSegment("country", c.value))
	}
	assert.Equal(t, "a%2Fb=1", hiveSegment("a/b", "1"))
}

// keySchema has every type that partitions, before and after a column of data.
var keySchema = arrow.NewSchema([]arrow.Field{
	{Name: "word", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "large", Type: arrow.BinaryTypes.LargeString, Nullable: true},
	{Name: "i8", Type: arrow.PrimitiveTypes.Int8, Nullable: true},
	{Name: "i64", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "u64", Type: arrow.PrimitiveTypes.Uint64, Nullable: true},
	{Name: "flag", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
	{Name: "ms", Type: arrow.FixedWidthTypes.Date64, Nullable: true},
}, nil)

// keyBatch reads rows of JSON. The caller must Release the result.
func keyBatch(tb testing.TB, mem memory.Allocator, json string) arrow.RecordBatch {
	tb.Helper()
	b, _, err := array.RecordFromJSON(mem, keySchema, strings.NewReader(json))
	require.NoError(tb, err)
	return b
}

// ids maps each piece's directory to its ids. It releases the pieces.
func ids(pieces []piece) map[string][]int64 {
	defer releaseAll(pieces)
	got := make(map[string][]int64)
	for _, p := range pieces {
		at := p.batch.Schema().FieldIndices("id")[0]
		for row := range int(p.batch.NumRows()) {
			got[p.partition.dir] = append(got[p.partition.dir], p.batch.Column(at).(*array.Int64).Value(row))
		}
	}
	return got
}

func TestPartitionerSplitsByEachType(t *testing.T) {
	const rows = `[
		{"word":"a b","id":1,"large":"x","i8":-1,"i64":-9223372036854775808,"u64":18446744073709551615,"flag":true,"day":"2024-02-29","ms":"2024-02-29"},
		{"word":"","id":2,"large":"y","i8":2,"i64":5,"u64":0,"flag":false,"day":"1969-12-31","ms":"1969-12-31"},
		{"word":null,"id":3,"large":null,"i8":null,"i64":null,"u64":null,"flag":null,"day":null,"ms":null},
		{"word":"a b","id":4,"large":"x","i8":-1,"i64":-9223372036854775808,"u64":18446744073709551615,"flag":true,"day":"2024-02-29","ms":"2024-02-29"},
		{"word":null,"id":5,"large":null,"i8":null,"i64":null,"u64":null,"flag":null,"day":null,"ms":null}]`
	for _, c := range []struct{ column, first, second string }{
		{"word", "a%20b", ""},
		{"large", "x", "y"},
		{"i8", "-1", "2"},
		{"i64", "-9223372036854775808", "5"},
		{"u64", "18446744073709551615", "0"},
		{"flag", "true", "false"},
		{"day", "2024-02-29", "1969-12-31"},
		{"ms", "2024-02-29", "1969-12-31"},
	} {
		t.Run(c.column, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			batch := keyBatch(t, mem, rows)
			defer batch.Release()
			p, err := newPartitioner(mem, keySchema, []string{c.column})
			require.NoError(t, err)
			assert.Empty(t, p.out.FieldIndices(c.column), "the column is in the directory, not in the file")
			for range 2 { // the second time all values are known
				pieces, err := p.split(t.Context(), batch)
				require.NoError(t, err)
				assert.Equal(t, map[string][]int64{
					c.column + "=" + c.first:                 {1, 4},
					c.column + "=" + c.second:                {2},
					c.column + "=__HIVE_DEFAULT_PARTITION__": {3, 5},
				}, ids(pieces))
			}
		})
	}
}

func TestPartitionerCopiesNothingForOnePartition(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	batch := keyBatch(t, mem, `[{"word":"PT","id":1},{"word":"PT","id":2}]`)
	defer batch.Release()
	for _, by := range [][]string{nil, {"word"}} {
		p, err := newPartitioner(mem, keySchema, by)
		require.NoError(t, err)
		before := mem.CurrentAlloc()
		pieces, err := p.split(t.Context(), batch)
		require.NoError(t, err)
		assert.Equal(t, before, mem.CurrentAlloc())
		assert.Len(t, pieces, 1)
		releaseAll(pieces)
	}
}

func TestPartitionerRefusesColumns(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "f", Type: arrow.PrimitiveTypes.Float64},
		{Name: "_hidden", Type: arrow.BinaryTypes.String},
		{Name: "s", Type: arrow.BinaryTypes.String},
		{Name: "ts", Type: arrow.FixedWidthTypes.Timestamp_us},
	}, nil)
	for name, by := range map[string][]string{
		"no such column": {"nothing"},
		"is float64":     {"f"},
		"is timestamp":   {"ts"},
		"is there twice": {"s", "s"},
		"begin with":     {"_hidden"},
	} {
		_, err := newPartitioner(memory.DefaultAllocator, schema, by)
		require.ErrorIs(t, err, ErrPartitionColumn)
		assert.ErrorContains(t, err, name)
	}
	_, err := newPartitioner(memory.DefaultAllocator, arrow.NewSchema(schema.Fields()[2:3], nil), []string{"s"})
	require.ErrorIs(t, err, ErrPartitionColumn)
	assert.ErrorContains(t, err, "no column is left")
}

func TestPartitionerRefusesValues(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	p, err := newPartitioner(mem, keySchema, []string{"word"})
	require.NoError(t, err)
	long := strings.Repeat("x", 300)
	for want, json := range map[string]string{
		"stands for null: make it null, or another text":                              `[{"word":"PT","id":1},{"word":"__HIVE_DEFAULT_PARTITION__","id":2}]`,
		"would have 305 bytes, file systems take 255: partition by something shorter": `[{"word":"ES","id":1},{"word":"` + long + `","id":2}]`,
	} {
		batch := keyBatch(t, mem, json)
		_, err := p.split(t.Context(), batch)
		require.ErrorIs(t, err, ErrPartitionValue)
		require.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), long, "no value stands in an error")
		batch.Release()
	}
	// A refused batch leaves the partitioner usable.
	batch := keyBatch(t, mem, `[{"word":"ES","id":1},{"word":"PT","id":2}]`)
	defer batch.Release()
	pieces, err := p.split(t.Context(), batch)
	require.NoError(t, err)
	assert.Equal(t, map[string][]int64{"word=ES": {1}, "word=PT": {2}}, ids(pieces))
}

// TestPartitionerAgainstRowAtATime compares with the plain way on random batches
// of several partition columns, nested columns among the kept ones, and slices.
func TestPartitionerAgainstRowAtATime(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "country", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "year", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "flag", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "i8", Type: arrow.PrimitiveTypes.Int8, Nullable: true},
		{Name: "i16", Type: arrow.PrimitiveTypes.Int16, Nullable: true},
		{Name: "f32", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: "f64", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "ts", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
		{Name: "dec", Type: &arrow.Decimal128Type{Precision: 20, Scale: 2}, Nullable: true},
		{Name: "bin", Type: arrow.BinaryTypes.Binary, Nullable: true},
		{Name: "large", Type: arrow.BinaryTypes.LargeString, Nullable: true},
		{Name: "fixed", Type: &arrow.FixedSizeBinaryType{ByteWidth: 3}, Nullable: true},
		{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
		{Name: "struct", Type: arrow.StructOf(arrow.Field{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
		{Name: "none", Type: arrow.Null, Nullable: true},
	}, nil)
	const seed = 7
	rng := rand.New(rand.NewPCG(seed, seed))
	p, err := newPartitioner(mem, schema, []string{"country", "year", "flag"})
	require.NoError(t, err)
	for range 40 {
		whole := randomBatch(t, mem, rng, schema, 1+rng.IntN(200))
		from := rng.Int64N(whole.NumRows())
		batch := whole.NewSlice(from, from+1+rng.Int64N(whole.NumRows()-from))

		want := make(map[string][]string)
		for row := range int(batch.NumRows()) {
			var dirs []string
			for i, name := range []string{"country", "year", "flag"} {
				text := batch.Column(i).ValueStr(row)
				if batch.Column(i).IsNull(row) {
					text = nullPartition
				}
				dirs = append(dirs, name+"="+text)
			}
			dir := strings.Join(dirs, "/")
			want[dir] = append(want[dir], rowText(batch, row, 3))
		}
		pieces, err := p.split(t.Context(), batch)
		require.NoError(t, err)
		got := make(map[string][]string)
		for _, piece := range pieces {
			require.True(t, piece.batch.Schema().Equal(p.out))
			assert.NotContains(t, got, piece.partition.dir, "one piece a partition")
			for row := range int(piece.batch.NumRows()) {
				got[piece.partition.dir] = append(got[piece.partition.dir], rowText(piece.batch, row, 0))
			}
		}
		assert.Equal(t, want, got)
		releaseAll(pieces)
		batch.Release()
		whole.Release()
	}
}

// rowText is one row as text, from the given column on.
func rowText(b arrow.RecordBatch, row, from int) string {
	var cells []string
	for _, c := range b.Columns()[from:] {
		switch d, ok := c.(*array.Decimal128); {
		case c.IsNull(row):
			cells = append(cells, "null")
		case ok: // its ValueStr goes by way of big.Float
			cells = append(cells, "="+d.Value(row).BigInt().String())
		default:
			cells = append(cells, "="+c.ValueStr(row))
		}
	}
	return strings.Join(cells, "|")
}

// randomBatch fills every column from few values, a fifth of them null. The
// caller must Release the result.
func randomBatch(tb testing.TB, mem memory.Allocator, rng *rand.Rand, schema *arrow.Schema, rows int) arrow.RecordBatch {
	tb.Helper()
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	for _, field := range b.Fields() {
		appendRandom(tb, field, rng, rows)
	}
	return b.NewRecordBatch()
}

func appendRandom(tb testing.TB, field array.Builder, rng *rand.Rand, rows int) {
	tb.Helper()
	for range rows {
		if rng.IntN(5) == 0 {
			field.AppendNull()
			continue
		}
		v := rng.IntN(4)
		switch f := field.(type) {
		case *array.ListBuilder:
			f.Append(true)
			appendRandom(tb, f.ValueBuilder(), rng, v)
		case *array.StructBuilder:
			f.Append(true)
			appendRandom(tb, f.FieldBuilder(0), rng, 1)
		case *array.FixedSizeBinaryBuilder:
			f.Append([]byte{'x', 'y', byte('0' + v)})
		case *array.BinaryBuilder:
			f.AppendString(strings.Repeat("b", v))
		case *array.BooleanBuilder:
			f.Append(v > 1)
		case *array.TimestampBuilder:
			f.Append(arrow.Timestamp(v))
		case *array.NullBuilder:
			f.AppendNull()
		default:
			require.NoError(tb, field.AppendValueFromString(strconv.Itoa(v)))
		}
	}
}

func TestPartitionerForgetsWhenItKnowsTooMany(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "key", Type: arrow.PrimitiveTypes.Int64}, {Name: "id", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	p, err := newPartitioner(mem, schema, []string{"key"})
	require.NoError(t, err)
	for round := range int64(3) {
		keys := array.NewInt64Builder(mem)
		for i := range int64(maxPartitions + 1) {
			keys.Append(round*maxPartitions + i)
		}
		column := keys.NewArray()
		batch := array.NewRecordBatch(schema, []arrow.Array{column, column}, int64(column.Len()))
		pieces, err := p.split(t.Context(), batch)
		require.NoError(t, err)
		assert.Len(t, pieces, maxPartitions+1)
		assert.Len(t, p.known, maxPartitions+1)
		assert.Equal(t, "key="+strconv.FormatInt(round*maxPartitions+3, 10), pieces[3].partition.dir)
		releaseAll(pieces)
		batch.Release()
		column.Release()
		keys.Release()
	}
}

// FuzzHiveSegment: no value leaves its directory, and each can be read back.
func FuzzHiveSegment(f *testing.F) {
	f.Add("PT")
	f.Add("../../etc/passwd\x00")
	f.Add("S\xe3o")
	f.Fuzz(func(t *testing.T, value string) {
		segment := hiveSegment("c", value)
		encoded, ok := strings.CutPrefix(segment, "c=")
		require.True(t, ok)
		assert.NotContains(t, segment, "/")
		assert.True(t, utf8.ValidString(segment))
		var decoded []byte
		for i := 0; i < len(encoded); i++ {
			if encoded[i] != '%' {
				decoded = append(decoded, encoded[i])
				continue
			}
			c, err := strconv.ParseUint(encoded[i+1:i+3], 16, 8)
			require.NoError(t, err)
			decoded = append(decoded, byte(c))
			i += 2
		}
		assert.Equal(t, value, string(decoded))
	})
}
