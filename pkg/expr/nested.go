package expr

import (
	"math"
	"math/bits"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A nestedNode gives the values of a struct, a list or a map: an array of the rows of the
// chunk, which the frame owns and which lasts until the next chunk. In rows outside of
// active it may hold anything that is valid. It is nil after frame.err has been set.
type nestedNode interface {
	array(f *frame, active *mask) arrow.Array
	// fails says whether an operand of the path can fail.
	fails(stats statistics) bool
}

// columnArray is a column.
type columnArray struct{ state int } // in frame.columns

func (n *columnArray) array(f *frame, _ *mask) arrow.Array {
	return f.keep(array.NewSlice(f.columns[n.state].array, int64(f.lo), int64(f.lo+f.n)))
}

func (n *columnArray) fails(statistics) bool { return false }

// elementsArray is the elements that a lambda is about.
type elementsArray struct{}

func (elementsArray) array(f *frame, _ *mask) arrow.Array { return f.elements }
func (elementsArray) fails(statistics) bool               { return false }

// fieldArray is a.b.
type fieldArray struct {
	of    nestedNode
	field int
}

func (n *fieldArray) fails(stats statistics) bool { return n.of.fails(stats) }

func (n *fieldArray) array(f *frame, active *mask) arrow.Array {
	s, ok := n.of.array(f, active).(*array.Struct)
	if !ok {
		return nil
	}
	child := s.Field(n.field)
	if len(s.NullBitmapBytes()) == 0 {
		return child
	}
	// A field of a null struct is null, whatever its own array says there.
	data := child.Data()
	rows, offset := data.Len(), data.Offset()
	bitmap := make([]byte, bitutil.BytesForBits(int64(offset+rows)))
	for i := range rows {
		if s.IsValid(i) && child.IsValid(i) {
			bitutil.SetBit(bitmap, offset+i)
		}
	}
	return f.keep(withValidity(data, bitmap))
}

// withValidity is an array with another bitmap, which begins where the array's would.
func withValidity(data arrow.ArrayData, bitmap []byte) arrow.Array {
	buffers := append([]*memory.Buffer{memory.NewBufferBytes(bitmap)}, data.Buffers()[1:]...)
	var masked *array.Data
	if d, ok := data.(*array.Data); ok && data.DataType().ID() == arrow.DICTIONARY {
		masked = array.NewDataWithDictionary(data.DataType(), data.Len(), buffers, array.UnknownNullCount, data.Offset(), d.Dictionary().(*array.Data)) //nolint:errcheck // arrow-go has no other
	} else {
		masked = array.NewData(data.DataType(), data.Len(), buffers, data.Children(), array.UnknownNullCount, data.Offset())
	}
	defer masked.Release()
	return array.MakeFromData(masked)
}

// elementArray is xs[i] and m["key"]: null where there is no such element.
type elementArray struct {
	of    nestedNode
	index node
	slot  int
}

func (n *elementArray) fails(stats statistics) bool {
	return n.of.fails(stats) || n.index.bounds(stats).fails
}

func (n *elementArray) array(f *frame, active *mask) arrow.Array {
	lists := n.of.array(f, active)
	index := n.index.eval(f, active)
	if f.err != nil || lists == nil {
		return nil
	}
	at := f.slots[n.slot].positions(f.n)
	for i := range at {
		at[i] = -1
		if !active.has(i) || index.nulls && !index.valid.has(i) || lists.IsNull(i) {
			continue
		}
		if m, ok := lists.(*array.Map); ok {
			from, to := m.ValueOffsets(i)
			at[i] = findKey(m.Keys(), from, to, index, i)
			continue
		}
		from, to := lists.(array.ListLike).ValueOffsets(i) //nolint:errcheck // by its type
		x := index.intAt(i)
		if x < 0 {
			x += to - from
		}
		if x >= 0 && x < to-from {
			at[i] = from + x
		}
	}
	if m, ok := lists.(*array.Map); ok {
		return f.pick(m.Items(), at)
	}
	return f.pick(lists.(array.ListLike).ListValues(), at) //nolint:errcheck // by its type
}

// findKey is where the key of row i stands among keys[from:to]; -1 when nowhere.
func findKey(keys arrow.Array, from, to int64, key *vector, i int) int64 {
	for j := from; j < to; j++ {
		var same bool
		switch k := keys.(type) {
		case array.StringLike:
			same = k.Value(int(j)) == key.strs[i]
		case *array.Int64:
			same = k.Value(int(j)) == key.ints[i]
		case *array.Int32:
			same = int64(k.Value(int(j))) == key.ints[i]
		}
		if same {
			return j
		}
	}
	return -1
}

// splitArray is split(a, separator).
type splitArray struct {
	text, separator node
	slot            int
}

func (n *splitArray) fails(stats statistics) bool {
	return n.text.bounds(stats).fails || n.separator.bounds(stats).fails
}

func (n *splitArray) array(f *frame, active *mask) arrow.Array {
	text, separator := n.text.eval(f, active), n.separator.eval(f, active)
	if f.err != nil {
		return nil
	}
	b := array.NewBuilder(f.mem, arrow.ListOfNonNullable(arrow.BinaryTypes.String)).(*array.ListBuilder) //nolint:errcheck // by its type
	defer b.Release()
	parts := b.ValueBuilder().(*array.StringBuilder) //nolint:errcheck // by its type
	size := 0
	for i := range f.n {
		if !active.has(i) || text.nulls && !text.valid.has(i) || separator.nulls && !separator.valid.has(i) {
			b.AppendNull()
			continue
		}
		b.Append(true)
		s, by := text.strs[i], separator.strs[i]
		if size += len(s); size > maxChunkText {
			f.err = ErrTooLarge
			return nil
		}
		for by != "" {
			part, rest, more := strings.Cut(s, by)
			if !more {
				break
			}
			parts.Append(part)
			s = rest
		}
		parts.Append(s)
	}
	return f.keep(b.NewArray())
}

// accessNode reads the plain values that a path leads to.
type accessNode struct {
	of       nestedNode
	kind     kind
	err      error
	name     string
	register int
	slot     int
}

func (n *accessNode) eval(f *frame, active *mask) *vector {
	v := &f.registers[n.register]
	a := n.of.array(f, active)
	if f.err != nil || a == nil {
		v.none(n.kind, f.n)
		return v
	}
	s := &f.slots[n.slot].state
	s.release()
	s.bind(a)
	ints, floats := v.ints, v.floats
	s.load(f, v, 0)
	if ints != nil { // the array's own memory ends with the chunk
		copy(ints, v.ints[:f.n])
	}
	if floats != nil {
		copy(floats, v.floats[:f.n])
	}
	v.ints, v.floats = ints, floats
	if s.anyBad {
		var bad mask
		for w := range bad {
			bad[w] = s.bad[w] & active[w]
		}
		f.operation = n.name
		f.failAll(&bad, n.err)
	}
	return v
}

func (n *accessNode) bounds(stats statistics) bounds {
	b := anything(n.kind)
	b.fails = n.err != nil || n.of.fails(stats)
	return b
}

// none makes all rows null.
func (v *vector) none(k kind, n int) {
	*v.valid, v.nulls = mask{}, true
	if k.storage() == storeStrings {
		clear(v.strs[:n])
	}
}

// nestedIsNullNode is isNull of something nested.
type nestedIsNullNode struct {
	of       nestedNode
	register int
}

func (n *nestedIsNullNode) eval(f *frame, active *mask) *vector {
	a := n.of.array(f, active)
	out := &f.registers[n.register]
	*out.bits, out.nulls = mask{}, false
	if f.err != nil || a == nil {
		return out
	}
	for i := range f.n {
		if a.IsNull(i) {
			out.bits.set(i)
		}
	}
	return out
}

func (n *nestedIsNullNode) bounds(stats statistics) bounds {
	return bounds{kind: kindBool, canTrue: true, canFalse: true, fails: n.of.fails(stats)}
}

// nestedSizeNode is the size of a list or a map.
type nestedSizeNode struct {
	of       nestedNode
	register int
}

func (n *nestedSizeNode) eval(f *frame, active *mask) *vector {
	out := &f.registers[n.register]
	a, ok := n.of.array(f, active).(array.ListLike)
	if f.err != nil || !ok {
		out.none(kindInt, f.n)
		return out
	}
	out.nulls = len(a.NullBitmapBytes()) > 0
	*out.valid = mask{}
	for i := range f.n {
		if a.IsValid(i) {
			out.valid.set(i)
			from, to := a.ValueOffsets(i)
			out.ints[i] = to - from
		}
	}
	return out
}

func (n *nestedSizeNode) bounds(stats statistics) bounds {
	return bounds{kind: kindInt, hiInt: math.MaxInt64, null: true, fails: n.of.fails(stats)}
}

// capture is a value of the row that a lambda uses: it goes from the row's vector to one
// with an element for each element of the lists.
type capture struct {
	from node
	kind kind
	to   int // register of the inner frame
}

// captureNode reads a captured value in the lambda.
type captureNode struct{ column *column }

func (n captureNode) eval(f *frame, _ *mask) *vector { return &f.registers[n.column.register] }
func (n captureNode) bounds(statistics) bounds       { return anything(n.column.kind) }

// quantifierNode is xs.exists(x, p) and xs.all(x, p). p is asked of many elements at once,
// of whatever rows they are; the answers then count from left to right, as in a chain of
// || or of &&: what comes behind the one that decides does not count, nor do its errors.
type quantifierNode struct {
	of       nestedNode
	exists   bool
	captured []capture
	root     node
	shape    shape
	register int
	slot     int
	inner    int // in frame.inners
	asked    int // in frame.masks
}

func (n *quantifierNode) bounds(stats statistics) bounds {
	nothing := func(string) (Stats, bool) { return Stats{}, false }
	b := bounds{kind: kindBool, canTrue: true, canFalse: true, null: true}
	b.fails = n.of.fails(stats) || n.root.bounds(nothing).fails
	for _, c := range n.captured {
		b.fails = b.fails || c.from.bounds(stats).fails
	}
	return b
}

func (n *quantifierNode) eval(f *frame, active *mask) *vector {
	lists, ok := n.of.array(f, active).(array.ListLike)
	outside := make([]*vector, len(n.captured))
	if ok && len(n.captured) > 0 {
		// Of rows without elements nothing else is asked.
		asked := &f.masks[n.asked]
		*asked = mask{}
		for i := range f.n {
			if from, to := lists.ValueOffsets(i); active.has(i) && from < to && lists.IsValid(i) {
				asked.set(i)
			}
		}
		for i, c := range n.captured {
			outside[i] = c.from.eval(f, asked)
		}
	}
	out := &f.registers[n.register]
	*out.bits, *out.valid, out.nulls = mask{}, mask{}, true
	if f.err != nil || !ok {
		return out
	}
	if !n.exists { // until an element says otherwise
		out.bits.first(f.n)
	}
	elements := lists.ListValues()
	if m, isMap := lists.(*array.Map); isMap {
		elements = m.Keys()
	}
	slot := &f.slots[n.slot]
	slot.owners, slot.at = slot.owners[:0], slot.at[:0]
	var pending, unknown mask
	for w, word := range active {
		for ; word != 0; word &= word - 1 {
			i := w*64 + bits.TrailingZeros64(word)
			if lists.IsNull(i) {
				continue
			}
			out.valid.set(i)
			pending.set(i)
			from, to := lists.ValueOffsets(i)
			for j := from; j < to; j++ {
				slot.owners, slot.at = append(slot.owners, i), append(slot.at, j)
				if len(slot.at) == chunkRows {
					n.ask(f, elements, slot, outside, out, &pending, &unknown)
				}
			}
		}
	}
	n.ask(f, elements, slot, outside, out, &pending, &unknown)
	for w := range unknown {
		out.valid[w] &^= unknown[w] & pending[w]
	}
	return out
}

// ask evaluates p for the elements at slot.at, which belong to the rows slot.owners.
func (n *quantifierNode) ask(f *frame, elements arrow.Array, slot *slot, outside []*vector, out *vector, pending, unknown *mask) {
	if len(slot.at) == 0 || f.err != nil {
		return
	}
	inner := f.inners[n.inner]
	if inner == nil {
		inner = newFrame(n.shape)
		f.inners[n.inner] = inner
	}
	inner.mem, inner.take = f.mem, f.take
	inner.begin(0, len(slot.at))
	inner.errs = inner.errs[:0]
	inner.elements = inner.pick(elements, slot.at)
	for i, c := range n.captured {
		inner.registers[c.to].gather(c.kind, outside[i], slot.owners)
	}
	if inner.err == nil {
		answer := n.root.eval(inner, &inner.active)
		for j, i := range slot.owners {
			if !pending.has(i) {
				continue
			}
			switch {
			case inner.failed.has(j):
				for _, e := range inner.errs {
					if e.Row == j {
						f.operation = e.Operation
						f.fail(i, e.Err)
					}
				}
				pending.clear(i)
			case answer.nulls && !answer.valid.has(j):
				unknown.set(i)
			case answer.bits.has(j) == n.exists:
				if n.exists {
					out.bits.set(i)
				} else {
					out.bits.clear(i)
				}
				pending.clear(i)
			}
		}
	}
	f.err = inner.err
	slot.owners, slot.at = slot.owners[:0], slot.at[:0]
}

// gather makes v the rows of src, which may repeat.
func (v *vector) gather(k kind, src *vector, rows []int) {
	v.nulls, *v.valid = src.nulls, mask{}
	if k.storage() == storeBits {
		*v.bits = mask{}
	}
	for j, i := range rows {
		switch k.storage() {
		case storeInts:
			v.ints[j] = src.ints[i]
		case storeFloats:
			v.floats[j] = src.floats[i]
		case storeStrings:
			v.strs[j] = src.strs[i]
		case storeDecimals:
			v.decimals[j] = src.decimals[i]
		case storeBits:
			if src.bits.has(i) {
				v.bits.set(j)
			}
		case storeNone:
		}
		if src.nulls && src.valid.has(i) {
			v.valid.set(j)
		}
	}
}

// slot is what a nested node keeps in a frame.
type slot struct {
	state  columnState // of an accessNode
	at     []int64     // elements
	owners []int       // the rows that they are of
}

// positions is room for n positions.
func (s *slot) positions(n int) []int64 {
	if cap(s.at) < n {
		s.at = make([]int64, chunkRows)
	}
	s.at = s.at[:n]
	return s.at
}

// keep makes the frame the owner of the array until the next chunk.
func (f *frame) keep(a arrow.Array) arrow.Array {
	f.kept = append(f.kept, a)
	return a
}

// pick gives the elements at some places of an array, null where the place is negative.
// After an error it is nil.
func (f *frame) pick(elements arrow.Array, at []int64) arrow.Array {
	dense := len(at) > 0 && at[0] >= 0
	for i := 1; i < len(at) && dense; i++ {
		dense = at[i] == at[i-1]+1
	}
	if dense {
		return f.keep(array.NewSlice(elements, at[0], at[0]+int64(len(at))))
	}
	b := array.NewInt64Builder(f.mem)
	defer b.Release()
	b.Reserve(len(at))
	for _, x := range at {
		if x < 0 {
			b.UnsafeAppendBoolToBitmap(false)
		} else {
			b.UnsafeAppend(x)
		}
	}
	index := b.NewArray()
	defer index.Release()
	picked, err := f.take(elements, index)
	if err != nil {
		f.err = err
		return nil
	}
	return f.keep(picked)
}
