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

	"github.com/levada-data/levada/pkg/blocks"
)

// WriteOptions say how a file is written. The zero value is the default.
type WriteOptions struct {
	Codec        string // "none", "snappy", "zstd"; snappy when empty
	Level        int    // of zstd; 1 when 0
	RowsPerGroup int64  // 1,048,576 when 0
	Memory       memory.Allocator
	// Stored is what the file calls the columns: the same ones, in types of which the
	// batches have the plain ones, with metadata, and the file's key-value metadata. nil: as
	// the batches do.
	Stored *arrow.Schema
	Finish Finish
}

// sampleRows is how many rows decide about dictionaries.
const sampleRows = 4096

// Writer writes one Parquet file. It encodes as rows come and holds the row group
// that is not complete. One goroutine.
type Writer struct {
	w       io.Writer
	schema  *arrow.Schema
	encoded *arrow.Schema // what arrow-go is given
	o       WriteOptions
	fw      *pqarrow.FileWriter
	out     *counter
	rows    int64
	inGroup int64 // rows since the last Flush

	// Rows that wait to be sorted; none unless there are keys.
	waiting     []arrow.RecordBatch
	waitingRows int64
	waitingSize int64 // bytes in memory
	sortedSize  int64 // of those that are written
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
	more, err := w.o.Finish.properties(w.schema, first, w.o.RowsPerGroup)
	if err != nil {
		return err
	}
	props = append(props, more...)
	w.encoded = w.schema
	options := []pqarrow.WriterOption{pqarrow.WithAllocator(w.o.Memory)}
	if entry := w.store(); entry == "" {
		options = append(options, pqarrow.WithStoreSchema())
	} else {
		keys, values := w.encoded.Metadata().Keys(), w.encoded.Metadata().Values()
		all := arrow.NewMetadata(append(slices.Clone(keys), storedKey), append(slices.Clone(values), entry))
		w.encoded = arrow.NewSchema(w.encoded.Fields(), &all)
	}
	w.fw, err = pqarrow.NewFileWriter(w.encoded, w.out, arrowparquet.NewWriterProperties(props...), pqarrow.NewArrowWriterProperties(options...))
	if err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	return nil
}

// store decides what arrow-go encodes, and returns the entry that says what it is; "" when
// arrow-go can say it by itself.
func (w *Writer) store() string {
	fields, stored := make([]arrow.Field, w.schema.NumFields()), make([]arrow.Field, w.schema.NumFields())
	same := true
	for i, f := range w.schema.Fields() {
		s := arrow.Field{Name: f.Name, Type: f.Type, Nullable: f.Nullable}
		if w.o.Stored != nil {
			if at := w.o.Stored.FieldIndices(f.Name); len(at) == 1 && restores(w.o.Stored.Field(at[0]).Type, f.Type) {
				s.Type, s.Metadata = w.o.Stored.Field(at[0]).Type, w.o.Stored.Field(at[0]).Metadata
			}
		}
		fields[i] = encodedField(f, s)
		s = unannotated(s)
		s.Type = elements(s.Type)
		stored[i] = s
		same = same && fields[i].Metadata.Len() == 0 && arrow.TypeEqual(fields[i].Type, f.Type, arrow.CheckMetadata()) && arrow.TypeEqual(s.Type, elements(f.Type), arrow.CheckMetadata())
	}
	var keys arrow.Metadata
	if w.o.Stored != nil {
		keys = w.o.Stored.Metadata()
	}
	if same && keys.Len() == 0 {
		return ""
	}
	entry, ok := encodeStored(arrow.NewSchema(stored, &keys))
	if !ok {
		entry, ok = encodeStored(w.schema)
	}
	if !ok {
		return ""
	}
	w.encoded = arrow.NewSchema(fields, &keys)
	return entry
}

// encodable gives a batch the types that arrow-go encodes. It borrows the batch; the
// caller must Release the result.
func (w *Writer) encodable(batch arrow.RecordBatch) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, 0, batch.NumCols())
	defer func() {
		for _, c := range cols {
			c.Release()
		}
	}()
	for i, c := range batch.Columns() {
		to := w.encoded.Field(i).Type
		if arrow.TypeEqual(c.DataType(), to) {
			c.Retain()
		} else {
			var err error
			if c, err = as(w.o.Memory, c, to); err != nil {
				return nil, fmt.Errorf("column %q: %w", w.schema.Field(i).Name, err)
			}
		}
		cols = append(cols, c)
	}
	return array.NewRecordBatch(w.encoded, cols, batch.NumRows()), nil
}

