//go:build chaos

package chaos

import (
	"flag"
	"time"
)

var (
	seed       = flag.Uint64("chaos.seed", 1, "what all faults are drawn from")
	wanted     = flag.Int("chaos.faults", 50, "how many faults to inject, at least")
	onlyRound  = flag.Int("chaos.round", 0, "run this round alone")
	onlyPoints = flag.String("chaos.points", "", "with -chaos.round: the named points of the round, as its log has them")
	rows       = flag.Int64("chaos.rows", 300_000, "rows of the input")
)

const (
	// ackWait is after which the server gives the blocks of a dead process to another.
	ackWait = 2 * time.Second
	// stall is how long a run may stand still, with faults that stop it for a few seconds
	// at most.
	stall = 90 * time.Second
	// longest is how long a round may take, whatever progress it makes.
	longest = 4 * time.Minute
	// drain is how long a process may take to exit when it is asked to: its own grace, and
	// some more for a busy machine.
	drain = 40 * time.Second
)
