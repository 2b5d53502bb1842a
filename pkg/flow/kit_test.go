package flow_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// limit bounds every wait of a test.
const limit = 30 * time.Second

// kit is a run with a plan of some tasks, its edge, and a stage "next" behind it.
type kit struct {
	conn *flow.Conn
	run  *flow.Run
}

const taskRows = 1 << 20

func config() flow.Config {
	return flow.Config{AckWait: time.Second, Timeout: time.Second}
}

func connect(t testing.TB, dial flow.Dialer) *flow.Conn {
	t.Helper()
	conn, err := flow.Connect(t.Context(), dial, config(), nil)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func newKit(t testing.TB, dial flow.Dialer, edge int64) *kit {
	t.Helper()
	return newKitOn(t, connect(t, dial), edge)
}

func newKitOn(t testing.TB, conn *flow.Conn, edge int64) *kit {
	t.Helper()
	k := &kit{conn: conn}
	rec := flow.Record{
		Run: flow.NewRunID(), Pipeline: "test", BlockBytes: 1 << 20, RequeueAfter: 200 * time.Millisecond,
		Edges: []flow.Edge{{Stage: flow.SourceStage, MaxBytes: edge}, {Stage: "next", MaxBytes: edge}},
	}
	require.NoError(t, k.conn.Submit(t.Context(), rec))
	var err error
	k.run, err = k.conn.Attach(t.Context(), rec.Run)
	require.NoError(t, err)
	plan(t, k.run, 64)
	return k
}

// plan gives a run a plan of n tasks.
func plan(t testing.TB, run *flow.Run, n int) {
	t.Helper()
	p := &ledger.Plan{}
	for range n {
		p.Tasks = append(p.Tasks, ledger.PlanTask{File: -1, To: taskRows, Rows: taskRows})
	}
	parts, err := p.Parts(flow.NewNonce())
	require.NoError(t, err)
	require.NoError(t, run.Ledger.AppendUntil(t.Context(), func(s *ledger.State) *ledger.Entry {
		if s.Plan() != nil {
			return nil
		}
		return &ledger.Entry{Kind: ledger.KindPlan, Plan: parts[0]}
	}))
	require.NotEmpty(t, run.PlanHash())
}

// block makes a block of a span of task 0. The caller must Release it.
func (k *kit) block(t testing.TB, from, to int64) *blocks.Block {
	t.Helper()
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	for v := from; v < to; v++ {
		b.Append(v)
	}
	col := b.NewInt64Array()
	defer col.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: "v", Type: arrow.PrimitiveTypes.Int64}}, nil)
	return &blocks.Block{
		Header: blocks.Header{
			Run: string(k.run.Run), Stage: flow.SourceStage, Span: blocks.Span{From: from, To: to}, Attempt: flow.NewNonce(),
			Plan: k.run.PlanHash(), Epoch: k.run.PlanHash(), Rows: to - from,
		},
		Batch: array.NewRecordBatch(schema, []arrow.Array{col}, to-from),
	}
}

func (k *kit) publish(ctx context.Context, out *flow.Publisher, b *blocks.Block) error {
	return out.PublishBlock(ctx, k.run.Run, b, nil)
}

// span is the header's, of a delivery.
func span(t testing.TB, d *flow.Delivery) blocks.Span {
	t.Helper()
	h, err := d.Header()
	require.NoError(t, err)
	return h.Span
}

// serve runs an input until the returned function is called, which waits for it.
func serve(t testing.TB, in *flow.Input) func() {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { in.Serve(ctx, ctx); close(done) }()
	stop := func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// said is a log that waits for one line: c holds a token once it has been written.
type said struct {
	line string
	c    chan struct{}
}

func (s said) Enabled(context.Context, slog.Level) bool { return true }
func (s said) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s said) WithGroup(string) slog.Handler            { return s }

func (s said) Handle(_ context.Context, r slog.Record) error {
	if r.Message == s.line {
		select {
		case s.c <- struct{}{}:
		default:
		}
	}
	return nil
}
