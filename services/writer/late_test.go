package writer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// lateSchema has a column of each kind that is copied, gathered or decoded.
var lateSchema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "amount", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "kind", Type: &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, Nullable: true},
	{Name: "flag", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
	{Name: "at", Type: &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}},
	{Name: "tags", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
	{Name: "price", Type: &arrow.Decimal128Type{Precision: 12, Scale: 2}, Nullable: true},
	{Name: "code", Type: &arrow.FixedSizeBinaryType{ByteWidth: 3}},
	{Name: "n", Type: arrow.PrimitiveTypes.Int32},
}, nil)

// lateBatch makes rows of lateSchema whose ids begin with from. The caller must Release it.
func lateBatch(rng *rand.Rand, from, rows int64) arrow.RecordBatch {
	b := array.NewRecordBuilder(memory.DefaultAllocator, lateSchema)
	defer b.Release()
	for i, f := range lateSchema.Fields() {
		for row := range rows {
			if f.Nullable && rng.IntN(5) == 0 {
				b.Field(i).AppendNull()
				continue
			}
			v := rng.Int64N(1000)
			switch col := b.Field(i).(type) {
			case *array.Int64Builder:
				col.Append(from + row)
			case *array.Int32Builder:
				col.Append(int32(v))
			case *array.Float64Builder:
				col.Append(float64(rng.Int64N(1_000_000)) / 8)
			case *array.StringBuilder:
				col.Append(fmt.Sprintf("é%d", rng.Int64N(5000)))
			case *array.BinaryDictionaryBuilder:
				_ = col.AppendString(fmt.Sprint("k", v%7)) // of seven values
			case *array.BooleanBuilder:
				col.Append(v%3 == 0)
			case *array.TimestampBuilder:
				col.Append(arrow.Timestamp(v * 1_000_003))
			case *array.Decimal128Builder:
				col.Append(decimal128.FromI64(v))
			case *array.FixedSizeBinaryBuilder:
				col.Append([]byte{'a', byte(v), 0})
			case *array.ListBuilder:
				col.Append(true)
				for range v % 4 {
					col.ValueBuilder().(*array.Int32Builder).Append(int32(v))
				}
			default:
				panic(fmt.Sprintf("no values of %T", col))
			}
		}
	}
	return b.NewRecordBatch()
}

// lateForm is how a writer of some kind writes a file.
type lateForm struct {
	codec compress.Compression
	v2    bool
	dict  bool
	limit int64 // bytes of a dictionary, which a column may outgrow
	page  int64 // bytes of a page
}

var lateForms = []lateForm{
	{codec: compress.Codecs.Snappy, dict: true, limit: 1 << 20, page: 1 << 20},
	{codec: compress.Codecs.Snappy, dict: true, limit: 8 << 10, page: 16 << 10}, // outgrown in mid-group
	{codec: compress.Codecs.Snappy, v2: true, page: 8 << 10},
	{codec: compress.Codecs.Zstd, dict: true, limit: 1 << 20, page: 64 << 10},
	{codec: compress.Codecs.Uncompressed, v2: true, dict: true, limit: 4 << 10, page: 16 << 10},
	{codec: compress.Codecs.Gzip, dict: true, limit: 1 << 20, page: 1 << 20}, // no codec of a sink
}

// lateTable is files of a source: a task each, and what the files say that is in them.
type lateTable struct {
	dir    string
	plan   *ledger.Plan
	schema *arrow.Schema
	groups []lateGroup
}

// lateGroup is a row group, as a reader has it.
type lateGroup struct {
	span  blocks.Span
	batch arrow.RecordBatch
}

