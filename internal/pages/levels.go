package pages

import (
	"encoding/binary"
	"math/bits"
)

// checkLevels compares the levels of a page of version 2, which are never packed, with
// what its header counts.
func (w *Walker) checkLevels() error {
	h := &w.h
	if h.kind != kindDataV2 {
		return nil
	}
	rows, values := h.values, h.values
	if w.c.Rep > 0 {
		var ok bool
		if rows, ok = countLevels(w.level[:h.repBytes], w.c.Rep, h.values, 0); !ok {
			return damaged("the levels of a page are none")
		}
	}
	if w.c.Def > 0 {
		var ok bool
		if values, ok = countLevels(w.level[h.repBytes:], w.c.Def, h.values, uint64(w.c.Def)); !ok {
			return damaged("the levels of a page are none")
		}
	}
	if rows != h.rows || values != h.values-h.nulls {
		return damaged("a page that says %d rows and %d nulls has %d and %d", h.rows, h.nulls, rows, h.values-values)
	}
	return nil
}

// countLevels counts, of n levels up to a highest one, those of a value. It reports false
// when the bytes do not hold just n levels: runs of one level, or of eight at a time, of
// which the last may go beyond n.
func countLevels(b []byte, highest int, n int64, value uint64) (count int64, ok bool) {
	width := bits.Len(uint(highest))
	for n > 0 {
		head, size := binary.Uvarint(b)
		if size <= 0 || head>>1 == 0 || head>>1 > 1<<31 {
			return 0, false
		}
		b = b[size:]
		if head&1 == 0 { // a run of one level
			if len(b) < (width+7)/8 {
				return 0, false
			}
			level := uint64(0)
			for i := range (width + 7) / 8 {
				level |= uint64(b[i]) << (8 * i)
			}
			run := int64(head >> 1)
			if b = b[(width+7)/8:]; run > n || level > uint64(highest) { //nolint:gosec // positive
				return 0, false
			}
			if level == value {
				count += run
			}
			n -= run
			continue
		}
		groups := int64(head >> 1)
		if groups*int64(width) > int64(len(b)) || (groups-1)*8 >= n {
			return 0, false
		}
		some := min(groups*8, n)
		for i := range some {
			at := int(i) * width
			level := uint64(0)
			for k := range width {
				level |= uint64(b[(at+k)>>3]>>((at+k)&7)&1) << k
			}
			if level > uint64(highest) { //nolint:gosec // positive
				return 0, false
			}
			if level == value {
				count++
			}
		}
		b = b[groups*int64(width):]
		n -= some
	}
	return count, len(b) == 0
}
