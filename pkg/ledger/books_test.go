package ledger

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBooks_OfACompleteRun(t *testing.T) {
	a := newAuthor(t)
	a.adoptPlan(&Plan{
		Tasks:      []PlanTask{{File: -1, To: 10, Rows: 10}, {File: -1, From: 10, To: 20, Rows: 10}},
		PrunedRows: 100, PrunedGroups: 1, PrunedBy: "protect/filter[1]",
	})
	a.say(a.extent(0, 10))
	a.say(a.extent(1, 10))
	c := a.commit("0:[0,10)")
	c.Counts = Counts{Read: 10, Written: 6, Dropped: map[string]int64{"protect/filter[1]": 2, "protect/expect[0]": 1}, Dead: 1, Bytes: 7}
	c.Files[0].Rows = 6
	c.Dead = []DeadRows{{Span: span(t, "0:[0,10)"), Stage: "protect", Attempt: "a", Offsets: []uint32{9}}}
	a.say(c)
	d := a.dead("1:[0,10)")
	d.Dropped = map[string]int64{"protect/filter[1]": 3}
	a.say(d)
	require.True(t, a.Complete())
	books := a.Books()
	require.Equal(t, Books{
		Source: 120, Pruned: 100, Read: 20, Written: 6, Dead: 8,
		Dropped:     map[string]int64{"protect/filter[1]": 105, "protect/expect[0]": 1},
		DeadByStage: map[string]int64{"protect": 1, "score": 7},
	}, books)
	require.NoError(t, books.Check())
	books.Dropped["protect/filter[1]"]++
	require.Equal(t, int64(105), a.Books().Dropped["protect/filter[1]"], "books are a copy")
}

func TestBooks_CheckTellsAllNumbers(t *testing.T) {
	good := func() Books {
		return Books{
			Source: 120, Pruned: 100, Read: 20, Written: 6, Dead: 8,
			Dropped: map[string]int64{"b": 105, "a": 1}, DeadByStage: map[string]int64{"score": 7, "mask": 1},
		}
	}
	for what, spoil := range map[string]func(*Books){
		"rows of the source are not those read and pruned":            func(b *Books) { b.Read-- },
		"rows of the source are not those written, dropped and dead":  func(b *Books) { b.Written++ },
		"rows of the source are not those written, dropped and dead ": func(b *Books) { b.Dropped["a"] = 0 },
		"rows of the source are not those written, dropped and dead.": func(b *Books) { b.Dead++ },
		"dead rows are not those of the stages":                       func(b *Books) { b.DeadByStage["mask"] = 2 },
	} {
		b := good()
		require.NoError(t, b.Check())
		spoil(&b)
		var err *BooksError
		require.ErrorAs(t, b.Check(), &err)
		require.Equal(t, strings.Trim(what, " ."), err.What)
		require.Equal(t, b, err.Books)
	}
	b := good()
	b.Written = 5
	require.EqualError(t, b.Check(), "books do not balance: rows of the source are not those written, dropped and dead: "+
		"source 120, pruned 100, read 20, written 5, dead 8, dropped 106, dropped by a 1, dropped by b 105, dead in mask 1, dead in score 7")
}

// A plan without tasks, and one that skips the run, owe nothing.
func TestComplete_AtOnceWhenNothingIsToDo(t *testing.T) {
	for name, p := range map[string]*Plan{
		"no tasks":      {},
		"all is pruned": {PrunedRows: 7, PrunedBy: "f"},
		"skip":          {Skip: "the output is there", Tasks: []PlanTask{{File: -1, To: 10, Rows: 10}}, PrunedRows: 7, PrunedBy: "f"},
	} {
		a := newAuthor(t)
		a.adoptPlan(p)
		require.True(t, a.Complete(), name)
		require.True(t, a.AllExtents(), name)
		require.Empty(t, a.Owed(), name)
		require.Equal(t, Progress{}, a.Progress(), name)
		books := a.Books()
		require.NoError(t, books.Check(), name)
		a.void(&Cancel{Reason: "too late"}, VoidComplete)
		a.void(a.extent(0, 10), VoidComplete)
		a.void(a.commit("0:[0,10)"), VoidComplete)
		a.void(a.dead("0:[0,10)"), VoidComplete)
		a.say(&Seal{})
		a.say(&End{Status: "done"})
	}
}

