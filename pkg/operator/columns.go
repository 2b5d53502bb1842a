package operator

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// columns rearranges columns without touching a row: select, drop and rename.
type columns struct {
	kind string
	in   int // columns of the input
	pick []int
	out  *arrow.Schema
}

// Select returns the operator that keeps the named columns, in that order.
func Select(in *arrow.Schema, names []string) (Operator, error) {
	c := &columns{kind: "select", in: in.NumFields()}
	fields := make([]arrow.Field, 0, len(names))
	selected := make([]bool, in.NumFields())
	for _, name := range names {
		i, err := Column(in, name)
		if err != nil {
			return nil, err
		}
		if selected[i] {
			return nil, &ColumnError{Column: name, Msg: "is selected twice", Hint: "name each column once"}
		}
		selected[i] = true
		c.pick = append(c.pick, i)
		fields = append(fields, in.Field(i))
	}
	if len(fields) == 0 {
		return nil, &ColumnError{Msg: "no column is selected", Hint: "name at least one"}
	}
	c.out = arrow.NewSchema(fields, nil)
	return c, nil
}

// Pick returns an operator of the given kind that keeps the columns at the given places,
// which are of the schema in; it may keep none.
func Pick(kind string, in *arrow.Schema, places []int) Operator {
	c := &columns{kind: kind, in: in.NumFields(), pick: places}
	fields := make([]arrow.Field, len(places))
	for i, p := range places {
		fields[i] = in.Field(p)
	}
	c.out = arrow.NewSchema(fields, nil)
	return c
}

// Remove returns the operator `drop`, which leaves the named columns out.
func Remove(in *arrow.Schema, names []string) (Operator, error) {
	gone := make([]bool, in.NumFields())
	for _, name := range names {
		i, err := Column(in, name)
		if err != nil {
			return nil, err
		}
		if gone[i] {
			return nil, &ColumnError{Column: name, Msg: "is dropped twice", Hint: "name each column once"}
		}
		gone[i] = true
	}
	c := &columns{kind: "drop", in: in.NumFields()}
	var fields []arrow.Field
	for i, f := range in.Fields() {
		if !gone[i] {
			c.pick = append(c.pick, i)
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return nil, &ColumnError{Msg: "no column is left", Hint: "keep at least one"}
	}
	c.out = arrow.NewSchema(fields, nil)
	return c, nil
}

// Rename returns the operator that gives columns other names, old to new. Names
// may be swapped.
func Rename(in *arrow.Schema, names map[string]string) (Operator, error) {
	c := &columns{kind: "rename", in: in.NumFields()}
	fields := slices.Clone(in.Fields())
	for old, name := range names {
		i, err := Column(in, old)
		if err != nil {
			return nil, err
		}
		fields[i].Name = name
	}
	c.out = arrow.NewSchema(fields, nil)
	for i, f := range fields {
		c.pick = append(c.pick, i)
		if len(c.out.FieldIndices(f.Name)) > 1 {
			return nil, &ColumnError{Column: f.Name, Msg: "would be there twice", Hint: "choose another name, or drop the other column first"}
		}
	}
	return c, nil
}

func (c *columns) Kind() string       { return c.kind }
func (c *columns) Out() *arrow.Schema { return c.out }
func (c *columns) From() []int        { return c.pick }

func (c *columns) Apply(_ context.Context, _ memory.Allocator, in arrow.RecordBatch) (Result, error) {
	if int(in.NumCols()) != c.in {
		return Result{}, fmt.Errorf("%w: %d columns where %d were expected", ErrSchema, in.NumCols(), c.in)
	}
	cols := make([]arrow.Array, len(c.pick))
	for i, p := range c.pick {
		cols[i] = in.Column(p)
		if !arrow.TypeEqual(cols[i].DataType(), c.out.Field(i).Type) {
			return Result{}, fmt.Errorf("%w: column %q is %s where %s was expected", ErrSchema, in.ColumnName(p), cols[i].DataType(), c.out.Field(i).Type)
		}
	}
	return Result{Batch: array.NewRecordBatch(c.out, cols, in.NumRows())}, nil
}

// ColumnError says that a column named in a spec cannot be used.
type ColumnError struct {
	Column string // as it was named; "" when no single one is concerned
	Msg    string
	Hint   string
}

func (e *ColumnError) Error() string {
	s := e.Msg
	if e.Column != "" {
		s = fmt.Sprintf("column %q %s", e.Column, e.Msg)
	}
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

// Column returns the place of the column of that name. The error is a
// [*ColumnError] when there is none, or more than one.
func Column(s *arrow.Schema, name string) (int, error) {
	switch idx := s.FieldIndices(name); len(idx) {
	case 1:
		return idx[0], nil
	case 0:
		return 0, &ColumnError{Column: name, Msg: "does not exist here"}
	default:
		return 0, &ColumnError{Column: name, Msg: "is there more than once", Hint: "rename one of them at the source"}
	}
}
