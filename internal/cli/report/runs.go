package report

import (
	"io"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
)

// Line is one run of a list.
type Line struct {
	V        int       `json:"v"` // 1
	Run      string    `json:"run"`
	Pipeline string    `json:"pipeline"`
	Status   string    `json:"status"`
	Reason   string    `json:"reason,omitempty"`
	Planned  int64     `json:"planned_rows"` // 0 when the list does not know
	Covered  int64     `json:"covered_rows"`
	Written  int64     `json:"written_rows"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	Sink     string    `json:"sink"`
	Server   string    `json:"server,omitempty"` // of a run that is not this machine's own
}

// Runs writes a list of runs.
func Runs(w io.Writer, lines []Line, now time.Time) {
	t := newTable("", "RUN", "PIPELINE", "STATUS", ">DONE", ">ROWS", "STARTED", ">TOOK", "SINK")
	t.without("ROWS", "TOOK", "STARTED", "SINK")
	for _, l := range lines {
		rows := "-"
		if l.Planned > 0 {
			rows = figure.Rows(l.Planned)
		}
		end := l.Ended
		if end.IsZero() && l.Status == "active" {
			end = now
		}
		took := "-"
		if !end.IsZero() {
			took = figure.Time(end.Sub(l.Started))
		}
		t.add(l.Run, l.Pipeline, l.Status, figure.Percent(l.Covered, l.Planned), rows, l.Started.Local().Format(time.DateTime), took, l.Sink)
	}
	t.write(w)
}
