package parquet_test

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/rounds"
)

var finishSchema = arrow.NewSchema([]arrow.Field{
	{Name: "up", Type: arrow.PrimitiveTypes.Int64},
	{Name: "flag", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
	{Name: "any", Type: arrow.PrimitiveTypes.Int64},
	{Name: "price", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "word", Type: arrow.BinaryTypes.String},
	{Name: "code", Type: arrow.BinaryTypes.Binary},
	{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
}, nil)

// finishBatch has rows of all kinds: ascending, of few values, of many. The caller must
// Release it.
func finishBatch(mem memory.Allocator, rng *rand.Rand, from, rows int) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, finishSchema)
	defer b.Release()
	for i := range rows {
		b.Field(0).(*array.Int64Builder).Append(int64(from+i) * 3)
		b.Field(2).(*array.Int64Builder).Append(rng.Int64())
		b.Field(4).(*array.StringBuilder).Append(fmt.Sprintf("word %d", rng.IntN(40)))
		b.Field(5).(*array.BinaryBuilder).AppendString(fmt.Sprint(rng.IntN(9)))
		for f, v := range map[int]func(){
			1: func() { b.Field(1).(*array.Int32Builder).Append(rng.Int32N(4)) },
			3: func() {
				b.Field(3).(*array.Float64Builder).Append([]float64{rng.Float64(), math.NaN(), math.Inf(-1), 7}[rng.IntN(4)] + float64(rng.IntN(50)))
			},
			6: func() { b.Field(6).(*array.StringBuilder).Append(fmt.Sprintf("text %d", rng.IntN(1<<30))) },
		} {
			if rng.IntN(9) == 0 {
				b.Field(f).AppendNull()
			} else {
				v()
			}
		}
	}
	return b.NewRecordBatch()
}

// finished writes a table in batches of so many rows and opens the file.
func finished(t *testing.T, o parquet.WriteOptions, rows, batch int) (*file.Reader, []byte, *parquet.Writer) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	o.Memory = mem
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, finishSchema, o)
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(1, 2))
	for from := 0; from < rows; from += batch {
		b := finishBatch(mem, rng, from, min(batch, rows-from))
		require.NoError(t, w.Write(b))
		b.Release()
	}
	require.EqualValues(t, rows, w.Rows())
	n, err := w.Close()
	require.NoError(t, err)
	require.EqualValues(t, out.Len(), n)
	r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	require.EqualValues(t, rows, r.NumRows())
	return r, out.Bytes(), w
}

// has reports that the first row group's column is in an encoding.
func has(t *testing.T, r *file.Reader, column string, e arrowparquet.Encoding) bool {
	t.Helper()
	c, err := r.MetaData().RowGroup(0).ColumnChunk(r.MetaData().Schema.ColumnIndexByName(column))
	require.NoError(t, err)
	return slices.Contains(c.Encodings(), e)
}

func TestFinish_TheDataDecide(t *testing.T) {
	r, _, _ := finished(t, parquet.WriteOptions{Finish: parquet.Finish{Delta: true}}, 9000, 5000)
	for column, want := range map[string]arrowparquet.Encoding{
		"up": arrowparquet.Encodings.DeltaBinaryPacked, "flag": arrowparquet.Encodings.RLEDict, "any": arrowparquet.Encodings.Plain,
		"price": arrowparquet.Encodings.Plain, "word": arrowparquet.Encodings.RLEDict, "code": arrowparquet.Encodings.RLEDict, "text": arrowparquet.Encodings.Plain,
	} {
		require.True(t, has(t, r, column, want), column)
	}
	require.False(t, has(t, r, "any", arrowparquet.Encodings.RLEDict))
	r, _, _ = finished(t, parquet.WriteOptions{}, 9000, 5000)
	require.False(t, has(t, r, "up", arrowparquet.Encodings.DeltaBinaryPacked), "only who asks gets it")
}

func TestFinish_IsFollowed(t *testing.T) {
	r, data, _ := finished(t, parquet.WriteOptions{Finish: parquet.Finish{
		Encodings: map[string]parquet.Encoding{"up": parquet.EncodingPlain, "any": parquet.EncodingDelta, "price": parquet.EncodingSplit, "text": parquet.EncodingDictionary, "word": parquet.EncodingPlain},
		Bloom:     []string{"text", "any"},
	}}, 5000, 700)
	require.True(t, has(t, r, "any", arrowparquet.Encodings.DeltaBinaryPacked))
	require.True(t, has(t, r, "price", arrowparquet.Encodings.ByteStreamSplit))
	require.True(t, has(t, r, "text", arrowparquet.Encodings.RLEDict))
	require.False(t, has(t, r, "word", arrowparquet.Encodings.RLEDict))
	filters, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	rg, err := filters.GetBloomFilterReader().RowGroup(0)
	require.NoError(t, err)
	for i, f := range finishSchema.Fields() {
		bf, err := rg.GetColumnBloomFilter(i)
		require.NoError(t, err)
		require.Equal(t, f.Name == "text" || f.Name == "any", bf != nil, f.Name)
	}
}