// newLateTable writes a file for each form, with so many rows in each row group.
func newLateTable(t *testing.T, rng *rand.Rand, forms []lateForm, groups ...int64) *lateTable {
	t.Helper()
	in := &lateTable{dir: t.TempDir(), plan: &ledger.Plan{}}
	id := int64(0)
	for i, form := range forms {
		path := filepath.Join(in.dir, fmt.Sprintf("in-%d.parquet", i))
		props := []arrowparquet.WriterProperty{
			arrowparquet.WithCompression(form.codec), arrowparquet.WithDictionaryDefault(form.dict), arrowparquet.WithPageIndexEnabled(i%2 == 0), arrowparquet.WithBatchSize(64),
			arrowparquet.WithDataPageSize(form.page), arrowparquet.WithVersion(arrowparquet.V2_LATEST),
		}
		if form.limit > 0 {
			props = append(props, arrowparquet.WithDictionaryPageSizeLimit(form.limit))
		}
		if form.v2 {
			props = append(props, arrowparquet.WithDataPageVersion(arrowparquet.DataPageV2))
		}
		out, err := os.Create(path)
		require.NoError(t, err)
		w, err := pqarrow.NewFileWriter(lateSchema, out, arrowparquet.NewWriterProperties(props...), pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema()))
		require.NoError(t, err)
		for _, rows := range groups {
			b := lateBatch(rng, id, rows)
			require.NoError(t, w.Write(b)) // a row group
			b.Release()
			id += rows
		}
		require.NoError(t, w.Close())
		in.add(t, path)
	}
	t.Cleanup(func() {
		for _, g := range in.groups {
			g.batch.Release()
		}
	})
	return in
}

func (in *lateTable) add(t *testing.T, path string) {
	t.Helper()
	src, err := storage.OpenLocal(path)
	require.NoError(t, err)
	f, err := parquet.Open(t.Context(), src, memory.DefaultAllocator)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	in.schema = f.Schema()
	task := uint32(len(in.plan.Tasks))
	in.plan.Files = append(in.plan.Files, ledger.PlanFile{URI: path, Size: f.Identity().Size, Footer: f.Identity().Footer, Rows: f.Rows()})
	in.plan.Tasks = append(in.plan.Tasks, ledger.PlanTask{File: int(task), RowGroups: [2]int{0, f.RowGroups()}, Rows: f.Rows(), BlockRows: f.Rows()})
	err = f.ReadRowGroups(t.Context(), 0, f.RowGroups(), parquet.ReadOptions{Columns: f.Schema(), BlockRows: 1 << 20}, func(from, to int64, b arrow.RecordBatch) error {
		in.groups = append(in.groups, lateGroup{blocks.Span{Task: task, From: from, To: to}, b})
		return nil
	})
	require.NoError(t, err)
}

// job compiles a pipeline over the table, whole and touched.
func (in *lateTable) job(t *testing.T, stages, into string) (whole *pipeline.Pipeline, j *job.Job) {
	t.Helper()
	if stages != "" {
		stages = "stages: [{ name: s, transform: [" + stages + "] }]\n"
	}
	spec, err := pipeline.Parse("spec.yaml", []byte("apiVersion: levada/v1\nname: late\nsource: { parquet: { uri: in } }\n"+stages+"sink: { parquet: { uri: out"+into+" } }\n"))
	require.NoError(t, err)
	whole, err = pipeline.Compile(spec, in.schema)
	require.NoError(t, err)
	touched, err := whole.Touched()
	require.NoError(t, err)
	return whole, &job.Job{Plan: in.plan, Pipeline: touched}
}

// block makes the block of rows [from,to) of a row group that reaches the sink of a
// pipeline. The caller must Release it.
func (g *lateGroup) block(t *testing.T, p *pipeline.Pipeline, from, to int64) *blocks.Block {
	t.Helper()
	cols := make([]arrow.Array, p.Source.NumFields())
	for i, f := range p.Source.Fields() {
		cols[i] = g.batch.Column(g.batch.Schema().FieldIndices(f.Name)[0])
	}
	all := array.NewRecordBatch(p.Source, cols, g.batch.NumRows())
	defer all.Release()
	b := &blocks.Block{Header: blocks.Header{Span: blocks.Span{Task: g.span.Task, From: g.span.From + from, To: g.span.From + to}}, Batch: all.NewSlice(from, to)}
	for _, st := range p.Stages {
		out, err := st.Chain.Run(t.Context(), memory.DefaultAllocator, b.Batch)
		require.NoError(t, err)
		b.Batch.Release()
		b.Batch, b.Offsets = out.Batch, out.Kept
	}
	if b.Rows = b.Batch.NumRows(); b.Rows == b.Span.Rows() {
		b.Offsets = nil
	}
	return b
}

