package parquet

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// Parquet has logical types for which Arrow has no type: a column of one is strings, bytes
// or times in a batch, and would be no more than that in the next file; and it has integers
// that are decimals, which would become bytes. The type stands in the metadata of the
// column's field from where a file is read to where the next one is written, and in no file.
//
//	file ─► File.Original: field with logicalKey ─► plan ─► WriteOptions.Stored ─► annotated ─► file

// logicalKey is the metadata of a field that is its logical type in Parquet.
const logicalKey = "levada:logical_type"

// logicalText is the value of logicalKey.
type logicalText struct {
	Type      string `json:"type"`               // as parquet.thrift calls it
	Physical  string `json:"physical,omitempty"` // of decimals: INT32 or INT64
	CRS       string `json:"crs,omitempty"`
	Algorithm string `json:"algorithm,omitempty"`
}

// textOf says what the logical type of a column is; "" when Arrow's type says it.
func textOf(c *schema.Column) string {
	var t logicalText
	switch l := c.LogicalType().(type) {
	case schema.EnumLogicalType:
		t.Type = "ENUM"
	case schema.JSONLogicalType:
		t.Type = "JSON"
	case schema.BSONLogicalType:
		t.Type = "BSON"
	case schema.UUIDLogicalType:
		t.Type = "UUID"
	case schema.IntervalLogicalType:
		t.Type = "INTERVAL"
	case schema.TimeLogicalType:
		if !l.IsAdjustedToUTC() {
			return ""
		}
		t.Type = "TIME_UTC"
	case schema.DecimalLogicalType:
		if c.PhysicalType() != arrowparquet.Types.Int32 && c.PhysicalType() != arrowparquet.Types.Int64 {
			return ""
		}
		t = logicalText{Type: "DECIMAL", Physical: c.PhysicalType().String()}
	case schema.GeometryLogicalType:
		t = logicalText{Type: "GEOMETRY", CRS: l.Crs}
	case schema.GeographyLogicalType:
		t = logicalText{Type: "GEOGRAPHY", CRS: l.Crs, Algorithm: string(l.Algorithm)}
	default:
		return ""
	}
	text, err := json.Marshal(t)
	if err != nil {
		return ""
	}
	return string(text)
}

// annotatedBy is the type of values of a plain one under the logical type that the metadata
// of their field names; the plain one when it names none, or one that the values cannot be of.
func annotatedBy(plain arrow.DataType, m arrow.Metadata) arrow.DataType {
	text, ok := m.GetValue(logicalKey)
	if !ok {
		return plain
	}
	var t logicalText
	if json.Unmarshal([]byte(text), &t) != nil {
		return plain
	}
	storage := plain
	var logical schema.LogicalType
	switch of := plain.(type) {
	case *arrow.StringType, *arrow.LargeStringType, *arrow.BinaryType, *arrow.LargeBinaryType:
		logical = t.ofBytes()
	case *arrow.FixedSizeBinaryType:
		switch {
		case t.Type == "UUID" && of.ByteWidth == 16:
			logical = schema.UUIDLogicalType{}
		case t.Type == "INTERVAL" && of.ByteWidth == 12:
			logical = schema.IntervalLogicalType{}
		}
	case *arrow.Time32Type:
		if t.Type == "TIME_UTC" {
			logical = schema.NewTimeLogicalType(true, schema.TimeUnitMillis)
		}
	case *arrow.Time64Type:
		unit := schema.TimeUnitMicros
		if of.Unit == arrow.Nanosecond {
			unit = schema.TimeUnitNanos
		}
		if t.Type == "TIME_UTC" {
			logical = schema.NewTimeLogicalType(true, unit)
		}
	case *arrow.StructType:
		if v, err := extensions.NewVariantType(of); t.Type == "VARIANT" && err == nil {
			return v
		}
	case *arrow.Decimal128Type:
		if t.Type != "DECIMAL" {
			break
		}
		logical = schema.NewDecimalLogicalType(of.Precision, of.Scale)
		switch {
		case t.Physical == "INT32" && of.Precision <= 9:
			storage = arrow.PrimitiveTypes.Int32
		case t.Physical == "INT64" && of.Precision <= 18:
			storage = arrow.PrimitiveTypes.Int64
		}
	}
	if logical == nil {
		return plain
	}
	return &annotated{arrow.ExtensionBase{Storage: storage}, logical}
}

// ofBytes is the type of a column of bytes; nil when it cannot be one.
func (t *logicalText) ofBytes() schema.LogicalType {
	switch t.Type {
	case "ENUM":
		return schema.EnumLogicalType{}
	case "JSON":
		return schema.JSONLogicalType{}
	case "BSON":
		return schema.BSONLogicalType{}
	case "GEOMETRY":
		return schema.GeometryLogicalType{Crs: t.CRS}
	case "GEOGRAPHY":
		return schema.GeographyLogicalType{Crs: t.CRS, Algorithm: schema.GeographyEdgeInterpolationAlgorithm(t.Algorithm)}
	}
	return nil
}

