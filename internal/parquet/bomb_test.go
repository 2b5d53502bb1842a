package parquet_test

import (
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
)

// A page that unpacks to more than its header says is an error, and the rest of it is
// never unpacked, whatever the codec.
func TestBombsAreNotUnpacked(t *testing.T) {
	const size = 16 << 20
	zeros := make([]byte, 1<<20)
	pack := func(w interface {
		Write(p []byte) (int, error)
		Close() error
	},
	) {
		for range size / len(zeros) {
			_, err := w.Write(zeros)
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
	}
	var zipped, streamed bytes.Buffer
	pack(gzip.NewWriter(&zipped))
	w, err := zstd.NewWriter(&streamed) // does not say how much it is
	require.NoError(t, err)
	pack(w)
	codec, err := compress.GetCodec(compress.Codecs.Brotli)
	require.NoError(t, err)
	brotlied := codec.EncodeLevel(nil, make([]byte, size), 1)
	for name, c := range map[string]struct {
		codec compress.Compression
		data  []byte
	}{
		"gzip": {compress.Codecs.Gzip, zipped.Bytes()}, "zstd": {compress.Codecs.Zstd, streamed.Bytes()}, "brotli": {compress.Codecs.Brotli, brotlied},
	} {
		t.Run(name, func(t *testing.T) {
			codec, err := compress.GetCodec(c.codec)
			require.NoError(t, err)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err = compress.Decode(codec, make([]byte, 1000), c.data)
			runtime.ReadMemStats(&after)
			require.Error(t, err, "%d bytes became 1000", len(c.data))
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(size/2))
		})
	}
}

// Encrypted files of another writer are refused by what they are.
func TestEncryptedFiles(t *testing.T) {
	for _, name := range []string{"pyarrow-footer", "pyarrow-columns"} {
		data, err := os.ReadFile(filepath.Join("testdata", "encrypted", name+".parquet"))
		require.NoError(t, err)
		_, err = parquet.Open(t.Context(), source(data), memory.DefaultAllocator)
		require.ErrorIs(t, err, parquet.ErrEncrypted, name)
		require.True(t, parquet.IsDamaged(err))
	}
}
