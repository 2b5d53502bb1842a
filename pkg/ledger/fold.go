package ledger

import (
	"slices"

	"github.com/levada-data/levada/pkg/blocks"
)

// The rules of docs/protocol that speak of the ledger. Each function judges one kind
// of entry on the state that the entries before it made: it returns why the entry is
// void, or "" after it has changed the state. Every process does the same, so that
// all agree, whatever they were told when they appended.

// void says why an entry of any kind cannot count, or "".
func (s *State) void(e *Entry) VoidReason {
	// Rule 5 (chain): sequence numbers come back after a power loss, hashes do not. An
	// entry whose author read another past was made for that past, not for this one.
	if e.Prev != s.last {
		return VoidChain
	}
	// Rule 19 (late writers): after the end every entry is void, for ever.
	if s.status == Ended {
		return VoidOver
	}
	// Rule 4 (fold): an id is used once. What was said of the first entry, that it
	// stands, is void or lost, its author may have acted upon.
	if _, known := s.verdicts[e.ID]; known {
		return VoidKnown
	}
	return ""
}

// fold changes the state by one entry of the right past.
func (s *State) fold(e *Entry) (VoidReason, error) {
	switch e.Kind {
	case KindPlan:
		return s.foldPlan(e.Plan)
	case KindExtent:
		return s.foldExtent(e.Extent), nil
	case KindCommit:
		return s.foldCommit(e.ID, e.Commit), nil
	case KindDead:
		return s.foldDead(e.Dead), nil
	case KindRequeue:
		return s.foldRequeue(e.Requeue), nil
	case KindLost:
		return s.foldLost(e.Lost), nil
	case KindCancel:
		return s.foldCancel(e.Cancel), nil
	case KindSeal:
		return s.foldSeal(), nil
	case KindEnd:
		return s.foldEnd(e.End), nil
	}
	return VoidMalformed, nil // DecodeEntry knows no other kind
}

// foldPlan collects the parts of plans. The first one that is complete stands; its
// hash is its id, so parts of two plans never make one.
func (s *State) foldPlan(p *PlanPart) (VoidReason, error) {
	if s.status != Running {
		return VoidOver, nil
	}
	// Rule 17 (determinism): one plan, for ever: all spans are cut by it.
	if s.plan != nil {
		return VoidDuplicate, nil
	}
	parts := slices.Clone(s.partial[p.Plan])
	if parts == nil {
		parts = make([][]byte, p.Of)
	}
	if len(parts) != p.Of || parts[p.Part] != nil {
		return VoidDuplicate, nil
	}
	parts[p.Part] = p.Data
	if slices.ContainsFunc(parts, func(part []byte) bool { return part == nil }) {
		s.partial[p.Plan] = parts
		return "", nil
	}
	plan, err := decodePlan(p.Plan, slices.Concat(parts...))
	if err != nil {
		return VoidMalformed, err
	}
	clear(s.partial)
	s.adopt(p.Plan, plan)
	return "", nil
}

// adopt makes a plan the run's.
func (s *State) adopt(id string, p *Plan) {
	s.plan, s.planID, s.epoch = p, id, id
	if p.Skip != "" {
		return // nothing is read, so nothing is owed
	}
	s.tasks = p.Tasks
	for _, t := range s.tasks {
		s.planned += t.Rows
	}
	post(s.dropped, p.PrunedBy, p.PrunedRows)
}

// settles says why an entry that settles rows of a plan cannot count, or "".
func (s *State) settles(plan string) VoidReason {
	// Rule 6 (cancel): after a cancel or a seal nothing is settled any more; the
	// manifest was made, or will be, from what stood before.
	if s.status != Running {
		return VoidOver
	}
	if s.plan == nil {
		return VoidNoPlan
	}
	// Rule 17 (determinism): another plan cuts other rows under the same spans.
	if plan != s.planID {
		return VoidPlan
	}
	return ""
}

func (s *State) foldExtent(x *Extent) VoidReason {
	if why := s.settles(x.Plan); why != "" {
		return why
	}
	// Rule 17 (determinism): a task that has another number of rows than planned, or
	// than when it was read before, is not the same task.
	if int64(x.Task) >= int64(len(s.tasks)) || x.Rows != s.tasks[x.Task].Rows {
		return s.contradict("task %d was read to its end with %d rows, the plan has %s: its file changed, or another version reads it otherwise",
			x.Task, x.Rows, s.plannedRows(x.Task))
	}
	// Rule 13 (extent): a task is read to its end once.
	if _, known := s.extents[x.Task]; known {
		return VoidDuplicate
	}
	s.extents[x.Task] = x.Rows
	s.read += x.Rows
	return ""
}

