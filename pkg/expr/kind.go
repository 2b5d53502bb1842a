package expr

import "github.com/apache/arrow-go/v18/arrow"

// kind is a type of the language.
type kind uint8

const (
	kindInvalid kind = iota // of something nested, and of what has been refused: see reading.refuse
	kindInt
	kindDouble
	kindString
	kindBytes
	kindBool
	kindTimestamp // microseconds since 1970-01-01T00:00:00Z
	kindDuration  // microseconds
	kindDecimal   // see digits
	kindNull      // the literal null, a branch of ?: and nothing else
	kindList      // a literal list, the right side of `in` and nothing else
)

// valueKinds are the kinds a column, or a result, can have.
var valueKinds = [...]kind{kindInt, kindDouble, kindString, kindBytes, kindBool, kindTimestamp, kindDuration, kindDecimal}

func (k kind) String() string {
	switch k {
	case kindInt:
		return "int"
	case kindDouble:
		return "double"
	case kindString:
		return "string"
	case kindBytes:
		return "bytes"
	case kindBool:
		return "bool"
	case kindTimestamp:
		return "timestamp"
	case kindDuration:
		return "duration"
	case kindDecimal:
		return "decimal"
	case kindNull:
		return "null"
	case kindList:
		return "list"
	case kindInvalid:
	}
	return "unknown"
}

// storage says which field of a vector holds the values of a kind.
type storage uint8

const (
	storeInts storage = iota
	storeFloats
	storeStrings
	storeBits
	storeDecimals
	storeNone // a register whose values are slices of the batch
)

func (k kind) storage() storage {
	switch k {
	case kindDouble:
		return storeFloats
	case kindString, kindBytes:
		return storeStrings
	case kindBool:
		return storeBits
	case kindDecimal:
		return storeDecimals
	case kindInt, kindTimestamp, kindDuration, kindNull, kindList, kindInvalid:
	}
	return storeInts
}

// arrowType is the type of a result of the kind, for all but decimals.
func (k kind) arrowType() arrow.DataType {
	switch k {
	case kindInt:
		return arrow.PrimitiveTypes.Int64
	case kindDouble:
		return arrow.PrimitiveTypes.Float64
	case kindString:
		return arrow.BinaryTypes.String
	case kindBytes:
		return arrow.BinaryTypes.Binary
	case kindBool:
		return arrow.FixedWidthTypes.Boolean
	case kindTimestamp:
		return arrow.FixedWidthTypes.Timestamp_us
	case kindDuration:
		return arrow.FixedWidthTypes.Duration_us
	case kindDecimal, kindNull, kindList, kindInvalid: // the type of a decimal has its digits
	}
	return arrow.Null
}
