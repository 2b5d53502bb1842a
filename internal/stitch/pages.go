package stitch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

	"github.com/levada-data/levada/internal/pages"
	"github.com/levada-data/levada/internal/parquet"
)

const (
	// maxPage bounds the bytes of a page, packed or not, as internal/parquet does.
	maxPage = 128 << 20
	// maxValues bounds the values of a page.
	maxValues = 16 << 20
	// slack is behind the values of a page, so that they can be copied in wide pieces.
	slack = 64
)

// headerBytes is how many bytes a page's header is looked for in at first; statistics may
// make it longer.
const headerBytes = 1 << 10

// pageReader reads the pages of one column chunk, flat and with at most one level of
// nulls. It holds a window of the chunk, and of it no more than a page and what is read
// at once. What next and load find is valid until they are called again.
type pageReader struct {
	src    *Source
	at     int64 // in the file, behind the window
	end    int64 // of the chunk
	walk   *pages.Walker
	window []byte // what has been read of the chunk and not looked at
	buf    []byte // in which it lies

	codec  int64
	phys   int64
	size   int // bytes of a plain value; 0: they differ
	length int // of physFixed
	maxDef int

	dict      []byte // the dictionary's values, plain
	dictN     int
	dictPage  []byte   // as it is in the file, header included; nil: there is none
	dictBytes int64    // of it, unpacked
	wordsAt   []uint32 // where its strings begin; see words
	begun     bool     // a data page has been seen

	head     pageHeader // of the data page that peek has found
	headSize int        // bytes of the header

	rows    int
	values  int    // that are not null
	def     []byte // for each row: 1 when it is not null; of no meaning when all are
	isDict  bool
	data    []byte   // plain values, with slack behind them
	indexes []uint32 // into the dictionary
	bools   []byte   // 0 or 1

	page, dictBuf, dictRaw, defBuf []byte
	delta                          []byte // values that were delta-packed, plain
	indexBuf                       []uint32
	zstd                           *zstd.Decoder
}

func (r *pageReader) close() {
	if r.zstd != nil {
		r.zstd.Close()
		r.zstd = nil
	}
}

// open begins with the first page of a chunk. Nothing is read yet.
func (r *pageReader) open(s *Source, c *chunk, e *element, maxDef int) {
	sp := c.span()
	r.src, r.at, r.end, r.window = s, sp.at, sp.end(), nil
	r.walk = pages.NewWalker(s.pagesOf(c, e, maxDef, 0))
	r.codec, r.phys, r.size, r.length, r.maxDef = c.codec, e.phys, plainWidth(e), int(max(e.length, 0)), maxDef
	r.dict, r.dictN, r.dictPage, r.wordsAt, r.begun = nil, 0, nil, r.wordsAt[:0], false
	r.rows, r.values = 0, 0
}

// left is how many bytes the chunk has behind what was looked at.
func (r *pageReader) left() int64 { return r.end - r.pos() }

// pos is where in the file the next page begins.
func (r *pageReader) pos() int64 { return r.at - int64(len(r.window)) }

// fill makes the window hold n bytes, and fewer only at the end of the chunk.
func (r *pageReader) fill(ctx context.Context, n int) error {
	if n <= len(r.window) || r.at == r.end {
		return nil
	}
	have := len(r.window)
	whole := have + int(min(max(int64(n-have), r.src.some), r.end-r.at))
	if cap(r.buf) < whole {
		r.buf = make([]byte, whole, whole+whole/4)
	}
	r.buf = r.buf[:whole]
	copy(r.buf, r.window) // to the left, or to another buffer
	for from := have; from < whole; {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		to := min(from+int(r.src.some), whole)
		if err := parquet.ReadAt(r.src.r, r.buf[from:to], r.at); err != nil {
			return err
		}
		r.at += int64(to - from)
		from = to
	}
	r.window = r.buf
	return nil
}

// take returns the next n bytes, a header and a body, which have been checked, and are
// there until the window moves.
func (r *pageReader) take(ctx context.Context, n int) ([]byte, error) {
	if err := r.fill(ctx, n); err != nil {
		return nil, err
	}
	b := r.window[:n]
	if err := r.walk.Write(b); err != nil {
		return nil, corrupt("%w", err)
	}
	r.window = r.window[n:]
	return b, nil
}

// pass goes beyond a page, whose header of so many bytes is in the window, without
// reading what of its body is not there.
func (r *pageReader) pass(size int, body int64) error {
	if err := r.walk.Write(r.window[:size]); err != nil {
		return corrupt("%w", err)
	}
	r.walk.Skip()
	r.jump(r.pos() + int64(size) + body)
	return nil
}

// jump goes on at a place of the file that is not behind pos.
func (r *pageReader) jump(to int64) {
	if to <= r.at {
		r.window = r.window[to-r.pos():]
		return
	}
	r.at, r.window = to, nil
}

// resume goes on at a page that lies ahead, before which there are so many rows, and whose
// predecessors have been checked before.
func (r *pageReader) resume(at int64, rows int) {
	r.walk.Pass(at-r.pos(), int64(rows))
	r.jump(at)
}

