package expr

import (
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

var allValid = func() *mask {
	m := new(mask)
	m.first(chunkRows)
	return m
}()

// validOrAll is the rows that are not null.
func (v *vector) validOrAll() *mask {
	if v.nulls {
		return v.valid
	}
	return allValid
}

// fill makes every row of v the one value of c.
func (v *vector) fill(c *vector) {
	for i := range v.ints {
		v.ints[i] = c.ints[0]
	}
	for i := range v.floats {
		v.floats[i] = c.floats[0]
	}
	for i := range v.strs {
		v.strs[i] = c.strs[0]
	}
	for i := range v.decimals {
		v.decimals[i] = c.decimals[0]
	}
	v.filled = true
}

// copy makes v the first n rows of src, nulls included.
func (v *vector) copy(k kind, src *vector, n int) {
	switch k.storage() {
	case storeInts:
		copy(v.ints, src.ints[:n])
	case storeFloats:
		copy(v.floats, src.floats[:n])
	case storeStrings:
		copy(v.strs, src.strs[:n])
	case storeDecimals:
		copy(v.decimals, src.decimals[:n])
	case storeBits:
		*v.bits = *src.bits
	case storeNone:
	}
	v.nulls = src.nulls
	if src.nulls {
		*v.valid = *src.valid
	}
}

// merge takes the rows of m from src, nulls included. v.nulls must be set.
func (v *vector) merge(k kind, src *vector, m *mask) {
	switch k.storage() {
	case storeInts:
		mergeRows(v.ints, src.ints, m)
	case storeFloats:
		mergeRows(v.floats, src.floats, m)
	case storeStrings:
		mergeRows(v.strs, src.strs, m)
	case storeDecimals:
		mergeRows(v.decimals, src.decimals, m)
	case storeBits:
		for w := range m {
			v.bits[w] = v.bits[w]&^m[w] | src.bits[w]&m[w]
		}
	case storeNone:
	}
	for w := range m {
		valid := m[w]
		if src.nulls {
			valid &= src.valid[w]
		}
		v.valid[w] = v.valid[w]&^m[w] | valid
	}
}

func mergeRows[T int64 | float64 | string | decimal128.Num](dst, src []T, m *mask) {
	for w, word := range m {
		if word == ^uint64(0) {
			copy(dst[w*64:w*64+64], src[w*64:w*64+64])
			continue
		}
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			dst[i] = src[i]
		}
	}
}
