package stitch

import (
	"context"
	"hash/crc32"
	"slices"

	"github.com/levada-data/levada/internal/parquet"
)

// sum puts chunks of a source into a stage page by page, each with the checksum of its
// bytes in the header. Pages that have one already are checked against it. Nothing is
// unpacked.
func (w *Writer) sum(ctx context.Context, s *Source, group, from, n int, column string, st *stage) error {
	chunks, err := s.carry(group, leavesFrom(from, n))
	if err != nil {
		return s.wrap(group, column, err)
	}
	st.buf.Reset()
	st.buf.Write(magic)
	st.chunks = st.chunks[:0]
	for i := range chunks {
		if err := w.sumChunk(ctx, s, &chunks[i], st); err != nil {
			return s.wrap(group, column, err)
		}
		st.chunks = append(st.chunks, chunks[i])
	}
	return nil
}

// sumChunk does it for one chunk, whose places become those in the stage.
func (w *Writer) sumChunk(ctx context.Context, s *Source, c *outChunk, st *stage) error {
	sp := c.span()
	w.buf = sized(w.buf, int(sp.n))
	for at := int64(0); at < sp.n; at += s.step {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := parquet.ReadAt(s.r, w.buf[at:min(at+s.step, sp.n)], sp.at+at); err != nil {
			return err
		}
	}
	moved := map[int64]location{} // by where a page was
	grown := int64(0)
	for rest := w.buf; len(rest) > 0; {
		was := sp.at + sp.n - int64(len(rest))
		head, old, body, err := summedPage(rest)
		if err != nil {
			return err
		}
		rest = rest[old+len(body):]
		moved[was] = location{at: int64(st.buf.Len()), n: int64(len(head) + len(body))}
		grown += int64(len(head) - old)
		st.buf.Write(head)
		st.buf.Write(body)
	}
	data, ok := moved[c.dataPage]
	if !ok && c.values > 0 {
		return corrupt("no page begins where its first one should")
	}
	c.dataPage = data.at
	if c.dictPage > 0 {
		dict, ok := moved[c.dictPage]
		if !ok {
			return corrupt("no page begins where its dictionary should")
		}
		c.dictPage = dict.at
	}
	c.packed += grown
	c.unpacked += grown
	c.movePages(moved)
	return nil
}

// movePages gives the pages of the offset index their new places. An index that names
// others is left out, with the column index: readers do without.
func (c *outChunk) movePages(moved map[int64]location) {
	if c.offsets == nil {
		return
	}
	d := &decoder{b: c.offsets}
	pages, sizes := d.offsets()
	for i, p := range pages {
		to, ok := moved[p.at]
		if !ok {
			c.offsets, c.columns = nil, nil
			return
		}
		pages[i].at, pages[i].n = to.at, to.n
	}
	c.offsets = putOffsets(pages, sizes)
}

// summedPage is the header of the first page of b, with its checksum; how long it was; and
// what follows it.
func summedPage(b []byte) (head []byte, old int, body []byte, err error) {
	type field struct {
		id  int16
		typ byte
		raw []byte
	}
	var fields []field
	packed, was := int64(-1), int64(-1)
	d := &decoder{b: b}
	d.fields(func(id int16, typ byte) {
		from := d.at
		switch id {
		case 3:
			packed = d.int(typ)
		case 4:
			was = int64(uint32(d.int(typ))) //nolint:gosec // its bits
			return
		default:
			d.skip(typ)
		}
		if d.err == nil {
			fields = append(fields, field{id, typ, d.b[from:d.at:d.at]})
		}
	})
	switch {
	case d.err != nil:
		return nil, 0, nil, corrupt("page header: %w", d.err)
	case packed < 0 || packed > int64(len(b)-d.at):
		return nil, 0, nil, corrupt("a page of %d bytes does not fit its chunk", packed)
	}
	body = b[d.at : d.at+int(packed)]
	sum := int64(crc32.ChecksumIEEE(body))
	if was >= 0 && was != sum {
		return nil, 0, nil, corrupt("a page contradicts its checksum")
	}
	slices.SortFunc(fields, func(a, b field) int { return int(a.id) - int(b.id) })
	e := &encoder{}
	e.begin()
	for i, f := range fields {
		if f.id < 1 || f.id > 15 || i > 0 && f.id == fields[i-1].id {
			return nil, 0, nil, corrupt("page header: field %d", f.id)
		}
		if f.id > 4 && (i == 0 || fields[i-1].id < 4) {
			e.i32(4, int64(int32(sum))) //nolint:gosec // its bits
		}
		e.raw(f.id, f.typ, f.raw)
	}
	e.end()
	return e.b, d.at, body, nil
}
