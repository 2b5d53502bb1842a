package expr

import (
	"encoding/binary"
	"math/bits"
	"regexp"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// stringOf makes a string of bytes that nobody writes again: of the batch, or
// from frame.text.
func stringOf(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // see frame.forget for how long it lives
}

// bytesOf is the bytes of a string, to be read only.
func bytesOf(s string) []byte {
	return unsafe.Slice(unsafe.StringData(s), len(s)) //nolint:gosec // nobody writes there
}

// stride is what to multiply a row number with to find its element.
func (v *vector) stride() int {
	if v.scalar {
		return 0
	}
	return 1
}

// testStrings makes a kernel of a test of two strings. It looks at live rows only.
func testStrings(test func(a, b string) bool) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		a, b := args[0], args[1]
		as, bs := a.stride(), b.stride()
		for w, word := range live {
			var result uint64
			for ; word != 0; word &= word - 1 {
				bitAt := bits.TrailingZeros64(word)
				i := w*64 + bitAt
				result |= bit(test(a.strs[i*as], b.strs[i*bs])) << (bitAt & 63)
			}
			out.bits[w] = result
		}
	}
}

// mapStrings makes a kernel of a function that gives a part of its argument, or
// memory of frame.text.
func mapStrings(fn func(f *frame, s string) string) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		for i, s := range args[0].strs[:f.n] {
			if live.has(i) {
				out.strs[i] = fn(f, s)
			} else {
				out.strs[i] = ""
			}
			if f.textFull() {
				return
			}
		}
	}
}

// textFull ends the evaluation when the strings of the chunk have outgrown their bound.
func (f *frame) textFull() bool {
	if f.text.used <= maxChunkText {
		return false
	}
	f.err = ErrTooLarge
	return true
}

func concat(f *frame, out *vector, live *mask, args []*vector) {
	a, b := args[0], args[1]
	as, bs := a.stride(), b.stride()
	for i := range f.n {
		out.strs[i] = ""
		if !live.has(i) {
			continue
		}
		x, y := a.strs[i*as], b.strs[i*bs]
		switch {
		case len(x)+len(y) > MaxStringBytes:
			f.fail(i, ErrTooLong)
		case y == "":
			out.strs[i] = x
		case x == "":
			out.strs[i] = y
		default:
			buf := f.text.alloc(len(x) + len(y))
			copy(buf, x)
			copy(buf[len(x):], y)
			out.strs[i] = stringOf(buf)
		}
		if f.textFull() {
			return
		}
	}
}

// Text of a job is ASCII as a rule. The functions below look at it eight bytes
// at a time, and leave the rest to the standard library.

const (
	eachByte = 0x0101010101010101
	highBits = 0x80 * eachByte
)

func isASCII(s string) bool {
	var all uint64
	b := bytesOf(s)
	for len(b) >= 8 {
		all |= binary.LittleEndian.Uint64(b)
		b = b[8:]
	}
	for _, c := range b {
		all |= uint64(c)
	}
	return all&highBits == 0
}

// flipLetters writes ASCII text to dst with the case of the 26 letters from
// first on turned round.
func flipLetters(dst []byte, s string, first byte) {
	src := bytesOf(s)
	// Added to a byte below 128, these set its high bit from first on, and from
	// behind the last letter on; none carries into the next byte.
	fromFirst := uint64(0x80-first) * eachByte
	behindLast := uint64(0x80-first-26) * eachByte
	for len(src) >= 8 {
		w := binary.LittleEndian.Uint64(src)
		letters := (w + fromFirst) &^ (w + behindLast) & highBits
		binary.LittleEndian.PutUint64(dst, w^letters>>2) // 0x80>>2 is the bit of the case
		src, dst = src[8:], dst[8:]
	}
	for i, c := range src {
		if c-first < 26 {
			c ^= 0x20
		}
		dst[i] = c
	}
}

func sizeOf(f *frame, out *vector, live *mask, args []*vector) {
	for i, s := range args[0].strs[:f.n] {
		switch {
		case !live.has(i):
		case isASCII(s):
			out.ints[i] = int64(len(s))
		default:
			out.ints[i] = int64(utf8.RuneCountInString(s))
		}
	}
}

