package blocks

import (
	"fmt"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
)

// Values of the union Type of Arrow's Schema.fbs.
const (
	typeNull = iota + 1
	typeInt
	typeFloatingPoint
	typeBinary
	typeUtf8
	typeBool
	typeDecimal
	typeDate
	typeTime
	typeTimestamp
	typeInterval
	typeList
	typeStruct
	typeUnion
	typeFixedSizeBinary
	typeFixedSizeList
	typeMap
	typeDuration
	typeLargeBinary
	typeLargeUtf8
	typeLargeList
	typeRunEndEncoded
	typeBinaryView
	typeUtf8View
	typeListView
	typeLargeListView
)

// refusedTypes are the types of the format that do not travel, for the error
// that refuses them.
var refusedTypes = map[byte]string{
	typeUnion: "union", typeRunEndEncoded: "run_end_encoded", typeBinaryView: "binary_view",
	typeUtf8View: "utf8_view", typeListView: "list_view", typeLargeListView: "large_list_view",
}

// schemaReader builds a schema from its message. The budget bounds what a small
// message may make of itself: tables of a flatbuffer may be shared, so a hundred
// bytes can describe millions of columns.
type schemaReader struct {
	flat   *flat
	budget int
}

// budgetFactor is generous: a field takes some 60 bytes of a message, names
// included, and costs fieldCost and its name.
const (
	budgetFactor = 4
	fieldCost    = 32
)

// parseSchema reads the metadata of a schema message. Metadata of the user is
// skipped; extension types come out as what stores them.
func parseSchema(metadata []byte) (*arrow.Schema, error) {
	f := &flat{buf: metadata}
	header, err := messageHeader(f, messageSchema)
	if err != nil {
		return nil, err
	}
	if header.int16(0, 0) != 0 {
		return nil, fmt.Errorf("%w: big-endian data", ErrPayload)
	}
	r := schemaReader{f, budgetFactor * len(metadata)}
	fields, err := r.fields(header, 1, 1)
	if err != nil {
		return nil, err
	}
	return arrow.NewSchema(fields, nil), nil
}

// messageHeader returns the header of an IPC message of the given type.
func messageHeader(f *flat, want byte) (table, error) {
	message := f.root()
	version, kind := message.int16(0, 0), message.byte(1)
	header, ok := message.child(2)
	switch {
	case f.bad || !ok:
		return table{}, errMetadata
	case version != metadataV4 && version != metadataV5:
		return table{}, fmt.Errorf("%w: Arrow metadata version %d", ErrPayload, version)
	case kind != want:
		return table{}, fmt.Errorf("%w: message of type %d where %d belongs", ErrPayload, kind, want)
	}
	return header, nil
}

var errMetadata = fmt.Errorf("%w: metadata leads outside of itself", ErrPayload)