// header reads the header of the next page, which stays where it is; false at the end of
// the chunk.
func (r *pageReader) header(ctx context.Context) (h pageHeader, size int, more bool, err error) {
	for want := headerBytes; ; want *= 16 {
		if err := r.fill(ctx, min(want, maxPage)); err != nil {
			return h, 0, false, err
		}
		if len(r.window) == 0 {
			return h, 0, false, nil
		}
		d := &decoder{b: r.window}
		h = d.pageHeader()
		if size = d.at; d.err == nil {
			break
		}
		if !errors.Is(d.err, errShort) || r.at == r.end || want >= maxPage {
			return h, 0, false, corrupt("page header: %w", d.err)
		}
	}
	switch {
	case h.packed < 0 || h.unpacked < 0 || h.packed > r.left()-int64(size):
		return h, 0, false, corrupt("a page of %d bytes does not fit its chunk", h.packed)
	case h.packed > maxPage || h.unpacked > maxPage:
		return h, 0, false, fmt.Errorf("%w: a page has %d bytes, more than %d", parquet.ErrTooLarge, max(h.packed, h.unpacked), int64(maxPage))
	}
	return h, size, true, nil
}

// peek goes to the next data page, which head then describes, and reads the dictionary on
// its way; false at the end of the chunk. The error is a [*RefusedError] for a page that
// is right and of a kind that is not gathered.
func (r *pageReader) peek(ctx context.Context, name string) (bool, error) {
	for {
		h, size, more, err := r.header(ctx)
		if err != nil {
			return false, err
		}
		if !more {
			if err := r.walk.Close(); err != nil {
				return false, corrupt("%w", err)
			}
			return false, nil
		}
		switch h.kind {
		case pageDict:
			if r.begun {
				return false, refused(name, "its dictionary does not come first")
			}
			if err := r.dictionary(ctx, &h, size); err != nil {
				return false, err
			}
		case pageIndex:
			if err := r.pass(size, h.packed); err != nil {
				return false, err
			}
		case pageData, pageDataV2:
			if h.values < 0 {
				return false, corrupt("a page of %d values", h.values)
			}
			if h.values > maxValues { // what is kept for each of them must not be bounded by its word alone
				return false, refused(name, "a page of it has more than %d values", maxValues)
			}
			r.head, r.headSize, r.begun = h, size, true
			return true, nil
		default:
			return false, refused(name, "it has pages of a kind that rows are not gathered from")
		}
	}
}

// skip passes over the page that peek has found.
func (r *pageReader) skip() error { return r.pass(r.headSize, r.head.packed) }

// load reads the page that peek has found.
func (r *pageReader) load(ctx context.Context, name string) error {
	whole, err := r.take(ctx, r.headSize+int(r.head.packed))
	if err != nil {
		return err
	}
	return r.dataPage(&r.head, whole[r.headSize:], name)
}

// next reads the next data page that has rows; false at the end of the chunk. Errors are
// those of peek.
func (r *pageReader) next(ctx context.Context, name string) (bool, error) {
	for {
		more, err := r.peek(ctx, name)
		if err != nil || !more {
			return false, err
		}
		if err := r.load(ctx, name); err != nil {
			return false, err
		}
		if r.rows > 0 {
			return true, nil
		}
	}
}

// dictionary reads the dictionary's page, whose header has so many bytes.
func (r *pageReader) dictionary(ctx context.Context, h *pageHeader, size int) error {
	if r.dictPage != nil || h.values < 0 || (h.encoding != encPlain && h.encoding != encPlainDict) {
		return corrupt("its dictionary is none")
	}
	whole, err := r.take(ctx, size+int(h.packed))
	if err != nil {
		return err
	}
	r.dictRaw = append(r.dictRaw[:0], whole...) // it outlives the window
	if r.dictBuf, err = r.unpack(r.dictBuf, r.dictRaw[size:], h.unpacked, false); err != nil {
		return err
	}
	r.dict, r.dictPage, r.dictBytes = r.dictBuf[:h.unpacked], r.dictRaw, int64(size)+h.unpacked
	r.dictN, err = r.entries(h.values)
	return err
}

// entries checks that the dictionary has n values.
func (r *pageReader) entries(n int64) (int, error) {
	if r.phys != physBytes {
		if width := int64(r.width()); width == 0 || n*width != int64(len(r.dict)) || n > int64(len(r.dict)) {
			return 0, corrupt("its dictionary of %d values has %d bytes", n, len(r.dict))
		}
		return int(n), nil
	}
	rest := r.dict
	for range n {
		if len(rest) < 4 || int64(binary.LittleEndian.Uint32(rest)) > int64(len(rest)-4) {
			return 0, corrupt("its dictionary ends too early")
		}
		rest = rest[4+binary.LittleEndian.Uint32(rest):]
	}
	if len(rest) > 0 {
		return 0, corrupt("its dictionary has %d bytes too many", len(rest))
	}
	return int(n), nil
}

// width is the bytes of a plain value; 0 when they have no common one.
func (r *pageReader) width() int { return r.size }

