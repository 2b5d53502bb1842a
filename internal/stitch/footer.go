package stitch

import (
	"slices"

	"github.com/levada-data/levada/internal/parquet"
)

// maxElements bounds the schema, whose elements are larger here than in the file.
const maxElements = 1 << 17

// Physical types.
const (
	physBoolean = 0
	physInt32   = 1
	physInt64   = 2
	physInt96   = 3
	physFloat   = 4
	physDouble  = 5
	physBytes   = 6
	physFixed   = 7
)

// Repetitions.
const (
	required = 0
	optional = 1
	repeated = 2
)

// element is a node of the schema. -1 stands for what is not set.
type element struct {
	name       string
	phys       int64 // -1: a group
	length     int64 // of physFixed
	repetition int64
	children   int64
	converted  int64
	scale      int64
	precision  int64
	logical    []byte // a LogicalType, encoded; nil: none
}

// leaf is a column of the file.
type leaf struct {
	elem   int // its element
	top    int // its top-level field
	maxDef int
	maxRep int
	path   []string
}

// span is a range of bytes of a file; none when n is 0.
type span struct{ at, n int64 }

func (s span) end() int64 { return s.at + s.n }

// statistics are what is known of the values of a chunk, without the deprecated bounds.
type statistics struct {
	nulls, distinct    *int64
	lo, hi             []byte // nil: not known
	loExact, hiExact   bool
	loMarked, hiMarked bool // exactness is said
}

// chunk is the metadata of a column chunk. Slices may point into a footer.
type chunk struct {
	phys        int64
	encodings   []int64
	codec       int64
	values      int64
	unpacked    int64 // bytes
	packed      int64 // bytes
	dataPage    int64 // offset
	dictPage    int64 // offset; 0: none
	stats       *statistics
	encStats    []byte // list of PageEncodingStats, encoded; nil: none
	sizeStats   []byte // SizeStatistics, encoded; nil: none
	bloom       span   // n is 0 when its length is not said, though it is there
	offsetIndex span
	columnIndex span
	encrypted   bool
	elsewhere   bool // in another file
}

// start is where the chunk's bytes begin. Some writers leave one of the offsets 0.
func (c *chunk) start() int64 {
	if c.dictPage > 0 && (c.dictPage < c.dataPage || c.dataPage <= 0) {
		return c.dictPage
	}
	return c.dataPage
}

func (c *chunk) span() span { return span{c.start(), c.packed} }

// sortKey is a column by which the rows of a row group are in order.
type sortKey struct {
	leaf              int64
	descending, first bool
}

type rowGroup struct {
	rows    int64
	chunks  []*chunk // for each leaf; nil: without metadata
	snappy  bool     // some chunk is compressed with it
	sorting []sortKey
}

// footer is a file's metadata.
type footer struct {
	version   int64
	elements  []element
	leaves    []leaf
	tops      []int // the element of each top-level field
	rows      int64
	groups    []rowGroup
	createdBy string
	typeOrder []bool // for each leaf: its bounds are in the order of its type
	encrypted bool
	rawSchema []byte // the list of elements, encoded
	rawKeys   []byte // the list of key-value pairs, encoded; nil: none
	rawOrders []byte // the list of column orders, encoded; nil: none
}

// parseFooter decodes a footer. What it returns points into b. The error wraps
// [parquet.ErrCorrupt].
func parseFooter(b []byte) (*footer, error) {
	f := &footer{}
	d := &decoder{b: b}
	there := map[int16]bool{}
	d.fields(func(id int16, typ byte) {
		from := d.at
		there[id] = true
		switch id {
		case 1:
			f.version = d.int(typ)
		case 2:
			d.structs(typ, func() {
				if len(f.elements) == maxElements {
					d.fail(errMany)
				}
				f.elements = append(f.elements, d.element())
			})
			f.rawSchema = b[from:d.at]
		case 3:
			f.rows = d.int(typ)
		case 4:
			d.structs(typ, func() { f.groups = append(f.groups, d.rowGroup()) })
		case 5:
			f.rawKeys = d.skip(typ)
		case 6:
			f.createdBy = string(d.string(typ))
		case 7:
			d.structs(typ, func() { f.typeOrder = append(f.typeOrder, d.typeOrder()) })
			f.rawOrders = b[from:d.at]
		case 8:
			d.skip(typ)
			f.encrypted = true
		default:
			d.skip(typ)
		}
	})
	if d.err != nil {
		return nil, corrupt("footer: %w", d.err)
	}
	if f.encrypted {
		return nil, parquet.ErrEncrypted
	}
	if !there[1] || !there[2] || !there[3] || !there[4] || d.at != len(b) {
		return nil, corrupt("footer: it lacks what every footer says, or goes on behind its end")
	}
	if err := f.walk(); err != nil {
		return nil, err
	}
	if len(f.typeOrder) != len(f.leaves) {
		f.typeOrder = make([]bool, len(f.leaves))
	}
	return f, nil
}

