package operator

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// CastColumn is one column of a cast.
type CastColumn struct {
	Name string
	To   arrow.DataType
	Null bool // a value that To cannot hold becomes null; otherwise its row fails
}

// casting gives columns other types, in their places.
type casting struct {
	cols []CastColumn
	at   []int // in the schema, of each
	from []int
	in   *arrow.Schema
	out  *arrow.Schema
}

// Cast returns the operator that gives columns other types; null stays null. What becomes
// of a value, docs/pipeline.md says. A row in which one has no value of the new type is a
// failed row ([expr.ErrCast]), named by the first such column. The error is a
// [*ColumnError] for a column that is not there, and for types between which there is no
// cast.
func Cast(in *arrow.Schema, cols []CastColumn) (Operator, error) {
	c := &casting{cols: cols, in: in, from: identity(in.NumFields())}
	fields := slices.Clone(in.Fields())
	for i, col := range cols {
		at, err := Column(in, col.Name)
		if err != nil {
			return nil, err
		}
		if slices.Contains(c.at, at) {
			return nil, &ColumnError{Column: col.Name, Msg: "is cast twice", Hint: "name each column once"}
		}
		c.at = append(c.at, at)
		f := &fields[at]
		if arrow.TypeEqual(f.Type, col.To) {
			continue
		}
		if !castable(f.Type, col.To) {
			return nil, &ColumnError{Column: col.Name, Msg: fmt.Sprintf("is %s, which cannot become %s", f.Type, col.To), Hint: "make it with an expression first"}
		}
		f.Type, f.Nullable = col.To, f.Nullable || cols[i].Null
		c.from[at] = -1
	}
	c.out = arrow.NewSchema(fields, nil)
	return c, nil
}

func (c *casting) Kind() string       { return "cast" }
func (c *casting) Out() *arrow.Schema { return c.out }
func (c *casting) From() []int        { return c.from }

// Reads implements [Reader].
func (c *casting) Reads() []string {
	var names []string
	for i, at := range c.at {
		if c.from[at] < 0 {
			names = append(names, c.cols[i].Name)
		}
	}
	return names
}

func (c *casting) Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	if int(in.NumCols()) != c.in.NumFields() {
		return Result{}, fmt.Errorf("%w: %d columns where %d were expected", ErrSchema, in.NumCols(), c.in.NumFields())
	}
	cols := slices.Clone(in.Columns())
	var made []arrow.Array
	defer func() {
		for _, m := range made {
			m.Release()
		}
	}()
	var failed []RowError
	for i, col := range c.cols {
		at := c.at[i]
		if !arrow.TypeEqual(cols[at].DataType(), c.in.Field(at).Type) {
			return Result{}, fmt.Errorf("%w: column %q is %s where %s was expected", ErrSchema, col.Name, cols[at].DataType(), c.in.Field(at).Type)
		}
		if c.from[at] >= 0 {
			continue
		}
		vals, bad, err := castArray(mem, cols[at], col.To)
		if err != nil {
			return Result{}, fmt.Errorf("column %q: %w", col.Name, err)
		}
		made = append(made, vals)
		cols[at] = vals
		if !col.Null {
			for _, row := range bad {
				failed = append(failed, RowError{Row: row, Column: col.Name, Err: expr.ErrCast})
			}
		}
	}
	whole := array.NewRecordBatch(c.out, cols, in.NumRows())
	defer whole.Release()
	return leaveOut(ctx, mem, whole, failed)
}

// castable reports that there is a cast between two types.
func castable(from, to arrow.DataType) bool {
	col := array.MakeArrayOfNull(memory.DefaultAllocator, from, 0)
	defer col.Release()
	out, _, err := castArray(memory.DefaultAllocator, col, to)
	if err != nil {
		return false
	}
	out.Release()
	return true
}

// castArray gives a column another type, and says which rows have no value of it; they
// are null. It borrows col; the caller must Release the result.
func castArray(mem memory.Allocator, col arrow.Array, to arrow.DataType) (arrow.Array, []int, error) {
	src, ok := castSource(col)
	if ok {
		b := array.NewBuilder(mem, to)
		defer b.Release()
		b.Reserve(col.Len())
		if bad, ok := castInto(b, to, src, col); ok {
			return b.NewArray(), bad, nil
		}
	}
	return nil, nil, fmt.Errorf("%w: no cast from %s to %s", ErrSchema, col.DataType(), to)
}

