package parquet

import "github.com/apache/arrow-go/v18/arrow"

// Common returns the type in which the values of both types can stand without loss: the
// rule by which columns of files that differ become one.
//
//	null, T                            T
//	int8 < int16 < int32 < int64       the wider one; likewise uint8 < ... < uint64
//	uintN, intM                        the signed type above both: uint8 and int8 become int16; none above uint64
//	float16 < float32 < float64        the wider one
//	integer, float                     a float that holds every value of it: 8 and 16 bits float32, 32 bits float64, 64 bits none
//	decimal(p,s), decimal(q,t)         the digits of both before and behind the point, up to 76
//	timestamp, timestamp               the finer unit, of one and the same zone; a value that is too far away for it is an error when it is read
//	string, large string               the large one; likewise binary
func Common(a, b arrow.DataType) (arrow.DataType, bool) {
	switch {
	case arrow.TypeEqual(a, b):
		return a, true
	case a.ID() == arrow.NULL:
		return b, true
	case b.ID() == arrow.NULL:
		return a, true
	}
	if x, ok := rankOf(a); ok {
		if y, ok := rankOf(b); ok {
			return commonNumber(x, y)
		}
		return nil, false
	}
	switch x := a.(type) {
	case arrow.DecimalType:
		if y, ok := b.(arrow.DecimalType); ok {
			scale := max(x.GetScale(), y.GetScale())
			precision := max(x.GetPrecision()-x.GetScale(), y.GetPrecision()-y.GetScale()) + scale
			switch {
			case precision > 76:
				return nil, false
			case precision > 38 || a.ID() == arrow.DECIMAL256 || b.ID() == arrow.DECIMAL256:
				return &arrow.Decimal256Type{Precision: precision, Scale: scale}, true
			}
			return &arrow.Decimal128Type{Precision: precision, Scale: scale}, true
		}
	case *arrow.TimestampType:
		if y, ok := b.(*arrow.TimestampType); ok && x.TimeZone == y.TimeZone {
			return &arrow.TimestampType{Unit: max(x.Unit, y.Unit), TimeZone: x.TimeZone}, true
		}
	case *arrow.StringType:
		return b, b.ID() == arrow.LARGE_STRING
	case *arrow.LargeStringType:
		return a, b.ID() == arrow.STRING
	case *arrow.BinaryType:
		return b, b.ID() == arrow.LARGE_BINARY
	case *arrow.LargeBinaryType:
		return a, b.ID() == arrow.BINARY
	}
	return nil, false
}

// Widens reports that every value of one type can stand in the other.
func Widens(from, to arrow.DataType) bool {
	t, ok := Common(from, to)
	return ok && arrow.TypeEqual(t, to)
}

// rank is a type of numbers.
type rank struct {
	float, signed bool
	bits          int
}

func rankOf(t arrow.DataType) (rank, bool) {
	switch t.ID() { //nolint:exhaustive // the others are no numbers
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64:
		return rank{signed: true, bits: bits(t)}, true
	case arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64:
		return rank{bits: bits(t)}, true
	case arrow.FLOAT16, arrow.FLOAT32, arrow.FLOAT64:
		return rank{float: true, bits: bits(t)}, true
	}
	return rank{}, false
}

func bits(t arrow.DataType) int {
	fixed, ok := t.(arrow.FixedWidthDataType)
	if !ok {
		return 0 // no number
	}
	return fixed.BitWidth()
}

func commonNumber(x, y rank) (arrow.DataType, bool) {
	if y.float {
		x, y = y, x
	}
	switch {
	case x.float && y.float:
		return floatOf(max(x.bits, y.bits)), true
	case x.float:
		if y.bits > 32 {
			return nil, false // some of its values are no floats
		}
		return floatOf(max(x.bits, 2*max(y.bits, 16))), true
	case x.signed == y.signed:
		return intOf(x.signed, max(x.bits, y.bits)), true
	case y.signed:
		x, y = y, x
	}
	n := max(x.bits, 2*y.bits) // x has a sign, y none
	return intOf(true, min(n, 64)), n <= 64
}

func floatOf(bits int) arrow.DataType {
	switch bits {
	case 16:
		return arrow.FixedWidthTypes.Float16
	case 32:
		return arrow.PrimitiveTypes.Float32
	}
	return arrow.PrimitiveTypes.Float64
}

func intOf(signed bool, bits int) arrow.DataType {
	all := []arrow.DataType{arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64}
	if signed {
		all = []arrow.DataType{arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64}
	}
	at := 0
	for n := 8; n < bits; n *= 2 {
		at++
	}
	return all[at]
}
