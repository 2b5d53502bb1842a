package blocks

import (
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// A layout is the plan of a record batch's body: what buffers it has, how long
// each is, and where its bytes come from. Sizes are known before anything is
// copied, so encoding allocates once; and they are those of the rows alone, so
// that [DataSize], which sums them, does not see how a batch was sliced or built.
//
// In memory, a null string or list may still own bytes or elements. Those do not
// travel: the plan skips them.
type layout struct {
	nodes   []node
	buffers []buffer
	size    int64 // of all buffers, as if every column had a validity bitmap
}

// node is a field node of Arrow's IPC format.
type node struct{ rows, nulls int64 }

// buffer is one buffer of the body and the recipe for its bytes.
type buffer struct {
	fill   fillFunc // nil for an empty buffer
	size   int64    // in bytes, without padding
	source []byte   // the array's own buffer
	parts  []part   // the rows to take, in the array's own positions
	width  int      // bytes of a value, or of an offset

	offsets []byte // of the array, when source holds what they point to
	valid   []byte // the array's validity bitmap, when null rows must be skipped
}

// fillFunc writes a buffer's bytes to dst, which is exactly as long as they are.
type fillFunc func(b *buffer, dst []byte)

// part is a range of an array's rows, in the positions of its buffers.
type part struct{ from, to int }

func (p part) rows() int { return p.to - p.from }

func countRows(parts []part) int {
	n := 0
	for _, p := range parts {
		n += p.rows()
	}
	return n
}

// DataSize returns the logical bytes of a batch: what its buffers would take in
// Arrow's format, cut to its rows, each column with a validity bitmap. It depends
// on the rows alone, not on slicing, spare capacity, or whether a bitmap is there.
// Columns of types that do not travel (see [CheckSchema]) count as nothing. It
// borrows b for the call.
func DataSize(b arrow.RecordBatch) int64 {
	var l layout
	for _, c := range b.Columns() {
		size := l.size
		if l.column(c.Data(), int(b.NumRows())) != nil {
			l.size = size
		}
	}
	return l.size
}

// column plans the first rows of a column. (Arrow allows a column to be longer
// than its batch.)
func (l *layout) column(d arrow.ArrayData, rows int) error {
	return l.add(d, []part{{d.Offset(), d.Offset() + rows}})
}

// add plans the rows of an array named by parts, depth first, as IPC wants them.
func (l *layout) add(d arrow.ArrayData, parts []part) error {
	rows := countRows(parts)
	buffers, children := d.Buffers(), d.Children()
	if d.DataType().ID() == arrow.NULL {
		l.nodes = append(l.nodes, node{int64(rows), int64(rows)})
		return nil
	}
	valid := l.validity(d, parts, rows)
	switch t := d.DataType().(type) {
	case *arrow.BooleanType:
		l.bitmap(bytesOf(buffers[1]), parts, rows)
		l.size += int64(bytesForBits(rows))
	case *arrow.StringType, *arrow.BinaryType:
		l.variable(bytesOf(buffers[1]), bytesOf(buffers[2]), valid, parts, rows, arrow.Int32SizeBytes)
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		l.variable(bytesOf(buffers[1]), bytesOf(buffers[2]), valid, parts, rows, arrow.Int64SizeBytes)
	case *arrow.ListType, *arrow.MapType:
		return l.list(bytesOf(buffers[1]), children[0], valid, parts, rows, arrow.Int32SizeBytes)
	case *arrow.LargeListType:
		return l.list(bytesOf(buffers[1]), children[0], valid, parts, rows, arrow.Int64SizeBytes)
	case *arrow.FixedSizeListType:
		return l.add(children[0], move(parts, int(t.Len()), children[0].Offset()))
	case *arrow.StructType:
		for _, c := range children {
			if err := l.add(c, move(parts, 1, c.Offset())); err != nil {
				return err
			}
		}
	default:
		w, ok := t.(arrow.FixedWidthDataType)
		if !ok || !fixedTravels(t) {
			return fmt.Errorf("%w: %s", ErrType, t)
		}
		l.fixed(bytesOf(buffers[1]), parts, rows, w.BitWidth()/8)
	}
	return nil
}

// validity plans the field node and the bitmap, and returns the array's own
// bitmap when some of the rows are null.
func (l *layout) validity(d arrow.ArrayData, parts []part, rows int) []byte {
	var bitmap []byte
	if b := d.Buffers()[0]; b != nil && b.Len() > 0 && d.NullN() != 0 {
		bitmap = b.Bytes()
	}
	nulls := 0
	if bitmap != nil {
		nulls = rows
		for _, p := range parts {
			nulls -= bitutil.CountSetBits(bitmap, p.from, p.rows())
		}
	}
	l.nodes = append(l.nodes, node{int64(rows), int64(nulls)})
	l.size += int64(bytesForBits(rows))
	if nulls == 0 {
		l.buffers = append(l.buffers, buffer{})
		return nil
	}
	l.bitmap(bitmap, parts, rows)
	return bitmap
}

func (l *layout) bitmap(source []byte, parts []part, rows int) {
	l.buffers = append(l.buffers, buffer{fill: fillBits, size: int64(bytesForBits(rows)), source: source, parts: parts})
}

func (l *layout) fixed(source []byte, parts []part, rows, width int) {
	size := int64(rows) * int64(width)
	l.buffers = append(l.buffers, buffer{fill: fillFixed, size: size, source: source, parts: parts, width: width})
	l.size += size
}

// variable plans the offsets and bytes of strings and binaries.
func (l *layout) variable(offsets, source, valid []byte, parts []part, rows, width int) {
	var size, skipped int64
	for _, p := range parts {
		all, null := extent(offsets, valid, p, width)
		size += all - null
		skipped += null
	}
	if skipped == 0 {
		valid = nil // nothing to skip: whole ranges can be copied
	}
	l.offsets(offsets, valid, parts, rows, width)
	l.buffers = append(l.buffers, buffer{
		fill: fillValues, size: size, source: source, parts: parts, width: width, offsets: offsets, valid: valid,
	})
	l.size += size
}

func (l *layout) offsets(source, valid []byte, parts []part, rows, width int) {
	size := int64(rows+1) * int64(width)
	l.buffers = append(l.buffers, buffer{fill: fillOffsets, size: size, source: source, parts: parts, width: width, valid: valid})
	l.size += size
}

// list plans the offsets of lists and maps, and the elements that they own.
func (l *layout) list(offsets []byte, child arrow.ArrayData, valid []byte, parts []part, rows, width int) error {
	var skipped int64
	for _, p := range parts {
		_, null := extent(offsets, valid, p, width)
		skipped += null
	}
	if skipped == 0 {
		valid = nil
	}
	l.offsets(offsets, valid, parts, rows, width)
	var elements []part
	for _, p := range parts {
		eachValid(valid, p, func(run part) {
			from, to := offsetAt(offsets, run.from, width), offsetAt(offsets, run.to, width)
			if from == to {
				return
			}
			e := part{child.Offset() + int(from), child.Offset() + int(to)}
			if n := len(elements); n > 0 && elements[n-1].to == e.from {
				elements[n-1].to = e.to
				return
			}
			elements = append(elements, e)
		})
	}
	return l.add(child, elements)
}

// move maps rows of a parent to those of a child that has factor rows for each.
func move(parts []part, factor, offset int) []part {
	if factor == 1 && offset == 0 {
		return parts
	}
	moved := make([]part, len(parts))
	for i, p := range parts {
		moved[i] = part{p.from*factor + offset, p.to*factor + offset}
	}
	return moved
}

// extent returns how many bytes or elements the rows of p own, and how many of
// those belong to null rows.
func extent(offsets, valid []byte, p part, width int) (all, null int64) {
	if p.rows() == 0 {
		return 0, 0 // the offsets of an empty array may be missing
	}
	all = offsetAt(offsets, p.to, width) - offsetAt(offsets, p.from, width)
	if valid == nil || all == 0 {
		return all, 0
	}
	eachNull(valid, p, func(i int) {
		null += offsetAt(offsets, i+1, width) - offsetAt(offsets, i, width)
	})
	return all, null
}

func offsetAt(offsets []byte, i, width int) int64 {
	if width == arrow.Int32SizeBytes {
		return int64(int32(binary.LittleEndian.Uint32(offsets[i*arrow.Int32SizeBytes:]))) //nolint:gosec // offsets are signed.
	}
	return int64(binary.LittleEndian.Uint64(offsets[i*arrow.Int64SizeBytes:])) //nolint:gosec // offsets are signed.
}

// eachNull calls f for each null row of p. It looks at eight rows at a time:
// columns with few nulls are the rule.
func eachNull(valid []byte, p part, f func(i int)) {
	for i := p.from; i < p.to; {
		nulls := ^valid[i/8] >> (i % 8)
		stop := min((i/8+1)*8, p.to)
		for ; nulls != 0; nulls &= nulls - 1 {
			row := i + bits.TrailingZeros8(nulls)
			if row >= stop {
				break
			}
			f(row)
		}
		i = stop
	}
}

// eachValid calls f for each run of rows of p without nulls between them.
func eachValid(valid []byte, p part, f func(run part)) {
	if valid == nil {
		f(p)
		return
	}
	from := p.from
	eachNull(valid, p, func(i int) {
		if i > from {
			f(part{from, i})
		}
		from = i + 1
	})
	if p.to > from {
		f(part{from, p.to})
	}
}

func fillBits(b *buffer, dst []byte) {
	at := 0
	for _, p := range b.parts {
		bitutil.CopyBitmap(b.source, p.from, p.rows(), dst, at)
		at += p.rows()
	}
	if at%8 != 0 {
		// Copying may bring along bits of the rows that follow.
		dst[len(dst)-1] &= byte(1)<<(at%8) - 1
	}
}

func fillFixed(b *buffer, dst []byte) {
	for _, p := range b.parts {
		if p.rows() == 0 {
			continue
		}
		n := copy(dst, b.source[p.from*b.width:p.to*b.width])
		dst = dst[n:]
	}
}

func fillValues(b *buffer, dst []byte) {
	for _, p := range b.parts {
		if p.rows() == 0 {
			continue
		}
		eachValid(b.valid, p, func(run part) {
			n := copy(dst, b.source[offsetAt(b.offsets, run.from, b.width):offsetAt(b.offsets, run.to, b.width)])
			dst = dst[n:]
		})
	}
}

func fillOffsets(b *buffer, dst []byte) {
	if b.width == arrow.Int32SizeBytes {
		fillOffsetsOf(b, arrow.Int32Traits.CastFromBytes(b.source), arrow.Int32Traits.CastFromBytes(dst))
		return
	}
	fillOffsetsOf(b, arrow.Int64Traits.CastFromBytes(b.source), arrow.Int64Traits.CastFromBytes(dst))
}

// fillOffsetsOf writes offsets that start at zero; a skipped row gets no extent.
func fillOffsetsOf[T int32 | int64](b *buffer, source, dst []T) {
	var at T
	dst[0] = 0
	dst = dst[1:]
	for _, p := range b.parts {
		switch {
		case p.rows() == 0:
			continue
		case b.valid == nil && source[p.from] == at:
			copy(dst, source[p.from+1:p.to+1])
		case b.valid == nil:
			shift := at - source[p.from]
			for i, o := range source[p.from+1 : p.to+1] {
				dst[i] = o + shift
			}
		default:
			sum := at
			for i := p.from; i < p.to; i++ {
				if bitutil.BitIsSet(b.valid, i) {
					sum += source[i+1] - source[i]
				}
				dst[i-p.from] = sum
			}
		}
		at = dst[p.rows()-1]
		dst = dst[p.rows():]
	}
}

// bytesOf returns a buffer's bytes; an array without rows may have no buffer.
func bytesOf(b *memory.Buffer) []byte {
	if b == nil {
		return nil
	}
	return b.Bytes()
}

func bytesForBits(n int) int { return (n + 7) / 8 }

// fixedTravels reports whether a type of fixed width travels as it is.
func fixedTravels(dt arrow.DataType) bool {
	switch dt.(type) {
	case *arrow.FixedSizeBinaryType, *arrow.TimestampType, *arrow.Time32Type, *arrow.Time64Type, *arrow.DurationType, arrow.DecimalType:
		return true
	}
	_, plain := simpleTypeNames[dt.ID()]
	return plain
}
