package blocks

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/zeebo/xxh3"
)

// Fingerprint identifies the columns of a schema: names, types, nullability and
// order, not metadata. It is 16 lower-case hexadecimal characters, the xxh3-64 of
// the canonical text that docs/format.md defines. The column of row offsets is
// not part of it, so a stage has one fingerprint whether rows were dropped or not.
type Fingerprint string

// FingerprintOf returns the fingerprint of a schema. Names inside lists and maps
// ("item", "element", "entries") do not count, because Arrow libraries differ in
// them and nobody refers to them.
func FingerprintOf(s *arrow.Schema) Fingerprint {
	text := make([]byte, 0, 512)
	text = appendFields(text, s.Fields())
	return fingerprintOfText(text)
}

func fingerprintOfText(text []byte) Fingerprint {
	var sum [8]byte
	binary.BigEndian.PutUint64(sum[:], xxh3.Hash(text))
	return Fingerprint(hex.EncodeToString(sum[:]))
}

// appendFields writes fields as "5:email utf8?,3:age int32".
func appendFields(b []byte, fields []arrow.Field) []byte {
	for i, f := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendText(b, f.Name)
		b = append(b, ' ')
		b = appendType(b, f.Type, f.Nullable)
	}
	return b
}

// appendText writes a string after its length in bytes, so that no name can
// imitate the syntax around it.
func appendText(b []byte, s string) []byte {
	b = strconv.AppendInt(b, int64(len(s)), 10)
	b = append(b, ':')
	return append(b, s...)
}

func appendType(b []byte, dt arrow.DataType, nullable bool) []byte {
	switch t := dt.(type) {
	case *arrow.FixedSizeBinaryType:
		b = fmt.Appendf(b, "fixed_size_binary(%d)", t.ByteWidth)
	case arrow.DecimalType:
		b = fmt.Appendf(b, "decimal%d(%d,%d)", t.BitWidth(), t.GetPrecision(), t.GetScale())
	case *arrow.Time32Type:
		b = fmt.Appendf(b, "time32(%s)", t.Unit)
	case *arrow.Time64Type:
		b = fmt.Appendf(b, "time64(%s)", t.Unit)
	case *arrow.DurationType:
		b = fmt.Appendf(b, "duration(%s)", t.Unit)
	case *arrow.TimestampType:
		b = fmt.Appendf(b, "timestamp(%s", t.Unit)
		if t.TimeZone != "" {
			b = appendText(append(b, ','), t.TimeZone)
		}
		b = append(b, ')')
	case *arrow.ListType:
		b = appendElement(append(b, "list"...), t.ElemField())
	case *arrow.LargeListType:
		b = appendElement(append(b, "large_list"...), t.ElemField())
	case *arrow.FixedSizeListType:
		b = appendElement(fmt.Appendf(b, "fixed_size_list(%d)", t.Len()), t.ElemField())
	case *arrow.MapType:
		b = append(b, "map<"...)
		b = appendType(b, t.KeyType(), false)
		b = append(b, ',')
		b = appendType(b, t.ItemType(), t.ItemField().Nullable)
		b = append(b, '>')
	case *arrow.StructType:
		b = append(b, "struct<"...)
		b = appendFields(b, t.Fields())
		b = append(b, '>')
	default:
		if name, ok := simpleTypeNames[dt.ID()]; ok {
			b = append(b, name...)
			break
		}
		// A type that does not travel: it has a fingerprint all the same, so that a
		// schema can be named in the error that refuses it.
		b = appendText(append(b, "other "...), dt.String())
	}
	if nullable {
		b = append(b, '?')
	}
	return b
}

func appendElement(b []byte, f arrow.Field) []byte {
	b = append(b, '<')
	b = appendType(b, f.Type, f.Nullable)
	return append(b, '>')
}

// simpleTypeNames are the types without parameters, by the name that stands in
// the canonical text.
var simpleTypeNames = map[arrow.Type]string{
	arrow.NULL: "null", arrow.BOOL: "bool",
	arrow.INT8: "int8", arrow.INT16: "int16", arrow.INT32: "int32", arrow.INT64: "int64",
	arrow.UINT8: "uint8", arrow.UINT16: "uint16", arrow.UINT32: "uint32", arrow.UINT64: "uint64",
	arrow.FLOAT16: "float16", arrow.FLOAT32: "float32", arrow.FLOAT64: "float64",
	arrow.STRING: "utf8", arrow.LARGE_STRING: "large_utf8",
	arrow.BINARY: "binary", arrow.LARGE_BINARY: "large_binary",
	arrow.DATE32: "date32", arrow.DATE64: "date64",
	arrow.INTERVAL_MONTHS: "interval(month)", arrow.INTERVAL_DAY_TIME: "interval(day_time)",
	arrow.INTERVAL_MONTH_DAY_NANO: "interval(month_day_nano)",
}
