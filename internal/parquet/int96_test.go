package parquet_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
)

// An INT96 has no word for a zone: it is in none where the Arrow schema in the file says
// so, in lists and structs too, and in UTC where there is no such schema.
func TestZonesOfInt96(t *testing.T) {
	naive, utc := &arrow.TimestampType{Unit: arrow.Nanosecond}, &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: "UTC"}
	list := func(leaf arrow.DataType) arrow.DataType {
		return arrow.ListOfField(arrow.Field{Name: "element", Type: leaf, Nullable: true})
	}
	structOf := func(duration, at arrow.DataType) arrow.DataType {
		return arrow.StructOf(arrow.Field{Name: "for", Type: duration, Nullable: true}, arrow.Field{Name: "at", Type: at, Nullable: true}, arrow.Field{Name: "utc", Type: utc, Nullable: true})
	}
	for name, want := range map[string][]arrow.DataType{
		"pyarrow-int96":           {naive, utc, list(naive), structOf(arrow.FixedWidthTypes.Duration_ms, naive)},
		"pyarrow-int96-no-schema": {utc, utc, list(utc), structOf(arrow.PrimitiveTypes.Int64, utc)},
	} {
		t.Run(name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			t.Cleanup(func() { mem.AssertSize(t, 0) })
			data, err := os.ReadFile(filepath.Join("testdata", "writers", name+".parquet"))
			require.NoError(t, err)
			f, err := parquet.Open(t.Context(), source(data), mem)
			require.NoError(t, err)
			defer func() { require.NoError(t, f.Close()) }()
			for i, typ := range want {
				require.Truef(t, arrow.TypeEqual(typ, f.Schema().Field(i).Type), "%s: %s", f.Schema().Field(i).Name, f.Schema().Field(i).Type)
			}
			rows := int64(0)
			require.NoError(t, f.ReadRowGroups(t.Context(), 0, f.RowGroups(), parquet.ReadOptions{Columns: f.Schema(), BlockRows: 25}, func(from, to int64, b arrow.RecordBatch) error {
				defer b.Release()
				for row := from; row < to; row++ {
					at := int(row - from)
					for _, c := range b.Columns() {
						require.Equal(t, row%7 == 3, c.IsNull(at))
					}
					if row%7 == 3 {
						continue
					}
					require.Equal(t, arrow.Timestamp(row)*1e9, b.Column(0).(*array.Timestamp).Value(at))
					require.Equal(t, arrow.Timestamp(row)*1e6, b.Column(3).(*array.Struct).Field(1).(*array.Timestamp).Value(b.Column(3).Data().Offset()+at))
				}
				rows = to
				return nil
			}))
			require.Equal(t, int64(60), rows)
		})
	}
}
