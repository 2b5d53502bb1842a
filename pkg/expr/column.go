package expr

import (
	"fmt"
	"math"
	"math/big"
	"strconv"

	"cel.dev/cel-go/common/ast"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// columnKind is the kind as which the language sees a column type.
func columnKind(dt arrow.DataType) (kind, bool) {
	switch dt.ID() { //nolint:exhaustive // the rest are refused below
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return kindInt, true
	case arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64:
		return kindDouble, true
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW:
		return kindString, true
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		return kindBytes, true
	case arrow.BOOL:
		return kindBool, true
	case arrow.TIMESTAMP, arrow.DATE32, arrow.DATE64:
		return kindTimestamp, true
	case arrow.DURATION, arrow.TIME32, arrow.TIME64:
		return kindDuration, true
	case arrow.DECIMAL32, arrow.DECIMAL64, arrow.DECIMAL128, arrow.DECIMAL256:
		_, ok := digitsOf(dt)
		return kindDecimal, ok
	case arrow.DICTIONARY:
		if d, ok := dt.(*arrow.DictionaryType); ok {
			switch d.ValueType.ID() { //nolint:exhaustive // dictionaries of text only
			case arrow.STRING, arrow.LARGE_STRING:
				return kindString, true
			}
		}
	}
	return kindInvalid, false
}

// columnAdvice is what to do about a column of a type the language does not know.
func columnAdvice(dt arrow.DataType) string {
	switch dt.ID() { //nolint:exhaustive // the default suits the rest
	case arrow.DECIMAL32, arrow.DECIMAL64, arrow.DECIMAL128, arrow.DECIMAL256:
		return "write the column with at most 38 digits, and a scale from 0 to their number"
	case arrow.STRUCT, arrow.LIST, arrow.LARGE_LIST, arrow.FIXED_SIZE_LIST, arrow.LIST_VIEW, arrow.LARGE_LIST_VIEW, arrow.MAP:
		return "flatten the column where it is written"
	case arrow.DICTIONARY:
		return "write the column without the dictionary"
	}
	return "write the column as one of int64, double, utf8, binary, bool, timestamp, duration"
}

// column is a column that the expression reads.
type column struct {
	name     string
	index    int // in the schema given to Compile
	typ      arrow.DataType
	kind     kind
	nullable bool
	register int
	captured ast.Expr // of a lambda: what it is around it
	decimal  digits   // of a captured decimal
	broken   bool     // the captured expression is
	// err is what a value that does not fit the language fails with; nil when all fit.
	err error
}

// digits are those of a decimal.
func (c *column) digits() digits {
	if c.captured != nil {
		return c.decimal
	}
	d, _ := digitsOf(c.typ)
	return d
}

// columnError is the row error that a value of the type can give just by being read.
func columnError(dt arrow.DataType) error {
	switch dt.(type) {
	case *arrow.Uint64Type, *arrow.Date32Type, *arrow.Date64Type:
		return ErrOverflow
	case *arrow.TimestampType, *arrow.DurationType:
		if unit := unitOf(dt); unit == arrow.Second || unit == arrow.Millisecond {
			return ErrOverflow
		}
	}
	return nil
}

// unitOf is the unit of a timestamp or a duration.
func unitOf(dt arrow.DataType) arrow.TimeUnit {
	if t, ok := dt.(arrow.TemporalWithUnit); ok {
		return t.TimeUnit()
	}
	return arrow.Microsecond
}

// aliased says whether vectors of the column are slices of the batch itself.
func (c *column) aliased() bool {
	switch c.typ.(type) {
	case *arrow.Int64Type, *arrow.Float64Type:
		return true
	case *arrow.TimestampType, *arrow.DurationType, *arrow.Time64Type:
		return unitOf(c.typ) == arrow.Microsecond
	}
	return false
}

// bind makes a the array of the column in the batch to evaluate.
func (s *columnState) bind(a arrow.Array) {
	*s = columnState{array: a}
	if d, ok := a.(*array.Dictionary); ok && d.Len() > 0 {
		// An array of our own: array.Dictionary makes its lazily, which is a race
		// between goroutines that evaluate the same batch.
		s.dictionary = array.MakeFromData(d.Data().Dictionary()).(array.StringLike) //nolint:errcheck // Compile has looked at the type
	}
}

// release lets go of the batch.
func (s *columnState) release() {
	if s.dictionary != nil {
		s.dictionary.Release()
	}
	*s = columnState{}
}

// columnNode reads a column.
type columnNode struct {
	column *column
	state  int // in frame.columns
}

func (c *columnNode) eval(f *frame, active *mask) *vector {
	v := &f.registers[c.column.register]
	s := &f.columns[c.state]
	if !s.loaded {
		s.load(f, v, f.lo)
		s.loaded = true
	}
	if s.anyBad {
		// Per use and not per load: a branch that is not taken does not fail.
		var bad mask
		for w := range bad {
			bad[w] = s.bad[w] & active[w]
		}
		f.operation = strconv.Quote(c.column.name)
		f.failAll(&bad, c.column.err)
	}
	return v
}

// load reads the rows of the chunk, which begin at row lo of the array, into v. Every
// element is written, also those of null rows.
func (s *columnState) load(f *frame, v *vector, lo int) {
	s.anyBad = false
	v.nulls = false
	if bitmap := s.array.NullBitmapBytes(); len(bitmap) > 0 {
		v.valid.load(bitmap, s.array.Data().Offset()+lo, f.n)
		v.nulls = *v.valid != f.active
	}
	hi := lo + f.n
	switch a := s.array.(type) {
	case *array.Int64:
		v.ints = a.Int64Values()[lo:hi]
	case *array.Int8:
		widen(v.ints, a.Int8Values()[lo:hi])
	case *array.Int16:
		widen(v.ints, a.Int16Values()[lo:hi])
	case *array.Int32:
		widen(v.ints, a.Int32Values()[lo:hi])
	case *array.Uint8:
		widen(v.ints, a.Uint8Values()[lo:hi])
	case *array.Uint16:
		widen(v.ints, a.Uint16Values()[lo:hi])
	case *array.Uint32:
		widen(v.ints, a.Uint32Values()[lo:hi])
	case *array.Uint64:
		src := a.Uint64Values()[lo:hi]
		var high uint64
		for i, x := range src {
			v.ints[i] = int64(x) //nolint:gosec // what does not fit is found below
			high |= x
		}
		if high > math.MaxInt64 {
			s.refuse(f, v, func(i int) bool { return src[i] > math.MaxInt64 })
		}
	case *array.Float64:
		v.floats = a.Float64Values()[lo:hi]
	case *array.Float32:
		for i, x := range a.Float32Values()[lo:hi] {
			v.floats[i] = float64(x)
		}
	case *array.Float16:
		for i, x := range a.Values()[lo:hi] {
			v.floats[i] = float64(x.Float32())
		}
	case *array.Boolean:
		v.bits.load(a.Data().Buffers()[1].Bytes(), a.Data().Offset()+lo, f.n)
	case *array.String:
		viewStrings(v.strs, a.ValueOffsets()[lo:hi+1], a.Data().Buffers()[2])
	case *array.LargeString:
		viewStrings(v.strs, a.ValueOffsets()[lo:hi+1], a.Data().Buffers()[2])
	case *array.Binary:
		viewStrings(v.strs, a.ValueOffsets()[lo:hi+1], a.Data().Buffers()[2])
	case *array.LargeBinary:
		viewStrings(v.strs, a.ValueOffsets()[lo:hi+1], a.Data().Buffers()[2])
	case *array.StringView:
		for i := range f.n {
			v.strs[i] = ""
			if !v.nulls || v.valid.has(i) { // what lies under a null may point anywhere
				v.strs[i] = a.Value(lo + i)
			}
		}
	case *array.BinaryView:
		for i := range f.n {
			v.strs[i] = ""
			if !v.nulls || v.valid.has(i) {
				v.strs[i] = stringOf(a.Value(lo + i))
			}
		}
	case *array.FixedSizeBinary:
		for i := range f.n {
			v.strs[i] = ""
			if !v.nulls || v.valid.has(i) {
				v.strs[i] = stringOf(a.Value(lo + i))
			}
		}
	case *array.Decimal32:
		for i := range f.n {
			v.decimals[i] = decimal128.FromI64(int64(a.Value(lo + i)))
		}
	case *array.Decimal64:
		for i := range f.n {
			v.decimals[i] = decimal128.FromI64(int64(a.Value(lo + i)))
		}
	case *array.Decimal128:
		copy(v.decimals, a.Values()[lo:hi])
	case *array.Decimal256:
		for i := range f.n {
			v.decimals[i] = decimal128.FromBigInt(small256(a, lo+i, v))
		}
	case *array.Dictionary:
		s.loadDictionary(f, v, a, lo)
	case *array.Timestamp:
		src := arrow.TimestampTraits.CastToBytes(a.TimestampValues()[lo:hi])
		s.loadTime(f, v, arrow.Int64Traits.CastFromBytes(src), unitOf(a.DataType()))
	case *array.Duration:
		src := arrow.DurationTraits.CastToBytes(a.DurationValues()[lo:hi])
		s.loadTime(f, v, arrow.Int64Traits.CastFromBytes(src), unitOf(a.DataType()))
	case *array.Time32:
		for i, x := range a.Time32Values()[lo:hi] {
			v.ints[i] = int64(x)
		}
		s.loadTime(f, v, v.ints[:f.n], unitOf(a.DataType()))
	case *array.Time64:
		src := arrow.Time64Traits.CastToBytes(a.Time64Values()[lo:hi])
		s.loadTime(f, v, arrow.Int64Traits.CastFromBytes(src), unitOf(a.DataType()))
	case *array.Date32:
		const day = 24 * 60 * 60 * 1_000_000
		const limit = math.MaxInt64 / day
		src := a.Date32Values()[lo:hi]
		outside := false
		for i, x := range src {
			v.ints[i] = int64(x) * day
			outside = outside || x > limit || x < -limit
		}
		if outside {
			s.refuse(f, v, func(i int) bool { return src[i] > limit || src[i] < -limit })
		}
	case *array.Date64:
		src := arrow.Date64Traits.CastToBytes(a.Date64Values()[lo:hi])
		s.loadTime(f, v, arrow.Int64Traits.CastFromBytes(src), arrow.Millisecond)
	default:
		// Eval has compared the types, and Compile admits only those above.
		panic(fmt.Sprintf("expr: no loader for %s", s.array.DataType()))
	}
}

func widen[T int8 | int16 | int32 | uint8 | uint16 | uint32](dst []int64, src []T) {
	dst = dst[:len(src)]
	for i, x := range src {
		dst[i] = int64(x)
	}
}

// loadTime brings times to microseconds. Nanoseconds round down, towards the past.
func (s *columnState) loadTime(f *frame, v *vector, src []int64, unit arrow.TimeUnit) {
	factor := int64(1_000)
	switch unit {
	case arrow.Microsecond:
		v.ints = src
		return
	case arrow.Nanosecond:
		for i, x := range src {
			v.ints[i] = floorDiv(x, 1_000)
		}
		return
	case arrow.Second:
		factor = 1_000_000
	case arrow.Millisecond:
	}
	limit := math.MaxInt64 / factor
	outside := false
	for i, x := range src {
		v.ints[i] = x * factor
		outside = outside || x > limit || x < -limit
	}
	if outside {
		s.refuse(f, v, func(i int) bool { return src[i] > limit || src[i] < -limit })
	}
}

// refuse marks the rows that are valid and bad.
func (s *columnState) refuse(f *frame, v *vector, bad func(i int) bool) {
	s.bad = mask{}
	for i := range f.n {
		if (!v.nulls || v.valid.has(i)) && bad(i) {
			s.bad.set(i)
			s.anyBad = true
		}
	}
}

// small256 is a decimal of 256 bits, which is of at most 38 digits; under a null it may be
// anything, and zero is taken.
func small256(a *array.Decimal256, i int, v *vector) *big.Int {
	if v.nulls && a.IsNull(i) {
		return new(big.Int)
	}
	return a.Value(i).BigInt()
}

// loadDictionary looks the text of each row up. A null in the dictionary is a
// null row like any other.
func (s *columnState) loadDictionary(f *frame, v *vector, a *array.Dictionary, lo int) {
	for i := range f.n {
		v.strs[i] = ""
		if v.nulls && !v.valid.has(i) {
			continue
		}
		index := a.GetValueIndex(lo + i)
		if s.dictionary.IsNull(index) {
			if !v.nulls {
				*v.valid, v.nulls = f.active, true
			}
			v.valid.clear(i)
			continue
		}
		v.strs[i] = s.dictionary.Value(index)
	}
}

// viewStrings makes strings that share the memory of the batch. They live no
// longer than the evaluation: frame.forget clears them.
func viewStrings[T int32 | int64](dst []string, offsets []T, data *memory.Buffer) {
	var text []byte
	if data != nil {
		text = data.Bytes()
	}
	for i := range len(offsets) - 1 {
		b := text[offsets[i]:offsets[i+1]] // panics where a file has lied about its offsets
		dst[i] = stringOf(b)
	}
}
