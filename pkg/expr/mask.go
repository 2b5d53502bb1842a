package expr

import (
	"encoding/binary"
	"math/bits"
)

const (
	// chunkRows is how many rows the nodes of an expression pass to each other
	// at a time. At 1024 a vector of int64 is 8 KiB: a handful of them stay in
	// the first-level cache, and the call of a node costs well under a tenth of
	// a nanosecond a row. A multiple of 64, so that chunks start on whole words
	// of the result's bitmaps.
	chunkRows  = 1024
	chunkWords = chunkRows / 64
)

// mask is one bit for each row of a chunk.
type mask [chunkWords]uint64

// words is the number of words that hold n rows.
func words(n int) int { return (n + 63) / 64 }

// first sets exactly the first n bits.
func (m *mask) first(n int) {
	for w := range m {
		switch rest := n - w*64; {
		case rest >= 64:
			m[w] = ^uint64(0)
		case rest > 0:
			m[w] = 1<<rest - 1
		default:
			m[w] = 0
		}
	}
}

func (m *mask) has(i int) bool { return m[i>>6]>>(i&63)&1 != 0 }
func (m *mask) set(i int)      { m[i>>6] |= 1 << (i & 63) }
func (m *mask) clear(i int)    { m[i>>6] &^= 1 << (i & 63) }

func (m *mask) empty() bool {
	var all uint64
	for _, w := range m {
		all |= w
	}
	return all == 0
}

func (m *mask) count() (n int) {
	for _, w := range m {
		n += bits.OnesCount64(w)
	}
	return n
}

// load reads n bits of src, from bit off on; the bits past n become zero. It
// reads no byte of src that holds none of the n bits.
func (m *mask) load(src []byte, off, n int) {
	for w := range m {
		rest := n - w*64
		if rest <= 0 {
			m[w] = 0
			continue
		}
		word := bitsAt(src, off+w*64)
		if rest < 64 {
			word &= 1<<rest - 1
		}
		m[w] = word
	}
}

// bitsAt reads up to 64 bits from bit off on; what lies past the end of src is zero.
func bitsAt(src []byte, off int) uint64 {
	src = src[off>>3:]
	shift := off & 7
	if len(src) >= 9 {
		word := binary.LittleEndian.Uint64(src) >> shift
		if shift > 0 {
			word |= uint64(src[8]) << (64 - shift)
		}
		return word
	}
	var word uint64
	for i, b := range src {
		word |= uint64(b) << (8 * i)
	}
	return word >> shift
}

// store writes the first n bits to dst, and zeros to the rest of the last byte.
func (m *mask) store(dst []byte, n int) {
	for w := range words(n) {
		word := m[w]
		rest := n - w*64
		if rest < 64 {
			word &= 1<<rest - 1
		}
		if len(dst) >= 8 {
			binary.LittleEndian.PutUint64(dst, word)
			dst = dst[8:]
			continue
		}
		for i := range dst {
			dst[i] = byte(word >> (8 * i)) //nolint:gosec // the byte is meant
		}
		return
	}
}
