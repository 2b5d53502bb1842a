package stitch_test

import (
	"bytes"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/stitch"
)

// Arrays of every type, sliced and in several chunks, read as they were, with the bounds
// and pages that the metadata says; few rows and as many as fill pages.
func TestEncode(t *testing.T) {
	fs := fields(append(flat(), nested()...))
	for _, codec := range rounds.Some([]string{"none", "snappy", "zstd"}) {
		for _, rows := range []int{1, 999, rounds.Of(70_000)} {
			fs := fs
			if rows > 1000 {
				fs = fields(flat())
			}
			b := batch(t, fs, rows+7, 5, 100_000)
			g := stitch.Group{Rows: int64(rows)}
			for i := range fs {
				cut := int64(3 + (i*131)%rows)
				g.Columns = append(g.Columns, stitch.Column{Values: []arrow.Array{
					array.NewSlice(b.Column(i), 3, cut), array.NewSlice(b.Column(i), cut, cut), array.NewSlice(b.Column(i), cut, int64(rows)+3),
				}})
			}
			var out bytes.Buffer
			w := stitch.NewWriter(&out, layout(t, stitch.Options{Codec: codec}, fs...))
			require.NoError(t, w.Append(t.Context(), g))
			_, err := w.Close()
			require.NoError(t, err)
			tbl := read(t, out.Bytes())
			for i, f := range fs {
				equal(t, array.NewSlice(b.Column(i), 3, int64(rows)+3), whole(t, tbl.Column(i).Data()), f.Name+" "+f.Type.String())
			}
			tbl.Release()
			if rows > 1000 {
				checkBounds(t, out.Bytes(), fs)
			} else {
				checkPages(t, out.Bytes())
			}
			b.Release()
		}
	}
}
