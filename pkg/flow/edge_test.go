package flow_test

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
)

// A full edge makes the publisher wait: nothing is lost, nothing is dropped, and the
// edge never holds more than its bound.
func TestPublishWaitsForRoomInAFullEdge(t *testing.T) {
	srv := natstest.New(t)
	const edge, rows, n = 1 << 20, 16_384, 40 // 128 KiB a block: eight fill the edge
	k := newKit(t, srv.Dial, edge)
	out, err := k.run.Output(flow.SourceStage, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			b := k.block(t, int64(i)*rows, int64(i+1)*rows)
			defer b.Release()
			if err := k.publish(ctx, out, b); err != nil {
				t.Error(err)
			}
		})
	}
	require.Eventually(t, func() bool {
		d, err := k.conn.Depth(ctx, k.run.Run, flow.SourceStage)
		return err == nil && d.Bytes > edge/2
	}, limit, time.Millisecond, "the edge fills")

	in, err := k.run.Input("next", nil)
	require.NoError(t, err)
	serve(t, in)
	seen := map[blocks.Span]bool{}
	for len(seen) < n {
		d, err := in.Next(ctx, 0)
		require.NoError(t, err)
		depth, err := k.conn.Depth(ctx, k.run.Run, flow.SourceStage)
		require.NoError(t, err)
		require.LessOrEqual(t, depth.Bytes, int64(edge))
		seen[span(t, d)] = true
		d.Ack()
	}
	wg.Wait()
}

// A server that restarts while blocks are published loses none of them and hangs
// nobody.
func TestPublishSurvivesServerRestarts(t *testing.T) {
	srv := natstest.New(t)
	const rows, n = 1000, 300
	k := newKit(t, srv.Dial, 64<<20)
	out, err := k.run.Output(flow.SourceStage, nil)
	require.NoError(t, err)
	in, err := k.run.Input("next", nil)
	require.NoError(t, err)
	serve(t, in)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var wg sync.WaitGroup
	published := make(chan int, n)
	wg.Go(func() {
		for i := range n {
			b := k.block(t, int64(i)*rows, int64(i+1)*rows)
			if err := k.publish(ctx, out, b); err != nil {
				t.Error(err)
			}
			b.Release()
			published <- i
		}
	})
	wg.Go(func() {
		for _, at := range []int{30, 100, 200} {
			for i := range published {
				if i >= at {
					break
				}
			}
			srv.Restart()
		}
	})
	seen := map[blocks.Span]bool{}
	for len(seen) < n {
		d, err := in.Next(ctx, 0)
		require.NoError(t, err)
		seen[span(t, d)] = true
		d.Ack()
	}
	wg.Wait()
}

// A publish whose stream is gone asks the ledger whether the run is over. While the ledger
// cannot be reached it waits: it does not give up.
func TestPublishWaitsForTheLedger(t *testing.T) {
	srv := natstest.New(t, natstest.Listen())
	proxy := natstest.NewProxy(t, srv.URL())
	dials := 0
	waits := said{line: "stream not made again", c: make(chan struct{}, 1)}
	conn, err := flow.Connect(t.Context(), func(opts ...nats.Option) (*nats.Conn, error) {
		if dials++; dials == 3 { // the connection for all but blocks
			return nats.Connect(proxy.URL(), opts...)
		}
		return srv.Dial(opts...)
	}, config(), slog.New(waits))
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	k := newKitOn(t, conn, 64<<20)
	out, err := k.run.Output(flow.SourceStage, nil)
	require.NoError(t, err)

	proxy.Refuse(true)
	proxy.Sever()
	require.NoError(t, srv.JetStream(t).DeleteStream(t.Context(), "levada-blocks-"+string(k.run.Run)+"-source"))
	b := k.block(t, 0, 10)
	defer b.Release()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	go func() { done <- k.publish(ctx, out, b) }()
	select {
	case <-waits.c:
	case err := <-done:
		require.FailNow(t, "publish has returned", "%v", err)
	}
	proxy.Refuse(false)
	require.NoError(t, <-done)
}

