package parquet_test

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/pkg/expr"
)

func raw(t *testing.T, data []byte) *metadata.FileMetaData {
	t.Helper()
	r, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r.MetaData()
}

// column writes a file of one column, and returns what its statistics say.
func column(t *testing.T, typ arrow.DataType, json string) (expr.Stats, bool) {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: typ, Nullable: true}}, nil)
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader(json))
	require.NoError(t, err)
	defer batch.Release()
	return open(t, nil, write(t, parquet.WriteOptions{}, schema, batch)).Stats(0, "c")
}

func TestStats(t *testing.T) {
	at := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		typ  arrow.DataType
		json string
		want expr.Stats
	}{
		"Int64":       {arrow.PrimitiveTypes.Int64, `[{"c":3},{"c":-5},{"c":null}]`, expr.Stats{Min: int64(-5), Max: int64(3), Nulls: 1, Rows: 3, Exact: true}},
		"Uint32":      {arrow.PrimitiveTypes.Uint32, `[{"c":4294967295},{"c":7}]`, expr.Stats{Min: int64(7), Max: int64(math.MaxUint32), Rows: 2, Exact: true}},
		"Uint64Large": {arrow.PrimitiveTypes.Uint64, `[{"c":18446744073709551615},{"c":7}]`, expr.Stats{Rows: 2, Exact: true}},
		"Float":       {arrow.PrimitiveTypes.Float64, `[{"c":1.5},{"c":-2}]`, expr.Stats{Min: -2.0, Max: 1.5, Rows: 2, Exact: true}},
		"Bool":        {arrow.FixedWidthTypes.Boolean, `[{"c":true},{"c":false}]`, expr.Stats{Min: false, Max: true, Rows: 2, Exact: true}},
		"String":      {arrow.BinaryTypes.String, `[{"c":"b"},{"c":"a"},{"c":null}]`, expr.Stats{Min: "a", Max: "b", Nulls: 1, Rows: 3, Exact: true}},
		"Date":        {arrow.FixedWidthTypes.Date32, `[{"c":"2026-11-24"}]`, expr.Stats{Min: at, Max: at, Rows: 1, Exact: true}},
		"Timestamp":   {&arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"}, `[{"c":"2026-11-24 00:00:00Z"}]`, expr.Stats{Min: at, Max: at, Rows: 1, Exact: true}},
		"AllNull":     {arrow.PrimitiveTypes.Int64, `[{"c":null},{"c":null}]`, expr.Stats{Nulls: 2, Rows: 2, Exact: true}},
		"Binary":      {arrow.BinaryTypes.Binary, `[{"c":"AAEC"}]`, expr.Stats{Rows: 1, Exact: true}},
		"Decimal":     {&arrow.Decimal128Type{Precision: 9, Scale: 2}, `[{"c":"1.25"}]`, expr.Stats{Rows: 1, Exact: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, ok := column(t, c.typ, c.json)
			require.True(t, ok)
			require.Equal(t, c.want, got)
		})
	}
}

// NaN has no place in an order: bounds of a column with one are no bounds, or leave it out
// on both sides.
func TestStatsOfNaN(t *testing.T) {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues([]float64{1, math.NaN(), 3}, nil)
	col := b.NewFloat64Array()
	defer col.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: "c", Type: arrow.PrimitiveTypes.Float64}}, nil)
	batch := array.NewRecordBatch(schema, []arrow.Array{col}, 3)
	defer batch.Release()
	st, ok := open(t, nil, write(t, parquet.WriteOptions{}, schema, batch)).Stats(0, "c")
	require.True(t, ok)
	for _, v := range []any{st.Min, st.Max} {
		if f, is := v.(float64); is {
			require.False(t, math.IsNaN(f))
		}
	}
}

// A zero's sign means nothing in bounds: 0 may stand for -0.
func TestStatsOfZero(t *testing.T) {
	st, ok := column(t, arrow.PrimitiveTypes.Float64, `[{"c":0}]`)
	require.True(t, ok)
	require.True(t, math.Signbit(st.Min.(float64)))
	require.False(t, math.Signbit(st.Max.(float64)))
}

// The bounds of long strings may be cut; what is given out must still bound the values.
func TestStatsOfLongStrings(t *testing.T) {
	long := strings.Repeat("ż", 3000)
	st, ok := column(t, arrow.BinaryTypes.String, `[{"c":"`+long+`b"},{"c":"`+long+`a"}]`)
	require.True(t, ok)
	if st.Max != nil {
		require.GreaterOrEqual(t, st.Max.(string), long+"b")
		require.LessOrEqual(t, st.Min.(string), long+"a")
	}
}

func TestStatsOfNestedAndUnknownColumns(t *testing.T) {
	_, ok := column(t, arrow.ListOf(arrow.PrimitiveTypes.Int64), `[{"c":[1,2]}]`)
	require.False(t, ok)
	batch := sample(t, memory.DefaultAllocator, 10)
	defer batch.Release()
	_, ok = open(t, nil, write(t, parquet.WriteOptions{}, batch.Schema(), batch)).Stats(0, "nothing")
	require.False(t, ok)
}
