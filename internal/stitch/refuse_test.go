package stitch_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
)

func why(t testing.TB, err error, column, text string) {
	t.Helper()
	var no *stitch.RefusedError
	require.ErrorAs(t, err, &no)
	require.Equal(t, column, no.Column)
	require.Contains(t, no.Why, text)
}

// A column of another type, or nested or nullable in another way, does not stand for a
// field.
func TestTypesMustMatch(t *testing.T) {
	types := append(flat(), nested()...)
	fs := fields(types)
	s := open(t, write(t, form{codec: compress.Codecs.Snappy}, batch(t, fs, 20, 1, 9)))
	l := layout(t, stitch.Options{}, fs...)
	for i := range fs {
		for j, c := range fs {
			err := l.Passes(i, s, 0, c.Name)
			if i == j {
				require.NoError(t, err, "%s", c.Type)
				continue
			}
			require.Error(t, err, "%v for %v", c, fs[i])
			var no *stitch.RefusedError
			require.ErrorAs(t, err, &no)
		}
	}
	why(t, l.Passes(0, s, 0, "none"), "none", "no such column")
	why(t, l.Gathers(len(fs)-1, s, 0, fs[len(fs)-1].Name), fs[len(fs)-1].Name, "nested")
}

func TestRefusals(t *testing.T) {
	fs := []arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true}}
	b := batch(t, fs, 100, 1, 50)
	data := write(t, form{codec: compress.Codecs.Snappy, group: 50}, b)
	l := layout(t, stitch.Options{}, fs...)
	for how, text := range map[string]string{
		"encrypted": "encrypted", "elsewhere": "another file", "missing": "no metadata", "old": "its writer",
		"values": "99 values for 50 rows", "pages": "not where they should be", "type": "contradicts the schema",
	} {
		t.Run(how, func(t *testing.T) {
			s := open(t, data)
			stitch.Tamper(s, 1, 0, how)
			if how == "values" {
				text = "49 values for 50 rows"
			}
			why(t, l.Passes(0, s, 1, "a"), "a", text)
			why(t, l.Gathers(0, s, 1, "a"), "a", text)
			if how != "old" { // which is the whole file
				require.NoError(t, l.Passes(0, s, 0, "a"))
			}
			// It leaves the writer as it was.
			var out bytes.Buffer
			w := stitch.NewWriter(&out, l)
			why(t, w.Append(t.Context(), all(s, 1, fs)), "a", text)
			require.Zero(t, out.Len())
			require.NoError(t, w.Append(t.Context(), all(open(t, data), 1, fs)))
			_, err := w.Close()
			require.NoError(t, err)
			equal(t, array.NewSlice(b.Column(0), 50, 100), whole(t, read(t, out.Bytes()).Column(0).Data()), "a")
		})
	}
	t.Run("legacy list", func(t *testing.T) {
		s := open(t, data)
		stitch.Tamper(s, 0, 1, "legacy list")
		why(t, l.Passes(1, s, 0, "b"), "b", "old layout")
	})
	t.Run("codec", func(t *testing.T) {
		s := open(t, write(t, form{codec: compress.Codecs.Gzip}, b))
		why(t, l.Passes(0, s, 0, "a"), "a", "another codec")
		why(t, l.Gathers(0, s, 0, "a"), "a", "a codec that rows are not gathered from")
	})
	t.Run("two of a name", func(t *testing.T) {
		twice := []arrow.Field{fs[0], fs[0]}
		s := open(t, write(t, form{codec: compress.Codecs.Snappy}, batch(t, twice, 10, 1, 5)))
		why(t, l.Passes(0, s, 0, "a"), "a", "two columns")
	})
	t.Run("encoding", func(t *testing.T) {
		var file bytes.Buffer
		text := []arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}}
		props := arrowparquet.NewWriterProperties(arrowparquet.WithDictionaryDefault(false), arrowparquet.WithEncodingFor("a", arrowparquet.Encodings.DeltaByteArray), arrowparquet.WithCompression(compress.Codecs.Snappy))
		one, l := batch(t, text, 10, 1, 5), layout(t, stitch.Options{}, text...)
		w, err := pqarrow.NewFileWriter(one.Schema(), &file, props, pqarrow.DefaultWriterProps())
		require.NoError(t, err)
		require.NoError(t, w.Write(one))
		require.NoError(t, w.Close())
		s := open(t, file.Bytes())
		require.NoError(t, l.Passes(0, s, 0, "a"))
		why(t, l.Gathers(0, s, 0, "a"), "a", "encoding 7")
	})
}

func TestChunksOfOtherFiles(t *testing.T) {
	there, encrypted, elsewhere := stitch.ParseChunk([]byte{0x18, 1, 'x', 0x2c, 0, 0})
	require.Equal(t, []bool{true, false, true}, []bool{there, encrypted, elsewhere})
	there, encrypted, elsewhere = stitch.ParseChunk([]byte{0x3c, 0, 0x5c, 0, 0})
	require.Equal(t, []bool{true, true, false}, []bool{there, encrypted, elsewhere})
	there, _, _ = stitch.ParseChunk([]byte{0x26, 0, 0})
	require.False(t, there)
}

