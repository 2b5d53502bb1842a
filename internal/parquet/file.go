package parquet

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"

	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/blocks"
)

// Identity tells two files of one name apart: size and footer. Modification times
// do not count (rule 17).
type Identity struct {
	Size   int64
	Footer string // SHA-256 of the footer's bytes, hex
}

// File is an open Parquet file whose footer has been checked. Its methods that
// read may be used by one goroutine at a time.
type File struct {
	name     string
	src      storage.File
	meta     *metadata.FileMetaData
	id       Identity
	schema   *arrow.Schema // as this package gives it out
	original *arrow.Schema // as the file calls it
	fields   []field
	mem      memory.Allocator
}

// field is a top-level column and its leaves in the file.
type field struct {
	leaves []int
}

// Open reads and checks the footer of a file. It takes ownership of src: the caller
// must Close the file. The error is a [*FileError].
func Open(ctx context.Context, src storage.File, mem memory.Allocator) (f *File, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
		if err != nil {
			_ = src.Close()
			f, err = nil, &FileError{File: src.Name(), RowGroup: -1, Err: err}
		}
	}()
	if mem == nil {
		mem = memory.DefaultAllocator
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	footer, err := ReadFooter(src, src.Size())
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewFileMetaData(footer, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: footer: %w", ErrCorrupt, err)
	}
	meta.SetSourceFileSize(src.Size())
	if meta.IsSetEncryptionAlgorithm() {
		return nil, ErrEncrypted
	}
	sum := sha256.Sum256(footer)
	f = &File{name: src.Name(), src: src, meta: meta, mem: mem, id: Identity{Size: src.Size(), Footer: hex.EncodeToString(sum[:])}}
	if err := f.check(); err != nil {
		return nil, err
	}
	if err := f.readSchema(); err != nil {
		return nil, err
	}
	return f, nil
}

// check compares what the footer says with the file, so that no later read allocates
// for a range that is not there.
func (f *File) check() error {
	for i, e := range f.meta.FileMetaData.Schema {
		if e.RepetitionType != nil && (*e.RepetitionType < 0 || *e.RepetitionType > 2) || e.Type != nil && (*e.Type < 0 || *e.Type > 7) {
			return fmt.Errorf("%w: element %d of its schema is of a kind that the format does not name", ErrCorrupt, i)
		}
	}
	rows := int64(0)
	for g := range f.meta.NumRowGroups() {
		rg := f.meta.RowGroup(g)
		if rg.NumRows() < 0 || rg.NumColumns() != f.meta.NumColumns() {
			return fmt.Errorf("%w: row group %d has %d rows and %d columns of %d", ErrCorrupt, g, rg.NumRows(), rg.NumColumns(), f.meta.NumColumns())
		}
		rows += rg.NumRows()
		for c := range rg.NumColumns() {
			col, err := rg.ColumnChunk(c)
			if err != nil {
				return fmt.Errorf("%w: row group %d, column %d: %w", ErrCorrupt, g, c, err)
			}
			if col.CryptoMetadata() != nil {
				return ErrEncrypted
			}
			if col.FilePath() != "" {
				return fmt.Errorf("%w: row group %d is in another file", ErrCorrupt, g)
			}
			start := chunkStart(col)
			n := col.TotalCompressedSize()
			if start < 0 || n < 0 || col.TotalUncompressedSize() < 0 || col.NumValues() < 0 || start > f.id.Size || n > f.id.Size-start {
				return fmt.Errorf("%w: row group %d, column %q: bytes [%d,%d) are outside the file of %d", ErrCorrupt, g, col.PathInSchema(), start, start+n, f.id.Size)
			}
		}
	}
	if rows != f.meta.NumRows {
		return fmt.Errorf("%w: its row groups have %d rows, its footer says %d", ErrCorrupt, rows, f.meta.NumRows)
	}
	return nil
}

// chunkStart is where the bytes of a column chunk begin.
func chunkStart(col *metadata.ColumnChunkMetaData) int64 {
	if col.HasDictionaryPage() && col.DictionaryPageOffset() > 0 {
		return min(col.DataPageOffset(), col.DictionaryPageOffset())
	}
	return col.DataPageOffset()
}

func (f *File) reader(src *section, props *arrowparquet.ReaderProperties, batch int64) (*pqarrow.FileReader, error) {
	r, err := file.NewParquetReader(src, file.WithReadProps(props), file.WithMetadata(f.meta))
	if err != nil {
		return nil, err
	}
	// Never Parallel: its goroutines panic where nobody can recover.
	return pqarrow.NewFileReader(r, pqarrow.ArrowReadProperties{BatchSize: batch}, f.mem)
}

