package stitch

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// pageTarget is about how many bytes of values a page has; a page ends only where one of
// the source does, so it may have more.
const pageTarget = 1 << 20

// pageWriter writes the pages of one column chunk, of version 1, into a buffer.
type pageWriter struct {
	l      *Layout
	buf    *bytes.Buffer
	codec  int64 // of the chunk
	phys   int64
	maxDef int
	order  order

	isDict bool
	dictIn *pageReader // whose dictionary it is
	used   []byte      // for each value of the dictionary: 1 when it is kept
	place  []uint32    // and its index among those that are
	inPage []byte      // likewise: 1 when the page has it
	width  int         // bits of an index
	ends   []pageEnd   // of pages of indexes, which wait for the dictionary

	// The page that is being filled.
	rows    int
	def     []byte // their definition levels, once one is null
	vals    []byte // plain values
	bools   []byte
	idx     []uint32
	current bounds

	// The chunk.
	total      int64
	nulls      int64
	unpacked   int64
	dictAt     int64 // 0: no dictionary
	dataAt     int64
	dictPages  int
	all        bounds
	pages      []location
	pageNulls  []int64
	pageBounds []pageBound
	noIndex    bool // some page has no bounds

	page, packed []byte
	zstd         *zstd.Encoder
}

// pageBound is the bounds of a page; empty ones for a page of nulls.
type pageBound struct {
	null   bool
	lo, hi []byte
}

// begin starts a chunk of an element of the source, for its values are that.
func (w *pageWriter) begin(l *Layout, buf *bytes.Buffer, e *element, maxDef int) {
	if w.l != l {
		w.zstd = nil
	}
	*w = pageWriter{
		l: l, buf: buf, codec: l.codec, phys: e.phys, maxDef: maxDef, order: orderOf(e), def: w.def[:0], vals: w.vals[:0], bools: w.bools[:0], idx: w.idx[:0],
		used: w.used[:0], place: w.place[:0], inPage: w.inPage[:0], ends: w.ends[:0], current: w.current, all: w.all, page: w.page, packed: w.packed, zstd: w.zstd,
	}
	w.current.reset()
	w.all.reset()
}

// dictionary says that indexes come, into the dictionary of the chunk. They wait until the
// last one is there: of the dictionary only those values may go along that are kept, or a
// file would show what a filter has dropped.
func (w *pageWriter) dictionary(in *pageReader, name string) error {
	if w.dictIn != nil {
		return refused(name, "its pages change between plain values and a dictionary")
	}
	w.dictIn = in
	w.used = sized(w.used, in.dictN)
	clear(w.used)
	w.width = bits.Len(uint(max(in.dictN-1, 1)))
	return nil
}

// pageEnd is where a page of indexes ends.
type pageEnd struct{ rows, indexes int }

// settle writes the dictionary, of the values that are used, and the pages that wait.
func (w *pageWriter) settle() error {
	in := w.dictIn
	w.ends = append(w.ends, pageEnd{w.rows, len(w.idx)})
	used := uint32(0)
	w.place = sized(w.place, in.dictN)
	for i, u := range w.used {
		w.place[i] = used
		used += uint32(u)
	}
	if used > 0 {
		if err := w.putDictionary(int(used)); err != nil {
			return err
		}
	} else {
		w.isDict = false // pages of nulls need none
		defer func() { w.isDict = true }()
	}
	all := int(used) == in.dictN
	if !all {
		w.width = bits.Len(uint(max(used, 2) - 1))
	}
	idx, def := w.idx, w.def
	from := pageEnd{}
	for _, to := range w.ends {
		w.rows, w.idx, w.def = to.rows-from.rows, idx[from.indexes:to.indexes], nil
		w.boundIndexes()
		if !all {
			for i, x := range w.idx {
				w.idx[i] = w.place[x]
			}
		}
		if len(def) > 0 {
			w.def = def[from.rows:to.rows]
		}
		if err := w.put(); err != nil {
			return err
		}
		from = to
	}
	w.rows, w.idx, w.def, w.ends = 0, idx[:0], def[:0], w.ends[:0]
	w.current.reset()
	return nil
}

