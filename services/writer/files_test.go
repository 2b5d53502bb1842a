package writer

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/blake3"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// output is a sink in a directory, and what is in it.
type output struct {
	tb   testing.TB
	dir  string
	sink *sink.Sink
}

func newOutput(tb testing.TB) *output {
	tb.Helper()
	dir := tb.TempDir()
	s, err := sink.Open(tb.Context(), dir, "run1", storage.S3Options{})
	require.NoError(tb, err)
	return &output{tb, dir, s}
}

// files lists all files of the output, temporaries included.
func (o *output) files() (names []string) {
	require.NoError(o.tb, filepath.WalkDir(o.dir, func(p string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, relErr := filepath.Rel(o.dir, p)
			names = append(names, filepath.ToSlash(rel))
			return relErr
		}
		return err
	}))
	return names
}

// read reveals a file, checks what its entry says, and returns its rows as text, in
// order, and how many row groups they are in.
func (o *output) read(f ledger.File) (rows []string, groups int) {
	o.tb.Helper()
	require.NoError(o.tb, o.sink.Reveal(o.tb.Context(), f))
	data, err := os.ReadFile(filepath.Join(o.dir, filepath.FromSlash(f.Name)))
	require.NoError(o.tb, err)
	if f.SHA256 != "" { // where BLAKE3 has no vector code
		assert.Equal(o.tb, fmt.Sprintf("%x", sha256.Sum256(data)), f.SHA256)
	} else {
		assert.Equal(o.tb, fmt.Sprintf("%x", blake3.Sum256(data)), f.BLAKE3)
	}
	assert.Equal(o.tb, int64(len(data)), f.Bytes)

	src, err := storage.OpenLocal(filepath.Join(o.dir, filepath.FromSlash(f.Name)))
	require.NoError(o.tb, err)
	file, err := parquet.Open(o.tb.Context(), src, memory.DefaultAllocator)
	require.NoError(o.tb, err)
	defer func() { assert.NoError(o.tb, file.Close()) }()
	err = file.ReadRowGroups(o.tb.Context(), 0, file.RowGroups(), parquet.ReadOptions{Columns: file.Schema(), BlockRows: 1 << 20},
		func(_, _ int64, b arrow.RecordBatch) error {
			defer b.Release()
			if b.NumRows() > 0 {
				groups++
			}
			for row := range int(b.NumRows()) {
				rows = append(rows, rowText(b, row, 0))
			}
			return nil
		})
	require.NoError(o.tb, err)
	assert.Equal(o.tb, f.Rows, int64(len(rows)))
	return rows, groups
}

// table is what a run writes: blocks and their spans.
type table struct {
	blocks []arrow.RecordBatch
	spans  []blocks.Span
}

// newTable makes blocks of the customer table, two tasks of them. The caller must
// release it.
func newTable(mem memory.Allocator, count, rows, countries int) *table {
	rng := rand.New(rand.NewPCG(1, 2))
	t := &table{}
	for i := range count {
		t.blocks = append(t.blocks, customers(mem, rng, int64(i*rows), rows, countries))
		from := int64(i / 2 * rows)
		t.spans = append(t.spans, blocks.Span{Task: uint32(i % 2), From: from, To: from + int64(rows)})
	}
	return t
}

func (t *table) release() {
	for _, b := range t.blocks {
		b.Release()
	}
}

const countryColumn = 4

// rows returns the rows of the given blocks as text, by directory; all of them when
// none is given.
func (t *table) rows(partitioned bool, of ...int) map[string][]string {
	all := make(map[string][]string)
	for i, b := range t.blocks {
		if len(of) > 0 && !slices.Contains(of, i) {
			continue
		}
		for row := range int(b.NumRows()) {
			dir, text := "", rowText(b, row, 0)
			if partitioned {
				dir = "country=" + b.Column(countryColumn).ValueStr(row)
				cells := strings.Split(text, "|")
				text = strings.Join(slices.Delete(cells, countryColumn, countryColumn+1), "|")
			}
			all[dir] = append(all[dir], text)
		}
	}
	return all
}

