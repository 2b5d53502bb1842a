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

// Decoder makes arrays of column chunks, some rows at a time: of flat columns of numbers
// and strings, whose values Arrow and Parquet hold alike, at a third of what the general
// reader takes. Its buffers are used again; it serves one goroutine. The zero value is
// ready for Begin.
type Decoder struct {
	src    *Source
	group  int
	schema *arrow.Schema
	at     int // rows that Next and Skip have passed
	in     []*columnReader
}

// columnReader reads a column of the row group that Begin was told.
type columnReader struct {
	pages    pageReader
	unpacked int64
}

// Close lets go of the decoder's memory.
func (d *Decoder) Close() {
	for _, in := range d.in {
		in.pages.close()
	}
	*d = Decoder{}
}

// Begin goes to the first row of a row group, of which it will read the columns of a
// schema, by their names. The error is a [*RefusedError]; see Decodes.
func (d *Decoder) Begin(s *Source, group int, schema *arrow.Schema) error {
	d.src, d.group, d.schema, d.at = s, group, schema, 0
	for i, f := range schema.Fields() {
		at, err := d.leaf(s, group, f)
		if err != nil {
			return err
		}
		if i == len(d.in) {
			d.in = append(d.in, &columnReader{})
		}
		c, lf := s.meta.groups[group].chunks[at], &s.meta.leaves[at]
		d.in[i].pages.open(s, c, &s.meta.elements[lf.elem], lf.maxDef)
		d.in[i].unpacked = c.unpacked
	}
	return nil
}

