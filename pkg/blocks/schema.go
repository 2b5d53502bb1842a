package blocks

import (
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
)

const (
	// OffsetsColumn is the reserved name of the last column of a block that lost
	// rows: a uint32 without nulls, each row's offset from the span's first row.
	OffsetsColumn = "__levada_offset"

	// maxDepth bounds the nesting of columns.
	maxDepth = 32
	// maxWidth bounds a fixed-size value in bytes; the type's size is a claim of the
	// schema, not of the data.
	maxWidth = 1 << 20
)

func offsetsField() arrow.Field {
	return arrow.Field{Name: OffsetsColumn, Type: arrow.PrimitiveTypes.Uint32}
}

// CheckSchema reports the first column that cannot travel in a block, by name and
// type: its error wraps [ErrType]. It asks whether [Encode] would accept batches
// of this schema, so a pipeline can be refused before it runs.
func CheckSchema(s *arrow.Schema) error {
	for _, f := range s.Fields() {
		if f.Name == OffsetsColumn {
			return fmt.Errorf("column %q: %w: the name is reserved", f.Name, ErrType)
		}
		if err := checkType(f.Type, 1); err != nil {
			return fmt.Errorf("column %q: %w", f.Name, err)
		}
	}
	return nil
}

func checkType(dt arrow.DataType, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("%w: nested deeper than %d", ErrType, maxDepth)
	}
	switch t := dt.(type) {
	case *arrow.FixedSizeBinaryType:
		if t.ByteWidth < 1 || t.ByteWidth > maxWidth {
			return fmt.Errorf("%w: %s", ErrType, dt)
		}
		return nil
	case *arrow.TimestampType, *arrow.Time32Type, *arrow.Time64Type, *arrow.DurationType, arrow.DecimalType:
		return nil
	case *arrow.FixedSizeListType:
		if t.Len() > maxWidth {
			return fmt.Errorf("%w: fixed_size_list of %d elements", ErrType, t.Len())
		}
		return checkType(t.Elem(), depth+1)
	case *arrow.ListType, *arrow.LargeListType, *arrow.StructType, *arrow.MapType:
		nested, ok := t.(arrow.NestedType)
		if !ok {
			return fmt.Errorf("%w: %s", ErrType, t)
		}
		for _, f := range nested.Fields() {
			if err := checkType(f.Type, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	if _, ok := simpleTypeNames[dt.ID()]; ok {
		return nil
	}
	return fmt.Errorf("%w: %s: a plain type is needed (see blocks.Plain)", ErrType, dt)
}

// bareFields returns fields as they travel: without metadata, which is the plan's to
// carry, so that the bytes of a block depend on its columns alone.
func bareFields(fields []arrow.Field) []arrow.Field {
	bare := make([]arrow.Field, len(fields))
	for i, f := range fields {
		bare[i] = bareField(f)
	}
	return bare
}

func bareField(f arrow.Field) arrow.Field {
	return arrow.Field{Name: f.Name, Type: bareType(f.Type), Nullable: f.Nullable}
}

func bareType(dt arrow.DataType) arrow.DataType {
	switch t := dt.(type) {
	case *arrow.ListType:
		return arrow.ListOfField(bareField(t.ElemField()))
	case *arrow.LargeListType:
		return arrow.LargeListOfField(bareField(t.ElemField()))
	case *arrow.FixedSizeListType:
		return arrow.FixedSizeListOfField(t.Len(), bareField(t.ElemField()))
	case *arrow.StructType:
		return arrow.StructOf(bareFields(t.Fields())...)
	case *arrow.MapType:
		key := bareField(t.KeyField())
		key.Nullable = false
		bare := arrow.MapOfFields(key, bareField(t.ItemField()))
		bare.KeysSorted = t.KeysSorted
		return bare
	}
	return dt
}

// Width returns how many bytes of [DataSize] a row takes as far as the schema
// tells: values of fixed width, validity bits and offsets. What a string, a
// binary value or a list holds comes on top and is the caller's to estimate.
func Width(s *arrow.Schema) float64 {
	var bits float64
	for _, f := range s.Fields() {
		bits += widthBits(f.Type)
	}
	return bits / 8
}

func widthBits(dt arrow.DataType) float64 {
	const validity = 1
	switch t := dt.(type) {
	case *arrow.NullType:
		return 0
	case *arrow.FixedSizeListType:
		return validity + float64(t.Len())*widthBits(t.Elem())
	case *arrow.StructType:
		bits := float64(validity)
		for _, f := range t.Fields() {
			bits += widthBits(f.Type)
		}
		return bits
	case arrow.OffsetsDataType:
		return validity + float64(t.Layout().Buffers[1].ByteWidth*8)
	case arrow.FixedWidthDataType:
		return validity + float64(t.BitWidth())
	}
	return validity
}

// RowsPerBlock returns how many rows a block should hold when a row takes rowBytes
// on average and a block must stay under maxBytes. It aims at four fifths of
// maxBytes, so that rows that vary a little do not cause halving, and rounds down
// to whole multiples of 64 where it can, which keeps slices of bitmaps cheap. It
// is a pure function of its arguments: called with metadata of the source alone,
// it gives the same blocks whenever a task is read (never call it with sizes of
// decoded data). The result is at least 1 and at most [MaxSpanRows].
func RowsPerBlock(rowBytes float64, maxBytes int64) int64 {
	if !(rowBytes > 0) { // also not a number
		return MaxSpanRows
	}
	rows := float64(maxBytes/5*4) / rowBytes
	switch {
	case rows >= MaxSpanRows:
		return MaxSpanRows
	case rows < 1:
		return 1
	case rows < 64:
		return int64(rows)
	}
	return int64(rows) &^ 63
}
