package parquet

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// encodedField is the field by which arrow-go encodes a column so that Parquet calls it
// what stored says: with its logical types and its field ids.
func encodedField(plain, stored arrow.Field) arrow.Field {
	t := annotatedBy(encodedType(plain.Type, stored.Type), stored.Metadata)
	return arrow.Field{Name: plain.Name, Type: t, Nullable: plain.Nullable, Metadata: stored.Metadata}
}

// encodedType is the type of such a field. What arrow-go does not encode as it is
// (durations, lists of fixed size with nulls) becomes what Parquet has for it.
func encodedType(plain, stored arrow.DataType) arrow.DataType {
	if x, ok := stored.(arrow.ExtensionType); ok {
		switch {
		case x.ExtensionName() == "arrow.uuid" && arrow.TypeEqual(x.StorageType(), plain):
			return extensions.NewUUIDType()
		case x.ExtensionName() == "arrow.json" && (plain.ID() == arrow.STRING || plain.ID() == arrow.LARGE_STRING):
			if t, err := extensions.NewJSONType(plain); err == nil {
				return t
			}
		case isVariant(x):
			if t, err := extensions.NewVariantType(encodedType(plain, x.StorageType())); err == nil {
				return t
			}
		}
	}
	stored = unwrapped(stored)
	if plain.ID() == arrow.DURATION {
		return arrow.PrimitiveTypes.Int64
	}
	if p, ok := elementOf(plain); ok {
		s, ok := elementOf(stored)
		if !ok {
			s = p
		}
		if plain.ID() == arrow.LARGE_LIST {
			return arrow.LargeListOfField(encodedField(p, s))
		}
		return arrow.ListOfField(encodedField(p, s))
	}
	switch p := plain.(type) {
	case *arrow.MapType:
		s, ok := stored.(*arrow.MapType)
		if !ok {
			s = p
		}
		m := arrow.MapOfFields(encodedField(p.KeyField(), s.KeyField()), encodedField(p.ItemField(), s.ItemField()))
		m.KeysSorted = p.KeysSorted
		return m
	case *arrow.StructType:
		s, ok := stored.(*arrow.StructType)
		if !ok || s.NumFields() != p.NumFields() {
			s = p
		}
		fields := make([]arrow.Field, p.NumFields())
		for i, fd := range p.Fields() {
			fields[i] = encodedField(fd, s.Field(i))
		}
		return arrow.StructOf(fields...)
	}
	return plain
}

// elements names the element of every list "element", as it is called in the Parquet
// schema: some readers look for it by the path that the Arrow schema gives.
func elements(t arrow.DataType) arrow.DataType {
	id := t.ID()
	list := id == arrow.LIST || id == arrow.LARGE_LIST || id == arrow.FIXED_SIZE_LIST
	t, _ = withFields(t, func(fd arrow.Field) arrow.Field {
		fd.Type = elements(fd.Type)
		if list {
			fd.Name = "element"
		}
		return fd
	})
	return t
}

// retyped is the data of an array under another type of the same layout, or as a list of
// another kind, or of decimals as integers. It borrows d; the caller must Release the result.
func retyped(mem memory.Allocator, d arrow.ArrayData, to arrow.DataType) (arrow.ArrayData, error) {
	if fixed, ok := d.DataType().(*arrow.FixedSizeListType); ok {
		if list, ok := to.(*arrow.ListType); ok {
			return listed(mem, d, int64(fixed.Len()), list)
		}
	}
	storage := to
	if x, ok := to.(arrow.ExtensionType); ok {
		storage = x.StorageType()
	}
	if _, decimal := d.DataType().(*arrow.Decimal128Type); decimal && storage.ID() != arrow.DECIMAL128 {
		return narrowed(mem, d, to, storage)
	}
	kinds, ok := storage.(arrow.NestedType)
	if !ok {
		return array.NewData(to, d.Len(), d.Buffers(), d.Children(), d.NullN(), d.Offset()), nil
	}
	fields := kinds.Fields()
	if storage.ID() == arrow.MAP {
		fields = []arrow.Field{{Type: storage.(*arrow.MapType).Elem()}} //nolint:forcetypeassert,errcheck // by its ID
	}
	if len(fields) != len(d.Children()) {
		return nil, fmt.Errorf("%s cannot stand as %s", d.DataType(), to)
	}
	children := make([]arrow.ArrayData, 0, len(fields))
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	for i, c := range d.Children() {
		child, err := retyped(mem, c, fields[i].Type)
		if err != nil {
			return nil, err
		}
		children = append(children, child)
	}
	return array.NewData(to, d.Len(), d.Buffers(), children, d.NullN(), d.Offset()), nil
}

