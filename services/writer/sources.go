package writer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/arrow/scalar"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/blocks"
)

// sources are the files of the source that a lane takes columns from. The last few stay
// open: blocks of several files come mixed.
type sources struct {
	job  *job.Job
	mem  memory.Allocator
	open []*source // the one used last at the end
}

// openSources is how many files a lane keeps open.
const openSources = 8

// source is one open file. Its identity is that of the plan.
type source struct {
	file   int                      // of the plan
	hive   map[string]scalar.Scalar // columns that stand in its name
	src    storage.File
	stitch *stitch.Source
	reader *parquet.File // for what has to be decoded; opened when it is needed
	mem    memory.Allocator

	refused map[string]bool // columns whose pages turned out to be none that can be taken
}

// sourceError is about a file of the source, not about the sink.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "source: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// Permanent tells [sink.IsPermanent] that a retry will not help.
func (e *sourceError) Permanent() bool {
	return parquet.IsDamaged(e.err) || errors.Is(e.err, parquet.ErrChanged) || errors.Is(e.err, storage.ErrNotExist) || storage.IsPermanent(e.err)
}

// ofSource marks an error of reading a file.
func ofSource(err error) error {
	if err == nil {
		return nil
	}
	return &sourceError{err}
}

func newSources(j *job.Job, mem memory.Allocator) *sources { return &sources{job: j, mem: mem} }

// find opens the file of a span. It returns the row group in which the span lies, whole,
// for no block goes beyond one, and the row of it with which the span begins.
func (s *sources) find(ctx context.Context, span blocks.Span) (src *source, group int, at int64, err error) {
	task := s.job.Plan.Tasks[span.Task]
	if src, err = s.get(ctx, task.File); err != nil {
		return nil, 0, 0, ofSource(err)
	}
	at = span.From
	for g := task.RowGroups[0]; g < task.RowGroups[1]; g++ {
		if rows := src.stitch.Rows(g); at < rows {
			if at+span.Rows() > rows {
				break
			}
			return src, g, at, nil
		}
		at -= src.stitch.Rows(g)
	}
	return nil, 0, 0, fmt.Errorf("block %s lies in no row group of %s", span, s.job.Plan.Files[task.File].URI)
}

// groupOf names the row group in which a span lies, and says how many rows it has.
func (s *sources) groupOf(ctx context.Context, span blocks.Span) (groupOf, int64, error) {
	src, group, _, err := s.find(ctx, span)
	if err != nil {
		return groupOf{}, 0, err
	}
	return groupOf{src.file, group}, src.stitch.Rows(group), nil
}

func (s *sources) get(ctx context.Context, file int) (*source, error) {
	for i, o := range s.open {
		if o.file == file {
			s.open = append(append(s.open[:i], s.open[i+1:]...), o)
			return o, nil
		}
	}
	planned := s.job.Plan.Files[file]
	src, err := storage.Open(ctx, planned.URI, job.S3(s.job.Pipeline.Spec.Source.Parquet.S3))
	if err != nil {
		return nil, err
	}
	st, err := stitch.OpenSource(planned.URI, src, src.Size())
	// Rule 17 (determinism): only the planned file has the planned rows.
	if err == nil && (src.Size() != planned.Size || st.FooterHash() != planned.Footer) {
		err = &parquet.FileError{File: planned.URI, RowGroup: -1, Err: parquet.ErrChanged}
	}
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	if len(s.open) == openSources {
		s.open[0].close()
		s.open = s.open[1:]
	}
	hive, err := job.Hive(s.job.Pipeline.Needed, &planned)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	o := &source{file: file, hive: hive, src: src, stitch: st, mem: s.mem, refused: map[string]bool{}}
	s.open = append(s.open, o)
	return o, nil
}

func (s *sources) close() {
	for _, o := range s.open {
		o.close()
	}
	s.open = nil
}

func (o *source) close() { _ = o.src.Close() } // it was only read

// decodeRows is how many rows are decoded at once.
const decodeRows = 64 << 10

// shared keeps a file open that is the reader's too.
type shared struct{ storage.File }

func (shared) Close() error { return nil }

// decode reads columns of a row group and calls f with the given rows, ascending, or with
// all of them (nil): some at a time, [from,to) of these.
func (o *source) decode(ctx context.Context, group int, columns *arrow.Schema, rows []uint32, f func(from, to int64, cols []arrow.Array) error) error {
	if columns.NumFields() == 0 {
		n := int64(len(rows))
		if rows == nil {
			n = o.stitch.Rows(group)
		}
		return f(0, n, nil)
	}
	if o.reader == nil {
		var src storage.File = shared{o.src}
		if far, ok := o.src.(storage.Distant); ok {
			src = sharedDistant{far}
		}
		var err error
		if o.reader, err = parquet.Open(ctx, src, o.mem); err != nil {
			return ofSource(err)
		}
	}
	var own error // of f, or of what is done to the rows: not the source's
	at, left := int64(0), rows
	err := o.reader.ReadRowGroups(ctx, group, group+1, parquet.ReadOptions{Columns: columns, BlockRows: decodeRows, Constants: o.hive, Fill: true, Want: func(from, to int64) bool {
		return rows == nil || anyIn(rows, from, to)
	}}, func(from, to int64, batch arrow.RecordBatch) error {
		if batch == nil {
			return nil
		}
		defer batch.Release()
		if rows == nil {
			own = f(from, to, batch.Columns())
			return own
		}
		left, own = chosen(ctx, o.mem, batch, from, to, left, func(cols []arrow.Array, n int64) error {
			at += n
			return f(at-n, at, cols)
		})
		return own
	})
	if own != nil {
		return own
	}
	return ofSource(err)
}

// sharedDistant is shared for a file over a network.
type sharedDistant struct{ storage.Distant }

func (sharedDistant) Close() error { return nil }

// anyIn reports that one of the rows, ascending, is in [from,to).
func anyIn(rows []uint32, from, to int64) bool {
	i, _ := slices.BinarySearch(rows, uint32(from)) //nolint:gosec // a row of a row group
	return i < len(rows) && int64(rows[i]) < to
}
