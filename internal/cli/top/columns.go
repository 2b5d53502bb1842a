package top

import (
	"fmt"
	"strings"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/pkg/flow"
)

const (
	shortID  = 8 // characters of a run's id that tell it from others, and name it to every command
	barWidth = 12
	// barColumn is the index of the column without a heading: where a list that is longer
	// than its place says which part is shown.
	barColumn = 4
	none      = "-"
)

// runColumns are those of the runs. whole shows their ids in full.
func runColumns(whole bool) []column {
	id := column{head: "RUN", width: shortID, left: true, rank: 5}
	if whole {
		id.width = 26
	}
	return []column{
		id,
		{head: "PIPELINE", least: 8, most: 24},
		{head: "STATUS", width: 11, left: true, rank: 3},
		{head: "DONE", width: 4, rank: 1},
		{head: "", width: barWidth, left: true, rank: 7}, // barColumn
		{head: "ROWS", width: 5, rank: 8},
		{head: "ROWS/S", width: 7, rank: 2},
		{head: "LEFT", width: 6, rank: 4},
		{head: "TOOK", width: 6, rank: 6},
		{head: "DEAD", width: 5, rank: 9},
		{head: "SINK", least: 4, most: 40, left: true, rank: 10},
	}
}

func (r *run) cells(now time.Time, whole bool, style progress.Style) []cell {
	id := r.ID
	if n := len(id); !whole && n > shortID {
		id = id[n-shortID:] // the beginning is a time, and the same for runs of one day
	}
	left, rows, dead, took := none, none, none, none
	if r.view.Left >= 0 && r.Status == active {
		left = brief(r.view.Left)
	}
	if r.Planned > 0 {
		rows = figure.Count(r.Planned)
	}
	if r.Dead > 0 {
		dead = figure.Count(r.Dead)
	}
	if d := r.took(now); d > 0 {
		took = brief(d)
	}
	rate := cell{none, plain}
	if r.view.Rate > 0 {
		rate.text = figure.Rate(r.view.Rate)
	}
	if r.Status != active {
		rate.mood = faint
	}
	return []cell{
		{id, plain},
		{printable(r.Pipeline), plain},
		{r.status(), statusMood(r.status())},
		{figure.Percent(r.view.Done, r.Planned), plain},
		{bar(r.share(), barWidth, style), statusMood(r.status())},
		{rows, plain},
		rate,
		{left, plain},
		{took, plain},
		{dead, moodIf(r.Dead > 0, warn)},
		{printable(r.Sink), faint},
	}
}

func statusMood(status string) mood {
	switch status {
	case string(flow.StatusDone):
		return good
	case string(flow.StatusFailed), "failing":
		return bad
	case string(flow.StatusCancelled), "cancelling", interrupted, "waiting":
		return warn
	default:
		return busy
	}
}

func moodIf(is bool, m mood) mood {
	if is {
		return m
	}
	return plain
}

// bar draws a share.
func bar(share float64, width int, style progress.Style) string {
	full, empty := "#", "."
	if style.Unicode {
		full, empty = "█", "░"
	}
	n := min(max(int(share*float64(width)), 0), width)
	return strings.Repeat(full, n) + strings.Repeat(empty, width-n)
}

// workColumns are what stages and instances have in common: what they do, lately and in
// all. fit drops them in the order of their ranks.
func workColumns() []column {
	return []column{
		{head: "IN/S", width: 7, rank: 1},
		{head: "OUT/S", width: 7, rank: 2},
		{head: "<WAIT", width: 5, rank: 5},
		{head: "WORK", width: 4, rank: 6},
		{head: "WAIT>", width: 5, rank: 4},
		{head: "CPU", width: 5, rank: 9},
		{head: "ERR", width: 4, rank: 7},
		{head: "REDEL", width: 5, rank: 12},
		{head: "ROWS IN", width: 7, rank: 13},
		{head: "OUT", width: 5, rank: 14},
		{head: "DEAD", width: 5, rank: 15},
	}
}

func workCells(s *flow.Stats, p pace, moving bool) []cell {
	cells := make([]cell, 0, 11)
	add := func(text string, m mood) { cells = append(cells, cell{text, m}) }
	if !moving {
		add(none, plain)
		add(none, plain)
	} else {
		add(figure.Rate(p.rowsIn), plain)
		add(figure.Rate(p.rowsOut), plain)
	}
	const much = 0.5
	if in, work, out, ok := p.shares(); ok {
		add(percent(in), plain)
		add(percent(work), moodIf(work >= much, strong))
		add(percent(out), moodIf(out >= much, warn))
	} else {
		add(none, plain)
		add(none, plain)
		add(none, plain)
	}
	if p.cpu > 0 {
		add(percent(p.cpu), plain)
	} else {
		add(none, plain)
	}
	add(figure.Count(s.Errors), moodIf(s.Errors > 0, bad))
	add(figure.Count(s.Redelivered), moodIf(s.Redelivered > 0, warn))
	add(figure.Count(s.RowsIn), plain)
	add(figure.Count(s.RowsOut), plain)
	add(figure.Count(s.Dead), moodIf(s.Dead > 0, warn))
	return cells
}

// brief is a duration in six characters.
func brief(d time.Duration) string {
	const day = 24 * time.Hour
	switch {
	case d < 99*time.Hour:
		return figure.About(d)
	case d < 1000*day:
		return fmt.Sprintf("%dd%02dh", d/day, d%day/time.Hour)
	default:
		return fmt.Sprintf("%dd", d/day)
	}
}

func percent(share float64) string { return fmt.Sprintf("%.0f%%", share*100) }

func stageColumns() []column {
	return append([]column{
		{head: "STAGE", least: 6, most: 20},
		{head: "STATE", width: 10, left: true, rank: 8},
		{head: "N", width: 3, rank: 11},
		{head: "EDGE", width: 8, rank: 10}, // ahead of the rates: they are of this edge, too
		{head: "FULL", width: 4, rank: 3},
		{head: "BLOCKS", width: 6, rank: 11},
	}, workColumns()...)
}

func (s *stage) cells() []cell {
	queued, full, blocks := cell{none, plain}, cell{none, plain}, cell{none, plain}
	if e := s.edge; e != nil {
		queued.text, blocks.text = figure.Bytes(e.Bytes), figure.Count(int64(min(e.Blocks, 1<<62)))
		full.text = figure.Percent(e.Bytes, e.MaxBytes)
		const nearly = 10 // percent that are free
		full.mood = moodIf(e.MaxBytes > 0 && (e.MaxBytes-e.Bytes)*100/e.MaxBytes < nearly, warn)
	}
	return append([]cell{
		{s.name, plain},
		{s.state, stateMood(s.state)},
		{figure.Count(int64(s.live)), plain},
		queued, full, blocks,
	}, workCells(&s.total, s.pace, len(s.instances) > 0)...)
}

func stateMood(state string) mood {
	switch state {
	case "nobody", "silent", "refused":
		return warn
	case "waiting", "ended":
		return faint
	default:
		return plain
	}
}

func instanceColumns() []column {
	return append([]column{
		{head: "INSTANCE", least: 8, most: 28},
		{head: "STATE", width: 10, left: true, rank: 8},
		{head: "UP", width: 6, rank: 10},
	}, workColumns()...)
}

func (i *instance) cells() []cell {
	return append([]cell{
		{i.Instance, plain},
		{i.State, stateMood(i.State)},
		{brief(i.At.Sub(i.Started)), plain},
	}, workCells(&i.Stats, i.pace, !i.silent)...)
}