func TestShortSizes(t *testing.T) {
	for by, want := range map[string]bool{
		"parquet-mr version 1.2.8 (build x)": true, "parquet-mr version 1.2.9": false, "parquet-mr version 1.10.1 (build y)": false, "parquet-mr": true,
		"parquet-mr version 1.2.x": true, "parquet-cpp version 1.2.0": false, "parquet-mr version 0.9.9": true, "parquet-mr version 2.0.0": false, "": false, "DuckDB version v1.4": false,
	} {
		require.Equal(t, want, stitch.ShortSizes(by), by)
	}
}

// What the caller gets wrong is said before anything is written.
func TestCallers(t *testing.T) {
	fs := []arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.BinaryTypes.String}}
	b := batch(t, fs, 10, 1, 50)
	s := open(t, write(t, form{codec: compress.Codecs.Snappy}, b))
	var out bytes.Buffer
	w := stitch.NewWriter(&out, layout(t, stitch.Options{}, fs...))
	good := all(s, 0, fs)
	for name, change := range map[string]func(*stitch.Group){
		"columns":  func(g *stitch.Group) { g.Columns = g.Columns[:1] },
		"rows":     func(g *stitch.Group) { g.Rows = 9 },
		"negative": func(g *stitch.Group) { g.Rows = -1 },
		"keep":     func(g *stitch.Group) { g.Keep = []uint32{1} },
		"beyond":   func(g *stitch.Group) { g.Keep, g.Rows = []uint32{10}, 1 },
		"order":    func(g *stitch.Group) { g.Keep, g.Rows = []uint32{2, 1}, 2 },
		"twice":    func(g *stitch.Group) { g.Keep, g.Rows = []uint32{1, 1}, 2 },
		"group":    func(g *stitch.Group) { g.Columns[0].Group = 1 },
		"both":     func(g *stitch.Group) { g.Columns[0].Values = []arrow.Array{b.Column(0)} },
		"type":     func(g *stitch.Group) { g.Columns[0] = stitch.Column{Values: []arrow.Array{b.Column(1)}} },
		"values": func(g *stitch.Group) {
			g.Columns[0] = stitch.Column{Values: []arrow.Array{array.NewSlice(b.Column(0), 0, 5)}}
		},
		"no values": func(g *stitch.Group) { g.Columns[0] = stitch.Column{} },
	} {
		g := good
		g.Columns = slices.Clone(good.Columns)
		change(&g)
		require.Error(t, w.Append(t.Context(), g), name)
	}
	canceled, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	cancel(cause)
	require.ErrorIs(t, w.Append(canceled, good), cause)
	require.Error(t, w.AppendFile(t.Context(), ours(t, "snappy", batch(t, fs[:1], 3, 1, 9))))
	require.Zero(t, out.Len())
	require.NoError(t, w.Append(t.Context(), stitch.Group{Columns: good.Columns, Keep: []uint32{}})) // of no rows
	n, err := w.Close()
	require.NoError(t, err)
	require.EqualValues(t, out.Len(), n)
	require.Zero(t, read(t, out.Bytes()).NumRows())
	require.Equal(t, 0, open(t, out.Bytes()).Groups())
	_, err = w.Close()
	require.Error(t, err)
	require.Error(t, w.Append(t.Context(), good))
	_, err = stitch.NewLayout(arrow.NewSchema(fs, nil), stitch.Options{Codec: "lzo"})
	require.ErrorContains(t, err, "lzo")
}

type failing struct{ after int }

var errDisk = errors.New("disk full")

func (f *failing) Write(p []byte) (int, error) {
	if f.after -= len(p); f.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

// A file that could not be written stays broken.
func TestWriteFails(t *testing.T) {
	fs := []arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}}
	b := batch(t, fs, 1000, 1, 50)
	s := open(t, write(t, form{codec: compress.Codecs.Snappy}, b))
	w := stitch.NewWriter(&failing{after: 100}, layout(t, stitch.Options{}, fs...))
	require.ErrorIs(t, w.Append(t.Context(), all(s, 0, fs)), errDisk)
	require.ErrorIs(t, w.Append(t.Context(), all(s, 0, fs)), errDisk)
	_, err := w.Close()
	require.ErrorIs(t, err, errDisk)
}

