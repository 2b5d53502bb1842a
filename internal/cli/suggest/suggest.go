package suggest

import (
	"fmt"
	"math"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/pkg/flow"
)

// Verdict is what a suggestion comes to.
type Verdict string

// The verdicts.
const (
	VerdictScale   Verdict = "scale"   // more instances of the bottleneck would help
	VerdictEnough  Verdict = "enough"  // they would not: something else is as slow
	VerdictCores   Verdict = "cores"   // they would not: the cores are used up
	VerdictServer  Verdict = "server"  // the bottleneck waits for the server, or for a store
	VerdictMissing Verdict = "missing" // nobody serves a stage
	VerdictOver    Verdict = "over"    // the run has ended
	VerdictEarly   Verdict = "early"   // too little has passed to say anything
)

// Suggestion is how a run would be faster, and why.
type Suggestion struct {
	V          int      `json:"v"` // 1
	Run        string   `json:"run"`
	Pipeline   string   `json:"pipeline"`
	Verdict    Verdict  `json:"verdict"`
	Text       string   `json:"text"`                 // a sentence, with its evidence
	Bottleneck string   `json:"bottleneck,omitempty"` // a stage, "source" or "sink"
	Instances  int      `json:"instances,omitempty"`  // of it, now
	Suggested  int      `json:"suggested,omitempty"`  // of it; with one process for all roles, its workers
	Pace       float64  `json:"blocks_per_second,omitempty"`
	Expected   float64  `json:"expected_blocks_per_second,omitempty"`
	Do         []string `json:"do,omitempty"` // one way or another to do it

	Interval time.Duration `json:"interval_ns"`
	Cores    float64       `json:"cores,omitempty"` // that the processes of the run may use
	Used     float64       `json:"cores_used,omitempty"`
	Stages   []Figures     `json:"stages,omitempty"`
}

// Figures are what was measured of one stage.
type Figures struct {
	Stage     string        `json:"stage"`
	Instances int           `json:"instances"`
	Workers   int           `json:"workers"`
	Pace      float64       `json:"blocks_per_second"`
	Service   time.Duration `json:"service_ns"` // of one block
	Busy      float64       `json:"busy"`       // share of the workers' time
	Input     Queue         `json:"input"`
}

// When something is as it is said to be.
const (
	fullShare  = 0.5 // of an edge; more piles up before a stage
	busyShare  = 0.8 // of the workers' time: they are what it waits for
	slackShare = 0.5 // of it; less, and something else holds the stage up
	coreShare  = 0.9 // of the cores: they are used up
	worth      = 1.1 // times the pace; less is not worth an instance
	most       = 4   // times the instances; further the figures do not reach
	shortest   = time.Second
)

// Suggest finds the bottleneck and what would widen it.
func Suggest(f Facts) Suggestion {
	s := Suggestion{V: 1, Run: f.Run, Pipeline: f.Pipeline, Interval: f.Interval}
	for _, m := range f.Machines {
		s.Cores += m.Cores
		s.Used += m.Used
	}
	for i := range f.Stages {
		st := &f.Stages[i]
		s.Stages = append(s.Stages, Figures{
			Stage: st.Name, Instances: st.Instances, Workers: st.Workers, Pace: f.pace(st), Service: st.service(), Busy: st.busy(), Input: st.Input,
		})
	}
	d := deduction{Facts: f, s: s}
	d.run()
	return d.s
}

// pace is how many blocks a stage does in a second.
func (f *Facts) pace(st *Stage) float64 {
	if f.Interval <= 0 {
		return 0
	}
	return float64(st.Blocks) / f.Interval.Seconds()
}

// deduction is one suggestion in the making.
type deduction struct {
	Facts
	s Suggestion
}

func (d *deduction) end(v Verdict, format string, args ...any) {
	d.s.Verdict, d.s.Text = v, fmt.Sprintf(format, args...)
}

