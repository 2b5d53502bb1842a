package top

import (
	"time"

	"github.com/levada-data/levada/pkg/flow"
)

// Facts are what is known about all runs at one moment.
type Facts struct {
	At      time.Time
	Where   string // whose runs they are: a server, or this machine
	Runs    []Run  // in any order
	Trouble string // what could not be read, and why; "" when all could
}

// The statuses of a run that this package tells from others.
const (
	active      = string(flow.StatusActive)
	interrupted = "interrupted" // its process is gone
)

// Run is what is known about one run.
type Run struct {
	ID        string
	Pipeline  string
	Sink      string
	Status    string // of its record, or "interrupted"
	Phase     string // where an active one is: "planning", "running", ...
	Waits     string // what an active one waits for because nobody plays it: "a levada writer"
	Reason    string // of a failure or a cancellation
	Planned   int64  // source rows; 0 before there is a plan
	Covered   int64  // of those, settled for good
	Written   int64
	Dead      int64
	Submitted time.Time
	Ended     time.Time

	// Stages are all that report statistics, in the order of the flow, the source first
	// and the sink last; nil when nothing but the above is known.
	Stages []string
	// Edges are what waits behind the stages that fill one; nil when nobody asked.
	Edges []Edge
	// Reports are the last of each instance, of this moment or of the run's end.
	Reports []flow.Stats
}

// Edge is what waits between the stage that fills it and the next.
type Edge struct {
	Stage string
	flow.Depth
}

// took is how long the run has taken until now.
func (r *Run) took(now time.Time) time.Duration {
	switch {
	case !r.Ended.IsZero():
		return r.Ended.Sub(r.Submitted)
	case r.Status == active:
		return now.Sub(r.Submitted)
	default:
		return 0
	}
}
