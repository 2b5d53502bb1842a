package ledger

import (
	"bytes"
	"fmt"
	"iter"
	"slices"
	"sort"

	"github.com/levada-data/levada/pkg/blocks"
)

// Overlap says how much of a span a coverage holds.
type Overlap int

// The overlaps of a span with a coverage.
const (
	OverlapNone Overlap = iota // no row of it
	OverlapPart                // some rows of it
	OverlapAll                 // every row of it; also of a span without rows
)

func (o Overlap) String() string { return [...]string{"none", "part", "all"}[o] }

const (
	// maxRow bounds the rows of one task: far above any file, far below overflow.
	maxRow = int64(1) << 56
	// maxRows bounds the rows of a whole coverage.
	maxRows = int64(1) << 62
	// chunkSpans bounds how many spans move when one is put between others.
	chunkSpans = 128
)

// Coverage is a set of source rows: disjoint spans, sorted by task and row, merged
// where they touch. The zero value is empty and ready to use. It may be read by
// many at once, but changed by one alone.
//
// A coverage that was decoded stays packed, in a few bytes a span, until it is
// changed: to ask much of it, ask its [Coverage.Clone].
type Coverage struct {
	packed []byte          // as decoded, not changed since; chunks is then nil
	chunks [][]blocks.Span // of 1 to chunkSpans spans each, sorted
	rows   int64
	count  int
}

// Rows is the number of rows in the set.
func (c *Coverage) Rows() int64 { return c.rows }

// Len is the number of spans, after merging.
func (c *Coverage) Len() int { return c.count }

// Overlap says how much of s is in the set: in O(log n), or O(n) while it is packed.
func (c *Coverage) Overlap(s blocks.Span) Overlap {
	if s.From >= s.To {
		return OverlapAll
	}
	x, _, ok := c.reach(s.Task, s.From)
	switch {
	case !ok || x.Task != s.Task || x.From >= s.To:
		return OverlapNone
	case x.From <= s.From && x.To >= s.To:
		return OverlapAll
	}
	return OverlapPart
}

// Contains reports whether every row of s is in the set.
func (c *Coverage) Contains(s blocks.Span) bool { return c.Overlap(s) == OverlapAll }

// Missing returns what of a span is not in the set, in order.
func (c *Coverage) Missing(s blocks.Span) []blocks.Span {
	var gaps []blocks.Span
	at := s.From
	for x, next, ok := c.reach(s.Task, s.From); ok && x.Task == s.Task && x.From < s.To; x, ok = next.next() {
		if x.From > at {
			gaps = append(gaps, blocks.Span{Task: s.Task, From: at, To: x.From})
		}
		at = x.To
	}
	if at < s.To {
		gaps = append(gaps, blocks.Span{Task: s.Task, From: at, To: s.To})
	}
	return gaps
}

// Spans yields the merged spans by task and row.
func (c *Coverage) Spans() iter.Seq[blocks.Span] {
	return func(yield func(blocks.Span) bool) {
		k := c.start()
		for s, ok := k.next(); ok && yield(s); s, ok = k.next() {
		}
	}
}

// Add puts a span into the set, in O(log n). It returns [ErrOverlap], and changes
// nothing, when some of its rows are there already. An empty span adds nothing.
func (c *Coverage) Add(s blocks.Span) error {
	if s.From >= s.To {
		return nil
	}
	if s.From < 0 || s.To > maxRow || s.Rows() > maxRows-c.rows {
		return fmt.Errorf("%w: span %s", ErrCoverage, s)
	}
	c.unpack()
	i, j := c.seek(s.Task, s.From)
	if i < len(c.chunks) && c.chunks[i][j].Overlaps(s) {
		return fmt.Errorf("%w: %s", ErrOverlap, s)
	}
	c.put(i, j, s)
	return nil
}

// put adds a span before the one at a place, which it does not overlap, and merges
// it with the neighbours that it touches.
func (c *Coverage) put(i, j int, s blocks.Span) {
	c.rows += s.Rows()
	left := c.before(i, j)
	if left != nil && !touch(*left, s) {
		left = nil
	}
	var right *blocks.Span
	if i < len(c.chunks) && touch(s, c.chunks[i][j]) {
		right = &c.chunks[i][j]
	}
	switch {
	case left != nil && right != nil:
		left.To = right.To
		c.remove(i, j)
	case left != nil:
		left.To = s.To
	case right != nil:
		right.From = s.From
	default:
		c.insert(i, j, s)
	}
}

// touch reports that b begins where a ends.
func touch(a, b blocks.Span) bool { return a.Task == b.Task && a.To == b.From }

// before returns the span before a place, nil at the beginning.
func (c *Coverage) before(i, j int) *blocks.Span {
	if j > 0 {
		return &c.chunks[i][j-1]
	}
	if i > 0 {
		return &c.chunks[i-1][len(c.chunks[i-1])-1]
	}
	return nil
}

