package stitch

import "encoding/binary"

// What the head of delta-packed values may say: writers use blocks of 128 to a few
// thousand values.
const maxDeltaBlock = 1 << 13

// decodeDelta reads n integers of so many bytes each, DELTA_BINARY_PACKED, into out as
// plain values. Arithmetic wraps, as the format says.
//
//	head: values of a block, miniblocks of a block, values, the first one
//	block: least difference, bits of a difference in each miniblock, the differences less the least
func decodeDelta(in []byte, n, width int, out []byte) error {
	d := &decoder{b: in}
	block, minis, total := d.uvarint(), d.uvarint(), d.uvarint()
	value := uint64(d.varint()) //nolint:gosec // its bits
	if d.err != nil || block == 0 || block > maxDeltaBlock || minis == 0 || minis > block || block%minis != 0 || block/minis%8 != 0 {
		return corrupt("the head of delta-packed values is none")
	}
	if total != uint64(n) { //nolint:gosec // not negative
		return corrupt("a page of %d values has %d that are delta-packed", n, total)
	}
	if n == 0 {
		return nil
	}
	put := func(i int) {
		if width == 4 {
			binary.LittleEndian.PutUint32(out[4*i:], uint32(value)) //nolint:gosec // its low bits
		} else {
			binary.LittleEndian.PutUint64(out[8*i:], value)
		}
	}
	put(0)
	each := int(block / minis) //nolint:gosec // bounded
	for i := 1; i < n; {
		least := uint64(d.varint()) //nolint:gosec // its bits
		widths := d.take(minis)
		if d.err != nil {
			return corrupt("delta-packed values end too early")
		}
		for _, w := range widths {
			if i == n {
				break // miniblocks behind the last value may be missing
			}
			if w > 64 {
				return corrupt("delta-packed values have %d bits", w)
			}
			packed := d.take(uint64(each * int(w) / 8)) //nolint:gosec // bounded
			if d.err != nil {
				return corrupt("delta-packed values end too early")
			}
			to := min(i+each, n)
			for k := 0; i < to; i, k = i+1, k+1 {
				value += least + bitsAt(packed, k*int(w), int(w))
				put(i)
			}
		}
	}
	return nil
}

// bitsAt is the number of so many bits, at most 64, that begins at a bit of b.
func bitsAt(b []byte, at, width int) uint64 {
	if width == 0 {
		return 0
	}
	i, shift := at>>3, at&7
	var v uint64
	if i+8 <= len(b) {
		v = binary.LittleEndian.Uint64(b[i:]) >> shift
		if shift+width > 64 {
			v |= uint64(b[i+8]) << (64 - shift)
		}
	} else {
		for k := len(b) - 1; k >= i; k-- {
			v = v<<8 | uint64(b[k])
		}
		v >>= shift
	}
	return v & (^uint64(0) >> (64 - width))
}
