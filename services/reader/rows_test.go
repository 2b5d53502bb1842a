package reader

import (
	"errors"
	"fmt"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/pipeline"
)

// All rows that a run would read, in their order, in small batches; what is pruned is not.
func TestRowsWithoutARun(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	dir := t.TempDir()
	writeFile(t, dir, "a.parquet", idAndText, 1000, 300, row)
	writeFile(t, dir, "b.parquet", idAndText, 500, 500, func(i int) string { return row(1000 + i) })
	f, err := inspect(t, dir, "stages: [{ name: keep, transform: [{ filter: \"id < 300 || id >= 600\" }] }]\n")
	require.NoError(t, err)
	p, err := pipeline.CompilePlanned(f.Pipeline.Spec, f.Pipeline.Needed)
	require.NoError(t, err)
	var ids []int64
	read := func(emit func(at Part, batch arrow.RecordBatch) error) error {
		return Rows(t.Context(), p.Spec, f, p, 64, Config{Memory: mem}, emit)
	}
	require.NoError(t, read(func(at Part, batch arrow.RecordBatch) error {
		defer batch.Release()
		require.LessOrEqual(t, batch.NumRows(), int64(64))
		first := batch.Column(0).(*array.Int64).Value(0)
		require.Equal(t, first, at.At.At(0), "ids are rows of the source, and what is pruned counts")
		require.Contains(t, at.Place, ".parquet, row groups [")
		ids = append(ids, batch.Column(0).(*array.Int64).Int64Values()...)
		return nil
	}))
	require.Len(t, ids, 1200)
	for i, id := range ids {
		if i >= 300 {
			i += 300 // pruned
		}
		require.EqualValues(t, i, id)
	}
	enough := errors.New("enough")
	require.ErrorIs(t, read(func(_ Part, batch arrow.RecordBatch) error { batch.Release(); return enough }), enough)
}

func TestValuesByStatistics(t *testing.T) {
	dir := t.TempDir()
	fields := append([]arrow.Field{{Name: "day", Type: arrow.FixedWidthTypes.Date32}, {Name: "one", Type: arrow.PrimitiveTypes.Int32}}, idAndText...)
	for i, name := range []string{"a.parquet", "b.parquet"} {
		writeFile(t, dir, name, fields, 100, 50, func(j int) string {
			return fmt.Sprintf(`{"day":"2024-01-%02d","one":7,"id":%d,"v":"x%d"}`, 10*i+j%10+1, -1000*j, j)
		})
	}
	f, err := inspect(t, dir, "")
	require.NoError(t, err)
	for column, want := range map[string]int64{"day": 20, "one": 1, "id": 200, "v": 0, "nowhere": 0} {
		n, err := Values(t.Context(), f.Pipeline.Spec, f, column)
		require.NoError(t, err)
		require.Equal(t, want, n, column)
	}
}
