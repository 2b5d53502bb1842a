package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// structs puts the fields of structs where the structs were: unnest and flatten.
type structs struct {
	kind  string
	reads []string
	in    int // columns of the input
	paths [][]int
	from  []int
	out   *arrow.Schema
}

// Unnest returns the operator that replaces columns of structs by their fields, which keep
// their names. A null struct gives null fields.
func Unnest(in *arrow.Schema, names []string) (Operator, error) {
	return newStructs("unnest", in, names, func(_ []string, f arrow.Field) string { return f.Name }, 1)
}

// Flatten returns the operator that replaces columns of structs by their fields, and
// those by theirs, until none of them is a struct. A field is named by its path, put
// together with the separator: address_city. A null struct gives null fields.
func Flatten(in *arrow.Schema, names []string, separator string) (Operator, error) {
	name := func(path []string, f arrow.Field) string {
		return strings.Join(append(slices.Clone(path), f.Name), separator)
	}
	return newStructs("flatten", in, names, name, -1)
}

// newStructs goes down depth levels; to the end when it is negative.
func newStructs(kind string, in *arrow.Schema, names []string, name func(path []string, f arrow.Field) string, depth int) (Operator, error) {
	s := &structs{kind: kind, in: in.NumFields()}
	var open []int
	for _, n := range names {
		at, err := Column(in, n)
		if err != nil {
			return nil, err
		}
		t, ok := in.Field(at).Type.(*arrow.StructType)
		switch {
		case slices.Contains(open, at):
			return nil, &ColumnError{Column: n, Msg: "is there twice", Hint: "name each column once"}
		case !ok:
			return nil, &ColumnError{Column: n, Msg: fmt.Sprintf("is %s, not a struct", in.Field(at).Type), Hint: "name columns of structs"}
		case t.NumFields() == 0:
			return nil, &ColumnError{Column: n, Msg: "is a struct without fields", Hint: "drop it"}
		}
		open, s.reads = append(open, at), append(s.reads, n)
	}
	var fields []arrow.Field
	var down func(f arrow.Field, path []int, over []string, null bool, depth int)
	down = func(f arrow.Field, path []int, over []string, null bool, depth int) {
		t, ok := f.Type.(*arrow.StructType)
		if !ok || depth == 0 || t.NumFields() == 0 {
			f.Name = name(over, f)
			f.Nullable = f.Nullable || null
			fields, s.paths, s.from = append(fields, f), append(s.paths, path), append(s.from, -1)
			return
		}
		for i, child := range t.Fields() {
			down(child, append(slices.Clone(path), i), append(slices.Clone(over), f.Name), null || f.Nullable, depth-1)
		}
	}
	for i, f := range in.Fields() {
		if slices.Contains(open, i) {
			down(f, []int{i}, nil, false, depth)
			continue
		}
		fields, s.paths, s.from = append(fields, f), append(s.paths, []int{i}), append(s.from, i)
	}
	s.out = arrow.NewSchema(fields, nil)
	for _, f := range fields {
		if len(s.out.FieldIndices(f.Name)) == 1 {
			continue
		}
		hint := "rename or drop the other column first"
		if kind == "unnest" {
			hint += ", or use flatten, which puts the struct's name in front"
		}
		return nil, &ColumnError{Column: f.Name, Msg: "would be there twice", Hint: hint}
	}
	return s, nil
}

func (s *structs) Kind() string       { return s.kind }
func (s *structs) Out() *arrow.Schema { return s.out }
func (s *structs) From() []int        { return s.from }

// Reads implements [Reader].
func (s *structs) Reads() []string { return s.reads }

func (s *structs) Apply(_ context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	if int(in.NumCols()) != s.in {
		return Result{}, fmt.Errorf("%w: %d columns where %d were expected", ErrSchema, in.NumCols(), s.in)
	}
	cols := make([]arrow.Array, len(s.paths))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, path := range s.paths {
		col, err := descend(mem, in.Column(path[0]), path[1:])
		if err != nil {
			return Result{}, fmt.Errorf("column %q: %w", in.ColumnName(path[0]), err)
		}
		cols[i] = col
		if !arrow.TypeEqual(col.DataType(), s.out.Field(i).Type) {
			return Result{}, fmt.Errorf("%w: column %q is %s where %s was expected", ErrSchema, s.out.Field(i).Name, col.DataType(), s.out.Field(i).Type)
		}
	}
	return Result{Batch: array.NewRecordBatch(s.out, cols, in.NumRows())}, nil
}

// descend is the field of a struct at a path, null where one of the structs on the way
// is. The caller must Release it.
func descend(mem memory.Allocator, col arrow.Array, path []int) (arrow.Array, error) {
	col.Retain()
	for _, i := range path {
		s, ok := col.(*array.Struct)
		if !ok || i >= s.NumField() {
			err := fmt.Errorf("%w: %s where a struct was expected", ErrSchema, col.DataType())
			col.Release()
			return nil, err
		}
		child := under(mem, s, s.Field(i))
		col.Release()
		col = child
	}
	return col, nil
}

// under is a field of a struct, null where the struct is. The caller must Release it.
func under(mem memory.Allocator, s *array.Struct, field arrow.Array) arrow.Array {
	data, n := field.Data(), field.Len()
	over := s.Data().Buffers()[0]
	if over == nil || over.Len() == 0 || s.Data().NullN() == 0 || data.DataType().ID() == arrow.NULL {
		field.Retain()
		return field
	}
	// The field's offset is kept, so that all other buffers fit.
	b := memory.NewResizableBuffer(mem)
	defer b.Release()
	b.Resize(int(bitutil.BytesForBits(int64(data.Offset() + n))))
	clear(b.Bytes())
	if own := data.Buffers()[0]; own != nil && own.Len() > 0 {
		bitutil.BitmapAnd(over.Bytes(), own.Bytes(), int64(s.Data().Offset()), int64(data.Offset()), b.Bytes(), int64(data.Offset()), int64(n))
	} else {
		bitutil.CopyBitmap(over.Bytes(), s.Data().Offset(), n, b.Bytes(), data.Offset())
	}
	buffers := slices.Clone(data.Buffers())
	buffers[0] = b
	nulls := n - bitutil.CountSetBits(b.Bytes(), data.Offset(), n)
	var merged *array.Data
	if dict := data.Dictionary(); data.DataType().ID() == arrow.DICTIONARY && dict != nil {
		d, ok := dict.(*array.Data)
		if !ok {
			panic("a dictionary of another package")
		}
		merged = array.NewDataWithDictionary(data.DataType(), n, buffers, nulls, data.Offset(), d)
	} else {
		merged = array.NewData(data.DataType(), n, buffers, data.Children(), nulls, data.Offset())
	}
	defer merged.Release()
	return array.MakeFromData(merged)
}