func dirOf(f ledger.File) string {
	if dir := filepath.ToSlash(filepath.Dir(filepath.FromSlash(f.Name))); dir != "." {
		return dir
	}
	return ""
}

func coverage(tb testing.TB, spans ...blocks.Span) (c ledger.Coverage) {
	tb.Helper()
	for _, s := range spans {
		require.NoError(tb, c.Add(s))
	}
	return c
}

func TestFileSetWritesEachRowOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		spec pipeline.ParquetSink
	}{
		{"one file", pipeline.ParquetSink{}},
		{"partitions", pipeline.ParquetSink{PartitionBy: []string{"country"}}},
		{"zstd, small row groups", pipeline.ParquetSink{Compression: pipeline.Compression{Codec: "zstd", Level: 3}, RowsPerGroup: 100}},
		{"no compression", pipeline.ParquetSink{Compression: pipeline.Compression{Codec: "none"}, PartitionBy: []string{"country"}}},
		{"preserve order", pipeline.ParquetSink{PreserveOrder: true}},
		{"preserve order, partitions", pipeline.ParquetSink{PreserveOrder: true, PartitionBy: []string{"country"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			out, in := newOutput(t), newTable(mem, 6, 300, 5)
			defer in.release()
			c.spec.MaxOpenFiles = 10
			s := newFileSetOf(out.sink, customerSchema, &c.spec, fileSetOptions{Memory: mem})
			for round := range 2 { // a set can be used again after a cut
				for _, i := range []int{1, 0, 5, 2, 4, 3} {
					require.NoError(t, s.Append(t.Context(), in.blocks[i], in.spans[i]))
				}
				assert.False(t, s.Full())
				files, err := s.Finish(t.Context())
				require.NoError(t, err)
				got := make(map[string][]string)
				for _, f := range files {
					rows, _ := out.read(f)
					assert.NotContains(t, got, dirOf(f), "one file a partition")
					got[dirOf(f)] = rows
					want := coverage(t, in.spans...)
					assert.True(t, want.Equal(&f.Spans), "every block has rows of every country")
					if len(c.spec.PartitionBy) > 0 {
						assert.Equal(t, map[string]string{"country": strings.TrimPrefix(dirOf(f), "country=")}, f.Partition)
					} else {
						assert.Empty(t, f.Partition)
					}
				}
				want := in.rows(len(c.spec.PartitionBy) > 0)
				require.Len(t, got, len(want), "round %d", round)
				for dir := range want {
					assert.ElementsMatch(t, want[dir], got[dir], dir)
				}
			}
		})
	}
}

func TestFileSetFilesKnowWhichSpansTheyHave(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	for _, ordered := range []bool{false, true} {
		out := newOutput(t)
		s := newFileSetOf(out.sink, keySchema, &pipeline.ParquetSink{PartitionBy: []string{"word", "flag"}, MaxOpenFiles: 9, PreserveOrder: ordered}, fileSetOptions{Memory: mem})
		spans := []blocks.Span{{Task: 3, From: 0, To: 10}, {Task: 3, From: 10, To: 20}, {Task: 7, From: 5, To: 6}, {Task: 8, From: 0, To: 4}}
		for i, json := range []string{
			`[{"word":"PT","id":1,"flag":true},{"word":"ES","id":2}]`, `[{"word":"PT","id":3,"flag":true}]`, `[{"word":"ES","id":4}]`, `[]`,
		} {
			b := keyBatch(t, mem, json)
			require.NoError(t, s.Append(t.Context(), b, spans[i]))
			b.Release()
		}
		files, err := s.Finish(t.Context())
		require.NoError(t, err)
		require.Len(t, files, 2)
		es, pt := files[0], files[1]
		assert.Equal(t, "word=ES/flag=__HIVE_DEFAULT_PARTITION__", dirOf(es))
		assert.Equal(t, map[string]string{"word": "ES", "flag": "__HIVE_DEFAULT_PARTITION__"}, es.Partition)
		assert.Equal(t, "word=PT/flag=true", dirOf(pt))
		assert.Equal(t, []blocks.Span{{Task: 3, From: 0, To: 10}, {Task: 7, From: 5, To: 6}}, slices.Collect(es.Spans.Spans()))
		assert.Equal(t, []blocks.Span{{Task: 3, From: 0, To: 20}}, slices.Collect(pt.Spans.Spans()))
		out.read(es)
		out.read(pt)
	}
}

