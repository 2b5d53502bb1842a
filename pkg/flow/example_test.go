package flow_test

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/internal/embedded"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// A stage of your own is a function from record batch to record batch. This one
// doubles a column; in a pipeline it is declared as
//
//	stages:
//	  - name: double
//	    external: { columns: { v: int64 } }
//
// Everything from the server to the sink is the same as for the stages of Levada.
func ExampleMap() {
	double := flow.Map("double", func(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
		col := in.Column(0).(*array.Int64)
		b := array.NewInt64Builder(memory.DefaultAllocator)
		defer b.Release()
		for _, v := range col.Int64Values() {
			b.Append(2 * v)
		}
		out := b.NewInt64Array()
		defer out.Release()
		return array.NewRecordBatch(in.Schema(), []arrow.Array{out}, in.NumRows()), nil
	})

	ctx, stop := context.WithTimeout(context.Background(), 30*time.Second)
	defer stop()
	conn, run, done := exampleRun(ctx) // elsewhere: a server, and a run with one block on its way
	defer done()
	blocksOut, err := conn.NATS().SubscribeSync(flow.BlocksSubject(run, "double")) // a tap
	if err != nil {
		panic(err)
	}
	go func() { _ = conn.Serve(ctx, ctx, double) }()

	msg, err := blocksOut.NextMsgWithContext(ctx)
	if err != nil {
		panic(err)
	}
	b, err := blocks.Decode(msg.Header, msg.Data, blocks.DecodeOptions{})
	if err != nil {
		panic(err)
	}
	defer b.Release()
	fmt.Println(b.Stage, b.Span, b.Batch.Column(0))
	// Output: double 0:[0,3) [2 4 6]
}

// exampleRun starts a server and a run whose reader has published one block.
func exampleRun(ctx context.Context) (*flow.Conn, flow.RunID, func()) {
	dir, err := os.MkdirTemp("", "levada-example")
	if err != nil {
		panic(err)
	}
	srv, err := embedded.Start(ctx, embedded.Options{StateDir: dir, StoreLimit: 4 << 30})
	if err != nil {
		panic(err)
	}
	conn, err := flow.Connect(ctx, srv.Connect, flow.Config{}, nil)
	if err != nil {
		panic(err)
	}
	rec := flow.Record{
		Run: flow.NewRunID(), Pipeline: "example", BlockBytes: 1 << 20, RequeueAfter: time.Minute,
		Edges: []flow.Edge{{Stage: flow.SourceStage, MaxBytes: 64 << 20}, {Stage: "double", MaxBytes: 64 << 20}},
	}
	if err := conn.Submit(ctx, rec); err != nil {
		panic(err)
	}
	run, err := conn.Attach(ctx, rec.Run)
	if err != nil {
		panic(err)
	}
	plan := &ledger.Plan{Tasks: []ledger.PlanTask{{File: -1, Rows: 3, To: 3}}}
	parts, err := plan.Parts(flow.NewNonce())
	if err != nil {
		panic(err)
	}
	if err := run.Ledger.AppendUntil(ctx, func(*ledger.State) *ledger.Entry {
		return &ledger.Entry{Kind: ledger.KindPlan, Plan: parts[0]}
	}); err != nil {
		panic(err)
	}
	b := array.NewInt64Builder(memory.DefaultAllocator)
	b.AppendValues([]int64{1, 2, 3}, nil)
	col := b.NewInt64Array()
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.PrimitiveTypes.Int64}}, nil)
	out, err := run.Output(flow.SourceStage, nil)
	if err != nil {
		panic(err)
	}
	if err := out.PublishBlock(ctx, rec.Run, &blocks.Block{
		Header: blocks.Header{
			Run: string(rec.Run), Stage: flow.SourceStage, Span: blocks.Span{From: 0, To: 3}, Attempt: flow.NewNonce(),
			Plan: run.PlanHash(), Epoch: run.PlanHash(), Rows: 3,
		},
		Batch: array.NewRecordBatch(schema, []arrow.Array{col}, 3),
	}, nil); err != nil {
		panic(err)
	}
	return conn, rec.Run, func() {
		conn.Close()
		_ = srv.Close()
		_ = os.RemoveAll(dir)
	}
}