// cuts draws where a row group is cut into blocks.
func cuts(rng *rand.Rand, rows int64) []int64 {
	at := []int64{0, rows}
	for range rng.IntN(4) {
		at = append(at, rng.Int64N(rows))
	}
	slices.Sort(at)
	return slices.Compact(at)
}

// Whatever the pipeline, the source's writers, the sink and the blocks are, the files have
// the rows of a run in which every column travels, each once, and in their order if that
// is wanted. Blocks that wait for the rest of their row group may go on waiting over a cut.
func TestLateFilesHaveTheRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	tables := make([]*lateTable, 3)
	for i := range tables { // each of files by two writers
		tables[i] = newLateTable(t, rng, lateForms[2*i:2*i+2], leastGroup+500, 300)
	}
	for name, stages := range map[string]string{
		"added":           `{ with: { twice: "n + n" } }`,
		"nothing touched": `{ rename: { name: title } }`,
		"no stage":        ``,
		"other order":     `{ select: [code, tags, id, kind] }`,
		"replaced":        `{ with: { amount: "amount / 3.0" } }, { rename: { n: number } }`,
		"few dropped":     `{ filter: "n < 900" }, { with: { twice: "n + n" } }`,
		"half dropped":    `{ filter: "isNull(flag) || flag" }, { drop: [at] }`,
		"most dropped":    `{ filter: "n < 30" }`,
		"all dropped":     `{ filter: "n < 0" }`,
		"some fail":       `{ with: { x: "1000 / (n - 500)" } }`,
		"names swapped":   `{ filter: "n > 300" }, { rename: { name: kind, kind: name } }`,
		"made twice":      `{ with: { n: "n + 1" } }, { with: { n: "n + 1", m: "n" } }, { mask: { column: name, method: sha256 } }`,
	} {
		intos := []string{"", ", compression: zstd, preserve_order: true", ", compression: none, target_file: 64KiB", ", preserve_order: true, rows_per_group: 1000"}
		rng.Shuffle(len(intos), func(i, k int) { intos[i], intos[k] = intos[k], intos[i] })
		for _, into := range rounds.Some(intos) {
			t.Run(name+into, func(t *testing.T) {
				in := tables[rng.IntN(len(tables))]
				whole, j := in.job(t, stages, into)
				spec := j.Pipeline.Spec.Sink.Parquet
				mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
				defer mem.AssertSize(t, 0)
				l, err := newLate(j, mem)
				require.NoError(t, err)
				defer l.close()
				out := newOutput(t)
				set := newFileSet(out.sink, j.Pipeline, fileSetOptions{Memory: mem, Late: l, Buffer: []int64{0, 1 << 20}[rng.IntN(2)]})

				var late []*blocks.Block
				want := map[blocks.Span][]string{}
				for i := range in.groups {
					g := &in.groups[i]
					at := cuts(rng, g.batch.NumRows())
					for k := range at[1:] {
						late = append(late, g.block(t, j.Pipeline, at[k], at[k+1]))
						all := g.block(t, whole, at[k], at[k+1])
						for row := range int(all.Rows) {
							want[all.Span] = append(want[all.Span], rowText(all.Batch, row, 0))
						}
						all.Release()
					}
				}
				rng.Shuffle(len(late), func(i, k int) { late[i], late[k] = late[k], late[i] })

				n := 0
				cut := func(wait bool) {
					var waiting []keptPiece
					if wait {
						waiting = set.TakeWaiting()
					}
					files, err := set.Finish(t.Context())
					require.NoError(t, err)
					for _, f := range files {
						rows, _ := out.read(f)
						var of []blocks.Span
						for span := range want {
							if f.Spans.Contains(span) {
								of = append(of, span)
							}
						}
						slices.SortFunc(of, blocks.Span.Compare)
						var in []string
						for _, span := range of {
							in = append(in, want[span]...)
						}
						if !spec.PreserveOrder {
							slices.Sort(in)
							slices.Sort(rows)
						}
						require.Len(t, rows, len(in))
						require.True(t, slices.Equal(in, rows), "rows of %v", of)
						n += len(rows)
					}
					require.NoError(t, set.AppendWaiting(t.Context(), waiting))
					releaseKept(waiting)
				}
				for i, b := range late {
					require.NoError(t, set.AppendLate(t.Context(), b))
					b.Release()
					if i > 0 && rng.IntN(len(late)) < 3 {
						cut(rng.IntN(2) == 0)
					}
				}
				cut(false)
				for _, rows := range want {
					n -= len(rows)
				}
				require.Zero(t, n, "rows in no file, or in two")
			})
		}
	}
}

