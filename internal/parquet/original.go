package parquet

import (
	"bytes"
	"encoding/base64"
	"maps"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

const (
	// storedKey is the key-value entry in which Arrow's writers keep the Arrow schema.
	storedKey = "ARROW:schema"
	// fieldIDKey is the metadata of a field that is its id in the Parquet schema.
	fieldIDKey = "PARQUET:field_id"
)

// storedSchema is the Arrow schema that the file's writer has left in it; nil when there
// is none that can be read.
func storedSchema(entry string) (s *arrow.Schema) {
	defer func() {
		if recover() != nil { // a malformed one is none: the Parquet schema says enough
			s = nil
		}
	}()
	data, err := base64.StdEncoding.DecodeString(entry)
	if err != nil || !plausible(data) {
		return nil
	}
	r, err := ipc.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	defer r.Release()
	return r.Schema()
}

func encodeStored(s *arrow.Schema) (entry string, ok bool) {
	defer func() {
		if recover() != nil {
			entry, ok = "", false
		}
	}()
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(s))
	if err := w.Close(); err != nil {
		return "", false
	}
	return base64.StdEncoding.EncodeToString(buf.Bytes()), true
}

// readStored takes the stored Arrow schema out of the footer, and leaves one there that
// arrow-go can read the file by: it knows no durations in Parquet, and panics over some
// extension types in chunks.
func (f *File) readStored() *arrow.Schema {
	var stored *arrow.Schema
	for _, kv := range f.meta.KeyValueMetadata() {
		if kv.Key != storedKey || kv.Value == nil || stored != nil {
			continue
		}
		if stored = storedSchema(*kv.Value); stored == nil {
			empty := ""
			if entry, ok := encodeStored(arrow.NewSchema(nil, nil)); ok {
				empty = entry
			}
			kv.Value = &empty
			continue
		}
		fields := make([]arrow.Field, stored.NumFields())
		changed := false
		for i, fd := range stored.Fields() {
			fields[i] = fd
			fields[i].Type = mapType(fd.Type, func(t arrow.DataType) arrow.DataType {
				switch x := t.(type) {
				case *arrow.DurationType:
					changed = true
					return arrow.PrimitiveTypes.Int64
				case arrow.ExtensionType:
					changed = true
					return x.StorageType()
				}
				return t
			})
		}
		if changed {
			if entry, ok := encodeStored(arrow.NewSchema(fields, nil)); ok {
				kv.Value = &entry
			}
		}
	}
	return stored
}

// withFields is a nested type whose own fields are those that f makes of them, once each;
// false for a type that has none, which it returns as it is.
func withFields(t arrow.DataType, f func(arrow.Field) arrow.Field) (arrow.DataType, bool) {
	switch t := t.(type) {
	case *arrow.ListType:
		return arrow.ListOfField(f(t.ElemField())), true
	case *arrow.LargeListType:
		return arrow.LargeListOfField(f(t.ElemField())), true
	case *arrow.FixedSizeListType:
		return arrow.FixedSizeListOfField(t.Len(), f(t.ElemField())), true
	case *arrow.MapType:
		m := arrow.MapOfFields(f(t.KeyField()), f(t.ItemField()))
		m.KeysSorted = t.KeysSorted
		return m, true
	case *arrow.StructType:
		fields := make([]arrow.Field, t.NumFields())
		for i, fd := range t.Fields() {
			fields[i] = f(fd)
		}
		return arrow.StructOf(fields...), true
	}
	return t, false
}

// mapType replaces the leaves of a type.
func mapType(t arrow.DataType, f func(arrow.DataType) arrow.DataType) arrow.DataType {
	nested, ok := withFields(t, func(fd arrow.Field) arrow.Field { fd.Type = mapType(fd.Type, f); return fd })
	if !ok {
		return f(t)
	}
	return nested
}

// bare is a type without the metadata of its fields.
func bare(t arrow.DataType) arrow.DataType {
	t, _ = withFields(t, func(fd arrow.Field) arrow.Field {
		return arrow.Field{Name: fd.Name, Type: bare(fd.Type), Nullable: fd.Nullable}
	})
	return t
}

// unwrapped is the type whose values stand for those of another one in a column.
func unwrapped(t arrow.DataType) arrow.DataType {
	for {
		switch x := t.(type) {
		case *arrow.DictionaryType:
			t = x.ValueType
		case *arrow.RunEndEncodedType:
			t = x.Encoded()
		case arrow.ExtensionType:
			t = x.StorageType()
		default:
			return t
		}
	}
}

// elementOf is the element of a list of any kind.
func elementOf(t arrow.DataType) (arrow.Field, bool) {
	switch t := t.(type) {
	case *arrow.ListType:
		return t.ElemField(), true
	case *arrow.LargeListType:
		return t.ElemField(), true
	case *arrow.FixedSizeListType:
		return t.ElemField(), true
	case *arrow.ListViewType:
		return t.ElemField(), true
	case *arrow.LargeListViewType:
		return t.ElemField(), true
	}
	return arrow.Field{}, false
}

