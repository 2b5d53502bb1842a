package stitch

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/pages"
)

// Column is where one field of a row group comes from: exactly one of Source and Values
// is set.
type Column struct {
	Source *Source
	Group  int    // row group of the source
	Name   string // top-level column of the source

	// Values are chunks of the field's values, of its type. They are borrowed.
	Values []arrow.Array
}

// Group is one row group of the output.
type Group struct {
	Rows    int64
	Columns []Column // one for each field of the layout

	// Keep are the rows of the sources' row groups that stand in the output, ascending.
	// nil: all, and then columns of sources are copied byte for byte.
	Keep []uint32
}

// Writer writes one file. One goroutine. What it is given last of sources and arrays is
// not used after the call returns.
type Writer struct {
	w      io.Writer
	l      *Layout
	at     int64 // length of the file
	rows   int64
	groups []outGroup
	err    error // the file is not whole

	buf    []byte // of copies
	stages []*stage
	gather *gatherer // nil before the first gather
}

// outGroup is a row group that is written.
type outGroup struct {
	rows    int64
	at      int64 // offset of its first chunk
	chunks  []outChunk
	sorting []sortKey
}

// outChunk is a chunk that is written, with what goes behind the row groups.
type outChunk struct {
	chunk
	filter  []byte // bloom filter; nil: none, or in the file
	columns []byte // column index; nil: none
	offsets []byte // offset index; nil: none
}

// stage holds the chunks of one field that are made in memory: a file without a footer,
// in which they lie one after the other behind the magic, so that no offset is 0.
type stage struct {
	buf    bytes.Buffer
	chunks []outChunk
}

// data is the bytes of the chunks.
func (s *stage) data() []byte { return s.buf.Bytes()[len(magic):] }

var (
	errClosed = errors.New("the file is closed")
	magic     = []byte("PAR1")
)

// NewWriter returns a writer of a file that looks as l says. Nothing is written before
// the first row group or Close. The caller must Close it, and owns w.
func NewWriter(w io.Writer, l *Layout) *Writer {
	return &Writer{w: w, l: l, stages: make([]*stage, len(l.meta.tops))}
}

// Rows is how many rows have been written.
func (w *Writer) Rows() int64 { return w.rows }

// Bytes is how many bytes have been written: all of the row groups, but not yet what
// Close adds.
func (w *Writer) Bytes() int64 { return w.at }

// plan is how the chunks of one field get into the file.
type plan struct {
	source *Source // nil: from the stage
	group  int
	from   int // first leaf of the source
	n      int // leaves
	column string
	summed bool // copied into the stage, with checksums
}

// staged reports that the field's chunks are in the stage.
func (p *plan) staged() bool { return p.source == nil || p.summed }

// Append writes a row group; one without rows is left out. A [*RefusedError] leaves the
// writer as it was; it comes before anything is written. So does the error of a source
// that is damaged ([*parquet.FileError]) when its rows are gathered, and that of ctx
// before writing began. After any other error the file is not whole, and the Writer
// returns the error from then on.
func (w *Writer) Append(ctx context.Context, g Group) error {
	if w.err != nil {
		return w.err
	}
	if err := w.checkGroup(&g); err != nil {
		return err
	}
	if g.Rows == 0 {
		return nil
	}
	plans := make([]plan, len(g.Columns))
	for i := range g.Columns { // refusals that cost nothing come first
		if err := w.plan(i, &g, &plans[i]); err != nil {
			return err
		}
	}
	if w.gather != nil {
		w.gather.forget()
	}
	for i := range g.Columns {
		if err := w.fill(ctx, i, &g, &plans[i]); err != nil {
			return err
		}
	}
	return w.emit(ctx, g.Rows, plans)
}

