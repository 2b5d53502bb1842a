package blocks

import "encoding/binary"

// flat reads a flatbuffer that may be anything. Every position and length in it
// is a claim; a claim that leads outside is remembered in bad and reads as zero
// from then on, so that callers check once, at the end.
//
// The generated code that Arrow libraries use trusts its input: it allocates as
// many elements as a vector says it has, and panics out of range. That is why
// this file exists. Layout: https://flatbuffers.dev/internals/
type flat struct {
	buf []byte
	bad bool
}

// table is a position in a flatbuffer, and the fields that its vtable lists.
type table struct {
	flat   *flat
	pos    int64
	vtable int64
	size   int64 // of the vtable, in bytes
}

func (f *flat) bytes(pos, n int64) []byte {
	if pos < 0 || n < 0 || pos > int64(len(f.buf)) || n > int64(len(f.buf))-pos {
		f.bad = true
	}
	if f.bad {
		return nil
	}
	return f.buf[pos : pos+n]
}

func (f *flat) uint16(pos int64) int64 {
	if b := f.bytes(pos, 2); b != nil {
		return int64(binary.LittleEndian.Uint16(b))
	}
	return 0
}

func (f *flat) uint32(pos int64) int64 {
	if b := f.bytes(pos, 4); b != nil {
		return int64(binary.LittleEndian.Uint32(b))
	}
	return 0
}

func (f *flat) int64(pos int64) int64 {
	if b := f.bytes(pos, 8); b != nil {
		return int64(binary.LittleEndian.Uint64(b)) //nolint:gosec // two's complement on the wire.
	}
	return 0
}

// root returns the table that the buffer is about.
func (f *flat) root() table { return f.table(f.uint32(0)) }

func (f *flat) table(pos int64) table {
	vtable := pos - int64(int32(f.uint32(pos))) //nolint:gosec // a signed offset.
	t := table{f, pos, vtable, f.uint16(vtable)}
	f.bytes(vtable, t.size)
	return t
}

// field returns the position of a field, or 0 when the table leaves it out.
func (t table) field(slot int64) int64 {
	entry := 4 + 2*slot
	if t.flat.bad || entry+2 > t.size {
		return 0
	}
	if offset := t.flat.uint16(t.vtable + entry); offset != 0 {
		return t.pos + offset
	}
	return 0
}

func (t table) byte(slot int64) byte {
	if pos := t.field(slot); pos != 0 {
		if b := t.flat.bytes(pos, 1); b != nil {
			return b[0]
		}
	}
	return 0
}

//nolint:unparam // all enumerations that a block needs are in the first slot
func (t table) int16(slot, absent int64) int64 {
	if pos := t.field(slot); pos != 0 {
		return int64(int16(t.flat.uint16(pos))) //nolint:gosec // two's complement on the wire.
	}
	return absent
}

func (t table) int32(slot, absent int64) int64 {
	if pos := t.field(slot); pos != 0 {
		return int64(int32(t.flat.uint32(pos))) //nolint:gosec // two's complement on the wire.
	}
	return absent
}

func (t table) int64(slot int64) int64 {
	if pos := t.field(slot); pos != 0 {
		return t.flat.int64(pos)
	}
	return 0
}

// child returns the table that a field refers to.
func (t table) child(slot int64) (table, bool) {
	pos := t.field(slot)
	if pos == 0 {
		return table{}, false
	}
	c := t.flat.table(pos + t.flat.uint32(pos))
	return c, !t.flat.bad
}

// vector returns the position and the length of a field that is a vector of
// elements of width bytes, all of which are there.
func (t table) vector(slot, width int64) (pos, n int64) {
	field := t.field(slot)
	if field == 0 {
		return 0, 0
	}
	start := field + t.flat.uint32(field)
	n = t.flat.uint32(start)
	t.flat.bytes(start+4, n*width)
	if t.flat.bad {
		return 0, 0
	}
	return start + 4, n
}

// tableAt returns the table that element i of a vector of tables refers to.
func (f *flat) tableAt(vector, i int64) table {
	pos := vector + 4*i
	return f.table(pos + f.uint32(pos))
}

// text returns a field that is a string, not copied.
func (t table) text(slot int64) []byte {
	pos, n := t.vector(slot, 1)
	return t.flat.bytes(pos, n)
}
