package compare_test

import (
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/compare"
)

// What is alive during a comparison does not grow with the data, however many rows differ:
// it is what is read at once, and what may be remembered.
func TestMemoryDoesNotGrowWithTheData(t *testing.T) {
	const few, many = 25_000, 400_000
	for _, test := range []struct {
		name string
		add  int64 // to the values of the other side
	}{{"EqualRows", 0}, {"AllRowsDiffer", 1}} {
		t.Run(test.name, func(t *testing.T) {
			small, large := alive(t, few, test.add), alive(t, many, test.add)
			t.Logf("%d rows: %d KiB alive at most; %d rows: %d KiB", few, small>>10, many, large>>10)
			require.Less(t, large, small+small/2+2<<20)
			require.Less(t, large, uint64(24<<20))
		})
	}
}

// alive is how many bytes a comparison of n rows holds at most, above those before it: it
// is measured, after a collection, whenever some rows have been read.
func alive(t *testing.T, n int, add int64) uint64 {
	t.Helper()
	a, b := numbered(t, n, 0), numbered(t, n, add)
	x, y := open(t, a), open(t, b)
	var (
		mu           sync.Mutex
		stats        runtime.MemStats
		before, most uint64
		rows, next   int64
	)
	measure := func() uint64 {
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	before = measure()
	const remembered = 1 << 13
	r, err := compare.Sets(t.Context(), x, y, compare.Options{Remembered: remembered, Rows: 10, Seen: func(seen int64) {
		mu.Lock() // the callers are several
		defer mu.Unlock()
		if rows += seen; rows >= next {
			most, next = max(most, measure()), rows+int64(n)/8
		}
	}})
	require.NoError(t, err)
	require.Equal(t, add == 0, r.Equal)
	if add != 0 {
		require.Positive(t, r.Rows.OnlyA)
		require.LessOrEqual(t, r.Rows.OnlyA+r.Rows.OnlyB, int64(remembered))
		require.Len(t, r.Rows.First, 10)
	}
	return most - min(before, most)
}

// numbered writes n rows of two numbers in row groups of one size.
func numbered(t *testing.T, n int, add int64) string {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "v", Type: arrow.PrimitiveTypes.Int64},
	}, nil))
	defer b.Release()
	for i := range int64(n) {
		b.Field(0).(*array.Int64Builder).Append(i)
		b.Field(1).(*array.Int64Builder).Append(i*7 + add)
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	dir := t.TempDir()
	writeBatch(t, filepath.Join(dir, "0.parquet"), 1<<13, batch)
	return dir
}
