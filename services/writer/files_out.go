package writer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// outFile is one file of a cut.
//
//	open ─► add ... ─► encodeEnd ─► finish: entry is what a commit says of it
//	keep ... ─► sortKept: open, add ... ─┘                    (preserve_order)
type outFile struct {
	set       *fileSet
	partition *partition
	spans     ledger.Coverage // that have rows in it

	staged  *sink.Staged // nil until it is opened
	parquet encoder      // likewise
	kept    []keptPiece  // rows that wait for their order
	entry   ledger.File

	used  uint64 // the set's clock when it was last written to
	total int64  // bytes of the rows added
	raw   int64  // of those since the last row group
	held  int64  // what a flush would free, nearly
}

// keptPiece is rows of a block that wait for their place.
type keptPiece struct {
	span    blocks.Span
	batch   arrow.RecordBatch
	offsets []uint32 // of a late block, its own
}

// size is how many bytes a piece takes while it waits. Of a block of which no column has
// travelled these are its offsets.
func (p *keptPiece) size() int64 { return blocks.DataSize(p.batch) + 4*int64(len(p.offsets)) }

// What an open file takes in memory, measured: the encoders of its columns and its
// buffers; and, for rows that have not become pages yet, half as much again as they
// have bytes, because buffers grow by doubling. A column makes a page of every
// pageBytes.
const (
	fileBytes = 128 << 10
	pageBytes = 1 << 20
)

// open begins the staged file. With first, files of a directory sort by it.
func (f *outFile) open(ctx context.Context, first *blocks.Span) error {
	staged, err := f.set.out.Create(ctx, sink.Place{Dir: f.partition.dir, First: first, Name: f.set.name})
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	f.staged = staged
	if late := f.set.late; late != nil {
		f.parquet = newStitchedFile(staged, late.layout, late.pipeline.Out, writeOptions(f.set.spec, f.set.stored, f.set.mem), f.set.spec.PreserveOrder, f.set.columns)
		return nil
	}
	o := writeOptions(f.set.spec, f.set.stored, f.set.mem)
	if f.set.layout != nil {
		f.parquet = newStitchedFile(staged, f.set.layout, f.set.split.out, o, f.set.spec.PreserveOrder, f.set.columns)
		return nil
	}
	f.parquet, err = parquet.NewWriter(staged, f.set.split.out, o)
	return f.encodeError(err)
}

func writeOptions(spec *pipeline.ParquetSink, stored *arrow.Schema, mem memory.Allocator) parquet.WriteOptions {
	return parquet.WriteOptions{
		Codec: spec.Compression.Codec, Level: spec.Compression.Level, RowsPerGroup: spec.RowsPerGroup, Memory: mem, Finish: job.Finish(spec), Stored: stored,
	}
}

// add writes rows, or keeps them. It borrows the batch.
func (f *outFile) add(ctx context.Context, p keptPiece) error {
	size := p.size()
	if f.parquet == nil {
		p.batch.Retain()
		f.kept = append(f.kept, p)
		f.held += size
		return nil
	}
	if stitched, ok := f.parquet.(*stitchedFile); ok && f.set.late != nil {
		if err := stitched.add(ctx, f.set.late, p); err != nil {
			return f.lateError(ctx, err)
		}
		f.held = stitched.Buffered()
		return nil
	}
	if err := f.parquet.Write(p.batch); err != nil {
		return f.encodeError(err)
	}
	f.total += size
	f.raw += size
	f.held = f.parquet.Buffered() + f.loose()*3/2
	return nil
}

// loose is how many bytes have not become pages yet: at most a page for each column.
func (f *outFile) loose() int64 { return min(f.raw, f.set.columns*pageBytes) }

// size is how long the file would be now, nearly: what is loose will shrink as the
// rest did.
func (f *outFile) size() int64 {
	if f.parquet == nil {
		return f.held
	}
	written, loose := f.parquet.Bytes(), f.loose()
	if pages := f.total - loose; pages > written {
		loose = int64(float64(loose) * float64(written) / float64(pages))
	}
	return written + loose
}

// flush writes the row group.
func (f *outFile) flush(ctx context.Context) error {
	if err := f.settle(ctx); err != nil {
		return err
	}
	if err := f.parquet.Flush(); err != nil {
		return f.encodeError(err)
	}
	f.raw, f.held = 0, 0
	return nil
}

// sortKept opens the file and writes the rows that were kept, in the order of the
// source.
func (f *outFile) sortKept(ctx context.Context) error {
	if len(f.kept) == 0 {
		return nil
	}
	slices.SortFunc(f.kept, func(a, b keptPiece) int { return a.span.Compare(b.span) })
	first := f.kept[0].span
	if err := f.open(ctx, &first); err != nil {
		return err
	}
	for len(f.kept) > 0 {
		k := f.kept[0]
		if err := f.add(ctx, k); err != nil {
			return fmt.Errorf("block %s: %w", k.span, err)
		}
		k.batch.Release()
		f.kept = f.kept[1:]
		// What waits takes up to half of the buffer, and this file the rest.
		if f.held > f.set.limit/2 {
			if err := f.flush(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// settle writes what waits in a file of which some columns have not travelled.
func (f *outFile) settle(ctx context.Context) error {
	if stitched, ok := f.parquet.(*stitchedFile); ok {
		return f.lateError(ctx, stitched.settle(ctx, f.set.late))
	}
	return nil
}

// encodeEnd writes the last row group and the footer.
func (f *outFile) encodeEnd(ctx context.Context) error {
	if err := f.settle(ctx); err != nil {
		return err
	}
	rows := f.parquet.Rows()
	_, err := f.parquet.Close()
	if err != nil {
		return f.encodeError(err)
	}
	f.parquet = nil
	f.entry.Rows = rows
	return nil
}

// finish makes the file durable. It may run beside the encoding of others.
func (f *outFile) finish() error {
	entry, err := f.staged.Finish()
	if err != nil {
		return fmt.Errorf("finish file: %w", err)
	}
	entry.Rows, entry.Partition, entry.Spans = f.entry.Rows, f.partition.values, f.spans
	f.entry = entry
	return nil
}

// abandon deletes the file and lets go of its memory.
func (f *outFile) abandon() {
	for _, k := range f.kept {
		k.batch.Release()
	}
	f.kept = nil
	if f.parquet != nil {
		f.parquet.Abandon()
		f.parquet = nil
	}
	if f.staged != nil {
		_ = f.staged.Abort() // what stays is left to the sweep
	}
}

// lateError tells an error of the source, and the end of time, from one of encoding.
func (f *outFile) lateError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if of := (*sourceError)(nil); errors.As(err, &of) || ctx.Err() != nil {
		return err
	}
	if parquet.IsDamaged(err) || errors.As(err, new(*parquet.FileError)) {
		return ofSource(err)
	}
	return f.encodeError(err)
}

// encodeError tells an error of the storage, which the encoder may have dressed up,
// from one of the encoder itself: that one comes back with the same rows.
func (f *outFile) encodeError(err error) error {
	if err == nil {
		return nil
	}
	if failed := f.staged.Err(); failed != nil {
		return fmt.Errorf("write file: %w", failed)
	}
	return &encodeError{File: f.staged.Name(), Err: err}
}

// encodeError is rows that cannot be written as Parquet.
type encodeError struct {
	File string
	Err  error
}

func (e *encodeError) Error() string { return fmt.Sprintf("file %s: %v", e.File, e.Err) }

// Unwrap returns the cause.
func (e *encodeError) Unwrap() error { return e.Err }

// Permanent tells [sink.IsPermanent] that a retry will not help.
func (e *encodeError) Permanent() bool { return true }
