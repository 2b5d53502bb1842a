package stitch_test

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/stitch"
)

// choose picks rows: some at random, whole runs, all but a few, or one.
func choose(rng *rand.Rand, rows int) []uint32 {
	var keep []uint32
	switch rng.IntN(5) {
	case 0:
		return []uint32{uint32(rng.IntN(rows))}
	case 1:
		from := rng.IntN(rows)
		for r := from; r < min(from+1+rng.IntN(rows), rows); r++ {
			keep = append(keep, uint32(r))
		}
		return keep
	}
	share := []float64{0.03, 0.5, 0.97}[rng.IntN(3)]
	for r := range rows {
		if rng.Float64() < share {
			keep = append(keep, uint32(r))
		}
	}
	return keep
}

// Rows that are gathered from columns of every flat type, in every form and from any
// codec into any other, are those of the source.
func TestGather(t *testing.T) {
	fs := fields(flat())
	for i, f := range rounds.Some(forms()) {
		for j, into := range []string{"none", "snappy", "zstd"} {
			t.Run(fmt.Sprintf("%s,into=%s", f, into), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(i), uint64(j)))
				b := batch(t, fs, 1000, uint64(i), []int{200, 3}[rng.IntN(2)])
				s := open(t, write(t, f, b))
				l := layout(t, stitch.Options{Codec: into}, fs...)
				var out bytes.Buffer
				w := stitch.NewWriter(&out, l)
				var rows []uint32
				at := uint32(0)
				for g := range s.Groups() {
					group := all(s, g, fs)
					group.Keep = choose(rng, int(s.Rows(g)))
					group.Rows = int64(len(group.Keep))
					for c, f := range fs {
						require.NoError(t, l.Gathers(c, s, g, f.Name), f.Name)
					}
					require.NoError(t, w.Append(t.Context(), group))
					for _, k := range group.Keep {
						rows = append(rows, at+k)
					}
					at += uint32(s.Rows(g))
				}
				n, err := w.Close()
				require.NoError(t, err)
				require.EqualValues(t, out.Len(), n)
				require.EqualValues(t, len(rows), w.Rows())
				tbl := read(t, out.Bytes())
				defer tbl.Release()
				for c, f := range fs {
					equal(t, take(t, b.Column(c), rows), whole(t, tbl.Column(c).Data()), f.Name+" "+f.Type.String())
				}
				checkBounds(t, out.Bytes(), fs)
			})
		}
	}
}

// Several thousand rows of few and many values: pages end within what is kept, and
// dictionaries overflow.
func TestGatherManyPages(t *testing.T) {
	fs := fields(flat())
	for _, f := range []form{
		{codec: compress.Codecs.Snappy, dict: true, limit: 4000, page: 2000},
		{codec: compress.Codecs.Zstd, v2: true, dict: true, limit: 1000, page: 900, group: 9000},
	} {
		b := batch(t, fs, rounds.Of(30_000), 7, 5000)
		s := open(t, write(t, f, b))
		l := layout(t, stitch.Options{Codec: codec(f.codec)}, fs...)
		var out bytes.Buffer
		w := stitch.NewWriter(&out, l)
		rng := rand.New(rand.NewPCG(3, 3))
		var rows []uint32
		at := uint32(0)
		for g := range s.Groups() {
			group := all(s, g, fs)
			for r := range uint32(s.Rows(g)) {
				if rng.IntN(3) > 0 {
					group.Keep = append(group.Keep, r)
					rows = append(rows, at+r)
				}
			}
			group.Rows = int64(len(group.Keep))
			require.NoError(t, w.Append(t.Context(), group))
			at += uint32(s.Rows(g))
		}
		_, err := w.Close()
		require.NoError(t, err)
		tbl := read(t, out.Bytes())
		for c, f := range fs {
			equal(t, take(t, b.Column(c), rows), whole(t, tbl.Column(c).Data()), f.Name)
		}
		tbl.Release()
	}
}