// lateSet is a set of one file of a job over a table, with what it takes to look inside.
type lateSet struct {
	*fileSet
	t    *testing.T
	out  *output
	late *late
	job  *job.Job
	in   *lateTable
}

func (in *lateTable) set(t *testing.T, stages, into string, buffer int64) *lateSet {
	t.Helper()
	_, j := in.job(t, stages, into)
	l, err := newLate(j, memory.DefaultAllocator)
	require.NoError(t, err)
	t.Cleanup(l.close)
	out := newOutput(t)
	s := newFileSet(out.sink, j.Pipeline, fileSetOptions{Late: l, Buffer: buffer})
	t.Cleanup(func() { s.Abandon(context.WithoutCancel(t.Context())) })
	return &lateSet{s, t, out, l, j, in}
}

// append appends rows [from,to) of a row group of the source; to is its end when 0.
func (s *lateSet) append(group int, from, to int64) error {
	s.t.Helper()
	g := &s.in.groups[group]
	if to == 0 {
		to = g.batch.NumRows()
	}
	b := g.block(s.t, s.job.Pipeline, from, to)
	defer b.Release()
	return s.AppendLate(s.t.Context(), b)
}

// finish closes the file and says how many rows it has, in how many row groups.
func (s *lateSet) finish() (rows, groups int) {
	s.t.Helper()
	files, err := s.Finish(s.t.Context())
	require.NoError(s.t, err)
	require.Len(s.t, files, 1)
	text, groups := s.out.read(files[0])
	return len(text), groups
}

// decoded reports that rows of the source had to be decoded.
func (s *lateSet) decoded() bool {
	return slices.ContainsFunc(s.late.sources.open, func(o *source) bool { return o.reader != nil })
}

// Nothing is decoded that can be copied or gathered, and a row group of the source is one
// of the output, unless it has too few rows: those share one.
func TestLateTakesTheCheapestWay(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	const rows = 2 * leastGroup
	in := newLateTable(t, rng, lateForms, rows, rows, 300)
	file := func(form int) []int { return []int{3 * form, 3*form + 1, 3*form + 2} }
	const flat = `{ select: [id, amount, name, kind, flag, at, price, code, n] }`
	for name, c := range map[string]struct {
		form    int
		stages  string
		into    string
		groups  []int
		decoded bool
		n       int // row groups of the output
	}{
		"WholeIsCopied":                {0, `{ with: { twice: "n + n" } }`, "", file(0)[:2], false, 2},
		"WholeIsCopiedWithBigChunks":   {1, `{ rename: { n: m } }`, "", file(1)[:2], false, 2},
		"WholeOfAnotherCodecIsDecoded": {3, `{ with: { twice: "n + n" } }`, "", file(3)[:2], true, 2},
		"WholeOfTheSinksCodec":         {3, `{ with: { twice: "n + n" } }`, ", compression: zstd", file(3)[:2], false, 2},
		"SomeAreGathered":              {0, `{ filter: "n > 20" }, ` + flat, "", file(0)[:2], false, 2},
		"OutgrownDictionary":           {1, `{ filter: "n > 20" }, ` + flat, "", file(1)[:2], false, 2},
		"SecondPageFormat":             {2, `{ filter: "n > 20" }, ` + flat, "", file(2)[:2], false, 2},
		"GatheredFromAnotherCodec":     {3, `{ filter: "n > 20" }, ` + flat, "", file(3)[:2], false, 2},
		"NestedIsDecoded":              {0, `{ filter: "n > 20" }`, "", file(0)[:2], true, 2},
		"FailedRowsAreLeftOut":         {0, `{ with: { x: "1000 / (n - 500)" } }, { drop: [tags] }`, "", file(0)[:2], false, 2},
		"FewShareARowGroup":            {0, `{ filter: "n < 30" }, ` + flat, "", file(0), true, 1},
		"SmallGroupsShareOne":          {0, `{ rename: { n: m } }`, "", file(0), true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			s := in.set(t, c.stages, c.into, 0)
			for _, g := range c.groups {
				require.NoError(t, s.append(g, 0, 0))
			}
			_, groups := s.finish()
			require.Equal(t, c.decoded, s.decoded())
			require.Equal(t, c.n, groups)
		})
	}
}

