package blocks

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/endian"
	"github.com/zeebo/xxh3"
)

// DefaultMaxBytes is the longest payload that [Decode] accepts by default.
const DefaultMaxBytes = 8 << 20

// DecodeOptions say what [Decode] accepts. The zero value accepts any schema.
type DecodeOptions struct {
	// MaxBytes bounds the payload. 0 means [DefaultMaxBytes].
	MaxBytes int64
	// Schema, when set, is the only schema that is accepted, by its fingerprint,
	// and the schema that decoded batches have, with its metadata.
	Schema *arrow.Schema
	// Schemas, when set, saves reading the same schema again for every block.
	Schemas *SchemaCache
}

// Decode reads a block. In this order: the headers are read, and their rows must
// add up; the payload's length is held against the limit; its checksum is
// verified; the schema is compared with the header's fingerprint, and with
// o.Schema when given; then every buffer of the one record batch is checked, so
// that no later access can leave it. Nothing may follow the batch but the end of
// the stream.
//
// It copies nothing: the batch and the offsets are slices of data, which the
// block keeps alive and nobody may change any more. Only when data does not
// start at a multiple of eight is it copied, once (see [Align]).
//
// The caller must Release the result. Errors are of type [*DecodeError] and wrap
// a sentinel of this package; the same message always gives the same error. It
// never panics.
func Decode(header map[string][]string, data []byte, o DecodeOptions) (*Block, error) {
	h, err := ParseHeader(header)
	if err != nil {
		return nil, &DecodeError{Offset: -1, Err: err}
	}
	b, err := decode(h, data, o)
	if err != nil {
		place := placeOf(err)
		return nil, &DecodeError{Block: h.ID(), Column: place.column, Offset: place.offset, Err: place.err}
	}
	return b, nil
}

// placeError carries an error from where it was found to where the block is
// known.
type placeError struct {
	column string
	offset int64 // of the payload; -1 for none
	err    error
}

func (e *placeError) Error() string { return e.err.Error() }
func (e *placeError) Unwrap() error { return e.err }

func at(offset int64, err error) error { return &placeError{offset: offset, err: err} }

func inColumn(name string, err error) error {
	place := placeOf(err)
	return &placeError{column: name, offset: place.offset, err: place.err}
}

func placeOf(err error) *placeError {
	if place, ok := errors.AsType[*placeError](err); ok {
		return place
	}
	return &placeError{offset: -1, err: err}
}

func decode(h Header, data []byte, o DecodeOptions) (b *Block, err error) {
	// What is checked below leaves nothing that can panic. This is for the day
	// that it does: a block that kills its readers is delivered to each of them.
	defer func() {
		if r := recover(); r != nil {
			b, err = nil, fmt.Errorf("%w: panic: %v", ErrPayload, r)
		}
	}()
	if endian.IsBigEndian {
		return nil, fmt.Errorf("%w: this machine is big-endian", ErrType)
	}
	limit := o.MaxBytes
	if limit == 0 {
		limit = DefaultMaxBytes
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("%w: %d bytes exceed %d", ErrTooLarge, len(data), limit)
	}
	if sum := xxh3.Hash(data); sum != h.Checksum {
		return nil, fmt.Errorf("%w: the payload's is %s, its header says %s", ErrChecksum, formatChecksum(sum), formatChecksum(h.Checksum))
	}
	if o.Schema != nil {
		if want := FingerprintOf(o.Schema); h.Schema != want {
			return nil, fmt.Errorf("%w: the block's is %s, %s is expected", ErrSchema, h.Schema, want)
		}
	}
	if h.Rows == 0 {
		if len(data) > 0 {
			return nil, fmt.Errorf("%w: %d bytes in a block without rows", ErrPayload, len(data))
		}
		return &Block{Header: h}, nil
	}

	data = aligned(data)
	f, err := frame(data)
	if err != nil {
		return nil, err
	}
	entry, err := f.readSchema(o.Schemas)
	if err != nil {
		return nil, err
	}
	if entry.fingerprint != h.Schema {
		return nil, fmt.Errorf("%w: the payload's is %s, its header says %s", ErrSchema, entry.fingerprint, h.Schema)
	}
	if sparse := h.Rows < h.Span.Rows(); sparse != entry.hasOffsets {
		return nil, fmt.Errorf("%w: %d of %d source rows are here, and the column %s is %s", ErrPayload,
			h.Rows, h.Span.Rows(), OffsetsColumn, map[bool]string{true: "here too", false: "missing"}[entry.hasOffsets])
	}
	schema := entry.schema
	if o.Schema != nil {
		schema = o.Schema // equal by fingerprint
	}
	b = &Block{Header: h}
	b.Batch, b.Offsets, err = f.readBatch(schema, entry.hasOffsets, h.Rows)
	if err != nil {
		return nil, err
	}
	if err := b.checkOffsets(); err != nil {
		b.Release()
		return nil, err
	}
	return b, nil
}

