package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// BenchmarkTaps is BenchmarkJob's copy with so many taps, each of which decodes every
// block of every stage. They are in the same process: on few cores their own work is part
// of the figure, beside what they make the server send.
func BenchmarkTaps(b *testing.B) {
	in := stack.Customers(b, rows, 4, rowsPerGroup)
	for _, taps := range []int{0, 1, 10} {
		b.Run(fmt.Sprint(taps), func(b *testing.B) {
			s := stack.New(b)
			s.Start(b, reader.New(reader.Config{}), transform.New(transform.Config{}), writer.New(writer.Config{}))
			ctx, stop := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			lost, seen := make([]int, taps), make([]int, taps)
			for i := range taps {
				conn := s.Connect(b)
				tap, err := conn.Tap(flow.TapConfig{})
				require.NoError(b, err)
				wg.Go(func() {
					defer tap.Close()
					seen[i] = listen(ctx, tap)
					lost[i] = tap.Lost()
				})
			}
			perRow(b, func() {
				out := filepath.Join(b.TempDir(), "out")
				rec := s.Await(b, s.Submit(b, spec(in, out, "", ""), asRun))
				require.Equal(b, flow.StatusDone, rec.Status, rec.Reason)
				require.NoError(b, os.RemoveAll(out))
			})
			stop()
			wg.Wait()
			all, gone := 0, 0
			for i := range taps {
				all, gone = all+seen[i], gone+lost[i]
			}
			b.ReportMetric(float64(all)/float64(b.N), "shown/op")
			b.ReportMetric(float64(gone)/float64(b.N), "lost/op")
		})
	}
}

// listen decodes what passes until ctx ends, and returns how many blocks there were.
func listen(ctx context.Context, tap *flow.Tap) int {
	opts := blocks.DecodeOptions{MaxBytes: 8 << 20, Schemas: &blocks.SchemaCache{}}
	for n := 0; ; n++ {
		t, err := tap.Next(ctx)
		if err != nil {
			return n
		}
		block, err := t.Decode(opts)
		if err != nil {
			return n
		}
		block.Release()
	}
}
