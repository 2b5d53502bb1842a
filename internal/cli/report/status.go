package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/pkg/flow"
)

// Standing is where a run stands.
type Standing struct {
	V         int           `json:"v"` // 1
	Run       flow.RunID    `json:"run"`
	Pipeline  string        `json:"pipeline"`
	Sink      string        `json:"sink"`
	Status    string        `json:"status"` // of the record, or "interrupted"
	Phase     string        `json:"phase,omitempty"`
	Reason    string        `json:"reason,omitempty"`
	PID       int           `json:"pid,omitempty"` // of the process that serves it, if that is known
	Submitted time.Time     `json:"submitted"`
	Ended     time.Time     `json:"ended,omitzero"`
	Summary   *flow.Summary `json:"summary"`
	Collected bool          `json:"collected,omitempty"` // its ledger is gone: no tasks, commits and requeues are known
	TasksRead int           `json:"tasks_read"`
	Edges     []EdgeDepth   `json:"edges,omitempty"`
	Commits   int           `json:"commits"`
	Requeues  int           `json:"requeues"`
	Dead      []string      `json:"dead_letters,omitempty"` // places and reasons, one of each kind
}

// EdgeDepth is what waits in an edge.
type EdgeDepth struct {
	Stage    string `json:"stage"` // that fills it
	Blocks   uint64 `json:"blocks"`
	Bytes    int64  `json:"bytes"`
	MaxBytes int64  `json:"max_bytes"`
}

// Status writes where a run stands.
func Status(w io.Writer, s *Standing, now time.Time) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s%s\n", name, fmt.Sprintf(format, args...))
	}
	line("run", "%s", s.Run)
	line("pipeline", "%s", s.Pipeline)
	status := s.Status
	if s.Phase != "" && s.Phase != "running" {
		status += ", " + s.Phase
	}
	if s.PID > 0 {
		status += fmt.Sprintf(" (process %d)", s.PID)
	}
	line("status", "%s", status)
	if s.Reason != "" {
		line("reason", "%s", s.Reason)
	}
	line("submitted", "%s, %s ago", s.Submitted.Local().Format(time.DateTime), figure.Time(now.Sub(s.Submitted)))
	if !s.Ended.IsZero() {
		line("ended", "%s, after %s", s.Ended.Local().Format(time.DateTime), figure.Time(s.Ended.Sub(s.Submitted)))
	}
	sum := s.Summary
	if sum.Planned > 0 || sum.Tasks > 0 {
		tasks := fmt.Sprintf(", %d of %d tasks read", s.TasksRead, sum.Tasks)
		if s.Collected {
			tasks = ""
		}
		line("progress", "%s: %s of %s rows settled%s", figure.Percent(sum.Covered, sum.Planned), figure.Rows(sum.Covered), figure.Rows(sum.Planned), tasks)
	}
	if s.Collected {
		line("output", "%s: %s, %s", s.Sink, figure.Plural(int64(sum.Files), "file"), figure.Bytes(sum.Bytes))
		line("ledger", "removed by 'levada gc'")
	} else {
		line("output", "%s: %s in %s, %s", s.Sink, figure.Plural(int64(sum.Files), "file"), figure.Plural(int64(s.Commits), "commit"), figure.Bytes(sum.Bytes))
		line("requeues", "%d", s.Requeues)
	}
	for i, e := range s.Edges {
		name := ""
		if i == 0 {
			name = "edges"
		}
		line(name, "%s: %s, %s of %s", e.Stage, figure.Plural(int64(min(e.Blocks, 1<<62)), "block"), figure.Bytes(e.Bytes), figure.Bytes(e.MaxBytes))
	}
	for i, d := range s.Dead {
		name := ""
		if i == 0 {
			name = "dead rows"
		}
		line(name, "%s", strings.TrimSpace(d))
	}
	fmt.Fprintln(w)
	books(w, &sum.Books)
}