// The parts of a row group become one again, whatever their order; what is missing of it
// when the cut comes is gathered, and may go on waiting over a cut instead.
func TestLatePartsWaitForEachOther(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	const rows = 3 * leastGroup
	in := newLateTable(t, rng, lateForms[:2], rows)
	const stages = `{ with: { twice: "n + n" } }, { drop: [tags] }`

	t.Run("OutOfOrder", func(t *testing.T) {
		s := in.set(t, stages, "", 0)
		require.NoError(t, s.append(0, rows/2, 0))
		require.NoError(t, s.append(1, 100, 0)) // of another file
		require.NoError(t, s.append(0, 10, rows/2))
		require.Len(t, s.Waiting(), 3)
		require.NoError(t, s.append(0, 0, 10))
		require.Len(t, s.Waiting(), 1, "a row group is whole")
		require.NoError(t, s.append(1, 0, 100))
		require.Empty(t, s.Waiting())
		n, groups := s.finish()
		require.Equal(t, 2*rows, n)
		require.Equal(t, 2, groups)
		require.False(t, s.decoded())
	})
	t.Run("OneIsMissing", func(t *testing.T) {
		s := in.set(t, stages, "", 0)
		require.NoError(t, s.append(0, 0, leastGroup))
		require.NoError(t, s.append(0, leastGroup+1, 0))
		n, groups := s.finish()
		require.Equal(t, rows-1, n)
		require.Equal(t, 2, groups, "a run without a gap each")
		require.False(t, s.decoded(), "most of a row group is gathered")
	})
	t.Run("OverACut", func(t *testing.T) {
		s := in.set(t, stages, "", 0)
		require.NoError(t, s.append(1, 0, 0))
		require.NoError(t, s.append(0, leastGroup, 0))
		waiting := s.TakeWaiting()
		require.Len(t, waiting, 1)
		n, _ := s.finish()
		require.Equal(t, rows, n)
		require.NoError(t, s.AppendWaiting(t.Context(), waiting))
		releaseKept(waiting)
		require.NoError(t, s.append(0, 0, leastGroup))
		n, groups := s.finish()
		require.Equal(t, rows, n)
		require.Equal(t, 1, groups)
		require.False(t, s.decoded())
	})
	t.Run("NothingElseInTheFile", func(t *testing.T) {
		s := in.set(t, stages, "", 0)
		require.NoError(t, s.append(0, 0, leastGroup))
		waiting := s.TakeWaiting()
		files, err := s.Finish(t.Context())
		require.NoError(t, err)
		require.Empty(t, files)
		require.NoError(t, s.AppendWaiting(t.Context(), waiting))
		releaseKept(waiting)
		n, _ := s.finish()
		require.Equal(t, leastGroup, n)
	})
}

