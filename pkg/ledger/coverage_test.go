package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/blocks"
)

// rowSet is a coverage as anyone would write it at first: one bit a row.
type rowSet map[blocks.Span]bool // spans of one row

func rowsOf(s blocks.Span) []blocks.Span {
	var rows []blocks.Span
	for r := s.From; r < s.To; r++ {
		rows = append(rows, blocks.Span{Task: s.Task, From: r, To: r + 1})
	}
	return rows
}

func (r rowSet) overlap(s blocks.Span) Overlap {
	n := 0
	for _, row := range rowsOf(s) {
		if r[row] {
			n++
		}
	}
	switch {
	case int64(n) == s.Rows():
		return OverlapAll
	case n == 0:
		return OverlapNone
	}
	return OverlapPart
}

// spans are the rows, merged.
func (r rowSet) spans() []blocks.Span {
	var all []blocks.Span
	for _, row := range slices.SortedFunc(maps.Keys(r), blocks.Span.Compare) {
		if n := len(all); n > 0 && touch(all[n-1], row) {
			all[n-1].To = row.To
			continue
		}
		all = append(all, row)
	}
	return all
}

func drawSpan(t *rapid.T, rows int64) blocks.Span {
	from := rapid.Int64Range(0, rows-1).Draw(t, "from")
	return blocks.Span{
		Task: rapid.Uint32Range(0, 2).Draw(t, "task"), From: from,
		To: rapid.Int64Range(from+1, min(rows, from+8)).Draw(t, "to"),
	}
}

// requireSame holds a coverage against its model in every way that it can be asked.
func requireSame(t require.TestingT, want rowSet, c *Coverage) {
	spans := want.spans()
	require.Equal(t, spans, slices.Collect(c.Spans()))
	require.Equal(t, int64(len(want)), c.Rows())
	require.Equal(t, len(spans), c.Len())
	text, err := c.MarshalText()
	require.NoError(t, err)
	var back Coverage
	require.NoError(t, back.UnmarshalText(text))
	again, err := back.MarshalText()
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))
	require.Equal(t, spans, slices.Collect(back.Spans()))
	require.Equal(t, c.Rows(), back.Rows())
	require.Equal(t, c.Len(), back.Len())
	require.True(t, c.Equal(&back))
	require.True(t, back.Equal(c))
}

func TestCoverage_IsASetOfRows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const rows = 60
		var c Coverage
		model := rowSet{}
		t.Repeat(map[string]func(*rapid.T){
			"add": func(t *rapid.T) {
				s := drawSpan(t, rows)
				if model.overlap(s) != OverlapNone {
					require.ErrorIs(t, c.Add(s), ErrOverlap)
					return
				}
				require.NoError(t, c.Add(s))
				for _, row := range rowsOf(s) {
					model[row] = true
				}
			},
			"remove": func(t *rapid.T) {
				s := drawSpan(t, rows)
				c.Remove(s)
				for _, row := range rowsOf(s) {
					delete(model, row)
				}
			},
			"read back": func(t *rapid.T) {
				text, err := c.MarshalText()
				require.NoError(t, err)
				require.NoError(t, c.UnmarshalText(text))
			},
			"": func(t *rapid.T) {
				requireSame(t, model, &c)
				s := drawSpan(t, rows)
				require.Equal(t, model.overlap(s), c.Overlap(s), s)
				require.Equal(t, model.overlap(s) == OverlapAll, c.Contains(s))
				missing := rowSet{}
				for _, row := range rowsOf(s) {
					if !model[row] {
						missing[row] = true
					}
				}
				require.Equal(t, missing.spans(), c.Missing(s), s)
			},
		})
	})
}

