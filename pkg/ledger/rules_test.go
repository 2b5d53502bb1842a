package ledger

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
)

// Tests of the rules of docs/protocol, by their numbers. Taking a rule's line out of the
// code makes its test fail: docs/protocol/mutants.tsv.

// W1 prepared its commit at sequence n; a power loss cut the ledger back; W2 committed
// the same span; W1's request fits by number and is stored. It is void.
func TestRule04Fold_OverlappingCommitIsVoid(t *testing.T) {
	for _, late := range []string{"0:[0,10)", "0:[9,20)", "0:[5,6)", "1:[0,4)"} {
		a := newAuthor(t)
		a.plan(20, 4)
		first := a.say(a.commit("0:[0,10)", "1:[2,3)"))
		books := a.Books()
		id := a.void(a.commit(late), VoidOverlap)
		require.Nil(t, a.Commit(id))
		require.NotNil(t, a.Commit(first))
		require.Equal(t, books, a.Books())
		v, ok := a.Verdict(id)
		require.True(t, ok)
		require.Equal(t, Verdict{Kind: KindCommit, ID: id, Reason: VoidOverlap}, v)
	}
}

// A commit is void as a whole: the part of it that nobody covered stays owed.
func TestRule04Fold_VoidCommitCoversNothing(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	a.say(a.commit("0:[0,10)"))
	a.void(a.commit("0:[5,20)"), VoidOverlap)
	require.Equal(t, OverlapNone, a.Covered(span(t, "0:[10,20)")))
	require.Equal(t, []blocks.Span{span(t, "0:[10,20)")}, a.OwedSpans(0))
}

// The same request is stored twice: a client tried again, and both came through.
func TestRule04Fold_KnownCommitIsVoid(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	e := a.entry(a.commit("0:[0,10)"))
	require.True(t, a.append(e).Standing)
	e.Prev = a.Last()
	require.Equal(t, VoidKnown, a.append(e).Reason)
	v, _ := a.Verdict(e.ID)
	require.True(t, v.Standing, "the id's author is told of the first")
	require.Equal(t, int64(10), a.Books().Written)
}

// What was void once stays void: its author has seen so, and dropped the files.
func TestRule04Fold_VoidCommitStaysVoid(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	stale := a.entry(a.commit("0:[0,10)"))
	stale.Prev = Hash{}
	require.Equal(t, VoidChain, a.append(stale).Reason)
	stale.Prev = a.Last()
	require.Equal(t, VoidKnown, a.append(stale).Reason)
	v, _ := a.Verdict(stale.ID)
	require.Equal(t, VoidChain, v.Reason)
	a.say(a.commit("0:[0,10)"))
}

// A commit names no row twice: its encoding has no words for that.
func TestRule04Fold_SpansOfACommitCannotOverlapEachOther(t *testing.T) {
	back := -5 // from the end of the first span
	for name, spans := range map[string][]uint64{
		"again from row 5": {1, 2, 0, 10, uint64(back), 10},
		"task 0 again":     {1, 1, 0, 10, 0, 1, 0, 10},
	} {
		a := newAuthor(t)
		a.plan(20)
		data, err := a.entry(a.commit("0:[0,15)")).Encode()
		require.NoError(t, err)
		good := coverage(t, "0:[0,15)")
		text, err := good.MarshalText()
		require.NoError(t, err)
		var packed []byte
		for _, v := range spans {
			packed = binary.AppendUvarint(packed, v)
		}
		forged := strings.ReplaceAll(string(data), string(text), base64.RawStdEncoding.EncodeToString(packed))
		require.NotEqual(t, string(data), forged)
		v := a.store([]byte(forged))
		require.Equal(t, VoidMalformed, v.Reason, name)
		require.Zero(t, a.Progress().Covered)
	}
}

