package flow

import (
	"context"
	"log/slog"
	"math/rand/v2"

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

// quiet reports that no task and no block of the run waits or is being worked on.
func (r *Run) quiet(ctx context.Context) bool {
	streams := []string{tasksStream(r.Run)}
	for _, e := range r.Edges {
		streams = append(streams, blocksStream(r.Run, e.Stage))
	}
	for _, name := range streams {
		if d, err := r.c.depth(ctx, name); err != nil || d.Blocks > 0 {
			return false
		}
	}
	return true
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
