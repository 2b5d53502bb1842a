package flow

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/levada-data/levada/pkg/ledger"
)

// standing is what must grow for a run to be on its way.
type standing struct {
	plan    bool
	extents int
	covered int64
	epoch   string
}

func standingOf(s *ledger.State) standing {
	return standing{plan: s.Plan() != nil, extents: s.Extents(), covered: s.Progress().Covered, epoch: s.Epoch()}
}

// reconcile puts owed tasks back when the ledger has not grown for the run's
// requeue time and nothing is on its way: a stream was lost, a task message, or
// the process that should have queued them. Every process does this; the ledger
// decides whose requeue entry is first (rule 22), and its nonce is the new epoch,
// so that nothing remembers the blocks that come again (rule 12). It rests on
// what is owed, never on having seen a stream vanish (rule 13), and the clock
// decides only when to try (rule 23): a requeue too many costs work only.
func (r *Run) reconcile(ctx context.Context) {
	after := r.RequeueAfter
	for {
		was := Look(r.Ledger, standingOf)
		if pause(ctx, after+rand.N(after/4+1)) != nil {
			return
		}
		if Look(r.Ledger, standingOf) != was || !r.quiet(ctx) {
			continue
		}
		if err := r.requeue(ctx, was); err != nil && ctx.Err() == nil {
			r.log.WarnContext(ctx, "owed tasks not queued", slog.Any("error", err))
		}
	}
}

// queue is a work queue of a run: a stream, and the consumer that empties it.
type queue struct{ stream, consumer string }

func (r *Run) queues() []queue {
	all := []queue{{tasksStream(r.Run), tasksConsumer}}
	for i, e := range r.Edges {
		if e.Fused {
			continue // what is in it is a task that is not acked
		}
		next := SinkStage
		if i+1 < len(r.Edges) {
			next = r.Edges[i+1].Stage
		}
		all = append(all, queue{blocksStream(r.Run, e.Stage), edgeConsumer(next)})
	}
	return all
}

// quiet reports that no task and no block of the run waits or is being worked on.
func (r *Run) quiet(ctx context.Context) bool {
	for _, q := range r.queues() {
		if empty, err := r.c.settled(ctx, q); err != nil || !empty {
			return false
		}
	}
	return true
}

// settled reports that a queue is empty. A killed server may bring acked messages back
// without their deliveries: it has stored that they were acked, and not that they were
// removed. Nobody will ever be given them, and they take up room in the edge, so they are
// removed again; the queue counts as empty the next time.
func (c *Conn) settled(ctx context.Context, q queue) (bool, error) {
	s, err := c.ctl.js.Stream(ctx, q.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if s.CachedInfo().State.Msgs == 0 {
		return true, nil
	}
	consumer, err := s.Consumer(ctx, q.consumer)
	if err != nil {
		return false, err // also when it is gone: its stage makes it again, and gets all
	}
	info := consumer.CachedInfo()
	if info.NumPending > 0 || info.NumAckPending > 0 {
		return false, nil
	}
	c.log.WarnContext(ctx, "acked messages came back with the server, removed again", slog.String("stream", q.stream))
	return false, s.Purge(ctx, jetstream.WithPurgeSequence(info.AckFloor.Stream+1))
}

func (r *Run) requeue(ctx context.Context, was standing) error {
	var tasks []Task
	epoch := NewNonce()
	err := r.Ledger.AppendUntil(ctx, func(s *ledger.State) *ledger.Entry {
		tasks = nil
		// Another process may have been faster, or the ledger grew meanwhile.
		if s.Status() != ledger.Running || standingOf(s) != was {
			return nil
		}
		if tasks = owed(s); len(tasks) == 0 {
			return nil
		}
		for i := range tasks {
			tasks[i].Epoch = epoch
		}
		return &ledger.Entry{Kind: ledger.KindRequeue, Requeue: &ledger.Requeue{Epoch: epoch}}
	})
	if err != nil || Look(r.Ledger, (*ledger.State).Epoch) != epoch {
		return err
	}
	r.log.WarnContext(ctx, "nothing is on its way, owed tasks queued again", slog.Int("tasks", len(tasks)), slog.String("epoch", epoch))
	return r.c.enqueue(ctx, &r.Record, tasks)
}
