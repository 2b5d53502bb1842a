package flow

import (
	"cmp"
	"slices"
	"time"

	"github.com/levada-data/levada/pkg/ledger"
)

// Summary is what a run has done: the rows from the ledger, exactly; times, bytes
// and waits from the reports of its instances, as last heard.
type Summary struct {
	V        int            `json:"v"` // 1
	Run      RunID          `json:"run"`
	Pipeline string         `json:"pipeline,omitempty"`
	Status   Status         `json:"status"`
	Reason   string         `json:"reason,omitempty"`
	Planned  int64          `json:"planned_rows"`
	Covered  int64          `json:"covered_rows"`
	Tasks    int            `json:"tasks"`
	Files    int            `json:"files"` // committed
	Bytes    int64          `json:"bytes"` // of those files
	Books    ledger.Books   `json:"books"`
	Stages   []StageSummary `json:"stages,omitempty"`
	Started  time.Time      `json:"started,omitzero"`
	Elapsed  time.Duration  `json:"elapsed_ns,omitzero"`
}

// StageSummary is one stage of a Summary.
type StageSummary struct {
	Stage     string  `json:"stage"`
	Total     Stats   `json:"total"`
	Instances []Stats `json:"instances"`
}

// Summarise puts the fold and the reports of all instances together. Stages come
// in no particular order but the source's first and the sink's last.
func Summarise(s *ledger.State, reports []Stats) Summary {
	sum := Summary{V: 1, Run: RunID(s.Run()), Status: StatusActive, Reason: s.Reason(), Books: s.Books(), Started: s.StartedAt()}
	p := s.Progress()
	sum.Planned, sum.Covered = p.Planned, p.Covered
	if plan := s.Plan(); plan != nil {
		sum.Tasks = len(plan.Tasks)
	}
	for _, c := range s.Commits() {
		sum.Files += len(c.Files)
		sum.Bytes += c.Counts.Bytes
	}
	if last := s.LastAt(); last.After(sum.Started) {
		sum.Elapsed = last.Sub(sum.Started)
	}
	sum.Stages = byStage(reports)
	return sum
}

func byStage(reports []Stats) []StageSummary {
	var stages []StageSummary
	for _, r := range reports {
		i := slices.IndexFunc(stages, func(s StageSummary) bool { return s.Stage == r.Stage })
		if i < 0 {
			i = len(stages)
			stages = append(stages, StageSummary{Stage: r.Stage, Total: Stats{V: 1, Run: r.Run, Stage: r.Stage}})
		}
		stages[i].Total.Add(r)
		stages[i].Instances = append(stages[i].Instances, r)
	}
	rank := func(stage string) int {
		switch stage {
		case SourceStage:
			return 0
		case SinkStage:
			return 2
		}
		return 1
	}
	slices.SortFunc(stages, func(a, b StageSummary) int {
		return cmp.Or(cmp.Compare(rank(a.Stage), rank(b.Stage)), cmp.Compare(a.Stage, b.Stage))
	})
	for _, s := range stages {
		slices.SortFunc(s.Instances, func(a, b Stats) int { return cmp.Compare(a.Instance, b.Instance) })
	}
	return stages
}
