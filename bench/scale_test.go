package bench

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// BenchmarkScale is a job whose stage waits 5 ms for each block, as one does that calls a
// service, served by 1, 2 and 4 instances of one worker on connections of their own. The
// cores are not the limit, so it shows what sharing the work costs: the pace of all
// instances, and its share of the pace of one times their number.
func BenchmarkScale(b *testing.B) {
	const wait = 5 * time.Millisecond
	one := 0.0 // pace of one instance
	for _, n := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("instances=%d", n), func(b *testing.B) {
			// As long for any number of instances, so that the ends weigh the same.
			const perInstance = 1000
			total, took, worked := 0, time.Duration(0), time.Duration(0)
			for b.Loop() {
				c := &stopwatch{}
				waits(b, n, n*perInstance, wait, c)
				require.GreaterOrEqual(b, c.blocks, n*perInstance)
				total += c.blocks
				took += c.last.Sub(c.first)
				worked += c.worked
			}
			pace := float64(total) / took.Seconds()
			b.ReportMetric(pace, "blocks/s")
			// Where others use the machine, a timer of 5 ms takes longer; this tells it apart
			// from time that a worker stood without a block.
			b.ReportMetric(worked.Seconds()/took.Seconds()/float64(n), "working")
			if n == 1 {
				one = pace
			}
			if one > 0 {
				b.ReportMetric(pace/(one*float64(n)), "of-linear")
			}
		})
	}
}

// stopwatch runs from the first block that a stage takes to the last that it is done with.
type stopwatch struct {
	mu          sync.Mutex
	first, last time.Time
	worked      time.Duration // of all workers together
	blocks      int
}

// take counts a block, and returns the moment.
func (s *stopwatch) take() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.first.IsZero() {
		s.first = now
	}
	return now
}

func (s *stopwatch) done(taken time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	s.worked += s.last.Sub(taken)
	s.blocks++
}

// waits runs a job of so many blocks through n instances of a stage.
func waits(b *testing.B, n, count int, wait time.Duration, c *stopwatch) {
	b.Helper()
	const perBlock = 64 // rows of a block of 1 KiB: so small that nothing but the wait takes time
	s := stack.New(b)
	stage := func() *flow.Stage {
		return &flow.Stage{Stage: "wait", Workers: 1, Process: func(ctx context.Context, in *blocks.Block) (flow.Output, error) {
			taken := c.take()
			timer := time.NewTimer(wait)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-ctx.Done():
				return flow.Output{}, context.Cause(ctx)
			}
			c.done(taken)
			in.Batch.Retain()
			return flow.Output{Batch: in.Batch}, nil
		}}
	}
	run := s.Submit(b, fmt.Sprintf(`apiVersion: levada/v1
name: scale
source: { range: { rows: %d } }
stages: [{ name: wait, external: { columns: { id: int64 } } }]
sink: { parquet: { uri: %q } }
`, count*perBlock, filepath.Join(b.TempDir(), "out")), func(rec *flow.Record) { rec.BlockBytes = 1 << 10 })
	s.Start(b, reader.New(reader.Config{Tasks: 1}), writer.New(writer.Config{}))
	instances := make([]*stack.Process, n)
	for i := range instances {
		instances[i] = s.Start(b, stage())
	}
	rec := s.Await(b, run)
	require.Equal(b, flow.StatusDone, rec.Status, rec.Reason)
	for _, p := range instances {
		require.NoError(b, p.Drain())
	}
}
