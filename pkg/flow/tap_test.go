package flow_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
)

// pass lets a block of a span pass by a tap, as a publish does that no stream takes.
func (k *kit) pass(t *testing.T, from, to int64) {
	t.Helper()
	b := k.block(t, from, to)
	defer b.Release()
	m, err := blocks.Encode(b)
	require.NoError(t, err)
	require.NoError(t, k.conn.NATS().PublishMsg(&nats.Msg{Subject: flow.BlocksSubject(k.run.Run, b.Stage), Header: m.Header, Data: m.Data}))
}

func TestTapShowsEachSpanOnce(t *testing.T) {
	s := natstest.New(t)
	k := newKit(t, s.Dial, 1<<20)
	tap, err := connect(t, s.Dial).Tap(flow.TapConfig{Run: k.run.Run})
	require.NoError(t, err)
	defer tap.Close()
	k.pass(t, 0, 10)
	k.pass(t, 0, 10) // published again
	require.NoError(t, k.conn.NATS().Publish(flow.BlocksSubject(k.run.Run, "source"), []byte("no block")))
	k.pass(t, 20, 30)
	k.pass(t, 5, 15) // seen in part: no block of this protocol
	k.pass(t, 10, 20)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for _, from := range []int64{0, 20, 10} {
		b, err := tap.Next(ctx)
		require.NoError(t, err)
		require.Equal(t, from, b.Span.From)
		rows, err := b.Decode(blocks.DecodeOptions{})
		require.NoError(t, err)
		require.EqualValues(t, 10, rows.Batch.NumRows())
		rows.Release()
	}
	n, why := tap.Unreadable()
	require.Equal(t, 1, n)
	require.Error(t, why)
	require.Zero(t, tap.Lost())
}

// A tap that nobody takes from loses what it has no room for, counts it, and the
// publishers notice nothing.
func TestTapThatStallsLosesItsOwn(t *testing.T) {
	s := natstest.New(t)
	k := newKit(t, s.Dial, 1<<20)
	looker := connect(t, s.Dial)
	tap, err := looker.Tap(flow.TapConfig{MaxBytes: 4 << 10})
	require.NoError(t, err)
	defer tap.Close()
	out, err := k.run.Output(flow.SourceStage, nil)
	require.NoError(t, err)
	for i := range int64(20) {
		b := k.block(t, 100*i, 100*i+100)
		require.NoError(t, k.publish(t.Context(), out, b))
		b.Release()
	}
	require.Eventually(t, func() bool { return tap.Lost() > 0 }, limit, 5*time.Millisecond)
	depth, err := k.conn.Depth(t.Context(), k.run.Run, flow.SourceStage)
	require.NoError(t, err)
	require.EqualValues(t, 20, depth.Blocks, "all are stored")
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	b, err := tap.Next(ctx)
	require.NoError(t, err, "it goes on with what it has")
	require.Zero(t, b.Span.From)
}