// Union adds all rows of o, which must have none in common with c: otherwise
// [ErrOverlap], and c is unchanged.
func (c *Coverage) Union(o *Coverage) error {
	if c.Overlaps(o) {
		return fmt.Errorf("%w: part of %d rows", ErrOverlap, o.rows)
	}
	if o.rows > maxRows-c.rows {
		return fmt.Errorf("%w: too many rows", ErrCoverage)
	}
	c.unpack()
	var run, merged []blocks.Span
	k := o.start()
	s, ok := k.next()
	for i := 0; ok; {
		// All spans of o that lie in one chunk of c are put into it together.
		i = c.seekChunk(i, s.Task, s.From)
		if i == len(c.chunks) {
			c.put(i, 0, s)
			s, ok = k.next()
			i = max(0, i-1)
			continue
		}
		end := c.chunks[i][len(c.chunks[i])-1]
		for run = run[:0]; ok && (s.Task < end.Task || s.Task == end.Task && s.From < end.From); s, ok = k.next() {
			run = append(run, s)
		}
		merged = c.merge(i, run, merged[:0])
	}
	return nil
}

// merge puts spans into a chunk whose last span lies behind all of them. It uses and
// returns a buffer.
func (c *Coverage) merge(i int, run, buf []blocks.Span) []blocks.Span {
	chunk := c.chunks[i]
	if len(run) == 1 {
		c.put(i, seekIn(chunk, 0, run[0].Task, run[0].From), run[0])
		return buf
	}
	tail := c.before(i, 0)
	emit := func(s blocks.Span) {
		if tail != nil && touch(*tail, s) {
			tail.To = s.To
			return
		}
		buf = append(buf, s)
		tail = &buf[len(buf)-1]
	}
	rest := chunk
	for _, s := range run {
		for rest[0].Compare(s) < 0 {
			emit(rest[0])
			rest = rest[1:]
		}
		emit(s)
		c.rows += s.Rows()
	}
	for _, s := range rest {
		emit(s)
	}
	c.count += len(buf) - len(chunk)
	switch {
	case len(buf) == 0: // all of it touches the chunk before
		c.chunks = slices.Delete(c.chunks, i, i+1)
	case len(buf) <= chunkSpans:
		c.chunks[i] = append(chunk[:0], buf...)
	default: // leave some room in each
		var parts [][]blocks.Span
		for part := range slices.Chunk(buf, chunkSpans*3/4) {
			parts = append(parts, append(make([]blocks.Span, 0, chunkSpans), part...))
		}
		c.chunks = slices.Replace(c.chunks, i, i+1, parts...)
	}
	return buf
}

// Remove takes the rows of a span out of the set; those that are not there do not
// matter.
func (c *Coverage) Remove(s blocks.Span) {
	c.unpack()
	for {
		i, j := c.seek(s.Task, s.From)
		if i == len(c.chunks) || !c.chunks[i][j].Overlaps(s) {
			return
		}
		x := c.chunks[i][j]
		c.rows -= min(x.To, s.To) - max(x.From, s.From)
		switch {
		case x.From < s.From && x.To > s.To:
			c.chunks[i][j].To = s.From
			c.insert(i, j+1, blocks.Span{Task: s.Task, From: s.To, To: x.To})
			return
		case x.From < s.From:
			c.chunks[i][j].To = s.From
		case x.To > s.To:
			c.chunks[i][j].From = s.To
			return
		default:
			c.remove(i, j)
		}
	}
}

// Subtract takes the rows of o out of the set; those that are not there do not
// matter.
func (c *Coverage) Subtract(o *Coverage) {
	for s := range o.Spans() {
		c.Remove(s)
	}
}

// Overlaps reports whether the sets have a row in common.
func (c *Coverage) Overlaps(o *Coverage) bool {
	big, small := c, o
	if big.packed != nil || small.packed == nil && big.count < small.count {
		big, small = small, big
	}
	if big.packed != nil {
		big = new(big.Clone())
	}
	i, j, k := 0, 0, small.start()
	for {
		s, ok := k.next()
		if !ok {
			return false
		}
		n := big.seekChunk(i, s.Task, s.From)
		if n == len(big.chunks) {
			return false
		}
		if n != i {
			i, j = n, 0
		}
		if j = seekIn(big.chunks[i], j, s.Task, s.From); big.chunks[i][j].Overlaps(s) {
			return true
		}
	}
}

// Includes reports whether every row of o is in c, in O(n).
func (c *Coverage) Includes(o *Coverage) bool {
	if o.rows > c.rows {
		return false
	}
	if c.packed != nil && bytes.Equal(c.packed, o.packed) {
		return true
	}
	k, l := c.start(), o.start()
	x, more := k.next()
	for {
		s, ok := l.next()
		if !ok {
			return true
		}
		for more && beyond(s.Task, s.From, x) {
			x, more = k.next()
		}
		if !more || !x.Contains(s) {
			return false
		}
	}
}

