package reader

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

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

	Carried []pipeline.Carried // what becomes of the columns that do not travel; empty when all do
	AllWhy  string             // why all travel; "" when not
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
		f.Pipeline, f.Tasks, f.Rows = p, rangeTasks(r.Rows, blockBytes), r.Rows
		return f, nil
	}
	names, err := storage.Expand(ctx, spec.Source.Parquet.URI, ".parquet", job.S3(spec.Source.Parquet.S3))
	if err != nil {
		return nil, err
	}
	if len(names) > maxSourceFiles {
		return nil, fmt.Errorf("the source has %d files, more than %d: read fewer in one run", len(names), maxSourceFiles)
	}
	var first *arrow.Schema
	for _, name := range names {
		if err := f.file(ctx, spec, name, &first, names[0]); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// file adds one file: its identity, and its tasks.
func (f *Facts) file(ctx context.Context, spec *pipeline.Spec, name string, first **arrow.Schema, firstName string) error {
	src, err := storage.Open(ctx, name, job.S3(spec.Source.Parquet.S3))
	if err != nil {
		return err
	}
	file, err := parquet.Open(ctx, src, memory.DefaultAllocator)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if *first == nil {
		*first = file.Schema()
		whole, err := pipeline.Compile(spec, *first)
		if err != nil {
			return err
		}
		sample, err := stitch.OpenSource(name, src, src.Size())
		if err != nil {
			return err
		}
		if f.Pipeline, f.Carried, f.AllWhy, err = carry(whole, file, sample); err != nil {
			return err
		}
	} else if diff := schemaDiff(*first, file.Schema()); diff != "" {
		return fmt.Errorf("%s: its schema differs from that of %s: %s: read the files in two runs", name, firstName, diff)
	}
	at := len(f.Files)
	id := file.Identity()
	f.Files = append(f.Files, ledger.PlanFile{URI: name, Size: id.Size, Footer: id.Footer, Rows: file.Rows()})
	f.Bytes += id.Size
	f.Groups += file.RowGroups()
	f.Rows += file.Rows()
	return f.groups(file, at)
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
		if by := f.prunes(file, g); by != "" {
			f.PrunedRows += rg.Rows
			f.PrunedGroups++
			f.PrunedBy = by
			task = nil
			continue
		}
		if task == nil || bytes+rg.Unpacked > taskBytes {
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

func (f *Facts) prunes(file *parquet.File, g int) string {
	for _, p := range f.Pipeline.Prune {
		if p.Program.CanSkip(func(column string) (expr.Stats, bool) { return file.Stats(g, column) }) {
			return p.Operator
		}
	}
	return ""
}

func names(s *arrow.Schema) []string {
	out := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		out[i] = f.Name
	}
	return out
}