// A sweeper reads the seal and pauses; a power loss takes the seal and what came before
// it, and other entries take their places. Its end fits by number, but its sweep was for
// another past.
func TestRule05Chain_EntryOfAnotherPastIsVoid(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	a.say(a.extent(0, 10))
	seen := newAuthor(t) // the past that was
	for _, data := range a.log {
		seen.store(data)
	}
	seen.n = a.n
	seen.say(&Cancel{Reason: "request"})
	seen.say(&Seal{})
	end := seen.entry(&End{Status: "cancelled"})

	a.say(&Cancel{Reason: "another request"}) // the past that is
	a.say(&Seal{})
	require.Equal(t, seen.Seq(), a.Seq())
	end.ID = "late"
	require.Equal(t, VoidChain, a.append(end).Reason)
	require.Equal(t, Sealed, a.Status())
	a.say(&End{Status: "cancelled"})
}

func TestRule05Chain_HoldsForEveryKind(t *testing.T) {
	for name, payload := range everyKind() {
		a := newAuthor(t)
		a.plan(10)
		lost := a.say(a.commit("0:[0,5)"))
		p := payload(a, lost)
		if _, end := p.(*End); end {
			a.say(&Seal{})
		}
		e := a.entry(p)
		before := a.sum()
		e.Prev = HashOf([]byte("another past"))
		require.Equal(t, VoidChain, a.append(e).Reason, name)
		require.Equal(t, before, a.sum(), name)
	}
	// The first entry of a ledger names the run.
	a := newAuthor(t)
	a.State = New("other")
	e := a.entry(&Cancel{})
	e.Prev = Root("run")
	require.Equal(t, VoidChain, a.append(e).Reason)
}

// everyKind makes a payload of each kind that can stand on a run with a plan of one task
// of 10 rows, of which the commit lost covers five; the end after a seal only.
func everyKind() map[string]func(a *author, lost string) any {
	return map[string]func(a *author, lost string) any{
		"extent":  func(a *author, _ string) any { return a.extent(0, 10) },
		"commit":  func(a *author, _ string) any { return a.commit("0:[5,10)") },
		"dead":    func(a *author, _ string) any { return a.dead("0:[5,10)") },
		"requeue": func(*author, string) any { return &Requeue{Epoch: "again"} },
		"lost":    func(_ *author, lost string) any { return &Lost{Commit: lost} },
		"cancel":  func(*author, string) any { return &Cancel{Reason: "request"} },
		"seal":    func(*author, string) any { return &Seal{Manifest: "m"} },
		"end":     func(*author, string) any { return &End{Status: "done"} },
	}
}

func TestEveryKindCanStand(t *testing.T) {
	for _, payload := range everyKind() {
		a := newAuthor(t)
		a.plan(10)
		lost := a.say(a.commit("0:[0,5)"))
		p := payload(a, lost)
		if _, end := p.(*End); end {
			a.say(&Seal{})
		}
		a.say(p)
	}
}

// The run is cancelled and ended; a writer that held a block wakes up and commits it.
func TestRule06Cancel_NothingIsSettledAfterIt(t *testing.T) {
	for _, then := range [][]any{
		{&Cancel{Reason: "request"}},
		{&Cancel{Reason: "request"}, &Seal{}},
		{&Seal{}},
		{&Cancel{Reason: "request"}, &Seal{}, &End{}},
	} {
		a := newAuthor(t)
		a.plan(10)
		lost := a.say(a.commit("0:[0,5)"))
		for _, p := range then {
			a.say(p)
		}
		a.void(a.commit("0:[5,10)"), VoidOver)
		a.void(a.dead("0:[5,10)"), VoidOver)
		a.void(a.extent(0, 10), VoidOver)
		a.void(a.extent(0, 11), VoidOver)
		a.void(&Requeue{Epoch: "again"}, VoidOver)
		a.void(&Lost{Commit: lost}, VoidOver)
		a.void(&Cancel{Reason: "another"}, VoidOver)
	}
}

