package rules

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// spanRows is how many rows a span of a hand-driven run has.
const spanRows = 10

// hand is a run whose reader is the test: it publishes the spans it likes, as often
// as it likes, and states extents when it likes. The rows are the numbers from 0.
type hand struct {
	*stack.Stack
	t     *testing.T
	out   string
	conn  *flow.Conn
	run   *flow.Run
	pub   *flow.Publisher
	tasks int
	spans int
	gates []*gate
}

type options struct {
	tasks, spans int    // tasks, and spans of each
	policies     string // further lines of the spec
	sink         string
	external     string // name of an external stage
	edge         int64
	block        int64         // bytes of a block
	requeue      time.Duration // an hour unless the test wants it
	out          string        // a directory of the test when ""
	server       []natstest.Option
}

// byHand submits a run and gives it a plan.
func byHand(t *testing.T, o options) *hand {
	t.Helper()
	h := &hand{Stack: stack.New(t, o.server...), t: t, out: cmp.Or(o.out, filepath.Join(t.TempDir(), "out")), tasks: max(o.tasks, 1), spans: max(o.spans, 1)}
	stages := ""
	if o.external != "" {
		stages = fmt.Sprintf("stages: [{ name: %s, external: { columns: { id: int64 } } }]\n", o.external)
	}
	spec := fmt.Sprintf(`apiVersion: levada/v1
name: hand
source: { range: { rows: %d } }
%ssink:
  parquet:
    uri: %q
%s
policies:
  max_age: 300ms
%s
`, h.tasks*h.spans*spanRows, stages, h.out, o.sink, o.policies)
	id := h.Submit(t, spec, func(r *flow.Record) {
		r.RequeueAfter = time.Hour
		if o.requeue > 0 {
			r.RequeueAfter = o.requeue
		}
		for i := range r.Edges {
			if o.edge > 0 {
				r.Edges[i].MaxBytes = o.edge
			}
		}
		r.BlockBytes = cmp.Or(o.block, r.BlockBytes)
	})
	h.conn = h.Connect(t)
	var err error
	h.run, err = h.conn.Attach(t.Context(), id)
	require.NoError(t, err)
	h.plan(spec)
	h.pub, err = h.run.Output(flow.SourceStage, nil)
	require.NoError(t, err)
	return h
}

// plan does what a planner does, with small tasks.
func (h *hand) plan(text string) {
	t := h.t
	t.Helper()
	spec, err := pipeline.Parse("spec.yaml", []byte(text))
	require.NoError(t, err)
	facts, err := reader.Inspect(t.Context(), spec, h.run.BlockBytes)
	require.NoError(t, err)
	schema, err := job.EncodeSchema(facts.Pipeline.Source)
	require.NoError(t, err)
	out, err := sink.Open(t.Context(), h.out, string(h.run.Run), storage.S3Options{})
	require.NoError(t, err)
	lock, err := out.Acquire(t.Context(), sink.Claim{Run: string(h.run.Run)}, func(context.Context, string) (bool, error) { return true, nil })
	require.NoError(t, err)
	old, _, err := out.Prepare(t.Context(), string(spec.Sink.Parquet.Mode))
	require.NoError(t, err)
	p := &ledger.Plan{Spec: spec.Hash(), Schema: schema, MaxBlockBytes: h.run.BlockBytes, Lock: lock.Nonce, Old: old}
	rows := int64(h.spans * spanRows)
	for i := range int64(h.tasks) {
		p.Tasks = append(p.Tasks, ledger.PlanTask{File: -1, From: i * rows, To: (i + 1) * rows, Rows: rows, BlockRows: spanRows})
	}
	parts, err := p.Parts(flow.NewNonce())
	require.NoError(t, err)
	require.NoError(t, h.run.Ledger.AppendUntil(t.Context(), func(s *ledger.State) *ledger.Entry {
		return &ledger.Entry{Kind: ledger.KindPlan, Plan: parts[0]}
	}))
	require.NotEmpty(t, h.run.PlanHash())
}

// alone takes the task to plan away, which would make a reader queue the tasks of the run:
// the test is the only reader.
func (h *hand) alone() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(h.t.Context())
	defer cancel()
	tasks := h.run.Tasks(1, nil)
	var wg sync.WaitGroup
	wg.Go(func() { tasks.Serve(ctx, ctx) })
	d, err := tasks.Next(ctx, 0)
	require.NoError(h.t, err)
	d.Ack()
	require.Eventually(h.t, func() bool {
		return stream(h.t, h.Server.JetStream(h.t), "levada-tasks-"+string(h.run.Run)).CachedInfo().State.Msgs == 0
	},
		stack.Limit, time.Millisecond)
	cancel()
	wg.Wait()
}

// block makes the block of span i of a task, in some epoch. Release it.
func (h *hand) block(task, i int, epoch string) *blocks.Block {
	from := int64(i * spanRows)
	base := int64(task*h.spans*spanRows) + from
	b := array.NewInt64Builder(memory.DefaultAllocator)
	defer b.Release()
	for v := base; v < base+spanRows; v++ {
		b.Append(v)
	}
	col := b.NewInt64Array()
	defer col.Release()
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	return &blocks.Block{
		Header: blocks.Header{
			Run: string(h.run.Run), Stage: flow.SourceStage, Span: blocks.Span{Task: uint32(task), From: from, To: from + spanRows},
			Attempt: flow.NewNonce(), Plan: h.run.PlanHash(), Epoch: epoch, Rows: spanRows,
		},
		Batch: array.NewRecordBatch(schema, []arrow.Array{col}, spanRows),
	}
}

