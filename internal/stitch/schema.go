package stitch

import (
	"bytes"
	"strings"
)

// Annotations: the field ids of a LogicalType, and two that only old files have.
const (
	annotNone      = 0
	annotString    = 1
	annotMap       = 2
	annotList      = 3
	annotEnum      = 4
	annotDecimal   = 5
	annotDate      = 6
	annotTime      = 7
	annotTimestamp = 8
	annotInteger   = 10
	annotNull      = 11
	annotJSON      = 12
	annotBSON      = 13
	annotUUID      = 14
	annotFloat16   = 15
	annotInterval  = 100
)

// Units of times, as the field ids of a TimeUnit.
const (
	millis = 1
	micros = 2
)

// annotation is what a physical type stands for, in whichever way the file says so.
type annotation struct {
	kind int16
	a, b int64  // precision and scale; or UTC and unit; or width and signedness
	rest string // of a kind that this package does not know
}

// annotation returns the meaning of an element. inner: it is the repeated group of a map
// or a list, whose annotation means nothing.
func (e *element) annotation(inner bool) annotation {
	if inner {
		return annotation{}
	}
	if e.logical != nil {
		if a, ok := e.fromLogical(); ok {
			return e.plain(a)
		}
	}
	return e.plain(e.fromConverted())
}

// plain leaves out what the physical type says by itself.
func (e *element) plain(a annotation) annotation {
	if a == (annotation{kind: annotInteger, a: 32, b: 1}) && e.phys == physInt32 || a == (annotation{kind: annotInteger, a: 64, b: 1}) && e.phys == physInt64 {
		return annotation{}
	}
	return a
}

func (e *element) fromLogical() (a annotation, ok bool) {
	d := &decoder{b: e.logical}
	d.fields(func(id int16, typ byte) {
		a.kind = id
		ok = true
		if typ != typeStruct {
			d.fail(errKind)
			return
		}
		from := d.at
		var one, two int64
		d.fields(func(id int16, typ byte) {
			v := d.param(typ)
			switch id {
			case 1:
				one = v
			case 2:
				two = v
			}
		})
		switch a.kind {
		case annotDecimal: // scale, precision
			a.a, a.b = two, one
		case annotTime, annotTimestamp, annotInteger:
			a.a, a.b = one, two
		case annotString, annotMap, annotList, annotEnum, annotDate, annotNull, annotJSON, annotBSON, annotUUID, annotFloat16:
		default:
			a.rest = string(d.b[from:d.at])
		}
	})
	return a, ok && d.err == nil
}

// param reads a parameter of a LogicalType: a number, a boolean, or the unit of a time,
// which is a union.
func (d *decoder) param(typ byte) (v int64) {
	switch typ {
	case typeTrue:
		return 1
	case typeFalse:
		return 0
	case typeByte, typeI16, typeI32, typeI64:
		return d.int(typ)
	case typeStruct:
		d.fields(func(id int16, typ byte) {
			v = int64(id)
			d.skip(typ)
		})
		return v
	}
	d.skip(typ)
	return -1
}

func (e *element) fromConverted() annotation {
	switch e.converted {
	case 0:
		return annotation{kind: annotString}
	case 1, 2:
		return annotation{kind: annotMap}
	case 3:
		return annotation{kind: annotList}
	case 4:
		return annotation{kind: annotEnum}
	case 5:
		return annotation{kind: annotDecimal, a: e.precision, b: max(e.scale, 0)}
	case 6:
		return annotation{kind: annotDate}
	case 7, 8:
		return annotation{kind: annotTime, a: 1, b: millis + e.converted - 7}
	case 9, 10:
		return annotation{kind: annotTimestamp, a: 1, b: millis + e.converted - 9}
	case 11, 12, 13, 14:
		return annotation{kind: annotInteger, a: 8 << (e.converted - 11)}
	case 15, 16, 17, 18:
		return annotation{kind: annotInteger, a: 8 << (e.converted - 15), b: 1}
	case 19:
		return annotation{kind: annotJSON}
	case 20:
		return annotation{kind: annotBSON}
	case 21:
		return annotation{kind: annotInterval}
	}
	return annotation{}
}

// same compares the columns of two top-level fields: the values of one may stand as
// those of the other. "" when they may, or what is different. Names of fields of structs
// must be the same; names of the parts of lists and maps need not.
func same(a *footer, topA int, b *footer, topB int) string {
	i, j := a.tops[topA], b.tops[topB]
	// inner: the parent is the repeated group of a list or a map.
	var down func(depth int, parent annotation, inner bool) string
	down = func(depth int, parent annotation, inner bool) string {
		x, y := &a.elements[i], &b.elements[j]
		i++
		j++
		inPair := parent.kind == annotList || parent.kind == annotMap
		if x.repetition != y.repetition {
			return "it is not nullable or repeated in the same way"
		}
		if x.phys != y.phys || (x.phys == physFixed && x.length != y.length) {
			return "its physical type is another one"
		}
		if x.children != y.children {
			return "it is nested in another way"
		}
		if depth > 0 && !inPair && !inner && x.name != y.name {
			return "its fields have other names"
		}
		group := inPair && x.repetition == repeated
		ax, ay := x.annotation(group), y.annotation(group)
		if ax != ay {
			return "its logical type is another one"
		}
		if group && parent.kind == annotList && legacyItem(x) != legacyItem(y) {
			return "its list is of an old layout"
		}
		for range x.children {
			if why := down(depth+1, ax, group); why != "" {
				return why
			}
		}
		return ""
	}
	return down(0, annotation{}, false)
}

// legacyItem reports that a repeated group is itself the element of its list, by its
// name: a rule of the format for old files.
func legacyItem(e *element) bool {
	return e.phys >= 0 || e.children > 1 || e.name == "array" || strings.HasSuffix(e.name, "_tuple")
}

// sameSchema reports that two files have the same columns, by the same names.
func sameSchema(a, b *footer) bool { return bytes.Equal(a.rawSchema, b.rawSchema) }
