package operator

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// Computed is one column of a with: its name and its value.
type Computed struct {
	Name    string
	Program *expr.Program
}

// with adds computed columns, or replaces those of the same name in their place.
// All of them see the columns that came in. A row in which one fails is a failed
// row, named by the first column that failed.
type with struct {
	cols  []Computed
	place []int // in out, of each
	out   *arrow.Schema
	kept  []int // for each column of out: the input's column, or -1
}

// With returns the operator; programs are compiled against the schema in.
func With(in *arrow.Schema, cols []Computed) (Operator, error) {
	w := &with{cols: cols}
	fields := slices.Clone(in.Fields())
	for i := range fields {
		w.kept = append(w.kept, i)
	}
	for i, c := range cols {
		if slices.ContainsFunc(cols[:i], func(o Computed) bool { return o.Name == c.Name }) {
			return nil, &ColumnError{Column: c.Name, Msg: "is computed twice", Hint: "use a second with for the second step"}
		}
		f := arrow.Field{Name: c.Name, Type: c.Program.Type(), Nullable: c.Program.Nullable()}
		at := slices.IndexFunc(fields, func(f arrow.Field) bool { return f.Name == c.Name })
		if at < 0 {
			at = len(fields)
			fields, w.kept = append(fields, f), append(w.kept, -1)
		}
		fields[at], w.kept[at] = f, -1
		w.place = append(w.place, at)
	}
	w.out = arrow.NewSchema(fields, nil)
	return w, nil
}

func (w *with) Kind() string       { return "with" }
func (w *with) Out() *arrow.Schema { return w.out }
func (w *with) From() []int        { return w.kept }

// Reads implements [Reader].
func (w *with) Reads() []string {
	var names []string
	for _, c := range w.cols {
		names = append(names, c.Program.Columns()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (w *with) Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	cols := make([]arrow.Array, w.out.NumFields())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, k := range w.kept {
		if k >= 0 {
			cols[i] = in.Column(k)
			cols[i].Retain()
		}
	}
	var failed []RowError
	for i, c := range w.cols {
		vals, errs, err := c.Program.Eval(ctx, mem, in)
		if err != nil {
			return Result{}, err
		}
		cols[w.place[i]] = vals
		failed = append(failed, rowErrors(c.Name, errs)...)
	}
	whole := array.NewRecordBatch(w.out, cols, in.NumRows())
	defer whole.Release()
	return leaveOut(ctx, mem, whole, failed)
}