func (s *State) foldCommit(id string, c *Commit) VoidReason {
	if why := s.settles(c.Plan); why != "" {
		return why
	}
	// Rule 4 (fold): a commit that overlaps the coverage is void, whole. Its spans do
	// not overlap each other, because a Coverage cannot say so.
	if s.coverage.Overlaps(&c.Spans) {
		return VoidOverlap
	}
	if why := s.faultOfCommit(c); why != "" {
		return s.contradict("commit %.32s: %s", id, why)
	}
	s.take(id, c)
	return ""
}

// take lets a commit stand that has been judged.
func (s *State) take(id string, c *Commit) {
	_ = s.coverage.Union(&c.Spans) // disjoint, and inside the plan
	s.commits[id] = c
	s.order = append(s.order, id)
	s.postCommit(c, 1)
	for _, d := range c.Dead {
		s.bury(grave{DeadRows: d, commit: id})
	}
}

// foldDead is foldCommit without a file, by the same checks (rule 7).
func (s *State) foldDead(d *Dead) VoidReason {
	if why := s.settles(d.Plan); why != "" {
		return why
	}
	// Rule 7 (dead): a span is in the output or among the dead, not in both.
	if s.coverage.Overlap(d.Span) != OverlapNone {
		return VoidOverlap
	}
	if why := s.faultOfDead(d); why != "" {
		return s.contradict("dead entry for span %s: %s", d.Span, why)
	}
	s.takeDead(d)
	return ""
}

// takeDead lets a dead entry stand that has been judged.
func (s *State) takeDead(d *Dead) {
	_ = s.coverage.Add(d.Span) // disjoint, and inside the plan
	s.deads = append(s.deads, d)
	s.postDead(d)
	for _, before := range d.Before {
		s.bury(grave{DeadRows: before})
	}
	s.bury(grave{DeadRows: d.rest(), whole: true})
}

func (s *State) foldRequeue(r *Requeue) VoidReason {
	if s.status != Running {
		return VoidOver
	}
	// Rules 12 and 22 (epoch, two resumers): of two requeues made on the same past the
	// second has a wrong hash, so exactly one author queues the tasks, under a nonce
	// that no dedupe window knows.
	s.epoch = r.Epoch
	return ""
}

func (s *State) foldLost(l *Lost) VoidReason {
	// Rule 26 (lost): only on the way. Once there is a manifest, a file that it names
	// and that is gone is an error, not work.
	if s.status != Running {
		return VoidOver
	}
	c := s.commits[l.Commit]
	if c == nil {
		return VoidUnknown
	}
	// Rule 26 (lost): the spans are owed again. The id stays known, so that a late
	// copy of the commit cannot bring the file back.
	s.coverage.Subtract(&c.Spans)
	s.postCommit(c, -1)
	s.exhume(l.Commit)
	delete(s.commits, l.Commit)
	s.order = slices.DeleteFunc(s.order, func(id string) bool { return id == l.Commit })
	s.verdicts[l.Commit] = Verdict{Kind: KindCommit, ID: l.Commit, Reason: VoidLost}
	return ""
}

func (s *State) foldCancel(c *Cancel) VoidReason {
	if s.status != Running {
		return VoidOver
	}
	// Rule 6 (cancel): the ledger's order decides: what is complete stays complete.
	if s.Complete() {
		return VoidComplete
	}
	s.status, s.cancelled, s.reason, s.failed = Cancelled, true, c.Reason, c.Failed
	return ""
}

// foldSeal takes a seal also of a run that is not complete: after a power loss the
// manifest knows more than the ledger, and outranks it (rule 9).
func (s *State) foldSeal() VoidReason {
	if s.status == Sealed {
		return VoidDuplicate
	}
	s.status = Sealed
	return ""
}

func (s *State) foldEnd(e *End) VoidReason {
	// Rule 9 (manifest): no end without a manifest, and the seal says that it is there.
	if s.status != Sealed {
		return VoidUnsealed
	}
	s.status, s.end = Ended, e
	return ""
}

// Complete reports that nothing is owed: every planned row is settled and every
// extent stated. A plan without tasks, or one that skips the run, is complete at
// once. A run that must fail never is.
func (s *State) Complete() bool {
	if s.plan == nil || s.conflict != "" {
		return false
	}
	// Rule 13 (extent): full coverage is not enough, all tasks were read to their ends.
	return s.AllExtents() && s.coverage.Rows() == s.planned
}

// Owed returns the tasks that are not settled.
func (s *State) Owed() []uint32 {
	var owed []uint32
	for i, t := range s.tasks {
		task := uint32(i)
		_, stated := s.extents[task]
		covered := s.coverage.Contains(blocks.Span{Task: task, From: 0, To: t.Rows})
		// Rule 13 (extent): a task without an extent is owed, even if it is covered.
		if !stated || !covered {
			owed = append(owed, task)
		}
	}
	return owed
}