// A cancel and the commit that completes the run: whoever is first in the ledger.
func TestRule06Cancel_AfterCompletionIsVoid(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	a.say(a.extent(0, 10))
	a.say(a.commit("0:[0,10)"))
	require.True(t, a.Complete())
	a.void(&Cancel{Reason: "too late"}, VoidComplete)
	require.Equal(t, Running, a.Status())
	require.Empty(t, a.Reason())

	b := newAuthor(t)
	b.plan(10)
	b.say(b.commit("0:[0,10)"))
	b.say(&Cancel{Reason: "in time: the extent is not stated", Failed: true})
	b.void(b.extent(0, 10), VoidOver)
	require.False(t, b.Complete())
	require.Equal(t, Cancelled, b.Status())
	require.True(t, b.Failed())
	require.True(t, b.Cancelled())
}

// After a seal a cancel would change what the manifest says.
func TestRule06Cancel_AfterSealIsVoid(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	a.say(&Seal{})
	a.void(&Cancel{Reason: "too late"}, VoidOver)
	require.False(t, a.Cancelled())
	require.Equal(t, Sealed, a.Status())
}

// Attempt 1 published the block; attempt 2 could not process it and appended a dead
// entry: the span would be in the output and among the dead.
func TestRule07Dead_OverlappingDeadEntryIsVoid(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	a.say(a.commit("0:[0,10)"))
	for _, s := range []string{"0:[0,10)", "0:[9,11)", "0:[0,20)"} {
		a.void(a.dead(s), VoidOverlap)
	}
	require.Zero(t, a.DeadRows())
	a.say(a.dead("0:[10,20)"))
	a.void(a.dead("0:[10,20)"), VoidOverlap)
	a.void(a.commit("0:[10,20)"), VoidOverlap)
	require.Equal(t, int64(10), a.DeadRows())
	a.say(a.extent(0, 20))
	require.True(t, a.Complete())
	require.NoError(t, func() error { b := a.Books(); return b.Check() }())
}

// Attempt a1 failed row 3 and died before its block was acked; attempt a2 passed the
// row. The letter of a1 does not count: the row is in the output.
func TestRule07Dead_LetterCountsByItsAttempt(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	c := a.commit("0:[0,10)")
	c.Counts.Written, c.Counts.Dead, c.Files[0].Rows = 8, 2, 8
	c.Dead = []DeadRows{{Span: span(t, "0:[0,5)"), Stage: "score", Attempt: "a2", Offsets: []uint32{2, 4}}}
	require.False(t, a.DeadRowCounts(0, 2, "score", "a2"))
	id := a.say(c)
	for _, q := range []struct {
		task    uint32
		row     int64
		stage   string
		attempt string
		counts  bool
	}{
		{0, 2, "score", "a2", true},
		{0, 4, "score", "a2", true},
		{0, 3, "score", "a2", false}, // another row
		{0, 2, "score", "a1", false}, // another attempt
		{0, 2, "mask", "a2", false},  // another stage
		{1, 2, "score", "a2", false}, // another task
		{0, 7, "score", "a2", false}, // another block
		{0, -1, "score", "a2", false},
	} {
		assert.Equal(t, q.counts, a.DeadRowCounts(q.task, q.row, q.stage, q.attempt), q)
	}
	require.Equal(t, int64(2), a.DeadRows())
	first, ok := a.FirstDead()
	require.True(t, ok)
	require.Equal(t, c.Dead[0], first)

	a.say(&Lost{Commit: id})
	require.False(t, a.DeadRowCounts(0, 2, "score", "a2"), "the commit that named it is lost")
	require.Zero(t, a.DeadRows())
	_, ok = a.FirstDead()
	require.False(t, ok)
}

