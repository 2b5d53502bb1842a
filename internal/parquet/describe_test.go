package parquet_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
)

func described(t *testing.T, rows string, fields ...arrow.Field) []byte {
	t.Helper()
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(rows))
	require.NoError(t, err)
	defer b.Release()
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, b.Schema(), parquet.WriteOptions{Codec: "zstd", RowsPerGroup: 2})
	require.NoError(t, err)
	require.NoError(t, w.Write(b))
	_, err = w.Close()
	require.NoError(t, err)
	return out.Bytes()
}

func TestDescribe(t *testing.T) {
	field := func(name string, typ arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: typ, Nullable: true}
	}
	data := described(t, `[
		{"n": -5, "u": 4000000000, "f": 1.5, "b": true, "s": "ana", "d": "2020-01-02", "at": "2020-01-02T03:04:05.000006Z", "m": "12.34", "in": {"x": [1, 2]}},
		{"n": 7, "u": 1, "f": -0.5, "b": false, "s": "rui", "d": "1969-12-31", "at": "1960-01-01T00:00:00Z", "m": "-0.05", "in": {"x": []}},
		{"n": null, "u": 2, "f": 3, "b": true, "s": null, "d": null, "at": null, "m": null, "in": null}]`,
		field("n", arrow.PrimitiveTypes.Int64), field("u", arrow.PrimitiveTypes.Uint32), field("f", arrow.PrimitiveTypes.Float64),
		field("b", arrow.FixedWidthTypes.Boolean), field("s", arrow.BinaryTypes.String), field("d", arrow.FixedWidthTypes.Date32),
		field("at", arrow.FixedWidthTypes.Timestamp_us), field("m", &arrow.Decimal128Type{Precision: 20, Scale: 2}),
		field("in", arrow.StructOf(field("x", arrow.ListOf(arrow.PrimitiveTypes.Int32)))))
	d, err := parquet.Describe(source(data))
	require.NoError(t, err)
	require.Equal(t, int64(3), d.Rows)
	require.Equal(t, int64(len(data)), d.Bytes)
	require.Equal(t, "levada", d.CreatedBy)
	require.Len(t, d.RowGroups, 2)
	require.Equal(t, int64(2), d.RowGroups[0].Rows)

	want := []struct {
		column, typ, logical string
		least, most          any
	}{
		{"n", "INT64", "int64", int64(-5), int64(7)},
		{"u", "INT32", "uint32", uint64(1), uint64(4000000000)},
		{"f", "DOUBLE", "", -0.5, 1.5},
		{"b", "BOOLEAN", "", false, true},
		{"s", "BYTE_ARRAY", "string", "ana", "rui"},
		{"d", "INT32", "date", "1969-12-31", "2020-01-02"},
		{"at", "INT64", "timestamp[us, UTC]", "1960-01-01T00:00:00Z", "2020-01-02T03:04:05.000006Z"},
		{"m", "FIXED_LEN_BYTE_ARRAY(9)", "decimal(20, 2)", "-0.05", "12.34"},
	}
	for i, w := range want {
		c := d.RowGroups[0].Columns[i]
		require.Equal(t, w.column, d.Columns[i].Column)
		require.Equal(t, w.typ, d.Columns[i].Type)
		require.Equal(t, w.logical, d.Columns[i].Logical, w.column)
		require.Equal(t, "optional", d.Columns[i].Repetition)
		require.Equal(t, "ZSTD", c.Codec)
		require.Equal(t, int64(2), c.Values)
		require.Equal(t, w.least, c.Min, w.column)
		require.Equal(t, w.most, c.Max, w.column)
		require.Zero(t, *c.Nulls)
	}
	last := d.Columns[len(want)]
	require.Equal(t, "in.x.list.element", last.Column)
	require.Equal(t, 1, last.Repeated)
	require.Equal(t, int64(1), *d.RowGroups[1].Columns[0].Nulls)
	require.Nil(t, d.RowGroups[1].Columns[0].Min, "all of them are null")
}

// A damaged footer is an error that names the file, never a panic.
func TestDescribeDamaged(t *testing.T) {
	data := described(t, `[{"n": 1, "s": "a"}, {"n": 2, "s": "b"}, {"n": 3, "s": null}]`,
		arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64}, arrow.Field{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true})
	rng := rand.New(rand.NewPCG(1, 2))
	failed := 0
	for range 3000 {
		bad := bytes.Clone(data)
		at := len(bad)/2 + rng.IntN(len(bad)-len(bad)/2) // mostly the footer
		bad[at] ^= byte(1 + rng.IntN(255))
		if _, err := parquet.Describe(source(bad)); err != nil {
			failed++
			require.ErrorContains(t, err, "dir/test.parquet: ")
		}
	}
	require.Positive(t, failed)
	for n := range data {
		_, err := parquet.Describe(source(data[:n]))
		require.Error(t, err)
	}
}
