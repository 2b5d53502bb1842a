package blocks

import (
	"github.com/apache/arrow-go/v18/arrow"
)

// Block is one record batch that covers one span of source rows.
type Block struct {
	Header

	// Batch holds the rows. It is nil in a decoded block without rows; [Encode]
	// takes a batch of no rows as well.
	Batch arrow.RecordBatch

	// Offsets holds, for each row of the batch, the offset of its source row from
	// Span.From, strictly ascending. It is nil when no row is missing: then row i
	// is source row Span.From + i. In a decoded block it may be a slice of the
	// payload: read it, never write to it.
	Offsets []uint32
}

// Release releases the batch. The block must not be used afterwards.
func (b *Block) Release() {
	if b.Batch != nil {
		b.Batch.Release()
		b.Batch = nil
	}
}

// SourceRow returns the source row of row i of the batch.
func (b *Block) SourceRow(i int) int64 {
	if b.Offsets == nil {
		return b.Span.From + int64(i)
	}
	return b.Span.From + int64(b.Offsets[i])
}

// Size returns the logical bytes of the block's rows, which [Split] holds against
// its limit: [DataSize] of the batch, and the offsets. The payload that [Encode]
// makes of it is at most [Overhead] longer.
func (b *Block) Size() int64 {
	if b.Rows == 0 || b.Batch == nil {
		return 0
	}
	return DataSize(b.Batch) + int64(len(b.Offsets))*arrowUint32
}

const arrowUint32 = int64(arrow.Uint32SizeBytes)

// Message is a block in its wire form. It has no type of NATS: a nats.Msg has the
// same two fields. Callers add the message id and the padding (see [Align]).
type Message struct {
	Header map[string][]string
	Data   []byte
}
