package reader

import (
	"context"
	"errors"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/internal/storage"
)

// flatBytes bounds the unpacked bytes of a row group that is decoded as a whole.
const flatBytes = 32 << 20

// flatReader reads row groups: those of few and flat columns as a whole, which is three
// times as fast, and all others page by page. Only files at hand are read as a whole;
// over a network reading ahead counts for more.
type flatReader struct {
	file    *parquet.File
	src     *stitch.Source // nil when nothing is read as a whole
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

// suits reports that all row groups can be read as a whole, by what the footer says.
func (r *flatReader) suits(first, last int) bool {
	names := names(r.o.Columns)
	for g := first; g < last; g++ {
		rg, err := r.file.RowGroup(g, names)
		if err != nil || rg.Unpacked > flatBytes {
			return false
		}
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
	wanted := false
	for from := at; from < at+rows && !wanted; from += r.o.BlockRows {
		wanted = r.o.Want(from, min(from+r.o.BlockRows, at+rows))
	}
	if !wanted {
		return r.blocks(at, rows, nil, emit)
	}
	batch, err := r.decode(ctx, g)
	if no := (*stitch.RefusedError)(nil); errors.As(err, &no) {
		return r.general(ctx, g, at, emit) // its pages are not what the footer says
	}
	if err != nil {
		return err
	}
	defer batch.Release()
	return r.blocks(at, rows, batch, emit)
}

// decode reads the columns of a row group. The caller must Release the batch.
func (r *flatReader) decode(ctx context.Context, g int) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, r.o.Columns.NumFields())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, f := range r.o.Columns.Fields() {
		var err error
		if cols[i], err = r.decoder.Column(ctx, r.mem, r.src, g, f); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(r.o.Columns, cols, r.src.Rows(g)), nil
}

// blocks emits a row group in blocks; those that are not wanted, or all when there is no
// batch, without rows.
func (r *flatReader) blocks(at, rows int64, batch arrow.RecordBatch, emit emitFunc) error {
	for from := at; from < at+rows; from += r.o.BlockRows {
		to := min(from+r.o.BlockRows, at+rows)
		var block arrow.RecordBatch
		if batch != nil && r.o.Want(from, to) {
			block = batch.NewSlice(from-at, to-at)
		}
		if err := emit(from, to, block); err != nil {
			return err
		}
	}
	return nil
}

// general reads one row group page by page.
func (r *flatReader) general(ctx context.Context, g int, at int64, emit emitFunc) error {
	o := *r.o
	o.Want = func(from, to int64) bool { return r.o.Want(at+from, at+to) }
	return r.file.ReadRowGroups(ctx, g, g+1, o, func(from, to int64, batch arrow.RecordBatch) error {
		return emit(at+from, at+to, batch)
	})
}
