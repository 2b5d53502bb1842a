package parquet_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
)

// inMemory is a file that counts what is read of it.
type inMemory struct {
	*bytes.Reader
	read int64
}

func (f *inMemory) Name() string { return "dir/test.parquet" }
func (f *inMemory) Close() error { return nil }
func (f *inMemory) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.Reader.ReadAt(p, at)
	f.read += int64(n)
	return n, err
}

func source(data []byte) *inMemory { return &inMemory{Reader: bytes.NewReader(data)} }

// sample is a batch of every kind of column that is common. The caller must Release it.
func sample(t testing.TB, mem memory.Allocator, rows int) arrow.RecordBatch {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i64", Type: arrow.PrimitiveTypes.Int64},
		{Name: "i32", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "u16", Type: arrow.PrimitiveTypes.Uint16, Nullable: true},
		{Name: "f64", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "f32", Type: arrow.PrimitiveTypes.Float32},
		{Name: "ok", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "text", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "few", Type: arrow.BinaryTypes.String},
		{Name: "raw", Type: arrow.BinaryTypes.Binary, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32, Nullable: true},
		{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}, Nullable: true},
		{Name: "local", Type: &arrow.TimestampType{Unit: arrow.Nanosecond}},
		{Name: "price", Type: &arrow.Decimal128Type{Precision: 18, Scale: 4}, Nullable: true},
		{Name: "id", Type: &arrow.FixedSizeBinaryType{ByteWidth: 16}},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true},
		{Name: "place", Type: arrow.StructOf(arrow.Field{Name: "lat", Type: arrow.PrimitiveTypes.Float64, Nullable: true}, arrow.Field{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
	}, nil)
	rng := rand.New(rand.NewPCG(1, uint64(rows)))
	var b strings.Builder
	b.WriteByte('[')
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		null := func(s string) string {
			if rng.IntN(4) == 0 {
				return "null"
			}
			return s
		}
		fmt.Fprintf(&b, `{"i64":%d,"i32":%s,"u16":%s,"f64":%s,"f32":%d.5,"ok":%s,"text":%s,"few":"%c","raw":%s,"day":%s,"at":%s,"local":"2026-01-02 03:04:05.%09d","price":%s,"id":"AAAAAAAAAAAAAAAAAAAAAA==","tags":%s,"place":%s}`,
			i, null(fmt.Sprint(-i)), null(fmt.Sprint(i%65536)), null(fmt.Sprintf("%d.25", i)), i, null([]string{"true", "false"}[i%2]),
			null(fmt.Sprintf("%q", strings.Repeat("x", i%50)+fmt.Sprint(i))), 'a'+rune(i%5), null(`"AAEC"`), null(`"2026-11-24"`), null(`"2026-11-24 01:02:03.000004Z"`),
			i, null(fmt.Sprintf(`"%d.1234"`, i)), null(`["a",null,"b"]`), null(`{"lat":1.5,"name":null}`))
	}
	b.WriteByte(']')
	batch, _, err := array.RecordFromJSON(mem, schema, strings.NewReader(b.String()))
	require.NoError(t, err)
	return batch
}

// write makes a file of batches.
func write(t testing.TB, o parquet.WriteOptions, schema *arrow.Schema, batches ...arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, schema, o)
	require.NoError(t, err)
	rows := int64(0)
	for _, b := range batches {
		require.NoError(t, w.Write(b))
		rows += b.NumRows()
	}
	require.Equal(t, rows, w.Rows())
	n, err := w.Close()
	require.NoError(t, err)
	require.EqualValues(t, out.Len(), n)
	return out.Bytes()
}

