package pages_test

import (
	"encoding/binary"
	"hash/crc32"
	"testing"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/pages"
)

// page writes a data page of version 1 with n plain values; version 2 when levels is not
// nil.
func page(n, encoding int64, packed []byte, unpacked int, levels []byte, crc bool) []byte {
	var b []byte
	last := int64(0)
	field := func(id int64, typ byte) { b = append(b, byte(id-last)<<4|typ); last = id }
	i32 := func(id, v int64) { field(id, 5); b = binary.AppendVarint(b, v) }
	body := append(append([]byte{}, levels...), packed...)
	kind := int64(0)
	if levels != nil {
		kind = 3
	}
	i32(1, kind)
	i32(2, int64(unpacked+len(levels)))
	i32(3, int64(len(body)))
	if crc {
		i32(4, int64(int32(crc32.ChecksumIEEE(body))))
	}
	if levels == nil {
		field(5, 12)
		last = 0
		i32(1, n)
		i32(2, encoding)
		i32(3, 3)
		i32(4, 3)
	} else {
		field(8, 12)
		last = 0
		i32(1, n)
		i32(2, 1) // nulls
		i32(3, n)
		i32(4, encoding)
		i32(5, int64(len(levels)))
		i32(6, 0)
	}
	b = append(b, 0, 0)
	return append(b, body...)
}

func TestWalker(t *testing.T) {
	values := make([]byte, 80)
	for i := range values {
		values[i] = byte(i)
	}
	packed := s2.EncodeSnappy(nil, values)
	encoder, err := zstd.NewWriter(nil)
	require.NoError(t, err)
	zipped := encoder.EncodeAll(make([]byte, 1000), nil)
	require.NoError(t, encoder.Close())
	nine := []byte{9 << 1, 1, 1 << 1, 0} // nine that are there, and a null
	for name, c := range map[string]struct {
		chunk pages.Chunk
		data  []byte
		want  string // of the error; "" for none
	}{
		"Plain":            {pages.Chunk{Values: 10}, page(10, 0, values, 80, nil, true), ""},
		"TwoPages":         {pages.Chunk{Values: 20}, append(page(10, 0, values, 80, nil, true), page(10, 0, values, 80, nil, false)...), ""},
		"Levels":           {pages.Chunk{Values: 10, Def: 1}, page(10, 0, values[:72], 72, nine, true), ""},
		"LevelsOfOthers":   {pages.Chunk{Values: 10, Def: 1}, page(10, 0, values[:72], 72, []byte{10 << 1, 1}, true), "10 rows and 1 nulls has 10 and 0"},
		"LevelsTooFew":     {pages.Chunk{Values: 10, Def: 1}, page(10, 0, values[:72], 72, []byte{9 << 1, 1}, true), "levels of a page are none"},
		"LevelsTooMany":    {pages.Chunk{Values: 10, Def: 1}, page(10, 0, values[:72], 72, append(nine, 0), true), "levels of a page are none"},
		"LevelsNotWanted":  {pages.Chunk{Values: 10}, page(10, 0, values[:72], 72, nine, true), "levels of a page do not fit"},
		"TooFewValues":     {pages.Chunk{Values: 11}, page(10, 0, values, 80, nil, true), "10 values of 11"},
		"TooManyValues":    {pages.Chunk{Values: 9}, page(10, 0, values, 80, nil, true), "more than 9 values"},
		"Encoding":         {pages.Chunk{Values: 10, Encodings: []int64{0, 3}}, page(10, 9, values, 80, nil, true), "encoding 9"},
		"EncodingOfKinds":  {pages.Chunk{Values: 10, Encodings: []int64{0, 8}, Kinds: []pages.Kind{{Page: 2, Encoding: 0}, {Page: 0, Encoding: 8}}}, page(10, 0, values, 80, nil, true), "encoding 0"},
		"NoDictionary":     {pages.Chunk{Values: 10}, page(10, 8, values, 80, nil, true), "dictionary that is not there"},
		"Unpacked":         {pages.Chunk{Values: 10}, page(10, 0, values, 81, nil, true), "not packed"},
		"Snappy":           {pages.Chunk{Values: 10, Codec: 1}, page(10, 0, packed, 80, nil, true), ""},
		"SnappyLies":       {pages.Chunk{Values: 10, Codec: 1}, page(10, 0, packed, 800_000_000, nil, true), "unpacks to 80"},
		"ZstdLies":         {pages.Chunk{Values: 10, Codec: 6}, page(10, 0, zipped, 999, nil, true), "unpacks to 1000"},
		"SnappyBehind":     {pages.Chunk{Values: 10, Codec: 1, Def: 1}, page(10, 0, packed, 80, nine, true), ""},
		"CutOff":           {pages.Chunk{Values: 10, Bytes: -1}, page(10, 0, values, 80, nil, true)[:90], "does not fit"},
		"CutOffInAHeader":  {pages.Chunk{Values: 10, Bytes: -1}, page(10, 0, values, 80, nil, true)[:5], "in the middle of one"},
		"SomethingBetween": {pages.Chunk{Values: 10}, append(page(10, 0, values, 80, nil, true), 0xff, 0xff, 0xff), "pages are damaged"},
	} {
		t.Run(name, func(t *testing.T) {
			c.chunk.Bytes = int64(len(c.data))
			check := func(err error) {
				if c.want == "" {
					require.NoError(t, err)
					return
				}
				require.ErrorIs(t, err, pages.ErrDamaged)
				require.ErrorContains(t, err, c.want)
			}
			check(pages.Check(c.chunk, c.data))
			for _, step := range []int{1, 3, 50} { // the bytes may come in pieces of any size
				w := pages.NewWalker(c.chunk)
				var err error
				for at := 0; at < len(c.data) && err == nil; at += step {
					err = w.Write(c.data[at:min(at+step, len(c.data))])
				}
				if err == nil {
					require.Zero(t, w.Left())
					err = w.Close()
				}
				check(err)
			}
		})
	}
}

