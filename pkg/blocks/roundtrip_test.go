package blocks_test

import (
	"bytes"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/blocks"
)

// What is encoded comes back: headers, rows, offsets, of every type that travels.
func TestBlocksComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		b := drawBlock(t, mem)
		m, err := blocks.Encode(b)
		require.NoError(t, err)
		back, err := blocks.Decode(m.Header, m.Data, blocks.DecodeOptions{})
		require.NoError(t, err)
		sent, err := b.Format()
		require.NoError(t, err)
		came, err := back.Format()
		require.NoError(t, err)
		require.Equal(t, sent, came)
		require.Len(t, back.Offsets, len(b.Offsets))
		if len(b.Offsets) > 0 {
			require.Equal(t, b.Offsets, back.Offsets)
		}
		if b.Rows > 0 {
			require.True(t, array.RecordEqual(b.Batch, back.Batch), "rows differ")
		}
		back.Release()
		b.Release()
		require.Zero(t, mem.CurrentAlloc())
	})
}

// The payload is Arrow's own IPC stream: any Arrow library reads it.
func TestPayloadIsAnArrowStream(t *testing.T) {
	b := block(customers(checked(t), 100))
	defer b.Release()
	m, err := blocks.Encode(b)
	require.NoError(t, err)
	r, err := ipc.NewReader(bytes.NewReader(m.Data))
	require.NoError(t, err)
	defer r.Release()
	require.True(t, r.Next())
	require.True(t, array.RecordEqual(b.Batch, r.RecordBatch()))
	require.False(t, r.Next())
	require.NoError(t, r.Err())
}

// A slice of a batch encodes to the same bytes as a copy of its rows.
func TestSlicingDoesNotShow(t *testing.T) {
	mem := checked(t)
	whole := customers(mem, 300)
	defer whole.Release()
	slice := whole.NewSlice(100, 200)
	cols := make([]arrow.Array, slice.NumCols())
	for i := range cols {
		c, err := array.Concatenate([]arrow.Array{slice.Column(i)}, mem)
		require.NoError(t, err)
		cols[i] = c
	}
	fresh := array.NewRecordBatch(slice.Schema(), cols, slice.NumRows())
	for _, c := range cols {
		c.Release()
	}
	require.Equal(t, blocks.DataSize(fresh), blocks.DataSize(slice))
	a, b := block(slice), block(fresh)
	defer a.Release()
	defer b.Release()
	b.Attempt, b.Span = a.Attempt, a.Span
	ma, err := blocks.Encode(a)
	require.NoError(t, err)
	mb, err := blocks.Encode(b)
	require.NoError(t, err)
	require.Equal(t, ma.Data, mb.Data)
}

// Metadata of schema and fields tells no two schemas apart; names, types, order and
// nullability do.
func TestFingerprintIsOfTheColumns(t *testing.T) {
	f := func(name string, dt arrow.DataType, nullable bool) arrow.Field {
		return arrow.Field{Name: name, Type: dt, Nullable: nullable}
	}
	i64, str := arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String
	base := arrow.NewSchema([]arrow.Field{f("a", i64, false), f("b", str, true)}, nil)
	md := arrow.NewMetadata([]string{"PARQUET:field_id"}, []string{"1"})
	same := arrow.NewSchema([]arrow.Field{{Name: "a", Type: i64, Metadata: md}, f("b", str, true)}, &md)
	require.Equal(t, blocks.FingerprintOf(base), blocks.FingerprintOf(same))
	for name, other := range map[string]*arrow.Schema{
		"order":       arrow.NewSchema([]arrow.Field{f("b", str, true), f("a", i64, false)}, nil),
		"name":        arrow.NewSchema([]arrow.Field{f("a", i64, false), f("c", str, true)}, nil),
		"type":        arrow.NewSchema([]arrow.Field{f("a", arrow.PrimitiveTypes.Int32, false), f("b", str, true)}, nil),
		"nullability": arrow.NewSchema([]arrow.Field{f("a", i64, false), f("b", str, false)}, nil),
		"number":      arrow.NewSchema([]arrow.Field{f("a", i64, false)}, nil),
	} {
		require.NotEqual(t, blocks.FingerprintOf(base), blocks.FingerprintOf(other), name)
	}
}

// One flipped bit anywhere in the payload is found before anything is decoded.
func TestChecksumIsVerifiedFirst(t *testing.T) {
	b := block(customers(checked(t), 50))
	defer b.Release()
	m, err := blocks.Encode(b)
	require.NoError(t, err)
	for i := 0; i < len(m.Data); i += 7 {
		bad := bytes.Clone(m.Data)
		bad[i] ^= 1 << (i % 8)
		_, err := blocks.Decode(m.Header, bad, blocks.DecodeOptions{})
		require.ErrorIs(t, err, blocks.ErrChecksum)
	}
	_, err = blocks.Decode(m.Header, m.Data, blocks.DecodeOptions{MaxBytes: 10})
	require.ErrorIs(t, err, blocks.ErrTooLarge)
	_, err = blocks.Decode(m.Header, m.Data, blocks.DecodeOptions{Schema: arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Int8}}, nil)})
	require.ErrorIs(t, err, blocks.ErrSchema)
	m.Header[blocks.HeaderVersion] = []string{"2"}
	_, err = blocks.Decode(m.Header, m.Data, blocks.DecodeOptions{})
	require.ErrorIs(t, err, blocks.ErrVersion)
	require.ErrorContains(t, err, `header Levada-Version is "2", this build reads "1": use the build that wrote it, or a newer one`)
}

// An aligned payload is decoded without being copied.
func TestDecodeDoesNotCopy(t *testing.T) {
	b := block(customers(memory.DefaultAllocator, 20_000))
	defer b.Release()
	m, err := blocks.Encode(b)
	require.NoError(t, err)
	per := testing.AllocsPerRun(10, func() {
		back, err := blocks.Decode(m.Header, m.Data, blocks.DecodeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		back.Release()
	})
	require.Less(t, per, 250.0, "allocations a block, however many rows it has")
}
