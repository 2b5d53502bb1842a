package parquet_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
)

// A file calls its columns what it is told to, and gives them out as what travels: written
// and read again, also from slices, nothing has changed.
func TestStoredTypes(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	json, err := extensions.NewJSONType(arrow.BinaryTypes.String)
	require.NoError(t, err)
	fsl := arrow.FixedSizeListOfField(2, arrow.Field{Name: "element", Type: arrow.PrimitiveTypes.Int32, Nullable: true})
	deep := func(leaf arrow.DataType) arrow.DataType {
		return arrow.StructOf(arrow.Field{Name: "for", Type: leaf, Nullable: true}, arrow.Field{Name: "l", Type: fsl, Nullable: true})
	}
	columns := []struct {
		name          string
		plain, stored arrow.DataType
		values        string
	}{
		{"uuid", &arrow.FixedSizeBinaryType{ByteWidth: 16}, extensions.NewUUIDType(), `["AAAAAAAAAAAAAAAAAAAAAA==", null, "AQAAAAAAAAAAAAAAAAAAAA==", "AgAAAAAAAAAAAAAAAAAAAA=="]`},
		{"json", arrow.BinaryTypes.String, json, `["{}", "[1]", null, "2"]`},
		{"dict", arrow.BinaryTypes.String, &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String, Ordered: true}, `["a", null, "b", "a"]`},
		{"view", arrow.BinaryTypes.String, arrow.BinaryTypes.StringView, `["a", null, "b", "a"]`},
		{"dur", arrow.FixedWidthTypes.Duration_ms, arrow.FixedWidthTypes.Duration_ms, `[1, null, 3, 4]`},
		{"zone", &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Europe/Lisbon"}, &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "Europe/Lisbon"}, `[1, null, 3, 4]`},
		{"fsl", fsl, fsl, `[null, [1, 2], null, [3, null]]`},
		{"fsls", arrow.ListOfField(arrow.Field{Name: "element", Type: fsl, Nullable: true}), arrow.ListOfField(arrow.Field{Name: "element", Type: fsl, Nullable: true}), `[[[1, 2], null], [], null, [null, [3, 4]]]`},
		{"deep", deep(arrow.FixedWidthTypes.Duration_s), deep(arrow.FixedWidthTypes.Duration_s), `[{"for": 1, "l": null}, null, {"for": null, "l": [1, 2]}, {"for": 4, "l": [3, 4]}]`},
	}
	var plain, stored []arrow.Field
	var arrays []arrow.Array
	for i, c := range columns {
		a, _, err := array.FromJSON(mem, c.plain, strings.NewReader(c.values))
		require.NoError(t, err, c.name)
		t.Cleanup(a.Release)
		arrays = append(arrays, a)
		plain = append(plain, arrow.Field{Name: c.name, Type: c.plain, Nullable: true})
		f := arrow.Field{Name: c.name, Type: c.stored, Nullable: true}
		if i%2 == 0 {
			f.Metadata = arrow.MetadataFrom(map[string]string{"unit": "m", "PARQUET:field_id": "7"})
		}
		stored = append(stored, f)
	}
	keys := arrow.MetadataFrom(map[string]string{"owner": "ana"})
	batch := array.NewRecordBatch(arrow.NewSchema(plain, nil), arrays, 4)
	defer batch.Release()
	tail := batch.NewSlice(1, 4)
	defer tail.Release()
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, batch.Schema(), parquet.WriteOptions{Codec: "zstd", Memory: mem, Stored: arrow.NewSchema(stored, &keys)})
	require.NoError(t, err)
	require.NoError(t, w.Write(batch))
	require.NoError(t, w.Write(tail))
	_, err = w.Close()
	require.NoError(t, err)

	f, err := parquet.Open(t.Context(), source(out.Bytes()), mem)
	require.NoError(t, err)
	owner, _ := f.Original().Metadata().GetValue("owner")
	require.Equal(t, "ana", owner)
	for i, want := range stored {
		got := f.Original().Field(i)
		require.True(t, arrow.TypeEqual(want.Type, got.Type), "%s: %s became %s", want.Name, want.Type, got.Type)
		require.Equal(t, want.Metadata.ToMap(), got.Metadata.ToMap(), want.Name)
	}
	require.NoError(t, f.ReadRowGroups(t.Context(), 0, 1, parquet.ReadOptions{Columns: batch.Schema(), BlockRows: 10}, func(_, _ int64, got arrow.RecordBatch) error {
		defer got.Release()
		first, rest := got.NewSlice(0, 4), got.NewSlice(4, 7)
		defer first.Release()
		defer rest.Release()
		require.True(t, array.RecordEqual(batch, first), "%v became %v", batch, first)
		require.True(t, array.RecordEqual(tail, rest), "%v became %v", tail, rest)
		return nil
	}))
	require.NoError(t, f.Close())
}