// A dead entry's attempt failed on all rows that reached it.
func TestRule07Dead_DeadEntryCountsItsRows(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	d := a.dead("0:[0,10)")
	d.Dropped = map[string]int64{"protect/filter[0]": 4}
	d.Before = []DeadRows{{Span: d.Span, Stage: "protect", Attempt: "p7", Offsets: []uint32{0, 9}}}
	a.say(d)
	require.Equal(t, int64(6), a.DeadRows())
	require.Equal(t, Books{
		Source: 20, Dead: 6, Dropped: map[string]int64{"protect/filter[0]": 4},
		DeadByStage: map[string]int64{"protect": 2, "score": 4},
	}, a.Books())
	require.True(t, a.DeadRowCounts(0, 9, "protect", "p7"))
	require.False(t, a.DeadRowCounts(0, 8, "protect", "p7"))
	require.True(t, a.DeadRowCounts(0, 8, "score", "a1"))
	require.False(t, a.DeadRowCounts(0, 10, "score", "a1"))
	require.Equal(t, []DeadRows{d.Before[0], {Span: d.Span, Stage: "score", Attempt: "a1"}}, slices.Collect(a.Buried()))
}

// The manifest is in the sink before the seal, and only a sealed ledger ends.
func TestRule09Manifest_NoEndBeforeTheSeal(t *testing.T) {
	a := newAuthor(t)
	a.void(&End{Status: "done"}, VoidUnsealed)
	a.plan(10)
	a.void(&End{Status: "done"}, VoidUnsealed)
	a.say(&Cancel{})
	a.void(&End{Status: "done"}, VoidUnsealed)
	a.say(&Seal{Manifest: "m"})
	a.void(&Seal{Manifest: "m"}, VoidDuplicate)
	require.Nil(t, a.End())
	a.say(&End{Status: "done", Stats: json.RawMessage(`{"rows":1}`)})
	require.Equal(t, Ended, a.Status())
	require.Equal(t, "done", a.End().Status)
}

// A power loss took the commit that completed the run, but not the manifest: the seal
// stands, for the manifest outranks the ledger.
func TestRule09Manifest_SealStandsWhateverTheLedgerForgot(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	require.False(t, a.Complete())
	a.say(&Seal{Manifest: "m"})
	b := newAuthor(t) // even the plan is gone
	b.say(&Seal{Manifest: "m"})
	b.say(&End{})
}

func TestRule12Epoch_RequeueMakesANewOne(t *testing.T) {
	a := newAuthor(t)
	require.Empty(t, a.Epoch())
	a.plan(10)
	require.Equal(t, a.PlanID(), a.Epoch())
	a.say(&Requeue{Epoch: "e1"})
	require.Equal(t, "e1", a.Epoch())
	a.say(&Requeue{Epoch: "e2"})
	require.Equal(t, "e2", a.Epoch())
}

// A power loss takes an extent: all rows are covered, and without the rule no end.
func TestRule13Extent_CoveredTaskWithoutItIsOwed(t *testing.T) {
	a := newAuthor(t)
	a.plan(10, 4, 0)
	a.say(a.extent(0, 10))
	a.say(a.commit("0:[0,10)", "1:[0,4)"))
	require.Equal(t, Progress{14, 14}, a.Progress())
	require.False(t, a.Complete())
	require.False(t, a.AllExtents())
	require.Equal(t, []uint32{1, 2}, a.Owed())
	require.Empty(t, a.OwedSpans(1), "the reader publishes nothing, and appends the extent")
	a.say(a.extent(2, 0))
	a.say(a.extent(1, 4))
	require.True(t, a.Complete())
	require.Empty(t, a.Owed())
}

func TestRule13Extent_IsNotEnough(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	a.say(a.extent(0, 10))
	a.say(a.commit("0:[2,5)"))
	require.True(t, a.AllExtents())
	require.False(t, a.Complete())
	require.Equal(t, []uint32{0}, a.Owed())
	require.Equal(t, []blocks.Span{span(t, "0:[0,2)"), span(t, "0:[5,10)")}, a.OwedSpans(0))
	require.Nil(t, a.OwedSpans(1), "no such task")
}

