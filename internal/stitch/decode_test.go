package stitch_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/stitch"
)

// What can be decoded directly reads as it was, in every form.
func TestDecode(t *testing.T) {
	fs := fields(flat())
	for i, f := range rounds.Some(append(forms(), form{codec: forms()[1].codec, dict: true, limit: 4000, page: 2000})) {
		t.Run(f.String(), func(t *testing.T) {
			rows := 1000 + 20_000*(i/6)
			b := batch(t, fs, rows, uint64(i), []int{3, 200, 5000}[i%3])
			s := open(t, write(t, f, b))
			var d stitch.Decoder
			defer d.Close()
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			var read []int
			var columns []arrow.Field
			for c, fd := range fs {
				if d.Decodes(s, 0, fd) == nil {
					read, columns = append(read, c), append(columns, fd)
				}
			}
			require.Len(t, read, 20, "int32, int64, float32, float64, string, binary, date and three timestamps, required and nullable")
			at := 0
			for g := range s.Groups() {
				require.NoError(t, d.Begin(s, g, arrow.NewSchema(columns, nil)))
				all := int(s.Rows(g))
				for from, n := 0, 1; from < all; from += n { // ever larger pieces, every fourth passed over
					n = min(n*3/2+1, all-from)
					if n%4 == 0 {
						require.NoError(t, d.Skip(t.Context(), n))
						continue
					}
					got, err := d.Next(t.Context(), mem, n)
					require.NoError(t, err)
					for i, c := range read {
						equal(t, array.NewSlice(b.Column(c), int64(at+from), int64(at+from+n)), got.Column(i), fs[c].Name+" "+fs[c].Type.String())
					}
					got.Release()
				}
				at += all
			}
		})
	}
}