func TestFileSetOfNoRowsHasNoFiles(t *testing.T) {
	out := newOutput(t)
	s := newFileSetOf(out.sink, customerSchema, &pipeline.ParquetSink{}, fileSetOptions{})
	files, err := s.Finish(t.Context())
	require.NoError(t, err)
	assert.Empty(t, files)
	assert.Empty(t, out.files())
}

// TestFileSetClosesFilesWhenTooManyAreOpen: one block alone has more partitions than
// may be open.
func TestFileSetClosesFilesWhenTooManyAreOpen(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	out, in := newOutput(t), newTable(mem, 3, 400, 20)
	defer in.release()
	s := newFileSetOf(out.sink, customerSchema, &pipeline.ParquetSink{PartitionBy: []string{"country"}, MaxOpenFiles: 7}, fileSetOptions{Memory: mem})
	for i, b := range in.blocks {
		require.NoError(t, s.Append(t.Context(), b, in.spans[i]))
		assert.True(t, s.Full(), "a cut is due")
		assert.Len(t, s.files, 7)
	}
	files, err := s.Finish(t.Context())
	require.NoError(t, err)
	assert.False(t, s.Full())
	assert.Len(t, files, 60, "several files of one partition")
	assert.True(t, slices.IsSortedFunc(files, func(a, b ledger.File) int { return strings.Compare(a.Name, b.Name) }))
	got := make(map[string][]string)
	for _, f := range files {
		rows, _ := out.read(f)
		got[dirOf(f)] = append(got[dirOf(f)], rows...)
		assert.Equal(t, 1, f.Spans.Len())
	}
	want := in.rows(true)
	require.Len(t, got, len(want))
	for dir := range want {
		assert.ElementsMatch(t, want[dir], got[dir], dir)
	}
}

// TestFileSetKeepsItsMemoryBound: many blocks in few files, and a buffer for a
// fraction of them.
func TestFileSetKeepsItsMemoryBound(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	out, in := newOutput(t), newTable(mem, 12, 2000, 3)
	defer in.release()
	const limit = 1 << 20
	s := newFileSetOf(out.sink, customerSchema, &pipeline.ParquetSink{PartitionBy: []string{"country"}, MaxOpenFiles: 7}, fileSetOptions{Memory: mem, Buffer: limit})
	for i, b := range in.blocks {
		require.NoError(t, s.Append(t.Context(), b, in.spans[i]))
		assert.LessOrEqual(t, s.held+int64(len(s.files))*fileBytes, int64(limit))
		sum := int64(0)
		for _, f := range s.files {
			sum += f.held
		}
		assert.Equal(t, sum, s.held)
	}
	assert.False(t, s.Full(), "row groups are written instead")
	size := s.LargestFile()
	files, err := s.Finish(t.Context())
	require.NoError(t, err)
	want, largest := in.rows(true), int64(0)
	for _, f := range files {
		rows, groups := out.read(f)
		assert.Greater(t, groups, 1)
		assert.ElementsMatch(t, want[dirOf(f)], rows)
		largest = max(largest, f.Bytes)
	}
	assert.InDelta(t, largest, size, float64(largest)/2, "what LargestFile said")
}