// An entry of this plan that does not add up is a fault in what made it: the run fails.
func TestConflict_CommitThatDoesNotAddUpFailsTheRun(t *testing.T) {
	set := func(text ...string) Coverage { return coverage(t, text...) }
	rows := func(s string, offsets ...uint32) DeadRows {
		return DeadRows{Span: span(t, s), Stage: "score", Attempt: "a", Offsets: offsets}
	}
	for want, spoil := range map[string]func(*Commit){
		"span 1:[0,5) is not in the plan":                                 func(c *Commit) { c.Spans = set("0:[0,10)", "1:[0,5)") },
		"span 0:[0,21) is not in the plan":                                func(c *Commit) { c.Spans = set("0:[0,21)") },
		"it counts 11 source rows, its spans have 10":                     func(c *Commit) { c.Counts.Read = 11 },
		"it counts 10 source rows, its spans have 12":                     func(c *Commit) { c.Spans = set("0:[0,12)") },
		"of 10 source rows it counts 6 written, 3 dropped, 2 dead":        func(c *Commit) { c.Counts.Written = 6 },
		"of 10 source rows it counts 5 written, 4 dropped, 2 dead":        func(c *Commit) { c.Counts.Dropped["f"]++ },
		"of 10 source rows it counts 5 written, 3 dropped, 3 dead":        func(c *Commit) { c.Counts.Dead = 3 },
		"of 10 source rows it counts -1 written, 9 dropped, 2 dead":       func(c *Commit) { c.Counts.Written, c.Counts.Dropped["f"] = -1, 9 },
		"it counts 5 rows written, its files have 0":                      func(c *Commit) { c.Files = nil },
		"it counts 5 rows written, its files have 4":                      func(c *Commit) { c.Files[1].Rows = 2 },
		"file 1 has -2 rows in 8 bytes, of 10 source rows":                func(c *Commit) { c.Files[1].Rows = -2 },
		"file 1 has 3 rows in -8 bytes, of 10 source rows":                func(c *Commit) { c.Files[1].Bytes = -8 },
		"file 0 has 2 rows in 8 bytes, of 1 source rows":                  func(c *Commit) { c.Files[0].Spans = set("0:[0,1)") },
		"file 0 has rows of spans that the commit does not cover":         func(c *Commit) { c.Files[0].Spans = set("0:[5,11)") },
		"file 1 has no name of its own":                                   func(c *Commit) { c.Files[1].Name = c.Files[0].Name },
		"file 0 has no name of its own":                                   func(c *Commit) { c.Files[0].Name = "../a.parquet" },
		"it counts 2 dead rows and names 0":                               func(c *Commit) { c.Dead = nil },
		"it counts 2 dead rows and names 3":                               func(c *Commit) { c.Dead[0].Offsets = []uint32{0, 1, 2} },
		"dead rows of block 0:[5,11), which it does not cover":            func(c *Commit) { c.Dead[0] = rows("0:[5,11)", 0, 1) },
		"dead rows of block 0:[0,5), which it does not cover":             func(c *Commit) { c.Dead[0] = rows("0:[0,5)") },
		"dead rows of block 0:[0,5) are not rows of it, or dead twice":    func(c *Commit) { c.Dead[0] = rows("0:[0,5)", 0, 5) },
		"dead rows of block 0:[1,3) are not rows of it, or dead twice":    func(c *Commit) { c.Dead = []DeadRows{rows("0:[0,3)", 1), rows("0:[1,3)", 0)} },
		"of 10 source rows it counts 5 written, 9223372036854775807 drop": func(c *Commit) { c.Counts.Dropped["f"] = 1<<63 - 1 },
	} {
		a := newAuthor(t)
		a.plan(20)
		c := a.commit("0:[0,10)")
		all := c.Spans
		c.Counts = Counts{Read: 10, Written: 5, Dropped: map[string]int64{"f": 3}, Dead: 2}
		c.Dead = []DeadRows{rows("0:[0,5)", 1, 4)}
		c.Files = []File{
			{Name: "a=1/p.parquet", Bytes: 8, Rows: 2, Spans: all},
			{Name: "a=2/p.parquet", Bytes: 8, Rows: 3, Spans: all},
		}
		spoil(c)
		id := a.void(c, VoidConflict)
		require.Contains(t, a.Failure(), "commit "+id+": "+want)
		require.Zero(t, a.Progress().Covered)
		require.Zero(t, a.Books().Written)
		require.False(t, a.Complete())
		a.say(&Cancel{Reason: a.Failure(), Failed: true})
	}
}

func TestConflict_DeadEntryThatDoesNotAddUpFailsTheRun(t *testing.T) {
	for want, spoil := range map[string]func(*Dead){
		"span 0:[15,25): it is not in the plan":      func(d *Dead) { d.Span = span(t, "0:[15,25)") },
		"span 7:[0,1): it is not in the plan":        func(d *Dead) { d.Span = span(t, "7:[0,1)") },
		"of 10 rows it counts 11 dropped and 0 dead": func(d *Dead) { d.Dropped = map[string]int64{"f": 11} },
		"of 10 rows it counts -1 dropped and 0 dead": func(d *Dead) { d.Dropped = map[string]int64{"f": -1} },
		"of 10 rows it counts 9 dropped and 2 dead": func(d *Dead) {
			d.Dropped = map[string]int64{"f": 9}
			d.Before = []DeadRows{{Span: d.Span, Offsets: []uint32{0, 1}}}
		},
		"dead rows of block 0:[0,11), which it does not cover": func(d *Dead) {
			d.Before = []DeadRows{{Span: span(t, "0:[0,11)"), Offsets: []uint32{0}}}
		},
	} {
		a := newAuthor(t)
		a.plan(20)
		d := a.dead("0:[0,10)")
		spoil(d)
		a.void(d, VoidConflict)
		require.Contains(t, a.Failure(), want)
		require.Zero(t, a.Progress().Covered)
		require.Zero(t, a.DeadRows())
	}
}
