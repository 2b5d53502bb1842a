package flow_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/flow"
)

// BenchmarkHop is one hop of a block of about 1 MiB: publish to a file store, deliver,
// ack.
func BenchmarkHop(b *testing.B) {
	srv := natstest.New(b)
	k := newKit(b, srv.Dial, 1<<30)
	in, err := k.run.Input("next", nil)
	require.NoError(b, err)
	out, err := k.run.Output(flow.SourceStage, nil)
	require.NoError(b, err)
	ctx, stop := context.WithCancel(b.Context())
	served := make(chan struct{})
	go func() { in.Serve(ctx, ctx); close(served) }()
	const rows = 120_000
	block := k.block(b, 0, rows)
	defer block.Release()
	b.SetBytes(rows * 8)
	b.ResetTimer()
	go func() {
		for i := range b.N {
			one := *block
			one.Span.Task = uint32(i)
			if k.publish(ctx, out, &one) != nil {
				return
			}
		}
	}()
	for range b.N {
		d, err := in.Next(ctx, time.Minute)
		require.NoError(b, err)
		require.NotNil(b, d)
		d.Ack()
	}
	b.StopTimer()
	stop()
	<-served
}
