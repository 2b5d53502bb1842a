package stack_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// valve lets so many blocks be between two stages as it is open.
type valve chan struct{}

func newValve(open int) valve {
	v := make(valve, open)
	v.add(open)
	return v
}

func (v valve) add(n int) {
	for range n {
		select {
		case v <- struct{}{}:
		default: // a block came again and was counted before
		}
	}
}

func (v valve) take(ctx context.Context) error {
	select {
	case <-v:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// passes is a stage that waits as wait says and changes nothing.
func passes(stage string, least, most int, wait func(context.Context) error) *flow.Stage {
	return &flow.Stage{Stage: stage, Workers: least, MaxWorkers: most, Process: func(ctx context.Context, in *blocks.Block) (flow.Output, error) {
		if err := wait(ctx); err != nil {
			return flow.Output{}, err
		}
		in.Batch.Retain()
		return flow.Output{Batch: in.Batch}, nil
	}}
}

// busyFor waits on a timer, as a stage does that calls a service.
func busyFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stageStats waits until the reports of a stage, added up, are as wanted.
func stageStats(t *testing.T, board *flow.Board, stage string, wanted func(flow.Stats) bool, what string) flow.Stats {
	t.Helper()
	var sum flow.Stats
	require.Eventually(t, func() bool {
		sum = flow.Stats{}
		for _, s := range board.All() {
			if s.Stage == stage {
				sum.Add(s)
			}
		}
		return wanted(sum)
	}, stack.Limit, pollEvery, "%s: %s", stage, what)
	return sum
}

// The workers of a stage that waits grow while blocks wait for it, leave in the middle of
// the work when most of them have none, and no block is lost or doubled by it.
func TestWorkersGrowUnderLoadAndLeaveWhenIdle(t *testing.T) {
	const (
		rows     = 200_000
		between  = 64
		most     = 8
		perBlock = 20 * time.Millisecond
	)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	v := newValve(between)
	var slow atomic.Bool
	slow.Store(true)
	s.Start(t, reader.New(reader.Config{Tasks: 1}), passes("first", 4, 4, v.take))
	s.Start(t, passes("pool", 1, most, func(ctx context.Context) error {
		if slow.Load() {
			if err := busyFor(ctx, perBlock); err != nil {
				return err
			}
		}
		v.add(1)
		return nil
	}))
	run := s.Submit(t, fmt.Sprintf(`apiVersion: levada/v1
name: pool
source: { range: { rows: %d } }
stages:
  - { name: first, external: { columns: { id: int64 } } }
  - { name: pool, external: { columns: { id: int64 } } }
sink: { parquet: { uri: %q } }
policies: { max_age: 1s }
`, rows, out), func(rec *flow.Record) { rec.BlockBytes = 1 << 10 })
	board, err := s.Connect(t).Watch(run)
	require.NoError(t, err)
	defer board.Close()

	grown := stageStats(t, board, "pool", func(s flow.Stats) bool { return s.Workers == most }, "never grew")
	require.GreaterOrEqual(t, len(grown.Scaling), 3, "by steps")
	require.Equal(t, 1, grown.Scaling[0].From)
	for i, c := range grown.Scaling {
		require.LessOrEqual(t, c.To, 2*c.From)
		require.Regexp(t, `^\d+ blocks? waited, output did not$`, c.Reason)
		if i > 0 {
			require.Equal(t, grown.Scaling[i-1].To, c.From)
		}
	}

	for range between - 1 { // from now on one block at a time is on its way
		require.NoError(t, v.take(t.Context()))
	}
	shrunk := stageStats(t, board, "pool", func(s flow.Stats) bool { return s.Workers < most/2 }, "never shrank")
	require.Greater(t, shrunk.BlocksOut, grown.BlocksOut, "blocks passed meanwhile")
	last := shrunk.Scaling[len(shrunk.Scaling)-1]
	require.Equal(t, fmt.Sprintf("%d were enough", last.To), last.Reason)

	slow.Store(false)
	v.add(between - 1)
	s.Start(t, writer.New(writer.Config{}))
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	stack.Clean(t, out, run)
	got := stack.Rows(t, out)
	require.Len(t, got, rows)
	seen := make(map[string]bool, rows)
	for _, row := range got {
		seen[row] = true
	}
	require.Len(t, seen, rows, "every number is there")
	require.Contains(t, string(rec.Summary), "waited, output did not", "why stays to be seen after the end")
}

// A stage has the workers of its spec; those of the process outdo them.
func TestWorkersComeFromTheSpecOrTheProcess(t *testing.T) {
	for name, c := range map[string]struct {
		spec string
		cfg  transform.Config
		want int
	}{
		"Stage":         {"workers: { min: 3, max: 6 }", transform.Config{}, 3},
		"StageNumber":   {"workers: 5", transform.Config{}, 5},
		"Process":       {"workers: { min: 3, max: 6 }", transform.Config{Workers: 2}, 2},
		"ProcessBounds": {"", transform.Config{Workers: 2, MaxWorkers: 9}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			s := stack.New(t)
			run := s.Submit(t, fmt.Sprintf(`apiVersion: levada/v1
name: workers
source: { range: { rows: 10 } }
stages:
  - name: all
    transform: [{ filter: "id >= 0" }]
    %s
sink: { parquet: { uri: %q } }
`, c.spec, filepath.Join(t.TempDir(), "out")), nil)
			board, err := s.Connect(t).Watch(run)
			require.NoError(t, err)
			defer board.Close()
			s.Start(t, reader.New(reader.Config{Tasks: 2}), transform.New(c.cfg))
			stageStats(t, board, "all", func(s flow.Stats) bool { return s.Workers == c.want }, "workers are not those")
			stageStats(t, board, flow.SourceStage, func(s flow.Stats) bool { return s.Workers == 2 }, "tasks are its workers")
		})
	}
}
