package stitch

import (
	"cmp"
	"context"
	"slices"
)

const (
	copyBytes    = 1 << 20   // of a copy, read at once
	pageBytes    = 256 << 10 // of pages, read at once: what is read too much is read again
	distantBytes = 8 << 20   // the same over a network, where each read is a request
	nearBytes    = 64 << 10  // between two ranges that are read at once
	maxIndex     = 32 << 20  // bytes of page indexes that are read at once
	maxFilter    = 64 << 20  // bytes of a bloom filter
)

// copy appends a range of a source to the file.
func (w *Writer) copy(ctx context.Context, s *Source, sp span) error {
	for sp.n > 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n := min(sp.n, s.step)
		if int64(cap(w.buf)) < n {
			w.buf = make([]byte, n)
		}
		b := w.buf[:n]
		if err := readAt(s.r, b, sp.at); err != nil {
			return err
		}
		if err := w.write(b); err != nil {
			return err
		}
		sp.at += n
		sp.n -= n
	}
	return nil
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
		c.takeIndexes(parts, rg.rows)
		if c.filter, err = s.filter(&c.chunk); err != nil {
			return nil, err
		}
		c.bloom, c.offsetIndex, c.columnIndex = span{}, span{}, span{}
	}
	return out, nil
}

// takeIndexes takes the chunk's indexes from those that were read.
func (c *outChunk) takeIndexes(parts map[span][]byte, rows int64) {
	pages := checkOffsets(parts[c.offsetIndex], c.span(), rows)
	if pages == 0 {
		return
	}
	c.offsets = parts[c.offsetIndex]
	if b := parts[c.columnIndex]; checkColumns(b) == pages {
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
		if err := readAt(s.r, b, all.at); err != nil {
			return nil, err
		}
		for _, sp := range spans[:n] {
			parts[sp] = b[sp.at-all.at : sp.end()-all.at : sp.end()-all.at]
		}
		spans = spans[n:]
	}
	return parts, nil
}