func bytesSizeOf(f *frame, out *vector, _ *mask, args []*vector) {
	for i, s := range args[0].strs[:f.n] {
		out.ints[i] = int64(len(s))
	}
}

func lower(f *frame, s string) string {
	if !isASCII(s) {
		return f.text.count(strings.ToLower(s))
	}
	buf := f.text.alloc(len(s))
	flipLetters(buf, s, 'A')
	return stringOf(buf)
}

func upper(f *frame, s string) string {
	if !isASCII(s) {
		return f.text.count(strings.ToUpper(s))
	}
	buf := f.text.alloc(len(s))
	flipLetters(buf, s, 'a')
	return stringOf(buf)
}

func trim(_ *frame, s string) string { return strings.TrimSpace(s) }

// substringFrom is substring(s, start).
func substringFrom(f *frame, out *vector, live *mask, args []*vector) {
	s, start := args[0], args[1]
	ss := s.stride()
	for i := range f.n {
		out.strs[i] = ""
		if live.has(i) {
			text := s.strs[i*ss]
			out.strs[i] = text[runeOffset(text, start.intAt(i)):]
		}
	}
}

// substringBetween is substring(s, start, end).
func substringBetween(f *frame, out *vector, live *mask, args []*vector) {
	s, start, end := args[0], args[1], args[2]
	ss := s.stride()
	for i := range f.n {
		out.strs[i] = ""
		if !live.has(i) {
			continue
		}
		from, to := max(start.intAt(i), 0), end.intAt(i)
		if from >= to {
			continue
		}
		text := s.strs[i*ss]
		text = text[runeOffset(text, from):]
		out.strs[i] = text[:runeOffset(text, to-from)]
	}
}

// runeOffset is the byte offset of rune n of s, at most len(s).
func runeOffset(s string, n int64) int {
	if n <= 0 {
		return 0
	}
	if n >= int64(len(s)) { // no fewer bytes than runes
		return len(s)
	}
	if isASCII(s[:n]) {
		return int(n)
	}
	for offset := range s {
		if n == 0 {
			return offset
		}
		n--
	}
	return len(s)
}

// matchConstant makes a kernel of a pattern compiled once.
func matchConstant(pattern *regexp.Regexp) kernel {
	return func(_ *frame, out *vector, live *mask, args []*vector) {
		for w, word := range live {
			var result uint64
			for ; word != 0; word &= word - 1 {
				bitAt := bits.TrailingZeros64(word)
				result |= bit(pattern.MatchString(args[0].strs[w*64+bitAt])) << (bitAt & 63)
			}
			out.bits[w] = result
		}
	}
}

const (
	maxPatternBytes = 1000 // of a pattern that comes from a column
	maxPatternsKept = 64   // compiled, in a frame
)

// matchColumn is matches where the pattern is not constant.
func matchColumn(f *frame, out *vector, live *mask, args []*vector) {
	s, p := args[0], args[1]
	ss, ps := s.stride(), p.stride()
	for w, word := range live {
		var result uint64
		for ; word != 0; word &= word - 1 {
			bitAt := bits.TrailingZeros64(word)
			i := w*64 + bitAt
			pattern := f.pattern(p.strs[i*ps])
			if pattern == nil {
				f.fail(i, ErrPattern)
				continue
			}
			result |= bit(pattern.MatchString(s.strs[i*ss])) << (bitAt & 63)
		}
		out.bits[w] = result
	}
}

// pattern compiles a pattern, or finds it compiled; nil is a bad one.
func (f *frame) pattern(source string) *regexp.Regexp {
	if p, ok := f.patterns[source]; ok {
		return p
	}
	var p *regexp.Regexp
	if len(source) <= maxPatternBytes {
		p, _ = regexp.Compile(source)
	}
	if f.patterns == nil || len(f.patterns) >= maxPatternsKept {
		f.patterns = make(map[string]*regexp.Regexp, maxPatternsKept)
	}
	f.patterns[strings.Clone(source)] = p
	return p
}