// Repeats reports that a column has so few distinct values that a dictionary pays: of
// strings and bytes at most a quarter of the sampled ones. Numbers are nearly as small as
// their place in a dictionary unless there are very few, and faster to write without.
func Repeats(col arrow.Array) bool {
	n := min(col.Len(), sampleRows)
	if n == 0 {
		return false
	}
	switch a := col.(type) {
	case *array.String:
		return fewer(n, n/4, a.Value)
	case *array.LargeString:
		return fewer(n, n/4, a.Value)
	case *array.Binary:
		return fewer(n, n/4, func(i int) string { return string(a.Value(i)) })
	case *array.LargeBinary:
		return fewer(n, n/4, func(i int) string { return string(a.Value(i)) })
	case *array.Int32:
		return fewer(n, fewNumbers(n), a.Value)
	case *array.Int64:
		return fewer(n, fewNumbers(n), a.Value)
	case *array.Float32:
		return fewer(n, fewNumbers(n), a.Value)
	case *array.Float64:
		return fewer(n, fewNumbers(n), a.Value)
	case *array.Date32:
		return fewer(n, fewNumbers(n), a.Value)
	case *array.Timestamp:
		return fewer(n, fewNumbers(n), a.Value)
	}
	return false
}

// fewNumbers is how many distinct ones there may be among n numbers: 32 in a whole
// sample, whose places have 5 bits. A small sample shows nothing.
func fewNumbers(n int) int {
	if n < sampleRows/4 {
		return 0
	}
	return n / 128
}

// fewer reports that of n values at most so many are distinct. NaN is not like itself.
func fewer[T comparable](n, most int, value func(i int) T) bool {
	seen := make(map[T]struct{}, min(n, most+1))
	for i := range n {
		seen[value(i)] = struct{}{}
		if len(seen) > most {
			return false
		}
	}
	return true
}

// Write appends a batch, borrowing it.
func (w *Writer) Write(batch arrow.RecordBatch) error {
	if len(w.o.Finish.Sort) == 0 {
		return w.write(batch)
	}
	for from := int64(0); from < batch.NumRows(); {
		n := min(batch.NumRows()-from, w.o.RowsPerGroup-w.waitingRows)
		part := batch.NewSlice(from, from+n)
		w.waiting, w.waitingRows = append(w.waiting, part), w.waitingRows+n
		w.waitingSize += blocks.DataSize(part)
		w.rows += n
		if from += n; w.waitingRows == w.o.RowsPerGroup {
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeSorted writes what waits to be sorted.
func (w *Writer) writeSorted() error {
	if len(w.waiting) == 0 {
		return nil
	}
	all, err := w.sorted(w.waiting)
	w.forget()
	if err != nil {
		return err
	}
	defer all.Release()
	w.rows -= all.NumRows() // write counts them
	return w.write(all)
}

// forget lets go of what waits to be sorted.
func (w *Writer) forget() {
	for _, b := range w.waiting {
		b.Release()
	}
	w.sortedSize += w.waitingSize
	w.waiting, w.waitingRows, w.waitingSize = nil, 0, 0
}

func (w *Writer) write(batch arrow.RecordBatch) error {
	if w.fw == nil {
		if err := w.open(batch); err != nil {
			return err
		}
	}
	if batch.NumRows() == 0 {
		return nil
	}
	batch, err := w.encodable(batch)
	if err != nil {
		return fmt.Errorf("write parquet: %w", err)
	}
	defer batch.Release()
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
	if err := w.writeSorted(); err != nil {
		return err
	}
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
// open row group. Rows that wait to be sorted will shrink as those before them did.
func (w *Writer) Bytes() int64 {
	size := w.waitingSize
	if w.sortedSize > 0 {
		size = int64(float64(size) * float64(w.out.n) / float64(w.sortedSize))
	}
	return w.out.n + w.pages() + size
}

// Buffered is how many bytes the open row group holds in memory, nearly. Rows that wait
// are there twice while they are sorted.
func (w *Writer) Buffered() int64 { return w.pages() + 2*w.waitingSize }

// pages is the bytes of the pages of the open row group.
func (w *Writer) pages() int64 {
	if w.fw == nil || w.inGroup == 0 {
		return 0
	}
	return w.fw.RowGroupTotalBytesWritten()
}

// Close writes the footer and returns the file's length. A file without rows has the
// schema and no row group.
func (w *Writer) Close() (int64, error) {
	if err := w.writeSorted(); err != nil {
		return 0, err
	}
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
	w.forget()
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
