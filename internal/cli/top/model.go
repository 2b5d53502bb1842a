package top

import (
	"cmp"
	"slices"
	"strings"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/pkg/flow"
)

// pane is one of the three lists.
type pane int

const (
	paneRuns pane = iota
	paneStages
	paneInstances
	panes
)

// order is what the runs are sorted by. In each, those that are on their way come first.
type order int

const (
	byAge order = iota
	byRate
	byDone
	byPipeline
	orders
)

func (o order) String() string { return [...]string{"newest", "rows/s", "done", "pipeline"}[o] }

// Model is the view's state. It is not safe for concurrent use.
type Model struct {
	style         progress.Style
	width, height int

	facts Facts
	runs  []*run // as shown
	known map[string]*run

	focus    pane
	order    order
	ended    bool // runs that have ended are shown, too
	help     bool
	run      string // the chosen ones, by name; "" is the first
	stage    string
	instance string
	top      [panes]int // the first row shown
	room     [panes]int // rows shown, as laid out last
}

// run is a run and what the facts before have taught about it.
type run struct {
	Run
	view    progress.View
	tracker *progress.Tracker
	tracks  map[string]*track // by stage and instance
	stages  []stage
	told    bool // its end, by Lines
}

// stage is one stage of a run as it is shown.
type stage struct {
	name      string
	state     string
	live      int
	total     flow.Stats
	pace      pace
	edge      *flow.Depth
	instances []instance
}

// instance is one process that plays a stage.
type instance struct {
	flow.Stats
	pace   pace
	silent bool
}

// New returns a model for a terminal of 80 by 24 that knows nothing yet.
func New(style progress.Style) *Model {
	return &Model{style: style, width: 80, height: 24, known: map[string]*run{}, ended: true}
}

// Resize tells how large the terminal is, in columns and lines.
func (m *Model) Resize(width, height int) { m.width, m.height = width, height }

// Chosen is the id of the run whose stages are shown; "" when there are no runs.
func (m *Model) Chosen() string {
	if r := m.chosenRun(); r != nil {
		return r.ID
	}
	return ""
}

// Observe takes facts, which must not be older than the last. Facts with trouble and
// without runs leave the runs as they were last seen.
func (m *Model) Observe(f Facts) {
	if f.Trouble != "" && len(f.Runs) == 0 {
		f.Runs = m.facts.Runs
	}
	m.facts = f
	known := make(map[string]*run, len(f.Runs))
	for i := range f.Runs {
		r := m.known[f.Runs[i].ID]
		if r == nil {
			r = &run{tracks: map[string]*track{}, told: f.Runs[i].Status != active}
		}
		r.observe(&f, f.Runs[i])
		known[r.ID] = r
	}
	m.known = known
	m.list()
}

func (r *run) observe(f *Facts, now Run) {
	if now.Stages == nil && r.Stages != nil { // its server went with it: what was seen last stays
		now.Stages, now.Reports = r.Stages, r.Reports
		now.Dead = max(now.Dead, r.Dead)
	}
	r.Run = now
	phase := r.Phase
	if r.Waits != "" {
		phase = "waiting for " + r.Waits
	}
	if r.Status == active && r.Stages != nil {
		if r.tracker == nil {
			r.tracker = progress.NewTracker(r.Pipeline, r.Stages, f.At)
		}
		r.view = r.tracker.Observe(progress.Facts{At: f.At, Phase: phase, Planned: r.Planned, Covered: r.Covered, Reports: r.Reports})
	} else {
		r.view = progress.View{Name: r.Pipeline, Phase: cmp.Or(phase, r.Status), Planned: r.Planned, Done: r.Covered, Left: -1}
		if took := r.took(f.At).Seconds(); took > 0 && r.Status != active {
			r.view.Rate = float64(r.Covered) / took
		}
	}
	r.stages = r.stages[:0]
	for _, name := range r.Stages {
		r.stages = append(r.stages, r.observeStage(f, name))
	}
}

func (r *run) observeStage(f *Facts, name string) stage {
	s := stage{name: name, total: flow.Stats{Stage: name}}
	for i := range r.Edges {
		if r.Edges[i].Stage == name {
			s.edge = &r.Edges[i].Depth
		}
	}
	states := map[string]int{}
	for i := range r.Reports {
		report := &r.Reports[i]
		if report.Stage != name {
			continue
		}
		in := instance{Stats: *report, pace: average(report)} // of an ended run
		in.Instance, in.State = printable(in.Instance), printable(in.State)
		if r.Status == active {
			t := r.tracks[name+"/"+report.Instance]
			if t == nil {
				t = &track{}
				r.tracks[name+"/"+report.Instance] = t
			}
			t.observe(report, f.At)
			in.silent, in.pace = t.silent(f.At), t.pace(f.At)
		}
		switch {
		case r.Status != active:
			in.State = "ended"
		case in.silent:
			in.State = "silent"
		default:
			s.live++
			states[in.State]++
		}
		s.total.Add(*report)
		s.pace.add(in.pace)
		s.instances = append(s.instances, in)
	}
	slices.SortFunc(s.instances, func(a, b instance) int { return strings.Compare(a.Instance, b.Instance) })
	for state, n := range states {
		if best := states[s.state]; n > best || n == best && state < s.state {
			s.state = state
		}
	}
	switch {
	case s.state != "":
	case r.Status != active:
		s.state, s.live = "ended", len(s.instances)
	case len(s.instances) > 0:
		s.state = "silent"
	default:
		s.state = "nobody"
	}
	return s
}