// checkGroup checks what the caller says.
func (w *Writer) checkGroup(g *Group) error {
	if len(g.Columns) != len(w.l.meta.tops) || g.Rows < 0 {
		return fmt.Errorf("a row group of %d rows has %d columns of %d", g.Rows, len(g.Columns), len(w.l.meta.tops))
	}
	if g.Keep != nil && int64(len(g.Keep)) != g.Rows {
		return fmt.Errorf("a row group of %d rows keeps %d", g.Rows, len(g.Keep))
	}
	last := int64(-1)
	for _, k := range g.Keep {
		if int64(k) <= last {
			return errors.New("kept rows are not ascending")
		}
		last = int64(k)
	}
	for i := range g.Columns {
		c := &g.Columns[i]
		name := w.l.schema.Field(i).Name
		if c.Source == nil {
			rows := int64(0)
			for _, v := range c.Values {
				if !arrow.TypeEqual(v.DataType(), w.l.schema.Field(i).Type) {
					return fmt.Errorf("column %q is of type %s, not %s", name, v.DataType(), w.l.schema.Field(i).Type)
				}
				rows += int64(v.Len())
			}
			if rows != g.Rows {
				return fmt.Errorf("column %q has %d values of %d", name, rows, g.Rows)
			}
			continue
		}
		if c.Values != nil {
			return fmt.Errorf("column %q has both a source and values", name)
		}
		if c.Group < 0 || c.Group >= c.Source.Groups() {
			return fmt.Errorf("column %q: %s has no row group %d", name, c.Source.name, c.Group)
		}
		if rows := c.Source.Rows(c.Group); last >= rows || (g.Keep == nil && rows != g.Rows) {
			return fmt.Errorf("column %q: row group %d of %s has %d rows, not %d", name, c.Group, c.Source.name, rows, max(g.Rows, last+1))
		}
	}
	return nil
}

// plan decides how field i is made.
func (w *Writer) plan(i int, g *Group, p *plan) (err error) {
	c := &g.Columns[i]
	p.column = c.Name
	if c.Source == nil {
		return nil
	}
	if g.Keep != nil && int64(len(g.Keep)) < c.Source.Rows(c.Group) {
		_, err = w.l.gathers(i, c.Source, c.Group, c.Name)
		return err
	}
	top, err := w.l.passes(i, c.Source, c.Group, c.Name)
	if err != nil {
		if g.Keep == nil {
			return err
		}
		_, err = w.l.gathers(i, c.Source, c.Group, c.Name) // all rows, but of another codec
		return err
	}
	from, to := c.Source.meta.leavesOf(top)
	*p = plan{source: c.Source, group: c.Group, from: from, n: to - from, column: c.Name}
	return nil
}