func (d *deduction) run() {
	if !d.Over && !d.Planned {
		if d.Stages[0].Instances == 0 {
			d.missing(&d.Stages[0])
			return
		}
		d.end(VerdictEarly, "too early to say: the run has no plan yet")
		return
	}
	if st := d.unserved(); st != nil {
		d.missing(st)
		return
	}
	b := d.bottleneck()
	if b == nil || d.Interval < shortest {
		if d.Over {
			d.end(VerdictOver, "the run is over, and was too short to learn from")
			return
		}
		d.end(VerdictEarly, "too early to say: nothing has come through in %s; look again, or for longer with --for", figure.Time(d.Interval))
		return
	}
	d.s.Bottleneck, d.s.Instances, d.s.Pace = b.Name, b.Instances, d.pace(b)
	d.widen(b)
	if d.Over {
		d.s.Verdict, d.s.Do = VerdictOver, nil
		d.s.Text = "the run is over, nothing is left to scale; of the whole of it: " + d.s.Text
	}
}

// unserved returns the first stage that has work and no process, or nil.
func (d *deduction) unserved() *Stage {
	if d.Over {
		return nil
	}
	for i := range d.Stages {
		if st := &d.Stages[i]; st.Instances == 0 && (i > 0 || !d.SourceDone) {
			return st
		}
	}
	return nil
}

func (d *deduction) missing(st *Stage) {
	d.s.Bottleneck, d.s.Suggested = st.Name, 1
	d.end(VerdictMissing, "nobody serves %s: no process of it reports", plain(st))
	d.s.Do = d.ways(st, 1)
}

// bottleneck returns what holds everything else up; nil when nothing moved at all.
func (d *deduction) bottleneck() *Stage {
	moved := false
	for i := range d.Stages {
		moved = moved || d.Stages[i].Blocks > 0
	}
	if !moved {
		return nil
	}
	if d.Over { // nothing waits any more: who worked the most
		b := &d.Stages[0]
		for i := range d.Stages {
			if d.Stages[i].busy() > b.busy() {
				b = &d.Stages[i]
			}
		}
		return b
	}
	for i := len(d.Stages) - 1; i > 0; i-- {
		st := &d.Stages[i]
		if st.fill() >= fullShare || st.busy() >= busyShare && st.queued() > int64(st.Workers) {
			return st
		}
	}
	if d.SourceDone { // nothing piles up and nothing comes: who works the most ends it
		b := &d.Stages[1]
		for i := range d.Stages[1:] {
			if st := &d.Stages[1+i]; st.busy() > b.busy() {
				b = st
			}
		}
		return b
	}
	return &d.Stages[0]
}

