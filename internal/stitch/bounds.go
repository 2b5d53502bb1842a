package stitch

import (
	"bytes"
	"encoding/binary"
	"math"
)

// order is how the values of a column compare, for its bounds.
type order int

const (
	noOrder  order = iota // bounds are left out
	signed                // integers
	unsigned              // integers
	floating
	bytewise
)

// orderOf returns how the values of an element compare. What is not sure has no bounds.
func orderOf(e *element) order {
	a := e.annotation(false)
	switch e.phys {
	case physInt32, physInt64:
		switch a.kind {
		case annotInteger:
			if a.b == 0 {
				return unsigned
			}
			return signed
		case annotNone, annotDecimal, annotDate, annotTime, annotTimestamp:
			return signed
		}
	case physFloat, physDouble:
		return floating
	case physBytes:
		switch a.kind {
		case annotNone, annotString, annotEnum, annotJSON, annotBSON:
			return bytewise
		}
	case physFixed:
		switch a.kind {
		case annotNone, annotUUID:
			return bytewise
		}
	}
	return noOrder
}

// maxBound is how many bytes a bound may have; longer ones are left out.
const maxBound = 4096

// bounds are the least and the greatest value of a page or a chunk.
type bounds struct {
	has    bool
	lo, hi []byte
	nan    bool // some value is not a number: readers must not rely on bounds
}

func (b *bounds) reset() { b.has, b.nan, b.lo, b.hi = false, false, b.lo[:0], b.hi[:0] }

// bytes widens the bounds to a value, bytewise.
func (b *bounds) bytes(v []byte) {
	switch {
	case !b.has:
		b.has, b.lo, b.hi = true, append(b.lo[:0], v...), append(b.hi[:0], v...)
	case bytes.Compare(v, b.lo) < 0:
		b.lo = append(b.lo[:0], v...)
	case bytes.Compare(v, b.hi) > 0:
		b.hi = append(b.hi[:0], v...)
	}
}

// number is what plain numbers are.
type number interface {
	int32 | int64 | float32 | float64
}

// widenNumbers widens the bounds to values.
func widenNumbers[T number](b *bounds, o order, v []T) {
	if len(v) == 0 || o == noOrder {
		return
	}
	lo, hi := v[0], v[0]
	if o == unsigned {
		for _, x := range v {
			if below(x, lo) {
				lo = x
			}
			if below(hi, x) {
				hi = x
			}
		}
	} else {
		for _, x := range v {
			lo, hi = min(lo, x), max(hi, x) // both NaN when one value is
		}
	}
	b.join(plainOf(lo), plainOf(hi), o)
}

// below compares integers that are unsigned.
func below[T number](x, y T) bool {
	switch any(x).(type) {
	case int32:
		return uint32(int64(x)) < uint32(int64(y)) //nolint:gosec // their bits
	case int64:
		return uint64(int64(x)) < uint64(int64(y)) //nolint:gosec // their bits
	}
	return false
}

func plainOf[T number](v T) []byte {
	switch v := any(v).(type) {
	case int32:
		return binary.LittleEndian.AppendUint32(nil, uint32(v)) //nolint:gosec // its bits
	case int64:
		return binary.LittleEndian.AppendUint64(nil, uint64(v)) //nolint:gosec // its bits
	case float32:
		return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))
	case float64:
		return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v))
	}
	return nil
}

// join widens the bounds to those of a part.
func (b *bounds) join(lo, hi []byte, o order) {
	if o == floating && (isNaN(lo) || isNaN(hi)) {
		b.nan = true
		return
	}
	if !b.has {
		b.has, b.lo, b.hi = true, append(b.lo[:0], lo...), append(b.hi[:0], hi...)
		return
	}
	if less(lo, b.lo, o) {
		b.lo = append(b.lo[:0], lo...)
	}
	if less(b.hi, hi, o) {
		b.hi = append(b.hi[:0], hi...)
	}
}

func isNaN(v []byte) bool { return math.IsNaN(float(v)) }

func float(v []byte) float64 {
	if len(v) == 4 {
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v)))
	}
	return math.Float64frombits(binary.LittleEndian.Uint64(v))
}

// less compares plain values.
func less(x, y []byte, o order) bool {
	switch o {
	case bytewise:
		return bytes.Compare(x, y) < 0
	case floating:
		return float(x) < float(y)
	case signed:
		return integer(x) < integer(y)
	case unsigned:
		return uint64(integer(x)) < uint64(integer(y)) //nolint:gosec // their bits; sign extension keeps the order
	case noOrder:
	}
	return false
}

func integer(v []byte) int64 {
	if len(v) == 4 {
		return int64(int32(binary.LittleEndian.Uint32(v))) //nolint:gosec // its bits
	}
	return int64(binary.LittleEndian.Uint64(v)) //nolint:gosec // its bits
}

// known returns the bounds as metadata holds them; nil when there are none. Zeros of
// floats are of both signs, as the format wants.
func (b *bounds) known(o order) (lo, hi []byte) {
	if o == noOrder || !b.has || b.nan || len(b.lo) > maxBound || len(b.hi) > maxBound {
		return nil, nil
	}
	lo, hi = bytes.Clone(b.lo), bytes.Clone(b.hi)
	if o == floating {
		if float(lo) == 0 {
			lo[len(lo)-1] |= 0x80
		}
		if float(hi) == 0 {
			hi[len(hi)-1] &^= 0x80
		}
	}
	if lo == nil { // an empty value is a bound, too
		lo = []byte{}
	}
	if hi == nil {
		hi = []byte{}
	}
	return lo, hi
}
