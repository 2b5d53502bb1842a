package reader

import (
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/arrow/scalar"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// taskBytes is about how many unpacked bytes a task has: enough that its overhead
// does not count, few enough that a lost one costs little and all readers have work.
const taskBytes = 64 << 20

// usualBlock bounds the bytes of a block where a larger one would fit: nothing is gained
// above it.
const usualBlock = 4 << 20

// maxSourceFiles bounds the files of one plan.
const maxSourceFiles = 1 << 20

// Facts are what there is to know about a pipeline's source before a run.
type Facts struct {
	Pipeline   *pipeline.Pipeline // compiled against the source's schema
	Files      []ledger.PlanFile
	Tasks      []ledger.PlanTask
	Bytes      int64 // of the files
	Groups     int   // row groups
	Rows       int64 // of the source as it is
	BlockBytes int64

	PrunedRows, PrunedGroups int64
	PrunedBy                 string

	Skipped []ledger.PlanSkip // files that cannot be read, and which the spec leaves out

	whole *pipeline.Pipeline // in which all columns travel

	Carried []pipeline.Carried // what becomes of the columns that do not travel; empty when all do
	AllWhy  string             // why all travel; "" when not
}

// SkippedFiles names the files that are left out, each with the reason.
func (f *Facts) SkippedFiles() []string {
	var all []string
	for _, s := range f.Skipped {
		all = append(all, s.URI+": "+s.Reason)
	}
	return all
}

// Blocks is how many blocks the tasks will have, before any is halved.
func (f *Facts) Blocks() int {
	n := int64(0)
	for _, t := range f.Tasks {
		n += (t.Rows + t.BlockRows - 1) / max(t.BlockRows, 1)
	}
	return int(n)
}

// Inspect reads the footers of a spec's source: no rows. blockBytes bounds a block.
// Errors about the spec are pipeline.Errors, those about a file name it.
func Inspect(ctx context.Context, spec *pipeline.Spec, blockBytes int64) (*Facts, error) {
	f := &Facts{BlockBytes: blockBytes}
	if r := spec.Source.Range; r != nil {
		schema := arrow.NewSchema([]arrow.Field{{Name: r.Column, Type: arrow.PrimitiveTypes.Int64}}, nil)
		p, err := pipeline.Compile(spec, schema)
		if err != nil {
			return nil, err
		}
		rows := r.Rows
		if l := p.Limit; l != nil && l.Rows < rows {
			f.PrunedRows, f.PrunedBy, rows = rows-l.Rows, l.Operator, l.Rows
		}
		f.Pipeline, f.Tasks, f.Rows = p, rangeTasks(rows, blockBytes), r.Rows
		return f, nil
	}
	names, err := storage.Expand(ctx, spec.Source.Parquet.URI, ".parquet", job.S3(spec.Source.Parquet.S3))
	if err != nil {
		return nil, err
	}
	if len(names) > maxSourceFiles {
		return nil, refused("uri", "read fewer in one run", "the source has %d files, more than %d", len(names), maxSourceFiles)
	}
	hive, err := hiveColumns(spec.Source.Parquet.Hive, names)
	if err != nil {
		return nil, err
	}
	i := &inspection{Facts: f, spec: spec, hive: hive}
	if spec.Source.Parquet.Schemas == pipeline.SchemasUnion {
		for _, name := range names {
			if err := i.open(ctx, name, i.look); err != nil {
				return nil, err
			}
		}
		f.Skipped = nil // the same ones are met again
	}
	for _, name := range names {
		if err := i.open(ctx, name, i.file); err != nil {
			return nil, err
		}
	}
	if f.Pipeline == nil {
		return nil, refused("uri", "name files that can be read", "none of the %d files of the source can be read: %s: %s", len(names), f.Skipped[0].URI, f.Skipped[0].Reason)
	}
	f.Pipeline.Stored = f.whole.StoredAs(i.columns.originals(hive))
	return f, nil
}

// inspection is what is known while the files are gone through.
//
//	union: each file ─► its columns ─┐
//	                                 ▼
//	each file ─► its columns ─► those of the pipeline ─► identity, tasks
type inspection struct {
	*Facts
	spec    *pipeline.Spec
	hive    []arrow.Field
	columns columns
}

// open opens a file for f. One that cannot be read is left out if the pipeline says so.
func (i *inspection) open(ctx context.Context, name string, f func(name string, src storage.File, file *parquet.File) error) error {
	var file *parquet.File
	src, err := storage.Open(ctx, name, job.S3(i.spec.Source.Parquet.S3))
	if err == nil {
		file, err = parquet.Open(ctx, src, memory.DefaultAllocator)
	}
	if err != nil {
		if isBad(err) && i.spec.Source.Parquet.OnBadFile == pipeline.BadFileSkip {
			i.Skipped = append(i.Skipped, ledger.PlanSkip{URI: name, Reason: reason(err)})
			return nil
		}
		return err
	}
	defer func() { _ = file.Close() }()
	return f(name, src, file)
}

// reason is why a file cannot be read, without its name.
func reason(err error) string {
	if fe := (*parquet.FileError)(nil); errors.As(err, &fe) && fe.RowGroup < 0 {
		return fe.Err.Error()
	}
	if se := (*storage.Error)(nil); errors.As(err, &se) {
		return se.Err.Error()
	}
	return err.Error()
}

// look takes in the columns of one file.
func (i *inspection) look(_ string, _ storage.File, file *parquet.File) error {
	return i.columns.add(file)
}

// file adds one file: its identity, and its tasks.
func (i *inspection) file(name string, src storage.File, file *parquet.File) error {
	rule := i.spec.Source.Parquet.Schemas
	for _, h := range i.hive {
		if file.Schema().HasField(h.Name) {
			return refused("hive", "write hive: false, or leave it out of one of them", "%s: column %q is in the file and in its directory", name, h.Name)
		}
	}
	if i.columns.files == 0 {
		if err := i.columns.add(file); err != nil {
			return err
		}
	} else if rule != pipeline.SchemasUnion {
		diff, err := i.columns.fits(file, rule)
		if err != nil {
			return err
		}
		if diff != "" {
			return refused("schema", "read the files in two runs, or write schema: union", "%s: its schema differs from that of %s: %s", name, i.columns.from[0], diff)
		}
	}
	if i.Pipeline == nil {
		if err := i.compile(name, src, file); err != nil {
			return err
		}
	}
	for _, c := range i.Pipeline.Needed.Fields() {
		// Not by its place among the others: which of them is meant, nobody has said.
		if n := len(file.Schema().FieldIndices(c.Name)); n > 1 {
			return refused("columns", "leave it out with source.parquet.columns, or write the file with names of their own", "%s: column %q is there %d times", name, c.Name, n)
		}
	}
	at := len(i.Files)
	id := file.Identity()
	planned := ledger.PlanFile{URI: name, Size: id.Size, Footer: id.Footer, Rows: file.Rows()}
	for _, p := range job.HivePairs(name) {
		if len(i.hive) > 0 {
			if planned.Hive == nil {
				planned.Hive = map[string]string{}
			}
			planned.Hive[p.Column] = p.Value
		}
	}
	i.Files = append(i.Files, planned)
	i.Bytes += id.Size
	i.Groups += file.RowGroups()
	i.Rows += file.Rows()
	return i.groups(file, at)
}

// compile compiles the pipeline, with the first file at hand to judge by.
func (i *inspection) compile(name string, src storage.File, file *parquet.File) error {
	var err error
	if i.whole, err = pipeline.Compile(i.spec, i.columns.schema(i.hive)); err != nil {
		return err
	}
	i.whole.Stored = i.whole.StoredAs(i.columns.originals(i.hive))
	sample, err := stitch.OpenSource(name, src, src.Size())
	if err != nil {
		return err
	}
	i.Pipeline, i.Carried, i.AllWhy, err = carry(i.whole, file, sample)
	return err
}

// schemaDiff names the first difference between the schemas of two files.
func schemaDiff(a, b *arrow.Schema) string {
	for i, want := range a.Fields() {
		if i >= b.NumFields() {
			return fmt.Sprintf("column %q is missing", want.Name)
		}
		got := b.Field(i)
		switch {
		case got.Name != want.Name:
			return fmt.Sprintf("column %d is %q where %q was expected", i+1, got.Name, want.Name)
		case !arrow.TypeEqual(got.Type, want.Type):
			return fmt.Sprintf("column %q is %s where %s was expected", got.Name, got.Type, want.Type)
		case got.Nullable != want.Nullable:
			return fmt.Sprintf("column %q is nullable in one of them only", got.Name)
		}
	}
	if b.NumFields() > a.NumFields() {
		return fmt.Sprintf("column %q is new", b.Field(a.NumFields()).Name)
	}
	return ""
}

// groups makes tasks of a file's row groups: neighbours together up to taskBytes, and
// none of those that the statistics show to be filtered out whole.
func (f *Facts) groups(file *parquet.File, at int) error {
	travels, needed := names(f.Pipeline.Source), names(f.Pipeline.Needed)
	var task *ledger.PlanTask
	var bytes, travelling, most int64 // of the task: of all columns, of those that travel, rows of a row group
	row := int64(0)                   // of the file
	for g := range file.RowGroups() {
		rg, err := file.RowGroup(g, needed)
		if err != nil {
			return err
		}
		part, err := file.RowGroup(g, travels)
		if err != nil {
			return err
		}
		first := row
		row += rg.Rows
		if by := f.prunes(file, g, at, f.Rows-file.Rows()+first); by != "" {
			f.PrunedRows += rg.Rows
			f.PrunedGroups++
			f.PrunedBy = by
			task = nil
			continue
		}
		// Where damage is skipped a task is one row group: its blocks follow from the plan alone,
		// whether the file can still be read or not.
		alone := f.Pipeline.Spec.Source.Parquet.OnBadFile == pipeline.BadFileSkip
		if task == nil || alone || bytes+rg.Unpacked > taskBytes {
			f.Tasks = append(f.Tasks, ledger.PlanTask{File: at, RowGroups: [2]int{g, g}, FirstRow: first})
			task, bytes, travelling, most = &f.Tasks[len(f.Tasks)-1], 0, 0, 0
		}
		task.RowGroups[1] = g + 1
		task.Rows += rg.Rows
		bytes += rg.Unpacked
		travelling += part.Unpacked
		most = max(most, rg.Rows)
		// From metadata and the columns carried alone, never from decoded bytes
		// (rule 17): packed pages understate the bytes of a row, the schema's fixed widths do not.
		width := max(float64(travelling)/float64(max(task.Rows, 1)), blocks.Width(f.Pipeline.Source))
		task.BlockRows = blocks.RowsPerBlock(width, min(f.BlockBytes, usualBlock))
		if f.Pipeline.Late() && most > task.BlockRows {
			task.BlockRows = evenly(most, blocks.RowsPerBlock(width, f.BlockBytes))
		}
	}
	return nil
}

// evenly cuts a row group into the fewest blocks of at most so many rows, all alike: one
// that comes whole is copied, and of pieces each becomes a row group.
func evenly(rows, most int64) int64 {
	pieces := (rows + most - 1) / most
	return (rows + pieces - 1) / pieces
}

// prunes says which operator drops all rows of a row group, whose first one is a row of
// the source; "" when none is known to.
func (f *Facts) prunes(file *parquet.File, g, at int, first int64) string {
	if l := f.Pipeline.Limit; l != nil && first >= l.Rows {
		return l.Operator
	}
	for _, p := range f.Pipeline.Prune {
		if p.Program.CanSkip(func(column string) (expr.Stats, bool) { return f.stats(file, g, at, column) }) {
			return p.Operator
		}
	}
	return ""
}

// stats is what is known of a column as the pipeline sees it: a value in the file's name,
// or what the footer says, unless the column is widened.
func (f *Facts) stats(file *parquet.File, g, at int, column string) (expr.Stats, bool) {
	wanted := f.Pipeline.Needed.FieldIndices(column)
	if len(wanted) != 1 {
		return expr.Stats{}, false
	}
	field := f.Pipeline.Needed.Field(wanted[0])
	if value, ok := f.Files[at].Hive[column]; ok {
		return hiveStats(value, field.Type, file.RowGroupRows(g))
	}
	i := file.Schema().FieldIndices(column)
	if len(i) != 1 || !arrow.TypeEqual(file.Schema().Field(i[0]).Type, field.Type) {
		return expr.Stats{}, false
	}
	return file.Stats(g, column)
}

// hiveStats is what a directory says of a column.
func hiveStats(value string, t arrow.DataType, rows int64) (expr.Stats, bool) {
	v, err := job.HiveScalar(value, t)
	if err != nil || rows == 0 {
		return expr.Stats{}, false
	}
	st := expr.Stats{Rows: rows, Exact: true}
	if !v.IsValid() {
		st.Nulls = rows
		return st, true
	}
	switch v := v.(type) {
	case *scalar.Int64:
		st.Min, st.Max = v.Value, v.Value
	case *scalar.Int32:
		st.Min, st.Max = int64(v.Value), int64(v.Value)
	case *scalar.Boolean:
		st.Min, st.Max = v.Value, v.Value
	case *scalar.Date32:
		st.Min, st.Max = v.Value.ToTime(), v.Value.ToTime()
	case *scalar.String:
		st.Min, st.Max = value, value
	}
	return st, true
}

func names(s *arrow.Schema) []string {
	out := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		out[i] = f.Name
	}
	return out
}
