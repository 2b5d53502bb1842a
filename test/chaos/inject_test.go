//go:build chaos

package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// injector injures a fleet while a run is on its way.
type injector struct {
	fleet  *fleet
	job    *job
	run    string
	rng    *rand.Rand
	gentle bool // no stream is deleted, so that a block acked too soon is seen

	stopped bool // a service has been stopped until the end of the run
}

// weights of the faults that are drawn; deaths at named points come by themselves.
var weights = []struct {
	n  int
	do func(*injector)
}{
	{6, (*injector).kill},
	{2, (*injector).terminate},
	{2, (*injector).stop},
	{2, (*injector).killBroker},
	{3, (*injector).deleteOne},
}

// inject draws n faults, one after another and some at once, until the run ends.
func (in *injector) inject(n int) {
	total := 0
	for _, w := range weights {
		total += w.n
	}
	for range n {
		if in.fleet.pause(time.Duration(in.rng.Int64N(int64(800*time.Millisecond)))) != nil {
			return
		}
		at := in.rng.IntN(total)
		for _, w := range weights {
			if at -= w.n; at < 0 {
				w.do(in)
				break
			}
		}
	}
}

// victim claims a random service, nil when none can be injured now.
func (in *injector) victim() (*seat, *life) {
	for _, i := range in.rng.Perm(len(in.fleet.seats)) {
		s := in.fleet.seats[i]
		if l := s.claim(); l != nil {
			return s, l
		}
	}
	return nil, nil
}

func (in *injector) kill() {
	if s, l := in.victim(); s != nil {
		in.fleet.wg.Go(func() { s.kill(l) })
	}
}

func (in *injector) terminate() {
	if s, l := in.victim(); s != nil {
		in.fleet.wg.Go(func() { s.terminate(l) })
	}
}

// stop lets a service sleep through its ack wait; one service of a round now and then
// until the run has ended, which the other one of its role must be able to end.
func (in *injector) stop() {
	d := ackWait + 200*time.Millisecond + time.Duration(in.rng.Int64N(int64(ackWait)))
	forEver := !in.stopped && in.rng.IntN(3) == 0
	s, l := in.victim()
	if s == nil {
		return
	}
	if forEver {
		in.stopped, d = true, 0
	}
	in.fleet.wg.Go(func() { s.stop(l, d) })
}

func (in *injector) killBroker() {
	if !in.fleet.broker.up() {
		return
	}
	in.fleet.broker.kill()
	d := time.Duration(in.rng.Int64N(int64(time.Second)))
	in.fleet.note("broker", "killed for %v", d.Round(time.Millisecond))
	_ = in.fleet.pause(d) // it must come back in any case
	if err := in.fleet.broker.start(in.fleet.ctx); err != nil {
		in.fleet.fail(err)
	}
}

// deleteOne deletes a stream of blocks, the task queue, or a consumer. The ledger is
// the one thing that must not be deleted.
func (in *injector) deleteOne() {
	const blocks, tasks = "levada-blocks-", "levada-tasks-" // docs/format.md
	edges := append([]string{"source"}, in.job.stageNames()...)
	readers := append(in.job.stageNames(), "sink") // of each edge
	type target struct{ stream, consumer string }
	targets := []target{{tasks + in.run, ""}, {tasks + in.run, "readers"}}
	for i, e := range edges {
		targets = append(targets, target{blocks + in.run + "-" + e, ""}, target{blocks + in.run + "-" + e, "to-" + readers[i]})
	}
	t := targets[in.rng.IntN(len(targets))]
	if in.gentle && t.consumer == "" {
		t = targets[1] // the consumer of the task queue
	}
	ctx, cancel := context.WithTimeout(in.fleet.ctx, 2*time.Second)
	defer cancel()
	js, err := jetstream.New(in.fleet.conn.NATS())
	if err == nil && t.consumer != "" {
		err = js.DeleteConsumer(ctx, t.stream, t.consumer)
	} else if err == nil {
		err = js.DeleteStream(ctx, t.stream)
	}
	switch {
	case err != nil: // it was not there, or the answer was lost
		in.fleet.note("", "delete of %s %s: %v", t.stream, t.consumer, err)
		if t.consumer == "" && !errors.Is(err, jetstream.ErrStreamNotFound) {
			in.fleet.doubt()
		}
	case t.consumer != "":
		in.fleet.note("unsubscribe", "consumer %s of %s deleted", t.consumer, t.stream)
	default:
		in.fleet.note("delete", "stream %s deleted", t.stream)
	}
}
