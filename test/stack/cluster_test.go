package stack_test

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// clustered is a run on three servers, of many blocks, that the test moves on: each
// step lets some more blocks leave the transform.
type clustered struct {
	*stack.Stack
	t      *testing.T
	run    flow.RunID
	out    string
	passes chan struct{}
}

const clusteredRows = 60_000

func startClustered(t *testing.T) *clustered {
	t.Helper()
	in := stack.Customers(t, clusteredRows, 3, 2048)
	c := &clustered{Stack: stack.NewCluster(t), t: t, out: filepath.Join(t.TempDir(), "out"), passes: make(chan struct{})}
	fault.Set(t, fault.TransformAckBefore, func() { <-c.passes })
	c.Start(t, stack.All()...)
	c.run = c.Submit(t, spec(in, c.out, "", "  block_bytes: 64KiB"), func(r *flow.Record) {
		for i := range r.Edges {
			r.Edges[i].MaxBytes = 1 << 20 // most blocks wait for others to leave
		}
	})
	return c
}

func (c *clustered) step(blocks int) {
	for range blocks {
		c.passes <- struct{}{}
	}
}

// streams lists what the run cannot do without.
func (c *clustered) streams() []string {
	id := string(c.run)
	return []string{"levada-ledger-" + id, "levada-tasks-" + id, "levada-blocks-" + id + "-source", "levada-blocks-" + id + "-refine", "KV_levada-runs"}
}

// exact lets all blocks go and checks the end.
func (c *clustered) exact() {
	c.t.Helper()
	close(c.passes)
	rec := c.Await(c.t, c.run)
	require.Equal(c.t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(c.t, c.out, c.run)
	require.Equal(c.t, int64(clusteredRows), m.Books.Source)
	require.Len(c.t, stack.Rows(c.t, c.out), int(m.Books.Written))
}

// As many replicas as were asked for, of the ledger and of every other stream.
func TestRule25LedgerStream_HasItsReplicas(t *testing.T) {
	c := startClustered(t)
	c.step(1)
	js := natstest.JetStream(t, c.Connect(t).NATS())
	for _, name := range c.streams() {
		s, err := js.Stream(t.Context(), name)
		require.NoError(t, err)
		require.Equal(t, 3, s.CachedInfo().Config.Replicas, name)
	}
	c.exact()
}

// Every stream of a run changes its leader in the middle of it.
func TestClusterLeadersChange(t *testing.T) {
	c := startClustered(t)
	for _, name := range c.streams() {
		c.step(5)
		c.Cluster.StepDown(name)
	}
	c.exact()
}

// One of three servers goes, and when it has come back another one does.
func TestClusterLosesAServer(t *testing.T) {
	c := startClustered(t)
	c.step(5)
	first := c.Cluster.Leader(c.streams()[0])
	first.Shutdown()
	c.step(5)
	first.Restart()
	c.Cluster.Await()
	c.step(5)
	c.Cluster.Leader(c.streams()[3]).Shutdown()
	c.exact()
}
