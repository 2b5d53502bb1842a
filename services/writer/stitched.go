package writer

import (
	"bytes"
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/pkg/blocks"
)

// encoder writes rows as one Parquet file: what [parquet.Writer] does.
type encoder interface {
	Write(batch arrow.RecordBatch) error
	Flush() error
	Rows() int64
	Bytes() int64
	Buffered() int64
	Close() (int64, error)
	Abandon()
}

// stitchedFile is a file that is put together of row groups. Rows that come as record
// batches share row groups, which are encoded in memory.
type stitchedFile struct {
	w       *stitch.Writer
	schema  *arrow.Schema
	options parquet.WriteOptions
	ordered bool // rows stay in the order in which they come

	parts parts           // blocks that wait for the rest of their row group
	loose *parquet.Writer // of rows that share a row group; nil when there are none
	buf   bytes.Buffer    // what it has written
	raw   int64           // bytes of the rows that it has been given
	most  int64           // of these, that have not become pages yet
}

func newStitchedFile(w io.Writer, layout *stitch.Layout, schema *arrow.Schema, o parquet.WriteOptions, ordered bool, columns int64) *stitchedFile {
	return &stitchedFile{w: stitch.NewWriter(w, layout), schema: schema, options: o, ordered: ordered, most: columns * pageBytes}
}

// stitch appends a row group.
func (f *stitchedFile) stitch(ctx context.Context, g stitch.Group) error {
	if f.ordered {
		if err := f.flushLoose(ctx); err != nil {
			return err
		}
	}
	return f.w.Append(ctx, g)
}

// Write appends rows that share a row group with others, borrowing them.
func (f *stitchedFile) Write(batch arrow.RecordBatch) error {
	if f.loose == nil {
		var err error
		if f.loose, err = parquet.NewWriter(&f.buf, f.schema, f.options); err != nil {
			return err
		}
	}
	f.raw += blocks.DataSize(batch)
	return f.loose.Write(batch)
}

// settle appends all that waits: for the rest of a row group, or to fill one.
func (f *stitchedFile) settle(ctx context.Context, l *late) error {
	for len(f.parts.order) > 0 {
		if err := f.completeParts(ctx, l, f.parts.take(f.parts.order[0])); err != nil {
			return err
		}
	}
	return f.flushLoose(ctx)
}

// flushLoose appends the row groups of the rows that were written.
func (f *stitchedFile) flushLoose(ctx context.Context) error {
	if f.loose == nil {
		return nil
	}
	if _, err := f.loose.Close(); err != nil {
		return err
	}
	err := f.w.AppendFile(ctx, f.buf.Bytes())
	f.loose, f.raw = nil, 0
	f.buf.Reset()
	return err
}

// Flush does nothing: settle has done it.
func (f *stitchedFile) Flush() error { return nil }

// Rows is how many rows the file has, but for blocks that wait for others.
func (f *stitchedFile) Rows() int64 {
	if f.loose == nil {
		return f.w.Rows()
	}
	return f.w.Rows() + f.loose.Rows()
}

// Bytes is how long the file would be now, nearly.
func (f *stitchedFile) Bytes() int64 {
	if f.loose == nil {
		return f.w.Bytes() + f.parts.bytes
	}
	return f.w.Bytes() + f.parts.bytes + f.loose.Bytes()
}

// Buffered is how many bytes settle would free, nearly.
func (f *stitchedFile) Buffered() int64 {
	if f.loose == nil {
		return f.parts.bytes
	}
	return f.parts.bytes + int64(f.buf.Len()) + f.loose.Buffered() + min(f.raw, f.most)*3/2
}

// Close writes the footer and returns the file's length. Nothing may wait: see settle.
func (f *stitchedFile) Close() (int64, error) { return f.w.Close() }

// Abandon lets go of the memory of a file that is not wanted any more.
func (f *stitchedFile) Abandon() {
	f.parts.release()
	if f.loose != nil {
		f.loose.Abandon()
	}
}
