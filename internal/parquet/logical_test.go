package parquet_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/parquet/parquettest"
)

// Each logical type of Parquet is what it was in the next file, flat and nested, whether or
// not Arrow has a type for it, also where its name went through a plan; so are the values.
func TestLogicalTypesAreKept(t *testing.T) {
	for name, rare := range map[string]bool{"usual": false, "rare": true} {
		t.Run(name, func(t *testing.T) {
			logicalTypesAreKept(t, parquettest.Options{Rows: 500, Group: 200, Dictionary: true, Rare: rare})
		})
	}
}

func logicalTypesAreKept(t *testing.T, o parquettest.Options) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	var in bytes.Buffer
	require.NoError(t, parquettest.Logical(&in, o))
	first := in.Bytes()
	second := passed(t, mem, first)
	third := passed(t, mem, second) // by what the second calls its columns
	before := logicalTypes(t, first)
	require.Equal(t, before, logicalTypes(t, second))
	require.Equal(t, before, logicalTypes(t, third))
	t.Logf("counted: %d columns and leaves of %s logical types, kept", len(before), map[bool]string{true: "rare", false: "usual"}[o.Rare])
	require.NotContains(t, string(second), "levada:logical_type", "it is for the plan, not for files")

	want, got := batches(t, mem, first), batches(t, mem, third)
	require.Len(t, got, len(want))
	for i := range want {
		require.True(t, array.RecordEqual(want[i], got[i]), "%v became %v", want[i], got[i])
	}
}

// passed is a file that was read and written, with what it calls its columns from a plan.
func passed(t *testing.T, mem memory.Allocator, data []byte) []byte {
	t.Helper()
	f, err := parquet.Open(t.Context(), source(data), mem)
	require.NoError(t, err)
	plan, err := job.EncodeSchema(f.Original())
	require.NoError(t, err)
	stored, err := job.DecodeSchema(plan)
	require.NoError(t, err)
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, f.Schema(), parquet.WriteOptions{Memory: mem, Stored: stored})
	require.NoError(t, err)
	require.NoError(t, f.Close())
	for _, b := range batches(t, mem, data) {
		require.NoError(t, w.Write(b))
		require.NoError(t, w.Flush())
	}
	_, err = w.Close()
	require.NoError(t, err)
	return out.Bytes()
}

// batches are the row groups of a file that have rows.
func batches(t *testing.T, mem memory.Allocator, data []byte) []arrow.RecordBatch {
	t.Helper()
	f, err := parquet.Open(t.Context(), source(data), mem)
	require.NoError(t, err)
	var all []arrow.RecordBatch
	require.NoError(t, f.ReadRowGroups(t.Context(), 0, f.RowGroups(), parquet.ReadOptions{Columns: f.Schema(), BlockRows: 1000}, func(_, _ int64, b arrow.RecordBatch) error {
		if b.NumRows() == 0 {
			b.Release()
			return nil
		}
		all = append(all, b)
		t.Cleanup(b.Release)
		return nil
	}))
	require.NoError(t, f.Close())
	return all
}

// logicalTypes are those of a file's leaves and groups, by path.
func logicalTypes(t *testing.T, data []byte) map[string]string {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	defer r.Close()
	all := map[string]string{}
	for i := range r.MetaData().Schema.NumColumns() {
		c := r.MetaData().Schema.Column(i)
		top := r.MetaData().Schema.ColumnRoot(i)
		all[top.Name()] = top.LogicalType().String()
		physical := c.PhysicalType().String()
		if strings.HasPrefix(c.Path(), "dec_bytes") {
			physical = "FIXED_LEN_BYTE_ARRAY" // it becomes that
		}
		all[c.Path()] = fmt.Sprint(physical, " ", c.LogicalType(), " ", c.ConvertedType())
	}
	return all
}