func TestCoverage_SetOperations(t *testing.T) {
	draw := func(t *rapid.T, label string) (rowSet, Coverage) {
		model, c := rowSet{}, Coverage{}
		for _, s := range rapid.SliceOfN(rapid.Custom(func(t *rapid.T) blocks.Span { return drawSpan(t, 40) }), 0, 12).Draw(t, label) {
			if c.Add(s) == nil {
				for _, row := range rowsOf(s) {
					model[row] = true
				}
			}
		}
		if rapid.Bool().Draw(t, label+" packed") {
			text, err := c.MarshalText()
			require.NoError(t, err)
			require.NoError(t, c.UnmarshalText(text))
		}
		return model, c
	}
	rapid.Check(t, func(t *rapid.T) {
		ma, a := draw(t, "a")
		mb, b := draw(t, "b")
		both, either, onlyA := rowSet{}, maps.Clone(ma), rowSet{}
		for row := range ma {
			if mb[row] {
				both[row] = true
			} else {
				onlyA[row] = true
			}
		}
		maps.Copy(either, mb)

		require.Equal(t, len(both) > 0, a.Overlaps(&b))
		require.Equal(t, len(both) > 0, b.Overlaps(&a))
		require.Equal(t, len(both) == len(mb), a.Includes(&b))
		require.Equal(t, maps.Equal(ma, mb), a.Equal(&b))
		d := a.Difference(&b)
		requireSame(t, onlyA, &d)
		clone := a.Clone()
		if len(both) > 0 {
			require.ErrorIs(t, clone.Union(&b), ErrOverlap)
			requireSame(t, ma, &clone)
		} else {
			require.NoError(t, clone.Union(&b))
			requireSame(t, either, &clone)
		}
		clone.Subtract(&b)
		requireSame(t, onlyA, &clone)
		requireSame(t, ma, &a) // a clone shares nothing
		requireSame(t, mb, &b)
	})
}

// Thousands of spans make many chunks: they split, merge, empty and vanish.
func TestCoverage_LargeSets(t *testing.T) {
	for seed := range uint64(8) {
		rng := rand.New(rand.NewPCG(seed, 0))
		const rows = 20_000
		order := rng.Perm(rows)
		var c Coverage
		model := rowSet{}
		for len(order) > 0 { // commits of random sizes
			n := min(len(order), 1+rng.IntN(3000))
			var batch Coverage
			for _, r := range order[:n] {
				s := blocks.Span{Task: uint32(r % 3), From: int64(r), To: int64(r) + 1}
				if seed%2 == 0 {
					s.Task = 7 // one task: neighbours touch
				}
				require.NoError(t, batch.Add(s))
				model[s] = true
			}
			order = order[n:]
			if seed%3 == 0 {
				text, err := batch.MarshalText()
				require.NoError(t, err)
				require.NoError(t, batch.UnmarshalText(text))
			}
			require.NoError(t, c.Union(&batch))
			require.ErrorIs(t, c.Union(&batch), ErrOverlap)
			require.True(t, c.Includes(&batch))
			for range 20 { // some of it is lost again
				from := rng.Int64N(rows)
				lost := blocks.Span{Task: uint32(rng.IntN(8)), From: from, To: from + 1 + rng.Int64N(5)}
				for _, row := range rowsOf(lost) {
					if model[row] {
						delete(model, row)
						order = append(order, int(row.From))
					}
				}
				c.Remove(lost)
			}
			if len(order) < 100 {
				order = nil
			}
		}
		requireSame(t, model, &c)
		for _, chunk := range c.chunks {
			require.NotEmpty(t, chunk)
			require.LessOrEqual(t, len(chunk), chunkSpans)
		}
	}
}

func TestCoverage_RefusesSpansThatItCannotHold(t *testing.T) {
	var c Coverage
	require.ErrorIs(t, c.Add(blocks.Span{From: -1, To: 1}), ErrCoverage)
	require.ErrorIs(t, c.Add(blocks.Span{From: 0, To: maxRow + 1}), ErrCoverage)
	require.NoError(t, c.Add(blocks.Span{From: 3, To: 3}), "an empty span adds nothing")
	for task := range uint32(64) {
		require.NoError(t, c.Add(blocks.Span{Task: task, From: 0, To: maxRow}))
	}
	require.ErrorIs(t, c.Add(blocks.Span{Task: 64, From: 0, To: 1}), ErrCoverage, "rows would overflow")
	one := coverage(t, "99:[0,1)")
	require.ErrorIs(t, c.Union(&one), ErrCoverage)
	require.Equal(t, 64, c.Len())
	require.Equal(t, OverlapAll, c.Overlap(blocks.Span{Task: 1, From: 5, To: 5}))
}

