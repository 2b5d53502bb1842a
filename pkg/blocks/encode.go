package blocks

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/endian"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	flatbuffers "github.com/google/flatbuffers/go"
	"github.com/zeebo/xxh3"
)

// Arrow's IPC stream, as far as a block needs it:
//
//	FF FF FF FF | metadata length, int32 | metadata, padded to 8 | body, padded to 8
//
// for the schema (no body) and the record batch, then FF FF FF FF 00 00 00 00.
const (
	continuation = 0xFFFFFFFF
	prefixSize   = 8
	alignment    = 8

	// Values of Arrow's Message.fbs.
	metadataV4, metadataV5 = 3, 4
	messageSchema          = 1
	messageRecordBatch     = 3
)

// Encode writes a block. It sets b.Rows, b.Schema and b.Checksum from the batch,
// drops b.Offsets when no row is missing, checks that the rows add up, and
// returns the headers and the payload. The payload is empty when there are no
// rows; then the batch may be nil, and b.Schema must be set. It borrows b for the
// call; the message shares no memory with it.
//
// The batch may be a slice of a larger one. Metadata of the schema does not
// travel. Types that do not travel are refused by name: see [CheckSchema] and
// [Plain].
//
// Errors wrap [ErrType], [ErrBlock], or what [Header.Format] returns.
func Encode(b *Block) (Message, error) {
	data, err := b.encode()
	if err != nil {
		return Message{}, fmt.Errorf("encode block %s: %w", b.ID(), err)
	}
	b.Checksum = xxh3.Hash(data)
	header, err := b.Format()
	if err != nil {
		return Message{}, fmt.Errorf("encode block %s: %w", b.ID(), err)
	}
	return Message{Header: header, Data: data}, nil
}

func (b *Block) encode() ([]byte, error) {
	if endian.IsBigEndian {
		return nil, fmt.Errorf("%w: this machine is big-endian", ErrType)
	}
	b.Rows = 0
	if b.Batch != nil {
		b.Rows = b.Batch.NumRows()
		b.Schema = FingerprintOf(b.Batch.Schema())
	}
	if err := b.checkOffsets(); err != nil {
		return nil, err
	}
	if b.Rows == 0 || b.Rows == b.Span.Rows() {
		b.Offsets = nil // ascending and below the span's rows, they say nothing
	}
	if b.Rows == 0 {
		return nil, nil
	}
	schema := b.Batch.Schema()
	if err := CheckSchema(schema); err != nil {
		return nil, err
	}
	return encodeBatch(schema, b.Batch, b.Offsets)
}

// checkOffsets checks that the offsets say, for each row of the batch, which row
// of the span it is, and that none of them is dead.
func (b *Block) checkOffsets() error {
	if b.Offsets == nil && b.Rows < b.Span.Rows() && b.Rows > 0 {
		return fmt.Errorf("%w: rows are missing and there are no offsets", ErrBlock)
	}
	if b.Offsets == nil {
		return nil
	}
	if int64(len(b.Offsets)) != b.Rows {
		return fmt.Errorf("%w: %d rows and %d offsets", ErrBlock, b.Rows, len(b.Offsets))
	}
	if !isAscending(b.Offsets, b.Span.Rows()) {
		return fmt.Errorf("%w: offsets are not ascending rows of the span", ErrBlock)
	}
	for _, d := range b.Dead {
		if o, ok := common(b.Offsets, d.Offsets); ok {
			return fmt.Errorf("%w: source row %d is dead and in the batch", ErrAccounting, b.Span.From+int64(o))
		}
	}
	return nil
}

// common returns an element of two ascending lists, if there is one.
func common(a, b []uint32) (uint32, bool) {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			return a[0], true
		case a[0] < b[0]:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return 0, false
}

func encodeBatch(schema *arrow.Schema, batch arrow.RecordBatch, offsets []uint32) ([]byte, error) {
	var l layout
	for i, c := range batch.Columns() {
		f := schema.Field(i)
		first := len(l.nodes)
		if err := l.column(c.Data(), int(batch.NumRows())); err != nil {
			return nil, fmt.Errorf("column %q: %w", f.Name, err)
		}
		if n := l.nodes[first].nulls; n > 0 && !f.Nullable {
			return nil, fmt.Errorf("column %q: %w: %d nulls in a column that has none by its schema", f.Name, ErrBlock, n)
		}
	}
	if offsets != nil {
		l.nodes = append(l.nodes, node{rows: batch.NumRows()})
		l.buffers = append(l.buffers, buffer{})
		l.fixed(arrow.Uint32Traits.CastToBytes(offsets), []part{{0, len(offsets)}}, len(offsets), arrow.Uint32SizeBytes)
	}

	schemaMessage, err := encodeSchema(schema, offsets != nil)
	if err != nil {
		return nil, err
	}
	var body int64
	for _, b := range l.buffers {
		body += padded(b.size)
	}
	meta := recordBatchMetadata(batch.NumRows(), &l, body)

	data := make([]byte, int64(len(schemaMessage))+prefixSize+padded(int64(len(meta)))+body+prefixSize)
	at := data[copy(data, schemaMessage):]
	at = putPrefix(at, padded(int64(len(meta))))
	copy(at, meta)
	at = at[padded(int64(len(meta))):]
	for i := range l.buffers {
		b := &l.buffers[i]
		if b.size > 0 {
			b.fill(b, at[:b.size])
			at = at[padded(b.size):]
		}
	}
	putPrefix(at, 0)
	return data, nil
}