// open opens a file that is whole.
func open(t testing.TB, mem memory.Allocator, data []byte) *parquet.File {
	t.Helper()
	f, err := parquet.Open(t.Context(), source(data), mem)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

// readAll reads everything and returns the rows as text.
func readAll(ctx context.Context, f *parquet.File, o parquet.ReadOptions) ([]string, error) {
	if o.Columns == nil {
		o.Columns = f.Schema()
	}
	if o.BlockRows == 0 {
		o.BlockRows = 1000
	}
	var rows []string
	at := int64(0)
	err := f.ReadRowGroups(ctx, 0, f.RowGroups(), o, func(from, to int64, batch arrow.RecordBatch) error {
		if from != at || to <= from && f.Rows() > 0 {
			return fmt.Errorf("block [%d,%d) after row %d", from, to, at)
		}
		at = to
		if batch == nil {
			return nil
		}
		defer batch.Release()
		if batch.NumRows() != to-from {
			return fmt.Errorf("%d rows in [%d,%d)", batch.NumRows(), from, to)
		}
		rows = append(rows, texts(batch)...)
		return nil
	})
	return rows, err
}

func texts(batch arrow.RecordBatch) []string {
	rows := make([]string, batch.NumRows())
	for i := range rows {
		var b strings.Builder
		for c, col := range batch.Columns() {
			fmt.Fprintf(&b, "%s=%s ", batch.ColumnName(c), col.ValueStr(i))
		}
		rows[i] = b.String()
	}
	return rows
}

// sameSchema compares all but the names of what lists hold, which Parquet has its own for.
func sameSchema(t *testing.T, want, got *arrow.Schema) {
	t.Helper()
	require.Equal(t, want.NumFields(), got.NumFields())
	for i, f := range want.Fields() {
		g := got.Field(i)
		require.Equal(t, f.Name, g.Name)
		require.Equal(t, f.Nullable, g.Nullable, f.Name)
		require.True(t, arrow.TypeEqual(f.Type, g.Type), "%s: %s is not %s", f.Name, g.Type, f.Type)
		require.Zero(t, g.Metadata.Len(), f.Name)
	}
	require.Zero(t, got.Metadata().Len())
}

func TestRoundTrip(t *testing.T) {
	for _, codec := range []parquet.WriteOptions{{Codec: "none"}, {Codec: "snappy"}, {}, {Codec: "zstd"}, {Codec: "zstd", Level: 9}} {
		t.Run(fmt.Sprint(codec.Codec, codec.Level), func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			batch := sample(t, mem, 900)
			defer batch.Release()
			slice := batch.NewSlice(301, 700) // offsets that are no multiple of eight
			defer slice.Release()
			none := batch.NewSlice(5, 5)
			defer none.Release()
			codec.RowsPerGroup, codec.Memory = 400, mem
			f := open(t, mem, write(t, codec, batch.Schema(), batch, none, slice))
			require.EqualValues(t, 1299, f.Rows())
			require.Equal(t, 4, f.RowGroups())
			sameSchema(t, batch.Schema(), f.Schema())
			want := append(texts(batch), texts(slice)...)
			for _, blockRows := range []int64{7, 400, 1 << 20} {
				got, err := readAll(t.Context(), f, parquet.ReadOptions{BlockRows: blockRows})
				require.NoError(t, err)
				require.Equal(t, want, got)
			}
		})
	}
}

func TestFileWithoutRows(t *testing.T) {
	batch := sample(t, memory.DefaultAllocator, 1)
	defer batch.Release()
	f := open(t, nil, write(t, parquet.WriteOptions{}, batch.Schema()))
	require.Zero(t, f.Rows())
	sameSchema(t, batch.Schema(), f.Schema())
	rows, err := readAll(t.Context(), f, parquet.ReadOptions{})
	require.NoError(t, err)
	require.Empty(t, rows)
}

// Only the columns that are asked for are read, in the order of the asker.
func TestProjection(t *testing.T) {
	batch := sample(t, memory.DefaultAllocator, 5000)
	defer batch.Release()
	data := write(t, parquet.WriteOptions{Codec: "none"}, batch.Schema(), batch)
	src := source(data)
	f, err := parquet.Open(t.Context(), src, nil)
	require.NoError(t, err)
	src.read = 0
	columns := arrow.NewSchema([]arrow.Field{batch.Schema().Field(6), batch.Schema().Field(0)}, nil)
	rows, err := readAll(t.Context(), f, parquet.ReadOptions{Columns: columns})
	require.NoError(t, err)
	require.Len(t, rows, 5000)
	require.Regexp(t, `^text=\S* i64=4999 $`, rows[4999])
	all, err := f.RowGroup(0, nil)
	require.NoError(t, err)
	two, err := f.RowGroup(0, []string{"i64", "text"})
	require.NoError(t, err)
	require.Less(t, two.Compressed, all.Compressed/2)
	require.LessOrEqual(t, src.read, two.Compressed+1<<10)

	one, err := f.RowGroup(0, []string{"i64"})
	require.NoError(t, err)
	also, err := f.RowGroup(0, []string{"i64", "nothing"})
	require.NoError(t, err)
	require.Equal(t, one, also, "what the file lacks takes nothing")

	lacks := arrow.NewSchema([]arrow.Field{batch.Schema().Field(0), {Name: "nothing", Type: arrow.PrimitiveTypes.Int64, Nullable: true}}, nil)
	_, err = readAll(t.Context(), f, parquet.ReadOptions{Columns: lacks})
	require.ErrorContains(t, err, `column "nothing" is missing`)
	rows, err = readAll(t.Context(), f, parquet.ReadOptions{Columns: lacks, Fill: true})
	require.NoError(t, err)
	require.Regexp(t, `nothing=\(null\)`, rows[4999])
}

