package parquet

import (
	"encoding/base64"
	"runtime"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"
)

// A stored schema in which a byte is wrong is another one, or none; reading it takes no
// more memory than its bytes are worth. What is sound is read.
func TestStoredSchemaAsksForNoMore(t *testing.T) {
	meta := arrow.NewMetadata([]string{"who"}, []string{"a test"})
	pair := arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Float64, Metadata: meta}, arrow.Field{Name: "y", Type: arrow.ListOf(arrow.BinaryTypes.String)})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Metadata: meta},
		{Name: "pair", Type: pair, Nullable: true},
		{Name: "map", Type: arrow.MapOf(arrow.BinaryTypes.String, pair)},
		{Name: "d", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}},
	}, &meta)
	entry, ok := encodeStored(schema)
	require.True(t, ok)
	require.True(t, schema.Equal(storedSchema(entry)))

	data, err := base64.StdEncoding.DecodeString(entry)
	require.NoError(t, err)
	var before, after runtime.MemStats
	refused := 0
	for at := range data {
		was := data[at]
		for _, b := range []byte{was ^ 1, was ^ 0x80, 0, 0x7f, 0xff} {
			data[at] = b
			runtime.ReadMemStats(&before)
			if storedSchema(base64.StdEncoding.EncodeToString(data)) == nil {
				refused++
			}
			runtime.ReadMemStats(&after)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20), "byte %d of %d is %#x", at, len(data), b)
		}
		data[at] = was
	}
	require.Positive(t, refused)
	t.Logf("%d of %d changes make it none", refused, 5*len(data))
}
