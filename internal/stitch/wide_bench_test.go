package stitch_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/stitch"
)

// BenchmarkWide copies a file of many columns, its footer read and written too. What a
// column costs shall not grow with their number.
func BenchmarkWide(b *testing.B) {
	for _, columns := range []int{1000, 4000} {
		b.Run(fmt.Sprint(columns), func(b *testing.B) {
			var fs []arrow.Field
			for i := range columns {
				fs = append(fs, arrow.Field{Name: fmt.Sprintf("column_%d", i), Type: arrow.PrimitiveTypes.Int64, Nullable: true})
			}
			data, l := write(b, form{codec: compress.Codecs.Snappy}, batch(b, fs, 300, 1, 1000)), layout(b, stitch.Options{}, fs...)
			b.ReportAllocs()
			for b.Loop() {
				s, err := stitch.OpenSource("wide.parquet", bytes.NewReader(data), int64(len(data)))
				require.NoError(b, err)
				for i, f := range fs {
					require.NoError(b, l.Passes(i, s, 0, f.Name))
				}
				w := stitch.NewWriter(io.Discard, l)
				require.NoError(b, w.Append(b.Context(), all(s, 0, fs)))
				_, err = w.Close()
				require.NoError(b, err)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(columns), "ns/column")
		})
	}
}
