package operator

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Fill is the value that stands for null in a column.
type Fill struct {
	Column string
	Value  string // as a cast from string reads it
}

// fillNull puts values in the place of nulls.
type fillNull struct {
	fills  []Fill
	at     []int
	values []arrow.Array // of one row each
	from   []int
	in     *arrow.Schema
	out    *arrow.Schema
}

// FillNull returns the operator that puts a value in the place of each null of a column,
// which is then not nullable any more. One without nulls by its schema stays as it is.
func FillNull(in *arrow.Schema, fills []Fill) (Operator, error) {
	f := &fillNull{fills: fills, in: in, from: identity(in.NumFields())}
	fields := slices.Clone(in.Fields())
	for _, fill := range fills {
		at, err := Column(in, fill.Column)
		if err != nil {
			return nil, err
		}
		if slices.Contains(f.at, at) {
			return nil, &ColumnError{Column: fill.Column, Msg: "is filled twice", Hint: "name each column once"}
		}
		value, err := fillValue(in.Field(at), fill.Value)
		if err != nil {
			return nil, err
		}
		f.at, f.values = append(f.at, at), append(f.values, value)
		if fields[at].Nullable {
			fields[at].Nullable, f.from[at] = false, -1
		}
	}
	f.out = arrow.NewSchema(fields, nil)
	return f, nil
}

// fillValue is a text as a value of a column.
func fillValue(f arrow.Field, text string) (arrow.Array, error) {
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	b.Append(text)
	s := b.NewArray()
	if f.Type.ID() == arrow.STRING {
		return s, nil
	}
	defer s.Release()
	v, bad, err := castArray(memory.DefaultAllocator, s, f.Type)
	switch {
	case err != nil:
		return nil, &ColumnError{Column: f.Name, Msg: fmt.Sprintf("is %s, for which no value can be written", f.Type), Hint: "fill it with an expression: with: { " + f.Name + ": \"coalesce(...)\" }"}
	case len(bad) > 0:
		v.Release()
		return nil, &ColumnError{Column: f.Name, Msg: fmt.Sprintf("is %s, which %q is not", f.Type, text), Hint: "write a value of its type"}
	}
	return v, nil
}

func (f *fillNull) Kind() string       { return "fill_null" }
func (f *fillNull) Out() *arrow.Schema { return f.out }
func (f *fillNull) From() []int        { return f.from }

// Reads implements [Reader].
func (f *fillNull) Reads() []string {
	var names []string
	for i, at := range f.at {
		if f.from[at] < 0 {
			names = append(names, f.fills[i].Column)
		}
	}
	return names
}

func (f *fillNull) Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	if int(in.NumCols()) != f.in.NumFields() {
		return Result{}, fmt.Errorf("%w: %d columns where %d were expected", ErrSchema, in.NumCols(), f.in.NumFields())
	}
	cols := slices.Clone(in.Columns())
	var made []arrow.Array
	defer func() {
		for _, m := range made {
			m.Release()
		}
	}()
	for i, at := range f.at {
		if f.from[at] >= 0 {
			continue
		}
		if !arrow.TypeEqual(cols[at].DataType(), f.in.Field(at).Type) {
			return Result{}, fmt.Errorf("%w: column %q is %s where %s was expected", ErrSchema, f.fills[i].Column, cols[at].DataType(), f.in.Field(at).Type)
		}
		filled, err := fill(ctx, mem, cols[at], f.values[i])
		if err != nil {
			return Result{}, fmt.Errorf("column %q: %w", f.fills[i].Column, err)
		}
		made = append(made, filled)
		cols[at] = filled
	}
	return Result{Batch: array.NewRecordBatch(f.out, cols, in.NumRows())}, nil
}

// fill is a column with a value, of one row, in the place of its nulls. The caller must
// Release it.
func fill(ctx context.Context, mem memory.Allocator, col, value arrow.Array) (arrow.Array, error) {
	nulls := nullsOf(col)
	if nulls == 0 {
		col.Retain()
		return col, nil
	}
	if width := fixedBytes(col.DataType()); width > 0 {
		return fillFixed(mem, col, value, width), nil
	}
	both, err := array.Concatenate([]arrow.Array{col, value}, mem)
	if err != nil {
		return nil, err
	}
	defer both.Release()
	rows := array.NewUint32Builder(mem)
	defer rows.Release()
	rows.Reserve(col.Len())
	for i := range col.Len() {
		row := i
		if col.IsNull(i) {
			row = col.Len()
		}
		rows.Append(uint32(row))
	}
	idx := rows.NewUint32Array()
	defer idx.Release()
	return compute.TakeArrayOpts(compute.WithAllocator(ctx, mem), both, idx, compute.TakeOptions{BoundsCheck: false})
}

// nullsOf counts the nulls of a column. Array.NullN would count once and write that
// down: a race with whoever shares the batch.
func nullsOf(col arrow.Array) int {
	data := col.Data()
	b := data.Buffers()[0]
	if b == nil || b.Len() == 0 || data.NullN() == 0 {
		return 0
	}
	return col.Len() - bitutil.CountSetBits(b.Bytes(), data.Offset(), col.Len())
}

// fixedBytes is the width of values that are whole bytes; 0 for others.
func fixedBytes(t arrow.DataType) int {
	fixed, ok := t.(arrow.FixedWidthDataType)
	if !ok || fixed.BitWidth()%8 != 0 || t.ID() == arrow.DICTIONARY {
		return 0
	}
	return fixed.BitWidth() / 8
}

// fillFixed is fill for values of a fixed number of bytes.
func fillFixed(mem memory.Allocator, col, value arrow.Array, width int) arrow.Array {
	n := col.Len()
	b := memory.NewResizableBuffer(mem)
	defer b.Release()
	b.Resize(n * width)
	out := b.Bytes()
	from := col.Data().Offset() * width
	copy(out, col.Data().Buffers()[1].Bytes()[from:from+n*width])
	v := value.Data().Buffers()[1].Bytes()[:width]
	for i := range n {
		if col.IsNull(i) {
			copy(out[i*width:], v)
		}
	}
	data := array.NewData(col.DataType(), n, []*memory.Buffer{nil, b}, nil, 0, 0)
	defer data.Release()
	return array.MakeFromData(data)
}
