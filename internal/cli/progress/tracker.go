package progress

import (
	"cmp"
	"time"

	"github.com/levada-data/levada/pkg/flow"
)

// Facts are what is known about a run at one moment.
type Facts struct {
	At      time.Time
	Phase   string // "planning", "running", ...
	Planned int64  // source rows; 0 before there is a plan
	Covered int64  // of those, settled for good
	Reports []flow.Stats
}

// View is what can be shown of a run at one moment.
type View struct {
	Name    string
	Phase   string
	Planned int64
	Done    int64         // source rows: settled, or written and not yet settled
	Rate    float64       // source rows a second, lately
	Left    time.Duration // guessed; -1 when it cannot be
	Elapsed time.Duration
	Stages  []StageView
}

// StageView is one stage of a View, all its instances together.
type StageView struct {
	Name      string
	State     string // in one word
	Instances int
	Rows      int64 // that came in
	In, Out   float64
	// Shares of the workers' time lately, 0 to 1; their sum is 1 or, before there is
	// anything to say, 0.
	WaitIn, Working, WaitOut float64
}

// Tracker makes views of facts. It is not safe for concurrent use.
type Tracker struct {
	name    string
	stages  []string
	started time.Time

	begun   bool
	base    int64                 // covered when the tracker began
	last    map[string]flow.Stats // by stage and instance
	totals  map[string]*totals    // by stage, since the tracker began
	done    int64
	samples []sample // the last window, the oldest first
}

// totals are sums of what instances reported; an instance that begins anew, from
// zero, adds to them.
type totals struct {
	rowsIn, rowsOut          int64
	waitIn, working, waitOut time.Duration
}

type sample struct {
	at     time.Time
	done   int64
	stages map[string]totals
}

// window is how far back rates look: reports of other processes come once a second.
const window = 4 * time.Second

// NewTracker returns the tracker of a run. stages are all of them in the order of
// the flow, the source first and the sink last. Reports of instances that started
// before now count from the first that is seen.
func NewTracker(name string, stages []string, now time.Time) *Tracker {
	t := &Tracker{name: name, stages: stages, started: now, last: map[string]flow.Stats{}, totals: map[string]*totals{}}
	for _, s := range stages {
		t.totals[s] = &totals{}
	}
	return t
}

// Observe takes facts, which must not be older than the last, and returns the view.
func (t *Tracker) Observe(f Facts) View {
	if !t.begun {
		t.begun, t.base = true, f.Covered
	}
	for _, r := range f.Reports {
		t.add(r)
	}
	// What is settled is exact, but it grows in steps, a commit at a time, the first
	// perhaps after minutes. What the sink has taken moves at once.
	guess := min(t.base+t.written(), f.Planned)
	t.done = min(max(t.done, f.Covered, guess), max(f.Planned, f.Covered))
	now := t.sample(f.At)
	t.samples = append(t.samples, now)
	for len(t.samples) > 2 && f.At.Sub(t.samples[1].at) >= window {
		t.samples = t.samples[1:]
	}
	then := t.samples[0]
	seconds := now.at.Sub(then.at).Seconds()
	v := View{Name: t.name, Phase: f.Phase, Planned: f.Planned, Done: t.done, Left: -1, Elapsed: f.At.Sub(t.started)}
	if seconds > 0 {
		v.Rate = float64(now.done-then.done) / seconds
	}
	if v.Rate > 0 && f.Planned > 0 {
		v.Left = time.Duration(float64(f.Planned-t.done) / v.Rate * float64(time.Second))
	}
	for _, s := range t.stages {
		v.Stages = append(v.Stages, t.stage(s, f.Reports, then.stages[s], seconds))
	}
	return v
}

// add counts what an instance did since its last report.
func (t *Tracker) add(r flow.Stats) {
	sum := t.totals[r.Stage]
	if sum == nil {
		return // of a newer levada's stage
	}
	key := r.Stage + "/" + r.Instance
	old, known := t.last[key]
	t.last[key] = r
	switch {
	case !known && r.Started.Before(t.started):
		return // what it did before is in the coverage, mostly
	case r.Started.After(old.Started):
		old = flow.Stats{} // a new life
	}
	sum.rowsIn += r.RowsIn - old.RowsIn
	sum.rowsOut += r.RowsOut - old.RowsOut
	sum.waitIn += r.WaitIn - old.WaitIn
	sum.working += r.Working - old.Working
	sum.waitOut += r.WaitOut - old.WaitOut
}

// written is how many source rows the rows that reached the sink stand for: each
// stage before it thinned them out.
func (t *Tracker) written() int64 {
	rows := float64(t.totals[t.stages[len(t.stages)-1]].rowsIn)
	for i := len(t.stages) - 2; i > 0; i-- {
		s := t.totals[t.stages[i]]
		if s.rowsOut == 0 {
			rows = float64(s.rowsIn) // it keeps nothing, or has not begun
			continue
		}
		rows *= float64(s.rowsIn) / float64(s.rowsOut)
	}
	return int64(rows)
}

func (t *Tracker) sample(at time.Time) sample {
	s := sample{at: at, done: t.done, stages: make(map[string]totals, len(t.stages))}
	for name, sum := range t.totals {
		s.stages[name] = *sum
	}
	return s
}

func (t *Tracker) stage(name string, reports []flow.Stats, then totals, seconds float64) StageView {
	v := StageView{Name: name}
	states := map[string]int{}
	for _, r := range reports {
		if r.Stage != name {
			continue
		}
		v.Instances++
		v.Rows += r.RowsIn
		states[r.State]++
		if n := cmp.Compare(states[r.State], states[v.State]); n > 0 || n == 0 && r.State < v.State || v.State == "" {
			v.State = r.State
		}
	}
	now := t.totals[name]
	if seconds > 0 {
		v.In = float64(now.rowsIn-then.rowsIn) / seconds
		v.Out = float64(now.rowsOut-then.rowsOut) / seconds
	}
	in, work, out := now.waitIn-then.waitIn, now.working-then.working, now.waitOut-then.waitOut
	if all := float64(in + work + out); all > 0 {
		v.WaitIn, v.Working, v.WaitOut = float64(in)/all, float64(work)/all, float64(out)/all
	}
	return v
}