// A consumer or a stream that somebody deletes is made again, and what is published
// afterwards arrives.
func TestInputIsRepaired(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, srv *natstest.Server, k *kit){
		"ConsumerDeleted": func(t *testing.T, srv *natstest.Server, k *kit) {
			t.Helper()
			require.NoError(t, srv.JetStream(t).DeleteConsumer(t.Context(), "levada-blocks-"+string(k.run.Run)+"-source", "to-next"))
		},
		"StreamDeleted": func(t *testing.T, srv *natstest.Server, k *kit) {
			t.Helper()
			require.NoError(t, srv.JetStream(t).DeleteStream(t.Context(), "levada-blocks-"+string(k.run.Run)+"-source"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := natstest.New(t)
			k := newKit(t, srv.Dial, 64<<20)
			out, err := k.run.Output(flow.SourceStage, nil)
			require.NoError(t, err)
			in, err := k.run.Input("next", nil)
			require.NoError(t, err)
			serve(t, in)
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			for i := range int64(3) {
				b := k.block(t, i*10, i*10+10)
				require.NoError(t, k.publish(ctx, out, b))
				b.Release()
				for from := int64(-1); from < i*10; { // an ack that the damage overtook is a redelivery
					d, err := in.Next(ctx, 0)
					require.NoError(t, err)
					from = span(t, d).From
					require.LessOrEqual(t, from, i*10)
					d.Ack()
				}
				damage(t, srv, k)
			}
		})
	}
}

// A consumer whose directory the server has lost cannot be opened any more, until it is
// made anew.
func TestInputIsRepairedThoughTheServerCannotOpenIt(t *testing.T) {
	srv := natstest.New(t)
	k := newKit(t, srv.Dial, 64<<20)
	out, err := k.run.Output(flow.SourceStage, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for i := range int64(2) {
		b := k.block(t, i*10, i*10+10)
		require.NoError(t, k.publish(ctx, out, b))
		b.Release()
		in, err := k.run.Input("next", nil)
		require.NoError(t, err)
		stop := serve(t, in)
		d, err := in.Next(ctx, 0)
		require.NoError(t, err)
		require.Equal(t, i*10, span(t, d).From)
		d.Ack()
		stop()
		require.NoError(t, os.RemoveAll(filepath.Join(srv.StoreDir(), "$G", "streams", "levada-blocks-"+string(k.run.Run)+"-source", "obs", "to-next")))
	}
}

// What is held for longer than the ack wait is not delivered again.
func TestRule15Conflicts_HeldBlocksAreNotRedelivered(t *testing.T) {
	srv := natstest.New(t)
	k := newKit(t, srv.Dial, 64<<20)
	out, err := k.run.Output(flow.SourceStage, nil)
	require.NoError(t, err)
	in, err := k.run.Input("next", nil)
	require.NoError(t, err)
	stop := serve(t, in)
	other := connect(t, srv.Dial)
	run, err := other.Attach(t.Context(), k.run.Run)
	require.NoError(t, err)

	b := k.block(t, 0, 10)
	defer b.Release()
	require.NoError(t, k.publish(t.Context(), out, b))
	d, err := in.Next(t.Context(), limit)
	require.NoError(t, err)
	d.Hold()

	rival, err := run.Input("next", nil)
	require.NoError(t, err)
	serve(t, rival)
	got, err := rival.Next(t.Context(), 3*config().AckWait)
	require.NoError(t, err)
	require.Nil(t, got, "a held block was delivered again, to another process")
	got, err = in.Next(t.Context(), time.Millisecond)
	require.NoError(t, err)
	require.Nil(t, got, "a held block was delivered again, to its holder")
	stop() // so that it cannot take it back itself
	d.Nak(0)
	got, err = rival.Next(t.Context(), limit)
	require.NoError(t, err)
	require.NotNil(t, got)
	got.Ack()
}
