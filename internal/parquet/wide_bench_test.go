package parquet_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
)

// BenchmarkWide opens a file of many columns, asks for their sizes and reads them. What a
// column costs shall not grow with their number.
func BenchmarkWide(b *testing.B) {
	for _, columns := range []int{1000, 4000} {
		b.Run(fmt.Sprint(columns), func(b *testing.B) {
			uri, names := wide(b, columns)
			b.ReportAllocs()
			for b.Loop() {
				src, err := storage.Open(b.Context(), uri, storage.S3Options{})
				require.NoError(b, err)
				f, err := parquet.Open(b.Context(), src, memory.DefaultAllocator)
				require.NoError(b, err)
				_, err = f.RowGroup(0, names)
				require.NoError(b, err)
				require.NoError(b, f.ReadRowGroups(b.Context(), 0, 1, parquet.ReadOptions{Columns: f.Schema(), BlockRows: 300}, func(_, _ int64, batch arrow.RecordBatch) error {
					batch.Release()
					return nil
				}))
				require.NoError(b, f.Close())
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(columns), "ns/column")
		})
	}
}

// wide writes a file of 300 rows and returns where it is, and the names of its columns.
func wide(b *testing.B, columns int) (uri string, names []string) {
	b.Helper()
	numbers := array.NewInt64Builder(memory.DefaultAllocator)
	for i := range int64(300) {
		numbers.Append(i * i)
	}
	col := numbers.NewArray()
	fields, cols := make([]arrow.Field, columns), make([]arrow.Array, columns)
	for i := range columns {
		names = append(names, fmt.Sprintf("column_%d", i))
		fields[i], cols[i] = arrow.Field{Name: names[i], Type: col.DataType(), Nullable: true}, col
	}
	schema := arrow.NewSchema(fields, nil)
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, schema, parquet.WriteOptions{})
	require.NoError(b, err)
	require.NoError(b, w.Write(array.NewRecordBatch(schema, cols, 300)))
	_, err = w.Close()
	require.NoError(b, err)
	uri = filepath.Join(b.TempDir(), "wide.parquet")
	require.NoError(b, os.WriteFile(uri, out.Bytes(), 0o600))
	return uri, names
}
