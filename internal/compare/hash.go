package compare

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/zeebo/xxh3"
)

// nullHash stands for a null. No value has it, but for one in 2^64.
const nullHash = 0x9e3779b97f4a7c15

// hashes writes the hash of each value of an array, which it borrows, into out.
func hashes(a arrow.Array, out []uint64) error {
	switch a := a.(type) {
	case *array.Null:
		for i := range out {
			out[i] = nullHash
		}
		return nil
	case *array.Int8:
		numbers(a, a.Values(), out, signed)
	case *array.Int16:
		numbers(a, a.Values(), out, signed)
	case *array.Int32:
		numbers(a, a.Values(), out, signed)
	case *array.Int64:
		numbers(a, a.Values(), out, signed)
	case *array.Uint8:
		numbers(a, a.Values(), out, unsigned)
	case *array.Uint16:
		numbers(a, a.Values(), out, unsigned)
	case *array.Uint32:
		numbers(a, a.Values(), out, unsigned)
	case *array.Uint64:
		numbers(a, a.Values(), out, unsigned)
	case *array.Float32:
		numbers(a, a.Values(), out, func(v float32) uint64 { return floating(float64(v)) })
	case *array.Float64:
		numbers(a, a.Values(), out, floating)
	case *array.Float16:
		each(a, out, func(i int) uint64 { return number(floating(float64(a.Value(i).Float32()))) })
	case *array.Boolean:
		each(a, out, func(i int) uint64 {
			if a.Value(i) {
				return number(1)
			}
			return number(0)
		})
	case *array.Date32:
		numbers(a, a.Date32Values(), out, signed)
	case *array.Date64:
		numbers(a, a.Date64Values(), out, signed)
	case *array.Time32:
		numbers(a, a.Time32Values(), out, signed)
	case *array.Time64:
		numbers(a, a.Time64Values(), out, signed)
	case *array.Timestamp:
		numbers(a, a.TimestampValues(), out, signed)
	case *array.Duration:
		numbers(a, a.DurationValues(), out, signed)
	case *array.MonthInterval:
		each(a, out, func(i int) uint64 { return number(signed(a.Value(i))) })
	case *array.DayTimeInterval:
		each(a, out, func(i int) uint64 { v := a.Value(i); return words(signed(v.Days), signed(v.Milliseconds)) })
	case *array.MonthDayNanoInterval:
		each(a, out, func(i int) uint64 {
			v := a.Value(i)
			return words(signed(v.Months), signed(v.Days), signed(v.Nanoseconds))
		})
	case *array.Decimal32:
		each(a, out, func(i int) uint64 { return whole(int64(a.Value(i))) })
	case *array.Decimal64:
		each(a, out, func(i int) uint64 { return whole(int64(a.Value(i))) })
	case *array.Decimal128:
		each(a, out, func(i int) uint64 {
			v := a.Value(i)
			s := sign(v.HighBits())
			return words(v.LowBits(), signed(v.HighBits()), s, s)
		})
	case *array.Decimal256:
		each(a, out, func(i int) uint64 { v := a.Value(i).Array(); return words(v[0], v[1], v[2], v[3]) })
	case *array.String:
		each(a, out, func(i int) uint64 { return xxh3.HashString(a.Value(i)) })
	case *array.LargeString:
		each(a, out, func(i int) uint64 { return xxh3.HashString(a.Value(i)) })
	case *array.StringView:
		each(a, out, func(i int) uint64 { return xxh3.HashString(a.Value(i)) })
	case *array.Binary:
		each(a, out, func(i int) uint64 { return xxh3.Hash(a.Value(i)) })
	case *array.LargeBinary:
		each(a, out, func(i int) uint64 { return xxh3.Hash(a.Value(i)) })
	case *array.BinaryView:
		each(a, out, func(i int) uint64 { return xxh3.Hash(a.Value(i)) })
	case *array.FixedSizeBinary:
		each(a, out, func(i int) uint64 { return xxh3.Hash(a.Value(i)) })
	case array.ListLike: // lists of both widths, of a fixed size, and maps
		return lists(a, out)
	case *array.Struct:
		return structs(a, out)
	case *array.Dictionary:
		return dictionaries(a, out)
	case array.ExtensionArray:
		return hashes(a.Storage(), out)
	default:
		return fmt.Errorf("values of type %s cannot be compared", a.DataType())
	}
	return nil
}

type integer interface {
	~int8 | ~int16 | ~int32 | ~int64
}

type natural interface {
	~uint8 | ~uint16 | ~uint32 | ~uint64
}

func signed[T integer](v T) uint64    { return uint64(int64(v)) } //nolint:gosec // the bits of an int64
func unsigned[T natural](v T) uint64  { return uint64(v) }
func sign(v int64) uint64             { return uint64(v >> 63) } //nolint:gosec // all bits are the sign
func number(v uint64) uint64          { return words(v) }
func whole(v int64) uint64            { s := sign(v); return words(signed(v), s, s, s) }
func combine(h, column uint64) uint64 { return words(h, column) }

// floating gives all NaNs one form. A negative zero is not a zero.
func floating(v float64) uint64 {
	if math.IsNaN(v) {
		v = math.NaN()
	}
	return math.Float64bits(v)
}

// words hashes up to four 64-bit words.
func words(v ...uint64) uint64 {
	var b [32]byte
	for i, w := range v {
		binary.LittleEndian.PutUint64(b[8*i:], w)
	}
	return xxh3.Hash(b[:8*len(v)])
}

func numbers[T any](a arrow.Array, values []T, out []uint64, bits func(T) uint64) {
	if a.NullN() == 0 {
		for i, v := range values {
			out[i] = number(bits(v))
		}
		return
	}
	each(a, out, func(i int) uint64 { return number(bits(values[i])) })
}

func each(a arrow.Array, out []uint64, of func(i int) uint64) {
	for i := range out {
		if a.IsNull(i) {
			out[i] = nullHash
		} else {
			out[i] = of(i)
		}
	}
}

// lists hashes the items of all lists at once.
func lists(a array.ListLike, out []uint64) error {
	from, to := int64(0), int64(0)
	if len(out) > 0 {
		from, _ = a.ValueOffsets(0)
		_, to = a.ValueOffsets(len(out) - 1)
	}
	items := array.NewSlice(a.ListValues(), from, to)
	defer items.Release()
	hs := make([]uint64, to-from)
	if err := hashes(items, hs); err != nil {
		return err
	}
	each(a, out, func(i int) uint64 {
		first, end := a.ValueOffsets(i)
		h := number(uint64(end - first)) //nolint:gosec // a length
		for _, item := range hs[first-from : end-from] {
			h = combine(h, item)
		}
		return h
	})
	return nil
}

func structs(a *array.Struct, out []uint64) error {
	sums := make([]uint64, len(out))
	hs := make([]uint64, len(out))
	for f := range a.NumField() {
		if err := hashes(a.Field(f), hs); err != nil {
			return err
		}
		for i, h := range hs {
			sums[i] = combine(sums[i], h)
		}
	}
	each(a, out, func(i int) uint64 { return sums[i] })
	return nil
}

func dictionaries(a *array.Dictionary, out []uint64) error {
	hs := make([]uint64, a.Dictionary().Len())
	if err := hashes(a.Dictionary(), hs); err != nil {
		return err
	}
	each(a, out, func(i int) uint64 { return hs[a.GetValueIndex(i)] })
	return nil
}
