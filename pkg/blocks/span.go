package blocks

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Span names a range of source rows of one task, half open: [From, To). It is
// the identity of a block: the same span redelivered is the same block, for
// ever. Operators change the rows of a block, never its span.
//
// The zero Span has no rows and is not [Span.Valid]. Spans are comparable.
type Span struct {
	Task     uint32 // the task's ordinal in the plan
	From, To int64  // source rows of the task, To excluded
}

// Rows returns how many source rows the span covers.
func (s Span) Rows() int64 { return s.To - s.From }

// Valid reports whether the span covers at least one row and starts at zero or
// later. Blocks, coverage and ledger entries hold valid spans only.
func (s Span) Valid() bool { return s.From >= 0 && s.From < s.To }

// Contains reports whether every row of o is a row of s. A span without rows is
// contained nowhere.
func (s Span) Contains(o Span) bool {
	return s.Task == o.Task && o.From < o.To && s.From <= o.From && o.To <= s.To
}

// Overlaps reports whether a row is in both spans.
func (s Span) Overlaps(o Span) bool {
	return s.Task == o.Task && max(s.From, o.From) < min(s.To, o.To)
}

// Halve cuts the span at its middle, From + (To-From)/2, into [From, middle) and
// [middle, To). It depends on nothing else, so the same span is always cut at the
// same row. The first half of a span of one row is empty, thus not [Span.Valid].
func (s Span) Halve() (Span, Span) {
	middle := s.From + (s.To-s.From)/2
	return Span{s.Task, s.From, middle}, Span{s.Task, middle, s.To}
}

// Compare orders spans by task, then by first row, then by last row: the order of
// the source. It returns -1, 0 or +1.
func (s Span) Compare(o Span) int {
	switch {
	case s.Task != o.Task:
		return sign(s.Task < o.Task)
	case s.From != o.From:
		return sign(s.From < o.From)
	case s.To != o.To:
		return sign(s.To < o.To)
	}
	return 0
}

func sign(less bool) int {
	if less {
		return -1
	}
	return 1
}

// String returns the span as it stands in headers, ids and logs: "12:[0,4096)".
func (s Span) String() string {
	b := make([]byte, 0, 32)
	b = strconv.AppendUint(b, uint64(s.Task), 10)
	b = append(b, ":["...)
	b = strconv.AppendInt(b, s.From, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, s.To, 10)
	b = append(b, ')')
	return string(b)
}

// ParseSpan reads what [Span.String] writes, and nothing else: no signs, no
// spaces, no leading zeros, at least one row. Its errors wrap [ErrSpan].
func ParseSpan(text string) (Span, error) {
	task, rest, ok := strings.Cut(text, ":[")
	rows, tail, ok2 := strings.Cut(rest, ")")
	from, to, ok3 := strings.Cut(rows, ",")
	if !ok || !ok2 || !ok3 || tail != "" {
		return Span{}, spanError(text)
	}
	t, okT := parseDecimal(task, math.MaxUint32)
	f, okF := parseDecimal(from, math.MaxInt64)
	e, okE := parseDecimal(to, math.MaxInt64)
	s := Span{Task: uint32(t), From: int64(f), To: int64(e)} //nolint:gosec // parseDecimal bounds each of them.
	if !okT || !okF || !okE || !s.Valid() {
		return Span{}, spanError(text)
	}
	return s, nil
}

func spanError(text string) error {
	return fmt.Errorf("%w: %.64q is not of the form task:[from,to) with from below to", ErrSpan, text)
}

// MarshalText writes the form of [Span.String], so that spans are strings in JSON.
func (s Span) MarshalText() ([]byte, error) {
	if !s.Valid() {
		return nil, spanError(s.String())
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what [ParseSpan] reads.
func (s *Span) UnmarshalText(text []byte) error {
	parsed, err := ParseSpan(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// parseDecimal reads an unsigned decimal in its only canonical form. The
// standard library accepts more forms than one ("+1", "01"), and a header must
// have one spelling to be an identity.
func parseDecimal(text string, limit uint64) (uint64, bool) {
	if text == "" || len(text) > 20 || len(text) > 1 && text[0] == '0' {
		return 0, false
	}
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return n, err == nil && n <= limit
}