// Every single changed byte of a page with a checksum is found, or changes nothing that a
// reader uses.
func TestEachFlippedByte(t *testing.T) {
	values := make([]byte, 80)
	for name, c := range map[string]struct {
		chunk pages.Chunk
		data  []byte
	}{
		"V1": {pages.Chunk{Values: 10, Def: 1, Encodings: []int64{0, 3}}, page(10, 0, values, 80, nil, true)},
		"V2": {pages.Chunk{Values: 10, Def: 1, Encodings: []int64{0, 3}}, page(10, 0, values[:72], 72, []byte{9 << 1, 1, 1 << 1, 0}, true)},
	} {
		t.Run(name, func(t *testing.T) {
			c.chunk.Bytes = int64(len(c.data))
			body := len(c.data) - 76
			for at := range c.data {
				for x := 1; x < 256; x++ {
					d := append([]byte{}, c.data...)
					d[at] ^= byte(x)
					if at >= body {
						require.ErrorIs(t, pages.Check(c.chunk, d), pages.ErrDamaged, "byte %d, %x", at, x)
					} else {
						_ = pages.Check(c.chunk, d) // ends
					}
				}
			}
		})
	}
}

// Whatever the bytes are, following them ends, and in pieces as at once.
func FuzzWalker(f *testing.F) {
	values := make([]byte, 80)
	f.Add(page(10, 0, values, 80, nil, true), uint8(3))
	f.Add(page(10, 0, values[:72], 72, []byte{9 << 1, 1, 1 << 1, 0}, true), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		c := pages.Chunk{Bytes: int64(len(data)), Values: 10, Def: 1, Codec: int64(step & 1)}
		whole := pages.Check(c, data)
		w := pages.NewWalker(c)
		var err error
		for at, n := 0, int(step)+1; at < len(data) && err == nil; at += n {
			err = w.Write(data[at:min(at+n, len(data))])
		}
		if err == nil {
			err = w.Close()
		}
		require.Equal(t, whole == nil, err == nil, "%v, %v", whole, err)
	})
}
