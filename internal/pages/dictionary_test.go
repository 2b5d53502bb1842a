package pages_test

import (
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/pages"
)

// dictionary writes a dictionary page that says that it has n values, and a data page of no
// values behind it.
func dictionary(n int64, packed []byte, unpacked int) []byte {
	b := []byte{1<<4 | 5}
	b = binary.AppendVarint(b, 2)
	b = binary.AppendVarint(append(b, 1<<4|5), int64(unpacked))
	b = binary.AppendVarint(append(b, 1<<4|5), int64(len(packed)))
	b = binary.AppendVarint(append(b, 4<<4|12, 1<<4|5), n)
	b = binary.AppendVarint(append(b, 1<<4|5), 0)
	return append(append(b, 0, 0), packed...)
}

// A dictionary has as many values as its header says, or there is an error: whatever one
// flipped bit makes of the number, which no checksum covers.
func TestDictionaryCount(t *testing.T) {
	const n = 20
	var words []byte
	for i := range n {
		word := fmt.Sprintf("word %d", i*i*i)
		words = append(binary.LittleEndian.AppendUint32(words, uint32(len(word))), word...)
	}
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	defer encoder.Close()
	codecs := map[int64]func([]byte) []byte{0: func(b []byte) []byte { return b }, 1: func(b []byte) []byte { return s2.EncodeSnappy(nil, b) }, 6: func(b []byte) []byte { return encoder.EncodeAll(b, nil) }}
	flips := 0
	for codec, pack := range codecs {
		for name, c := range map[string]struct {
			chunk  pages.Chunk
			values []byte
		}{
			"numbers": {pages.Chunk{Width: 8}, make([]byte, 8*n)},
			"fixed":   {pages.Chunk{Width: 3}, make([]byte, 3*n)},
			"strings": {pages.Chunk{Strings: true}, words},
		} {
			check := func(says int64, values []byte) error {
				data := dictionary(says, pack(values), len(values))
				c.chunk.Codec, c.chunk.Bytes = codec, int64(len(data))
				return pages.Check(c.chunk, data)
			}
			require.NoError(t, check(n, c.values), name)
			for bit := range 31 {
				err := check(n^1<<bit, c.values)
				require.ErrorIs(t, err, pages.ErrDamaged, "%s: bit %d", name, bit)
				require.ErrorContains(t, err, "dictionary", name)
				flips++
			}
			if name == "strings" {
				require.ErrorContains(t, check(n, c.values[:len(c.values)-1]), "ends within a value")
			}
		}
	}
	t.Logf("counted: %d flipped counts of dictionaries, each an error", flips)
}