// A bloom filter is as large as its values need: small for few, and for as many as a row
// group has, lookups are in vain no more often than was asked for.
func TestFinish_FiltersFitTheirValues(t *testing.T) {
	rounds.Alone(t)
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	for _, c := range []struct {
		rows        int64
		fpp         float64
		least, most int64
	}{{81, 0, 1 << 10, 4 << 10}, {30_000, 0, 32 << 10, 128 << 10}, {1 << 20, 0, 1 << 20, 4 << 20}, {1 << 20, 0.1, 512 << 10, 2 << 20}} {
		b := array.NewInt64Builder(memory.DefaultAllocator)
		for i := range c.rows {
			b.Append(i)
		}
		batch := array.NewRecordBatch(schema, []arrow.Array{b.NewArray()}, c.rows)
		var out bytes.Buffer
		w, err := parquet.NewWriter(&out, schema, parquet.WriteOptions{Finish: parquet.Finish{Bloom: []string{"id"}, FPP: c.fpp}})
		require.NoError(t, err)
		require.NoError(t, w.Write(batch))
		_, err = w.Close()
		require.NoError(t, err)
		r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
		require.NoError(t, err)
		rg, err := r.GetBloomFilterReader().RowGroup(0)
		require.NoError(t, err)
		filter, err := rg.GetColumnBloomFilter(0)
		require.NoError(t, err)
		require.GreaterOrEqual(t, filter.Size(), c.least)
		require.LessOrEqual(t, filter.Size(), c.most)
		ids := metadata.TypedBloomFilter[int64]{BloomFilter: filter}
		found := 0
		for i := range c.rows {
			require.True(t, ids.Check(i))
			if ids.Check(-1 - i) {
				found++
			}
		}
		require.LessOrEqual(t, float64(found), 1.1*cmp.Or(c.fpp, 0.01)*float64(c.rows)+3, "%+v", c)
	}
}

// Rows of each row group are in order by the keys, and all of them are there; equal ones
// stay as they came.
func TestFinish_Sorts(t *testing.T) {
	keys := []parquet.SortKey{{Column: "flag", NullsFirst: true}, {Column: "price", Descending: true}, {Column: "word"}}
	for _, batch := range []int{9000, 700} {
		r, data, w := finished(t, parquet.WriteOptions{RowsPerGroup: 4000, Finish: parquet.Finish{Sort: keys}}, 9000, batch)
		require.EqualValues(t, 9000, w.Rows())
		require.Equal(t, 3, r.NumRowGroups())
		var seen []int64
		for g := range r.NumRowGroups() {
			sorting := r.MetaData().RowGroup(g).SortingColumns()
			require.Len(t, sorting, 3)
			require.EqualValues(t, 1, sorting[0].ColumnIdx)
			require.True(t, sorting[0].NullsFirst)
			require.True(t, sorting[1].Descending)
			rows := sortedRows(t, data, g)
			require.True(t, slices.IsSortedFunc(rows, func(a, b finishRow) int {
				return cmp.Or(cmp.Compare(a.flag, b.flag), cmp.Compare(b.price, a.price), cmp.Compare(a.word, b.word), cmp.Compare(a.up, b.up))
			}), "row group %d", g)
			for _, row := range rows {
				seen = append(seen, row.up)
			}
		}
		slices.Sort(seen)
		for i, v := range seen {
			require.EqualValues(t, 3*i, v)
		}
	}
}

// finishRow is the keys of a row, in which null and NaN are numbers: null of flag is the
// least, NaN of price the largest, and null of price, which comes last, the least.
type finishRow struct {
	up          int64
	flag, price float64
	word        string
}

func sortedRows(t *testing.T, data []byte, group int) (rows []finishRow) {
	t.Helper()
	f := open(t, memory.DefaultAllocator, data)
	err := f.ReadRowGroups(t.Context(), group, group+1, parquet.ReadOptions{Columns: finishSchema, BlockRows: 1 << 20}, func(_, _ int64, b arrow.RecordBatch) error {
		defer b.Release()
		up, flag, price, word := b.Column(0).(*array.Int64), b.Column(1).(*array.Int32), b.Column(3).(*array.Float64), b.Column(4).(*array.String)
		for i := range int(b.NumRows()) {
			row := finishRow{up: up.Value(i), flag: float64(flag.Value(i)), price: price.Value(i), word: word.Value(i)}
			if flag.IsNull(i) {
				row.flag = math.Inf(-1)
			}
			switch {
			case price.IsNull(i):

				row.price = math.Inf(-1)
			case math.IsNaN(row.price):
				row.price = math.Inf(1)
			case math.IsInf(row.price, -1):
				row.price = -math.MaxFloat64
			}
			rows = append(rows, row)
		}
		return nil
	})
	require.NoError(t, err)
	return rows
}

// Rows that wait to be sorted count as memory, and go when the file is abandoned.
func TestFinish_SortedRowsAreBounded(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, finishSchema, parquet.WriteOptions{Memory: mem, Finish: parquet.Finish{Sort: []parquet.SortKey{{Column: "any"}}}})
	require.NoError(t, err)
	b := finishBatch(mem, rand.New(rand.NewPCG(1, 2)), 0, 3000)
	require.NoError(t, w.Write(b))
	require.Greater(t, w.Buffered(), int64(3000*40))
	require.NoError(t, w.Flush())
	require.Zero(t, w.Buffered())
	require.NoError(t, w.Write(b))
	b.Release()
	w.Abandon()
	require.EqualValues(t, 6000, w.Rows())
}