// boundIndexes makes the page's bounds those of the values that its indexes, into the whole
// dictionary, stand for.
func (w *pageWriter) boundIndexes() {
	w.current.reset()
	if w.order == noOrder {
		return
	}
	in := w.dictIn
	w.inPage = sized(w.inPage, in.dictN)
	clear(w.inPage)
	for _, x := range w.idx {
		w.inPage[x] = 1
	}
	rest, size := in.dict, in.width()
	for _, there := range w.inPage {
		v := rest[:size]
		if w.phys == physBytes {
			n := 4 + int(binary.LittleEndian.Uint32(rest))
			v, rest = rest[4:n], rest[n:]
		} else {
			rest = rest[size:]
		}
		if there != 0 {
			w.current.join(v, v, w.order)
		}
	}
}

// putDictionary writes a dictionary of the n values that are used.
func (w *pageWriter) putDictionary(n int) error {
	in := w.dictIn
	w.dictAt = int64(w.buf.Len())
	if n == in.dictN && in.codec == w.codec && !w.l.o.Checksums {
		w.buf.Write(in.dictPage)
		w.unpacked += in.dictBytes
		return nil
	}
	p := w.page[:0]
	rest, size := in.dict, in.width()
	for _, used := range w.used {
		l := size
		if w.phys == physBytes {
			l = 4 + int(binary.LittleEndian.Uint32(rest))
		}
		if used != 0 {
			p = append(p, rest[:l]...)
		}
		rest = rest[l:]
	}
	w.page = p
	_, err := w.write(pageDict, 7, p, int64(n), encPlain)
	return err
}

// allValid notes n kept rows of which none is null.
func (w *pageWriter) allValid(n int) {
	if len(w.def) > 0 {
		def := w.moreLevels(n)
		for i := range def[:n] {
			def[i] = 1
		}
		w.levels(n)
		return
	}
	w.rows += n
}

// moreLevels returns room for the levels of n rows, and one more to be written in vain.
func (w *pageWriter) moreLevels(n int) []byte {
	if len(w.def) < w.rows { // those before had no nulls
		from := len(w.def)
		w.def = grown(w.def, w.rows)
		for i := range w.def[from:] {
			w.def[from+i] = 1
		}
	}
	at := len(w.def)
	w.def = grown(w.def, at+n+1)
	return w.def[at:]
}

// levels says how many of the rows that moreLevels made room for there are.
func (w *pageWriter) levels(n int) {
	w.def = w.def[:w.rows+n]
	w.rows += n
}

// grown returns a buffer of n elements that begins as b does.
func grown[T any](b []T, n int) []T {
	if cap(b) >= n {
		return b[:n]
	}
	c := make([]T, n, n+n/2)
	copy(c, b)
	return c
}

// indexes adds the indexes whose flag is set.
func (w *pageWriter) indexes(in []uint32, flags []byte) {
	at := len(w.idx)
	w.idx = grown(w.idx, at+len(in)+1)
	to := w.idx[at:]
	n := 0
	for i, x := range in {
		to[n] = x
		w.used[x] |= flags[i]
		n += int(flags[i])
	}
	w.idx = w.idx[:at+n]
}

func (w *pageWriter) booleans(in, flags []byte) {
	at := len(w.bools)
	w.bools = grown(w.bools, at+len(in)+1)
	to := w.bools[at:]
	n := 0
	for i, v := range in {
		to[n] = v
		n += int(flags[i])
	}
	w.bools = w.bools[:at+n]
}

// gatherNumbers adds the values whose flag is set.
func gatherNumbers[T number](w *pageWriter, in []T, flags []byte) {
	size := int(unsafe.Sizeof(*new(T)))
	at := len(w.vals)
	w.vals = grown(w.vals, at+size*(len(in)+1))
	to := view[T](w.vals[at:], len(in)+1)
	n := 0
	for i, v := range in {
		to[n] = v
		n += int(flags[i])
	}
	w.vals = w.vals[:at+n*size]
	widenNumbers(&w.current, w.order, to[:n])
}

