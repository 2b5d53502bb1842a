package writer

import (
	"context"
	"fmt"
	"unsafe"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// gather returns the rows of in, in the order of rows. It borrows in; the caller
// must Release the result. The rows must be rows of in, each at most once, and in
// must have at least one.
//
// The flat types have a loop of their own: it costs about half of compute.Take,
// which the nested ones use.
func gather(ctx context.Context, mem memory.Allocator, in arrow.Array, rows []uint32) (arrow.Array, error) {
	switch typ := in.DataType().(type) {
	case *arrow.NullType:
		return array.NewNull(len(rows)), nil
	case *arrow.BooleanType:
		return gatherBits(mem, in.Data(), rows), nil
	case *arrow.StringType, *arrow.BinaryType:
		return gatherBytes[int32](mem, in.Data(), rows), nil
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return gatherBytes[int64](mem, in.Data(), rows), nil
	case *arrow.DictionaryType:
		return take(ctx, mem, in, rows)
	case arrow.FixedWidthDataType:
		switch typ.BitWidth() {
		case 8:
			return gatherFixed[uint8](mem, in.Data(), rows), nil
		case 16:
			return gatherFixed[uint16](mem, in.Data(), rows), nil
		case 32:
			return gatherFixed[uint32](mem, in.Data(), rows), nil
		case 64:
			return gatherFixed[uint64](mem, in.Data(), rows), nil
		case 128:
			return gatherFixed[decimal128.Num](mem, in.Data(), rows), nil
		}
	}
	return take(ctx, mem, in, rows)
}

// take is the way for every other type. It borrows in; the caller must Release
// the result.
func take(ctx context.Context, mem memory.Allocator, in arrow.Array, rows []uint32) (arrow.Array, error) {
	indices := array.NewData(arrow.PrimitiveTypes.Uint32, len(rows),
		[]*memory.Buffer{nil, memory.NewBufferBytes(arrow.Uint32Traits.CastToBytes(rows))}, nil, 0, 0)
	defer indices.Release()
	index := array.NewUint32Data(indices)
	defer index.Release()
	out, err := compute.TakeArrayOpts(compute.WithAllocator(ctx, mem), in, index, compute.TakeOptions{BoundsCheck: false})
	if err != nil {
		return nil, fmt.Errorf("take rows of type %s: %w", in.DataType(), err)
	}
	return out, nil
}

// gatherFixed copies values of one machine width. The bytes are moved, not read,
// so one loop serves every type of that width.
func gatherFixed[T uint8 | uint16 | uint32 | uint64 | decimal128.Num](mem memory.Allocator, in arrow.ArrayData, rows []uint32) arrow.Array {
	values := arrow.GetData[T](bytesOf(in, 1))[in.Offset() : in.Offset()+in.Len()]
	buf := buffer[T](mem, len(rows))
	out := arrow.GetData[T](buf.Bytes())[:len(rows)]
	for i, row := range rows {
		out[i] = values[row]
	}
	return assemble(mem, in, rows, buf)
}

// gatherBits copies booleans.
func gatherBits(mem memory.Allocator, in arrow.ArrayData, rows []uint32) arrow.Array {
	return assemble(mem, in, rows, bits(mem, bytesOf(in, 1), in.Offset(), rows))
}

// gatherBytes copies strings and binaries. rows are distinct, so the result is
// no longer than in and its offsets fit where those of in did.
func gatherBytes[O int32 | int64](mem memory.Allocator, in arrow.ArrayData, rows []uint32) arrow.Array {
	offsets := arrow.GetData[O](bytesOf(in, 1))[in.Offset() : in.Offset()+in.Len()+1]
	data := bytesOf(in, 2)

	places := buffer[O](mem, len(rows)+1)
	out := arrow.GetData[O](places.Bytes())[:len(rows)+1]
	var total O
	out[0] = 0
	for i, row := range rows {
		total += offsets[row+1] - offsets[row]
		out[i+1] = total
	}
	buf := buffer[byte](mem, int(total))
	dst := buf.Bytes()
	for i, row := range rows {
		copy(dst[out[i]:out[i+1]], data[offsets[row]:offsets[row+1]])
	}
	return assemble(mem, in, rows, places, buf)
}

// assemble makes the array of gathered buffers and takes ownership of them; the
// nulls are gathered here. The caller must Release the result.
func assemble(mem memory.Allocator, in arrow.ArrayData, rows []uint32, buffers ...*memory.Buffer) arrow.Array {
	all := make([]*memory.Buffer, 1, 3)
	nulls := 0
	if in.NullN() != 0 && in.Buffers()[0] != nil {
		all[0] = bits(mem, in.Buffers()[0].Bytes(), in.Offset(), rows)
		nulls = len(rows) - bitutil.CountSetBits(all[0].Bytes(), 0, len(rows))
	}
	all = append(all, buffers...)
	data := array.NewData(in.DataType(), len(rows), all, nil, nulls, 0)
	defer data.Release()
	for _, b := range all {
		if b != nil {
			b.Release() // data holds its own reference
		}
	}
	return array.MakeFromData(data)
}

// bits copies bits: values of booleans, or validity.
func bits(mem memory.Allocator, src []byte, offset int, rows []uint32) *memory.Buffer {
	buf := buffer[byte](mem, int(bitutil.BytesForBits(int64(len(rows)))))
	dst := buf.Bytes()
	var word byte
	for i, row := range rows {
		at := offset + int(row)
		word |= src[at>>3] >> (at & 7) & 1 << (i & 7)
		if i&7 == 7 {
			dst[i>>3], word = word, 0
		}
	}
	if len(rows)&7 != 0 {
		dst[len(rows)>>3] = word
	}
	return buf
}

// buffer allocates room for n values.
func buffer[T any](mem memory.Allocator, n int) *memory.Buffer {
	var one T
	b := memory.NewResizableBuffer(mem)
	b.Resize(n * int(unsafe.Sizeof(one)))
	return b
}

// bytesOf returns a buffer's bytes, none when it is absent.
func bytesOf(in arrow.ArrayData, i int) []byte {
	if b := in.Buffers()[i]; b != nil {
		return b.Bytes()
	}
	return nil
}