func padded(size int64) int64 { return (size + alignment - 1) &^ (alignment - 1) }

func putPrefix(dst []byte, size int64) []byte {
	binary.LittleEndian.PutUint32(dst, continuation)
	binary.LittleEndian.PutUint32(dst[4:], uint32(size)) //nolint:gosec // metadata is far below 2 GiB.
	return dst[prefixSize:]
}

// encodeSchema returns the whole schema message.
func encodeSchema(s *arrow.Schema, withOffsets bool) ([]byte, error) {
	fields := bareFields(s.Fields())
	if withOffsets {
		fields = append(fields, offsetsField())
	}
	p := ipc.GetSchemaPayload(arrow.NewSchema(fields, nil), memory.DefaultAllocator)
	defer p.Release()
	var b bytes.Buffer
	if _, err := p.WritePayload(&b); err != nil {
		return nil, fmt.Errorf("schema: %w", err)
	}
	return b.Bytes(), nil
}

// recordBatchMetadata returns a Message with a RecordBatch header, of Arrow's
// Message.fbs: a table's fields are named by slot, in the order of that file.
func recordBatchMetadata(rows int64, l *layout, body int64) []byte {
	const pair = 16 // bytes of the structs FieldNode and Buffer
	fb := flatbuffers.NewBuilder(pair*(len(l.nodes)+len(l.buffers)) + 128)

	fb.StartVector(pair, len(l.nodes), alignment)
	for _, n := range slices.Backward(l.nodes) {
		fb.Prep(alignment, pair)
		fb.PrependInt64(n.nulls)
		fb.PrependInt64(n.rows)
	}
	nodes := fb.EndVector(len(l.nodes))

	fb.StartVector(pair, len(l.buffers), alignment)
	at := body
	for _, b := range slices.Backward(l.buffers) {
		at -= padded(b.size)
		fb.Prep(alignment, pair)
		fb.PrependInt64(b.size)
		fb.PrependInt64(at)
	}
	buffers := fb.EndVector(len(l.buffers))

	fb.StartObject(5) // RecordBatch: length, nodes, buffers, compression, variadicBufferCounts
	fb.PrependInt64Slot(0, rows, 0)
	fb.PrependUOffsetTSlot(1, nodes, 0)
	fb.PrependUOffsetTSlot(2, buffers, 0)
	batch := fb.EndObject()

	fb.StartObject(5) // Message: version, header_type, header, bodyLength, custom_metadata
	fb.PrependInt64Slot(3, body, 0)
	fb.PrependUOffsetTSlot(2, batch, 0)
	fb.PrependInt16Slot(0, metadataV5, 0)
	fb.PrependByteSlot(1, messageRecordBatch, 0)
	fb.Finish(fb.EndObject())
	return fb.FinishedBytes()
}

// Overhead returns how many bytes a payload of this schema may be longer than
// [Block.Size] says: framing, metadata and padding. The bytes that a plan allows
// for a block's rows are what a message may hold, less this, less the headers.
func Overhead(s *arrow.Schema) int64 {
	if CheckSchema(s) != nil {
		return 0 // there is no payload of this schema
	}
	message, err := encodeSchema(s, true)
	if err != nil {
		return 0
	}
	nodes, buffers := int64(1), int64(2) // the offsets
	for _, f := range s.Fields() {
		n, b := countBuffers(f.Type)
		nodes, buffers = nodes+n, buffers+b
	}
	const tables = 128 // the two tables, their vtables and the vectors' lengths
	return int64(len(message)) + 16*nodes + (16+alignment)*buffers + 2*prefixSize + tables
}

// countBuffers returns how many field nodes and buffers a column of a type has.
func countBuffers(dt arrow.DataType) (nodes, buffers int64) {
	if dt.ID() == arrow.NULL {
		return 1, 0
	}
	nodes, buffers = 1, int64(len(dt.Layout().Buffers))
	if t, ok := dt.(arrow.NestedType); ok {
		for _, f := range t.Fields() {
			n, b := countBuffers(f.Type)
			nodes, buffers = nodes+n, buffers+b
		}
	}
	return nodes, buffers
}
