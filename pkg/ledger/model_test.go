package ledger

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/blocks"
)

// naive is Apply of docs/protocol/Levada.tla with all rules, row by row, and with what
// the README adds to it in words: lost (26), requeue (12, 22), ids that are used once
// (4), and the order of the ledger by hashes (5). The plan is in the ledger, as there.
type naive struct {
	tasks   []int64
	plan    string
	ext     map[uint32]bool
	coms    map[string]rowSet
	dead    rowSet
	st      string
	epoch   string
	ids     map[string]bool
	last    Hash
	seq     uint64
	mustEnd bool // some entry contradicted the plan
}

func newNaive(plan string, tasks []int64, planEntry []byte) *naive {
	e, _ := DecodeEntry(planEntry)
	return &naive{
		tasks: tasks, plan: plan, epoch: plan, ext: map[uint32]bool{}, coms: map[string]rowSet{}, dead: rowSet{}, st: "run",
		ids: map[string]bool{e.ID: true}, last: HashOf(planEntry), seq: 1,
	}
}

// cov is computed, never kept: what standing commits and dead entries say.
func (x *naive) cov() rowSet {
	cov := maps.Clone(x.dead)
	for _, c := range x.coms {
		maps.Copy(cov, c)
	}
	return cov
}

func (x *naive) all() rowSet {
	all := rowSet{}
	for t, rows := range x.tasks {
		for _, row := range rowsOf(blocks.Span{Task: uint32(t), To: rows}) {
			all[row] = true
		}
	}
	return all
}

func (x *naive) complete() bool {
	return len(x.ext) == len(x.tasks) && maps.Equal(x.cov(), x.all()) && !x.mustEnd
}

// apply reports whether the entry stands.
func (x *naive) apply(e *Entry, data []byte) bool {
	prev := x.last
	x.last = HashOf(data)
	x.seq++
	known := x.ids[e.ID]
	x.ids[e.ID] = true
	if e.Prev != prev || known || x.st == "end" {
		return false
	}
	switch e.Kind {
	case KindExtent:
		switch {
		case x.st != "run" || e.Extent.Plan != x.plan:
			return false
		case e.Extent.Rows != x.tasks[e.Extent.Task]:
			x.mustEnd = x.mustEnd || !x.complete()
			return false
		case x.ext[e.Extent.Task]:
			return false
		}
		x.ext[e.Extent.Task] = true
	case KindCommit:
		s := rowSet{}
		for span := range e.Commit.Spans.Spans() {
			for _, row := range rowsOf(span) {
				s[row] = true
			}
		}
		if x.st != "run" || e.Commit.Plan != x.plan || x.meets(s) {
			return false
		}
		x.coms[e.ID] = s
	case KindDead:
		s := rowSet{}
		for _, row := range rowsOf(e.Dead.Span) {
			s[row] = true
		}
		if x.st != "run" || e.Dead.Plan != x.plan || x.meets(s) {
			return false
		}
		maps.Copy(x.dead, s)
	case KindRequeue:
		if x.st != "run" {
			return false
		}
		x.epoch = e.Requeue.Epoch
	case KindLost:
		if x.st != "run" || x.coms[e.Lost.Commit] == nil {
			return false
		}
		delete(x.coms, e.Lost.Commit)
	case KindCancel:
		if x.st != "run" || x.complete() {
			return false
		}
		x.st = "cancel"
	case KindSeal:
		if x.st == "sealed" {
			return false
		}
		x.st = "sealed"
	case KindEnd:
		if x.st != "sealed" {
			return false
		}
		x.st = "end"
	case KindPlan:
		return false
	}
	return true
}

func (x *naive) meets(s rowSet) bool {
	cov := x.cov()
	for row := range s {
		if cov[row] {
			return true
		}
	}
	return false
}