// byteArrays adds the values whose flag is set. in has slack behind it.
func (w *pageWriter) byteArrays(in, flags []byte) error {
	at := len(w.vals)
	w.vals = grown(w.vals, at+len(in)+slack)
	to := w.vals[at:]
	wide := slices.Clip(in)
	if cap(in) >= len(in)+slack {
		wide = in[:len(in)+slack]
	}
	n, p := 0, 0
	for _, f := range flags {
		if len(in)-p < 4 {
			return corrupt("the values of a page end too early")
		}
		size := uint64(binary.LittleEndian.Uint32(in[p:])) + 4
		if size > uint64(len(in)-p) {
			return corrupt("the values of a page end too early")
		}
		l := int(size) //nolint:gosec // bounded
		if l <= 64 && p+64 <= len(wide) && n+64 <= len(to) {
			*(*[64]byte)(to[n:]) = *(*[64]byte)(wide[p:])
		} else if f != 0 {
			copy(to[n:], in[p:p+l])
		}
		if f != 0 {
			if w.order == bytewise {
				w.current.bytes(in[p+4 : p+l])
			}
			n += l
		}
		p += l
	}
	w.vals = w.vals[:at+n]
	return nil
}

func (w *pageWriter) fixed(in []byte, size int, flags []byte) {
	for i, f := range flags {
		if f != 0 {
			v := in[i*size : (i+1)*size]
			w.vals = append(w.vals, v...)
			if w.order == bytewise {
				w.current.bytes(v)
			}
		}
	}
}

// flushFull writes the page if it is large enough, or ends one of indexes.
func (w *pageWriter) flushFull() error {
	if w.isDict {
		last := pageEnd{}
		if n := len(w.ends); n > 0 {
			last = w.ends[n-1]
		}
		if (len(w.idx)-last.indexes)*w.width/8 >= pageTarget {
			w.ends = append(w.ends, pageEnd{w.rows, len(w.idx)})
		}
		return nil
	}
	if len(w.vals)+len(w.bools)/8 < pageTarget {
		return nil
	}
	return w.flush()
}

// flush writes what is there, unless that is nothing.
func (w *pageWriter) flush() error {
	if w.isDict {
		return w.settle()
	}
	err := w.put()
	w.def, w.vals, w.bools = w.def[:0], w.vals[:0], w.bools[:0]
	w.rows = 0
	w.current.reset()
	return err
}

// put writes a page, unless it has no rows.
func (w *pageWriter) put() error {
	if w.rows == 0 {
		return nil
	}
	p := w.page[:0]
	nulls := int64(0)
	if w.maxDef > 0 {
		p = append(p, 0, 0, 0, 0)
		if len(w.def) == 0 {
			p = append(binary.AppendUvarint(p, uint64(w.rows)<<1), 1) //nolint:gosec // not negative
		} else {
			p = packLevels(p, w.def)
			nulls = int64(w.rows - count(w.def))
		}
		binary.LittleEndian.PutUint32(p, uint32(len(p)-4)) //nolint:gosec // within a page
	}
	encoding := int64(encPlain)
	switch {
	case w.isDict:
		encoding = encRLEDict
		p = packIndexes(append(p, byte(w.width)), w.idx, w.width) //nolint:gosec // at most 32
		w.dictPages++
	case w.phys == physBoolean:
		from := len(p)
		p = packLevels(p, w.bools)
		_, k := binary.Uvarint(p[from:]) // plain booleans are packed bits without the head of the run
		p = append(p[:from], p[from+k:]...)
	default:
		p = append(p, w.vals...)
	}
	w.page = p
	at := int64(w.buf.Len())
	if w.dataAt == 0 {
		w.dataAt = at
		if w.codec == codecSnappy && w.dictAt == 0 && !w.shrinks(p) {
			w.codec = codecNone
		}
	}
	n, err := w.write(pageData, 5, p, int64(w.rows), encoding, encRLE, encRLE)
	if err != nil {
		return err
	}
	w.pages = append(w.pages, location{at: at, n: n, row: w.total})
	w.pageNulls = append(w.pageNulls, nulls)
	w.bound(nulls == int64(w.rows))
	w.total += int64(w.rows)
	w.nulls += nulls
	return nil
}