// readSchema makes the schema that batches of this file carry, and finds what the file
// itself calls its columns.
func (f *File) readSchema() error {
	keys := f.keyValues()
	stored := f.readStored()
	r, err := f.reader(&section{src: f.src, size: f.id.Size}, arrowparquet.NewReaderProperties(f.mem), 0)
	if err != nil {
		return fmt.Errorf("%w: schema: %w", ErrCorrupt, err)
	}
	raw, err := r.Schema()
	if err != nil {
		return fmt.Errorf("schema: %w", err)
	}
	plain, err := blocks.PlainSchema(raw)
	if err != nil {
		return err
	}
	for i := range r.Manifest.Fields {
		f.fields = append(f.fields, field{leaves: leavesOf(&r.Manifest.Fields[i])})
	}
	if len(f.fields) != plain.NumFields() {
		return fmt.Errorf("%w: schema of %d fields for %d columns", ErrCorrupt, plain.NumFields(), len(f.fields))
	}
	fields := make([]arrow.Field, plain.NumFields())
	for i, fd := range plain.Fields() { // without metadata, such as the field id -1 that arrow-go gives to columns without one
		fd.Type = bare(f.texts(fd, &r.Manifest.Fields[i]).Type)
		if stored != nil {
			if at := stored.FieldIndices(fd.Name); len(at) == 1 {
				fd = f.asStored(fd, &r.Manifest.Fields[i], stored.Field(at[0]).Type)
			}
		}
		fields[i] = arrow.Field{Name: fd.Name, Type: fd.Type, Nullable: fd.Nullable}
	}
	f.schema = arrow.NewSchema(fields, nil)
	original := make([]arrow.Field, len(fields))
	for i := range fields {
		original[i] = f.originalOf(i, raw.Field(i), &r.Manifest.Fields[i], stored)
	}
	f.original = arrow.NewSchema(original, &keys)
	return nil
}

func leavesOf(f *pqarrow.SchemaField) []int {
	if len(f.Children) == 0 {
		return []int{f.ColIndex}
	}
	var leaves []int
	for i := range f.Children {
		leaves = append(leaves, leavesOf(&f.Children[i])...)
	}
	return leaves
}

// Close closes the file.
func (f *File) Close() error { return f.src.Close() }

// Name is where the file is.
func (f *File) Name() string { return f.name }

// Identity tells this file from another of the same name.
func (f *File) Identity() Identity { return f.id }

// Schema is the file's columns, without metadata; what does not travel in blocks in
// its own type stands in the nearest one that does.
func (f *File) Schema() *arrow.Schema { return f.schema }

// Rows is the number of rows.
func (f *File) Rows() int64 { return f.meta.NumRows }

// RowGroups is the number of row groups.
func (f *File) RowGroups() int { return f.meta.NumRowGroups() }

// RowGroupRows is the number of rows of row group g.
func (f *File) RowGroupRows(g int) int64 { return f.meta.RowGroup(g).NumRows() }

// RowGroup is what the footer says of one row group.
type RowGroup struct {
	Rows                 int64
	Compressed, Unpacked int64 // bytes of the asked columns
}

// RowGroup returns the facts of row group g, sizes for the named top-level columns
// only (all when nil), as far as the file has them.
func (f *File) RowGroup(g int, columns []string) (RowGroup, error) {
	rg := f.meta.RowGroup(g)
	out := RowGroup{Rows: rg.NumRows()}
	for _, leaf := range f.leavesNamed(columns) {
		col, err := rg.ColumnChunk(leaf)
		if err != nil {
			return out, &FileError{File: f.name, RowGroup: g, Err: err}
		}
		out.Compressed += col.TotalCompressedSize()
		out.Unpacked += col.TotalUncompressedSize()
	}
	return out, nil
}

// leavesNamed are the leaves of top-level columns, those that the file has; all when nil.
func (f *File) leavesNamed(columns []string) []int {
	var leaves []int
	named := make(map[string]bool, len(columns))
	for _, name := range columns {
		named[name] = true
	}
	for i, fd := range f.schema.Fields() {
		if columns == nil || named[fd.Name] {
			leaves = append(leaves, f.fields[i].leaves...)
		}
	}
	return leaves
}

// section gives arrow-go the seekable reader that it wants; only its size is sought. It
// keeps the first error of the storage, which arrow-go may hide: what could not be read
// is not damaged.
type section struct {
	src  io.ReaderAt
	size int64
	at   int64
	err  error

	chunks  []*checkedChunk // of which every byte is checked as it is read, by offset; may be none
	damaged *checkedChunk   // the first of them that is
}

// ReadAt implements [io.ReaderAt].
func (s *section) ReadAt(p []byte, at int64) (int, error) {
	n, err := s.src.ReadAt(p, at)
	if err != nil && !errors.Is(err, io.EOF) && s.err == nil {
		s.err = err
	}
	if bad := s.check(p[:max(n, 0)], at); bad != nil {
		return 0, bad
	}
	return n, err
}

// Seek implements [io.Seeker].
func (s *section) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
		s.at = offset
	case io.SeekCurrent:
		s.at += offset
	case io.SeekEnd:
		s.at = s.size + offset
	}
	return s.at, nil
}
