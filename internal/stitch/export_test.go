package stitch

import (
	"bytes"
	"fmt"
	"math/bits"
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
	if c.columnIndex.n > 0 && checkColumns(data[c.columnIndex.at:c.columnIndex.end()], &lf) != len(pages) {
		return fmt.Errorf("column index of another number of pages than %d", len(pages))
	}
	return nil
}

// Tamper changes what a source's footer says of a leaf in a row group.
func Tamper(s *Source, group, leaf int, how string) {
	c := s.meta.groups[group].chunks[leaf]
	switch how {
	case "encrypted":
		c.encrypted = true
	case "elsewhere":
		c.elsewhere = true
	case "missing":
		s.meta.groups[group].chunks[leaf] = nil
	case "old":
		s.old = true
	case "values":
		c.values--
	case "pages":
		c.dictPage = c.dataPage
	case "type":
		c.phys = physInt96
	case "order":
		s.meta.typeOrder[leaf] = false
	case "legacy list":
		s.meta.elements[s.meta.leaves[leaf].elem-1].name = "array"
	default:
		panic(how)
	}
}

// SetBloom points a chunk's bloom filter to bytes of the file.
func SetBloom(s *Source, group, leaf int, at, n int64) {
	s.meta.groups[group].chunks[leaf].bloom = span{at, n}
}

// Sorting returns the leaves by which a row group is sorted.
func Sorting(s *Source, group int) (leaves []int64) {
	for _, k := range s.meta.groups[group].sorting {
		leaves = append(leaves, k.leaf)
	}
	return leaves
}

// Facts are what a file says of a chunk.
type Facts struct {
	Low, High      bool // there are bounds
	Nulls          int64
	Index, Columns bool // there is an offset index; a column index
	Bloom          int64
}

// FactsOf returns what a file says of a chunk.
func FactsOf(s *Source, group, leaf int) Facts {
	c := s.meta.groups[group].chunks[leaf]
	f := Facts{Nulls: -1, Index: c.offsetIndex.n > 0, Columns: c.columnIndex.n > 0, Bloom: c.bloom.n}
	if c.stats != nil {
		f.Low, f.High = c.stats.lo != nil, c.stats.hi != nil
		if c.stats.nulls != nil {
			f.Nulls = *c.stats.nulls
		}
	}
	return f
}

// ShortSizes says whether the sizes in files of a writer are not relied on.
func ShortSizes(createdBy string) bool { return shortSizes(createdBy) }

// ParseChunk decodes a ColumnChunk.
func ParseChunk(b []byte) (there, encrypted, elsewhere bool) {
	c := (&decoder{b: b}).chunk()
	if c == nil {
		return false, false, false
	}
	return true, c.encrypted, c.elsewhere
}

// Indices packs indices below n and reads them back.
func Indices(v []uint32, n int) ([]uint32, error) {
	w := bits.Len(uint(max(n-1, 1)))
	out := make([]uint32, len(v))
	return out, decodeIndexes(packIndexes(nil, v, w), w, out, uint32(n))
}

// Bits packs bytes that are 0 or 1 and reads them back.
func Bits(v []byte) (out []byte, ones int, err error) {
	out = make([]byte, len(v))
	ones, err = decodeBits(packLevels(nil, v), out)
	return out, ones, err
}

// BloomAt is where a chunk's bloom filter is.
func BloomAt(s *Source, group, leaf int) int64 { return s.meta.groups[group].chunks[leaf].bloom.at }