// publish stores span i of a task. Each call has an epoch of its own, so that no
// window swallows a copy.
func (h *hand) publish(task, i int) {
	h.t.Helper()
	b := h.block(task, i, flow.NewNonce())
	defer b.Release()
	require.NoError(h.t, h.pub.PublishBlock(h.t.Context(), h.run.Run, b, nil))
}

// extent states a task's rows.
func (h *hand) extent(task int) {
	h.t.Helper()
	require.NoError(h.t, h.run.Ledger.AppendUntil(h.t.Context(), func(s *ledger.State) *ledger.Entry {
		if _, ok := s.Extent(uint32(task)); ok {
			return nil
		}
		return &ledger.Entry{Kind: ledger.KindExtent, Extent: &ledger.Extent{Plan: s.PlanID(), Task: uint32(task), Rows: int64(h.spans * spanRows)}}
	}))
}

// all publishes everything once and states all extents.
func (h *hand) all() {
	h.t.Helper()
	for task := range h.tasks {
		for i := range h.spans {
			h.publish(task, i)
		}
		h.extent(task)
	}
}

// writer starts a writer process.
func (h *hand) writer() *stack.Process {
	h.t.Helper()
	return h.start(writer.New(writer.Config{}))
}

// start starts a process. When the test ends the gates open before it is killed: it
// must be able to go.
func (h *hand) start(roles ...flow.Role) *stack.Process {
	h.t.Helper()
	return h.startOn(h.Server.Dial, roles...)
}

func (h *hand) startOn(dial flow.Dialer, roles ...flow.Role) *stack.Process {
	h.t.Helper()
	p := h.StartOn(h.t, dial, roles...)
	h.t.Cleanup(func() {
		for _, g := range h.gates {
			g.release()
		}
	})
	return p
}

// wait waits until cond holds on the fold, as the test's own eyes see it.
func (h *hand) wait(what string, cond func(*ledger.State) bool) {
	h.t.Helper()
	require.Eventually(h.t, func() bool {
		return h.run.Ledger.Sync(h.t.Context()) == nil && flow.Look(h.run.Ledger, cond)
	}, stack.Limit, 5*time.Millisecond, what)
}

// committed waits until n spans of the run are covered.
func (h *hand) committed(n int) {
	h.t.Helper()
	h.wait("commits", func(s *ledger.State) bool { return s.Progress().Covered >= int64(n*spanRows) })
}

// entries counts the entries of a kind in the ledger's stream.
func (h *hand) entries(kind ledger.Kind) int {
	h.t.Helper()
	s, err := h.Server.JetStream(h.t).Stream(h.t.Context(), "levada-ledger-"+string(h.run.Run))
	require.NoError(h.t, err)
	n := 0
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		msg, err := s.GetMsg(h.t.Context(), seq)
		require.NoError(h.t, err)
		e, err := ledger.DecodeEntry(msg.Data)
		require.NoError(h.t, err)
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// exact checks the end of the run: done, every number once, nothing left behind.
func (h *hand) exact() *sink.Manifest {
	h.t.Helper()
	rec := h.Await(h.t, h.run.Run)
	require.Equal(h.t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(h.t, h.out, h.run.Run)
	h.requireIDs(h.tasks * h.spans * spanRows)
	return m
}

// requireIDs checks that the visible rows are the numbers from 0 to n, each once.
func (h *hand) requireIDs(n int) {
	h.t.Helper()
	ids := []int{}
	for _, row := range stack.Rows(h.t, h.out) {
		_, v, _ := strings.Cut(row, "id=")
		id, err := strconv.Atoi(v)
		require.NoError(h.t, err)
		ids = append(ids, id)
	}
	slices.Sort(ids)
	want := make([]int, n)
	for i := range want {
		want[i] = i
	}
	require.Equal(h.t, want, ids)
}

// gate stops the first goroutine that comes to a fault point; later ones pass.
type gate struct {
	reached chan struct{}
	open    chan struct{}
	once    sync.Once
}

func (h *hand) stopAt(name fault.Name) *gate {
	h.t.Helper()
	g := &gate{reached: make(chan struct{}), open: make(chan struct{})}
	h.gates = append(h.gates, g)
	var first sync.Once
	fault.Set(h.t, name, func() {
		mine := false
		first.Do(func() { mine = true })
		if mine {
			close(g.reached)
			<-g.open
		}
	})
	return g
}

// await waits until somebody stands at the gate.
func (g *gate) await(t *testing.T) {
	t.Helper()
	select {
	case <-g.reached:
	case <-time.After(stack.Limit):
		require.FailNow(t, "nobody came to the fault point")
	}
}

func (g *gate) release() { g.once.Do(func() { close(g.open) }) }

// copySpec is a pipeline that copies files, with a stage that does nothing to them.
func copySpec(uri, out, sink, policies string) string {
	return fmt.Sprintf(`apiVersion: levada/v1
name: copy
source: { parquet: { uri: %q } }
stages:
  - name: same
    transform: [{ filter: "id >= 0" }]
sink:
  parquet:
    uri: %q
%spolicies:
  max_age: 300ms
%s`, uri, out, sink, policies)
}

// keep is a stage's function that changes nothing.
func keep(_ context.Context, in arrow.RecordBatch) (arrow.RecordBatch, error) {
	in.Retain()
	return in, nil
}