func TestCoverage_RefusesOtherEncodings(t *testing.T) {
	pack := func(n ...uint64) string {
		var buf []byte
		for _, v := range n {
			buf = binary.AppendUvarint(buf, v)
		}
		return base64.RawStdEncoding.EncodeToString(buf)
	}
	back := func(v int64) uint64 { return uint64(v) }
	for name, text := range map[string]string{
		"no base64":               "!!",
		"padding":                 "AQEAAQ==",
		"line end":                "AQEA\nAQ",
		"line end alone":          "\n",
		"loose bits":              "AQEAAR",
		"no spans":                pack(1, 0),
		"number of spans cut off": pack(1),
		"length cut off":          pack(1, 1, 0),
		"a span too few":          pack(1, 2, 0, 1),
		"task twice":              pack(1, 1, 0, 1, 0, 1, 5, 1),
		"empty span":              pack(1, 1, 0, 0),
		"touching spans":          pack(1, 2, 0, 4, 0, 4),
		"overlapping spans":       pack(1, 2, 0, 4, back(-2), 4),
		"tasks backwards":         pack(5, 1, 0, 1, back(-2), 1, 0, 1),
		"task too large":          pack(1<<32+1, 1, 0, 1),
		"row too large":           pack(1, 1, 1<<56, 1),
		"length too large":        pack(1, 1, 0, 1<<56+1),
		"number too long":         base64.RawStdEncoding.EncodeToString([]byte{1, 1, 0x80, 0, 1}),
		"endless number":          base64.RawStdEncoding.EncodeToString(slices.Repeat([]byte{0xff}, 20)),
	} {
		c := coverage(t, "3:[1,2)")
		err := c.UnmarshalText([]byte(text))
		if assert.ErrorIs(t, err, ErrCoverage, name) {
			require.Equal(t, "[3:[1,2)]", spansText(&c), "%s: unchanged", name)
		}
	}
	var c Coverage
	require.NoError(t, c.UnmarshalText([]byte(pack(1, 2, 0, 4, 2, 4, 1<<32-1, 1, 1<<56-1, 1))))
	require.Equal(t, "[0:[0,4) 0:[6,10) 4294967295:[72057594037927935,72057594037927936)]", spansText(&c))
	require.NoError(t, c.UnmarshalText(nil))
	require.Zero(t, c.Len())
}

func spansText(c *Coverage) string {
	text := "["
	for s := range c.Spans() {
		if len(text) > 1 {
			text += " "
		}
		text += s.String()
	}
	return text + "]"
}

func FuzzCoverage(f *testing.F) {
	for _, c := range []Coverage{{}, coverage(f, "0:[0,1)"), coverage(f, "0:[0,4096)", "0:[8192,12288)", "7:[3,4)", "4294967295:[0,1)")} {
		text, err := c.MarshalText()
		require.NoError(f, err)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var c Coverage
		if err := c.UnmarshalText(text); err != nil {
			require.ErrorIs(t, err, ErrCoverage)
			return
		}
		again, err := c.MarshalText()
		require.NoError(t, err)
		require.Equal(t, string(text), string(again), "a set has one encoding")
		// The same set, put together span by span, is the same text.
		var d Coverage
		for s := range c.Spans() {
			require.True(t, s.Valid())
			require.NoError(t, d.Add(s))
		}
		require.Equal(t, c.Len(), d.Len())
		again, err = d.MarshalText()
		require.NoError(t, err)
		require.Equal(t, string(text), string(again))
	})
}