// walk finds the leaves and the top-level fields.
func (f *footer) walk() error {
	if len(f.elements) == 0 || f.elements[0].phys >= 0 {
		return corrupt("footer: no schema")
	}
	at := 1
	var down func(top, def, rep int, path []string) error
	down = func(top, def, rep int, path []string) error {
		if at >= len(f.elements) || len(path) >= 100 {
			return corrupt("footer: its schema has %d elements and wants more", len(f.elements))
		}
		i := at
		at++
		e := &f.elements[i]
		if e.repetition < required || e.repetition > repeated {
			return corrupt("footer: element %q is neither required, optional nor repeated", e.name)
		}
		if e.repetition != required {
			def++
		}
		if e.repetition == repeated {
			rep++
		}
		path = append(slices.Clip(path), e.name)
		if e.phys >= 0 {
			if e.children > 0 || e.phys > physFixed {
				return corrupt("footer: element %q is of type %d and has %d children", e.name, e.phys, e.children)
			}
			f.leaves = append(f.leaves, leaf{elem: i, top: top, maxDef: def, maxRep: rep, path: path})
			return nil
		}
		for range e.children {
			if err := down(top, def, rep, path); err != nil {
				return err
			}
		}
		return nil
	}
	for k := range f.elements[0].children {
		f.tops = append(f.tops, at)
		if err := down(int(k), 0, 0, nil); err != nil {
			return err
		}
	}
	if at != len(f.elements) {
		return corrupt("footer: its schema has %d elements and uses %d", len(f.elements), at)
	}
	return nil
}

func (d *decoder) element() element {
	e := element{phys: -1, length: -1, repetition: -1, converted: -1, scale: -1, precision: -1}
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			e.phys = d.int(typ)
		case 2:
			e.length = d.int(typ)
		case 3:
			e.repetition = d.int(typ)
		case 4:
			e.name = string(d.string(typ))
		case 5:
			e.children = d.int(typ)
		case 6:
			e.converted = d.int(typ)
		case 7:
			e.scale = d.int(typ)
		case 8:
			e.precision = d.int(typ)
		case 10:
			if typ != typeStruct {
				d.fail(errKind)
				return
			}
			e.logical = d.skip(typ)
		default:
			d.skip(typ)
		}
	})
	return e
}

// typeOrder reads a ColumnOrder.
func (d *decoder) typeOrder() (is bool) {
	d.fields(func(id int16, typ byte) {
		is = id == 1
		d.skip(typ)
	})
	return is
}

func (d *decoder) rowGroup() rowGroup {
	g := rowGroup{rows: -1}
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			d.structs(typ, func() {
				c := d.chunk()
				g.chunks = append(g.chunks, c)
				g.snappy = g.snappy || c != nil && c.codec == codecSnappy
			})
		case 3:
			g.rows = d.int(typ)
		case 4: // sorting columns
			d.structs(typ, func() { g.sorting = append(g.sorting, d.sortKey()) })
		default:
			d.skip(typ)
		}
	})
	if g.rows < 0 {
		d.fail(errRows)
	}
	return g
}

func (d *decoder) sortKey() sortKey {
	k := sortKey{leaf: -1}
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			k.leaf = d.int(typ)
		case 2:
			k.descending = d.bool(typ)
		case 3:
			k.first = d.bool(typ)
		default:
			d.skip(typ)
		}
	})
	return k
}

// chunk reads a ColumnChunk; nil when it has no metadata here.
func (d *decoder) chunk() *chunk {
	var c chunk
	there := false
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			c.elsewhere = len(d.string(typ)) > 0
		case 3:
			there = true
			if typ != typeStruct {
				d.fail(errKind)
				return
			}
			d.chunkMeta(&c)
		case 4:
			c.offsetIndex.at = d.int(typ)
		case 5:
			c.offsetIndex.n = d.int(typ)
		case 6:
			c.columnIndex.at = d.int(typ)
		case 7:
			c.columnIndex.n = d.int(typ)
		case 8, 9:
			c.encrypted = true
			d.skip(typ)
		default:
			d.skip(typ)
		}
	})
	if !there {
		return nil
	}
	return &c
}

