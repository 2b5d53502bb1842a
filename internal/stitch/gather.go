package stitch

import (
	"context"
	"encoding/binary"
)

// gatherer takes kept rows of a column from its pages, without making values of them:
// plain values are moved as bytes, and of values in a dictionary only the indexes, while
// the dictionary goes along as it is.
//
//	chunk ─► pages ─► unpack ─► levels, values ─► those that are kept ─► pages ─► pack ─► stage
//
// Its buffers are used again from column to column. It serves one goroutine.
type gatherer struct {
	in  pageReader
	out pageWriter

	keep []byte // for each row of the row group: 1 when it is kept
	of   *uint32
	rows int64

	flags []byte // for each value that is not null: likewise
}

func (g *gatherer) close() {
	g.in.close()
	*g = gatherer{}
}

// mask makes flags of the kept rows of a row group; the columns of a group share them.
func (g *gatherer) mask(keep []uint32, rows int64) []byte {
	if len(keep) > 0 && g.of == &keep[0] && g.rows == rows {
		return g.keep
	}
	g.keep = sized(g.keep, int(rows))
	clear(g.keep)
	for _, k := range keep {
		g.keep[k] = 1
	}
	g.rows, g.of = rows, nil
	if len(keep) > 0 {
		g.of = &keep[0]
	}
	return g.keep
}

// forget lets go of the rows that were kept: their array may be used again for others.
func (g *gatherer) forget() { g.of = nil }

// sized returns a buffer of n elements; what is in it is of no meaning.
func sized[T any](b []T, n int) []T {
	if cap(b) < n {
		return make([]T, n, n+n/4)
	}
	return b[:n]
}

// column gathers the kept rows of one leaf into a stage. A [*RefusedError] says that its
// pages are not what the metadata promised.
func (g *gatherer) column(ctx context.Context, l *Layout, s *Source, group, at int, name string, keep []uint32, st *stage) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
	}()
	c := s.meta.groups[group].chunks[at]
	e := &s.meta.elements[s.meta.leaves[at].elem]
	g.in.open(s, c, e, s.meta.leaves[at].maxDef)
	mask := g.mask(keep, s.Rows(group))
	st.buf.Write(magic)
	g.out.begin(l, &st.buf, e, s.meta.leaves[at].maxDef)
	if err := g.pages(ctx, s, chunkOf{group, at}, keep, mask, name); err != nil {
		return err
	}
	chunk, err := g.out.finish()
	if err != nil {
		return err
	}
	st.chunks = append(st.chunks, chunk)
	return nil
}

// pages gathers from those pages that have kept rows: the others are passed over, most of
// them unread, and so is what lies before a place that is known from an earlier call.
func (g *gatherer) pages(ctx context.Context, s *Source, of chunkOf, keep []uint32, mask []byte, name string) error {
	in := &g.in
	last := int(keep[len(keep)-1])
	for row, known := 0, false; row <= last || row == len(mask); {
		more, err := in.peek(ctx, name)
		switch {
		case err != nil:
			return err
		case !more && row == len(mask):
			return nil
		case !more:
			return corrupt("its pages have %d rows of %d", row, len(mask))
		}
		if !known {
			known = true // the dictionary has been read
			if place := s.places.before(of, int(keep[0])); place.row > 0 {
				row = place.row
				in.resume(place.at, row)
				continue
			}
		}
		s.places.note(of, place{row, in.pos()})
		n := int(in.head.values)
		if n > len(mask)-row {
			return corrupt("its pages have more than %d rows", len(mask))
		}
		if count(mask[row:row+n]) == 0 {
			if err := in.skip(); err != nil {
				return err
			}
		} else {
			if err := in.load(ctx, name); err != nil {
				return err
			}
			if err := g.page(mask[row:row+n], name); err != nil {
				return err
			}
		}
		row += n
	}
	return nil
}

// page gathers from the page that was read last.
func (g *gatherer) page(keep []byte, name string) error {
	in, out := &g.in, &g.out
	if in.isDict != out.isDict {
		if err := out.flush(); err != nil {
			return err
		}
		out.isDict = in.isDict
		if in.isDict {
			if err := out.dictionary(in, name); err != nil {
				return err
			}
		}
	}
	flags := keep
	if in.values != in.rows {
		flags = g.levels(keep)
	} else {
		out.allValid(count(keep))
	}
	switch {
	case in.isDict:
		out.indexes(in.indexes, flags)
	case in.phys == physBoolean:
		out.booleans(in.bools, flags)
	case in.phys == physInt32:
		gatherNumbers(out, view[int32](in.data, in.values), flags)
	case in.phys == physInt64:
		gatherNumbers(out, view[int64](in.data, in.values), flags)
	case in.phys == physFloat:
		gatherNumbers(out, view[float32](in.data, in.values), flags)
	case in.phys == physDouble:
		gatherNumbers(out, view[float64](in.data, in.values), flags)
	case in.phys == physBytes:
		if err := out.byteArrays(in.data, flags); err != nil {
			return err
		}
	default:
		out.fixed(in.data, in.length, flags)
	}
	return out.flushFull()
}

// levels gathers the definition levels of the page's rows, and returns the flags of the
// values that are not null.
func (g *gatherer) levels(keep []byte) []byte {
	in := &g.in
	g.flags = sized(g.flags, in.rows+1)
	def := g.out.moreLevels(in.rows)
	kept, values := 0, 0
	for i, d := range in.def {
		def[kept] = d
		kept += int(keep[i])
		g.flags[values] = keep[i]
		values += int(d)
	}
	g.out.levels(kept)
	return g.flags[:values]
}

func count(flags []byte) int {
	n := 0
	for len(flags) >= 8 { // of eight flags, each 0 or 1
		n += int(binary.LittleEndian.Uint64(flags) * 0x0101010101010101 >> 56)
		flags = flags[8:]
	}
	for _, f := range flags {
		n += int(f)
	}
	return n
}
