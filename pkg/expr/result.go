package expr

import (
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// result is the array that an evaluation builds. Its bytes depend on nothing
// but the values: what lies under a null is zero.
type result struct {
	kind   kind
	typ    arrow.DataType
	rows   int
	valid  *memory.Buffer
	values *memory.Buffer // of text: the offsets
	text   *memory.Buffer
	used   int // bytes of text
	nulls  int
}

func newResult(mem memory.Allocator, k kind, typ arrow.DataType, rows int) *result {
	r := &result{kind: k, typ: typ, rows: rows, valid: memory.NewResizableBuffer(mem), values: memory.NewResizableBuffer(mem)}
	switch k.storage() {
	case storeBits:
		r.values.Resize((rows + 7) / 8)
	case storeStrings:
		r.values.Resize((rows + 1) * arrow.Int32SizeBytes)
		r.offsets()[0] = 0
		r.text = memory.NewResizableBuffer(mem)
	case storeDecimals:
		r.values.Resize(rows * arrow.Decimal128SizeBytes)
	case storeInts, storeFloats, storeNone:
		r.values.Resize(rows * arrow.Int64SizeBytes)
	}
	return r
}

func (r *result) offsets() []int32 { return arrow.Int32Traits.CastFromBytes(r.values.Bytes()) }

// release lets go of the memory. The array that array has returned keeps its own hold of it.
func (r *result) release() {
	r.valid.Release()
	r.values.Release()
	if r.text != nil {
		r.text.Release()
	}
}

// append adds n rows from row lo on, which is where the last rows ended. Failed rows are null.
func (r *result) append(v *vector, failed *mask, lo, n int) error {
	var valid mask
	valid.first(n)
	for w := range valid {
		if v.nulls {
			valid[w] &= v.valid[w]
		}
		valid[w] &^= failed[w]
	}
	nulls := n - valid.count()
	r.setValid(&valid, nulls, lo, n)
	switch r.kind.storage() {
	case storeInts:
		dst := arrow.Int64Traits.CastFromBytes(r.values.Bytes())[lo : lo+n]
		copy(dst, v.ints[:n])
		clearNulls(dst, &valid, nulls)
	case storeFloats:
		dst := arrow.Float64Traits.CastFromBytes(r.values.Bytes())[lo : lo+n]
		copy(dst, v.floats[:n])
		clearNulls(dst, &valid, nulls)
	case storeDecimals:
		dst := arrow.Decimal128Traits.CastFromBytes(r.values.Bytes())[lo : lo+n]
		copy(dst, v.decimals[:n])
		clearNulls(dst, &valid, nulls)
	case storeBits:
		for w := range valid {
			valid[w] &= v.bits[w]
		}
		valid.store(r.values.Bytes()[lo/8:], n)
	case storeStrings:
		return r.appendText(v.strs[:n], &valid, lo)
	case storeNone:
	}
	return nil
}

// setValid writes the bitmap; there is none before the first null.
func (r *result) setValid(valid *mask, nulls, lo, n int) {
	if nulls > 0 && r.nulls == 0 {
		r.valid.Resize((r.rows + 7) / 8)
		before := r.valid.Bytes()[:lo/8] // lo is a multiple of 64
		for i := range before {
			before[i] = 0xff
		}
	}
	if r.nulls += nulls; r.nulls > 0 {
		valid.store(r.valid.Bytes()[lo/8:], n)
	}
}

// clearNulls zeroes what lies under nulls: garbage of the batch, or of a row that failed.
func clearNulls[T int64 | float64 | decimal128.Num](dst []T, valid *mask, nulls int) {
	if nulls == 0 {
		return
	}
	for w := range words(len(dst)) {
		for null := ^valid[w]; null != 0; null &= null - 1 {
			i := w*64 + bits.TrailingZeros64(null)
			if i >= len(dst) {
				return
			}
			var zero T
			dst[i] = zero
		}
	}
}

func (r *result) appendText(strs []string, valid *mask, lo int) error {
	need := r.used
	for i, s := range strs {
		if valid.has(i) {
			need += len(s)
		}
	}
	if need > math.MaxInt32 {
		return ErrTooLarge
	}
	if need > r.text.Cap() {
		// As if the rest of the rows were like those so far, and a little more.
		estimate := int(float64(need) / float64(lo+len(strs)) * float64(r.rows) * 1.05)
		r.text.Reserve(max(need, min(estimate, 2*r.text.Cap()+1<<20)))
	}
	r.text.ResizeNoShrink(need)
	offsets, text := r.offsets()[lo+1:], r.text.Bytes()
	for i, s := range strs {
		if valid.has(i) {
			r.used += copy(text[r.used:], s)
		}
		offsets[i] = int32(r.used) //nolint:gosec // need is below 2^31
	}
	return nil
}

// array is what has been built. The caller must Release it, and release r.
func (r *result) array() arrow.Array {
	buffers := []*memory.Buffer{nil, r.values}
	if r.nulls > 0 {
		buffers[0] = r.valid
	}
	if r.text != nil {
		if slack := r.text.Cap() - r.used; slack > r.used/4+4096 {
			r.text.Resize(r.used)
		}
		buffers = append(buffers, r.text)
	}
	data := array.NewData(r.typ, r.rows, buffers, nil, r.nulls, 0)
	defer data.Release()
	return array.MakeFromData(data)
}