// annotate gives the fields of a column, at every depth, the logical types of the leaves
// that the file has for them.
func (f *File) annotate(fd arrow.Field, of *pqarrow.SchemaField) arrow.Field {
	return eachLeaf(fd, of, func(fd arrow.Field, of *pqarrow.SchemaField) arrow.Field {
		text := `{"type":"VARIANT"}`
		if of.IsLeaf() {
			text = textOf(f.meta.Schema.Column(of.ColIndex))
		}
		all := fd.Metadata.ToMap()
		delete(all, logicalKey)
		if _, says := fd.Type.(pqarrow.ExtensionCustomParquetType); text != "" && !says {
			all[logicalKey] = text
		}
		fd.Metadata = arrow.Metadata{}
		if len(all) > 0 {
			fd.Metadata = arrow.MetadataFrom(all)
		}
		return fd
	})
}

// texts makes strings of those leaves of a column that are text by the word of their
// logical type, JSON or ENUM, which arrow-go takes for bytes.
func (f *File) texts(fd arrow.Field, of *pqarrow.SchemaField) arrow.Field {
	return eachLeaf(fd, of, func(fd arrow.Field, of *pqarrow.SchemaField) arrow.Field {
		if !of.IsLeaf() {
			return fd
		}
		switch f.meta.Schema.Column(of.ColIndex).LogicalType().(type) {
		case schema.JSONLogicalType, schema.EnumLogicalType:
			if fd.Type.ID() == arrow.BINARY {
				fd.Type = arrow.BinaryTypes.String
			}
		}
		return fd
	})
}

// eachLeaf replaces the fields at the bottom of a column, and those that are VARIANT, by
// what leaf makes of them and of what they are in the file. What is not nested as the file
// has it stays as it is.
func eachLeaf(fd arrow.Field, of *pqarrow.SchemaField, leaf func(fd arrow.Field, of *pqarrow.SchemaField) arrow.Field) arrow.Field {
	if of.IsLeaf() || isVariant(of.Field.Type) {
		return leaf(fd, of)
	}
	children := of.Children
	if fd.Type.ID() == arrow.MAP && len(children) == 1 {
		children = children[0].Children // of the pair
	}
	i := -1
	fd.Type, _ = withFields(fd.Type, func(child arrow.Field) arrow.Field {
		if i++; i >= len(children) {
			return child
		}
		return eachLeaf(child, &children[i], leaf)
	})
	return fd
}

func isVariant(t arrow.DataType) bool {
	x, ok := t.(arrow.ExtensionType)
	return ok && extensions.IsVariantExtensionName(x.ExtensionName())
}

// withoutVariants is a type with what stores its VARIANTs in their place: that a column is
// one its logical type says.
func withoutVariants(t arrow.DataType) arrow.DataType {
	return mapType(t, func(t arrow.DataType) arrow.DataType {
		if isVariant(t) {
			return t.(arrow.ExtensionType).StorageType() //nolint:forcetypeassert,errcheck // as isVariant has seen
		}
		return t
	})
}

// unannotated is a field as files have it: without the logical types in its metadata.
func unannotated(fd arrow.Field) arrow.Field {
	fd.Type, _ = withFields(fd.Type, unannotated)
	if all := fd.Metadata.ToMap(); fd.Metadata.FindKey(logicalKey) >= 0 {
		delete(all, logicalKey)
		fd.Metadata = arrow.Metadata{}
		if len(all) > 0 {
			fd.Metadata = arrow.MetadataFrom(all)
		}
	}
	return fd
}

// annotated is values that Parquet calls otherwise than Arrow does. arrow-go asks a type
// for that; it is in no batch that leaves this package.
type annotated struct {
	arrow.ExtensionBase
	logical schema.LogicalType
}

type annotatedArray struct{ array.ExtensionArrayBase }

// ParquetLogicalType implements [pqarrow.ExtensionCustomParquetType].
func (t *annotated) ParquetLogicalType() schema.LogicalType { return t.logical }

// ExtensionName implements [arrow.ExtensionType].
func (t *annotated) ExtensionName() string { return "levada.annotated" }

// ArrayType implements [arrow.ExtensionType].
func (t *annotated) ArrayType() reflect.Type { return reflect.TypeFor[annotatedArray]() }

// Serialize implements [arrow.ExtensionType].
func (t *annotated) Serialize() string { return t.logical.String() }

// Deserialize implements [arrow.ExtensionType].
func (t *annotated) Deserialize(arrow.DataType, string) (arrow.ExtensionType, error) {
	return nil, errors.New("the type is only written")
}

// ExtensionEquals implements [arrow.ExtensionType].
func (t *annotated) ExtensionEquals(other arrow.ExtensionType) bool {
	o, ok := other.(*annotated)
	return ok && arrow.TypeEqual(t.Storage, o.Storage) && t.logical.Equals(o.logical)
}

// String implements [fmt.Stringer].
func (t *annotated) String() string { return fmt.Sprintf("%s as %s", t.Storage, t.logical) }