// aligned returns data at an address that Arrow's types may be read from.
func aligned(data []byte) []byte {
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%alignment == 0 { //nolint:gosec // the address is only looked at.
		return data
	}
	return slices.Clone(data) // the allocator aligns what is longer than a word
}

// frames are the parts of a payload.
type frames struct {
	data   []byte
	schema section // metadata of the schema message
	batch  section // metadata of the record batch message
	body   section // body of the record batch
}

// section is a part of a payload.
type section struct{ from, to int64 }

func (f *frames) bytes(s section) []byte { return f.data[s.from:s.to] }

// frame finds the messages of a payload: a schema, a record batch, the end.
func frame(data []byte) (*frames, error) {
	f := &frames{data: data}
	var err error
	if f.schema, err = nextMetadata(data, 0); err != nil {
		return nil, err
	}
	if f.batch, err = nextMetadata(data, f.schema.to); err != nil {
		return nil, err
	}
	size := (&flat{buf: f.bytes(f.batch)}).root().int64(3)
	f.body = section{f.batch.to, f.batch.to + size}
	if size < 0 || size%alignment != 0 || size != int64(len(data))-f.body.from-prefixSize {
		return nil, at(f.batch.from, fmt.Errorf("%w: a body of %d bytes is not all that follows but the end of the stream", ErrPayload, size))
	}
	end := data[f.body.to:]
	if binary.LittleEndian.Uint32(end) != continuation || binary.LittleEndian.Uint32(end[4:]) != 0 {
		return nil, at(f.body.to, fmt.Errorf("%w: the stream does not end after its first record batch", ErrPayload))
	}
	return f, nil
}

// nextMetadata returns the metadata of the message that starts at from.
func nextMetadata(data []byte, from int64) (section, error) {
	rest := data[from:]
	if len(rest) < prefixSize || binary.LittleEndian.Uint32(rest) != continuation {
		return section{}, at(from, fmt.Errorf("%w: no message starts here", ErrPayload))
	}
	size := int64(binary.LittleEndian.Uint32(rest[4:]))
	if size == 0 || size%alignment != 0 || size > int64(len(rest)-prefixSize) {
		return section{}, at(from, fmt.Errorf("%w: %d bytes of metadata do not fit", ErrPayload, size))
	}
	return section{from + prefixSize, from + prefixSize + size}, nil
}

// readSchema returns the schema of the payload, without the column of offsets.
func (f *frames) readSchema(cache *SchemaCache) (*schemaEntry, error) {
	metadata := f.bytes(f.schema)
	if e := cache.get(metadata); e != nil {
		return e, nil
	}
	schema, err := parseSchema(metadata)
	if err != nil {
		return nil, &placeError{column: placeOf(err).column, offset: f.schema.from, err: placeOf(err).err}
	}
	fields := schema.Fields()
	e := &schemaEntry{}
	if last := len(fields) - 1; last >= 0 && fields[last].Name == OffsetsColumn {
		if fields[last].Type.ID() != arrow.UINT32 || fields[last].Nullable {
			return nil, at(f.schema.from, fmt.Errorf("%w: column %s is not a uint32 without nulls", ErrPayload, OffsetsColumn))
		}
		e.hasOffsets = true
		fields = fields[:last]
		schema = arrow.NewSchema(fields, nil)
	}
	if err := CheckSchema(schema); err != nil {
		return nil, at(f.schema.from, err)
	}
	e.schema, e.fingerprint = schema, FingerprintOf(schema)
	cache.put(metadata, e)
	return e, nil
}

// readBatch returns the record batch and the offsets.
func (f *frames) readBatch(schema *arrow.Schema, hasOffsets bool, rows int64) (arrow.RecordBatch, []uint32, error) {
	l, err := newLoader(f)
	if err != nil {
		return nil, nil, err
	}
	if l.rows != rows {
		return nil, nil, at(f.batch.from, fmt.Errorf("%w: %d rows where the header says %d", ErrPayload, l.rows, rows))
	}
	columns := make([]arrow.Array, 0, schema.NumFields())
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for _, field := range schema.Fields() {
		c, err := l.column(field, rows)
		if err != nil {
			return nil, nil, err
		}
		columns = append(columns, c)
	}
	var offsets []uint32
	if hasOffsets {
		c, err := l.column(offsetsField(), rows)
		if err != nil {
			return nil, nil, err
		}
		if u, ok := c.(*array.Uint32); ok { // its field says so
			offsets = u.Uint32Values()
		}
		c.Release()
	}
	if err := l.end(); err != nil {
		return nil, nil, err
	}
	return array.NewRecordBatch(schema, columns, rows), offsets, nil
}