// printable is a name that comes from elsewhere, without what would move a cursor.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return -1
		}
		return c
	}, s)
}

// list puts the runs that are shown in order.
func (m *Model) list() {
	m.runs = m.runs[:0]
	for _, r := range m.known {
		if m.ended || r.Status == active {
			m.runs = append(m.runs, r)
		}
	}
	rank := func(r *run) int {
		if r.Status == active {
			return 0
		}
		return 1
	}
	slices.SortFunc(m.runs, func(a, b *run) int {
		by := 0
		switch m.order {
		case byRate:
			by = cmp.Compare(b.view.Rate, a.view.Rate)
		case byDone:
			by = cmp.Compare(a.share(), b.share())
		case byPipeline:
			by = strings.Compare(a.Pipeline, b.Pipeline)
		default:
		}
		return cmp.Or(cmp.Compare(rank(a), rank(b)), by, strings.Compare(b.ID, a.ID))
	})
}

func (r *run) share() float64 {
	if r.Planned == 0 {
		return 0
	}
	return float64(r.view.Done) / float64(r.Planned)
}

// status is where the run stands, in a word.
func (r *run) status() string {
	switch {
	case r.Status != active:
		return r.Status
	case r.Waits != "":
		return "waiting"
	default:
		return cmp.Or(r.Phase, r.Status)
	}
}

// chosenRun is the run that is chosen, else the first; nil when there is none.
func (m *Model) chosenRun() *run {
	if len(m.runs) == 0 {
		return nil
	}
	return m.runs[m.index(paneRuns)]
}

func (m *Model) chosenStage() *stage {
	r := m.chosenRun()
	if r == nil || len(r.stages) == 0 {
		return nil
	}
	return &r.stages[m.index(paneStages)]
}

// names are those of a pane's rows, in their order.
func (m *Model) names(p pane) []string {
	var names []string
	switch p {
	case paneRuns:
		for _, r := range m.runs {
			names = append(names, r.ID)
		}
	case paneStages:
		if r := m.chosenRun(); r != nil {
			names = r.Stages
		}
	default:
		if s := m.chosenStage(); s != nil {
			for i := range s.instances {
				names = append(names, s.instances[i].Instance)
			}
		}
	}
	return names
}

func (m *Model) chosen(p pane) *string { return [...]*string{&m.run, &m.stage, &m.instance}[p] }

// index is the row of a pane that is chosen, 0 when that is gone.
func (m *Model) index(p pane) int { return max(slices.Index(m.names(p), *m.chosen(p)), 0) }

// Key does what a key says, named as bubbletea names it, and reports true when that is
// to quit.
func (m *Model) Key(key string) bool {
	if key == "q" || key == "ctrl+c" {
		return true
	}
	if m.help {
		m.help = false
		return false
	}
	switch key {
	case "?", "f1":
		m.help = true
	case "up", "k":
		m.move(-1)
	case "down", "j":
		m.move(1)
	case "pgup", "ctrl+b":
		m.move(-max(m.room[m.focus]-1, 1))
	case "pgdown", "ctrl+f":
		m.move(max(m.room[m.focus]-1, 1))
	case "home", "g":
		m.move(-len(m.names(m.focus)))
	case "end", "G":
		m.move(len(m.names(m.focus)))
	case "enter", "right", "l":
		m.focus = min(m.focus+1, paneInstances)
	case "esc", "left", "h", "backspace":
		m.focus = max(m.focus-1, paneRuns)
	case "tab":
		m.focus = (m.focus + 1) % panes
	case "shift+tab":
		m.focus = (m.focus + panes - 1) % panes
	case "s":
		m.hold()
		m.order = (m.order + 1) % orders
		m.list()
	case "a":
		m.hold()
		m.ended = !m.ended
		m.list()
	}
	return false
}

// move chooses another row of the pane in focus.
func (m *Model) move(by int) {
	names := m.names(m.focus)
	if len(names) == 0 {
		return
	}
	*m.chosen(m.focus) = names[min(max(m.index(m.focus)+by, 0), len(names)-1)]
}

// hold makes the run that is chosen only for being the first the chosen one, so that it
// stays so in another order.
func (m *Model) hold() { m.run = m.Chosen() }

// OnTheWay reports that a run has not ended.
func (m *Model) OnTheWay() bool {
	for _, r := range m.known {
		if r.Status == active {
			return true
		}
	}
	return false
}

// counted says how many runs there are.
func (m *Model) counted() string {
	on := 0
	for _, r := range m.known {
		if r.Status == active {
			on++
		}
	}
	return figure.Plural(int64(len(m.known)), "run") + ", " + figure.Rows(int64(on)) + " on the way"
}