// Of a row group that is too large to wait for, parts go on together as soon as they make
// a row group themselves; smaller ones are waited for.
func TestPartsOfLargeGroupsGoOn(t *testing.T) {
	b := array.NewInt64Builder(memory.DefaultAllocator)
	const rows = 300_000
	b.AppendValues(make([]int64, rows), nil)
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil), []arrow.Array{b.NewArray()}, rows)
	part := func(i int64) keptPiece {
		return keptPiece{span: blocks.Span{From: i * rows, To: (i + 1) * rows}, batch: batch}
	}

	large := int64(mostWaited/8*2) / rows * rows
	var p parts
	first := part(0)
	size := first.size()
	for i := range someParts / size {
		require.Nil(t, p.add(groupOf{}, large, part(i)), "part %d of %d bytes", i, size)
	}
	all := p.add(groupOf{}, large, part(someParts/size))
	require.Len(t, all, someParts/int(size)+1)
	require.Empty(t, p.spans())
	require.Zero(t, p.bytes)
	releaseKept(all)

	for i := range int64(5) {
		require.Nil(t, p.add(groupOf{group: 1}, 6*rows, part(i)))
	}
	require.Len(t, p.add(groupOf{group: 1}, 6*rows, part(5)), 6, "the whole row group")
}

// What waits counts as memory, its offsets too: a set that has too much of it writes.
func TestLatePartsKeepTheMemoryBound(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	const rows = 3 * leastGroup
	in := newLateTable(t, rng, lateForms[:2], rows, rows)
	const buffer = fileBytes + 128<<10
	for name, c := range map[string]struct {
		stages string
		each   int64 // bytes of a block that waits, at least
	}{
		"Columns":      {`{ with: { twice: "id + id" } }, { drop: [tags] }`, rows / 2 * 8},
		"OnlyOffsets":  {`{ filter: "n > 20" }, { select: [id, name] }`, rows / 3 * 4},
		"NothingAtAll": {`{ select: [id, name] }`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := in.set(t, c.stages, "", buffer)
			for g := range in.groups {
				before := s.held
				require.NoError(t, s.append(g, 0, rows/2))
				require.LessOrEqual(t, s.held+fileBytes, int64(buffer))
				if g == 0 {
					require.GreaterOrEqual(t, s.held-before, c.each)
				}
			}
			n, _ := s.finish()
			require.Positive(t, n)
		})
	}
}

// A file of the source that is not the planned one, or is not there, is an error of the
// source, which names it and which no retry mends; the set takes nothing more.
func TestLateErrorsAreTheSources(t *testing.T) {
	for name, c := range map[string]struct {
		change func(path string) error
		want   string
	}{
		"Gone":    {os.Remove, "no such file"},
		"Changed": {func(path string) error { return os.Rename(filepath.Join(filepath.Dir(path), "in-1.parquet"), path) }, "changed"},
		"Short":   {func(path string) error { return os.Truncate(path, 100) }, "truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			in := newLateTable(t, rand.New(rand.NewPCG(15, 16)), lateForms[:2], leastGroup)
			s := in.set(t, `{ with: { twice: "n + n" } }`, "", 0)
			require.NoError(t, c.change(in.plan.Files[0].URI))
			err := s.append(0, 0, 0)
			require.ErrorContains(t, err, "in-0.parquet")
			require.ErrorContains(t, err, c.want)
			require.True(t, sink.IsPermanent(err))
			require.ErrorAs(t, err, new(*sourceError))
			require.Equal(t, err, s.append(0, 0, 0))
			_, err = s.Finish(t.Context())
			require.Error(t, err)
			require.Empty(t, s.out.files())
		})
	}
	t.Run("ALaterPage", func(t *testing.T) {
		in := newLateTable(t, rand.New(rand.NewPCG(17, 18)), lateForms[:1], leastGroup)
		path := in.plan.Files[0].URI
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		for i := range 64 {
			data[len(data)/2+i] ^= 0xff
		}
		require.NoError(t, os.WriteFile(path, data, 0o600))
		s := in.set(t, `{ filter: "n > 20" }, { drop: [tags] }`, "", 0)
		err = s.append(0, 0, 0)
		require.ErrorContains(t, err, "in-0.parquet")
		require.ErrorAs(t, err, new(*sourceError))
		require.True(t, sink.IsPermanent(err))
	})
}
