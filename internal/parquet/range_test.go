package parquet_test

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
)

// timestamps is a file of one column of them.
func timestamps(t *testing.T, unit arrow.TimeUnit, values string, o ...pqarrow.WriterOption) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "at", Type: &arrow.TimestampType{Unit: unit}, Nullable: true}}, nil)
	col, _, err := array.FromJSON(memory.DefaultAllocator, schema.Field(0).Type, strings.NewReader(values))
	require.NoError(t, err)
	defer col.Release()
	batch := array.NewRecordBatch(schema, []arrow.Array{col}, -1)
	defer batch.Release()
	var out bytes.Buffer
	w, err := pqarrow.NewFileWriter(schema, &out, arrowparquet.NewWriterProperties(arrowparquet.WithDictionaryDefault(false), arrowparquet.WithStats(false)), pqarrow.NewArrowWriterProperties(o...))
	require.NoError(t, err)
	require.NoError(t, w.Write(batch))
	require.NoError(t, w.Close())
	return out.Bytes()
}

// A value that is sound and has no form in the type that it is read as is no damage: it is
// named as what it is, with its column and what to do. Spark writes 9999-12-31 for "never".
func TestValuesOutOfRange(t *testing.T) {
	julian := func(day uint32) []byte { return binary.LittleEndian.AppendUint32(make([]byte, 8), day) }
	old := timestamps(t, arrow.Nanosecond, "[0, 1]", pqarrow.WithDeprecatedInt96Timestamps(true))
	require.Equal(t, 1, bytes.Count(old, julian(2440588)), "1970-01-01 at midnight")
	never := bytes.Replace(old, julian(2440588), julian(5373484), 1)
	wide := parquet.ReadOptions{Budget: 1 << 20, Fill: true, Columns: arrow.NewSchema([]arrow.Field{{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Nanosecond}, Nullable: true}}, nil)}
	for name, c := range map[string]struct {
		data []byte
		o    parquet.ReadOptions
		want string
	}{
		"INT96":   {never, parquet.ReadOptions{Budget: 1 << 20}, `column "at" has an INT96 timestamp before 1677 or after 2262`},
		"Widened": {timestamps(t, arrow.Second, "[0, 253402214400]"), wide, `column "at" has a value that does not fit timestamp[ns]`},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := parquet.Open(t.Context(), source(c.data), memory.DefaultAllocator)
			require.NoError(t, err)
			_, err = readAll(t.Context(), f, c.o)
			require.NoError(t, f.Close())
			require.ErrorIs(t, err, parquet.ErrRange)
			require.NotErrorIs(t, err, parquet.ErrCorrupt)
			require.True(t, parquet.IsDamaged(err), "reading it again gives the same")
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, "leave it out with source.parquet.columns", "a remedy")
		})
	}
}
