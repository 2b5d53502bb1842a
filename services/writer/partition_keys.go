package writer

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
)

// keyColumn numbers the values of one partition column, 0, 1, 2 in the order in
// which they are met. A value keeps its number from batch to batch.
type keyColumn struct {
	name string
	at   int // in the batch
	typ  arrow.DataType

	words   map[string]uint32 // of strings
	numbers map[int64]uint32  // of all other types, by their bits
	null    int64             // the number of null; -1 until it is met
	count   uint32
	fresh   []int
}

// newKeyColumn refuses the types whose values are not each one directory name.
func newKeyColumn(f arrow.Field, at int) (*keyColumn, error) {
	switch f.Type.ID() {
	case arrow.STRING, arrow.LARGE_STRING, arrow.BOOL, arrow.DATE32, arrow.DATE64,
		arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64,
		arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return &keyColumn{name: f.Name, at: at, typ: f.Type}, nil
	default:
		return nil, fmt.Errorf("partition by %q: %w: its type is %s; strings, integers, booleans and dates make directories",
			f.Name, ErrPartitionColumn, f.Type)
	}
}

// forget starts again at number 0.
func (k *keyColumn) forget() {
	k.words, k.numbers = make(map[string]uint32), make(map[int64]uint32)
	k.null, k.count = -1, 0
}

// encode sets codes to the number of each row's value. It returns the rows where
// a value was met for the first time ever, in the order of their numbers; that
// list is valid until the next call.
func (k *keyColumn) encode(in arrow.Array, codes []uint32) (fresh []int, err error) {
	if !arrow.TypeEqual(in.DataType(), k.typ) {
		return nil, fmt.Errorf("partition by %q: the column's type is %s, the plan says %s", k.name, in.DataType(), k.typ)
	}
	k.fresh = k.fresh[:0]
	switch in := in.(type) {
	case *array.String:
		encodeWords(k, in, in.ValueOffsets(), in.ValueBytes(), codes)
	case *array.LargeString:
		encodeWords(k, in, in.ValueOffsets(), in.ValueBytes(), codes)
	case *array.Boolean:
		values := make([]uint8, in.Len())
		for row := range values {
			if in.Value(row) {
				values[row] = 1
			}
		}
		encodeNumbers(k, in, values, codes)
	case *array.Int8:
		encodeNumbers(k, in, in.Int8Values(), codes)
	case *array.Int16:
		encodeNumbers(k, in, in.Int16Values(), codes)
	case *array.Int32:
		encodeNumbers(k, in, in.Int32Values(), codes)
	case *array.Int64:
		encodeNumbers(k, in, in.Int64Values(), codes)
	case *array.Uint8:
		encodeNumbers(k, in, in.Uint8Values(), codes)
	case *array.Uint16:
		encodeNumbers(k, in, in.Uint16Values(), codes)
	case *array.Uint32:
		encodeNumbers(k, in, in.Uint32Values(), codes)
	case *array.Uint64:
		encodeNumbers(k, in, in.Uint64Values(), codes)
	case *array.Date32:
		encodeNumbers(k, in, in.Date32Values(), codes)
	case *array.Date64:
		encodeNumbers(k, in, in.Date64Values(), codes)
	default:
		return nil, fmt.Errorf("partition by %q: %w: its type is %s", k.name, ErrPartitionColumn, in.DataType())
	}
	return k.fresh, nil
}

// encodeWords numbers strings. A value often repeats the one before it, in sorted
// data nearly always, so that one is compared before the map is asked.
func encodeWords[O int32 | int64](k *keyColumn, in arrow.Array, offsets []O, data []byte, codes []uint32) {
	nulls := in.NullN() > 0
	var last []byte
	lastCode, haveLast := uint32(0), false
	for row := range codes {
		if nulls && in.IsNull(row) {
			codes[row] = k.nullAt(row)
			continue
		}
		word := data[offsets[row]-offsets[0] : offsets[row+1]-offsets[0]]
		if haveLast && string(word) == string(last) {
			codes[row] = lastCode
			continue
		}
		code, known := k.words[string(word)]
		if !known {
			code = k.newAt(row)
			k.words[string(word)] = code
		}
		codes[row] = code
		last, lastCode, haveLast = word, code, true
	}
}

// encodeNumbers does the same for every other type, by the bits of the value.
func encodeNumbers[T ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64](
	k *keyColumn, in arrow.Array, values []T, codes []uint32,
) {
	nulls := in.NullN() > 0
	var last T
	lastCode, haveLast := uint32(0), false
	for row := range codes {
		if nulls && in.IsNull(row) {
			codes[row] = k.nullAt(row)
			continue
		}
		value := values[row]
		if haveLast && value == last {
			codes[row] = lastCode
			continue
		}
		code, known := k.numbers[int64(value)]
		if !known {
			code = k.newAt(row)
			k.numbers[int64(value)] = code
		}
		codes[row] = code
		last, lastCode, haveLast = value, code, true
	}
}

func (k *keyColumn) nullAt(row int) uint32 {
	if k.null < 0 {
		k.null = int64(k.newAt(row))
	}
	return uint32(k.null) //nolint:gosec // newAt gave it
}

func (k *keyColumn) newAt(row int) uint32 {
	k.fresh = append(k.fresh, row)
	k.count++
	return k.count - 1
}

// text returns a value as readers of Hive directories expect it, not yet encoded. It
// shares no memory with in.
func (k *keyColumn) text(in arrow.Array, row int) (text string, null bool) {
	if in.IsNull(row) {
		return nullPartition, true
	}
	switch in := in.(type) {
	case *array.Boolean:
		return strconv.FormatBool(in.Value(row)), false
	case *array.Date32:
		return in.Value(row).ToTime().Format(time.DateOnly), false
	case *array.Date64:
		return in.Value(row).ToTime().Format(time.DateOnly), false
	default: // strings are themselves, integers are decimal
		return strings.Clone(in.ValueStr(row)), false
	}
}

// keyPairs numbers pairs of numbers: the combinations of several columns.
type keyPairs struct {
	seen  map[uint64]uint32
	fresh []int
}

func newKeyPairs() *keyPairs { return &keyPairs{seen: make(map[uint64]uint32)} }

// join replaces left[i] by the number of the pair (left[i], right[i]). It returns
// what [keyColumn.encode] returns.
func (k *keyPairs) join(left, right []uint32) (fresh []int) {
	k.fresh = k.fresh[:0]
	var last uint64
	var lastCode uint32
	for row := range left {
		pair := uint64(left[row])<<32 | uint64(right[row])
		if row == 0 || pair != last {
			code, known := k.seen[pair]
			if !known {
				code = uint32(len(k.seen)) //nolint:gosec // no more pairs than rows were met
				k.seen[pair] = code
				k.fresh = append(k.fresh, row)
			}
			last, lastCode = pair, code
		}
		left[row] = lastCode
	}
	return k.fresh
}
