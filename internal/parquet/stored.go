package parquet

import (
	"encoding/binary"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Slots of the tables of Arrow's Message.fbs and Schema.fbs.
const (
	messageHeader  = 4 + 2*2
	schemaFields   = 4 + 2*1
	schemaMetadata = 4 + 2*2
	fieldChildren  = 4 + 2*5
	fieldMetadata  = 4 + 2*6
)

// plausible reports that a stored schema (an IPC stream that begins with a Schema
// message) asks for no more than it has bytes for. The reader of arrow-go makes room for
// as many fields as a vector says that it has: one flipped bit in a footer, which has no
// checksum, and a process asks for gigabytes.
func plausible(data []byte) (ok bool) {
	defer func() {
		if recover() != nil { // an offset beyond the end
			ok = false
		}
	}()
	const head = 8 // the continuation and the length
	if len(data) < head || binary.LittleEndian.Uint32(data) != 0xffffffff {
		return false
	}
	if n := int64(binary.LittleEndian.Uint32(data[4:])); n < 4 || n > int64(len(data)-head) {
		return false
	}
	fb := data[head:]
	message := flatbuffers.Table{Bytes: fb, Pos: flatbuffers.GetUOffsetT(fb)}
	at := message.Offset(messageHeader)
	if at == 0 {
		return false
	}
	var schema flatbuffers.Table
	message.Union(&schema, flatbuffers.UOffsetT(at))
	w := storedWalk{left: len(fb) / 4}
	return w.vectors(&schema, schemaMetadata) && w.fields(&schema, schemaFields)
}

// storedWalk counts what the vectors of a stored schema have: each element takes four
// bytes, and none is met twice, unless offsets lead back.
type storedWalk struct{ left int }

// vectors checks the lengths of vectors of a table.
func (w *storedWalk) vectors(t *flatbuffers.Table, slots ...flatbuffers.VOffsetT) bool {
	for _, slot := range slots {
		at := t.Offset(slot)
		if at == 0 {
			continue
		}
		n := t.VectorLen(flatbuffers.UOffsetT(at))
		if n < 0 || n > w.left {
			return false
		}
		w.left -= n
	}
	return true
}

// fields checks the fields in a vector of a table, and their children.
func (w *storedWalk) fields(t *flatbuffers.Table, slot flatbuffers.VOffsetT) bool {
	if !w.vectors(t, slot) {
		return false
	}
	at := flatbuffers.UOffsetT(t.Offset(slot))
	if at == 0 {
		return true
	}
	first := t.Vector(at)
	for i := range t.VectorLen(at) {
		field := flatbuffers.Table{Bytes: t.Bytes, Pos: t.Indirect(first + flatbuffers.UOffsetT(i)*4)}
		if !w.vectors(&field, fieldMetadata) || !w.fields(&field, fieldChildren) {
			return false
		}
	}
	return true
}
