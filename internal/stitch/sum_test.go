package stitch_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/pkg/operator"
)

// Copied, gathered, encoded and appended: every page has its checksum, the metadata and
// the page indexes still say where it is, and every value is what it was.
func TestChecksums(t *testing.T) {
	fs := fields(append(flat(), nested()...))
	for _, f := range rounds.Some(forms()) {
		t.Run(f.String(), func(t *testing.T) {
			a := batch(t, fs, 1000, 1, 200)
			one := open(t, write(t, f, a))
			l := layout(t, stitch.Options{Codec: codec(f.codec), Checksums: true}, fs...)
			var out bytes.Buffer
			w := stitch.NewWriter(&out, l)
			for g := range one.Groups() {
				require.NoError(t, w.Append(t.Context(), all(one, g, fs)))
			}
			require.NoError(t, w.AppendFile(t.Context(), ours(t, codec(f.codec), a)))
			some := stitch.Group{Keep: []uint32{0, 3, 4, 77, 299}, Rows: 5, Columns: make([]stitch.Column, len(fs))}
			rows, err := takeRows(t, a, some.Keep)
			require.NoError(t, err)
			gathered := 0
			for i, c := range fs {
				some.Columns[i] = stitch.Column{Values: []arrow.Array{rows.Column(i)}}
				if l.Gathers(i, one, 0, c.Name) == nil {
					some.Columns[i] = stitch.Column{Source: one, Name: c.Name}
					gathered++
				}
			}
			require.Positive(t, gathered)
			require.NoError(t, w.Append(t.Context(), some))
			_, err = w.Close()
			require.NoError(t, err)

			with, without, err := stitch.Sums(out.Bytes())
			require.NoError(t, err)
			require.Zero(t, without)
			require.Greater(t, with, len(fs))
			checkPages(t, out.Bytes())
			got := read(t, out.Bytes())
			for i, c := range fs {
				col := whole(t, got.Column(i).Data())
				equal(t, a.Column(i), take(t, col, sequence(0, 1000)), c.Name)
				equal(t, a.Column(i), take(t, col, sequence(1000, 2000)), c.Name)
				equal(t, rows.Column(i), take(t, col, sequence(2000, 2005)), c.Name)
			}
			// Such a file is a source as any other, and its checksums are checked.
			var again bytes.Buffer
			w = stitch.NewWriter(&again, l)
			require.NoError(t, w.AppendFile(t.Context(), out.Bytes()))
			_, err = w.Close()
			require.NoError(t, err)
			require.Equal(t, out.Bytes(), again.Bytes())
			bad := slices.Clone(out.Bytes())
			bad[stitch.PageBytes(bad, 4)] ^= 1
			err = stitch.NewWriter(&again, l).AppendFile(t.Context(), bad)
			require.ErrorIs(t, err, parquet.ErrCorrupt)
			require.ErrorContains(t, err, "a page contradicts its checksum")
		})
	}
}

// What is asked for is a reason to make a column anew, unless the source has it.
func TestFinish_DecidesWhatPasses(t *testing.T) {
	f := []arrow.Field{{Name: "s", Type: arrow.BinaryTypes.String}, {Name: "f", Type: arrow.PrimitiveTypes.Float64}}
	src := open(t, write(t, forms()[1], batch(t, f, 500, 1, 20)))
	of := func(finish parquet.Finish) *stitch.Layout { return layout(t, stitch.Options{Finish: finish}, f...) }
	encoded := func(e parquet.Encoding) parquet.Finish {
		return parquet.Finish{Encodings: map[string]parquet.Encoding{"s": e}}
	}
	require.NoError(t, of(parquet.Finish{}).Passes(0, src, 0, "s"))
	require.NoError(t, of(encoded(parquet.EncodingDictionary)).Passes(0, src, 0, "s"))
	require.ErrorContains(t, of(encoded(parquet.EncodingDictionary)).Gathers(0, src, 0, "s"), "made of its values")
	require.ErrorContains(t, of(encoded(parquet.EncodingPlain)).Passes(0, src, 0, "s"), "the sink asks for plain")
	require.ErrorContains(t, of(encoded(parquet.EncodingPlain)).Gathers(0, src, 0, "s"), "the sink asks for plain")
	require.NoError(t, of(encoded(parquet.EncodingPlain)).Passes(1, src, 0, "f"), "another column")
	require.ErrorContains(t, of(parquet.Finish{Bloom: []string{"s"}}).Passes(0, src, 0, "s"), "no bloom filter")
	require.ErrorContains(t, of(parquet.Finish{Bloom: []string{"s"}}).Gathers(0, src, 0, "s"), "bloom filter")

	// What is made anew has it, and then it passes.
	finish := parquet.Finish{Bloom: []string{"s"}, Encodings: map[string]parquet.Encoding{"f": parquet.EncodingSplit, "s": parquet.EncodingDictionary}}
	l := of(finish)
	rows := batch(t, f, 500, 2, 20)
	var out bytes.Buffer
	w := stitch.NewWriter(&out, l)
	require.NoError(t, w.Append(t.Context(), stitch.Group{Rows: 500, Columns: []stitch.Column{{Values: []arrow.Array{rows.Column(0)}}, {Values: []arrow.Array{rows.Column(1)}}}}))
	_, err := w.Close()
	require.NoError(t, err)
	made := open(t, out.Bytes())
	require.NoError(t, l.Passes(0, made, 0, "s"))
	require.NoError(t, l.Passes(1, made, 0, "f"))
	got := read(t, out.Bytes())
	equal(t, rows.Column(0), whole(t, got.Column(0).Data()), "s")
	equal(t, rows.Column(1), whole(t, got.Column(1).Data()), "f")
}

func sequence(from, to uint32) (rows []uint32) {
	for r := from; r < to; r++ {
		rows = append(rows, r)
	}
	return rows
}

// takeRows is those rows of a batch; it goes with the test.
func takeRows(t *testing.T, b arrow.RecordBatch, rows []uint32) (arrow.RecordBatch, error) {
	t.Helper()
	some, err := operator.Take(t.Context(), memory.DefaultAllocator, b, rows)
	if err == nil {
		t.Cleanup(some.Release)
	}
	return some, err
}
