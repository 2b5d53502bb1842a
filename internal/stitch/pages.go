package stitch

import (
	"context"
	"encoding/binary"
	"fmt"
	"unsafe"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"

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

// pageReader reads the pages of one column chunk, flat and with at most one level of
// nulls. What next finds is valid until the next one.
type pageReader struct {
	chunk []byte // as it is in the file
	rest  []byte // of chunk, behind the pages that were read

	codec  int64
	phys   int64
	length int // of physFixed
	maxDef int

	dict      []byte // the dictionary's values, plain
	dictN     int
	dictPage  []byte   // as it is in the file, header included; nil: there is none
	dictBytes int64    // of it, unpacked
	wordsAt   []uint32 // where its strings begin; see words

	rows    int
	values  int    // that are not null
	def     []byte // for each row: 1 when it is not null; of no meaning when all are
	isDict  bool
	data    []byte   // plain values, with slack behind them
	indexes []uint32 // into the dictionary
	bools   []byte   // 0 or 1

	page, dictBuf []byte
	zstd          *zstd.Decoder
}

func (r *pageReader) close() {
	if r.zstd != nil {
		r.zstd.Close()
		r.zstd = nil
	}
}

// open reads the bytes of a chunk.
func (r *pageReader) open(ctx context.Context, s *Source, c *chunk, e *element, maxDef int) error {
	sp := c.span()
	r.chunk = sized(r.chunk, int(sp.n))
	for at := int64(0); at < sp.n; at += s.step {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := readAt(s.r, r.chunk[at:min(at+s.step, sp.n)], sp.at+at); err != nil {
			return err
		}
	}
	r.rest, r.codec, r.phys, r.length, r.maxDef = r.chunk, c.codec, e.phys, int(max(e.length, 0)), maxDef
	r.dict, r.dictN, r.dictPage, r.wordsAt = nil, 0, nil, r.wordsAt[:0]
	return nil
}

// next reads the next data page; false at the end of the chunk. The error is a
// [*RefusedError] for a page that is right and of a kind that is not gathered.
func (r *pageReader) next(name string) (bool, error) {
	for len(r.rest) > 0 {
		d := &decoder{b: r.rest}
		h := d.pageHeader()
		switch {
		case d.err != nil:
			return false, corrupt("page header: %w", d.err)
		case h.packed < 0 || h.unpacked < 0 || h.packed > int64(len(r.rest)-d.at):
			return false, corrupt("a page of %d bytes does not fit its chunk", h.packed)
		case h.packed > maxPage || h.unpacked > maxPage:
			return false, fmt.Errorf("%w: a page has %d bytes, more than %d", parquet.ErrTooLarge, max(h.packed, h.unpacked), int64(maxPage))
		}
		whole := r.rest[:d.at+int(h.packed)]
		body := whole[d.at:]
		r.rest = r.rest[len(whole):]
		switch h.kind {
		case pageDict:
			if r.dictPage != nil || h.values < 0 || (h.encoding != encPlain && h.encoding != encPlainDict) {
				return false, corrupt("its dictionary is none")
			}
			var err error
			if r.dictBuf, err = r.unpack(r.dictBuf, body, h.unpacked, false); err != nil {
				return false, err
			}
			r.dict, r.dictPage, r.dictBytes = r.dictBuf[:h.unpacked], whole, int64(d.at)+h.unpacked
			if r.dictN, err = r.entries(h.values); err != nil {
				return false, err
			}
		case pageIndex:
		case pageData, pageDataV2:
			if err := r.dataPage(&h, body, name); err != nil {
				return false, err
			}
			if r.rows > 0 {
				return true, nil
			}
		default:
			return false, refused(name, "it has pages of a kind that rows are not gathered from")
		}
	}
	return false, nil
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
func (r *pageReader) width() int {
	switch r.phys {
	case physInt32, physFloat:
		return 4
	case physInt64, physDouble:
		return 8
	case physFixed:
		return r.length
	}
	return 0
}

// dataPage reads a data page.
func (r *pageReader) dataPage(h *pageHeader, body []byte, name string) error {
	if h.values < 0 {
		return corrupt("a page of %d values", h.values)
	}
	if h.values > maxValues { // what is kept for each of them must not be bounded by its word alone
		return refused(name, "a page of it has more than %d values", maxValues)
	}
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
		r.def = sized(r.def, r.rows)
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
		r.indexes = sized(r.indexes, r.values+1)[:r.values]
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
			if r.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxPage)); err != nil {
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