// castInto appends all rows of a column to a builder; false when it knows no way.
func castInto(b array.Builder, to arrow.DataType, src *castFrom, col arrow.Array) (bad []int, ok bool) {
	cast := castsTo[to.ID()]
	if cast == nil {
		return nil, false
	}
	return cast(b, to, src, col)
}

// castsTo has the types that a cast can make.
var castsTo = map[arrow.Type]castTo{
	arrow.INT8:         castTyped[*array.Int8Builder](toSigned[int8]),
	arrow.INT16:        castTyped[*array.Int16Builder](toSigned[int16]),
	arrow.INT32:        castTyped[*array.Int32Builder](toSigned[int32]),
	arrow.INT64:        castTyped[*array.Int64Builder](toSigned[int64]),
	arrow.UINT8:        castTyped[*array.Uint8Builder](toUnsigned[uint8]),
	arrow.UINT16:       castTyped[*array.Uint16Builder](toUnsigned[uint16]),
	arrow.UINT32:       castTyped[*array.Uint32Builder](toUnsigned[uint32]),
	arrow.UINT64:       castTyped[*array.Uint64Builder](toUnsigned[uint64]),
	arrow.FLOAT32:      castTyped[*array.Float32Builder](toFloat32),
	arrow.FLOAT64:      castTyped[*array.Float64Builder](toFloat64),
	arrow.BOOL:         castTyped[*array.BooleanBuilder](toBool),
	arrow.STRING:       castTyped[*array.StringBuilder](toText),
	arrow.LARGE_STRING: castTyped[*array.LargeStringBuilder](toText),
	arrow.BINARY:       castBytes,
	arrow.LARGE_BINARY: castBytes,
	arrow.DATE32:       castTyped[*array.Date32Builder](toDate),
	arrow.TIMESTAMP: func(b array.Builder, to arrow.DataType, src *castFrom, col arrow.Array) ([]int, bool) {
		return castTyped[*array.TimestampBuilder](func(src *castFrom) func(int) (arrow.Timestamp, bool) {
			return toTime(src, to.(*arrow.TimestampType).Unit) //nolint:errcheck // by its id
		})(b, to, src, col)
	},
	arrow.DECIMAL128: func(b array.Builder, to arrow.DataType, src *castFrom, col arrow.Array) ([]int, bool) {
		t := to.(*arrow.Decimal128Type) //nolint:errcheck // by its id
		return castTyped[*array.Decimal128Builder](func(src *castFrom) func(int) (decimal128.Num, bool) {
			return toDecimal(src, t.Precision, t.Scale)
		})(b, to, src, col)
	},
}

// castTo appends all rows of a column to a builder of one type.
type castTo func(b array.Builder, to arrow.DataType, src *castFrom, col arrow.Array) (bad []int, ok bool)

func castTyped[B interface{ Append(v T) }, T any](converter func(src *castFrom) func(i int) (T, bool)) castTo {
	return func(b array.Builder, _ arrow.DataType, src *castFrom, col arrow.Array) ([]int, bool) {
		return castEach(b, col, converter(src), b.(B).Append) //nolint:errcheck // by its type
	}
}

func castBytes(b array.Builder, _ arrow.DataType, src *castFrom, col arrow.Array) ([]int, bool) {
	return castEach(b, col, toBytes(src), b.(*array.BinaryBuilder).AppendString) //nolint:errcheck // large ones too
}

// castEach appends the rows of a column, and returns those without a value. false when
// there is no conversion.
func castEach[T any](b array.Builder, col arrow.Array, convert func(i int) (T, bool), appendValue func(T)) (bad []int, ok bool) {
	if convert == nil {
		return nil, false
	}
	for i := range col.Len() {
		if col.IsNull(i) {
			b.AppendNull()
			continue
		}
		v, ok := convert(i)
		if !ok {
			b.AppendNull()
			bad = append(bad, i)
			continue
		}
		appendValue(v)
	}
	return bad, true
}