// fill makes what is not copied in the stage of field i.
func (w *Writer) fill(ctx context.Context, i int, g *Group, p *plan) error {
	if p.source != nil && !w.l.o.Checksums {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if w.stages[i] == nil {
		w.stages[i] = &stage{}
	}
	st := w.stages[i]
	if p.source != nil {
		p.summed = true
		return w.sum(ctx, p.source, p.group, p.from, p.n, p.column, st)
	}
	st.buf.Reset()
	st.chunks = st.chunks[:0]
	c := &g.Columns[i]
	if c.Source == nil {
		return w.encode(ctx, i, g.Rows, c.Values, st)
	}
	if w.gather == nil {
		w.gather = &gatherer{}
	}
	at, err := w.l.gathers(i, c.Source, c.Group, c.Name)
	if err != nil {
		return err
	}
	return c.Source.wrap(c.Group, c.Name, w.gather.column(ctx, w.l, c.Source, c.Group, at, c.Name, g.Keep, st))
}

// emit writes a row group: the chunks of sources, adjacent ones in one piece, and those
// of the stages.
func (w *Writer) emit(ctx context.Context, rows int64, plans []plan) (err error) {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	out := outGroup{rows: rows}
	infos, err := w.chunks(plans) // what may fail by the source comes before anything is written
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			w.err = fmt.Errorf("the file is not whole: %w", err)
		}
	}()
	if err := w.open(); err != nil {
		return err
	}
	out.at = w.at
	var run struct { // of adjacent chunks that are not copied yet
		source *Source
		chunks []copied
		n      int64 // bytes
		end    int64
	}
	flush := func() error {
		if run.n == 0 {
			return nil
		}
		err := w.copy(ctx, run.source, run.chunks)
		run.n, run.chunks = 0, run.chunks[:0]
		return err
	}
	leaf := 0
	for i := range plans {
		p := &plans[i]
		if p.staged() {
			if err := flush(); err != nil {
				return err
			}
			base := w.at - int64(len(magic))
			if err := w.write(w.stages[i].data()); err != nil {
				return err
			}
			for range w.stages[i].chunks {
				infos[leaf].move(base)
				leaf++
			}
			continue
		}
		for k := range p.n {
			sp, lf := infos[leaf].span(), &p.source.meta.leaves[p.from+k]
			if run.n > 0 && (run.source != p.source || run.end != sp.at) {
				if err := flush(); err != nil {
					return err
				}
			}
			infos[leaf].move(w.at + run.n - sp.at)
			if sp.n > 0 {
				e := &p.source.meta.elements[lf.elem]
				all := p.source.pagesOf(&infos[leaf].chunk, e, lf.maxDef, lf.maxRep)
				all.Strings = e.phys == physBytes // nobody else looks into its dictionary
				run.chunks = append(run.chunks, copied{sp, p.group, p.column, pages.NewWalker(all)})
				run.source = p.source
			}
			run.n += sp.n
			run.end = sp.end()
			leaf++
		}
	}
	if err := flush(); err != nil {
		return err
	}
	for i := range infos {
		c := &infos[i]
		c.bloom = span{w.at, int64(len(c.filter))}
		if err := w.write(c.filter); err != nil {
			return err
		}
		c.filter = nil
	}
	out.chunks = infos
	out.sorting = w.sorting(plans)
	w.groups = append(w.groups, out)
	w.rows += rows
	return nil
}

// chunks is what the file will say of the chunks of a row group, in their order.
func (w *Writer) chunks(plans []plan) ([]outChunk, error) {
	infos := make([]outChunk, 0, len(w.l.meta.leaves))
	type rowGroup struct {
		source *Source
		group  int
	}
	type share struct {
		of     *plan
		leaves []int // of the source
		places []int // in infos
	}
	shares := map[rowGroup]*share{}
	for i := range plans {
		p := &plans[i]
		if p.staged() {
			infos = append(infos, w.stages[i].chunks...)
			continue
		}
		from := shares[rowGroup{p.source, p.group}]
		if from == nil {
			from = &share{of: p}
			shares[rowGroup{p.source, p.group}] = from
		}
		for leaf := range p.n {
			from.leaves, from.places = append(from.leaves, p.from+leaf), append(from.places, len(infos))
			infos = append(infos, outChunk{})
		}
	}
	for g, from := range shares {
		chunks, err := g.source.carry(g.group, from.leaves)
		if err != nil {
			return nil, g.source.wrap(g.group, from.of.column, err)
		}
		for i, at := range from.places {
			infos[at] = chunks[i]
		}
	}
	return infos, nil
}

// sorting returns the columns by which the rows are still in order: those of the source,
// up to the first one that does not come from it.
func (w *Writer) sorting(plans []plan) (keys []sortKey) {
	var first *plan
	for i := range plans {
		if plans[i].source != nil {
			first = &plans[i]
			break
		}
	}
	if first == nil {
		return nil
	}
	for _, k := range first.source.meta.groups[first.group].sorting {
		leaf, to := 0, -1
		for i := range plans {
			p := &plans[i]
			if p.source == first.source && p.group == first.group && k.leaf >= int64(p.from) && k.leaf < int64(p.from+p.n) {
				to = leaf + int(k.leaf) - p.from
				break
			}
			from, end := w.l.meta.leavesOf(i)
			leaf += end - from
		}
		if to < 0 {
			return keys
		}
		keys = append(keys, sortKey{leaf: int64(to), descending: k.descending, first: k.first})
	}
	return keys
}