// listed makes a list of one of fixed size: a null has no elements, as arrow-go's encoder
// wants it.
func listed(mem memory.Allocator, d arrow.ArrayData, width int64, to *arrow.ListType) (arrow.ArrayData, error) {
	n, off := int64(d.Len()), int64(d.Offset())
	if n*width > math.MaxInt32 {
		return nil, fmt.Errorf("%d elements are too many for one list column of a batch", n*width)
	}
	offsets, bits := memory.NewResizableBuffer(mem), memory.NewResizableBuffer(mem)
	defer offsets.Release()
	defer bits.Release()
	offsets.Resize(int(n+1) * 4)
	bits.Resize(int(bitutil.BytesForBits(n)))
	memory.Set(bits.Bytes(), 0)
	at := arrow.Int32Traits.CastFromBytes(offsets.Bytes())
	at[0] = 0
	child := array.MakeFromData(d.Children()[0])
	defer child.Release()
	var runs []arrow.Array // of elements of lists that are there
	defer func() {
		for _, r := range runs {
			r.Release()
		}
	}()
	nulls, from := 0, int64(0) // the first list of the run
	run := func(end int64) {
		if end > from {
			runs = append(runs, array.NewSlice(child, (off+from)*width, (off+end)*width))
		}
		from = end + 1
	}
	valid := d.Buffers()[0]
	for i := range n {
		at[i+1] = at[i]
		if d.NullN() != 0 && valid != nil && !bitutil.BitIsSet(valid.Bytes(), int(off+i)) {
			nulls++
			run(i)
			continue
		}
		bitutil.SetBit(bits.Bytes(), int(i))
		at[i+1] += int32(width) //nolint:gosec // bounded above
	}
	run(n)
	if len(runs) == 0 {
		runs = append(runs, array.NewSlice(child, 0, 0))
	}
	kept, err := array.Concatenate(runs, mem)
	if err != nil {
		return nil, err
	}
	defer kept.Release()
	elements, err := retyped(mem, kept.Data(), to.Elem())
	if err != nil {
		return nil, err
	}
	defer elements.Release()
	return array.NewData(to, int(n), []*memory.Buffer{bits, offsets}, []arrow.ArrayData{elements}, nulls, 0), nil
}

// narrowed makes integers of decimals.
func narrowed(mem memory.Allocator, d arrow.ArrayData, to, storage arrow.DataType) (arrow.ArrayData, error) {
	n, off := d.Len(), d.Offset()
	values, bits := memory.NewResizableBuffer(mem), (*memory.Buffer)(nil)
	defer values.Release()
	if valid := d.Buffers()[0]; d.NullN() != 0 && valid != nil {
		bits = memory.NewResizableBuffer(mem)
		defer bits.Release()
		bits.Resize(int(bitutil.BytesForBits(int64(n))))
		bitutil.CopyBitmap(valid.Bytes(), off, n, bits.Bytes(), 0)
	}
	var from []decimal128.Num
	if n > 0 {
		from = arrow.Decimal128Traits.CastFromBytes(d.Buffers()[1].Bytes())[off : off+n]
	}
	wide := storage.ID() == arrow.INT64
	values.Resize(n * storage.(arrow.FixedWidthDataType).Bytes()) //nolint:forcetypeassert,errcheck // integers are
	for i, v := range from {
		if bits != nil && !bitutil.BitIsSet(bits.Bytes(), i) {
			v = decimal128.Num{}
		}
		whole := int64(v.LowBits())                                                  //nolint:gosec // its bits; compared with the whole on the next line
		if v != decimal128.FromI64(whole) || !wide && whole != int64(int32(whole)) { //nolint:gosec // to see whether it fits
			return nil, fmt.Errorf("a value has more digits than %s", d.DataType())
		}
		if wide {
			arrow.Int64Traits.CastFromBytes(values.Bytes())[i] = whole
		} else {
			arrow.Int32Traits.CastFromBytes(values.Bytes())[i] = int32(whole) //nolint:gosec // compared above
		}
	}
	return array.NewData(to, n, []*memory.Buffer{bits, values}, nil, d.NullN(), 0), nil
}

// as is retyped for arrays.
func as(mem memory.Allocator, a arrow.Array, to arrow.DataType) (arrow.Array, error) {
	d, err := retyped(mem, a.Data(), to)
	if err != nil {
		return nil, err
	}
	defer d.Release()
	return array.MakeFromData(d), nil
}

// alike reports that two types have one layout, so that the data of an array of one is that
// of an array of the other: they differ in the names and the metadata of fields inside
// lists and maps, or in what Parquet has no word for.
func alike(a, b arrow.DataType) bool {
	zoned, _ := b.(*arrow.TimestampType)
	switch {
	case arrow.TypeEqual(a, b):
		return true
	case a.ID() == arrow.INT64 && b.ID() == arrow.DURATION, a.ID() == arrow.BINARY && b.ID() == arrow.STRING,
		arrow.TypeEqual(a, arrow.FixedWidthTypes.Timestamp_ns) && zoned != nil && zoned.Unit == arrow.Nanosecond: // of an INT96
		return true
	case a.ID() != b.ID():
		return false
	}
	if x, ok := elementOf(a); ok {
		y, _ := elementOf(b)
		if f, ok := a.(*arrow.FixedSizeListType); ok {
			if g, ok := b.(*arrow.FixedSizeListType); !ok || f.Len() != g.Len() {
				return false
			}
		}
		return alike(x.Type, y.Type)
	}
	switch a := a.(type) {
	case *arrow.MapType:
		b, ok := b.(*arrow.MapType)
		return ok && alike(a.KeyType(), b.KeyType()) && alike(a.ItemType(), b.ItemType())
	case *arrow.StructType:
		b, ok := b.(*arrow.StructType)
		if !ok || a.NumFields() != b.NumFields() {
			return false
		}
		for i, fd := range a.Fields() {
			if fd.Name != b.Field(i).Name || !alike(fd.Type, b.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}
