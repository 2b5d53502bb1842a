package stitch_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/stitch"
)

func forms() []form {
	return []form{
		{codec: compress.Codecs.Uncompressed, page: 300},
		{codec: compress.Codecs.Snappy, dict: true},
		{codec: compress.Codecs.Snappy, dict: true, limit: 200, page: 200},
		{codec: compress.Codecs.Zstd, v2: true, group: 300},
		{codec: compress.Codecs.Zstd, v2: true, dict: true, limit: 100, page: 500},
		{codec: compress.Codecs.Uncompressed, v2: true, dict: true, page: 100, noIdx: true},
		{codec: compress.Codecs.Zstd, v2: true, delta: true, page: 300, group: 450},
	}
}

// Every column of every type, copied from two files, with a file in memory and encoded
// rows between them, reads as its source.
func TestCopy(t *testing.T) {
	fs := fields(append(flat(), nested()...))
	for _, f := range rounds.Some(forms()) {
		t.Run(f.String(), func(t *testing.T) {
			a, b := batch(t, fs, 1000, 1, 200), batch(t, fs, 137, 2, 3)
			one, two := open(t, write(t, f, a)), open(t, write(t, f, b))
			l := layout(t, stitch.Options{Codec: codec(f.codec)}, fs...)
			var out bytes.Buffer
			w := stitch.NewWriter(&out, l)
			for g := range one.Groups() {
				for i, c := range fs {
					require.NoError(t, l.Passes(i, one, g, c.Name), c.Name)
				}
				require.NoError(t, w.Append(t.Context(), all(one, g, fs)))
			}
			require.NoError(t, w.AppendFile(t.Context(), ours(t, codec(f.codec), b)))
			g := all(two, 0, fs)
			for i := range g.Columns {
				if i%3 == 0 {
					g.Columns[i] = stitch.Column{Values: []arrow.Array{b.Column(i)}}
				}
			}
			require.NoError(t, w.Append(t.Context(), g))
			require.EqualValues(t, 1274, w.Rows())
			n, err := w.Close()
			require.NoError(t, err)
			require.EqualValues(t, out.Len(), n)
			checkPages(t, out.Bytes())
			got := read(t, out.Bytes())
			require.EqualValues(t, 1274, got.NumRows())
			for i, c := range fs {
				col := whole(t, got.Column(i).Data())
				for _, part := range []struct {
					from, to int
					want     arrow.RecordBatch
				}{{0, 1000, a}, {1000, 1137, b}, {1137, 1274, b}} {
					rows := make([]uint32, 0, part.to-part.from)
					for r := part.from; r < part.to; r++ {
						rows = append(rows, uint32(r))
					}
					equal(t, part.want.Column(i), take(t, col, rows), c.Name+" "+c.Type.String())
				}
			}
		})
	}
}

// ours is a file as internal/parquet writes it.
func ours(t testing.TB, codec string, batches ...arrow.RecordBatch) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, batches[0].Schema(), parquet.WriteOptions{Codec: codec})
	require.NoError(t, err)
	for _, b := range batches {
		require.NoError(t, w.Write(b))
	}
	_, err = w.Close()
	require.NoError(t, err)
	return out.Bytes()
}

// Columns may get other names and another order.
func TestRename(t *testing.T) {
	fs := fields(append(flat()[:4], nested()...))
	b := batch(t, fs, 50, 3, 10)
	s := open(t, write(t, form{codec: compress.Codecs.Snappy}, b))
	renamed := slices.Clone(fs)
	for i := range renamed {
		renamed[i].Name = "new " + renamed[i].Name
	}
	slices.Reverse(renamed)
	g := all(s, 0, fs)
	slices.Reverse(g.Columns)
	var out bytes.Buffer
	w := stitch.NewWriter(&out, layout(t, stitch.Options{}, renamed...))
	require.NoError(t, w.Append(t.Context(), g))
	_, err := w.Close()
	require.NoError(t, err)
	checkPages(t, out.Bytes())
	got := read(t, out.Bytes())
	for i := range fs {
		require.Equal(t, renamed[i].Name, got.Column(i).Name())
		equal(t, b.Column(len(fs)-1-i), whole(t, got.Column(i).Data()), renamed[i].Name)
	}
}
