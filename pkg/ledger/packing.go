package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/levada-data/levada/pkg/blocks"
)

// A packed coverage is a list of unsigned varints. For each task: the distance from
// the task before (the first from -1), the number of its spans, then for each span
// the distance from the end of the one before (the first from 0) and its length.
//
// Distances between tasks, lengths, and distances between spans after the first are
// never 0, because spans are sorted, not empty and merged: so each set has one
// encoding, and none can name a row twice.

// MarshalText encodes the set compactly (rule 16): base64 of its packed form,
// without padding. An empty set is the empty text.
func (c Coverage) MarshalText() ([]byte, error) {
	return base64.RawStdEncoding.AppendEncode(nil, c.pack()), nil
}

// pack returns the packed form, read-only.
func (c *Coverage) pack() []byte {
	if c.packed != nil || c.count == 0 {
		return c.packed
	}
	buf := make([]byte, 0, 5*c.count)
	var (
		task      = int64(-1)
		end       int64
		remaining int // spans of the task
	)
	for i, chunk := range c.chunks {
		for j, s := range chunk {
			if remaining == 0 {
				remaining = c.spansOf(s.Task, i, j)
				buf = uvarint(buf, int64(s.Task)-task)
				buf = uvarint(buf, int64(remaining))
				task, end = int64(s.Task), 0
			}
			buf = uvarint(buf, s.From-end)
			buf = uvarint(buf, s.To-s.From)
			end = s.To
			remaining--
		}
	}
	return buf
}

// spansOf counts the spans of a task from the place of its first one.
func (c *Coverage) spansOf(task uint32, i, j int) int {
	to, k := c.seek(task, maxRow)
	n := k - j
	for _, chunk := range c.chunks[i:to] {
		n += len(chunk)
	}
	return n
}

func uvarint(buf []byte, v int64) []byte {
	return binary.AppendUvarint(buf, uint64(v)) //nolint:gosec // distances and lengths are never negative
}

// UnmarshalText reads what MarshalText wrote. Anything else is an error that wraps
// [ErrCoverage], also the same set written in another way. It allocates no more
// than the size of the text.
func (c *Coverage) UnmarshalText(text []byte) error {
	buf, err := base64.RawStdEncoding.Strict().AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCoverage, err)
	}
	if base64.RawStdEncoding.EncodedLen(len(buf)) != len(text) { // the decoder skips line ends
		return fmt.Errorf("%w: line ends", ErrCoverage)
	}
	d := Coverage{packed: buf}
	if len(buf) == 0 {
		d.packed = nil
	}
	k := unpacker{buf: buf, task: -1}
	for {
		s, ok := k.next()
		if !ok {
			break
		}
		d.count++
		d.rows += s.Rows()
		if d.rows > maxRows {
			return fmt.Errorf("%w: too many rows", ErrCoverage)
		}
	}
	if k.bad {
		return fmt.Errorf("%w: at byte %d of %d", ErrCoverage, len(buf)-len(k.buf), len(buf))
	}
	*c = d
	return nil
}

// unpacker reads a packed coverage, span by span.
type unpacker struct {
	buf  []byte
	bad  bool  // the bytes are not what pack writes
	task int64 // of the last span; -1 before the first
	left int64 // spans of the task that are to come
	end  int64 // of the last span
}

// next returns false after the last span, or when the bytes are bad.
func (u *unpacker) next() (blocks.Span, bool) {
	var first bool
	if u.left == 0 {
		if len(u.buf) == 0 {
			return blocks.Span{}, false
		}
		step := u.uvarint()
		u.left = u.uvarint()
		u.task += step
		if step == 0 || u.task > 1<<32-1 || u.left == 0 {
			return u.fail()
		}
		u.end, first = 0, true
	}
	gap, length := u.uvarint(), u.uvarint()
	s := blocks.Span{Task: uint32(u.task), From: u.end + gap, To: u.end + gap + length} //nolint:gosec // bounded when it was read
	if gap == 0 && !first || length == 0 || s.To > maxRow || u.bad {
		return u.fail()
	}
	u.left--
	u.end = s.To
	return s, true
}

func (u *unpacker) fail() (blocks.Span, bool) {
	u.bad, u.left, u.buf = true, 0, nil
	return blocks.Span{}, false
}

// uvarint reads one number of at most maxRow in its shortest form.
func (u *unpacker) uvarint() int64 {
	if len(u.buf) > 1 { // most are short
		a, b := u.buf[0], u.buf[1]
		if a < 0x80 {
			u.buf = u.buf[1:]
			return int64(a)
		}
		if b < 0x80 && b != 0 {
			u.buf = u.buf[2:]
			return int64(a&0x7f) | int64(b)<<7
		}
	}
	v, n := binary.Uvarint(u.buf)
	if n <= 0 || v > uint64(maxRow) || n > 1 && u.buf[n-1] == 0 {
		u.bad = true
		return 0
	}
	u.buf = u.buf[n:]
	return int64(v)
}