// open writes the magic of a file that is empty.
func (w *Writer) open() error {
	if w.at > 0 {
		return nil
	}
	return w.write(magic)
}

func (w *Writer) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	n, err := w.w.Write(p)
	w.at += int64(n)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

// AppendFile writes all row groups of a Parquet file of the layout's schema, which
// internal/parquet wrote with the layout's options, as they are.
func (w *Writer) AppendFile(ctx context.Context, data []byte) error {
	s, err := OpenSource("the file in memory", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	if !sameSchema(w.l.meta, s.meta) {
		return errors.New("the file in memory has another schema")
	}
	g := Group{Columns: make([]Column, len(s.meta.tops))}
	for k := range s.meta.groups {
		g.Rows = s.Rows(k)
		for i, e := range s.meta.tops {
			g.Columns[i] = Column{Source: s, Group: k, Name: s.meta.elements[e].name}
		}
		if err := w.Append(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// Close writes the page indexes and the footer, and returns the
// file's length. A file without rows has the schema and no row group.
func (w *Writer) Close() (int64, error) {
	if w.err != nil {
		return 0, w.err
	}
	if err := w.finish(); err != nil {
		w.err = fmt.Errorf("the file is not whole: %w", err)
		return 0, w.err
	}
	w.err = errClosed
	if w.gather != nil {
		w.gather.close()
	}
	return w.at, nil
}

// Abandon lets go of the memory of a file that is not wanted any more. After Close it
// does nothing.
func (w *Writer) Abandon() {
	if w.err == nil {
		w.err = errClosed
	}
	if w.gather != nil {
		w.gather.close()
	}
	w.stages, w.buf, w.groups = nil, nil, nil
}

func (w *Writer) finish() error {
	if err := w.open(); err != nil {
		return err
	}
	for _, part := range []func(*outChunk) ([]byte, *span){
		func(c *outChunk) ([]byte, *span) { return c.columns, &c.columnIndex },
		func(c *outChunk) ([]byte, *span) { return c.offsets, &c.offsetIndex },
	} {
		for g := range w.groups {
			for i := range w.groups[g].chunks {
				b, sp := part(&w.groups[g].chunks[i])
				*sp = span{w.at, int64(len(b))}
				if len(b) == 0 {
					continue
				}
				if err := w.write(b); err != nil {
					return err
				}
			}
		}
	}
	foot := w.footer()
	foot = binary.LittleEndian.AppendUint32(foot, uint32(len(foot))) //nolint:gosec // far below 4 GiB
	return w.write(append(foot, magic...))
}

// footer encodes the file's metadata.
func (w *Writer) footer() []byte {
	m := w.l.meta
	e := &encoder{}
	e.begin()
	e.i32(1, m.version)
	e.raw(2, typeList, m.rawSchema)
	e.i64(3, w.rows)
	e.list(4, typeStruct, len(w.groups))
	for i := range w.groups {
		w.groups[i].put(e, i, m)
	}
	e.raw(5, typeList, m.rawKeys)
	e.binary(6, []byte(m.createdBy))
	e.raw(7, typeList, m.rawOrders)
	e.end()
	return e.b
}

func (g *outGroup) put(e *encoder, ordinal int, m *footer) {
	unpacked, packed := int64(0), int64(0)
	e.begin()
	e.list(1, typeStruct, len(g.chunks))
	for i := range g.chunks {
		g.chunks[i].put(e, m.leaves[i].path)
		unpacked += g.chunks[i].unpacked
		packed += g.chunks[i].packed
	}
	e.i64(2, unpacked)
	e.i64(3, g.rows)
	if len(g.sorting) > 0 {
		e.list(4, typeStruct, len(g.sorting))
		for _, k := range g.sorting {
			e.begin()
			e.i32(1, k.leaf)
			e.bool(2, k.descending)
			e.bool(3, k.first)
			e.end()
		}
	}
	e.i64(5, g.at)
	e.i64(6, packed)
	if ordinal < 1<<15 {
		e.i16(7, int64(ordinal))
	}
	e.end()
}