// dataPage reads a data page.
func (r *pageReader) dataPage(h *pageHeader, body []byte, name string) error {
	var (
		levels []byte
		err    error
	)
	if h.kind == pageDataV2 {
		if h.repLen != 0 || h.defBytes < 0 || h.defBytes > h.packed || h.defBytes > h.unpacked {
			return corrupt("the levels of a page do not fit it")
		}
		levels, body = body[:h.defBytes], body[h.defBytes:]
		if r.page, err = r.unpack(r.page, body, h.unpacked-h.defBytes, h.plain); err != nil {
			return err
		}
		r.data = r.page[:h.unpacked-h.defBytes]
	} else {
		if r.page, err = r.unpack(r.page, body, h.unpacked, false); err != nil {
			return err
		}
		r.data = r.page[:h.unpacked]
		if r.maxDef > 0 {
			if h.levels != encRLE {
				return refused(name, "its levels are encoded in an old way")
			}
			if len(r.data) < 4 || int64(binary.LittleEndian.Uint32(r.data)) > int64(len(r.data)-4) {
				return corrupt("the levels of a page do not fit it")
			}
			n := 4 + int(binary.LittleEndian.Uint32(r.data))
			levels, r.data = r.data[4:n], r.data[n:]
		}
	}
	r.rows, r.values = int(h.values), int(h.values)
	if r.maxDef > 0 {
		r.defBuf = sized(r.defBuf, r.rows)
		r.def = r.defBuf
		if r.values, err = decodeBits(levels, r.def); err != nil {
			return err
		}
	}
	return r.valuesOf(h, name)
}

// valuesOf finds the values of a page, whose bytes are in data.
func (r *pageReader) valuesOf(h *pageHeader, name string) error {
	r.isDict = h.encoding == encPlainDict || h.encoding == encRLEDict
	switch {
	case r.isDict:
		if r.dictPage == nil {
			return corrupt("a page refers to a dictionary that is not there")
		}
		r.indexBuf = sized(r.indexBuf, r.values+1)
		r.indexes = r.indexBuf[:r.values]
		if r.values == 0 {
			return nil
		}
		if len(r.data) == 0 || r.data[0] > 32 {
			return corrupt("the indexes of a page are none")
		}
		return decodeIndexes(r.data[1:], int(r.data[0]), r.indexes, uint32(r.dictN)) //nolint:gosec // within a page
	case r.phys == physBoolean && h.encoding == encRLE:
		if r.values == 0 {
			return nil
		}
		if len(r.data) < 4 {
			return corrupt("the values of a page end too early")
		}
		r.bools = sized(r.bools, r.values)
		_, err := decodeBits(r.data[4:], r.bools)
		return err
	case h.encoding == encDelta && (r.phys == physInt32 || r.phys == physInt64):
		r.delta = sized(r.delta, r.values*r.width()+slack)
		packed := r.data
		r.data = r.delta[:r.values*r.width()]
		return decodeDelta(packed, r.values, r.width(), r.data)
	case h.encoding != encPlain:
		return refused(name, "encoding %d is not one that rows are gathered from", h.encoding)
	case r.phys == physBoolean:
		if len(r.data) < (r.values+7)/8 {
			return corrupt("the values of a page end too early")
		}
		r.bools = sized(r.bools, r.values)
		for i := range r.bools {
			r.bools[i] = r.data[i>>3] >> (i & 7) & 1
		}
		return nil
	case r.phys != physBytes:
		if n := r.values * r.width(); n > len(r.data) {
			return corrupt("the values of a page end too early")
		}
	}
	return nil
}

// unpack decompresses a page into a buffer, with slack behind it.
func (r *pageReader) unpack(into, body []byte, n int64, plain bool) ([]byte, error) {
	into = sized(into, int(n)+slack)
	codec := r.codec
	if plain || n == 0 && len(body) == 0 {
		codec = codecNone
	}
	switch codec {
	case codecSnappy:
		if m, err := s2.DecodedLen(body); err != nil || int64(m) != n {
			return into, corrupt("a page of %d bytes unpacks to %d", n, m)
		}
		if _, err := s2.Decode(into[:n], body); err != nil {
			return into, corrupt("a page cannot be unpacked: %w", err)
		}
	case codecZstd:
		if r.zstd == nil {
			var err error
			if r.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage), zstd.WithDecodeAllCapLimit(true)); err != nil {
				return into, err
			}
		}
		got, err := r.zstd.DecodeAll(body, into[:0:n])
		if err != nil {
			return into, corrupt("a page cannot be unpacked: %w", err)
		}
		if int64(len(got)) != n {
			return into, corrupt("a page of %d bytes unpacks to %d", n, len(got))
		}
		if n > 0 && &got[0] != &into[0] {
			copy(into, got)
		}
	default:
		if int64(len(body)) != n {
			return into, corrupt("a page of %d bytes has %d", n, len(body))
		}
		copy(into, body)
	}
	return into, nil
}

// view is plain values as what they are: the format is little-endian, as every machine
// that Go's unaligned loads are fast on.
func view[T any](b []byte, n int) []T {
	if n == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n) //nolint:gosec // numbers; the callers have checked that there are so many
}
