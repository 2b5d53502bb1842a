package pages

import (
	"encoding/binary"
	"errors"
)

// Types of Thrift's compact protocol.
const (
	typeTrue   = 1
	typeFalse  = 2
	typeByte   = 3
	typeI16    = 4
	typeI32    = 5
	typeI64    = 6
	typeDouble = 7
	typeBinary = 8
	typeList   = 9
	typeSet    = 10
	typeMap    = 11
	typeStruct = 12
)

// maxDepth bounds nesting: a page header needs four levels.
const maxDepth = 16

var (
	errShort = errors.New("it ends too early")
	errBad   = errors.New("it is not one")
)

// header is what a PageHeader says. -1 stands for what is not said.
type header struct {
	kind, unpacked, packed int64
	hasCRC                 bool
	crc                    uint32

	values, encoding   int64
	def, rep           int64 // encodings of the levels, of version 1
	nulls, rows        int64 // of version 2
	defBytes, repBytes int64 // likewise
	raw                bool  // likewise: the values are not packed
}

// plain is how many bytes of the body are never packed: the levels of version 2.
func (h *header) plain() int64 {
	if h.kind != kindDataV2 {
		return 0
	}
	return max(h.defBytes, 0) + max(h.repBytes, 0)
}

// parseHeader reads a page header from the beginning of b, and says how long it is. The
// error is errShort when b holds only a part of it.
func parseHeader(b []byte) (header, int, error) {
	h := header{kind: -1, unpacked: -1, packed: -1, values: -1, encoding: -1, def: -1, rep: -1, nulls: -1, rows: -1, defBytes: -1, repBytes: -1}
	r := reader{b: b}
	r.fields(0, func(id int16, typ byte) {
		switch id {
		case 1:
			h.kind = r.int(typ)
		case 2:
			h.unpacked = r.int(typ)
		case 3:
			h.packed = r.int(typ)
		case 4:
			h.hasCRC, h.crc = true, uint32(r.int(typ)) //nolint:gosec // its bits
		case 5:
			r.ints(typ, map[int16]*int64{1: &h.values, 2: &h.encoding, 3: &h.def, 4: &h.rep}, 0, nil)
		case 7:
			r.ints(typ, map[int16]*int64{1: &h.values, 2: &h.encoding}, 0, nil)
		case 8:
			r.ints(typ, map[int16]*int64{1: &h.values, 2: &h.nulls, 3: &h.rows, 4: &h.encoding, 5: &h.defBytes, 6: &h.repBytes}, 7, &h.raw)
		default:
			r.skip(typ, false, 1)
		}
	})
	return h, r.at, r.err
}

// reader reads the compact protocol. The first error sticks. internal/stitch has a reader
// of the whole protocol, for footers; this one knows when its bytes only end too early.
type reader struct {
	b   []byte
	at  int
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

func (r *reader) byte() byte {
	if r.err != nil || r.at >= len(r.b) {
		r.fail(errShort)
		return 0
	}
	r.at++
	return r.b[r.at-1]
}

func (r *reader) uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	v, n := binary.Uvarint(r.b[r.at:])
	switch {
	case n > 0:
		r.at += n
	case n == 0:
		r.fail(errShort)
	default:
		r.fail(errBad)
	}
	return v
}

func (r *reader) pass(n uint64) {
	switch {
	case r.err != nil:
	case n > maxHeader:
		r.fail(errBad)
	case n > uint64(len(r.b)-r.at): //nolint:gosec // a length
		r.fail(errShort)
	default:
		r.at += int(n)
	}
}

func (r *reader) fields(depth int, f func(id int16, typ byte)) {
	if depth > maxDepth {
		r.fail(errBad)
	}
	id := int16(0)
	for r.err == nil {
		h := r.byte()
		if h == 0 {
			return
		}
		if delta := int16(h >> 4); delta != 0 {
			id += delta
		} else {
			u := r.uvarint()
			id = int16(u>>1) ^ -int16(u&1) //nolint:gosec // an id out of range is an unknown one
		}
		f(id, h&15)
	}
}

func (r *reader) int(typ byte) int64 {
	if typ != typeI32 { // as all of a page header are; other readers insist on it
		r.fail(errBad)
		return 0
	}
	u := r.uvarint()
	if u > 1<<32-1 {
		r.fail(errBad)
	}
	return int64(u>>1) ^ -int64(u&1)
}

// ints reads the integers of a struct, and sets not when the boolean of that id is false.
func (r *reader) ints(typ byte, to map[int16]*int64, boolean int16, not *bool) {
	if typ != typeStruct {
		r.fail(errBad)
		return
	}
	r.fields(1, func(id int16, typ byte) {
		if v := to[id]; v != nil {
			*v = r.int(typ)
			return
		}
		if id == boolean && not != nil {
			*not = typ == typeFalse
		}
		r.skip(typ, false, 2)
	})
}

func (r *reader) skip(typ byte, inList bool, depth int) {
	if depth > maxDepth {
		r.fail(errBad)
		return
	}
	switch typ {
	case typeTrue, typeFalse:
		if inList {
			r.byte()
		}
	case typeByte:
		r.byte()
	case typeI16, typeI32, typeI64:
		r.uvarint()
	case typeDouble:
		r.pass(8)
	case typeBinary:
		r.pass(r.uvarint())
	case typeList, typeSet:
		h := r.byte()
		n := uint64(h >> 4)
		if n == 15 {
			n = r.uvarint()
		}
		if n > maxHeader {
			r.fail(errBad)
		}
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.skip(h&15, true, depth+1)
		}
	case typeMap:
		n := r.uvarint()
		if n == 0 {
			return
		}
		kv := r.byte()
		for i := uint64(0); i < n && r.err == nil; i++ {
			r.skip(kv>>4, true, depth+1)
			r.skip(kv&15, true, depth+1)
		}
	case typeStruct:
		r.fields(depth+1, func(_ int16, typ byte) { r.skip(typ, false, depth+1) })
	default:
		r.fail(errBad)
	}
}