func TestFileSetPreservesOrder(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := newTable(mem, 9, 200, 4)
	defer in.release()
	for _, by := range [][]string{nil, {"country"}} {
		for seed := range uint64(5) {
			out := newOutput(t)
			s := newFileSetOf(out.sink, customerSchema, &pipeline.ParquetSink{PartitionBy: by, PreserveOrder: true, MaxOpenFiles: 2}, fileSetOptions{Memory: mem})
			order := []int{0, 2, 4, 6, 8, 1, 3, 5, 7} // task 0, then task 1
			var names []string
			for _, cut := range [][]int{order[:4], order[4:]} {
				arrival := slices.Clone(cut)
				rand.New(rand.NewPCG(seed, 0)).Shuffle(len(arrival), func(i, j int) { arrival[i], arrival[j] = arrival[j], arrival[i] })
				for _, i := range arrival {
					require.NoError(t, s.Append(t.Context(), in.blocks[i], in.spans[i]))
				}
				files, err := s.Finish(t.Context())
				require.NoError(t, err)
				for _, f := range files {
					rows, _ := out.read(f)
					var want []string
					for _, i := range cut {
						want = append(want, in.rows(by != nil, i)[dirOf(f)]...)
					}
					assert.Equal(t, want, rows)
					first := in.spans[cut[0]]
					assert.Contains(t, f.Name, fmt.Sprintf("part-%06d-%012d-run1-", first.Task, first.From))
					if by == nil {
						names = append(names, f.Name)
					}
				}
			}
			assert.True(t, slices.IsSorted(names), "files sort as their rows do")
		}
	}
}

func TestFileSetThatPreservesOrderIsFullAtHalfOfItsBuffer(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	out, in := newOutput(t), newTable(mem, 6, 1000, 4)
	defer in.release()
	size := blocks.DataSize(in.blocks[0])
	s := newFileSetOf(out.sink, customerSchema, &pipeline.ParquetSink{PreserveOrder: true}, fileSetOptions{Memory: mem, Buffer: size*10 - size/2})
	for i, b := range in.blocks[:5] {
		assert.False(t, s.Full())
		require.NoError(t, s.Append(t.Context(), b, in.spans[i]))
	}
	assert.True(t, s.Full())
	assert.Positive(t, s.LargestFile())
	s.Abandon(t.Context())
	assert.False(t, s.Full())
	assert.Empty(t, out.files())
}

func TestFileSetAbandonLeavesNothing(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := newTable(mem, 2, 200, 9)
	defer in.release()
	for _, ordered := range []bool{false, true} {
		out := newOutput(t)
		s := newFileSetOf(out.sink, customerSchema, &pipeline.ParquetSink{PartitionBy: []string{"country"}, MaxOpenFiles: 4, PreserveOrder: ordered}, fileSetOptions{Memory: mem})
		for i, b := range in.blocks {
			require.NoError(t, s.Append(t.Context(), b, in.spans[i]))
		}
		s.Abandon(t.Context())
		s.Abandon(t.Context())
		assert.Empty(t, out.files())

		// A cut that fails leaves nothing either.
		require.NoError(t, s.Append(t.Context(), in.blocks[0], in.spans[0]))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Finish(ctx)
		require.Error(t, err)
		assert.Empty(t, out.files())
	}
}

func TestFileSetKeepsAnError(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	out := newOutput(t)
	s := newFileSetOf(out.sink, keySchema, &pipeline.ParquetSink{PartitionBy: []string{"word"}, MaxOpenFiles: 4}, fileSetOptions{Memory: mem})
	good, bad := keyBatch(t, mem, `[{"word":"PT","id":1}]`), keyBatch(t, mem, `[{"word":"__HIVE_DEFAULT_PARTITION__","id":2}]`)
	defer good.Release()
	defer bad.Release()
	require.NoError(t, s.Append(t.Context(), good, blocks.Span{To: 1}))
	err := s.Append(t.Context(), bad, blocks.Span{From: 1, To: 2})
	require.ErrorIs(t, err, ErrPartitionValue)
	require.ErrorContains(t, err, "block 0:[1,2)")
	assert.True(t, sink.IsPermanent(err))
	assert.Equal(t, err, s.Append(t.Context(), good, blocks.Span{From: 2, To: 3}))
	_, again := s.Finish(t.Context())
	assert.Equal(t, err, again)
	assert.Empty(t, out.files())

	s = newFileSetOf(out.sink, keySchema, &pipeline.ParquetSink{PartitionBy: []string{"nothing"}}, fileSetOptions{Memory: mem})
	err = s.Append(t.Context(), good, blocks.Span{To: 1})
	require.ErrorIs(t, err, ErrPartitionColumn)
	assert.True(t, sink.IsPermanent(err))
	s.Abandon(t.Context())

	// The same rows twice are a bug of the caller, and no silent wrong lineage.
	s = newFileSetOf(out.sink, keySchema, &pipeline.ParquetSink{}, fileSetOptions{Memory: mem})
	require.NoError(t, s.Append(t.Context(), good, blocks.Span{To: 2}))
	require.ErrorIs(t, s.Append(t.Context(), good, blocks.Span{From: 1, To: 3}), ledger.ErrOverlap)
	s.Abandon(t.Context())
	assert.Empty(t, out.files())
}

