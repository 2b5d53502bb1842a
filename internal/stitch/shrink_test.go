package stitch_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/stitch"
)

// Under snappy a chunk that does not repeat is stored as it is, and reads the same; zstd,
// which makes hex smaller without repetition, stays.
func TestShrinks(t *testing.T) {
	const rows = 40_000
	var digests, phones array.Builder = array.NewStringBuilder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	for i := range rows {
		sum := sha256.Sum256([]byte(strconv.Itoa(i)))
		digests.(*array.StringBuilder).Append(hex.EncodeToString(sum[:]))
		phones.(*array.StringBuilder).Append(fmt.Sprintf("******%04d", i*7%10_000))
	}
	fs := []arrow.Field{{Name: "digest", Type: arrow.BinaryTypes.String}, {Name: "phone", Type: arrow.BinaryTypes.String}}
	columns := []arrow.Array{digests.NewArray(), phones.NewArray()}
	for codec, want := range map[string][]string{
		"none": {"UNCOMPRESSED", "UNCOMPRESSED"}, "snappy": {"UNCOMPRESSED", "SNAPPY"}, "zstd": {"ZSTD", "ZSTD"},
	} {
		var out bytes.Buffer
		w := stitch.NewWriter(&out, layout(t, stitch.Options{Codec: codec}, fs...))
		require.NoError(t, w.Append(t.Context(), stitch.Group{Rows: rows, Columns: []stitch.Column{{Values: columns[:1]}, {Values: columns[1:]}}}))
		_, err := w.Close()
		require.NoError(t, err)

		f, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
		require.NoError(t, err)
		tbl := read(t, out.Bytes())
		for i, f := range fs {
			equal(t, columns[i], whole(t, tbl.Column(i).Data()), f.Name)
		}
		tbl.Release()
		again := open(t, out.Bytes())
		for i := range fs { // and is copied as it is, by whoever reads the file
			require.NoError(t, layout(t, stitch.Options{Codec: codec}, fs...).Passes(i, again, 0, fs[i].Name), codec)
		}
		require.Equal(t, codec == "none", layout(t, stitch.Options{Codec: "none"}, fs...).Passes(1, again, 0, "phone") == nil)
		require.Error(t, layout(t, stitch.Options{Codec: map[string]string{"none": "snappy", "snappy": "zstd", "zstd": "none"}[codec]}, fs...).Passes(0, again, 0, "digest"))
		for i := range fs {
			c, err := f.MetaData().RowGroup(0).ColumnChunk(i)
			require.NoError(t, err)
			require.Equal(t, want[i], c.Compression().String(), "%s under %s", fs[i].Name, codec)
		}
	}
}
