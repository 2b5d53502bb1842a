//go:build chaos

package chaos

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"

	"github.com/levada-data/levada/internal/fault"
)

// roleOf is the service that comes to a point.
func roleOf(name fault.Name) string {
	switch role, _, _ := strings.Cut(string(name), "."); role {
	case "planner":
		return "reader"
	case "keeper":
		return "writer"
	default:
		return role
	}
}

// hitOf draws the hit at which a process dies: an early one, so that it comes to it.
func hitOf(name fault.Name, r *rand.Rand) int {
	switch name {
	case fault.ReaderBlockPublishBefore, fault.ReaderBlockPublishAfter,
		fault.TransformPublishBefore, fault.TransformPublishAfter, fault.TransformAckBefore:
		return 1 + r.IntN(20)
	case fault.WriterRevealBefore, fault.WriterRevealAfter: // a job that is not partitioned has few files
		return 1 + r.IntN(6)
	case fault.ReaderExtentAppendBefore, fault.ReaderExtentAppendAfter, fault.ReaderTaskAckBefore,
		fault.WriterFileFinishAfter, fault.WriterCommitAppendBefore, fault.WriterCommitAppendAfter,
		fault.WriterAckBefore, fault.WriterAckAfter:
		return 1 + r.IntN(2)
	default: // once in a run, at most
		return 1
	}
}

// tally counts the deaths at each point, over all rounds.
type tally struct {
	mu   sync.Mutex
	hits map[fault.Name]int
}

func (t *tally) add(name fault.Name) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hits == nil {
		t.hits = map[fault.Name]int{}
	}
	t.hits[name]++
}

func (t *tally) of(name fault.Name) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hits[name]
}

// missed lists the points at which nobody has died yet.
func (t *tally) missed() []fault.Name {
	return slices.DeleteFunc(fault.Names(), func(n fault.Name) bool { return t.of(n) > 0 })
}

// draw chooses the points of a round: those with the fewest hits first, some for each
// role, and for the end of the run not more than one.
func (t *tally) draw(r *rand.Rand) []fault.Name {
	names := fault.Names()
	r.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	slices.SortStableFunc(names, func(a, b fault.Name) int { return t.of(a) - t.of(b) })
	left := map[string]int{"reader": 2, "transform": 2, "writer": 2, "keeper": 1, "planner": 1}
	var drawn []fault.Name
	for _, n := range names {
		part, _, _ := strings.Cut(string(n), ".")
		if left[part] > 0 {
			left[part]--
			drawn = append(drawn, n)
		}
	}
	return drawn
}

// agenda hands out the points of a round to the processes that start in it.
type agenda struct {
	mu   sync.Mutex
	todo map[string][]fault.Name // by role
}

func newAgenda(points []fault.Name) *agenda {
	a := &agenda{todo: map[string][]fault.Name{}}
	add := func(n fault.Name) { a.todo[roleOf(n)] = append(a.todo[roleOf(n)], n) }
	var last []fault.Name
	for i, n := range points {
		if i == 0 && n == fault.PlannerPlanAppendAfter { // wanted most: whichever reader plans must have it
			add(n)
		}
		if strings.HasPrefix(string(n), "keeper.") {
			last = append(last, n, n) // for both writers: only one of them may come to it
			continue
		}
		add(n)
	}
	for _, n := range last {
		add(n)
	}
	return a
}

// take returns the next point of a role, or "".
func (a *agenda) take(role string) fault.Name {
	a.mu.Lock()
	defer a.mu.Unlock()
	todo := a.todo[role]
	if len(todo) == 0 {
		return ""
	}
	a.todo[role] = todo[1:]
	return todo[0]
}

// giveBack returns a point whose process died of something else. Others come first: it
// may be one that the run has passed.
func (a *agenda) giveBack(name fault.Name) {
	if name == "" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	role := roleOf(name)
	a.todo[role] = append(a.todo[role], name)
}