func (x *naive) requireSame(t *rapid.T, s *State) {
	require.Equal(t, map[string]Status{"run": Running, "cancel": Cancelled, "sealed": Sealed, "end": Ended}[x.st], s.Status())
	require.Equal(t, x.last, s.Last())
	require.Equal(t, x.seq, s.Seq())
	require.Equal(t, x.epoch, s.Epoch())
	require.Equal(t, x.mustEnd, s.Failure() != "")
	require.Equal(t, x.complete(), s.Complete())
	require.Equal(t, len(x.ext), s.Extents())

	// No row is covered twice by what stands, and the coverage is the union of it.
	n := len(x.dead)
	for id, c := range x.coms {
		n += len(c)
		require.NotNil(t, s.Commit(id))
		v, ok := s.Verdict(id)
		require.True(t, ok && v.Standing)
	}
	require.Len(t, maps.Collect(s.Commits()), len(x.coms))
	cov := x.cov()
	require.Len(t, cov, n, "the model itself covers a row twice")
	require.Equal(t, cov.spans(), slices.Collect(s.Coverage().Spans()))
	require.Equal(t, int64(len(cov)), s.Progress().Covered)
	require.Equal(t, int64(len(x.dead)), s.DeadRows())
	books := s.Books()
	require.Equal(t, s.Progress().Covered, books.Written+books.DroppedRows()+books.Dead)
	if x.complete() {
		require.NoError(t, books.Check())
	}

	var owed []uint32
	for i := range x.tasks {
		task := uint32(i)
		gaps := rowSet{}
		for row := range x.all() {
			if row.Task == task && !cov[row] {
				gaps[row] = true
			}
		}
		require.Equal(t, gaps.spans(), s.OwedSpans(task))
		if len(gaps) > 0 || !x.ext[task] {
			owed = append(owed, task)
		}
	}
	require.Equal(t, owed, s.Owed())
}

// writerOf draws entries as many processes would append them: most on the ledger's
// present end, some on an older one, some with an id that was used.
type writerOf struct {
	plan  string
	tasks []int64
	ids   []string
	past  []Hash
	n     int
}

func planLedger(t require.TestingT) (*writerOf, []byte) {
	w := &writerOf{tasks: []int64{7, 4, 0}}
	p := &Plan{}
	for _, rows := range w.tasks {
		p.Tasks = append(p.Tasks, PlanTask{File: -1, Rows: rows})
	}
	parts, err := p.Parts("n")
	require.NoError(t, err)
	require.Len(t, parts, 1)
	w.plan = parts[0].Plan
	data, err := (&Entry{V: Version, Kind: KindPlan, ID: "plan", Prev: Root("run"), At: epoch, Plan: parts[0]}).Encode()
	require.NoError(t, err)
	w.past = []Hash{Root("run")}
	return w, data
}

func (w *writerOf) draw(t *rapid.T, kind Kind, last Hash) *Entry {
	w.n++
	e := &Entry{V: Version, Kind: kind, ID: fmt.Sprintf("id%d", w.n), Prev: last, At: epoch, By: "b"}
	if len(w.ids) > 0 && rapid.IntRange(0, 19).Draw(t, "id again") == 0 {
		e.ID = rapid.SampledFrom(w.ids).Draw(t, "id")
	}
	if rapid.IntRange(0, 9).Draw(t, "past") == 0 {
		e.Prev = rapid.SampledFrom(w.past).Draw(t, "prev")
	}
	w.past = append(w.past, last)
	w.ids = append(w.ids, e.ID)
	plan := w.plan
	if rapid.IntRange(0, 19).Draw(t, "other plan") == 0 {
		plan = "other"
	}
	draw := func() blocks.Span {
		task := rapid.Uint32Range(0, 1).Draw(t, "task")
		from := rapid.Int64Range(0, w.tasks[task]-1).Draw(t, "from")
		return blocks.Span{Task: task, From: from, To: rapid.Int64Range(from+1, w.tasks[task]).Draw(t, "to")}
	}
	switch kind {
	case KindExtent:
		task := rapid.IntRange(0, len(w.tasks)-1).Draw(t, "task")
		e.Extent = &Extent{Plan: plan, Task: uint32(task), Rows: w.tasks[task]}
		if rapid.IntRange(0, 29).Draw(t, "other rows") == 0 {
			e.Extent.Rows++
		}
	case KindCommit:
		var set Coverage
		for range rapid.IntRange(1, 3).Draw(t, "spans") {
			if s := draw(); set.Overlap(s) == OverlapNone {
				require.NoError(t, set.Add(s))
			}
		}
		n := set.Rows()
		written := rapid.Int64Range(0, n).Draw(t, "written")
		e.Commit = &Commit{
			Plan: plan, Spans: set, Counts: Counts{Read: n, Written: written, Dropped: map[string]int64{"f": n - written}},
			Files: []File{{Name: "f-" + e.ID, Rows: written, Spans: set}},
		}
	case KindDead:
		e.Dead = &Dead{Plan: plan, Span: draw(), Stage: "s", Attempt: "a"}
	case KindRequeue:
		e.Requeue = &Requeue{Epoch: fmt.Sprintf("epoch%d", w.n)}
	case KindLost:
		e.Lost = &Lost{Commit: rapid.SampledFrom(w.ids).Draw(t, "lost")}
	case KindCancel:
		e.Cancel = &Cancel{Reason: "r", Failed: rapid.Bool().Draw(t, "failed")}
	case KindSeal:
		e.Seal = &Seal{}
	case KindEnd:
		e.End = &End{Status: "done"}
	case KindPlan:
		require.Fail(t, "there is one plan")
	}
	return e
}