// A task that was queued twice is read twice.
func TestRule13Extent_EqualSecondOneIsVoid(t *testing.T) {
	a := newAuthor(t)
	a.plan(10, 10)
	a.say(a.extent(0, 10))
	a.void(a.extent(0, 10), VoidDuplicate)
	require.Equal(t, int64(10), a.Books().Read)
	require.Equal(t, 1, a.Extents())
	rows, ok := a.Extent(0)
	require.True(t, ok)
	require.Equal(t, int64(10), rows)
	_, ok = a.Extent(1)
	require.False(t, ok)
}

// A filter that keeps 1 % puts thousands of spans in a file.
func TestRule16EntrySize_ThousandsOfSpansFit(t *testing.T) {
	require.LessOrEqual(t, 2*EntryCap, 1<<20, "an entry leaves room under the default max_payload")
	a := newAuthor(t)
	a.plan(1 << 40)
	var set Coverage
	const spans, rows = 20_000, 4096
	for i := range int64(spans) { // every other block: another writer has the rest
		require.NoError(t, set.Add(blocks.Span{From: 2 * i * rows, To: (2*i + 1) * rows}))
	}
	c := a.commit("0:[0,1)")
	c.Spans, c.Files[0].Spans = set, set
	c.Counts = Counts{Read: set.Rows(), Written: 1, Dropped: map[string]int64{"f": set.Rows() - 1}}
	e := a.entry(c)
	data, err := e.Encode()
	require.NoError(t, err)
	require.Less(t, len(data), EntryCap, "twice: in the commit and in its one file")
	require.True(t, a.store(data).Standing)
}

func TestRule16EntrySize_NeighboursAreOneSpan(t *testing.T) {
	var set Coverage
	for i := range int64(10_000) {
		require.NoError(t, set.Add(blocks.Span{Task: 3, From: i * 4096, To: (i + 1) * 4096}))
	}
	text, err := set.MarshalText()
	require.NoError(t, err)
	require.Less(t, len(text), 16)
	require.Equal(t, 1, set.Len())
}

// A long plan travels in parts that all fit; the first complete one stands.
func TestRule16EntrySize_LongPlanTravelsInParts(t *testing.T) {
	p := &Plan{Spec: "spec", MaxBlockBytes: 1 << 20}
	for i := range 40_000 {
		h := HashOf(fmt.Append(nil, i))
		p.Files = append(p.Files, PlanFile{URI: fmt.Sprintf("s3://bucket/part-%d.parquet", i), Size: int64(i), Footer: h.String(), Rows: 10})
		p.Tasks = append(p.Tasks, PlanTask{File: i, RowGroups: [2]int{0, 1}, Rows: 10, BlockRows: 10})
	}
	one, err := p.Parts("n1")
	require.NoError(t, err)
	two, err := p.Parts("n2")
	require.NoError(t, err)
	require.Greater(t, len(one), 3)
	require.NotEqual(t, one[0].Plan, two[0].Plan)

	a := newAuthor(t)
	for i, part := range one { // two planners at once
		data, err := a.entry(part).Encode()
		require.NoError(t, err)
		require.Less(t, len(data), EntryCap)
		require.True(t, a.store(data).Standing)
		if i < len(one)-1 {
			require.Nil(t, a.Plan())
			require.True(t, a.append(a.entry(two[len(two)-1-i])).Standing)
			a.void(part, VoidDuplicate)
		}
	}
	require.Equal(t, one[0].Plan, a.PlanID())
	require.Equal(t, p.Tasks, a.Plan().Tasks)
	require.Equal(t, int64(400_000), a.Progress().Planned)
	a.void(two[0], VoidDuplicate)
	require.Empty(t, a.partial)
}

