package stitch

import "github.com/levada-data/levada/internal/parquet"

// location is where a data page is.
type location struct {
	at, n int64 // bytes, header included
	row   int64 // its first one in the row group
}

// offsets reads an OffsetIndex: its locations, and the list of sizes of byte arrays,
// encoded (nil: none). The decoder's error says whether it is one.
func (d *decoder) offsets() (pages []location, sizes []byte) {
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			d.structs(typ, func() { pages = append(pages, d.location()) })
		case 2:
			sizes = d.rawOf(typ, typeList)
		default:
			d.skip(typ)
		}
	})
	return pages, sizes
}

func (d *decoder) location() location {
	l := location{at: -1, n: -1, row: -1}
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			l.at = d.int(typ)
		case 2:
			l.n = d.int(typ)
		case 3:
			l.row = d.int(typ)
		default:
			d.skip(typ)
		}
	})
	return l
}

// checkOffsets returns how many pages an offset index has; 0 when it is none, or not one
// of a chunk of these bytes and rows.
func checkOffsets(b []byte, within span, rows int64) int {
	d := &decoder{b: b}
	pages, _ := d.offsets()
	if d.err != nil {
		return 0
	}
	at, row := within.at, int64(0)
	for i, p := range pages {
		if p.at < at || p.n <= 0 || p.n > within.end()-p.at || p.row < row || p.row > rows || (i == 0 && p.row != 0) {
			return 0
		}
		at, row = p.at+p.n, p.row
	}
	return len(pages)
}

// shiftOffsets returns an offset index, which has been checked, with its pages moved.
func shiftOffsets(b []byte, by int64) []byte {
	d := &decoder{b: b}
	pages, sizes := d.offsets()
	for i := range pages {
		pages[i].at += by
	}
	return putOffsets(pages, sizes)
}

func putOffsets(pages []location, sizes []byte) []byte {
	e := &encoder{}
	e.begin()
	e.list(1, typeStruct, len(pages))
	for _, p := range pages {
		e.begin()
		e.i64(1, p.at)
		e.i32(2, p.n)
		e.i64(3, p.row)
		e.end()
	}
	e.raw(2, typeList, sizes)
	e.end()
	return e.b
}

// checkColumns returns how many pages a column index of a leaf has; -1 when it is none.
func checkColumns(b []byte, lf *leaf) int {
	d := &decoder{b: b}
	lists := map[int16]int{}
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1, 2, 3, 5, 6, 7:
			lists[id] = d.passList(typ)
		default:
			d.skip(typ)
		}
	})
	pages := lists[1]
	for id, each := range map[int16]int{2: 1, 3: 1, 5: 1, 6: lf.maxRep + 1, 7: lf.maxDef + 1} {
		if n, ok := lists[id]; (ok || id <= 3) && n != pages*each {
			return -1
		}
	}
	if _, ok := lists[1]; d.err != nil || !ok {
		return -1
	}
	return pages
}

// passList passes over a list, and returns how many elements it has.
func (d *decoder) passList(typ byte) int {
	if typ != typeList {
		d.fail(errKind)
		return 0
	}
	elem, n := d.list()
	for i := 0; i < n && d.err == nil; i++ {
		d.pass(elem, true, 0)
	}
	return n
}

// sizesFit reports that SizeStatistics are those of a leaf: with as many counts as it has
// levels. Some readers end their process over others.
func sizesFit(b []byte, lf *leaf) bool {
	if b == nil {
		return true
	}
	d := &decoder{b: b}
	fit := true
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			fit = fit && typ == typeI64
			d.skip(typ)
		case 2:
			fit = fit && d.passList(typ) == lf.maxRep+1
		case 3:
			fit = fit && d.passList(typ) == lf.maxDef+1
		default:
			d.skip(typ)
		}
	})
	return fit && d.err == nil
}

// filterHeader bounds the header of a bloom filter.
const filterHeader = 256

// filter reads the bloom filter of a chunk; nil when it has none that can be read.
func (s *Source) filter(c *chunk) ([]byte, error) {
	if !s.holds(c.bloom) || c.bloom.at == 0 {
		return nil, nil
	}
	head := make([]byte, min(filterHeader, s.end-c.bloom.at))
	if err := parquet.ReadAt(s.r, head, c.bloom.at); err != nil {
		return nil, err
	}
	d := &decoder{b: head}
	bits := int64(-1)
	d.fields(func(id int16, typ byte) {
		if id == 1 {
			bits = d.int(typ)
			return
		}
		d.skip(typ)
	})
	// Old files do not say how long it is, but the header does.
	whole := span{c.bloom.at, int64(d.at) + bits}
	if d.err != nil || bits <= 0 || bits > maxFilter || !s.holds(whole) || (c.bloom.n > 0 && c.bloom.n != whole.n) {
		return nil, nil //nolint:nilerr // a filter that cannot be read is done without
	}
	b := make([]byte, whole.n)
	return b, parquet.ReadAt(s.r, b, whole.at)
}
