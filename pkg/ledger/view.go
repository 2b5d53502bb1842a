package ledger

import (
	"iter"
	"maps"
	"time"

	"github.com/levada-data/levada/pkg/blocks"
)

// Run is the run's id.
func (s *State) Run() string { return s.run }

// Seq is the sequence of the last entry folded, 0 for none.
func (s *State) Seq() uint64 { return s.seq }

// Last is the hash of the last entry folded, void or not: what the next one must
// name as Prev.
func (s *State) Last() Hash { return s.last }

// Status is where the run stands.
func (s *State) Status() Status { return s.status }

// Reason is why the run was cancelled or failed, "" otherwise.
func (s *State) Reason() string { return s.reason }

// Cancelled reports that a cancel entry stands, for a fault or on request; also
// after the seal and the end.
func (s *State) Cancelled() bool { return s.cancelled }

// Failed reports that the standing cancel entry names a fault.
func (s *State) Failed() bool { return s.failed }

// Failure says why the run cannot end well although nobody has cancelled it yet: an
// entry that contradicts the plan or its own counts. "" when there is none. Whoever
// sees it appends a cancel entry with Failed.
func (s *State) Failure() string { return s.conflict }

// End is the end entry, nil before. Read-only.
func (s *State) End() *End { return s.end }

// StartedAt is when the first standing entry was made, by its author's clock.
func (s *State) StartedAt() time.Time { return s.started }

// LastAt is when the last standing entry was made, by its author's clock.
func (s *State) LastAt() time.Time { return s.lastAt }

// Plan is the standing plan, nil before. Read-only.
func (s *State) Plan() *Plan { return s.plan }

// PlanID names the standing plan, "" before: the hash that blocks and entries carry.
func (s *State) PlanID() string { return s.planID }

// Epoch is the nonce under which tasks were queued last: the plan's id, then that of
// the last requeue (rule 12).
func (s *State) Epoch() string { return s.epoch }

// Extent is how many rows a task has, if its extent is stated.
func (s *State) Extent(task uint32) (rows int64, ok bool) {
	rows, ok = s.extents[task]
	return rows, ok
}

// Extents is how many tasks have one.
func (s *State) Extents() int { return len(s.extents) }

// AllExtents reports that every task has been read to its end.
func (s *State) AllExtents() bool { return s.plan != nil && len(s.extents) == len(s.tasks) }

// Covered says how much of a span is settled, in O(log n).
func (s *State) Covered(span blocks.Span) Overlap { return s.coverage.Overlap(span) }

// Coverage is the set of settled spans. Read-only.
func (s *State) Coverage() *Coverage { return &s.coverage }

// OwedSpans returns what of a task is not settled, in order: what a reader must
// publish. A task may be owed without any, for want of its extent.
func (s *State) OwedSpans(task uint32) []blocks.Span {
	if int64(task) >= int64(len(s.tasks)) {
		return nil
	}
	return s.coverage.Missing(blocks.Span{Task: task, From: 0, To: s.tasks[task].Rows})
}

// Commits yields the standing commits by id, in the order of the ledger. Read-only.
func (s *State) Commits() iter.Seq2[string, *Commit] {
	return func(yield func(string, *Commit) bool) {
		for _, id := range s.order {
			if !yield(id, s.commits[id]) {
				return
			}
		}
	}
}

// Commit returns a standing commit, nil when there is none of that id. Read-only.
func (s *State) Commit(id string) *Commit { return s.commits[id] }

// Verdict says what became of the entry of an id, if the ledger holds it. It is
// final, but for a commit that stood and was lost since.
func (s *State) Verdict(id string) (Verdict, bool) {
	v, ok := s.verdicts[id]
	return v, ok
}

// Progress is how far a run is, in source rows.
type Progress struct{ Planned, Covered int64 }

// Progress is exact: covered rows of planned rows.
func (s *State) Progress() Progress { return Progress{s.planned, s.coverage.Rows()} }

// Books are the run's accounts as they stand; a copy.
func (s *State) Books() Books {
	b := Books{Read: s.read, Written: s.written, Dead: s.dead, Dropped: maps.Clone(s.dropped), DeadByStage: maps.Clone(s.deadBy)}
	if s.plan != nil && s.plan.Skip == "" {
		b.Skipped = len(s.plan.Skipped)
		b.Pruned, b.Source = s.plan.PrunedRows, s.planned+s.plan.PrunedRows
	}
	return b
}