// Bounds of an unknown order are left out, with the column index; the rest stays.
func TestMetadataIsKept(t *testing.T) {
	fs := []arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}, {Name: "b", Type: arrow.BinaryTypes.String, Nullable: true}}
	b := batch(t, fs, 1000, 1, 50)
	f := form{codec: compress.Codecs.Snappy, sorted: []arrowparquet.SortingColumn{{ColumnIdx: 1}, {ColumnIdx: 0, Descending: true}}}
	s := open(t, write(t, f, b))
	stitch.Tamper(s, 0, 1, "order")
	var out bytes.Buffer
	w := stitch.NewWriter(&out, layout(t, stitch.Options{}, fs[1], fs[0]))
	swapped := all(s, 0, []arrow.Field{fs[1], fs[0]})
	require.NoError(t, w.Append(t.Context(), swapped))
	changed := swapped
	changed.Columns = slices.Clone(swapped.Columns)
	changed.Columns[1] = stitch.Column{Values: []arrow.Array{b.Column(0)}}
	require.NoError(t, w.Append(t.Context(), changed))
	changed.Columns = slices.Clone(swapped.Columns)
	changed.Columns[0] = stitch.Column{Values: []arrow.Array{b.Column(1)}}
	require.NoError(t, w.Append(t.Context(), changed))
	_, err := w.Close()
	require.NoError(t, err)
	checkPages(t, out.Bytes())
	got := open(t, out.Bytes())
	require.Equal(t, stitch.Facts{Nulls: int64(b.Column(1).NullN()), Index: true}, stitch.FactsOf(got, 0, 0))
	require.Equal(t, stitch.Facts{Low: true, High: true, Nulls: 0, Index: true, Columns: true}, stitch.FactsOf(got, 0, 1))
	require.Equal(t, []int64{0, 1}, stitch.Sorting(got, 0))
	require.Equal(t, []int64{0}, stitch.Sorting(got, 1))
	require.Empty(t, stitch.Sorting(got, 2))
}

// Bloom filters travel, whether or not their length is said.
func TestBloomFilters(t *testing.T) {
	fs := []arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}}
	b := batch(t, fs, 1000, 1, 50)
	var file bytes.Buffer
	props := arrowparquet.NewWriterProperties(arrowparquet.WithCompression(compress.Codecs.Snappy), arrowparquet.WithBloomFilterEnabledFor("a", true))
	pw, err := pqarrow.NewFileWriter(b.Schema(), &file, props, pqarrow.DefaultWriterProps())
	require.NoError(t, err)
	require.NoError(t, pw.Write(b))
	require.NoError(t, pw.Close())
	s := open(t, file.Bytes())
	have := stitch.FactsOf(s, 0, 0).Bloom
	require.Positive(t, have)
	var out bytes.Buffer
	w := stitch.NewWriter(&out, layout(t, stitch.Options{}, fs...))
	require.NoError(t, w.Append(t.Context(), all(s, 0, fs)))
	stitch.SetBloom(s, 0, 0, stitch.BloomAt(s, 0, 0), 0)
	require.NoError(t, w.Append(t.Context(), all(s, 0, fs)))
	stitch.SetBloom(s, 0, 0, 4, 100) // not one
	require.NoError(t, w.Append(t.Context(), all(s, 0, fs)))
	_, err = w.Close()
	require.NoError(t, err)
	checkPages(t, out.Bytes())
	got := open(t, out.Bytes())
	require.Equal(t, have, stitch.FactsOf(got, 0, 0).Bloom)
	require.Equal(t, have, stitch.FactsOf(got, 1, 0).Bloom)
	require.Zero(t, stitch.FactsOf(got, 2, 0).Bloom)
	for g := range 2 {
		at := stitch.BloomAt(got, g, 0)
		from := stitch.BloomAt(open(t, file.Bytes()), 0, 0)
		require.Equal(t, file.Bytes()[from:from+have], out.Bytes()[at:at+have])
	}
	read(t, out.Bytes())
}

func TestFooterHash(t *testing.T) {
	fs := []arrow.Field{{Name: "a", Type: arrow.BinaryTypes.String}}
	data := ours(t, "zstd", batch(t, fs, 10, 1, 5))
	f, err := parquet.Open(t.Context(), named{bytes.NewReader(data)}, memory.DefaultAllocator)
	require.NoError(t, err)
	require.Equal(t, f.Identity().Footer, open(t, data).FooterHash())
}

type named struct{ *bytes.Reader }

func (named) Name() string { return "dir/test.parquet" }
func (named) Close() error { return nil }

func TestRuns(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		n, most := rng.IntN(200), 1+rng.IntN(1<<rng.IntN(31))
		v, bits := make([]uint32, n), make([]byte, n)
		ones := 0
		for i := range v {
			v[i] = uint32(rng.IntN(most))
			bits[i] = byte(rng.IntN(2))
			ones += int(bits[i])
		}
		got, err := stitch.Indices(v, most)
		require.NoError(t, err)
		require.Equal(t, v, got)
		back, count, err := stitch.Bits(bits)
		require.NoError(t, err)
		require.Equal(t, bits, back)
		require.Equal(t, ones, count)
	}
}