// A source whose bytes are damaged gives an error or rows, and never a panic.
func FuzzGather(f *testing.F) {
	fs := fields(flat())
	var files [][]byte
	for i, form := range forms() {
		files = append(files, write(f, form, batch(f, fs, 300, uint64(i), 20)))
		f.Add(uint8(i), uint32(100), byte(0x80))
		f.Add(uint8(i), uint32(len(files[i])-200), byte(1))
	}
	f.Fuzz(func(t *testing.T, which uint8, at uint32, flip byte) {
		data := slices.Clone(files[int(which)%len(files)])
		data[int(at)%len(data)] ^= flip
		s, err := stitch.OpenSource("fuzz", bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		l := layout(t, stitch.Options{}, fs...)
		w := stitch.NewWriter(&bytes.Buffer{}, l)
		defer w.Abandon()
		for g := range s.Groups() {
			for i, fd := range fs {
				if l.Gathers(i, s, g, fd.Name) != nil {
					continue
				}
				one := layout(t, stitch.Options{}, fd)
				alone := stitch.NewWriter(&bytes.Buffer{}, one)
				group := stitch.Group{Columns: []stitch.Column{{Source: s, Group: g, Name: fd.Name}}}
				for r := range uint32(min(s.Rows(g), 1000)) {
					if r%3 != 1 {
						group.Keep = append(group.Keep, r)
					}
				}
				group.Rows = int64(len(group.Keep))
				if alone.Append(t.Context(), group) == nil {
					_, err := alone.Close()
					require.NoError(t, err)
				}
			}
		}
	})
}

// checkBounds compares the bounds and null counts in a file's metadata with its values,
// for the types that compare as Go's do.
func checkBounds(t testing.TB, data []byte, fs []arrow.Field) {
	t.Helper()
	checkPages(t, data)
	r, err := file.NewParquetReader(bytes.NewReader(data))
	require.NoError(t, err)
	pr, err := pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	require.NoError(t, err)
	columns := make([]int, len(fs))
	for i := range columns {
		columns[i] = i
	}
	for g := range r.NumRowGroups() {
		tbl, err := pr.ReadRowGroups(t.Context(), columns, []int{g})
		require.NoError(t, err)
		for i, f := range fs {
			md, err := r.MetaData().RowGroup(g).ColumnChunk(i)
			require.NoError(t, err)
			stats, err := md.Statistics()
			require.NoError(t, err)
			col := whole(t, tbl.Column(i).Data())
			require.EqualValues(t, col.NullN(), stats.NullCount(), f.Name)
			lo, hi, ordered := ends(col)
			if !ordered {
				continue
			}
			require.Equal(t, lo != nil, stats.HasMinMax(), "%s: %v", f.Name, f.Type)
			if lo != nil {
				require.Equal(t, lo, stats.EncodeMin(), f.Name)
				require.Equal(t, hi, stats.EncodeMax(), f.Name)
			}
			checkPageIndex(t, r, g, i, col, f.Name)
		}
		tbl.Release()
	}
}

// checkPageIndex compares the column index of a chunk with the values of its pages, as
// arrow-go reads both, and returns how many pages it has. Types whose order Go does not have
// may have none.
func checkPageIndex(t testing.TB, r *file.Reader, g, i int, col arrow.Array, name string) int {
	t.Helper()
	index, err := r.GetPageIndexReader().RowGroup(g)
	require.NoError(t, err)
	offsets, err := index.GetOffsetIndex(i)
	require.NoError(t, err)
	columns, err := index.GetColumnIndex(i)
	require.NoError(t, err)
	require.NotNil(t, columns, "%s has no column index", name)
	locations := offsets.GetPageLocations()
	require.Len(t, columns.GetMinValues(), len(locations), name)
	for p, at := range locations {
		to := int64(col.Len())
		if p+1 < len(locations) {
			to = locations[p+1].FirstRowIndex
		}
		page := array.NewSlice(col, at.FirstRowIndex, to)
		lo, hi, _ := ends(page)
		require.Equal(t, lo == nil, columns.GetNullPages()[p], name)
		require.EqualValues(t, page.NullN(), columns.GetNullCounts()[p], name)
		if lo != nil {
			require.Equal(t, lo, columns.GetMinValues()[p], "%s, page %d", name, p)
			require.Equal(t, hi, columns.GetMaxValues()[p], "%s, page %d", name, p)
		}
		page.Release()
	}
	return len(locations)
}

// A dictionary column of which some rows are kept has a column index like any other: the
// bounds of its pages are those of the values that are kept.
func TestGatheredDictionaryHasAColumnIndex(t *testing.T) {
	rounds.Alone(t)
	const rows, distinct = 1_300_000, 20_000
	fs := []arrow.Field{{Name: "number", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, {Name: "text", Type: arrow.BinaryTypes.String}}
	numbers, texts := array.NewInt64Builder(memory.DefaultAllocator), array.NewStringBuilder(memory.DefaultAllocator)
	var keep []uint32
	for i := range rows {
		v := i / (rows / distinct)
		texts.Append(fmt.Sprintf("%08d", v))
		if v%10 == 3 {
			numbers.AppendNull()
		} else {
			numbers.Append(int64(v))
		}
		if v%100 > 5 && i%17 > 0 {
			keep = append(keep, uint32(i))
		}
	}
	b := array.NewRecordBatch(arrow.NewSchema(fs, nil), []arrow.Array{numbers.NewArray(), texts.NewArray()}, rows)
	s := open(t, write(t, form{codec: compress.Codecs.Snappy, dict: true, limit: 8 << 20, group: rows}, b))
	var out bytes.Buffer
	w := stitch.NewWriter(&out, layout(t, stitch.Options{}, fs...))
	g := all(s, 0, fs)
	g.Keep, g.Rows = keep, int64(len(keep))
	require.NoError(t, w.Append(t.Context(), g))
	_, err := w.Close()
	require.NoError(t, err)
	checkBounds(t, out.Bytes(), fs)
	r, err := file.NewParquetReader(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	for i, f := range fs {
		md, err := r.MetaData().RowGroup(0).ColumnChunk(i)
		require.NoError(t, err)
		require.True(t, md.HasDictionaryPage(), f.Name)
		require.Greater(t, checkPageIndex(t, r, 0, i, take(t, b.Column(i), keep), f.Name), 1, "%s has one page", f.Name)
	}
}

// ends returns the least and the greatest value of a column, plainly encoded; nil when
// all are null.
func ends(col arrow.Array) (lo, hi []byte, ordered bool) {
	switch a := col.(type) {
	case *array.Int32:
		lo, hi = extremes(a, a.Value, func(v int32) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(v)) })
	case *array.Int64:
		lo, hi = extremes(a, a.Value, func(v int64) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(v)) })
	case *array.Uint32:
		lo, hi = extremes(a, a.Value, func(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) })
	case *array.Uint64:
		lo, hi = extremes(a, a.Value, func(v uint64) []byte { return binary.LittleEndian.AppendUint64(nil, v) })
	case *array.Float64:
		lo, hi = extremes(a, a.Value, func(v float64) []byte { return binary.LittleEndian.AppendUint64(nil, math.Float64bits(v)) })
	case *array.String:
		lo, hi = extremes(a, a.Value, func(v string) []byte { return []byte(v) })
	default:
		return nil, nil, false
	}
	return lo, hi, true
}

