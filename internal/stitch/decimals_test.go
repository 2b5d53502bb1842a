package stitch_test

import (
	"bytes"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
)

// inMemory is a file to open.
type inMemory struct{ *bytes.Reader }

func (inMemory) Name() string { return "test.parquet" }
func (inMemory) Close() error { return nil }

// Decimals in integers stay there, and are neither decoded where all rows of a row group
// are kept nor where some are.
func TestDecimalsInIntegers(t *testing.T) {
	fs := fields([]arrow.DataType{&arrow.Decimal128Type{Precision: 7, Scale: 2}, &arrow.Decimal128Type{Precision: 18, Scale: 4}})
	const rows = 1000
	b := batch(t, fs, rows, 1, 1000)
	defer b.Release()
	for _, f := range []form{{codec: compress.Codecs.Snappy, ints: true}, {codec: compress.Codecs.Snappy, ints: true, dict: true, v2: true}} {
		t.Run(f.String(), func(t *testing.T) {
			data := write(t, f, b)
			in, err := parquet.Open(t.Context(), inMemory{bytes.NewReader(data)}, memory.DefaultAllocator)
			require.NoError(t, err)
			defer func() { require.NoError(t, in.Close()) }()
			s := open(t, data)
			l, err := stitch.NewLayout(in.Schema(), stitch.Options{Stored: in.Original()})
			require.NoError(t, err)
			for c, f := range fs {
				require.NoError(t, l.Passes(c, s, 0, f.Name), f.Name)
				require.NoError(t, l.Gathers(c, s, 0, f.Name), f.Name)
			}
			var out bytes.Buffer
			w := stitch.NewWriter(&out, l)
			copied := all(s, 0, fs)
			require.NoError(t, w.Append(t.Context(), copied))
			var kept []uint32
			for r := uint32(0); r < rows; r += 3 {
				kept = append(kept, r)
			}
			gathered := all(s, 0, fs)
			gathered.Keep, gathered.Rows = kept, int64(len(kept))
			require.NoError(t, w.Append(t.Context(), gathered))
			_, err = w.Close()
			require.NoError(t, err)

			r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
			require.NoError(t, err)
			defer func() { require.NoError(t, r.Close()) }()
			for c := range fs {
				want := []arrowparquet.Type{arrowparquet.Types.Int32, arrowparquet.Types.Int64}[c/2]
				require.Equal(t, want, r.MetaData().Schema.Column(c).PhysicalType())
			}
			tbl := read(t, out.Bytes())
			defer tbl.Release()
			var places []uint32
			for r := range uint32(rows) {
				places = append(places, r)
			}
			places = append(places, kept...)
			for c, f := range fs {
				equal(t, take(t, b.Column(c), places), whole(t, tbl.Column(c).Data()), f.Name)
			}
		})
	}
}
