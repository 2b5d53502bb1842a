package operator

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// MaskMethod is a way to hide a value: [SHA256], [KeepLast]. Each is a file of this
// package.
type MaskMethod interface {
	// name is the method's in a spec.
	name() string

	// check reports settings that are out of bounds.
	check() error

	// takes says whether the method masks columns of the type, and takenText which it
	// does, for a person. Only strings and binary can be asked for.
	takes(t arrow.DataType) bool
	takenText() string

	// size bounds the bytes of the masked values of a column.
	size(t *texts) int64

	// fill writes the masked value of every row that is not null to out, which has at
	// least size bytes, without gaps, and where each row begins to offsets, which has
	// one element more than there are rows; a null row is empty. It returns how many
	// bytes of out there are. Nothing of the value of a null row, which an array may
	// hold, goes to out.
	fill(t *texts, offsets []int32, out []byte) int
}

// texts are the values of a column: row i is data[offsets[i]:offsets[i+1]].
type texts struct {
	data    []byte
	offsets []int32
	valid   []byte // bitmap; nil when no row is null
	at      int    // the bit of the first row
	nulls   int
}

func (t *texts) rows() int { return len(t.offsets) - 1 }

func (t *texts) null(i int) bool { return t.valid != nil && !bitutil.BitIsSet(t.valid, t.at+i) }

// mask hides the values of one column, in its place. Null stays null, and no row fails.
type mask struct {
	method MaskMethod
	column string
	at     int // the column
	from   arrow.DataType
	out    *arrow.Schema
}

// Mask returns the operator that hides the values of a column of strings or bytes. The
// column keeps its name and place and becomes one of strings.
func Mask(in *arrow.Schema, column string, method MaskMethod) (Operator, error) {
	at, err := Column(in, column)
	if err != nil {
		return nil, err
	}
	if err := method.check(); err != nil {
		return nil, fmt.Errorf("mask %s: %w", method.name(), err)
	}
	m := &mask{method: method, column: column, at: at, from: in.Field(at).Type}
	if !method.takes(m.from) {
		return nil, &ColumnError{
			Column: column, Msg: fmt.Sprintf("is %s, which %s does not take", m.from, method.name()),
			Hint: "it takes " + method.takenText() + asString(in, column),
		}
	}
	fields := slices.Clone(in.Fields())
	fields[at].Type = arrow.BinaryTypes.String
	m.out = arrow.NewSchema(fields, nil)
	return m, nil
}

// asString is how to make a string of a column first, where expressions can.
func asString(in *arrow.Schema, column string) string {
	src := "string(" + column + ")"
	if p, err := expr.Compile(src, in); err != nil || !slices.Equal(p.Columns(), []string{column}) {
		return ""
	}
	return fmt.Sprintf("; before it, write with: { %s: %q }", column, src)
}

func (m *mask) Kind() string       { return "mask" }
func (m *mask) Out() *arrow.Schema { return m.out }

// From implements [Operator].
func (m *mask) From() []int {
	from := identity(m.out.NumFields())
	from[m.at] = -1
	return from
}

// Reads implements [Reader].
func (m *mask) Reads() []string { return []string{m.column} }

func (m *mask) Apply(_ context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	if int(in.NumCols()) != m.out.NumFields() {
		return Result{}, fmt.Errorf("%w: %d columns where %d were expected", ErrSchema, in.NumCols(), m.out.NumFields())
	}
	col := in.Column(m.at)
	if !arrow.TypeEqual(col.DataType(), m.from) {
		return Result{}, fmt.Errorf("%w: column %q is %s where %s was expected", ErrSchema, m.column, col.DataType(), m.from)
	}
	masked, err := m.values(mem, col)
	if err != nil {
		return Result{}, fmt.Errorf("column %q: %w", m.column, err)
	}
	defer masked.Release()
	cols := slices.Clone(in.Columns())
	cols[m.at] = masked
	return Result{Batch: array.NewRecordBatch(m.out, cols, in.NumRows())}, nil
}

// values masks a column, borrowing it; the caller must Release the result.
func (m *mask) values(mem memory.Allocator, col arrow.Array) (arrow.Array, error) {
	t, err := textsOf(col)
	if err != nil {
		return nil, err
	}
	size := m.method.size(t)
	if err := fits(size); err != nil {
		return nil, err
	}
	offsets := memory.NewResizableBuffer(mem)
	defer offsets.Release()
	offsets.Resize(arrow.Int32Traits.BytesRequired(t.rows() + 1))
	out := memory.NewResizableBuffer(mem)
	defer out.Release()
	out.Resize(int(size))
	used := m.method.fill(t, arrow.Int32Traits.CastFromBytes(offsets.Bytes()), out.Bytes())
	out.ResizeNoShrink(used)

	valid := validity(mem, col.Data(), t)
	if valid != nil {
		defer valid.Release()
	}
	data := array.NewData(arrow.BinaryTypes.String, t.rows(), []*memory.Buffer{valid, offsets, out}, nil, t.nulls, 0)
	defer data.Release()
	return array.NewStringData(data), nil
}

// textsOf looks into a column of strings or bytes.
func textsOf(col arrow.Array) (*texts, error) {
	t := &texts{offsets: []int32{0}}
	data, n := col.Data(), col.Len()
	if n == 0 { // it may have no buffers
		return t, nil
	}
	// Array.NullN would count once and write that down: a race with whoever shares the
	// batch.
	if b := data.Buffers()[0]; b != nil && b.Len() > 0 && data.NullN() != 0 {
		t.nulls = n - bitutil.CountSetBits(b.Bytes(), data.Offset(), n)
		if t.nulls > 0 {
			t.valid, t.at = b.Bytes(), data.Offset()
		}
	}
	if b := data.Buffers()[2]; b != nil {
		t.data = b.Bytes()
	}
	offsets, lo, hi := data.Buffers()[1].Bytes(), data.Offset(), data.Offset()+n+1
	if id := col.DataType().ID(); id == arrow.STRING || id == arrow.BINARY {
		t.offsets = arrow.Int32Traits.CastFromBytes(offsets)[lo:hi]
		return t, nil
	}
	large := arrow.Int64Traits.CastFromBytes(offsets)[lo:hi]
	base, end := large[0], large[n]
	if err := fits(end - base); err != nil {
		return nil, err
	}
	t.offsets = make([]int32, n+1)
	for i, o := range large {
		t.offsets[i] = int32(o - base) //nolint:gosec // it fits
	}
	t.data = t.data[base:end]
	return t, nil
}

// fits refuses what the offsets of one array of strings cannot say. The caller of Apply
// halves such a batch, so that it goes through in parts.
func fits(size int64) error {
	if size > math.MaxInt32 {
		return fmt.Errorf("masked values of %d bytes do not fit one batch, which holds %d", size, math.MaxInt32)
	}
	return nil
}

// validity is the bitmap of the rows that are not null, from its first bit: the
// column's own, or a copy where that begins elsewhere. nil when no row is null. The
// caller must Release it.
func validity(mem memory.Allocator, col arrow.ArrayData, t *texts) *memory.Buffer {
	if t.nulls == 0 {
		return nil
	}
	if t.at == 0 {
		b := col.Buffers()[0]
		b.Retain()
		return b
	}
	b := memory.NewResizableBuffer(mem)
	b.Resize(int(bitutil.BytesForBits(int64(t.rows()))))
	bitutil.CopyBitmap(t.valid, t.at, t.rows(), b.Bytes(), 0)
	return b
}
