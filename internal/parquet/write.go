package parquet

import (
	"fmt"
	"io"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
)

// WriteOptions say how a file is written. The zero value is the default.
type WriteOptions struct {
	Codec        string // "none", "snappy", "zstd"; snappy when empty
	Level        int    // of zstd; 1 when 0
	RowsPerGroup int64  // 1,048,576 when 0
	Memory       memory.Allocator
}

// sampleRows is how many rows decide about dictionaries.
const sampleRows = 4096

// Writer writes one Parquet file. It encodes as rows come and holds the row group
// that is not complete. One goroutine.
type Writer struct {
	w       io.Writer
	schema  *arrow.Schema
	o       WriteOptions
	fw      *pqarrow.FileWriter
	out     *counter
	rows    int64
	inGroup int64 // rows since the last Flush
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// NewWriter returns a writer of batches of the given schema. Nothing is written
// before the first batch or Close. The caller must Close it, and owns w.
func NewWriter(w io.Writer, schema *arrow.Schema, o WriteOptions) (*Writer, error) {
	if o.RowsPerGroup == 0 {
		o.RowsPerGroup = 1 << 20
	}
	if o.Memory == nil {
		o.Memory = memory.DefaultAllocator
	}
	if _, err := codec(o.Codec); err != nil {
		return nil, err
	}
	return &Writer{w: w, schema: schema, o: o, out: &counter{w: w}}, nil
}

func codec(name string) (compress.Compression, error) {
	switch name {
	case "none":
		return compress.Codecs.Uncompressed, nil
	case "snappy", "":
		return compress.Codecs.Snappy, nil
	case "zstd":
		return compress.Codecs.Zstd, nil
	}
	return 0, fmt.Errorf("codec %q is not known: none, snappy or zstd", name)
}

// open starts the file, with the first batch at hand to judge by.
func (w *Writer) open(first arrow.RecordBatch) error {
	c, err := codec(w.o.Codec)
	if err != nil {
		return err
	}
	props := []arrowparquet.WriterProperty{
		arrowparquet.WithAllocator(w.o.Memory), arrowparquet.WithCompression(c), arrowparquet.WithStats(true),
		arrowparquet.WithPageIndexEnabled(true), arrowparquet.WithDictionaryDefault(false), arrowparquet.WithCreatedBy("levada"),
		arrowparquet.WithMaxRowGroupLength(w.o.RowsPerGroup), arrowparquet.WithVersion(arrowparquet.V2_LATEST),
	}
	if c == compress.Codecs.Zstd {
		props = append(props, arrowparquet.WithCompressionLevel(max(w.o.Level, 1)))
	}
	if first != nil {
		for i, f := range w.schema.Fields() {
			if Repeats(first.Column(i)) {
				props = append(props, arrowparquet.WithDictionaryFor(f.Name, true))
			}
		}
	}
	w.fw, err = pqarrow.NewFileWriter(w.schema, w.out, arrowparquet.NewWriterProperties(props...),
		pqarrow.NewArrowWriterProperties(pqarrow.WithStoreSchema(), pqarrow.WithAllocator(w.o.Memory)))
	if err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	return nil
}

// Repeats reports that a column has so few distinct values that a dictionary pays:
// at most a quarter of the sampled ones. Only strings are asked; numbers are as small
// as their place in a dictionary, nearly.
func Repeats(col arrow.Array) bool {
	n := min(col.Len(), sampleRows)
	if n == 0 {
		return false
	}
	seen := map[string]struct{}{}
	switch a := col.(type) {
	case *array.String:
		for i := range n {
			seen[a.Value(i)] = struct{}{}
		}
	case *array.LargeString:
		for i := range n {
			seen[a.Value(i)] = struct{}{}
		}
	default:
		return false
	}
	return len(seen)*4 <= n
}

// Write appends a batch, borrowing it.
func (w *Writer) Write(batch arrow.RecordBatch) error {
	if w.fw == nil {
		if err := w.open(batch); err != nil {
			return err
		}
	}
	if batch.NumRows() == 0 {
		return nil
	}
	if batch.Schema() != w.schema { // metadata may differ, which arrow-go refuses
		batch = array.NewRecordBatch(w.schema, batch.Columns(), batch.NumRows())
		defer batch.Release()
	}
	if err := w.fw.WriteBuffered(batch); err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	w.rows += batch.NumRows()
	w.inGroup += batch.NumRows()
	return nil
}

// Flush closes the open row group, so that its memory is free. The next one is open
// then: a file that ends right after a Flush has an empty row group at its end, which
// readers take.
func (w *Writer) Flush() error {
	if w.inGroup == 0 {
		return nil
	}
	w.inGroup = 0
	if err := w.fw.NewBufferedRowGroupChecked(); err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	return nil
}

// Rows is how many rows have been written.
func (w *Writer) Rows() int64 { return w.rows }

// Bytes is how long the file would be now, nearly: what is out, and the pages of the
// open row group.
func (w *Writer) Bytes() int64 { return w.out.n + w.Buffered() }

// Buffered is how many bytes the open row group holds in memory, nearly.
func (w *Writer) Buffered() int64 {
	if w.fw == nil || w.inGroup == 0 {
		return 0
	}
	return w.fw.RowGroupTotalBytesWritten()
}

// Close writes the footer and returns the file's length. A file without rows has the
// schema and no row group.
func (w *Writer) Close() (int64, error) {
	if w.fw == nil {
		if err := w.open(nil); err != nil {
			return 0, err
		}
	}
	if err := w.fw.Close(); err != nil {
		return 0, fmt.Errorf("write parquet: %w", err)
	}
	return w.out.n, nil
}

// Abandon lets go of the memory of a file that is not wanted any more.
func (w *Writer) Abandon() {
	if w.fw != nil {
		w.out.w = io.Discard
		_ = w.fw.Close()
	}
}

// Columns returns the fields of a schema without the named ones.
func Columns(s *arrow.Schema, without []string) *arrow.Schema {
	fields := slices.DeleteFunc(slices.Clone(s.Fields()), func(f arrow.Field) bool { return slices.Contains(without, f.Name) })
	return arrow.NewSchema(fields, nil)
}
