package blocks_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/blocks"
)

// However a block is halved: the spans of the parts are a partition of its span, rows,
// dropped and dead add up in each and over all, and the rows joined are its rows.
func TestRule17Determinism_HalvingKeepsTheBooks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		b := drawBlock(t, mem)
		limit := max(b.Size()/int64(rapid.IntRange(1, 9).Draw(t, "parts")), 1)
		parts, over := blocks.Split(b, limit)
		if over != nil {
			require.NotEmpty(t, over.Rows)
			for _, row := range over.Rows {
				require.Greater(t, row.Bytes, limit)
			}
			b.Release()
			require.Zero(t, mem.CurrentAlloc())
			return
		}
		at := b.Span.From
		var rows, dead, dropped int64
		var batches []arrow.RecordBatch
		for _, p := range parts {
			require.Equal(t, b.Span.Task, p.Span.Task)
			require.Equal(t, at, p.Span.From)
			at = p.Span.To
			require.Equal(t, p.Span.Rows(), p.Rows+p.DroppedRows()+p.DeadRows(), "each part's books")
			rows, dead, dropped = rows+p.Rows, dead+p.DeadRows(), dropped+p.DroppedRows()
			if len(parts) > 1 {
				require.LessOrEqual(t, p.Size(), limit)
			}
			if p.Batch != nil && p.Rows > 0 {
				batches = append(batches, p.Batch)
			}
		}
		require.Equal(t, b.Span.To, at)
		require.Equal(t, b.Rows, rows)
		require.Equal(t, b.DeadRows(), dead)
		require.Equal(t, b.DroppedRows(), dropped)
		if b.Rows > 0 {
			for c := range int(b.Batch.NumCols()) {
				var chunks []arrow.Array
				for _, batch := range batches {
					chunks = append(chunks, batch.Column(c))
				}
				joined, err := array.Concatenate(chunks, memory.DefaultAllocator)
				require.NoError(t, err)
				require.True(t, array.Equal(b.Batch.Column(c), joined))
				joined.Release()
			}
		}
		for _, p := range parts {
			p.Release()
		}
		b.Release()
		require.Zero(t, mem.CurrentAlloc())
	})
}

// The same rows are halved the same way, whether they are a slice or not and with or
// without a validity bitmap.
func TestRule17Determinism_HalvingIsAlwaysTheSame(t *testing.T) {
	mem := checked(t)
	whole := customers(mem, 600)
	defer whole.Release()
	slice := whole.NewSlice(300, 600)
	again := customers(mem, 600)
	defer again.Release()
	other := again.NewSlice(300, 600)
	a, b := block(slice), block(other)
	defer a.Release()
	defer b.Release()
	for _, limit := range []int64{1 << 10, 3 << 10, 10 << 10} {
		x, over := blocks.Split(a, limit)
		require.Nil(t, over)
		y, over := blocks.Split(b, limit)
		require.Nil(t, over)
		require.Len(t, y, len(x))
		for i := range x {
			require.Equal(t, x[i].Span.Rows(), y[i].Span.Rows())
			x[i].Release()
			y[i].Release()
		}
	}
}

func TestSpans(t *testing.T) {
	s, err := blocks.ParseSpan("12:[0,4096)")
	require.NoError(t, err)
	require.Equal(t, blocks.Span{Task: 12, From: 0, To: 4096}, s)
	require.Equal(t, "12:[0,4096)", s.String())
	a, b := s.Halve()
	require.Equal(t, "12:[0,2048)", a.String())
	require.Equal(t, "12:[2048,4096)", b.String())
	for _, bad := range []string{"", "1:[0,0)", "1:[5,4)", "-1:[0,1)", "1:[0,1]", "01:[0,1)", "1:[0, 1)", "4294967296:[0,1)", "1:[-1,1)"} {
		_, err := blocks.ParseSpan(bad)
		require.ErrorIs(t, err, blocks.ErrSpan, bad)
	}
}
