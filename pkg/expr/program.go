package expr

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Program is a compiled expression. It is immutable: any number of goroutines
// may use one at the same time.
type Program struct {
	src       string
	kind      kind
	nullable  bool
	root      node
	columns   []*column
	names     []string
	registers []storage
	masks     int
	frames    sync.Pool
}

// Compile parses and type-checks src against the columns of schema. What it
// refuses, it refuses with an *Error.
func Compile(src string, schema *arrow.Schema) (*Program, error) {
	r, err := read(theLanguage(), src, schema)
	if err != nil {
		return nil, err
	}
	c := &compiler{reading: r}
	for _, col := range r.columns {
		s := col.kind.storage()
		if col.aliased() {
			s = storeNone
		}
		col.register = len(c.registers)
		c.registers = append(c.registers, s)
	}
	root, problem := c.compile(r.tree.Expr())
	if problem != nil {
		return nil, r.error(problem)
	}
	root = c.spread(root)
	p := &Program{
		src: src, kind: root.kind, nullable: root.nullable, root: root.node,
		columns: r.columns, registers: c.registers, masks: c.masks,
	}
	for _, col := range r.columns {
		p.names = append(p.names, col.name)
	}
	slices.Sort(p.names)
	return p, nil
}

// Type is the Arrow type of what Eval returns: int64, float64, utf8, binary, bool,
// timestamp[us, UTC] or duration[us].
func (p *Program) Type() arrow.DataType { return p.kind.arrowType() }

// Nullable says whether the expression can be null in a row that has not
// failed, going by the columns that the schema says can be null.
func (p *Program) Nullable() bool { return p.nullable }

// Columns names the columns that the expression reads: sorted, each once.
func (p *Program) Columns() []string { return slices.Clone(p.names) }

// String returns the source of the expression.
func (p *Program) String() string { return p.src }

// Eval computes the expression for every row of in. It borrows in for the
// call; the caller must Release the result, which may share the memory of a
// column of in. A row in which the expression fails is null in the result and
// has an entry in the row errors, which are ascending by row, one a row. The
// error is for the whole batch: the context ended, the batch is not of the
// schema (ErrSchema), or its strings grow too large (ErrTooLarge).
func (p *Program) Eval(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (arrow.Array, []RowError, error) {
	if err := p.match(in.Schema()); err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if c, ok := p.root.(*columnNode); ok && arrow.TypeEqual(c.column.typ, p.Type()) {
		a := in.Column(c.column.index)
		a.Retain()
		return a, nil, nil
	}
	f := p.frame()
	defer p.idle(f)
	for i, c := range p.columns {
		f.columns[i].bind(in.Column(c.index))
	}
	rows := int(in.NumRows())
	out := newResult(mem, p.kind, rows)
	defer out.release()
	for lo := 0; lo < rows; lo += chunkRows {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		f.begin(lo, min(chunkRows, rows-lo))
		before := len(f.errs)
		v := p.root.eval(f, &f.active)
		err := f.err
		if err == nil {
			f.sortErrors(before)
			err = out.append(v, &f.failed, lo, f.n)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("rows %d to %d: %w", lo, lo+f.n-1, err)
		}
	}
	return out.array(), f.errs, nil
}

// match says whether batches of the schema have the columns of the expression.
func (p *Program) match(schema *arrow.Schema) error {
	for _, c := range p.columns {
		if c.index >= schema.NumFields() || schema.Field(c.index).Name != c.name {
			return fmt.Errorf("column %q: %w: it is not column number %d", c.name, ErrSchema, c.index)
		}
		if got := schema.Field(c.index).Type; !arrow.TypeEqual(got, c.typ) {
			return fmt.Errorf("column %q: %w: it is %s, and was %s", c.name, ErrSchema, got, c.typ)
		}
	}
	return nil
}

func (p *Program) frame() *frame {
	if f, ok := p.frames.Get().(*frame); ok {
		return f
	}
	return newFrame(p.registers, p.masks, len(p.columns))
}

// idle keeps the frame for the next evaluation. After a panic in the evaluation
// it does so too: forget leaves nothing behind.
func (p *Program) idle(f *frame) {
	f.forget()
	for _, c := range p.columns {
		if c.aliased() {
			f.registers[c.register].ints, f.registers[c.register].floats = nil, nil
		}
	}
	p.frames.Put(f)
}