// restores reports that a column, which this package gives out as plain, may be called
// stored in a file's Arrow schema: it is what Arrow's readers make of the column then.
func restores(stored, plain arrow.DataType) bool {
	stored = unwrapped(stored)
	if arrow.TypeEqual(stored, plain) {
		return true
	}
	if a, ok := elementOf(stored); ok {
		b, ok := elementOf(plain)
		return ok && restores(a.Type, b.Type)
	}
	switch p := plain.(type) {
	case *arrow.StringType, *arrow.LargeStringType:
		return stored.ID() == arrow.STRING || stored.ID() == arrow.LARGE_STRING || stored.ID() == arrow.STRING_VIEW
	case *arrow.BinaryType, *arrow.LargeBinaryType:
		return stored.ID() == arrow.BINARY || stored.ID() == arrow.LARGE_BINARY || stored.ID() == arrow.BINARY_VIEW
	case *arrow.TimestampType:
		s, ok := stored.(*arrow.TimestampType)
		return ok && (s.TimeZone == "") == (p.TimeZone == "") // writers change units, and readers take the zone alone
	case *arrow.Time32Type:
		return stored.ID() == arrow.TIME32
	case *arrow.Date32Type:
		return stored.ID() == arrow.DATE64
	case arrow.DecimalType:
		s, ok := stored.(arrow.DecimalType)
		return ok && s.GetPrecision() == p.GetPrecision() && s.GetScale() == p.GetScale()
	case *arrow.MapType:
		s, ok := stored.(*arrow.MapType)
		return ok && restores(s.KeyType(), p.KeyType()) && restores(s.ItemType(), p.ItemType())
	case *arrow.StructType:
		s, ok := stored.(*arrow.StructType)
		if !ok || s.NumFields() != p.NumFields() {
			return false
		}
		for i, fd := range p.Fields() {
			if s.Field(i).Name != fd.Name || !restores(s.Field(i).Type, fd.Type) {
				return false
			}
		}
		return true
	}
	return false
}

// asStored gives the leaves of a column what only the stored type says of them: that they
// are durations, which Parquet holds as integers; the zone of an INT96, or that it is in none:
// an INT96 has no word for it, and is in UTC to arrow-go.
func (f *File) asStored(fd arrow.Field, of *pqarrow.SchemaField, stored arrow.DataType) arrow.Field {
	types := leafTypes(stored)
	if len(types) != len(leavesOf(of)) {
		return fd
	}
	return eachLeaf(fd, of, func(fd arrow.Field, of *pqarrow.SchemaField) arrow.Field {
		t := types[0]
		types = types[len(leavesOf(of)):]
		s, timestamp := t.(*arrow.TimestampType)
		switch {
		case t.ID() == arrow.DURATION && fd.Type.ID() == arrow.INT64:
			fd.Type = t
		case timestamp && of.IsLeaf() && f.meta.Schema.Column(of.ColIndex).PhysicalType() == arrowparquet.Types.Int96:
			fd.Type = &arrow.TimestampType{Unit: arrow.Nanosecond, TimeZone: s.TimeZone}
		}
		return fd
	})
}

// leafTypes are the types at the bottom of a type.
func leafTypes(t arrow.DataType) []arrow.DataType {
	t = unwrapped(t)
	nested, ok := t.(arrow.NestedType)
	if !ok {
		return []arrow.DataType{t}
	}
	var all []arrow.DataType
	for _, fd := range nested.Fields() {
		all = append(all, leafTypes(fd.Type)...)
	}
	return all
}

// withoutNoID is metadata without the field id -1, which arrow-go gives to columns that
// have none.
func withoutNoID(m arrow.Metadata) arrow.Metadata {
	all := m.ToMap()
	maps.DeleteFunc(all, func(k, v string) bool {
		n, err := strconv.Atoi(v)
		return k == fieldIDKey && (err != nil || n < 0)
	})
	if len(all) == 0 {
		return arrow.Metadata{}
	}
	return arrow.MetadataFrom(all)
}

// withoutNoIDs is a type without field ids that are none.
func withoutNoIDs(t arrow.DataType) arrow.DataType {
	t, _ = withFields(t, func(fd arrow.Field) arrow.Field {
		return arrow.Field{Name: fd.Name, Type: withoutNoIDs(fd.Type), Nullable: fd.Nullable, Metadata: withoutNoID(fd.Metadata)}
	})
	return t
}

// originalOf is what a column is called in the file: its Arrow type as its writer knew it,
// and its metadata, with the logical types of its leaves that no Arrow type says.
func (f *File) originalOf(i int, raw arrow.Field, of *pqarrow.SchemaField, stored *arrow.Schema) arrow.Field {
	plain := f.schema.Field(i)
	out := arrow.Field{Name: plain.Name, Type: withoutNoIDs(withoutVariants(raw.Type)), Nullable: plain.Nullable, Metadata: withoutNoID(raw.Metadata)}
	if stored != nil {
		if at := stored.FieldIndices(plain.Name); len(at) == 1 && restores(stored.Field(at[0]).Type, plain.Type) {
			out.Type = stored.Field(at[0]).Type
		}
	}
	if !restores(out.Type, plain.Type) {
		out.Type = plain.Type
	}
	return f.annotate(out, of)
}

// keyValues are the file's own entries beside its schema.
func (f *File) keyValues() arrow.Metadata {
	all := map[string]string{}
	for _, kv := range f.meta.KeyValueMetadata() {
		if kv.Key != storedKey && kv.Value != nil && !strings.HasPrefix(kv.Key, "ARROW:") {
			all[kv.Key] = *kv.Value
		}
	}
	if len(all) == 0 {
		return arrow.Metadata{}
	}
	return arrow.MetadataFrom(all)
}

// Original is what the file's columns are called in it, in the order of [File.Schema]:
// dictionaries, views, extension types, time zones and metadata included, and the key-value
// metadata of the file.
func (f *File) Original() *arrow.Schema { return f.original }
