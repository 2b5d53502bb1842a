package flow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
)

// fusedKit is a run whose edge from the source to "next" has no stream, and one task of
// it that a reader has taken.
type fusedKit struct {
	*kit
	tasks *flow.Input
	task  *flow.Delivery
	out   *flow.Publisher
	in    *flow.Input
}

func newFusedKit(t *testing.T) *fusedKit {
	t.Helper()
	k := &fusedKit{kit: &kit{conn: connect(t, natstest.New(t).Dial)}}
	rec := flow.Record{
		Run: flow.NewRunID(), Pipeline: "test", BlockBytes: 1 << 20, RequeueAfter: time.Minute,
		Edges: []flow.Edge{{Stage: flow.SourceStage, Fused: true}, {Stage: "next", MaxBytes: 16 << 20}},
	}
	require.NoError(t, k.conn.Submit(t.Context(), rec))
	var err error
	k.run, err = k.conn.Attach(t.Context(), rec.Run)
	require.NoError(t, err)
	plan(t, k.run, 1)
	require.NoError(t, k.run.QueuePlan(t.Context()))
	k.tasks = k.run.Tasks(1, nil)
	serve(t, k.tasks)
	k.next(t, k.tasks).Ack() // it asks for the plan, which is there
	k.task = k.next(t, k.tasks)
	k.out, err = k.run.Output(flow.SourceStage, nil)
	require.NoError(t, err)
	k.in, err = k.run.Input("next", nil)
	require.NoError(t, err)
	serve(t, k.in)
	return k
}

func (k *fusedKit) next(t *testing.T, in *flow.Input) *flow.Delivery {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	d, err := in.Next(ctx, 0)
	require.NoError(t, err)
	return d
}

// hand hands a block of the task over and returns it as the next stage gets it.
func (k *fusedKit) hand(t *testing.T, from, to int64) *flow.Delivery {
	t.Helper()
	b := k.block(t, from, to)
	defer b.Release()
	require.NoError(t, k.out.PublishBlock(t.Context(), k.run.Run, b, k.task))
	d := k.next(t, k.in)
	require.Equal(t, blocks.Span{From: from, To: to}, span(t, d))
	return d
}

// waiting is how many tasks of the run nobody has settled.
func (k *fusedKit) waiting(t *testing.T) uint64 {
	t.Helper()
	lag, err := k.run.Lag(t.Context(), flow.SourceStage)
	require.NoError(t, err)
	return lag.Blocks
}

// A task is done with when its reader and the last of its blocks are.
func TestFusedTaskIsAckedByItsLastBlock(t *testing.T) {
	k := newFusedKit(t)
	t.Cleanup(k.run.Takes("next"))
	first, second := k.hand(t, 0, 10), k.hand(t, 10, 20)
	b, err := first.Block()
	require.NoError(t, err)
	first.Ack()
	require.EqualValues(t, 10, b.Batch.NumRows(), "a block outlives its delivery")
	b.Release()
	k.task.Ack()
	second.Hold()
	depth, err := k.run.Depth(t.Context(), flow.SourceStage)
	require.NoError(t, err)
	require.Zero(t, depth.Blocks, "what is held has left the edge")
	require.EqualValues(t, 1, k.waiting(t))
	second.Ack()
	require.Eventually(t, func() bool { return k.waiting(t) == 0 }, limit, 5*time.Millisecond)
}

// A block that is given back gives its task back at once, whatever the others do.
func TestFusedTaskComesBackWithABlock(t *testing.T) {
	k := newFusedKit(t)
	t.Cleanup(k.run.Takes("next"))
	first, second := k.hand(t, 0, 10), k.hand(t, 10, 20)
	k.task.Ack()
	first.Nak(0)
	second.Ack()
	d := k.next(t, k.tasks)
	require.Equal(t, 2, d.Deliveries())
	d.Ack()
}

// Who fills a fused edge waits for the stage behind it, and for its room; it fails when
// the time is up, and the block is nobody's then.
func TestFusedEdgeWaitsForItsStage(t *testing.T) {
	k := newFusedKit(t)
	up := errors.New("time is up")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := k.block(t, 0, 10)
	defer b.Release()
	ended := make(chan error, 2)
	go func() { ended <- k.out.Await(ctx) }()
	go func() { ended <- k.out.PublishBlock(ctx, k.run.Run, b, k.task) }()
	cancel(up)
	require.ErrorIs(t, <-ended, up)
	require.ErrorIs(t, <-ended, up)
	k.task.Ack()
	require.Eventually(t, func() bool { return k.waiting(t) == 0 }, limit, 5*time.Millisecond, "the task waits for no block")

	stop := k.run.Takes("next")
	require.NoError(t, k.out.Await(t.Context()))
	stop()
	ctx, cancel = context.WithCancelCause(t.Context())
	cancel(up)
	require.ErrorIs(t, k.out.Await(ctx), up, "the stage has gone")
}

// A tap sees what passes a fused edge, in parts that the server takes.
func TestTapSeesAFusedEdge(t *testing.T) {
	k := newFusedKit(t)
	t.Cleanup(k.run.Takes("next"))
	k.hand(t, 0, 10).Hold() // nobody listens: for a while blocks are not shown
	tap, err := k.conn.Tap(flow.TapConfig{Run: k.run.Run})
	require.NoError(t, err)
	defer tap.Close()
	rows := make(chan int64)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	go func() {
		defer close(rows)
		for {
			seen, err := tap.Next(ctx)
			if err != nil {
				return
			}
			b, err := seen.Decode(blocks.DecodeOptions{})
			if err != nil {
				return
			}
			rows <- b.Batch.NumRows()
			b.Release()
		}
	}()
	for at := int64(10); ; at += 10 {
		k.hand(t, at, at+10).Hold()
		select {
		case n, ok := <-rows:
			require.True(t, ok)
			require.EqualValues(t, 10, n)
			return
		case <-time.After(10 * time.Millisecond): // more blocks pass until one is seen
		}
	}
}
