package stitch

import (
	"bytes"
	"fmt"
)

// CheckPages walks every page of a file and compares the headers with the metadata and
// the page indexes.
func CheckPages(data []byte) error {
	s, err := OpenSource("stitched", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return err
	}
	for g := range s.meta.groups {
		rg := &s.meta.groups[g]
		for l, c := range rg.chunks {
			if err := checkChunk(data, c, s.meta.leaves[l], rg.rows); err != nil {
				return fmt.Errorf("row group %d, column %v: %w", g, s.meta.leaves[l].path, err)
			}
		}
	}
	return nil
}

func checkChunk(data []byte, c *chunk, lf leaf, rows int64) error {
	var pages []location
	values, dict := int64(0), int64(0)
	sp := c.span()
	for at := sp.at; at < sp.end(); {
		d := &decoder{b: data[at:sp.end()]}
		h := d.pageHeader()
		if d.err != nil {
			return d.err
		}
		n := int64(d.at) + h.packed
		if h.kind == pageDict {
			dict = at
		} else {
			pages = append(pages, location{at: at, n: n, row: values})
			values += h.values
		}
		at += n
		if at > sp.end() {
			return fmt.Errorf("a page ends at %d, the chunk at %d", at, sp.end())
		}
	}
	if values != c.values || (lf.maxRep == 0 && values != rows) {
		return fmt.Errorf("%d values in pages, %d in the metadata, %d rows", values, c.values, rows)
	}
	if len(pages) > 0 && c.dataPage != pages[0].at {
		return fmt.Errorf("data_page_offset %d, page at %d", c.dataPage, pages[0].at)
	}
	if c.dictPage != dict {
		return fmt.Errorf("dictionary_page_offset %d, page at %d", c.dictPage, dict)
	}
	if c.offsetIndex.n == 0 {
		if c.columnIndex.n > 0 {
			return fmt.Errorf("a column index without an offset index")
		}
		return nil
	}
	d := &decoder{b: data[c.offsetIndex.at:c.offsetIndex.end()]}
	locs, _ := d.offsets()
	if d.err != nil || d.at != len(d.b) || len(locs) != len(pages) {
		return fmt.Errorf("offset index of %d pages for %d: %w", len(locs), len(pages), d.err)
	}
	for i, p := range pages {
		if p.at != locs[i].at || p.n != locs[i].n || (lf.maxRep == 0 && p.row != locs[i].row) {
			return fmt.Errorf("page %d: index says %+v, is %+v", i, locs[i], p)
		}
	}
	if c.columnIndex.n > 0 && checkColumns(data[c.columnIndex.at:c.columnIndex.end()]) != len(pages) {
		return fmt.Errorf("column index of another number of pages than %d", len(pages))
	}
	return nil
}
