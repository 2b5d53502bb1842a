package stitch

import (
	"encoding/binary"
	"errors"
)

// Types of the compact protocol of Thrift.
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

// maxDepth bounds nesting: parquet.thrift needs seven levels.
const maxDepth = 24

var (
	errShort = errors.New("metadata ends too early")
	errDeep  = errors.New("metadata is nested too deeply")
	errType  = errors.New("metadata is of an unknown type")
	errMany  = errors.New("the schema has too many elements")
	errRows  = errors.New("a row group does not say how many rows it has")
	errKind  = errors.New("metadata is not of the type that the format names")
)

// decoder reads the compact protocol from a slice. What it returns points into the
// slice. The first error sticks; everything is zero after it.
type decoder struct {
	b   []byte
	at  int
	err error
}

func (d *decoder) fail(err error) {
	if d.err == nil {
		d.err = err
		d.at = len(d.b)
	}
}

func (d *decoder) byte() byte {
	if d.at >= len(d.b) {
		d.fail(errShort)
		return 0
	}
	c := d.b[d.at]
	d.at++
	return c
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b[d.at:])
	if n <= 0 {
		d.fail(errShort)
		return 0
	}
	d.at += n
	return v
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

// bytes reads a binary.
func (d *decoder) bytes() []byte {
	return d.take(d.uvarint())
}

func (d *decoder) take(n uint64) []byte {
	if n > uint64(len(d.b)-d.at) { //nolint:gosec // a length
		d.fail(errShort)
		return nil
	}
	s := d.b[d.at : d.at+int(n) : d.at+int(n)] //nolint:gosec // bounded on the line above
	d.at += int(n)                             //nolint:gosec // bounded above
	return s
}

// list reads the head of a list: the type of its elements, and their number, which the
// rest of the slice can hold.
func (d *decoder) list() (typ byte, n int) {
	h := d.byte()
	size := uint64(h >> 4)
	if size == 15 {
		size = d.uvarint()
	}
	if size > uint64(len(d.b)-d.at) { //nolint:gosec // a length; an element has a byte at least
		d.fail(errShort)
		return 0, 0
	}
	return h & 15, int(size)
}

// fields calls f for each field of a struct. f must read the value; see [decoder.skip].
func (d *decoder) fields(f func(id int16, typ byte)) {
	id := int16(0)
	for d.err == nil {
		h := d.byte()
		if h == 0 {
			return
		}
		if delta := int16(h >> 4); delta == 0 {
			id = int16(d.varint()) //nolint:gosec // an id out of range is an unknown one
		} else {
			id += delta
		}
		f(id, h&15)
	}
}

// structs reads a list of structs, calling f to read each.
func (d *decoder) structs(typ byte, f func()) {
	if typ != typeList {
		d.fail(errKind)
		return
	}
	elem, n := d.list()
	if n > 0 && elem != typeStruct {
		d.fail(errKind)
		return
	}
	for i := 0; i < n && d.err == nil; i++ {
		f()
	}
}

// int reads an integer of any width.
func (d *decoder) int(typ byte) int64 {
	switch typ {
	case typeByte:
		return int64(int8(d.byte())) //nolint:gosec // two's complement
	case typeI16, typeI32, typeI64:
		return d.varint()
	}
	d.fail(errKind)
	return 0
}

// bool reads a boolean field, whose value is its type.
func (d *decoder) bool(typ byte) bool {
	if typ != typeTrue && typ != typeFalse {
		d.fail(errKind)
	}
	return typ == typeTrue
}

// string reads a binary field.
func (d *decoder) string(typ byte) []byte {
	if typ != typeBinary {
		d.fail(errKind)
		return nil
	}
	return d.bytes()
}

// skip reads a value of any type and returns its bytes.
func (d *decoder) skip(typ byte) []byte {
	from := d.at
	d.pass(typ, false, 0)
	if d.err != nil {
		return nil
	}
	return d.b[from:d.at:d.at]
}

func (d *decoder) pass(typ byte, inList bool, depth int) {
	if depth > maxDepth {
		d.fail(errDeep)
		return
	}
	switch typ {
	case typeTrue, typeFalse:
		if inList {
			d.byte()
		}
	case typeByte:
		d.byte()
	case typeI16, typeI32, typeI64:
		d.uvarint()
	case typeDouble:
		d.take(8)
	case typeBinary:
		d.bytes()
	case typeList, typeSet:
		elem, n := d.list()
		for i := 0; i < n && d.err == nil; i++ {
			d.pass(elem, true, depth+1)
		}
	case typeMap:
		n := d.uvarint()
		if n == 0 {
			return
		}
		kv := d.byte()
		for i := uint64(0); i < n && d.err == nil; i++ {
			d.pass(kv>>4, true, depth+1)
			d.pass(kv&15, true, depth+1)
		}
	case typeStruct:
		d.fields(func(_ int16, typ byte) { d.pass(typ, false, depth+1) })
	default:
		d.fail(errType)
	}
}

// encoder writes the compact protocol. Fields of a struct come in ascending order of
// their ids, which are at most 15 apart. The zero value is ready.
type encoder struct {
	b    []byte
	last []int16 // id of the last field, for each open struct
}

func (e *encoder) begin() { e.last = append(e.last, 0) }

func (e *encoder) end() {
	e.b = append(e.b, 0)
	e.last = e.last[:len(e.last)-1]
}

// field writes the head of a field.
func (e *encoder) field(id int16, typ byte) {
	top := &e.last[len(e.last)-1]
	e.b = append(e.b, byte(id-*top)<<4|typ) //nolint:gosec // ids grow by less than 16
	*top = id
}

func (e *encoder) varint(v int64) {
	e.b = binary.AppendUvarint(e.b, uint64(v<<1)^uint64(v>>63)) //nolint:gosec // zigzag
}

func (e *encoder) i16(id int16, v int64) { e.field(id, typeI16); e.varint(v) }
func (e *encoder) i32(id int16, v int64) { e.field(id, typeI32); e.varint(v) }
func (e *encoder) i64(id int16, v int64) { e.field(id, typeI64); e.varint(v) }

func (e *encoder) bool(id int16, v bool) {
	if v {
		e.field(id, typeTrue)
	} else {
		e.field(id, typeFalse)
	}
}

func (e *encoder) binary(id int16, v []byte) {
	e.field(id, typeBinary)
	e.bytes(v)
}

func (e *encoder) bytes(v []byte) {
	e.b = append(binary.AppendUvarint(e.b, uint64(len(v))), v...)
}

// list writes the head of a list field; its n elements follow.
func (e *encoder) list(id int16, elem byte, n int) {
	e.field(id, typeList)
	if n < 15 {
		e.b = append(e.b, byte(n)<<4|elem) //nolint:gosec // below 15
		return
	}
	e.b = binary.AppendUvarint(append(e.b, 0xf0|elem), uint64(n))
}

// raw writes a field whose value is encoded already; nothing when it is nil.
func (e *encoder) raw(id int16, typ byte, v []byte) {
	if v != nil {
		e.field(id, typ)
		e.b = append(e.b, v...)
	}
}
