package writer

import (
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/pipeline"
)

// BenchmarkAppend writes the customer table: split, encode, compress, hash, sync.
func BenchmarkAppend(b *testing.B) {
	const rows, cut = 32 << 10, 32 // blocks between two cuts
	for _, c := range []struct {
		name      string
		countries int
		spec      pipeline.ParquetSink
	}{
		{"one file", 1, pipeline.ParquetSink{}},
		{"one file, zstd", 1, pipeline.ParquetSink{Compression: pipeline.Compression{Codec: "zstd"}}},
		{"40 files", 40, pipeline.ParquetSink{PartitionBy: []string{"country"}, MaxOpenFiles: 256}},
		{"one file, in order", 1, pipeline.ParquetSink{PreserveOrder: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			mem := memory.DefaultAllocator
			out := newOutput(b)
			batch := customers(mem, rand.New(rand.NewPCG(1, 2)), 0, rows, c.countries)
			defer batch.Release()
			s := newFileSetOf(out.sink, customerSchema, &c.spec, fileSetOptions{})
			b.ReportAllocs()
			b.SetBytes(blocks.DataSize(batch))
			from := int64(0)
			for b.Loop() {
				require.NoError(b, s.Append(b.Context(), batch, blocks.Span{From: from, To: from + rows}))
				from += rows
				if from%(cut*rows) == 0 {
					files, err := s.Finish(b.Context())
					require.NoError(b, err)
					for _, f := range files {
						require.NoError(b, out.sink.Discard(b.Context(), f))
					}
				}
			}
			s.Abandon(b.Context())
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
		})
	}
}
