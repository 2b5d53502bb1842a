package stitch_test

import (
	"bytes"
	"io"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/stitch"
)

// counter counts what is read.
type counter struct {
	io.ReaderAt
	n, reads atomic.Int64
}

func (c *counter) ReadAt(p []byte, at int64) (int, error) {
	c.n.Add(int64(len(p)))
	c.reads.Add(1)
	return c.ReaderAt.ReadAt(p, at)
}

// A row group that is taken in pieces has all its rows, in whatever order the pieces come,
// and each piece reads little more than its own pages.
func TestGatherPieces(t *testing.T) {
	rounds.Alone(t)
	const rows, pieces = 240_000, 6
	fs := []arrow.Field{
		{Name: "number", Type: arrow.PrimitiveTypes.Int64},
		{Name: "some", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "word", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "day", Type: arrow.FixedWidthTypes.Date32},
	}
	b := batch(t, fs, rows, 1, 1<<30)
	defer b.Release()
	for name, f := range map[string]form{
		"plain":      {codec: forms()[0].codec, page: 20_000, noIdx: true},
		"dictionary": {codec: forms()[0].codec, page: 20_000, dict: true, limit: 8 << 20, noIdx: true},
	} {
		data := write(t, f, b)
		for order, of := range map[string]func(i int) int{"ahead": func(i int) int { return i }, "back": func(i int) int { return pieces - 1 - i }, "mixed": func(i int) int { return i * 5 % pieces }} {
			t.Run(name+"/"+order, func(t *testing.T) {
				in := &counter{ReaderAt: bytes.NewReader(data)}
				s, err := stitch.OpenSource("test.parquet", in, int64(len(data)))
				require.NoError(t, err)
				l := layout(t, stitch.Options{Codec: "none"}, fs...)
				var out bytes.Buffer
				w := stitch.NewWriter(&out, l)
				in.n.Store(0)
				for i := range pieces {
					g := all(s, 0, fs)
					g.Keep = make([]uint32, rows/pieces)
					for k := range g.Keep {
						g.Keep[k] = uint32(of(i)*rows/pieces + k)
					}
					g.Rows = int64(len(g.Keep))
					require.NoError(t, w.Append(t.Context(), g))
				}
				_, err = w.Close()
				require.NoError(t, err)
				tbl := read(t, out.Bytes())
				defer tbl.Release()
				for c, f := range fs {
					got := whole(t, tbl.Column(c).Data())
					for i := range pieces {
						from, n := int64(of(i)*rows/pieces), int64(rows/pieces)
						equal(t, array.NewSlice(b.Column(c), from, from+n), array.NewSlice(got, int64(i)*n, int64(i+1)*n), f.Name)
					}
				}
				if name == "plain" && order == "ahead" { // a dictionary is read for each piece
					require.Less(t, in.n.Load(), int64(len(data))*2, "of a file of %d bytes", len(data))
				}
			})
		}
	}
}

// The page indexes of all columns that are copied are read together: over a network each
// read is a request.
func TestIndexesAreReadTogether(t *testing.T) {
	fs := fields(flat())
	b := batch(t, fs, 1000, 1, 100)
	defer b.Release()
	data := write(t, form{codec: forms()[0].codec}, b)
	in := &counter{ReaderAt: bytes.NewReader(data)}
	s, err := stitch.OpenSource("test.parquet", in, int64(len(data)))
	require.NoError(t, err)
	var out bytes.Buffer
	w := stitch.NewWriter(&out, layout(t, stitch.Options{Codec: codec(forms()[0].codec)}, fs...))
	in.reads.Store(0)
	g := all(s, 0, fs)
	g.Columns[3] = stitch.Column{Values: []arrow.Array{b.Column(3)}} // what is copied need not be adjacent
	require.NoError(t, w.Append(t.Context(), g))
	require.EqualValues(t, 3, in.reads.Load(), "two pieces of chunks, and the indexes")
	_, err = w.Close()
	require.NoError(t, err)
	read(t, out.Bytes()).Release()
	checkPages(t, out.Bytes())
}
