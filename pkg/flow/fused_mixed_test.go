package flow_test

import (
	"context"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
)

// A block of which a stage has dropped all rows goes over a fused edge and then over one
// with a stream, as any other: its header says of which schema it is.
func TestFusedEmptyBlockTravelsOn(t *testing.T) {
	k := newFusedKit(t)
	t.Cleanup(k.run.Takes("next"))
	b := k.block(t, 0, 10)
	defer b.Release()
	whole, schema := b.Batch, blocks.FingerprintOf(b.Batch.Schema())
	b.Batch, b.Rows, b.Dropped = whole.NewSlice(0, 0), 0, []blocks.Drop{{Operator: "next/filter[0]", Rows: 10}}
	whole.Release()
	require.NoError(t, k.out.PublishBlock(t.Context(), k.run.Run, b, k.task))
	d := k.next(t, k.in)
	got, err := d.Block()
	require.NoError(t, err)
	defer got.Release()
	require.Nil(t, got.Batch)
	require.Equal(t, schema, got.Schema)
	out, err := k.run.Output("next", nil)
	require.NoError(t, err)
	got.Stage = "next"
	require.NoError(t, out.PublishBlock(t.Context(), k.run.Run, got, nil))
	d.Ack()
}

// A stage that cannot publish stops, and says so: whoever serves it serves it again.
// Silence would leave the run without it.
func TestStage_ThatStopsByItselfSaysWhy(t *testing.T) {
	k := newFusedKit(t)
	bad := arrow.NewSchema([]arrow.Field{{Name: blocks.OffsetsColumn, Type: arrow.PrimitiveTypes.Int64}}, nil) // a name that does not travel
	stage := &flow.Stage{Stage: "next", Workers: 1, Process: func(_ context.Context, in *blocks.Block) (flow.Output, error) {
		return flow.Output{Batch: array.NewRecordBatch(bad, in.Batch.Columns(), in.Batch.NumRows())}, nil
	}}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	served := make(chan error, 1)
	go func() { served <- stage.Serve(ctx, ctx, k.run) }()
	b := k.block(t, 0, 10)
	defer b.Release()
	require.NoError(t, k.out.PublishBlock(ctx, k.run.Run, b, k.task))
	err := <-served
	require.ErrorContains(t, err, blocks.OffsetsColumn)
	require.NoError(t, ctx.Err(), "nobody else has stopped it")
}
