//go:build chaos

package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/flow"
)

const (
	pressureRows = 1_200_000
	pressureEdge = 16 << 20
	// without is how long there is no writer.
	without = time.Minute
)

// TestBackpressure has no writer for a minute. Both edges fill up to their bound and not
// further, the reader waits, no process grows, and when a writer comes, the run ends with
// every row once and nothing delivered twice: waiting is no reason to deliver again.
func TestBackpressure(t *testing.T) {
	g := newRig(t, pressureRows)
	dir := filepath.Join(g.dir, "pressure")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	j := job{shape: shape{partitioned: true, filtered: true, narrow: true}, name: "pressure", input: g.input, output: local(filepath.Join(dir, "out")), stages: 1, above: 20, codec: "snappy", mode: "error", visibility: "file", maxAge: second}
	spec := filepath.Join(dir, "spec.yaml")
	require.NoError(t, os.WriteFile(spec, []byte(j.spec()), 0o644))
	b, err := newBroker(g, dir)
	require.NoError(t, err)
	require.NoError(t, b.start(t.Context()))
	t.Cleanup(b.kill)
	start := func(role string) *process {
		p, err := launch(role, filepath.Join(dir, role+".log"), nil, g.levada, role, "--nats", b.url(), "--ack-wait", ackWait.String())
		require.NoError(t, err)
		t.Cleanup(p.kill)
		return p
	}
	procs := []*process{b.proc, start("reader"), start("transform")}
	out, err := g.ask(t.Context(), "submit", spec, "--nats", b.url())
	require.NoError(t, err)
	run := flow.RunID(strings.TrimSpace(out))
	conn, err := flow.Connect(t.Context(), flow.DialURL(b.url(), nats.Timeout(10*time.Second)), flow.Config{Name: "chaos"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(conn.Close)

	s := &gauge{edges: map[string]int64{}, memory: map[string]int64{}}
	look := func() {
		for _, stage := range []string{flow.SourceStage, "refine"} {
			d, err := conn.Depth(t.Context(), run, stage)
			require.NoError(t, err)
			require.LessOrEqual(t, d.Bytes, int64(pressureEdge), stage)
			s.edges[stage] = max(s.edges[stage], d.Bytes)
		}
		for _, p := range procs {
			rss := resident(t, p.cmd.Process.Pid)
			require.Less(t, rss, int64(memoryBudget), p.name)
			s.memory[p.name] = max(s.memory[p.name], rss)
		}
	}
	sent := func() int64 { return g.stage(t, b, run, flow.SourceStage).RowsOut }
	var before int64
	require.Eventually(t, func() bool { // full, and nothing moves any more
		look()
		last := before
		before = sent()
		return before > 0 && before == last && s.edges[flow.SourceStage] > pressureEdge*9/10
	}, stall, second)
	require.Less(t, before, int64(pressureRows))
	for end := time.Now().Add(without); time.Now().Before(end); <-time.After(second / 2) { // a minute is what it is about
		look()
	}
	require.Equal(t, before, sent(), "the reader waits")

	procs = append(procs, start("writer"))
	require.Eventually(t, func() bool {
		look()
		rec, err := conn.Lookup(t.Context(), run)
		return err == nil && rec.Status == flow.StatusDone
	}, longest, second/2)
	require.NoError(t, j.check(t.Context(), string(run)))
	for _, stage := range []string{flow.SourceStage, "refine", flow.SinkStage} {
		total := g.stage(t, b, run, stage)
		require.Zero(t, total.Redelivered, stage)
		t.Logf("%-7s waited %4.1f s for input and %4.1f s for output", stage, total.WaitIn.Seconds(), total.WaitOut.Seconds())
	}
	require.Greater(t, g.stage(t, b, run, flow.SourceStage).WaitOut, without)
	s.report(t)
}

// gauge keeps the largest figures.
type gauge struct{ edges, memory map[string]int64 }

func (s *gauge) report(t *testing.T) {
	t.Helper()
	for stage, n := range s.edges {
		t.Logf("edge of %-7s held %4.1f of %d MiB", stage, float64(n)/(1<<20), pressureEdge>>20)
	}
	for name, n := range s.memory {
		t.Logf("%-11s held %4d of %d MiB", name, n>>20, memoryBudget>>20)
	}
}

// stage is the sum of what the instances of a stage say of themselves.
func (g *rig) stage(t *testing.T, b *broker, run flow.RunID, stage string) flow.Stats {
	t.Helper()
	out, err := g.ask(t.Context(), "stats", string(run), "--json", "--nats", b.url())
	require.NoError(t, err)
	var sum flow.Summary
	require.NoError(t, json.Unmarshal([]byte(out), &sum))
	i := slices.IndexFunc(sum.Stages, func(s flow.StageSummary) bool { return s.Stage == stage })
	if i < 0 {
		return flow.Stats{}
	}
	return sum.Stages[i].Total
}

// resident is the memory that a process holds now, in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	require.NoError(t, err)
	_, rest, ok := bytes.Cut(data, []byte("VmRSS:"))
	require.True(t, ok, "no VmRSS: the process has exited")
	kib, err := strconv.ParseInt(string(bytes.Fields(rest)[0]), 10, 64)
	require.NoError(t, err)
	return kib << 10
}
