package suggest

import (
	"fmt"

	"github.com/levada-data/levada/pkg/flow"
)

// Advice is what to change before a run like one that has ended, so that its stages wait less
// for each other. The zero value is none: the run was too short, or nobody reported.
type Advice struct {
	Text string   `json:"text"`         // a sentence, with its evidence
	Do   []string `json:"do,omitempty"` // one way or another to do it; none when there is nothing to gain
}

// coreShareOver is coreShare for a whole run, whose beginning and end use few.
const coreShareOver = 0.8

// Next learns from the whole of a run that has ended.
func Next(f Facts) Advice {
	if f.Interval < shortest || len(f.Stages) == 0 {
		return Advice{}
	}
	f.Over, f.Planned = true, true
	d := deduction{Facts: f}
	for _, m := range f.Machines {
		d.s.Cores += m.Cores
		d.s.Used += m.Used
	}
	b := d.bottleneck()
	if b == nil {
		return Advice{}
	}
	d.s.Pace = d.pace(b)
	if d.s.Cores > 0 && d.s.Used >= coreShareOver*d.s.Cores {
		return Advice{Text: fmt.Sprintf("the cores were the limit: %.1f of %s were in use, and %s worked the most", d.s.Used, coreCount(d.s.Cores), plain(b))}
	}
	if b.busy() < slackShare {
		return Advice{Text: fmt.Sprintf("no stage was the bottleneck: %s worked the most, %d %% of the time; the rest is waiting for the server, the store or the disk",
			plain(b), percent(b.busy()))}
	}
	d.widen(b)
	a := Advice{Text: d.s.Text}
	if d.s.Verdict == VerdictScale {
		a.Do = d.next(b)
	}
	return a
}

// next are the ways to begin the next run with more of a stage.
func (d *deduction) next(b *Stage) []string {
	if !d.Local || role(b) == "" {
		return d.ways(b, d.s.Suggested)
	}
	do := []string{fmt.Sprintf("levada run FILE --%s %d", flagOf(b), d.s.Suggested)}
	if b.Name != flow.SourceStage && b.Name != flow.SinkStage {
		do = append(do, fmt.Sprintf("or workers: { min: 1, max: %d } in stage %s of the spec", d.s.Suggested, b.Name))
	}
	return do
}
