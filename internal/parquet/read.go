package parquet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/scalar"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"github.com/levada-data/levada/pkg/blocks"
)

// ReadOptions say what to read, and within what memory.
type ReadOptions struct {
	// Top-level columns, in this order. One of a type that the file's widens to (see
	// [Common]) is widened.
	Columns   *arrow.Schema
	BlockRows int64 // rows of a batch; the last of a row group may have fewer
	Budget    int64 // bytes that one page may take, packed or not; 128 MiB when 0
	// Want says whether the rows [from,to), counted from the first row asked for, are
	// needed. nil: all. A row group of which nothing is wanted is not read at all.
	Want func(from, to int64) bool
	Fill bool // columns that the file lacks are null
	// Constants are the values of columns that stand in the file's name, not in it. May be nil.
	Constants map[string]scalar.Scalar
}

// ReadRowGroups calls emit for every block of the row groups [first,last), in order:
// with its rows, or with nil when they are not wanted. A block ends where a row group
// ends. emit takes ownership of the batch. The error is emit's own, that of ctx, or a
// [*FileError].
func (f *File) ReadRowGroups(ctx context.Context, first, last int, o ReadOptions, emit func(from, to int64, batch arrow.RecordBatch) error) error {
	if o.Budget == 0 {
		o.Budget = 128 << 20
	}
	if o.Want == nil {
		o.Want = func(int64, int64) bool { return true }
	}
	ahead, err := f.lookAhead(first, last, &o)
	if err != nil {
		return err
	}
	defer ahead.stop()
	at := int64(0)
	for g := first; g < last; g++ {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := f.readRowGroup(ctx, g, at, &o, ahead, emit); err != nil {
			return err
		}
		at += f.meta.RowGroup(g).NumRows()
	}
	return nil
}

// emitError carries emit's own error past the classification.
type emitError struct{ err error }

func (e *emitError) Error() string { return e.err.Error() }

// wants reports that some block of the rows [at,at+rows) is wanted.
func (o *ReadOptions) wants(at, rows int64) bool {
	for from := at; from < at+rows; from += o.BlockRows {
		if o.Want(from, min(from+o.BlockRows, at+rows)) {
			return true
		}
	}
	return false
}

// count is readRowGroup for no columns: the footer says it all.
func (f *File) count(ctx context.Context, o *ReadOptions, at, rows int64, emit func(from, to int64, batch arrow.RecordBatch) error) error {
	for from := at; from < at+rows; from += o.BlockRows {
		to := min(from+o.BlockRows, at+rows)
		var batch arrow.RecordBatch
		if o.Want(from, to) {
			none := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, to-from)
			var err error
			batch, err = f.adapt(ctx, none, o)
			none.Release()
			if err != nil {
				return &FileError{File: f.name, RowGroup: -1, Err: err}
			}
		}
		if err := emit(from, to, batch); err != nil {
			return err
		}
	}
	return nil
}

func (f *File) readRowGroup(ctx context.Context, g int, at int64, o *ReadOptions, ahead *lookAhead, emit func(from, to int64, batch arrow.RecordBatch) error) error {
	rows := f.meta.RowGroup(g).NumRows()
	if len(f.leaves(o.Columns)) == 0 {
		if err := f.count(ctx, o, at, rows, emit); err != nil {
			return err
		}
		return nil
	}
	if !o.wants(at, rows) {
		for from := at; from < at+rows; from += o.BlockRows {
			if err := emit(from, min(from+o.BlockRows, at+rows), nil); err != nil {
				return err
			}
		}
		return nil
	}
	src, buffer, err := ahead.take(ctx, g)
	bytes := &section{src: src, size: f.id.Size}
	if err == nil {
		err = f.decode(ctx, bytes, buffer, g, at, rows, o, emit)
	}
	var own *emitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &own):
		return own.err
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case bytes.err != nil:
		err = bytes.err // not damaged: not read
	case bytes.damaged != nil:
		return &FileError{File: f.name, RowGroup: g, Column: bytes.damaged.column, Err: fmt.Errorf("%w: %w", ErrCorrupt, bytes.damaged.err)}
	}
	return &FileError{File: f.name, RowGroup: g, Err: err}
}

// decode reads one row group under a recover: a malformed page must not take the
// process with it.
func (f *File) decode(ctx context.Context, src *section, buffer int64, g int, at, rows int64, o *ReadOptions, emit func(from, to int64, batch arrow.RecordBatch) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
	}()
	props := arrowparquet.NewReaderProperties(f.mem)
	props.MaxUncompressedPageSize = o.Budget
	props.MaxCompressedPageSize = o.Budget
	// Column chunks are read as they are decoded, page by page: the memory of a row group
	// does not depend on its size.
	props.BufferedStreamEnabled = true
	props.BufferSize = buffer
	reader, err := f.reader(src, props, o.BlockRows)
	if err != nil {
		return err
	}
	leaves := f.leaves(o.Columns)
	if src.chunks, err = f.checked(g, leaves); err != nil {
		return err
	}
	// Without this, arrow-go looks for the page index, which is not used here, through all
	// columns for each column.
	if err := reader.ParquetReader().GetPageIndexReader().WillNeed([]int32{int32(g)}, []int32{int32(leaves[0])}, metadata.PageIndexSelection{}); err != nil { //nolint:gosec // a row group and a column
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	rr, err := reader.GetRecordReader(ctx, leaves, []int{g})
	if err != nil {
		return f.explain(err, leaves, o.Budget)
	}
	defer rr.Release()
	from := at
	for rr.Next() {
		batch := rr.RecordBatch()
		to := from + batch.NumRows()
		if to > at+rows || batch.NumRows() != min(o.BlockRows, at+rows-from) {
			return fmt.Errorf("%w: it gave %d rows where %d were expected", ErrCorrupt, to-at, rows)
		}
		if err := sane(batch); err != nil {
			return err
		}
		out := arrow.RecordBatch(nil)
		if o.Want(from, to) {
			if out, err = f.conform(ctx, batch, o); err != nil {
				return err
			}
		}
		if err := emit(from, to, out); err != nil {
			return &emitError{err}
		}
		from = to
	}
	if err := rr.Err(); err != nil && !errors.Is(err, io.EOF) {
		return f.explain(err, leaves, o.Budget)
	}
	if from != at+rows {
		return fmt.Errorf("%w: it gave %d rows, its footer says %d", ErrCorrupt, from-at, rows)
	}
	return nil
}

