package stitch

// Kinds of pages.
const (
	pageData   = 0
	pageIndex  = 1
	pageDict   = 2
	pageDataV2 = 3
)

// pageHeader is what precedes a page. -1 stands for what is not said.
type pageHeader struct {
	kind     int64
	unpacked int64 // bytes
	packed   int64 // bytes
	values   int64 // nulls included
	encoding int64
	levels   int64 // encoding of the definition levels, of a page of version 1

	// Of version 2:
	nulls, rows      int64
	defBytes, repLen int64
	plain            bool // is_compressed is false
}

// pageHeader reads a PageHeader.
func (d *decoder) pageHeader() pageHeader {
	h := pageHeader{kind: -1, unpacked: -1, packed: -1, values: -1, encoding: -1, levels: -1, nulls: -1, rows: -1, defBytes: -1, repLen: -1}
	d.fields(func(id int16, typ byte) {
		switch id {
		case 1:
			h.kind = d.int(typ)
		case 2:
			h.unpacked = d.int(typ)
		case 3:
			h.packed = d.int(typ)
		case 5:
			d.header(typ, map[int16]*int64{1: &h.values, 2: &h.encoding, 3: &h.levels}, nil)
		case 7:
			d.header(typ, map[int16]*int64{1: &h.values, 2: &h.encoding}, nil)
		case 8:
			d.header(typ, map[int16]*int64{1: &h.values, 2: &h.nulls, 3: &h.rows, 4: &h.encoding, 5: &h.defBytes, 6: &h.repLen}, &h.plain)
		default:
			d.skip(typ)
		}
	})
	return h
}

// header reads the part of a header that is of one kind of page. plain is set when field
// 7 is false; nil: there is no such field.
func (d *decoder) header(typ byte, ints map[int16]*int64, plain *bool) {
	if typ != typeStruct {
		d.fail(errKind)
		return
	}
	d.fields(func(id int16, typ byte) {
		switch to := ints[id]; {
		case to != nil:
			*to = d.int(typ)
		case id == 7 && plain != nil:
			*plain = !d.bool(typ)
		default:
			d.skip(typ)
		}
	})
}