// Another plan cuts other rows under the same spans.
func TestRule17Determinism_AnotherPlanIsVoid(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	x, c, d := a.extent(0, 10), a.commit("0:[0,5)"), a.dead("0:[5,10)")
	x.Plan, c.Plan, d.Plan = "0123456789abcdef", "0123456789abcdef", ""
	a.void(x, VoidPlan)
	a.void(c, VoidPlan)
	a.void(d, VoidPlan)
}

func TestRule17Determinism_NothingCountsBeforeThePlan(t *testing.T) {
	a := newAuthor(t)
	a.void(a.extent(0, 10), VoidNoPlan)
	a.void(a.commit("0:[0,5)"), VoidNoPlan)
	a.void(a.dead("0:[5,10)"), VoidNoPlan)
	require.False(t, a.Complete())
	require.False(t, a.AllExtents())
	require.Nil(t, a.Owed())
}

func TestRule17Determinism_OnePlanForEver(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	id := a.PlanID()
	parts, err := (&Plan{Tasks: []PlanTask{{File: -1, To: 99, Rows: 99}}}).Parts("other")
	require.NoError(t, err)
	a.void(parts[0], VoidDuplicate)
	require.Equal(t, id, a.PlanID())

	b := newAuthor(t)
	b.say(&Cancel{})
	b.void(parts[0], VoidOver)
}

func TestRule17Determinism_PlanIsItsHash(t *testing.T) {
	a := newAuthor(t)
	parts, err := (&Plan{Tasks: []PlanTask{{File: -1, To: 99, Rows: 99}}}).Parts("one")
	require.NoError(t, err)
	parts[0].Plan = "0123456789abcdef"
	a.void(parts[0], VoidMalformed)
	require.Nil(t, a.Plan())
}

// A file was replaced while the run was on its way.
func TestRule17Determinism_ExtentThatDiffersFailsTheRun(t *testing.T) {
	for _, wrong := range []*Extent{{Task: 0, Rows: 11}, {Task: 0, Rows: 9}, {Task: 1, Rows: 5}, {Task: 2, Rows: 1}} {
		a := newAuthor(t)
		a.plan(10, 4)
		a.say(a.extent(0, 10))
		a.say(a.commit("0:[0,10)"))
		wrong.Plan = a.PlanID()
		a.void(wrong, VoidConflict)
		require.Contains(t, a.Failure(), fmt.Sprintf("task %d was read to its end with %d rows", wrong.Task, wrong.Rows))
		first := a.Failure()

		// It cannot complete any more, so the cancel that somebody appends stands.
		a.say(a.extent(1, 4))
		a.say(a.commit("1:[0,4)"))
		require.Equal(t, Progress{14, 14}, a.Progress())
		require.False(t, a.Complete())
		a.void(a.extent(0, 3), VoidConflict)
		require.Equal(t, first, a.Failure(), "the first cause is told")
		a.say(&Cancel{Reason: a.Failure(), Failed: true})
		require.True(t, a.Failed())
	}
}

// A copy of a task was still being read when the run became complete: the entry that
// completed it decides.
func TestRule17Determinism_TooLateForACompleteRun(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	a.say(a.commit("0:[0,10)"))
	a.say(a.extent(0, 10))
	a.void(a.extent(0, 11), VoidComplete)
	require.Empty(t, a.Failure())
	require.True(t, a.Complete())
}

// The end stays, whatever comes later: late commits, seals, ends of a paused process.
func TestRule19LateWriters_NothingCountsAfterTheEnd(t *testing.T) {
	for name, payload := range everyKind() {
		a := newAuthor(t)
		a.plan(10)
		lost := a.say(a.commit("0:[0,5)"))
		a.say(&Seal{Manifest: "m"})
		a.say(&End{Status: "done"})
		before, end := a.sum(), a.End()
		e := a.entry(payload(a, lost))
		require.Equal(t, VoidOver, a.append(e).Reason, name)
		require.Equal(t, Ended, a.Status(), name)
		require.Equal(t, before, a.sum(), name)
		require.Same(t, end, a.End(), name)
	}
}