// What nobody wants is told of, but not read.
func TestUnwantedRowGroupsAreNotRead(t *testing.T) {
	batch := sample(t, memory.DefaultAllocator, 4000)
	defer batch.Release()
	src := source(write(t, parquet.WriteOptions{RowsPerGroup: 1000}, batch.Schema(), batch))
	f, err := parquet.Open(t.Context(), src, nil)
	require.NoError(t, err)
	src.read = 0
	rows, err := readAll(t.Context(), f, parquet.ReadOptions{BlockRows: 500, Want: func(int64, int64) bool { return false }})
	require.NoError(t, err)
	require.Empty(t, rows)
	require.Zero(t, src.read)
	rows, err = readAll(t.Context(), f, parquet.ReadOptions{BlockRows: 500, Want: func(from, _ int64) bool { return from == 2500 }})
	require.NoError(t, err)
	require.Equal(t, texts(batch)[2500:3000], rows)
}

func TestEmitsErrorComesBackAsItIs(t *testing.T) {
	batch := sample(t, memory.DefaultAllocator, 100)
	defer batch.Release()
	f := open(t, nil, write(t, parquet.WriteOptions{}, batch.Schema(), batch))
	err := f.ReadRowGroups(t.Context(), 0, 1, parquet.ReadOptions{Columns: f.Schema(), BlockRows: 10}, func(_, _ int64, b arrow.RecordBatch) error {
		b.Release()
		return io.ErrShortWrite
	})
	require.Equal(t, io.ErrShortWrite, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = readAll(ctx, f, parquet.ReadOptions{})
	require.ErrorIs(t, err, context.Canceled)
}

func TestIdentity(t *testing.T) {
	batch := sample(t, memory.DefaultAllocator, 100)
	defer batch.Release()
	other := batch.NewSlice(0, 99)
	defer other.Release()
	a := write(t, parquet.WriteOptions{}, batch.Schema(), batch)
	require.Equal(t, open(t, nil, a).Identity(), open(t, nil, slices.Clone(a)).Identity())
	require.NotEqual(t, open(t, nil, a).Identity(), open(t, nil, write(t, parquet.WriteOptions{}, batch.Schema(), other)).Identity())
	require.EqualValues(t, len(a), open(t, nil, a).Identity().Size)
	require.Len(t, open(t, nil, a).Identity().Footer, 64)
}

// A page beyond the budget is refused by name, whatever its row group's size is.
func TestTooLargeIsRefusedByName(t *testing.T) {
	batch := sample(t, memory.DefaultAllocator, 20_000)
	defer batch.Release()
	var out bytes.Buffer
	props := arrowparquet.NewWriterProperties(arrowparquet.WithCompression(compress.Codecs.Zstd), arrowparquet.WithDictionaryDefault(false), arrowparquet.WithDataPageSize(64<<20))
	w, err := pqarrow.NewFileWriter(batch.Schema(), &out, props, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, w.Write(batch))
	require.NoError(t, w.Close())
	f := open(t, nil, out.Bytes())
	_, err = readAll(t.Context(), f, parquet.ReadOptions{Budget: 100 << 10})
	require.ErrorIs(t, err, parquet.ErrTooLarge)
	require.ErrorContains(t, err, "dir/test.parquet: row group 0")
	require.ErrorContains(t, err, "smaller pages")
	rows, err := readAll(t.Context(), f, parquet.ReadOptions{})
	require.NoError(t, err)
	require.Len(t, rows, 20_000)
}

func TestWriterRefusesUnknownCodec(t *testing.T) {
	_, err := parquet.NewWriter(io.Discard, arrow.NewSchema(nil, nil), parquet.WriteOptions{Codec: "lzo"})
	require.ErrorContains(t, err, `codec "lzo"`)
}

// Strings that repeat get a dictionary, others do not; statistics and the page index are
// there for all.
func TestWriterChoosesDictionaries(t *testing.T) {
	batch := sample(t, memory.DefaultAllocator, 3000)
	defer batch.Release()
	raw := raw(t, write(t, parquet.WriteOptions{}, batch.Schema(), batch))
	for i, want := range map[int]bool{0: false, 6: false, 7: true} {
		col, err := raw.RowGroup(0).ColumnChunk(i)
		require.NoError(t, err)
		require.Equal(t, want, col.HasDictionaryPage(), col.PathInSchema())
		require.Positive(t, col.GetColumnIndexLocation().Length)
		require.Positive(t, col.GetOffsetIndexLocation().Length)
	}
}