func (r *schemaReader) fields(t table, slot int64, depth int) ([]arrow.Field, error) {
	vector, n := t.vector(slot, 4)
	if r.flat.bad {
		return nil, errMetadata
	}
	var fields []arrow.Field
	for i := range n {
		f, err := r.field(r.flat.tableAt(vector, i), depth)
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// field reads a Field: name, nullable, type_type, type, dictionary, children,
// custom_metadata.
func (r *schemaReader) field(t table, depth int) (arrow.Field, error) {
	name := t.text(0)
	if r.budget -= fieldCost + len(name); r.budget < 0 || depth > maxDepth {
		return arrow.Field{}, fmt.Errorf("%w: schema is larger than its message", ErrPayload)
	}
	if !utf8.Valid(name) {
		return arrow.Field{}, fmt.Errorf("%w: the name of a column is not UTF-8", ErrPayload)
	}
	f := arrow.Field{Name: string(name), Nullable: t.byte(1) != 0}
	if t.field(4) != 0 {
		return f, inColumn(f.Name, fmt.Errorf("%w: dictionary", ErrType))
	}
	children, err := r.fields(t, 5, depth+1)
	if err != nil {
		return f, err
	}
	kind := t.byte(2)
	parameters, ok := t.child(3)
	if r.flat.bad || !ok {
		return f, errMetadata
	}
	f.Type, err = dataType(kind, parameters, children)
	switch {
	case r.flat.bad:
		return f, errMetadata
	case err != nil:
		return f, inColumn(f.Name, err)
	case f.Type == nil:
		return f, inColumn(f.Name, fmt.Errorf("%w: type %d", ErrPayload, kind))
	}
	return f, nil
}

// dataType returns the type that a Field describes, nil for one that makes no
// sense.
func dataType(kind byte, t table, children []arrow.Field) (arrow.DataType, error) {
	if name, ok := refusedTypes[kind]; ok {
		return nil, fmt.Errorf("%w: %s", ErrType, name)
	}
	switch kind {
	case typeStruct:
		return arrow.StructOf(children...), nil
	case typeList, typeLargeList, typeFixedSizeList, typeMap:
		if len(children) == 1 {
			return listType(kind, t, children[0])
		}
		return nil, nil
	}
	if len(children) > 0 {
		return nil, nil
	}
	switch kind {
	case typeNull:
		return arrow.Null, nil
	case typeInt:
		return integerTypes[integer{t.int32(0, 0), t.byte(1) != 0}], nil
	case typeFloatingPoint:
		return pick(t.int16(0, 0), arrow.DataType(arrow.FixedWidthTypes.Float16), arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64), nil
	case typeBinary:
		return arrow.BinaryTypes.Binary, nil
	case typeUtf8:
		return arrow.BinaryTypes.String, nil
	case typeLargeBinary:
		return arrow.BinaryTypes.LargeBinary, nil
	case typeLargeUtf8:
		return arrow.BinaryTypes.LargeString, nil
	case typeBool:
		return arrow.FixedWidthTypes.Boolean, nil
	case typeDecimal:
		return decimalType(t)
	case typeDate:
		return pick(t.int16(0, 1), arrow.DataType(arrow.FixedWidthTypes.Date32), arrow.FixedWidthTypes.Date64), nil
	case typeTime:
		return timeType(t.int16(0, 1), t.int32(1, 32)), nil
	case typeTimestamp:
		if unit, ok := timeUnit(t.int16(0, 0)); ok {
			return &arrow.TimestampType{Unit: unit, TimeZone: string(t.text(1))}, nil
		}
	case typeDuration:
		if unit, ok := timeUnit(t.int16(0, 1)); ok {
			return &arrow.DurationType{Unit: unit}, nil
		}
	case typeInterval:
		return pick(t.int16(0, 0), arrow.DataType(arrow.FixedWidthTypes.MonthInterval),
			arrow.FixedWidthTypes.DayTimeInterval, arrow.FixedWidthTypes.MonthDayNanoInterval), nil
	case typeFixedSizeBinary:
		if width := t.int32(0, 0); width >= 1 && width <= maxWidth {
			return &arrow.FixedSizeBinaryType{ByteWidth: int(width)}, nil
		}
	}
	return nil, nil
}

type integer struct {
	bits   int64
	signed bool
}

var integerTypes = map[integer]arrow.DataType{
	{8, true}: arrow.PrimitiveTypes.Int8, {8, false}: arrow.PrimitiveTypes.Uint8,
	{16, true}: arrow.PrimitiveTypes.Int16, {16, false}: arrow.PrimitiveTypes.Uint16,
	{32, true}: arrow.PrimitiveTypes.Int32, {32, false}: arrow.PrimitiveTypes.Uint32,
	{64, true}: arrow.PrimitiveTypes.Int64, {64, false}: arrow.PrimitiveTypes.Uint64,
}

func pick(i int64, types ...arrow.DataType) arrow.DataType {
	if i < 0 || i >= int64(len(types)) {
		return nil
	}
	return types[i]
}

func timeUnit(unit int64) (arrow.TimeUnit, bool) {
	return arrow.TimeUnit(unit), unit >= int64(arrow.Second) && unit <= int64(arrow.Nanosecond)
}

func timeType(unit, bits int64) arrow.DataType {
	u, ok := timeUnit(unit)
	switch {
	case ok && bits == 32 && u <= arrow.Millisecond:
		return &arrow.Time32Type{Unit: u}
	case ok && bits == 64 && u >= arrow.Microsecond:
		return &arrow.Time64Type{Unit: u}
	}
	return nil
}

func decimalType(t table) (arrow.DataType, error) {
	ids := map[int64]arrow.Type{32: arrow.DECIMAL32, 64: arrow.DECIMAL64, 128: arrow.DECIMAL128, 256: arrow.DECIMAL256}
	id, ok := ids[t.int32(2, 128)]
	if !ok {
		return nil, nil
	}
	precision, scale := int32(t.int32(0, 0)), int32(t.int32(1, 0)) //nolint:gosec // 32 bits on the wire.
	dt, err := arrow.NewDecimalType(id, precision, scale)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return dt, nil
}

func listType(kind byte, t table, child arrow.Field) (arrow.DataType, error) {
	switch kind {
	case typeList:
		return arrow.ListOfField(child), nil
	case typeLargeList:
		return arrow.LargeListOfField(child), nil
	case typeFixedSizeList:
		if n := t.int32(0, 0); n >= 1 && n <= maxWidth {
			return arrow.FixedSizeListOfField(int32(n), child), nil
		}
		return nil, nil
	}
	entries, ok := child.Type.(*arrow.StructType)
	if !ok || entries.NumFields() != 2 || child.Nullable || entries.Field(0).Nullable {
		return nil, fmt.Errorf("%w: the entries of a map are not keys and items", ErrPayload)
	}
	dt := arrow.MapOfFields(entries.Field(0), entries.Field(1))
	dt.KeysSorted = t.byte(0) != 0
	return dt, nil
}
