package writer

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
func (in *lateTable) job(t *testing.T, stages, sink string) (whole *pipeline.Pipeline, j *job.Job) {
	t.Helper()
	if stages != "" {
		stages = "stages: [{ name: s, transform: [" + stages + "] }]\n"
	}
	spec, err := pipeline.Parse("spec.yaml", []byte("apiVersion: levada/v1\nname: late\nsource: { parquet: { uri: in } }\n"+stages+"sink: { parquet: { uri: out"+sink+" } }\n"))
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
	in := newLateTable(t, rng, lateForms, leastGroup+1000, 300, leastGroup)
	sinks := []string{"", ", compression: zstd, preserve_order: true", ", compression: none, target_file: 64KiB", ", preserve_order: true, rows_per_group: 1000"}
	pipelines := map[string]string{
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
	}
	for i, name := range slices.Sorted(maps.Keys(pipelines)) {
		stages := pipelines[name]
		for _, sink := range []string{sinks[i%4], sinks[(i+1)%4]} {
			t.Run(name+sink, func(t *testing.T) {
				whole, j := in.job(t, stages, sink)
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

				var got, expect []string
				cut := func(wait bool) {
					var waiting []keptPiece
					if wait {
						waiting = set.TakeWaiting()
					}
					files, err := set.Finish(t.Context())
					require.NoError(t, err)
					for _, f := range files {
						rows, _ := out.read(f)
						got = append(got, rows...)
						var in []string
						for s, rows := range want { // in the order of spans, each of which is whole in one file
							if f.Spans.Contains(s) {
								in = append(in, rows...)
							}
						}
						require.Equal(t, slices.Sorted(slices.Values(in)), slices.Sorted(slices.Values(rows)))
						if spec.PreserveOrder {
							spans := slices.SortedFunc(func(yield func(blocks.Span) bool) {
								for s := range want {
									if f.Spans.Contains(s) && !yield(s) {
										return
									}
								}
							}, blocks.Span.Compare)
							in = nil
							for _, s := range spans {
								in = append(in, want[s]...)
							}
							require.Equal(t, in, rows, "order")
						}
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
					expect = append(expect, rows...)
				}
				require.Len(t, got, len(expect))
				slices.Sort(got)
				slices.Sort(expect)
				require.Equal(t, expect, got)
			})
		}
	}
}

var _ = strings.Join
