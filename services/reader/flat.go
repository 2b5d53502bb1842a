package reader

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/internal/storage"
)

// flatReader reads row groups: those of flat columns of plain types directly, which is
// three times as fast, and all others by way of arrow-go. Only files at hand are read
// directly; over a network reading ahead counts for more.
type flatReader struct {
	file    *parquet.File
	src     *stitch.Source // nil when nothing is read directly
	o       *parquet.ReadOptions
	mem     memory.Allocator
	decoder stitch.Decoder
}

func openFlat(name string, src storage.File, file *parquet.File, o *parquet.ReadOptions, mem memory.Allocator) (*flatReader, error) {
	r := &flatReader{file: file, o: o, mem: mem}
	if _, distant := src.(storage.Distant); distant || o.Columns.NumFields() == 0 {
		return r, nil
	}
	var err error
	r.src, err = stitch.OpenSource(name, src, src.Size())
	return r, err
}

func (r *flatReader) close() { r.decoder.Close() }

// read is [parquet.File.ReadRowGroups].
func (r *flatReader) read(ctx context.Context, first, last int, emit emitFunc) error {
	if r.src == nil || !r.suits(first, last) {
		return r.file.ReadRowGroups(ctx, first, last, *r.o, emit)
	}
	at := int64(0)
	for g := first; g < last; g++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := r.group(ctx, g, at, emit); err != nil {
			return err
		}
		at += r.src.Rows(g)
	}
	return nil
}

// suits reports that all row groups can be read directly, by what the footer says.
func (r *flatReader) suits(first, last int) bool {
	for g := first; g < last; g++ {
		for _, f := range r.o.Columns.Fields() {
			if r.decoder.Decodes(r.src, g, f) != nil {
				return false
			}
		}
	}
	return true
}

// group reads one row group, whose first row is row at of the task.
func (r *flatReader) group(ctx context.Context, g int, at int64, emit emitFunc) error {
	rows := r.src.Rows(g)
	if err := r.decoder.Begin(r.src, g, r.o.Columns); err != nil {
		return err // suits has said that it can
	}
	for from := at; from < at+rows; from += r.o.BlockRows {
		to := min(from+r.o.BlockRows, at+rows)
		batch, err := r.block(ctx, from, to)
		if no := (*stitch.RefusedError)(nil); errors.As(err, &no) {
			return r.general(ctx, g, at, from, emit) // its pages are not what the footer says
		}
		if err != nil {
			return err
		}
		if err := emit(from, to, batch); err != nil {
			return err
		}
	}
	return nil
}

// block decodes rows [from,to) of the task, which come next; nil when they are not wanted.
// The caller must Release the batch.
func (r *flatReader) block(ctx context.Context, from, to int64) (arrow.RecordBatch, error) {
	if !r.o.Want(from, to) {
		return nil, r.decoder.Skip(ctx, int(to-from))
	}
	return r.decoder.Next(ctx, r.mem, int(to-from))
}

// general reads one row group page by page, whose first row is row at of the task, but
// for its blocks before row done.
func (r *flatReader) general(ctx context.Context, g int, at, done int64, emit emitFunc) error {
	o := *r.o
	o.Want = func(from, to int64) bool { return at+from >= done && r.o.Want(at+from, at+to) }
	return r.file.ReadRowGroups(ctx, g, g+1, o, func(from, to int64, batch arrow.RecordBatch) error {
		if at+from < done {
			return nil
		}
		return emit(at+from, at+to, batch)
	})
}
