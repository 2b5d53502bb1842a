package stitch

import (
	"cmp"
	"context"
	"slices"

	"github.com/levada-data/levada/internal/pages"
	"github.com/levada-data/levada/internal/parquet"
)

const (
	copyBytes    = 1 << 20   // of a copy, read at once
	pageBytes    = 256 << 10 // of pages, read at once: what is read too much is read again
	distantBytes = 8 << 20   // the same over a network, where each read is a request
	nearBytes    = 64 << 10  // between two ranges that are read at once
	maxIndex     = 32 << 20  // bytes of page indexes that are read at once
	maxFilter    = 64 << 20  // bytes of a bloom filter
)

// copied is a chunk that is copied as it is, but not without a look at its pages.
type copied struct {
	span
	group  int
	column string
	pages  *pages.Walker
}

// copy appends neighbouring chunks of a source to the file. A page that contradicts its
// checksum, its header or the footer is an error, before the last byte of it is written.
func (w *Writer) copy(ctx context.Context, s *Source, chunks []copied) error {
	sp := chunks[0].span
	sp.n = chunks[len(chunks)-1].end() - sp.at
	for sp.n > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(sp.n, s.step)
		if int64(cap(w.buf)) < n {
			w.buf = make([]byte, n)
		}
		b := w.buf[:n]
		if err := parquet.ReadAt(s.r, b, sp.at); err != nil {
			return s.wrap(chunks[0].group, chunks[0].column, err)
		}
		var err error
		if chunks, err = follow(chunks, b); err != nil {
			return s.wrap(chunks[0].group, chunks[0].column, corrupt("%w", err))
		}
		if err := w.write(b); err != nil {
			return err
		}
		sp.at += n
		sp.n -= n
	}
	return nil
}

// follow checks the next bytes of chunks, which lie one behind the other, and returns
// those of which some are still to come, or that with the error.
func follow(chunks []copied, b []byte) ([]copied, error) {
	for len(b) > 0 {
		c := &chunks[0]
		n := min(int64(len(b)), c.pages.Left())
		err := c.pages.Write(b[:n])
		if err == nil && c.pages.Left() == 0 {
			err = c.pages.Close()
		}
		if err != nil {
			return chunks, err
		}
		if b = b[n:]; c.pages.Left() == 0 {
			chunks = chunks[1:]
		}
	}
	return chunks, nil
}

// pagesOf is what the footer says of the pages of a leaf's chunk.
func (s *Source) pagesOf(c *chunk, e *element, def, rep int) pages.Chunk {
	p := pages.Chunk{Bytes: c.span().n, Values: c.values, Codec: c.codec, Def: def, Rep: rep, Encodings: c.encodings}
	p.Kinds, _ = kindsOf(c.encStats)
	p.Width = plainWidth(e)
	return p
}

// plainWidth is how many bytes a plain value of an element has; 0 when they differ.
func plainWidth(e *element) int {
	switch e.phys {
	case physInt32, physFloat:
		return 4
	case physInt64, physDouble:
		return 8
	case physInt96:
		return 12
	case physFixed:
		return int(max(e.length, 0))
	}
	return 0
}

// kindsOf reads a list of PageEncodingStats.
func kindsOf(stats []byte) ([]pages.Kind, error) {
	if stats == nil {
		return nil, nil
	}
	var all []pages.Kind
	d := &decoder{b: stats}
	d.structs(typeList, func() {
		k, n := pages.Kind{Page: -1, Encoding: -1}, int64(-1)
		d.fields(func(id int16, typ byte) {
			if id <= 3 && typ != typeI32 {
				d.fail(errKind)
			}
			switch id {
			case 1:
				k.Page = d.int(typ)
			case 2:
				k.Encoding = d.int(typ)
			case 3:
				n = d.int(typ)
			default:
				d.skip(typ)
			}
		})
		if k.Page < 0 || k.Encoding < 0 || n < 0 {
			d.fail(errKind)
		}
		all = append(all, k)
	})
	return all, d.err
}

// carry returns what the file says of the chunks of some leaves of a row group, with
// their page indexes and bloom filters: the indexes lie together in a file, and are read
// together. Bounds of values are left out unless they are
// known to be in the order of the type, and an index that contradicts the chunk is left
// out, too: readers do without.
func (s *Source) carry(group int, leaves []int) ([]outChunk, error) {
	rg := &s.meta.groups[group]
	out := make([]outChunk, len(leaves))
	var wanted []span
	for i, leaf := range leaves {
		c := &out[i]
		c.chunk = *rg.chunks[leaf]
		if s.holds(c.offsetIndex) && c.offsetIndex.n > 0 && c.offsetIndex.n <= maxIndex {
			wanted = append(wanted, c.offsetIndex)
			if s.meta.typeOrder[leaf] && s.holds(c.columnIndex) && c.columnIndex.n > 0 && c.columnIndex.n <= maxIndex {
				wanted = append(wanted, c.columnIndex)
			}
		}
		if c.stats != nil && !s.meta.typeOrder[leaf] {
			st := *c.stats
			st.lo, st.hi = nil, nil
			c.stats = &st
		}
	}
	parts, err := s.read(wanted)
	if err != nil {
		return nil, err
	}
	for i := range out {
		c := &out[i]
		c.takeIndexes(parts, rg.rows, &s.meta.leaves[leaves[i]])
		if c.filter, err = s.filter(&c.chunk); err != nil {
			return nil, err
		}
		c.bloom, c.offsetIndex, c.columnIndex = span{}, span{}, span{}
	}
	return out, nil
}

// leavesFrom are n leaves of a source.
func leavesFrom(from, n int) []int {
	leaves := make([]int, n)
	for i := range leaves {
		leaves[i] = from + i
	}
	return leaves
}

// takeIndexes takes the chunk's indexes from those that were read.
func (c *outChunk) takeIndexes(parts map[span][]byte, rows int64, lf *leaf) {
	if !sizesFit(c.sizeStats, lf) {
		c.sizeStats = nil
	}
	pages := checkOffsets(parts[c.offsetIndex], c.span(), rows)
	if pages == 0 {
		return
	}
	c.offsets = parts[c.offsetIndex]
	if b := parts[c.columnIndex]; checkColumns(b, lf) == pages {
		c.columns = b
	}
}

// move shifts the chunk's offsets, and those of its offset index.
func (c *outChunk) move(by int64) {
	c.dataPage += by
	if c.dictPage > 0 {
		c.dictPage += by
	}
	if c.offsets != nil {
		c.offsets = shiftOffsets(c.offsets, by)
	}
}

// read reads ranges of the file, those that are close to each other at once. The ranges
// must be held.
func (s *Source) read(spans []span) (map[span][]byte, error) {
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.at, b.at) })
	parts := make(map[span][]byte, len(spans))
	for len(spans) > 0 {
		all := spans[0]
		n := 1
		for n < len(spans) && spans[n].at <= all.end()+nearBytes && spans[n].end()-all.at <= maxIndex {
			all.n = max(all.n, spans[n].end()-all.at)
			n++
		}
		b := make([]byte, all.n)
		if err := parquet.ReadAt(s.r, b, all.at); err != nil {
			return nil, err
		}
		for _, sp := range spans[:n] {
			parts[sp] = b[sp.at-all.at : sp.end()-all.at : sp.end()-all.at]
		}
		spans = spans[n:]
	}
	return parts, nil
}