// write compresses p and writes it as a page of a kind, whose part of the header has the
// given id and numbers. It returns the bytes of header and page.
func (w *pageWriter) write(kind int64, part int16, p []byte, numbers ...int64) (int64, error) {
	packed, err := w.pack(p)
	if err != nil {
		return 0, err
	}
	e := &encoder{}
	e.begin()
	e.i32(1, kind)
	e.i32(2, int64(len(p)))
	e.i32(3, int64(len(packed)))
	if w.l.o.Checksums {
		e.i32(4, int64(int32(crc32.ChecksumIEEE(packed)))) //nolint:gosec // its bits
	}
	e.field(part, typeStruct)
	e.begin()
	for i, v := range numbers {
		e.i32(int16(i+1), v)
	}
	e.end()
	e.end()
	w.buf.Write(e.b)
	w.buf.Write(packed)
	w.unpacked += int64(len(e.b) + len(p))
	return int64(len(e.b) + len(packed)), nil
}

// bound notes the bounds of the page.
func (w *pageWriter) bound(null bool) {
	lo, hi := w.current.known(w.order)
	switch {
	case null:
		w.pageBounds = append(w.pageBounds, pageBound{null: true})
	case lo == nil:
		w.noIndex = true
	default:
		w.pageBounds = append(w.pageBounds, pageBound{lo: lo, hi: hi})
	}
	if w.current.nan {
		w.all.nan = true
	}
	if w.current.has {
		w.all.join(w.current.lo, w.current.hi, w.order)
	}
}

// shrinks tries snappy on pieces of a chunk's first page and reports whether it saves at
// least a sixteenth. What does not repeat, such as digests in hex, snappy passes over at
// some cost here and in each reader, so such a chunk is stored as it is.
func (w *pageWriter) shrinks(p []byte) bool {
	const pieces, size = 4, 16 << 10
	w.packed = sized(w.packed, s2.MaxEncodedLen(size))
	tried, saved := 0, 0
	for i := range pieces {
		from := len(p) / pieces * i
		piece := p[from:min(from+size, len(p))]
		tried += len(piece)
		saved += len(piece) - len(s2.EncodeSnappy(w.packed, piece))
	}
	return saved*16 >= tried
}

// pack compresses a page.
func (w *pageWriter) pack(p []byte) ([]byte, error) {
	switch w.codec {
	case codecSnappy:
		w.packed = sized(w.packed, s2.MaxEncodedLen(len(p)))
		return s2.EncodeSnappy(w.packed, p), nil
	case codecZstd:
		if w.zstd == nil {
			var err error
			w.zstd, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(max(w.l.o.Level, 1))))
			if err != nil {
				return nil, err
			}
		}
		w.packed = w.zstd.EncodeAll(p, w.packed[:0])
		return w.packed, nil
	}
	return p, nil
}

// finish writes the last page and returns what the file says of the chunk.
func (w *pageWriter) finish() (outChunk, error) {
	if err := w.flush(); err != nil {
		return outChunk{}, err
	}
	var c outChunk
	c.phys, c.codec, c.values = w.phys, w.codec, w.total
	c.encodings = []int64{encPlain, encRLE}
	if w.dictPages > 0 {
		c.encodings = append(c.encodings, encRLEDict)
	}
	c.unpacked, c.packed = w.unpacked, int64(w.buf.Len())-int64(len(magic))
	c.dataPage, c.dictPage = w.dataAt, w.dictAt
	nulls := w.nulls
	c.stats = &statistics{nulls: &nulls}
	c.stats.lo, c.stats.hi = w.all.known(w.order)
	if c.stats.lo != nil {
		c.stats.loExact, c.stats.loMarked, c.stats.hiExact, c.stats.hiMarked = true, true, true, true
	}
	c.offsets = putOffsets(w.pages, nil)
	if !w.noIndex {
		c.columns = w.columnIndex()
	}
	return c, nil
}

// columnIndex encodes the ColumnIndex of the pages.
func (w *pageWriter) columnIndex() []byte {
	e := &encoder{}
	e.begin()
	e.list(1, typeTrue, len(w.pageBounds))
	for _, p := range w.pageBounds {
		v := byte(typeFalse)
		if p.null {
			v = typeTrue
		}
		e.b = append(e.b, v)
	}
	e.list(2, typeBinary, len(w.pageBounds))
	for _, p := range w.pageBounds {
		e.bytes(p.lo)
	}
	e.list(3, typeBinary, len(w.pageBounds))
	for _, p := range w.pageBounds {
		e.bytes(p.hi)
	}
	e.i32(4, 0) // not said to be in order
	e.list(5, typeI64, len(w.pageNulls))
	for _, n := range w.pageNulls {
		e.varint(n)
	}
	e.end()
	return e.b
}
