package stitch

import "encoding/binary"

// decodeBits reads the hybrid of runs and packed bits, of width 1, into a byte for each
// bit, and counts those that are set.
func decodeBits(b, out []byte) (ones int, err error) {
	i := 0
	for i < len(out) {
		h, k := binary.Uvarint(b)
		if k <= 0 {
			return 0, corrupt("levels end too early")
		}
		b = b[k:]
		if h&1 == 0 {
			if len(b) == 0 || b[0] > 1 {
				return 0, corrupt("levels are none")
			}
			n := int(min(h>>1, uint64(len(out)-i)))
			v := b[0]
			for j := range out[i : i+n] {
				out[i+j] = v
			}
			ones += n * int(v)
			i += n
			b = b[1:]
			continue
		}
		n := int(min(h>>1, uint64(len(b))))
		for _, c := range b[:n] {
			if len(out)-i >= 8 {
				o := out[i : i+8 : i+8]
				o[0], o[1], o[2], o[3] = c&1, c>>1&1, c>>2&1, c>>3&1
				o[4], o[5], o[6], o[7] = c>>4&1, c>>5&1, c>>6&1, c>>7
				ones += count(o)
				i += 8
				continue
			}
			for s := 0; s < 8 && i < len(out); s++ {
				out[i] = c >> s & 1
				ones += int(out[i])
				i++
			}
		}
		b = b[n:]
		if uint64(n) < h>>1 && i < len(out) {
			return 0, corrupt("levels end too early")
		}
	}
	return ones, nil
}

// decodeIndexes reads indexes of w bits, each below limit.
func decodeIndexes(b []byte, w int, out []uint32, limit uint32) error {
	i, bytes := 0, (w+7)/8
	most := uint32(0)
	for i < len(out) {
		h, k := binary.Uvarint(b)
		if k <= 0 {
			return corrupt("indexes end too early")
		}
		b = b[k:]
		if h&1 == 0 {
			if len(b) < bytes {
				return corrupt("indexes end too early")
			}
			v := uint32(0)
			for j := range bytes {
				v |= uint32(b[j]) << (8 * j)
			}
			b = b[bytes:]
			n := int(min(h>>1, uint64(len(out)-i)))
			for j := range out[i : i+n] {
				out[i+j] = v
			}
			most = max(most, v)
			i += n
			continue
		}
		groups := min(h>>1, uint64(len(out)-i+7)/8)
		n := min(int(groups)*8, len(out)-i)
		if have := (n*w + 7) / 8; have > len(b) {
			return corrupt("indexes end too early")
		}
		mask, bit := uint64(1)<<w-1, 0
		for j := range out[i : i+n] {
			at := bit >> 3
			var v uint64
			if at+8 <= len(b) {
				v = binary.LittleEndian.Uint64(b[at:])
			} else {
				for s, c := range b[at:] {
					v |= uint64(c) << (8 * s)
				}
			}
			x := uint32(v >> (bit & 7) & mask) //nolint:gosec // of at most 32 bits
			out[i+j] = x
			most = max(most, x)
			bit += w
		}
		i += n
		b = b[min(int(groups)*w, len(b)):]
	}
	if most >= limit {
		return corrupt("index %d is beyond a dictionary of %d values", most, limit)
	}
	return nil
}

// packLevels appends definition levels, one byte each, as packed bits.
func packLevels(dst, levels []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64((len(levels)+7)/8)<<1|1)
	for ; len(levels) >= 8; levels = levels[8:] {
		dst = append(dst, levels[0]|levels[1]<<1|levels[2]<<2|levels[3]<<3|levels[4]<<4|levels[5]<<5|levels[6]<<6|levels[7]<<7)
	}
	if len(levels) > 0 {
		c := byte(0)
		for j, d := range levels {
			c |= d << j
		}
		dst = append(dst, c)
	}
	return dst
}

// packIndexes appends indexes as one run of packed values of w bits.
func packIndexes(dst []byte, v []uint32, w int) []byte {
	groups := (len(v) + 7) / 8
	dst = binary.AppendUvarint(dst, uint64(groups)<<1|1)
	at, end := len(dst), len(dst)+groups*w
	dst = append(dst, make([]byte, groups*w+8)...)
	acc, bits := uint64(0), 0
	for _, x := range v {
		acc |= uint64(x) << bits
		bits += w
		if bits >= 32 {
			binary.LittleEndian.PutUint32(dst[at:], uint32(acc)) //nolint:gosec // the low half
			at += 4
			acc >>= 32
			bits -= 32
		}
	}
	binary.LittleEndian.PutUint64(dst[at:], acc)
	return dst[:end]
}