// sane checks that what arrow-go made of the levels of nested columns is arrays: pages whose
// levels contradict each other give lists that end behind their elements, over which
// others would end the process.
func sane(batch arrow.RecordBatch) error {
	for i, c := range batch.Columns() {
		if _, ok := c.DataType().(arrow.NestedType); !ok {
			continue
		}
		if err := array.Validate(c); err != nil {
			return fmt.Errorf("%w: column %q: its levels contradict each other: %w", ErrCorrupt, batch.ColumnName(i), err)
		}
	}
	return nil
}

// explain makes of an error of arrow-go's one that says what to do.
func (f *File) explain(err error, leaves []int, budget int64) error {
	if strings.Contains(err.Error(), "exceeds configured limit") { // arrow-go has no sentinel for it
		return fmt.Errorf("%w: a page exceeds %d MiB: write the file with smaller pages, or give the reader more memory: %w", ErrTooLarge, budget>>20, err)
	}
	if strings.Contains(err.Error(), "outside the Arrow nanosecond range") { // likewise; nor does it name the column
		var old []string
		for _, i := range leaves {
			if c := f.meta.Schema.Column(i); c.PhysicalType() == arrowparquet.Types.Int96 {
				old = append(old, fmt.Sprintf("%q", c.Path()))
			}
		}
		return fmt.Errorf("%w: column %s has an INT96 timestamp before 1677 or after 2262, which nanoseconds cannot hold: leave it out with source.parquet.columns, or write it as INT64 in microseconds",
			ErrRange, strings.Join(old, " or "))
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// conform gives a batch the schema that was asked for: the order of its columns,
// without the file's metadata, in types that travel. The caller must Release the
// result.
func (f *File) conform(ctx context.Context, batch arrow.RecordBatch, o *ReadOptions) (arrow.RecordBatch, error) {
	plain, err := blocks.Plain(ctx, f.mem, batch)
	if err != nil {
		return nil, err
	}
	defer plain.Release()
	return f.adapt(ctx, plain, o)
}

// adapt makes the columns that were asked for of those that the file has. It borrows the
// batch; the caller must Release the result.
func (f *File) adapt(ctx context.Context, plain arrow.RecordBatch, o *ReadOptions) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, o.Columns.NumFields())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for _, fd := range o.Columns.Fields() {
		at := plain.Schema().FieldIndices(fd.Name)
		var (
			col arrow.Array
			err error
		)
		switch {
		case len(at) == 1:
			col, err = f.column(ctx, plain.Column(at[0]), fd)
		case len(at) > 1:
			err = fmt.Errorf("%w: column %q is there %d times", ErrCorrupt, fd.Name, len(at))
		case o.Constants[fd.Name] != nil:
			col, err = scalar.MakeArrayFromScalar(o.Constants[fd.Name], int(plain.NumRows()), f.mem)
		case o.Fill && fd.Nullable:
			col = array.MakeArrayOfNull(f.mem, fd.Type, int(plain.NumRows()))
		default:
			err = fmt.Errorf("column %q is missing", fd.Name)
		}
		if err != nil {
			return nil, err
		}
		cols = append(cols, col)
	}
	return array.NewRecordBatch(o.Columns, cols, plain.NumRows()), nil
}

// column gives a column the type that was asked for.
func (f *File) column(ctx context.Context, col arrow.Array, want arrow.Field) (arrow.Array, error) {
	switch {
	case !want.Nullable && col.NullN() > 0:
		return nil, fmt.Errorf("%w: column %q has nulls and must not", ErrCorrupt, want.Name)
	case arrow.TypeEqual(col.DataType(), want.Type):
		col.Retain()
		return col, nil
	case alike(col.DataType(), want.Type):
		return as(f.mem, col, want.Type)
	case col.DataType().ID() == arrow.NULL && want.Nullable:
		return array.MakeArrayOfNull(f.mem, want.Type, col.Len()), nil
	case Widens(col.DataType(), want.Type):
		wide, err := compute.CastArray(compute.WithAllocator(ctx, f.mem), col, compute.SafeCastOptions(want.Type))
		if err != nil {
			return nil, fmt.Errorf("%w: column %q has a value that does not fit %s, to which files that differ have widened it: read them in two runs, or leave it out with source.parquet.columns",
				ErrRange, want.Name, want.Type)
		}
		return wide, nil
	}
	return nil, fmt.Errorf("%w: column %q is not %s", ErrCorrupt, want.Name, want.Type)
}