// kinds as often as they are interesting: most of a run is commits.
var kinds = []Kind{
	KindExtent, KindExtent, KindExtent, KindCommit, KindCommit, KindCommit, KindCommit, KindCommit, KindCommit,
	KindDead, KindDead, KindRequeue, KindLost, KindLost, KindCancel, KindSeal, KindEnd,
}

// drawLedger draws a whole ledger.
func drawLedger(t *rapid.T) [][]byte {
	w, plan := planLedger(t)
	s := New("run")
	log := [][]byte{plan}
	s.Apply(1, plan)
	for range rapid.IntRange(0, 25).Draw(t, "entries") {
		data, err := w.draw(t, rapid.SampledFrom(kinds).Draw(t, "kind"), s.Last()).Encode()
		require.NoError(t, err)
		log = append(log, data)
		s.Apply(s.Seq()+1, data)
	}
	return log
}

// The fold says of any sequence of entries what the model says, also after the server
// lost the last of them and others took their place.
func TestFold_IsTheModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, plan := planLedger(t)
		s, x := New("run"), newNaive(w.plan, w.tasks, plan)
		require.True(t, s.Apply(1, plan).Standing)
		log := [][]byte{plan}
		add := func(t *rapid.T, data []byte) {
			e, err := DecodeEntry(data)
			require.NoError(t, err)
			stands := x.apply(e, data)
			v := s.Apply(s.Seq()+1, data)
			require.NoError(t, v.Fatal)
			require.Equal(t, stands, v.Standing, "%s %s: %s", e.Kind, e.ID, v.Reason)
			require.Equal(t, stands, v.Reason == "")
			log = append(log, data)
		}
		entry := func(t *rapid.T, kind Kind) {
			data, err := w.draw(t, kind, s.Last()).Encode()
			require.NoError(t, err)
			add(t, data)
		}
		t.Repeat(map[string]func(*rapid.T){
			"read": func(t *rapid.T) { entry(t, KindExtent) },
			"work": func(t *rapid.T) {
				entry(t, rapid.SampledFrom([]Kind{KindCommit, KindCommit, KindDead}).Draw(t, "kind"))
			},
			"finish": func(t *rapid.T) { // what is owed, so that runs do complete
				for _, task := range s.Owed() {
					if _, ok := s.Extent(task); !ok {
						data, err := (&Entry{V: Version, Kind: KindExtent, ID: fmt.Sprintf("x%d", len(log)), Prev: s.Last(), Extent: &Extent{Plan: w.plan, Task: task, Rows: w.tasks[task]}}).Encode()
						require.NoError(t, err)
						add(t, data)
					}
					for _, gap := range s.OwedSpans(task) {
						data, err := (&Entry{V: Version, Kind: KindDead, ID: fmt.Sprintf("y%d", len(log)), Prev: s.Last(), Dead: &Dead{Plan: w.plan, Span: gap}}).Encode()
						require.NoError(t, err)
						add(t, data)
					}
				}
			},
			"other": func(t *rapid.T) { entry(t, rapid.SampledFrom(kinds).Draw(t, "kind")) },
			"power loss": func(t *rapid.T) {
				log = log[:max(1, len(log)-rapid.IntRange(1, 3).Draw(t, "lost"))]
				s, x = New("run"), newNaive(w.plan, w.tasks, plan)
				foldAll(t, s, log)
				for _, data := range log[1:] {
					e, err := DecodeEntry(data)
					require.NoError(t, err)
					x.apply(e, data)
				}
			},
			"stored again": func(t *rapid.T) { add(t, rapid.SampledFrom(log).Draw(t, "entry")) },
			"":             func(t *rapid.T) { x.requireSame(t, s) },
		})
	})
}