func extremes[T cmp.Ordered](a arrow.Array, value func(int) T, plain func(T) []byte) (lo, hi []byte) {
	var least, most T
	for i := range a.Len() {
		if a.IsNull(i) {
			continue
		}
		v := value(i)
		if lo == nil {
			least, most = v, v
		}
		least, most = min(least, v), max(most, v)
		lo, hi = plain(least), plain(most)
	}
	return lo, hi
}

// kept are rows below n, in a manner.
func kept(n int, manner string) []uint32 {
	rng := rand.New(rand.NewPCG(uint64(n), 5))
	keep := []uint32{}
	for i := range n {
		take := false
		switch manner {
		case "most":
			take = rng.IntN(10) < 7
		case "few":
			take = rng.IntN(100) == 0
		case "runs":
			take = i/70%2 == 1
		case "first":
			take = i == 0
		case "last":
			take = i == n-1
		case "all":
			take = true
		}
		if take {
			keep = append(keep, uint32(i))
		}
	}
	return keep
}

// What a filter has dropped is gone from the file, from its dictionaries too.
func TestDroppedValuesAreGone(t *testing.T) {
	f := arrow.Field{Name: "secret", Type: arrow.BinaryTypes.String, Nullable: true}
	b := array.NewStringBuilder(memory.DefaultAllocator)
	defer b.Release()
	var keep []uint32
	for i := range uint32(1000) {
		if i%10 == 3 {
			b.Append("dropped@example.com")
			continue
		}
		keep = append(keep, i)
		b.Append(fmt.Sprintf("kept-%d", i%7))
	}
	rows := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{f}, nil), []arrow.Array{b.NewArray()}, 1000)
	for _, into := range []string{"none", "snappy"} {
		s := open(t, write(t, form{codec: compress.Codecs.Uncompressed, dict: true}, rows))
		var out bytes.Buffer
		w := stitch.NewWriter(&out, layout(t, stitch.Options{Codec: into}, f))
		g := all(s, 0, []arrow.Field{f})
		g.Keep, g.Rows = keep, int64(len(keep))
		require.NoError(t, w.Append(t.Context(), g))
		_, err := w.Close()
		require.NoError(t, err)
		require.NotContains(t, out.String(), "dropped@example")
		tbl := read(t, out.Bytes())
		equal(t, take(t, rows.Column(0), keep), whole(t, tbl.Column(0).Data()), f.Name)
		tbl.Release()
	}
}