// widen says what more instances of the bottleneck would bring.
func (d *deduction) widen(b *Stage) {
	why := d.evidence(b)
	cores := d.s.Cores > 0 && d.s.Used >= coreShare*d.s.Cores
	switch {
	case cores && !d.Over:
		d.end(VerdictCores, "nothing to gain on these machines: %.1f of %s are in use; %s, and only more cores would widen it", d.s.Used, coreCount(d.s.Cores), why)
		return
	case b.Blocks == 0:
		d.end(VerdictEarly, "too early to say: %s, and has finished none in %s; look for longer with --for", why, figure.Time(d.Interval))
		return
	case b.busy() < slackShare && b.Name != flow.SourceStage && !d.Over:
		d.end(VerdictServer, "%s: it waits for the server to store its output, or for a store, and more instances would wait as well", why)
		return
	case b.Name == flow.SourceStage && b.Input.Waiting == 0 && !d.Over:
		d.end(VerdictEnough, "nothing to gain: %s, and no task waits for another reader (a task is some row groups of a file)", why)
		return
	}
	limit := d.limit(b)
	each := d.pace(b) / b.busy() / float64(max(b.Instances, 1)) // blocks a second of one instance that always works
	if limit.pace < worth*d.s.Pace {
		d.end(VerdictEnough, "nothing to gain: %s, but %s", why, limit.near)
		return
	}
	// A twentieth of an instance is less than the figures are worth.
	reaches := math.Ceil(limit.pace/each - 0.05)
	need := int(min(reaches, most*float64(max(b.Instances, 1))))
	if b.Name == flow.SourceStage && !d.Over {
		need = min(need, b.Instances+int(b.Input.Waiting))
	}
	if need <= b.Instances {
		d.end(VerdictEnough, "nothing to gain: %s, and %s should do", why, count(b, b.Instances))
		return
	}
	d.s.Expected = min(limit.pace, each*float64(need))
	d.s.Suggested = need
	unit := count(b, need)
	if d.Local {
		per := max(b.Workers, 1)
		d.s.Suggested = need * per / max(b.Instances, 1)
		unit = fmt.Sprintf("%d %s", d.s.Suggested, flagOf(b))
	}
	reach := fmt.Sprintf("would do about %s blocks/s", number(d.s.Expected))
	switch {
	case float64(need) < reaches:
		reach += "; look again then"
	case limit.stage != nil:
		reach = fmt.Sprintf("would keep up with %s %s blocks/s", whose(limit.stage), number(limit.pace))
	case limit.near != "":
		reach += ", and use up the cores"
	}
	d.end(VerdictScale, "%s; %s %s", why, unit, reach)
	d.s.Do = d.ways(b, d.s.Suggested)
}

// limit is the next thing that is slow, once the bottleneck is wide.
type limit struct {
	pace  float64
	stage *Stage // nil: the cores, or nothing that was seen
	near  string // why it is no good to go there
}

func (d *deduction) limit(b *Stage) limit {
	l := limit{pace: math.Inf(1)}
	for i := range d.Stages {
		st := &d.Stages[i]
		if st == b || st.Blocks == 0 || st.busy() == 0 || i == 0 && d.SourceDone && !d.Over {
			continue
		}
		if could := d.pace(st) / d.parallel(st); could < l.pace {
			l = limit{pace: could, stage: st, near: fmt.Sprintf("%s could do no more than %s blocks/s either", plain(st), number(could))}
		}
	}
	if d.s.Cores > 0 && d.s.Used > 0 {
		if could := d.s.Pace * d.s.Cores * coreShare / d.s.Used; could < l.pace {
			l = limit{pace: could, near: fmt.Sprintf("%.1f of %s are in use", d.s.Used, coreCount(d.s.Cores))}
		}
	}
	return l
}

// parallel is busy, of those workers that have something to do: a reader with fewer tasks
// than it could read is not idle in the others.
func (d *deduction) parallel(st *Stage) float64 {
	busy := st.busy()
	if taken := st.Input.Blocks - st.Input.Waiting; st.Name == flow.SourceStage && taken > 0 && int64(st.Workers) > taken {
		busy = min(busy*float64(st.Workers)/float64(taken), 1)
	}
	return busy
}

// evidence names the bottleneck and why it is it.
func (d *deduction) evidence(b *Stage) string {
	text := plain(b) + " is the bottleneck: "
	if b.Name != flow.SourceStage && !d.Over {
		text += fmt.Sprintf("its input holds %s", figure.Plural(b.queued(), "block"))
		if b.Input.MaxBytes > 0 {
			text += fmt.Sprintf(" (%d%% of the edge)", percent(b.fill()))
		}
		text += ", "
	}
	if b.Name == flow.SourceStage && !d.Over {
		text += "nothing piles up behind it, "
	}
	if b.Blocks > 0 {
		text += fmt.Sprintf("each block takes %s, ", span(b.service()))
	}
	verb := "work"
	switch {
	case d.Over:
		verb = "worked"
	case b.Instances == 1:
		verb = "works"
	}
	return text + fmt.Sprintf("%s %s %d %% of the time", count(b, b.Instances), verb, percent(d.parallel(b)))
}
