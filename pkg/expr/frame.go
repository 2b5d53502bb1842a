package expr

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// vector is the value of a node in one chunk. Exactly one of ints, floats, strs,
// bits and decimals is used: the one its kind is stored in (kind.storage).
type vector struct {
	ints     []int64
	floats   []float64
	strs     []string
	bits     *mask
	decimals []decimal128.Num
	// valid has a bit for each row that is not null. It is only meaningful when
	// nulls is set: without, every row is valid.
	valid *mask
	nulls bool
	// scalar says that element 0 stands for every row. Never set for bits.
	scalar bool
	// filled says that the register of a spreadNode holds its constant.
	filled bool
}

// frame is the working memory of one evaluation. A frame belongs to one
// goroutine at a time; a Program keeps idle ones in a pool.
//
// Nodes write into registers. The compiler gives a node a register that none of
// the values still needed sits in, so an expression of any length works in a
// few of them.
type frame struct {
	registers []vector
	masks     []mask
	columns   []columnState
	args      []*vector // stack of the arguments of the calls under way
	live      mask      // the live rows of the kernel under way

	lo, n  int  // the chunk: rows [lo, lo+n) of the batch
	active mask // the rows of the chunk
	failed mask // the rows of the chunk that have failed
	errs   []RowError
	err    error // ends the evaluation of the batch

	operation string // the name of the function at work, for its row errors
	lenient   bool   // a failure of the kernel under way is a null
	excused   mask   // the rows in which it would have failed

	text     text
	patterns map[string]*regexp.Regexp

	rows *Rows // of the batch, for what depends on them

	// Of nested values:
	mem      memory.Allocator
	take     func(values, at arrow.Array) (arrow.Array, error)
	slots    []slot
	inners   []*frame      // of lambdas; made when first needed
	elements arrow.Array   // in an inner frame: what the lambda is about
	kept     []arrow.Array // released when the next chunk begins
}

// shape is how much there is of what in a frame.
type shape struct {
	registers                     []storage
	masks, columns, slots, inners int
}

// columnState is a column of the batch being evaluated.
type columnState struct {
	array      arrow.Array
	dictionary array.StringLike // of a dictionary array
	loaded     bool             // the register holds the current chunk
	bad        mask             // valid rows whose value does not fit the language
	anyBad     bool
}

func newFrame(s shape) *frame {
	f := &frame{
		registers: make([]vector, len(s.registers)),
		masks:     make([]mask, s.masks),
		columns:   make([]columnState, s.columns),
		slots:     make([]slot, s.slots),
		inners:    make([]*frame, s.inners),
	}
	for i, s := range s.registers {
		v := &f.registers[i]
		v.valid = new(mask)
		switch s {
		case storeInts:
			v.ints = make([]int64, chunkRows)
		case storeFloats:
			v.floats = make([]float64, chunkRows)
		case storeStrings:
			v.strs = make([]string, chunkRows)
		case storeDecimals:
			v.decimals = make([]decimal128.Num, chunkRows)
		case storeBits:
			v.bits = new(mask)
		case storeNone:
		}
	}
	return f
}

// begin makes rows [lo, lo+n) of the batch the current chunk.
func (f *frame) begin(lo, n int) {
	f.lo, f.n = lo, n
	f.active.first(n)
	f.failed = mask{}
	f.text.reset()
	f.drop()
	for i := range f.columns {
		f.columns[i].loaded = false
	}
}

// drop releases what was kept for the chunk.
func (f *frame) drop() {
	for i := range f.slots {
		f.slots[i].state.release()
	}
	for _, a := range f.kept {
		a.Release()
	}
	clear(f.kept)
	f.kept, f.elements = f.kept[:0], nil
}

// fail records that row i of the chunk has failed. The first error of a row stands.
func (f *frame) fail(i int, err error) {
	if f.lenient {
		f.excused.set(i)
		return
	}
	if f.failed.has(i) {
		return
	}
	f.failed.set(i)
	f.errs = append(f.errs, RowError{Row: f.lo + i, Operation: f.operation, Err: err})
}

// excuse makes nulls of out where the kernel that has just run would have failed.
func (f *frame) excuse(out *vector) {
	f.lenient = false
	if f.excused.empty() {
		return
	}
	if !out.nulls {
		*out.valid, out.nulls = *allValid, true
	}
	for w := range out.valid {
		out.valid[w] &^= f.excused[w]
	}
	f.excused = mask{}
}

// failAll records the error for every row of m.
func (f *frame) failAll(m *mask, err error) {
	for i := range f.n {
		if m.has(i) {
			f.fail(i, err)
		}
	}
}

// sortErrors puts the errors from index from on, those of one chunk, in the order of the rows.
func (f *frame) sortErrors(from int) {
	slices.SortFunc(f.errs[from:], func(a, b RowError) int { return cmp.Compare(a.Row, b.Row) })
}

// forget drops every reference to the batch: an idle frame must not keep its
// memory alive, and a string that points into it must never be read again.
func (f *frame) forget() {
	f.drop()
	f.mem, f.take, f.rows = nil, nil, nil
	for _, inner := range f.inners {
		if inner != nil {
			inner.forget()
		}
	}
	for i := range f.columns {
		f.columns[i].release()
	}
	for i := range f.registers {
		v := &f.registers[i]
		if v.strs != nil {
			clear(v.strs)
			v.filled = false
		}
	}
	clear(f.args[:cap(f.args)])
	f.args = f.args[:0]
	f.errs, f.err = nil, nil
	f.lenient, f.excused = false, mask{} // of a kernel that has panicked
	f.text.reset()
}

// text is the memory of the strings made in one chunk.
type text struct {
	block []byte
	used  int // bytes handed out since reset, over all blocks
}

const (
	textBlock = 64 << 10
	// MaxStringBytes is the longest string an expression can make in one row. A
	// longer one is a row error, ErrTooLong.
	MaxStringBytes = 8 << 20
	// maxChunkText bounds the strings that one chunk of rows can make; more ends
	// the evaluation with ErrTooLarge.
	maxChunkText = 64 << 20
)

// reset frees all strings made so far.
func (t *text) reset() {
	if cap(t.block) > 16*textBlock {
		t.block = nil
	}
	t.block, t.used = t.block[:0], 0
}

// count adds a string that was made elsewhere to those made in the chunk.
func (t *text) count(s string) string {
	t.used += len(s)
	return s
}

// alloc returns n bytes to fill.
func (t *text) alloc(n int) []byte {
	if cap(t.block)-len(t.block) < n {
		// The strings in the old block keep it alive until the chunk ends.
		t.block = make([]byte, 0, max(n, textBlock, min(2*cap(t.block), 16*textBlock)))
	}
	start := len(t.block)
	t.block = t.block[:start+n]
	t.used += n
	return t.block[start : start+n : start+n]
}
