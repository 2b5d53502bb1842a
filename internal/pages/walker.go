package pages

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
)

// Kinds of pages, as the format numbers them.
const (
	kindData   = 0
	kindIndex  = 1
	kindDict   = 2
	kindDataV2 = 3
)

// Codecs, as the format numbers them.
const (
	codecNone   = 0
	codecSnappy = 1
	codecZstd   = 6
)

// Encodings, as the format numbers them.
const (
	encPlain     = 0
	encPlainDict = 2
	encRLE       = 3
	encBitPacked = 4
	encRLEDict   = 8
)

// maxHeader bounds the bytes of a page header: it may hold bounds of values, which
// writers keep below a page.
const maxHeader = 8 << 20

// ErrDamaged is what every error of a [Walker] wraps.
var ErrDamaged = errors.New("its pages are damaged")

// Chunk is what the footer says of a column chunk.
type Chunk struct {
	Bytes     int64   // of all its pages, packed, headers included
	Values    int64   // nulls included
	Codec     int64   // as the format numbers them
	Def, Rep  int     // the highest levels, of nulls and of lists; 0: its pages have none
	Encodings []int64 // of its pages and levels; nil: not said
	Kinds     []Kind  // of its pages; nil: not said
	Width     int     // bytes of a plain value; 0: not said
	Strings   bool    // each value has its length before it: a dictionary's are counted
}

// Kind is a kind of page in an encoding, both as the format numbers them. Writers mix the
// two kinds of data pages.
type Kind struct{ Page, Encoding int64 }

// Walker checks one chunk. One goroutine.
type Walker struct {
	c      Chunk
	head   []byte // a header that is not whole yet
	h      header
	inBody bool
	left   int64 // bytes of the body that have not come
	sum    uint32
	begin  []byte // the first bytes of what is packed in the body
	level  []byte // the levels of a page of version 2, those of lists first
	words  []byte // the body of a dictionary of strings, for which it is small enough
	at     int64  // bytes that have come
	values int64  // of the data pages whose header has come
	dict   bool
	err    error
}

// NewWalker returns a walker that waits for the chunk's first byte.
func NewWalker(c Chunk) *Walker { return &Walker{c: c} }

// Check checks a chunk that is at hand. The error wraps [ErrDamaged].
func Check(c Chunk, data []byte) error {
	w := Walker{c: c}
	if err := w.Write(data); err != nil {
		return err
	}
	return w.Close()
}

// At is how many bytes of the chunk have come.
func (w *Walker) At() int64 { return w.at }

// Left is how many bytes of the chunk are still to come.
func (w *Walker) Left() int64 { return w.c.Bytes - w.at }

// Write takes the next bytes of the chunk, borrowing them. Once the bytes of a page have
// come it is whole and as it was written, or there is an error, which wraps [ErrDamaged]
// and is returned from then on.
func (w *Walker) Write(p []byte) error {
	for len(p) > 0 && w.err == nil {
		if w.inBody {
			n := min(w.left, int64(len(p)))
			if w.h.hasCRC {
				w.sum = crc32.Update(w.sum, crc32.IEEETable, p[:n])
			}
			w.beginning(p[:n])
			if w.counts() {
				w.words = append(w.words, p[:n]...)
			}
			w.at += n
			w.left -= n
			p = p[n:]
			w.endBody()
			continue
		}
		p = w.header(p)
	}
	return w.err
}

// Skip says that the body of the page whose header has come is passed over unseen: what
// is in it is not checked.
func (w *Walker) Skip() {
	w.at += w.left
	w.left, w.inBody = 0, false
}

// Pass says that the next n bytes are data pages of so many values, which need not be checked.
func (w *Walker) Pass(n, values int64) {
	w.at += n
	w.values += values
}

// header takes bytes of a header, and returns those behind it.
func (w *Walker) header(p []byte) []byte {
	from := p
	if len(w.head) > 0 {
		w.head = append(w.head, p...)
		from = w.head
	}
	h, n, err := parseHeader(from)
	switch {
	case errors.Is(err, errShort) && len(from) < maxHeader && w.at+int64(len(p)) <= w.c.Bytes:
		if len(w.head) == 0 {
			w.head = append(w.head, p...)
		}
		w.at += int64(len(p))
		return nil
	case err != nil:
		w.fail("page header: %w", err)
		return nil
	}
	before := len(from) - len(p) // bytes of the header that came earlier
	w.at += int64(n - before)
	w.h, w.head = h, w.head[:0]
	if err := w.check(); err != nil {
		w.err = err
		return nil
	}
	w.inBody, w.left, w.sum, w.begin, w.level, w.words = true, h.packed, 0, w.begin[:0], w.level[:0], nil
	rest := p[n-before:]
	if w.left == 0 {
		w.endBody()
	}
	return rest
}

func (w *Walker) endBody() {
	if w.left > 0 {
		return
	}
	w.inBody = false
	if w.h.hasCRC && w.sum != w.h.crc {
		w.fail("the checksum of a page of %d bytes is not the one in its header", w.h.packed)
		return
	}
	if err := w.checkLevels(); err != nil {
		w.err = err
		return
	}
	if n, ok := w.unpacks(); ok && n != w.h.unpacked-w.h.plain() {
		w.fail("a page that says that it unpacks to %d bytes unpacks to %d", w.h.unpacked-w.h.plain(), n)
		return
	}
	if w.counts() {
		if err := w.checkWords(); err != nil {
			w.err = err
		}
	}
}

