package stitch_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/stitch"
)

// What can be decoded directly reads as it was, in every form.
func TestDecode(t *testing.T) {
	fs := fields(flat())
	for i, f := range append(forms(), form{codec: forms()[1].codec, dict: true, limit: 4000, page: 2000}) {
		t.Run(f.String(), func(t *testing.T) {
			rows := 1000 + 20_000*(i/6)
			b := batch(t, fs, rows, uint64(i), []int{3, 200, 5000}[i%3])
			s := open(t, write(t, f, b))
			var d stitch.Decoder
			defer d.Close()
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			read := 0
			for c, fd := range fs {
				if d.Decodes(s, 0, fd) != nil {
					continue
				}
				read++
				at := uint32(0)
				for g := range s.Groups() {
					a, err := d.Column(t.Context(), mem, s, g, fd)
					require.NoError(t, err)
					want := make([]uint32, s.Rows(g))
					for i := range want {
						want[i] = at + uint32(i)
					}
					equal(t, take(t, b.Column(c), want), a, fd.Name+" "+fd.Type.String())
					at += uint32(len(want))
					a.Release()
				}
			}
			require.Equal(t, 20, read, "int32, int64, float32, float64, string, binary, date and three timestamps, required and nullable")
		})
	}
}
