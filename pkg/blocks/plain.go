package blocks

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// PlainSchema returns the schema of what [Plain] returns: dictionaries and
// run-ends become their values, views become utf8 or binary, extension types
// become what stores them, in nested columns too. Metadata is kept. A type that
// has no plain form (unions, list views) is refused by name; the error wraps
// [ErrType].
func PlainSchema(s *arrow.Schema) (*arrow.Schema, error) {
	fields := make([]arrow.Field, s.NumFields())
	for i, f := range s.Fields() {
		plain, err := plainField(f)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		fields[i] = plain
	}
	metadata := s.Metadata()
	plain := arrow.NewSchema(fields, &metadata)
	return plain, CheckSchema(plain)
}

func plainField(f arrow.Field) (arrow.Field, error) {
	var err error
	f.Type, err = plainType(f.Type)
	return f, err
}

func plainType(dt arrow.DataType) (arrow.DataType, error) {
	switch t := dt.(type) {
	case *arrow.DictionaryType:
		return plainType(t.ValueType)
	case *arrow.RunEndEncodedType:
		return plainType(t.Encoded())
	case arrow.ExtensionType:
		return plainType(t.StorageType())
	case *arrow.StringViewType:
		return arrow.BinaryTypes.String, nil
	case *arrow.BinaryViewType:
		return arrow.BinaryTypes.Binary, nil
	case *arrow.ListType:
		f, err := plainField(t.ElemField())
		return plainOr(err, func() arrow.DataType { return arrow.ListOfField(f) })
	case *arrow.LargeListType:
		f, err := plainField(t.ElemField())
		return plainOr(err, func() arrow.DataType { return arrow.LargeListOfField(f) })
	case *arrow.FixedSizeListType:
		f, err := plainField(t.ElemField())
		return plainOr(err, func() arrow.DataType { return arrow.FixedSizeListOfField(t.Len(), f) })
	case *arrow.MapType:
		key, err := plainField(t.KeyField())
		if err != nil {
			return nil, err
		}
		item, err := plainField(t.ItemField())
		return plainOr(err, func() arrow.DataType {
			m := arrow.MapOfFields(key, item)
			m.KeysSorted = t.KeysSorted
			return m
		})
	case *arrow.StructType:
		fields := make([]arrow.Field, t.NumFields())
		for i, f := range t.Fields() {
			var err error
			if fields[i], err = plainField(f); err != nil {
				return nil, err
			}
		}
		return arrow.StructOf(fields...), nil
	}
	if _, ok := simpleTypeNames[dt.ID()]; !ok && checkType(dt, 1) != nil {
		return nil, fmt.Errorf("%w: %s", ErrType, dt)
	}
	return dt, nil
}

func plainOr(err error, build func() arrow.DataType) (arrow.DataType, error) {
	if err != nil {
		return nil, err
	}
	return build(), nil
}

// Plain returns the batch with every column in a type that travels, which is what
// sources and stages at the edge of the system call before they make blocks. A
// batch that is plain already is returned as it is. Errors wrap [ErrType] or come
// from Arrow. It borrows b for the call; the caller must Release the result.
func Plain(ctx context.Context, mem memory.Allocator, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	schema, err := PlainSchema(b.Schema())
	if err != nil {
		return nil, err
	}
	if schema.Equal(b.Schema()) {
		b.Retain()
		return b, nil
	}
	p := plainer{ctx: compute.WithAllocator(ctx, mem), mem: mem}
	columns := make([]arrow.Array, 0, b.NumCols())
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, c := range b.Columns() {
		plain, err := p.array(c)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", b.ColumnName(i), err)
		}
		columns = append(columns, plain)
	}
	return array.NewRecordBatch(schema, columns, b.NumRows()), nil
}

type plainer struct {
	ctx context.Context //nolint:containedctx // lives for one call of Plain.
	mem memory.Allocator
}

// array borrows a; the caller must Release the result.
func (p *plainer) array(a arrow.Array) (arrow.Array, error) {
	dt, err := plainType(a.DataType())
	if err != nil {
		return nil, err
	}
	if arrow.TypeEqual(dt, a.DataType()) {
		a.Retain()
		return a, nil
	}
	switch a := a.(type) {
	case *array.Dictionary:
		values, err := p.array(a.Dictionary())
		if err != nil {
			return nil, err
		}
		defer values.Release()
		return compute.TakeArray(p.ctx, values, a.Indices())
	case *array.RunEndEncoded:
		decoded, err := compute.RunEndDecodeArray(p.ctx, a)
		if err != nil {
			return nil, err
		}
		defer decoded.Release()
		return p.array(decoded)
	case array.ExtensionArray:
		return p.array(a.Storage())
	case *array.StringView:
		b := array.NewStringBuilder(p.mem)
		defer b.Release()
		b.Reserve(a.Len())
		for i := range a.Len() {
			if a.IsNull(i) {
				b.AppendNull()
				continue
			}
			b.Append(a.Value(i))
		}
		return b.NewArray(), nil
	case *array.BinaryView:
		b := array.NewBinaryBuilder(p.mem, arrow.BinaryTypes.Binary)
		defer b.Release()
		b.Reserve(a.Len())
		for i := range a.Len() {
			if a.IsNull(i) {
				b.AppendNull()
				continue
			}
			b.Append(a.Value(i))
		}
		return b.NewArray(), nil
	}
	return p.nested(a, dt)
}

// nested rebuilds a list, map or struct over plain children.
func (p *plainer) nested(a arrow.Array, dt arrow.DataType) (arrow.Array, error) {
	d := a.Data()
	children := make([]arrow.ArrayData, 0, len(d.Children()))
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	for _, c := range d.Children() {
		child, err := p.child(c)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	plain := array.NewData(dt, d.Len(), d.Buffers(), children, d.NullN(), d.Offset())
	defer plain.Release()
	return array.MakeFromData(plain), nil
}

func (p *plainer) child(d arrow.ArrayData) (arrow.ArrayData, error) {
	a := array.MakeFromData(d)
	defer a.Release()
	plain, err := p.array(a)
	if err != nil {
		return nil, err
	}
	defer plain.Release()
	plain.Data().Retain()
	return plain.Data(), nil
}
