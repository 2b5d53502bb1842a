package ledger

import (
	"cmp"
	"iter"
	"slices"
)

// graveKey is what a dead letter says of its making.
type graveKey struct{ stage, attempt string }

func (d *DeadRows) key() graveKey {
	// Rule 7 (dead): a dead letter counts by its attempt; another attempt at the same
	// rows may have passed them on.
	return graveKey{d.Stage, d.Attempt}
}

// grave is dead rows that count.
type grave struct {
	DeadRows
	commit string // that names them; "" for a dead entry
	whole  bool   // the attempt failed on all of the span that reached it
}

func (s *State) bury(g grave) {
	s.graves[g.key()] = append(s.graves[g.key()], g)
}

// exhume takes back the dead rows of a commit.
func (s *State) exhume(commit string) {
	for _, d := range s.commits[commit].Dead {
		k := d.key()
		left := slices.DeleteFunc(s.graves[k], func(g grave) bool { return g.commit == commit })
		if s.graves[k] = left; len(left) == 0 {
			delete(s.graves, k)
		}
	}
}

// rest is what a dead entry itself gives to the dead letters.
func (d *Dead) rest() DeadRows { return DeadRows{Span: d.Span, Stage: d.Stage, Attempt: d.Attempt} }

// DeadRowCounts reports whether a dead letter for a source row counts: whether a
// standing commit or dead entry names the stage's attempt for it. One that does not
// count belongs to an attempt that another one outran; its row is in the output, or
// will be, and a replay of it would double it.
func (s *State) DeadRowCounts(task uint32, row int64, stage, attempt string) bool {
	letter := DeadRows{Stage: stage, Attempt: attempt}
	for _, g := range s.graves[letter.key()] {
		if g.Span.Task != task || row < g.Span.From || row >= g.Span.To {
			continue
		}
		_, named := slices.BinarySearchFunc(g.Offsets, row-g.Span.From, func(o uint32, at int64) int { return cmp.Compare(int64(o), at) })
		if g.whole || named {
			return true
		}
	}
	return false
}

// DeadRows is how many rows are in the dead letters and count, by commits and dead
// entries: what a policy such as max_dead_rows is judged on.
func (s *State) DeadRows() int64 { return s.dead }

// Buried yields the rows that are dead: those that commits name, then those of dead
// entries. Offsets is nil for all rows of a span that reached the attempt.
func (s *State) Buried() iter.Seq[DeadRows] {
	return func(yield func(DeadRows) bool) {
		for _, id := range s.order {
			for _, d := range s.commits[id].Dead {
				if !yield(d) {
					return
				}
			}
		}
		for _, d := range s.deads {
			for _, b := range d.Before {
				if !yield(b) {
					return
				}
			}
			if !yield(d.rest()) {
				return
			}
		}
	}
}

// FirstDead returns the first of Buried.
func (s *State) FirstDead() (DeadRows, bool) {
	for d := range s.Buried() {
		return d, true
	}
	return DeadRows{}, false
}