// Difference returns the rows of c that are not in o.
func (c *Coverage) Difference(o *Coverage) Coverage {
	d := c.Clone()
	d.Subtract(o)
	return d
}

// Equal reports whether both sets have the same rows.
func (c *Coverage) Equal(o *Coverage) bool {
	// Same number of rows, and all of one in the other.
	return c.rows == o.rows && c.Includes(o)
}

// Clone returns a copy that shares nothing with c and is not packed.
func (c *Coverage) Clone() Coverage {
	d := Coverage{rows: c.rows, count: c.count}
	all := slices.AppendSeq(make([]blocks.Span, 0, c.count), c.Spans())
	for chunk := range slices.Chunk(all, chunkSpans) {
		d.chunks = append(d.chunks, chunk)
	}
	return d
}

// unpack makes a decoded set changeable.
func (c *Coverage) unpack() {
	if c.packed != nil {
		*c = c.Clone()
	}
}

// beyond reports that x lies before the given row, so that a search goes on.
func beyond(task uint32, row int64, x blocks.Span) bool {
	return x.Task < task || x.Task == task && x.To <= row
}

// seek is the place of the first span that ends behind a row of a task:
// (len(chunks), 0) if there is none.
func (c *Coverage) seek(task uint32, row int64) (i, j int) {
	if i = c.seekChunk(0, task, row); i == len(c.chunks) {
		return i, 0
	}
	return i, seekIn(c.chunks[i], 0, task, row)
}

// seekChunk is the first chunk, not before a given one, that has a span which ends
// behind a row of a task. It finds near ones faster than far ones, because spans that
// are added together are neighbours.
func (c *Coverage) seekChunk(from int, task uint32, row int64) int {
	passed := func(i int) bool {
		chunk := c.chunks[i]
		return beyond(task, row, chunk[len(chunk)-1])
	}
	lo, step := from, 1
	for lo+step <= len(c.chunks) && passed(lo+step-1) {
		lo += step
		step *= 2
	}
	hi := min(lo+step-1, len(c.chunks))
	return lo + sort.Search(hi-lo, func(i int) bool { return !passed(lo + i) })
}

// seekIn is the place in a chunk, not before a given one, of the first span that ends
// behind a row of a task. It too finds near ones faster.
func seekIn(chunk []blocks.Span, from int, task uint32, row int64) int {
	lo, step := from, 1
	for lo+step <= len(chunk) && beyond(task, row, chunk[lo+step-1]) {
		lo += step
		step *= 2
	}
	hi := min(lo+step-1, len(chunk))
	for lo < hi {
		if mid := (lo + hi) / 2; beyond(task, row, chunk[mid]) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// insert puts a span before the one at a place. A full chunk is cut in halves; at
// the very end a new one is begun instead, since most sets grow in order.
func (c *Coverage) insert(i, j int, s blocks.Span) {
	c.count++
	if i == len(c.chunks) {
		if i == 0 || len(c.chunks[i-1]) == chunkSpans {
			c.chunks = append(c.chunks, []blocks.Span{s})
			return
		}
		i--
		j = len(c.chunks[i])
	}
	if chunk := c.chunks[i]; len(chunk) == chunkSpans {
		const half = chunkSpans / 2
		right := append(make([]blocks.Span, 0, chunkSpans), chunk[half:]...)
		c.chunks[i] = chunk[:half]
		c.chunks = slices.Insert(c.chunks, i+1, right)
		if j > half {
			i, j = i+1, j-half
		}
	}
	c.chunks[i] = slices.Insert(c.chunks[i], j, s)
}

// remove takes out the span at a place.
func (c *Coverage) remove(i, j int) {
	c.count--
	if len(c.chunks[i]) == 1 {
		c.chunks = slices.Delete(c.chunks, i, i+1)
		return
	}
	c.chunks[i] = slices.Delete(c.chunks[i], j, j+1)
}

// cursor walks over the spans of a coverage in either form.
type cursor struct {
	unpacker
	chunks [][]blocks.Span
	j      int
}

func (c *Coverage) start() cursor {
	return cursor{unpacker: unpacker{buf: c.packed, task: -1}, chunks: c.chunks}
}

// next returns false after the last span.
func (k *cursor) next() (blocks.Span, bool) {
	if len(k.chunks) == 0 {
		return k.unpacker.next()
	}
	s := k.chunks[0][k.j]
	if k.j++; k.j == len(k.chunks[0]) {
		k.chunks, k.j = k.chunks[1:], 0
	}
	return s, true
}

// reach returns the first span that ends behind a row of a task, and the way on.
func (c *Coverage) reach(task uint32, row int64) (blocks.Span, cursor, bool) {
	k := c.start()
	if c.packed == nil {
		i, j := c.seek(task, row)
		k.chunks, k.j = c.chunks[i:], j
	}
	s, ok := k.next()
	for ok && beyond(task, row, s) {
		s, ok = k.next()
	}
	return s, k, ok
}