// Next reads the next n rows, of those that the row group has. The caller must Release
// the batch. The error is a [*RefusedError] when a page is not what the metadata says, or
// a [*parquet.FileError]; after one, Begin must be called again.
func (d *Decoder) Next(ctx context.Context, mem memory.Allocator, n int) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, d.schema.NumFields())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, f := range d.schema.Fields() {
		err := d.column(ctx, i, n, func(in *columnReader) (err error) {
			cols[i], err = in.read(ctx, mem, f, n, int(d.src.Rows(d.group)))
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	d.at += n
	return array.NewRecordBatch(d.schema, cols, int64(n)), nil
}

// Skip passes over the next n rows. The error is that of Next.
func (d *Decoder) Skip(ctx context.Context, n int) error {
	for i, f := range d.schema.Fields() {
		if err := d.column(ctx, i, n, func(in *columnReader) error { return in.skip(ctx, f.Name, n) }); err != nil {
			return err
		}
	}
	d.at += n
	return nil
}

// column calls f, which passes the next n rows of column i, and names the place of its
// error. Behind the last row nothing may come.
func (d *Decoder) column(ctx context.Context, i, n int, f func(*columnReader) error) (err error) {
	name := d.schema.Field(i).Name
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
		err = d.src.wrap(d.group, name, err)
	}()
	if err := f(d.in[i]); err != nil || d.at+n < int(d.src.Rows(d.group)) {
		return err
	}
	if more, err := d.in[i].pages.next(ctx, name); err != nil || !more && d.in[i].pages.rows == 0 {
		return err
	}
	return corrupt("its pages have more than %d rows", d.src.Rows(d.group))
}

// more makes the pages have rows that were not taken yet.
func (in *columnReader) more(ctx context.Context, name string) error {
	if in.pages.rows > 0 {
		return nil
	}
	more, err := in.pages.next(ctx, name)
	if err == nil && !more {
		return corrupt("its pages have fewer rows than the row group")
	}
	return err
}

// read makes an array of the next n rows of a group of so many.
func (in *columnReader) read(ctx context.Context, mem memory.Allocator, f arrow.Field, n, of int) (arrow.Array, error) {
	col := newColumn(mem, in.pages.phys, n, in.pages.width(), in.unpacked/int64(max(of, 1))*int64(n)+int64(n))
	defer col.release()
	for col.rows < n {
		if err := in.more(ctx, f.Name); err != nil {
			return nil, err
		}
		if err := col.page(&in.pages, min(in.pages.rows, n-col.rows)); err != nil {
			return nil, err
		}
	}
	return col.array(f.Type), nil
}

// skip passes n rows, and over most of their pages without unpacking them.
func (in *columnReader) skip(ctx context.Context, name string, n int) error {
	for n > 0 {
		if in.pages.rows == 0 {
			more, err := in.pages.peek(ctx, name)
			switch {
			case err != nil:
				return err
			case !more:
				return corrupt("its pages have fewer rows than the row group")
			case int(in.pages.head.values) <= n:
				n -= int(in.pages.head.values)
				if err := in.pages.skip(); err != nil {
					return err
				}
				continue
			}
			if err := in.pages.load(ctx, name); err != nil {
				return err
			}
		}
		some := min(in.pages.rows, n)
		if err := in.pages.drop(some); err != nil {
			return err
		}
		n -= some
	}
	return nil
}

// drop passes over the next n rows of the page.
func (r *pageReader) drop(n int) error {
	values, bytes := r.valuesIn(n), 0
	switch {
	case r.isDict:
	case r.phys == physBytes:
		for range values {
			size, err := stringAt(r.data[bytes:])
			if err != nil {
				return err
			}
			bytes += 4 + size
		}
	default:
		bytes = values * r.width()
	}
	r.taken(n, values, bytes)
	return nil
}

// valuesIn is how many of the next n rows are not null.
func (r *pageReader) valuesIn(n int) int {
	if r.values == r.rows {
		return n
	}
	return count(r.def[:n])
}

// taken notes that the next n rows are taken, with so many values of so many bytes.
func (r *pageReader) taken(n, values, bytes int) {
	if r.values != r.rows {
		r.def = r.def[n:]
	}
	if r.isDict {
		r.indexes = r.indexes[values:]
	} else {
		r.data = r.data[bytes:]
	}
	r.rows -= n
	r.values -= values
}

// stringAt is the length of the string before which its length stands.
func stringAt(b []byte) (int, error) {
	if len(b) < 4 || int64(binary.LittleEndian.Uint32(b)) > int64(len(b)-4) {
		return 0, corrupt("the values of a page end too early")
	}
	return int(binary.LittleEndian.Uint32(b)), nil
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
		if !gathered(enc, c.phys) {
			return 0, refused(f.Name, "encoding %d is not decoded here", enc)
		}
	}
	return at, nil
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

// page takes the next n rows of a page.
func (c *column) page(in *pageReader, n int) error {
	values := in.valuesIn(n)
	c.validity(in, n, values)
	bytes := 0
	var err error
	switch {
	case c.offsets != nil && in.isDict:
		err = c.words(in, n, values)
	case c.offsets != nil:
		bytes, err = c.strings(in, n)
	default:
		bytes = values * c.width
		if in.isDict {
			bytes = 0
		}
		if c.width == 4 {
			fillNumbers(view[uint32](c.vals.Bytes()[c.rows*4:], n), in, values, view[uint32](in.data, in.plain(values)), view[uint32](in.dict, in.dictN))
		} else {
			fillNumbers(view[uint64](c.vals.Bytes()[c.rows*8:], n), in, values, view[uint64](in.data, in.plain(values)), view[uint64](in.dict, in.dictN))
		}
	}
	c.rows += n
	in.taken(n, values, bytes)
	return err
}

// plain is how many of the page's next values are plain.
func (r *pageReader) plain(values int) int {
	if r.isDict {
		return 0
	}
	return values
}

// fillNumbers writes the values of the page's next rows; a null's is zero.
func fillNumbers[T any](out []T, in *pageReader, values int, plain, dict []T) {
	switch {
	case values == len(out) && !in.isDict:
		copy(out, plain)
	case values == len(out):
		for i, x := range in.indexes[:values] {
			out[i] = dict[x]
		}
	default:
		var zero T
		v := 0
		for i, d := range in.def[:len(out)] {
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

// validity notes which of the page's next n rows are null: all but so many values.
func (c *column) validity(in *pageReader, n, values int) {
	nulls := n - values
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
		bitutil.SetBitsTo(c.valid.Bytes(), int64(c.rows), int64(n), true)
		return
	}
	bits := c.valid.Bytes()
	for i, d := range in.def[:n] {
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

// strings adds the plain strings of the next n rows, and returns how many bytes they
// have in the page.
func (c *column) strings(in *pageReader, n int) (int, error) {
	offsets := view[int32](c.offsets.Bytes()[c.rows*4:], n+1)
	rest, used, vals := in.data, c.used, c.vals.Bytes()
	nullable := in.values != in.rows
	for i := range n {
		if !nullable || in.def[i] != 0 {
			size, err := stringAt(rest)
			if err != nil {
				return 0, err
			}
			if size > len(vals)-used {
				c.used = used
				if err := c.room(size); err != nil {
					return 0, err
				}
				vals = c.vals.Bytes()
			}
			used += copy(vals[used:], rest[4:4+size])
			rest = rest[4+size:]
		}
		offsets[i+1] = int32(used) //nolint:gosec // bounded by room
	}
	c.used = used
	return len(in.data) - len(rest), nil
}

// words adds strings of the dictionary, for the next n rows.
func (c *column) words(in *pageReader, n, values int) error {
	words := in.words()
	total := 0
	for _, x := range in.indexes[:values] {
		total += int(words[x+1]-words[x]) - 4
	}
	if err := c.room(total); err != nil {
		return err
	}
	offsets, vals := view[int32](c.offsets.Bytes()[c.rows*4:], n+1), c.vals.Bytes()
	used, v := c.used, 0
	nullable := in.values != in.rows
	for i := range n {
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
