package top

import (
	"time"

	"github.com/levada-data/levada/pkg/flow"
)

// window is how far back a pace looks: instances report once a second.
const window = 4 * time.Second

// silentAfter is when an instance that has reported is called silent: the same time
// after which others take it for dead.
const silentAfter = 5 * time.Second

// pace is what one instance or several do, lately.
type pace struct {
	rowsIn, rowsOut, cpu     float64 // a second; CPU seconds a second
	waitIn, working, waitOut time.Duration
}

func (p *pace) add(o pace) {
	p.rowsIn += o.rowsIn
	p.rowsOut += o.rowsOut
	p.cpu += o.cpu
	p.waitIn += o.waitIn
	p.working += o.working
	p.waitOut += o.waitOut
}

// shares are those of the workers' time that went by waiting for input, working and
// waiting for the next stage; false when there is nothing to say.
func (p *pace) shares() (waitIn, working, waitOut float64, ok bool) {
	all := float64(p.waitIn + p.working + p.waitOut)
	if all <= 0 {
		return 0, 0, 0, false
	}
	return float64(p.waitIn) / all, float64(p.working) / all, float64(p.waitOut) / all, true
}

// between is the pace from one report to a later one of the same instance.
func between(then, now *flow.Stats) pace {
	seconds := now.At.Sub(then.At).Seconds()
	if seconds <= 0 {
		return pace{}
	}
	return pace{
		rowsIn:  float64(now.RowsIn-then.RowsIn) / seconds,
		rowsOut: float64(now.RowsOut-then.RowsOut) / seconds,
		cpu:     (now.CPU - then.CPU).Seconds() / seconds,
		waitIn:  now.WaitIn - then.WaitIn, working: now.Working - then.Working, waitOut: now.WaitOut - then.WaitOut,
	}
}

// average is the pace from an instance's start to its report.
func average(s *flow.Stats) pace { return between(&flow.Stats{At: s.Started}, s) }

// track is the last window of an instance's reports, the oldest first.
type track struct {
	reports []flow.Stats
	heard   time.Time // when the last one was new, by our own clock
}

// observe takes a report; the same one again says nothing new.
func (t *track) observe(s *flow.Stats, now time.Time) {
	if n := len(t.reports); n > 0 {
		if last := &t.reports[n-1]; !s.At.After(last.At) && s.Started.Equal(last.Started) {
			return
		} else if !s.Started.Equal(last.Started) {
			t.reports = nil // a new life, from zero
		}
	}
	t.heard = now
	t.reports = append(t.reports, *s)
	for len(t.reports) > 2 && s.At.Sub(t.reports[1].At) >= window {
		t.reports = t.reports[1:]
	}
}

func (t *track) last() *flow.Stats { return &t.reports[len(t.reports)-1] }

func (t *track) silent(now time.Time) bool { return now.Sub(t.heard) > silentAfter }

// pace is the instance's, over the window: since its start after the first report, and
// nothing when it has fallen silent.
func (t *track) pace(now time.Time) pace {
	switch {
	case t.silent(now):
		return pace{}
	case len(t.reports) == 1:
		return average(t.last())
	default:
		return between(&t.reports[0], t.last())
	}
}
