package stitch

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/levada-data/levada/internal/parquet"
)

// encodeFlat makes the chunk of field i from arrays whose values are stored in Parquet as
// they are in Arrow: the common types of numbers and strings. It writes what arrow-go
// would, plain pages, at half the cost, and reports false for what it leaves to it:
// other types, and what is not to be plain.
func (w *Writer) encodeFlat(i int, values []arrow.Array, st *stage) (bool, error) {
	from, to := w.l.meta.leavesOf(i)
	lf := &w.l.meta.leaves[from]
	e := &w.l.meta.elements[lf.elem]
	if to != from+1 || lf.maxRep > 0 || lf.maxDef > 1 || !plainly(w.l.schema.Field(i).Type, e) {
		return false, nil
	}
	name, finish := w.l.schema.Field(i).Name, &w.l.o.Finish
	if len(values) > 0 && finish.Choose(name, values[0]) != parquet.EncodingPlain || slices.Contains(finish.Bloom, name) {
		return false, nil
	}
	if w.gather == nil {
		w.gather = &gatherer{}
	}
	out := &w.gather.out
	st.buf.Write(magic)
	out.begin(w.l, &st.buf, e, lf.maxDef)
	for _, v := range values {
		if err := out.array(v); err != nil {
			return false, err
		}
	}
	c, err := out.finish()
	if err != nil {
		return false, err
	}
	st.chunks = append(st.chunks, c)
	return true, nil
}

// plainly reports that the values of a type are those of the element, bit for bit.
func plainly(t arrow.DataType, e *element) bool {
	switch t := t.(type) {
	case *arrow.Int32Type, *arrow.Date32Type:
		return e.phys == physInt32
	case *arrow.Int64Type:
		return e.phys == physInt64
	case *arrow.TimestampType: // units may have been made others
		return e.phys == physInt64 && t.Unit != arrow.Second && e.annotation(false).b == map[arrow.TimeUnit]int64{arrow.Millisecond: millis, arrow.Microsecond: micros, arrow.Nanosecond: micros + 1}[t.Unit]
	case *arrow.Float32Type:
		return e.phys == physFloat
	case *arrow.Float64Type:
		return e.phys == physDouble
	case *arrow.StringType, *arrow.BinaryType:
		return e.phys == physBytes
	}
	return false
}

// array adds the values of an array, in pages.
func (w *pageWriter) array(a arrow.Array) error {
	switch a := a.(type) {
	case *array.Int32:
		return addNumbers(w, a, a.Int32Values())
	case *array.Date32:
		return addNumbers(w, a, cast[int32](a.Date32Values()))
	case *array.Int64:
		return addNumbers(w, a, a.Int64Values())
	case *array.Timestamp:
		return addNumbers(w, a, cast[int64](a.TimestampValues()))
	case *array.Float32:
		return addNumbers(w, a, a.Float32Values())
	case *array.Float64:
		return addNumbers(w, a, a.Float64Values())
	case *array.String:
		return w.addBytes(a, a.ValueOffsets(), a.ValueBytes())
	case *array.Binary:
		return w.addBytes(a, a.ValueOffsets(), a.ValueBytes())
	}
	panic("an array of another type than the field's")
}

// cast is numbers as what stores them.
func cast[T, N number | arrow.Timestamp | arrow.Date32](v []N) []T {
	if len(v) == 0 {
		return nil
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(v))), len(v)) //nolint:gosec // T stores N
}

// validity notes the levels of rows [from,to) of an array, and returns those of its rows
// that are not null; nil: all.
func (w *pageWriter) validity(a arrow.Array, from, to int) []byte {
	if a.NullN() == 0 {
		w.allValid(to - from)
		return nil
	}
	def := w.moreLevels(to - from)[:to-from]
	for i := range def {
		def[i] = 1
		if a.IsNull(from + i) {
			def[i] = 0
		}
	}
	w.levels(to - from)
	return def
}

func addNumbers[T number](w *pageWriter, a arrow.Array, v []T) error {
	size := int(unsafe.Sizeof(*new(T)))
	for from := 0; from < len(v); {
		to := min(from+pageTarget/size, len(v))
		valid := w.validity(a, from, to)
		at := len(w.vals)
		w.vals = grown(w.vals, at+size*(to-from+1))
		out := view[T](w.vals[at:], to-from+1)
		n := to - from
		if valid == nil {
			copy(out, v[from:to])
		} else {
			n = 0
			for i, x := range v[from:to] {
				out[n] = x
				n += int(valid[i])
			}
		}
		w.vals = w.vals[:at+n*size]
		widenNumbers(&w.current, w.order, out[:n])
		if err := w.flushFull(); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// byteRows is how many strings are looked at before it is decided whether the page is
// full.
const byteRows = 4096

// addBytes adds strings. offsets are those of the rows and one more; the bytes of row i
// begin at offsets[i]-offsets[0] in data.
func (w *pageWriter) addBytes(a arrow.Array, offsets []int32, data []byte) error {
	for from := 0; from < a.Len(); {
		to := min(from+byteRows, a.Len())
		valid := w.validity(a, from, to)
		at := len(w.vals)
		w.vals = grown(w.vals, at+4*(to-from)+int(offsets[to]-offsets[from]))
		out := w.vals[at:]
		n := 0
		for i := from; i < to; i++ {
			if valid != nil && valid[i-from] == 0 {
				continue
			}
			v := data[offsets[i]-offsets[0] : offsets[i+1]-offsets[0]]
			binary.LittleEndian.PutUint32(out[n:], uint32(len(v))) //nolint:gosec // a string of an array
			n += 4 + copy(out[n+4:], v)
			if w.order == bytewise {
				w.current.bytes(v)
			}
		}
		w.vals = w.vals[:at+n]
		if err := w.flushFull(); err != nil {
			return err
		}
		from = to
	}
	return nil
}
