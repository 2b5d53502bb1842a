package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

const (
	rows         = 1_000_000
	rowsPerGroup = 125_000
)

// BenchmarkJob is a job from its submission to its end: one process with all roles, over
// loopback TCP to a server with a file store.
func BenchmarkJob(b *testing.B) {
	in := stack.Customers(b, rows, 4, rowsPerGroup)
	for _, job := range []struct{ name, stages, sink string }{
		{"copy", "", ""},
		{"clean", `
  - name: clean
    transform:
      - filter: "amount > 20.0"
      - with: { eur: "amount * 0.92" }
      - select: [id, signed_up, country, eur, email]`, ""},
		{"partition", "", "partition_by: [country]"},
	} {
		b.Run(job.name, func(b *testing.B) {
			s := stack.New(b)
			s.Start(b, reader.New(reader.Config{}), transform.New(transform.Config{}), writer.New(writer.Config{}))
			perRow(b, func() {
				out := filepath.Join(b.TempDir(), "out")
				run := s.Submit(b, spec(in, out, job.stages, job.sink), asRun)
				rec := s.Await(b, run)
				require.Equal(b, flow.StatusDone, rec.Status, rec.Reason)
				require.NoError(b, os.RemoveAll(out))
			})
		})
	}
}

// BenchmarkFilesAlone is BenchmarkJob's copy without bus, ledger and commits: what is
// read is written, in one goroutine. The difference is what the flow costs.
func BenchmarkFilesAlone(b *testing.B) {
	names, err := filepath.Glob(stack.Customers(b, rows, 4, rowsPerGroup))
	require.NoError(b, err)
	perRow(b, func() {
		for i, name := range names {
			require.NoError(b, copyFile(b.Context(), name, filepath.Join(b.TempDir(), strconv.Itoa(i)+".parquet")))
		}
	})
}

func copyFile(ctx context.Context, from, to string) (err error) {
	src, err := storage.OpenLocal(from)
	if err != nil {
		return err
	}
	f, err := parquet.Open(ctx, src, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	dst, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { _ = dst.Close() }()
	w, err := parquet.NewWriter(dst, f.Schema(), parquet.WriteOptions{Codec: "snappy", RowsPerGroup: rowsPerGroup})
	if err != nil {
		return err
	}
	o := parquet.ReadOptions{Columns: f.Schema(), BlockRows: 16384}
	err = f.ReadRowGroups(ctx, 0, f.RowGroups(), o, func(_, _ int64, batch arrow.RecordBatch) error {
		defer batch.Release()
		return w.Write(batch)
	})
	if err != nil {
		return err
	}
	_, err = w.Close()
	return err
}

// perRow runs f over all rows again and again, and reports its time and its CPU time a
// row, that of the server in this process among it.
func perRow(b *testing.B, f func()) {
	b.Helper()
	before := cpu(b)
	for b.Loop() {
		f()
	}
	total := float64(b.N) * rows
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/total, "ns/row")
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/total, "cpu-ns/row")
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// asRun gives a run the blocks and edges that it has by default.
func asRun(rec *flow.Record) {
	rec.BlockBytes = 2<<20 - 64<<10
	for i := range rec.Edges {
		rec.Edges[i].MaxBytes = 256 << 20
	}
}

func spec(in, out, stages, sink string) string {
	if stages != "" {
		stages = "stages:" + stages + "\n"
	}
	return fmt.Sprintf(`apiVersion: levada/v1
name: bench
source: { parquet: { uri: %q } }
%ssink:
  parquet:
    uri: %q
    compression: snappy
    %s
`, in, stages, out, sink)
}
