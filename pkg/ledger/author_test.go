package ledger

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
)

// author appends entries to a ledger and folds them, as one process after another
// would.
type author struct {
	*State
	t   testing.TB
	log [][]byte
	n   int
}

func newAuthor(t testing.TB) *author {
	t.Helper()
	return &author{State: New("run"), t: t}
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// entry fills in the envelope of an entry of one payload, on the ledger's present end.
func (a *author) entry(payload any) *Entry {
	a.t.Helper()
	a.n++
	e := &Entry{V: Version, ID: fmt.Sprintf("id%03d", a.n), Prev: a.Last(), At: epoch.Add(time.Duration(a.n) * time.Second), By: "test"}
	switch p := payload.(type) {
	case *PlanPart:
		e.Kind, e.Plan = KindPlan, p
	case *Extent:
		e.Kind, e.Extent = KindExtent, p
	case *Commit:
		e.Kind, e.Commit = KindCommit, p
	case *Dead:
		e.Kind, e.Dead = KindDead, p
	case *Requeue:
		e.Kind, e.Requeue = KindRequeue, p
	case *Lost:
		e.Kind, e.Lost = KindLost, p
	case *Cancel:
		e.Kind, e.Cancel = KindCancel, p
	case *Seal:
		e.Kind, e.Seal = KindSeal, p
	case *End:
		e.Kind, e.End = KindEnd, p
	default:
		require.Failf(a.t, "no entry has such a payload", "%T", payload)
	}
	return e
}

// append stores an entry and returns what the fold says of it.
func (a *author) append(e *Entry) Verdict {
	a.t.Helper()
	data, err := e.Encode()
	require.NoError(a.t, err)
	return a.store(data)
}

func (a *author) store(data []byte) Verdict {
	a.log = append(a.log, data)
	return a.Apply(a.Seq()+1, data)
}

// say appends a payload and returns the id of its entry, which must stand.
func (a *author) say(payload any) string {
	a.t.Helper()
	e := a.entry(payload)
	v := a.append(e)
	require.Truef(a.t, v.Standing, "%s: %s", e.Kind, v.Reason)
	return e.ID
}

// void appends a payload that must be void, for the given reason.
func (a *author) void(payload any, why VoidReason) string {
	a.t.Helper()
	e := a.entry(payload)
	before := a.sum()
	v := a.append(e)
	require.Falsef(a.t, v.Standing, "%s stands", e.Kind)
	require.Equal(a.t, why, v.Reason)
	if why != VoidConflict {
		require.Equal(a.t, before, a.sum(), "a void entry changes nothing")
	}
	return e.ID
}

// sum is what a reader of the fold sees.
func (a *author) sum() string {
	var s strings.Builder
	fmt.Fprintln(&s, a.Status(), a.Reason(), a.Failure(), a.Epoch(), a.PlanID(), a.Complete(), a.Owed(), a.Extents(), a.DeadRows())
	fmt.Fprintln(&s, a.Books(), a.Progress(), a.LastAt())
	for span := range a.Coverage().Spans() {
		fmt.Fprint(&s, span, " ")
	}
	for id := range a.Commits() {
		fmt.Fprint(&s, id, " ")
	}
	return s.String()
}

// plan makes tasks of the given rows the run's plan.
func (a *author) plan(rows ...int64) {
	a.t.Helper()
	p := &Plan{Spec: "spec", MaxBlockBytes: 1 << 20}
	for i, n := range rows {
		p.Files = append(p.Files, PlanFile{URI: fmt.Sprintf("in/%d.parquet", i), Size: 100 * n, Footer: "f00d", Rows: n})
		p.Tasks = append(p.Tasks, PlanTask{File: i, RowGroups: [2]int{0, 1}, Rows: n, BlockRows: 10})
	}
	a.adoptPlan(p)
}

func (a *author) adoptPlan(p *Plan) {
	a.t.Helper()
	parts, err := p.Parts("nonce")
	require.NoError(a.t, err)
	for _, part := range parts {
		a.say(part)
	}
}

func (a *author) extent(task uint32, rows int64) *Extent {
	return &Extent{Plan: a.PlanID(), Task: task, Rows: rows}
}

// commit writes all rows of the spans to one file.
func (a *author) commit(spans ...string) *Commit {
	a.t.Helper()
	set := coverage(a.t, spans...)
	n := set.Rows()
	return &Commit{
		Plan: a.PlanID(), Spans: set, Counts: Counts{Read: n, Written: n, Bytes: n},
		Files: []File{{Name: fmt.Sprintf("part-%d.parquet", a.n), Staged: "token", Bytes: n, Rows: n, BLAKE3: "5a", Spans: set}},
	}
}

func (a *author) dead(s string) *Dead {
	a.t.Helper()
	return &Dead{Plan: a.PlanID(), Span: span(a.t, s), Stage: "score", Attempt: "a1", Reason: "operator panicked"}
}

func span(t testing.TB, text string) blocks.Span {
	t.Helper()
	s, err := blocks.ParseSpan(text)
	require.NoError(t, err)
	return s
}

func coverage(t testing.TB, spans ...string) Coverage {
	t.Helper()
	var c Coverage
	for _, s := range spans {
		require.NoError(t, c.Add(span(t, s)))
	}
	return c
}