func (d *decoder) chunkMeta(c *chunk) {
	c.phys, c.values, c.unpacked, c.packed = -1, -1, -1, -1
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			c.phys = d.int(typ)
		case 2:
			if typ != typeList {
				d.fail(errKind)
				return
			}
			elem, n := d.list()
			for i := 0; i < n && d.err == nil; i++ {
				c.encodings = append(c.encodings, d.int(elem))
			}
		case 4:
			c.codec = d.int(typ)
		case 5:
			c.values = d.int(typ)
		case 6:
			c.unpacked = d.int(typ)
		case 7:
			c.packed = d.int(typ)
		case 9:
			c.dataPage = d.int(typ)
		case 11:
			c.dictPage = d.int(typ)
		case 12:
			if typ != typeStruct {
				d.fail(errKind)
				return
			}
			c.stats = d.statistics()
		case 13:
			c.encStats = d.rawOf(typ, typeList)
			if _, err := kindsOf(c.encStats); err != nil { // it goes into other footers as it is
				d.fail(err)
			}
		case 14:
			c.bloom.at = d.int(typ)
		case 15:
			c.bloom.n = d.int(typ)
		case 16:
			c.sizeStats = d.rawOf(typ, typeStruct)
		default:
			d.skip(typ)
		}
	})
}

// rawOf reads a value that must be of a type.
func (d *decoder) rawOf(typ, want byte) []byte {
	if typ != want {
		d.fail(errKind)
		return nil
	}
	return d.skip(typ)
}

func (d *decoder) statistics() *statistics {
	s := &statistics{}
	d.fields(func(id int16, typ byte) {
		switch id {
		case 3:
			v := d.int(typ)
			s.nulls = &v
		case 4:
			v := d.int(typ)
			s.distinct = &v
		case 5:
			s.hi = d.string(typ)
		case 6:
			s.lo = d.string(typ)
		case 7:
			s.hiExact, s.hiMarked = d.bool(typ), true
		case 8:
			s.loExact, s.loMarked = d.bool(typ), true
		default: // 1 and 2 are the deprecated bounds
			d.skip(typ)
		}
	})
	return s
}

// put writes the chunk's ColumnChunk under the path of a leaf.
func (c *chunk) put(e *encoder, path []string) {
	e.begin()
	e.i64(2, 0) // of metadata outside the footer: there is none
	e.field(3, typeStruct)
	e.begin()
	e.i32(1, c.phys)
	e.list(2, typeI32, len(c.encodings))
	for _, v := range c.encodings {
		e.varint(v)
	}
	e.list(3, typeBinary, len(path))
	for _, p := range path {
		e.bytes([]byte(p))
	}
	e.i32(4, c.codec)
	e.i64(5, c.values)
	e.i64(6, c.unpacked)
	e.i64(7, c.packed)
	e.i64(9, c.dataPage)
	if c.dictPage > 0 {
		e.i64(11, c.dictPage)
	}
	if c.stats != nil {
		e.field(12, typeStruct)
		c.stats.put(e)
	}
	e.raw(13, typeList, c.encStats)
	if c.bloom.n > 0 {
		e.i64(14, c.bloom.at)
		e.i32(15, c.bloom.n)
	}
	e.raw(16, typeStruct, c.sizeStats)
	e.end()
	if c.offsetIndex.n > 0 {
		e.i64(4, c.offsetIndex.at)
		e.i32(5, c.offsetIndex.n)
	}
	if c.columnIndex.n > 0 {
		e.i64(6, c.columnIndex.at)
		e.i32(7, c.columnIndex.n)
	}
	e.end()
}

func (s *statistics) put(e *encoder) {
	e.begin()
	if s.nulls != nil {
		e.i64(3, *s.nulls)
	}
	if s.distinct != nil {
		e.i64(4, *s.distinct)
	}
	if s.hi != nil {
		e.binary(5, s.hi)
	}
	if s.lo != nil {
		e.binary(6, s.lo)
	}
	if s.hiMarked && s.hi != nil {
		e.bool(7, s.hiExact)
	}
	if s.loMarked && s.lo != nil {
		e.bool(8, s.loExact)
	}
	e.end()
}
