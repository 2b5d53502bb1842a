package pool

import (
	"fmt"
	"math"
	"time"
)

// How the size follows the load.
const (
	growAfter   = 2    // intervals under pressure
	shrinkAfter = 12   // intervals in which fewer would have done
	busyShare   = 0.9  // of the workers' time; above it they are all busy
	spare       = 1.25 // workers for each that was busy, after a shrink
	coreShare   = 0.9  // of the cores; above it more workers only share them
)

// State is the size of a pool, and what was seen of it lately. Start with the bounds and
// the size; Next does the rest.
type State struct {
	Min, Max int // bounds of Size
	Size     int

	pressed int // intervals in succession that asked for more
	idle    int // intervals in succession that asked for fewer
	needed  int // the most workers that one of those would have needed
}

// Load is what one interval has measured.
type Load struct {
	Interval time.Duration
	WaitedIn time.Duration // for input, by all workers together
	CPU      time.Duration // of all workers together; 0 where it is not known
	Cores    int           // that there are for it
	Waiting  int           // blocks that wait for a worker, at the end of the interval
	Full     bool          // the edge behind the stage has refused a block
}

// Decision is a change of size.
type Decision struct {
	From, To int
	Reason   string
}

// Next takes one interval into account. It reports false when the size stays.
func (s State) Next(l Load) (State, Decision, bool) {
	if l.Interval <= 0 {
		return s, Decision{}, false
	}
	busy := min(max(float64(s.Size)-l.WaitedIn.Seconds()/l.Interval.Seconds(), 0), float64(s.Size))
	crowded := l.Cores > 0 && l.CPU.Seconds() >= coreShare*float64(l.Cores)*l.Interval.Seconds()
	if busy >= busyShare*float64(s.Size) && l.Waiting > 0 && !l.Full && !crowded {
		s.pressed++
	} else {
		s.pressed = 0
	}
	// Who waits for a full edge is not idle: there is work, and it will go on.
	if need := max(int(math.Ceil(busy*spare)), s.Min); need < s.Size && !l.Full {
		s.idle++
		s.needed = max(s.needed, need)
	} else {
		s.idle, s.needed = 0, 0
	}
	switch {
	case s.pressed >= growAfter && s.Size < s.Max:
		return s.resize(min(2*s.Size, s.Size+l.Waiting, s.Max), fmt.Sprintf("%s waited, output did not", blocks(l.Waiting)))
	case s.idle >= shrinkAfter:
		return s.resize(s.needed, fmt.Sprintf("%d were enough", s.needed))
	}
	return s, Decision{}, false
}

func (s State) resize(to int, reason string) (State, Decision, bool) {
	d := Decision{From: s.Size, To: to, Reason: reason}
	return State{Min: s.Min, Max: s.Max, Size: to}, d, true
}

func blocks(n int) string {
	if n == 1 {
		return "1 block"
	}
	return fmt.Sprintf("%d blocks", n)
}