// Two processes resume one run at once: both see the same ledger, both append a requeue.
func TestRule22TwoResumers_OneRequeueStands(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	one, two := a.entry(&Requeue{Epoch: "one"}), a.entry(&Requeue{Epoch: "two"})
	require.True(t, a.append(one).Standing)
	require.Equal(t, VoidChain, a.append(two).Reason)
	require.Equal(t, "one", a.Epoch(), "two queues nothing")
}

// A finished run is not resumed.
func TestRule22TwoResumers_OnlyWhileRunning(t *testing.T) {
	a := newAuthor(t)
	a.plan(10)
	a.say(&Cancel{})
	a.void(&Requeue{Epoch: "again"}, VoidOver)
	require.Equal(t, a.PlanID(), a.Epoch())
}

// A committed file that was not visible is gone: its rows would be lost.
func TestRule26Lost_SpansAreOwedAgain(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	a.say(a.extent(0, 20))
	kept := a.say(a.commit("0:[0,5)", "0:[15,20)"))
	c := a.commit("0:[5,15)")
	c.Counts.Written, c.Files[0].Rows = 5, 5
	c.Counts.Dropped = map[string]int64{"protect/filter[0]": 3}
	c.Counts.Dead = 2
	c.Dead = []DeadRows{{Span: span(t, "0:[5,15)"), Stage: "score", Attempt: "a1", Offsets: []uint32{0, 9}}}
	before := a.Books()
	id := a.say(c)
	require.True(t, a.Complete())

	a.say(&Lost{Commit: id})
	require.False(t, a.Complete())
	require.Equal(t, before, a.Books(), "its rows are out of the books")
	require.Equal(t, []uint32{0}, a.Owed())
	require.Equal(t, []blocks.Span{span(t, "0:[5,15)")}, a.OwedSpans(0))
	require.Nil(t, a.Commit(id))
	require.NotNil(t, a.Commit(kept))
	require.False(t, a.DeadRowCounts(0, 5, "score", "a1"))
	v, ok := a.Verdict(id)
	require.True(t, ok)
	require.Equal(t, Verdict{Kind: KindCommit, ID: id, Reason: VoidLost}, v)

	// Read and written again; the run completes as if nothing had been.
	a.say(a.commit("0:[5,15)"))
	require.True(t, a.Complete())
	books := a.Books()
	require.NoError(t, books.Check())
}

func TestRule26Lost_IDStaysKnown(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	e := a.entry(a.commit("0:[0,5)"))
	require.True(t, a.append(e).Standing)
	a.say(&Lost{Commit: e.ID})
	e.Prev = a.Last()
	require.Equal(t, VoidKnown, a.append(e).Reason)
	require.Equal(t, OverlapNone, a.Covered(span(t, "0:[0,5)")))
	a.void(&Lost{Commit: e.ID}, VoidUnknown)
}

func TestRule26Lost_OnlyWhatStands(t *testing.T) {
	a := newAuthor(t)
	a.plan(20)
	a.void(&Lost{Commit: "nobody"}, VoidUnknown)
	a.say(a.commit("0:[0,5)"))
	overlapping := a.void(a.commit("0:[0,10)"), VoidOverlap)
	a.void(&Lost{Commit: overlapping}, VoidUnknown)
	require.Equal(t, OverlapAll, a.Covered(span(t, "0:[0,5)")))
}

// After the manifest a file that is gone is an error that names it, not work.
func TestRule26Lost_OnlyBeforeTheManifest(t *testing.T) {
	for _, then := range []any{&Cancel{}, &Seal{}} {
		a := newAuthor(t)
		a.plan(20)
		id := a.say(a.commit("0:[0,5)"))
		a.say(then)
		a.void(&Lost{Commit: id}, VoidOver)
		require.NotNil(t, a.Commit(id))
	}
}