// TestFileSetTellsErrorsOfTheStorageFromThoseOfTheEncoder: the first may pass, the
// second come back with the same rows.
func TestFileSetTellsErrorsOfTheStorageFromThoseOfTheEncoder(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	// Parquet has no type for an interval of months that arrow-go writes.
	schema := arrow.NewSchema([]arrow.Field{{Name: "d", Type: arrow.FixedWidthTypes.MonthInterval}}, nil)
	batch, _, err := array.RecordFromJSON(mem, schema, strings.NewReader(`[{"d":{"months":1}}]`))
	require.NoError(t, err)
	defer batch.Release()
	out := newOutput(t)
	s := newFileSetOf(out.sink, schema, &pipeline.ParquetSink{}, fileSetOptions{Memory: mem})
	err = s.Append(t.Context(), batch, blocks.Span{To: 1})
	var encode *encodeError
	require.ErrorAs(t, err, &encode)
	assert.True(t, sink.IsPermanent(err))
	s.Abandon(t.Context())
	assert.Empty(t, out.files())

	// A directory that is a file.
	require.NoError(t, os.WriteFile(filepath.Join(out.dir, "file"), nil, 0o600))
	broken, err := sink.Open(t.Context(), filepath.Join(out.dir, "file"), "run1", storage.S3Options{})
	require.NoError(t, err)
	good := keyBatch(t, mem, `[{"word":"PT","id":1}]`)
	defer good.Release()
	s = newFileSetOf(broken, keySchema, &pipeline.ParquetSink{}, fileSetOptions{Memory: mem})
	err = s.Append(t.Context(), good, blocks.Span{To: 1})
	require.Error(t, err)
	assert.NotErrorAs(t, err, &encode)
	s.Abandon(t.Context())
}

func TestEmptyFileHasTheSchema(t *testing.T) {
	out := newOutput(t)
	f, err := emptyFileOf(t.Context(), out.sink, customerSchema, nil, &pipeline.ParquetSink{PartitionBy: []string{"country"}}, "")
	require.NoError(t, err)
	assert.Zero(t, f.Rows)
	rows, _ := out.read(f)
	assert.Empty(t, rows)
	src, err := storage.OpenLocal(filepath.Join(out.dir, f.Name))
	require.NoError(t, err)
	file, err := parquet.Open(t.Context(), src, nil)
	require.NoError(t, err)
	defer func() { assert.NoError(t, file.Close()) }()
	assert.Equal(t, blocks.FingerprintOf(customerSchema), blocks.FingerprintOf(file.Schema()))
	assert.Equal(t, []string{f.Name}, out.files())
}

func TestFileSetEntryBytesIsNoLessThanTheEntry(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := newTable(mem, 20, 50, 24)
	defer in.release()
	for _, ordered := range []bool{false, true} {
		out := newOutput(t)
		s := newFileSetOf(out.sink, customerSchema, &pipeline.ParquetSink{PartitionBy: []string{"country"}, MaxOpenFiles: 20, PreserveOrder: ordered}, fileSetOptions{Memory: mem})
		for i, b := range in.blocks {
			span := in.spans[i]
			span.From, span.To = span.From*1000, span.From*1000+50 // no neighbours: what is dearest
			require.NoError(t, s.Append(t.Context(), b, span))
		}
		estimate := s.EntryBytes()
		files, err := s.Finish(t.Context())
		require.NoError(t, err)
		data, err := json.Marshal(files)
		require.NoError(t, err)
		assert.LessOrEqual(t, len(data), estimate)
		assert.Less(t, estimate, 3*len(data))
	}
}
