package stitch

import (
	"context"
	"encoding/binary"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Decoder makes arrays of whole column chunks: of flat columns of numbers and strings,
// whose values Arrow and Parquet hold alike, at a third of what the general reader takes.
// Its buffers are used again; it serves one goroutine. The zero value is ready to use.
type Decoder struct {
	in pageReader
}

// Close lets go of the decoder's memory.
func (d *Decoder) Close() {
	d.in.close()
	*d = Decoder{}
}

// Decodes says whether a column of a source can be read as a field of that name: nil, or
// a [*RefusedError].
func (d *Decoder) Decodes(s *Source, group int, f arrow.Field) error {
	_, err := d.leaf(s, group, f)
	return err
}

func (d *Decoder) leaf(s *Source, group int, f arrow.Field) (int, error) {
	top, err := s.top(f.Name)
	if err != nil {
		return 0, err
	}
	at, to := s.meta.leavesOf(top)
	lf, e := &s.meta.leaves[at], &s.meta.elements[s.meta.tops[top]]
	if to != at+1 || lf.maxRep > 0 || lf.maxDef > 1 || !plainly(f.Type, e) || (lf.maxDef == 1) != f.Nullable {
		return 0, refused(f.Name, "it is not of a plain type")
	}
	c := s.meta.groups[group].chunks[at]
	switch {
	case s.old || c == nil || c.encrypted || c.elsewhere || c.phys != e.phys || c.values != s.Rows(group):
		return 0, refused(f.Name, "its metadata is not as usual")
	case c.codec != codecNone && c.codec != codecSnappy && c.codec != codecZstd:
		return 0, refused(f.Name, "it is compressed with a codec that is not decoded here")
	}
	for _, enc := range c.encodings {
		if !gathered(enc) {
			return 0, refused(f.Name, "encoding %d is not decoded here", enc)
		}
	}
	return at, nil
}

// Column reads a column of a row group. The caller must Release the array. The error is a
// [*RefusedError] when a page is not what the metadata says, or a [*parquet.FileError].
func (d *Decoder) Column(ctx context.Context, mem memory.Allocator, s *Source, group int, f arrow.Field) (a arrow.Array, err error) {
	defer func() {
		if v := recover(); v != nil {
			a, err = nil, caught(v)
		}
		err = s.wrap(group, f.Name, err)
	}()
	at, err := d.leaf(s, group, f)
	if err != nil {
		return nil, err
	}
	c, lf := s.meta.groups[group].chunks[at], &s.meta.leaves[at]
	e := &s.meta.elements[lf.elem]
	if err := d.in.open(ctx, s, c, e, lf.maxDef); err != nil {
		return nil, err
	}
	rows := int(s.Rows(group))
	col := newColumn(mem, e.phys, rows, d.in.width(), c.unpacked)
	defer col.release()
	for {
		more, err := d.in.next(f.Name)
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		if d.in.rows > rows-col.rows {
			return nil, corrupt("its pages have more than %d rows", rows)
		}
		if err := col.page(&d.in); err != nil {
			return nil, err
		}
	}
	if col.rows != rows {
		return nil, corrupt("its pages have %d rows of %d", col.rows, rows)
	}
	return col.array(f.Type), nil
}

// column is an array that is being filled. Its buffers have the size of the whole, but
// for the bytes of strings, which are known only when they are read.
type column struct {
	width   int // bytes of a value; 0: strings
	rows    int
	nulls   int
	valid   *memory.Buffer // nil until there is a null
	offsets *memory.Buffer // of strings
	vals    *memory.Buffer
	used    int // bytes of vals
	mem     memory.Allocator
	most    int // rows
}

// mostGuess bounds what is reserved on the word of a footer.
const mostGuess = 64 << 20

func newColumn(mem memory.Allocator, phys int64, rows, width int, unpacked int64) *column {
	c := &column{width: width, mem: mem, most: rows, vals: memory.NewResizableBuffer(mem)}
	if phys != physBytes {
		c.vals.Resize(rows * width)
		return c
	}
	c.offsets = memory.NewResizableBuffer(mem)
	c.offsets.Resize((rows + 1) * 4)
	binary.LittleEndian.PutUint32(c.offsets.Bytes(), 0)
	c.vals.Resize(int(min(max(unpacked-int64(4*rows), 0), mostGuess)))
	return c
}

func (c *column) release() {
	for _, b := range []*memory.Buffer{c.valid, c.offsets, c.vals} {
		if b != nil {
			b.Release()
		}
	}
}

// array is the column; the buffers get an owner more.
func (c *column) array(t arrow.DataType) arrow.Array {
	bufs := []*memory.Buffer{c.valid, c.vals}
	if c.offsets != nil {
		c.vals.ResizeNoShrink(c.used)
		bufs = []*memory.Buffer{c.valid, c.offsets, c.vals}
	}
	data := array.NewData(t, c.rows, bufs, nil, c.nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}

// page adds the rows of a page.
func (c *column) page(in *pageReader) error {
	c.validity(in)
	var err error
	switch {
	case c.offsets != nil && in.isDict:
		err = c.words(in)
	case c.offsets != nil:
		err = c.strings(in)
	case c.width == 4:
		fillNumbers(view[uint32](c.vals.Bytes()[c.rows*4:], in.rows), in, view[uint32](in.data, in.plain()), view[uint32](in.dict, in.dictN))
	default:
		fillNumbers(view[uint64](c.vals.Bytes()[c.rows*8:], in.rows), in, view[uint64](in.data, in.plain()), view[uint64](in.dict, in.dictN))
	}
	c.rows += in.rows
	return err
}

// plain is how many plain values a page has.
func (r *pageReader) plain() int {
	if r.isDict {
		return 0
	}
	return r.values
}

// fillNumbers writes the values of a page's rows; a null's is zero.
func fillNumbers[T any](out []T, in *pageReader, plain, dict []T) {
	switch {
	case in.values == in.rows && !in.isDict:
		copy(out, plain)
	case in.values == in.rows:
		for i, x := range in.indexes {
			out[i] = dict[x]
		}
	default:
		var zero T
		v := 0
		for i, d := range in.def[:in.rows] {
			out[i] = zero
			if d == 0 {
				continue
			}
			if in.isDict {
				out[i] = dict[in.indexes[v]]
			} else {
				out[i] = plain[v]
			}
			v++
		}
	}
}

// validity notes which of a page's rows are null.
func (c *column) validity(in *pageReader) {
	nulls := in.rows - in.values
	if nulls == 0 && c.valid == nil {
		return
	}
	if c.valid == nil {
		c.valid = memory.NewResizableBuffer(c.mem)
		c.valid.Resize((c.most + 7) / 8)
		memory.Set(c.valid.Bytes(), 0)
		bitutil.SetBitsTo(c.valid.Bytes(), 0, int64(c.rows), true)
	}
	c.nulls += nulls
	if nulls == 0 {
		bitutil.SetBitsTo(c.valid.Bytes(), int64(c.rows), int64(in.rows), true)
		return
	}
	bits := c.valid.Bytes()
	for i, d := range in.def[:in.rows] {
		at := c.rows + i
		bits[at>>3] |= d << (at & 7)
	}
}

// room makes the values' buffer hold n bytes more.
func (c *column) room(n int) error {
	if c.used+n > math.MaxInt32 {
		return corrupt("its strings have more than 2 GiB")
	}
	if c.used+n > c.vals.Len() {
		c.vals.Resize(max(c.used+n, c.vals.Len()+c.vals.Len()/2))
	}
	return nil
}

// strings adds plain strings.
func (c *column) strings(in *pageReader) error {
	if err := c.room(len(in.data)); err != nil { // more than there are
		return err
	}
	offsets, vals := view[int32](c.offsets.Bytes()[c.rows*4:], in.rows+1), c.vals.Bytes()
	rest, used := in.data, c.used
	nullable := in.values != in.rows
	for i := range in.rows {
		if !nullable || in.def[i] != 0 {
			if len(rest) < 4 || int64(binary.LittleEndian.Uint32(rest)) > int64(len(rest)-4) {
				return corrupt("the values of a page end too early")
			}
			n := int(binary.LittleEndian.Uint32(rest))
			used += copy(vals[used:], rest[4:4+n])
			rest = rest[4+n:]
		}
		offsets[i+1] = int32(used) //nolint:gosec // bounded by room
	}
	c.used = used
	return nil
}

// words adds strings of the dictionary.
func (c *column) words(in *pageReader) error {
	words := in.words()
	total := 0
	for _, x := range in.indexes {
		total += int(words[x+1]-words[x]) - 4
	}
	if err := c.room(total); err != nil {
		return err
	}
	offsets, vals := view[int32](c.offsets.Bytes()[c.rows*4:], in.rows+1), c.vals.Bytes()
	used, v := c.used, 0
	nullable := in.values != in.rows
	for i := range in.rows {
		if !nullable || in.def[i] != 0 {
			x := in.indexes[v]
			v++
			used += copy(vals[used:], in.dict[words[x]+4:words[x+1]])
		}
		offsets[i+1] = int32(used) //nolint:gosec // bounded by room
	}
	c.used = used
	return nil
}

// words is where each string of the dictionary begins, with its length before it, and
// where the last one ends.
func (r *pageReader) words() []uint32 {
	if len(r.wordsAt) == r.dictN+1 {
		return r.wordsAt
	}
	r.wordsAt = sized(r.wordsAt, r.dictN+1)
	at := uint32(0)
	for i := range r.dictN {
		r.wordsAt[i] = at
		at += 4 + binary.LittleEndian.Uint32(r.dict[at:])
	}
	r.wordsAt[r.dictN] = at
	return r.wordsAt
}
