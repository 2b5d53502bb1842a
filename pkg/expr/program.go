package expr

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Program is a compiled expression. It is immutable: any number of goroutines
// may use one at the same time.
type Program struct {
	src      string
	kind     kind
	nullable bool
	root     node       // nil for something nested
	nested   nestedNode // nil for something plain
	typ      arrow.DataType
	columns  []*column
	names    []string
	shape    shape
	placed   bool
	frames   sync.Pool
}

// Compile parses and type-checks src against the columns of schema. What it
// refuses, it refuses with Errors.
func Compile(src string, schema *arrow.Schema) (*Program, error) {
	return compile(src, schema, nil)
}

// Check says what is wrong with src, for one who does not know of all columns whether they
// are there and of what type: of unknown ones anything may be. The error is Errors; nil
// does not mean that src compiles.
func Check(src string, schema *arrow.Schema, unknown ...string) error {
	_, err := compile(src, schema, unknown)
	return err
}

func compile(src string, schema *arrow.Schema, unknown []string) (*Program, error) {
	r, err := read(theLanguage(), src, schema, unknown)
	if err != nil {
		return nil, err
	}
	c := &compiler{reading: r}
	for _, col := range r.columns {
		s := col.kind.storage()
		if col.aliased() || col.kind == kindInvalid {
			s = storeNone
		}
		col.register = len(c.registers)
		c.registers = append(c.registers, s)
	}
	p := &Program{src: src, columns: r.columns}
	whole := p.compile(c, r)
	if len(r.errs) > 0 {
		return nil, r.errs.inOrder()
	}
	if !whole {
		return nil, nil //nolint:nilnil // for Check alone: the unknown is in it
	}
	p.shape, p.placed = c.shape(len(r.columns)), c.placed
	for _, col := range r.columns {
		p.names = append(p.names, col.name)
	}
	slices.Sort(p.names)
	return p, nil
}

// compile makes the nodes; false if something of the expression is not known.
func (p *Program) compile(c *compiler, r *reading) bool {
	if r.nested == nil {
		root := c.compile(r.tree.Expr())
		if root.broken {
			return false
		}
		root = c.spread(root)
		p.kind, p.nullable, p.root, p.typ = root.kind, root.nullable, root.node, root.kind.arrowType()
		if root.kind == kindDecimal {
			p.typ = root.digits.arrowType()
		}
		return true
	}
	args, fit := c.accessOperands(r.nested)
	if !fit {
		return false
	}
	var problem *problem
	p.nested, problem = r.nested.nested(c, args)
	r.report(problem)
	p.nullable, p.typ = r.nested.nullable, r.nested.typ
	return true
}

// Type is the Arrow type of what Eval returns: int64, float64, utf8, binary, bool,
// timestamp[us, UTC], duration[us] or decimal128; for a
// struct, a list or a map as a whole, the type that it has.
func (p *Program) Type() arrow.DataType { return p.typ }

// Nullable says whether the expression can be null in a row that has not
// failed, going by the columns that the schema says can be null.
func (p *Program) Nullable() bool { return p.nullable }

// Columns names the columns that the expression reads: sorted, each once.
func (p *Program) Columns() []string { return slices.Clone(p.names) }

// NeedsRows says whether Eval must know which rows of the source it is given, by WithRows.
func (p *Program) NeedsRows() bool { return p.placed }

// String returns the source of the expression.
func (p *Program) String() string { return p.src }

// Eval computes the expression for every row of in. It borrows in for the
// call; the caller must Release the result, which may share the memory of a
// column of in. A row in which the expression fails is null in the result and
// has an entry in the row errors, which are ascending by row, one a row. The
// error is for the whole batch: the context ended, the batch is not of the
// schema (ErrSchema), its place is needed and not known (ErrNoRows), or its strings grow too large (ErrTooLarge).
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
	if p.placed {
		if f.rows = RowsOf(ctx); f.rows == nil {
			return nil, nil, ErrNoRows
		}
	}
	f.mem = mem
	f.take = func(values, at arrow.Array) (arrow.Array, error) {
		return compute.TakeArrayOpts(compute.WithAllocator(ctx, mem), values, at, compute.TakeOptions{BoundsCheck: false})
	}
	for i, c := range p.columns {
		f.columns[i].bind(in.Column(c.index))
	}
	rows := int(in.NumRows())
	if p.nested != nil {
		return p.evalNested(ctx, f, rows)
	}
	out := newResult(mem, p.kind, p.typ, rows)
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

// evalNested is Eval for something nested.
func (p *Program) evalNested(ctx context.Context, f *frame, rows int) (arrow.Array, []RowError, error) {
	var parts []arrow.Array
	defer func() {
		for _, a := range parts {
			a.Release()
		}
	}()
	for lo := 0; lo < rows; lo += chunkRows {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		f.begin(lo, min(chunkRows, rows-lo))
		before := len(f.errs)
		a := p.nested.array(f, &f.active)
		if f.err != nil {
			return nil, nil, fmt.Errorf("rows %d to %d: %w", lo, lo+f.n-1, f.err)
		}
		f.sortErrors(before)
		if f.failed.empty() {
			a.Retain()
		} else {
			a = without(a, &f.failed)
		}
		parts = append(parts, a)
	}
	if len(parts) == 0 {
		b := array.NewBuilder(f.mem, p.typ)
		defer b.Release()
		return b.NewArray(), nil, nil
	}
	all, err := array.Concatenate(parts, f.mem)
	return all, f.errs, err
}

// without is the array with nulls in the rows that have failed. The caller must Release it.
func without(a arrow.Array, failed *mask) arrow.Array {
	offset := a.Data().Offset()
	bitmap := make([]byte, bitutil.BytesForBits(int64(offset+a.Len())))
	for i := range a.Len() {
		if a.IsValid(i) && !failed.has(i) {
			bitutil.SetBit(bitmap, offset+i)
		}
	}
	return withValidity(a.Data(), bitmap)
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
	return newFrame(p.shape)
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