// beginBytes are enough to see how much a page unpacks to.
const beginBytes = zstd.HeaderMaxSize

// beginning keeps the levels of version 2, and the first bytes of what is packed behind
// them.
func (w *Walker) beginning(p []byte) {
	if n := w.h.plain() - int64(len(w.level)); n > 0 {
		w.level = append(w.level, p[:min(n, int64(len(p)))]...)
	}
	if len(w.begin) >= beginBytes || w.c.Codec == codecNone {
		return
	}
	from := max(w.h.plain()-(w.h.packed-w.left), 0) // the levels before it are not packed
	if from < int64(len(p)) {
		p = p[from:]
		w.begin = append(w.begin, p[:min(len(p), beginBytes-len(w.begin))]...)
	}
}

// unpacks is how many bytes a page unpacks to, where the codec says so in front.
func (w *Walker) unpacks() (int64, bool) {
	if w.h.raw || len(w.begin) == 0 {
		return 0, false
	}
	switch w.c.Codec {
	case codecSnappy:
		n, err := s2.DecodedLen(w.begin)
		return int64(n), err == nil
	case codecZstd:
		var h zstd.Header
		if err := h.Decode(w.begin); err != nil || h.Skippable || !h.HasFCS {
			return 0, false
		}
		return int64(h.FrameContentSize), h.FrameContentSize < 1<<40 //nolint:gosec // bounded beside it
	}
	return 0, false
}

func (w *Walker) fail(format string, args ...any) {
	w.err = fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

func damaged(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
}

// check compares a page header with the chunk.
func (w *Walker) check() error {
	h := &w.h
	switch {
	case h.packed < 0 || h.unpacked < 0 || h.packed > w.c.Bytes-w.at:
		return damaged("a page of %d bytes does not fit its chunk", h.packed)
	case w.c.Codec == codecNone && h.packed != h.unpacked:
		return damaged("a page of %d bytes that are not packed says that they are %d", h.packed, h.unpacked)
	}
	switch h.kind {
	case kindIndex:
		return nil
	case kindDict:
		if w.dict || w.values > 0 || h.values < 0 || (h.encoding != encPlain && h.encoding != encPlainDict) {
			return damaged("its dictionary is none")
		}
		w.dict = true
		return w.entries()
	case kindData, kindDataV2:
		if h.values < 0 || h.values > w.c.Values-w.values {
			return damaged("its pages have more than %d values", w.c.Values)
		}
		w.values += h.values
		switch {
		case !w.names(h.encoding):
			return damaged("a page of kind %d is in encoding %d, which the footer does not name", h.kind, h.encoding)
		case isDict(h.encoding) && !w.dict:
			return damaged("a page refers to a dictionary that is not there")
		}
		return w.levels()
	}
	return damaged("a page is of kind %d", h.kind)
}

// levels checks what a data page says of its levels.
func (w *Walker) levels() error {
	h := &w.h
	if h.kind == kindDataV2 {
		if h.defBytes < 0 || h.repBytes < 0 || h.defBytes > h.packed-h.repBytes || w.c.Def == 0 && h.defBytes > 0 || w.c.Rep == 0 && h.repBytes > 0 || h.nulls < 0 || h.nulls > h.values || h.rows < 0 || h.rows > h.values {
			return damaged("the levels of a page do not fit it")
		}
		return nil
	}
	if h.def < 0 || h.rep < 0 {
		return damaged("a page does not say how its levels are encoded")
	}
	if w.c.Def > 0 && !w.levelsIn(h.def) || w.c.Rep > 0 && !w.levelsIn(h.rep) {
		return damaged("the levels of a page are in encodings %d and %d", h.def, h.rep)
	}
	return nil
}

func (w *Walker) levelsIn(encoding int64) bool {
	return encoding == encRLE || encoding == encBitPacked && slices.Contains(w.c.Encodings, encBitPacked)
}

// names reports that the footer knows of data pages in an encoding. The two names of
// indexes into a dictionary are one: writers mix them.
func (w *Walker) names(encoding int64) bool {
	alike := func(e int64) bool { return e == encoding || isDict(e) && isDict(encoding) }
	if len(w.c.Kinds) > 0 {
		return slices.ContainsFunc(w.c.Kinds, func(k Kind) bool { return (k.Page == kindData || k.Page == kindDataV2) && alike(k.Encoding) })
	}
	return len(w.c.Encodings) == 0 || slices.ContainsFunc(w.c.Encodings, alike)
}

func isDict(encoding int64) bool { return encoding == encPlainDict || encoding == encRLEDict }

// Close says that no more bytes come. The error wraps [ErrDamaged].
func (w *Walker) Close() error {
	switch {
	case w.err != nil:
	case w.at != w.c.Bytes || w.inBody || len(w.head) > 0:
		w.fail("they end in the middle of one")
	case w.values != w.c.Values:
		w.fail("they have %d values of %d", w.values, w.c.Values)
	}
	return w.err
}
