package blocks

import (
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// maxElements bounds the length of an array. Elements without bytes (nulls, and
// lists of them) have no other bound.
const maxElements = math.MaxInt32

// loader builds arrays over the body of a record batch. It takes field nodes and
// buffers in the order of the format, and checks each of them: what an array says
// about itself is true when it has been built.
type loader struct {
	frames *frames
	flat   *flat
	rows   int64

	nodes, nodeCount, nextNode       int64 // nodes: the position of the vector
	buffers, bufferCount, nextBuffer int64
}

func newLoader(f *frames) (*loader, error) {
	l := &loader{frames: f, flat: &flat{buf: f.bytes(f.batch)}}
	header, err := messageHeader(l.flat, messageRecordBatch)
	if err != nil {
		return nil, at(f.batch.from, err)
	}
	l.rows = header.int64(0)
	l.nodes, l.nodeCount = header.vector(1, 16)
	l.buffers, l.bufferCount = header.vector(2, 16)
	compressed := header.field(3) != 0
	_, variadic := header.vector(4, 8)
	switch {
	case l.flat.bad:
		return nil, at(f.batch.from, errMetadata)
	case compressed:
		return nil, at(f.batch.from, fmt.Errorf("%w: buffers are compressed", ErrPayload))
	case variadic > 0:
		return nil, at(f.batch.from, fmt.Errorf("%w: buffers of views", ErrPayload))
	}
	return l, nil
}

// end checks that all nodes and buffers were taken.
func (l *loader) end() error {
	if l.nextNode != l.nodeCount || l.nextBuffer != l.bufferCount {
		return at(l.frames.batch.from, fmt.Errorf("%w: %d field nodes and %d buffers where the schema has %d and %d",
			ErrPayload, l.nodeCount, l.bufferCount, l.nextNode, l.nextBuffer))
	}
	return nil
}

// column builds a column of the batch. The caller must Release the result.
func (l *loader) column(f arrow.Field, rows int64) (arrow.Array, error) {
	d, err := l.array(f.Type, exactly(rows))
	if err != nil {
		return nil, inColumn(f.Name, err)
	}
	defer d.Release()
	if d.NullN() > 0 && !f.Nullable {
		return nil, inColumn(f.Name, fmt.Errorf("%w: %d nulls in a column that has none by its schema", ErrPayload, d.NullN()))
	}
	return array.MakeFromData(d), nil
}

// bounds say how long an array must be: what refers to its elements knows.
type bounds struct{ least, most int64 }

func exactly(n int64) bounds { return bounds{n, n} }
func atLeast(n int64) bounds { return bounds{n, maxElements} }

// array builds an array. The caller must Release the result.
func (l *loader) array(dt arrow.DataType, b bounds) (*array.Data, error) {
	rows, nulls, err := l.node()
	if err != nil {
		return nil, err
	}
	if rows < b.least || rows > b.most {
		return nil, fmt.Errorf("%w: %d elements where %d are needed", ErrPayload, rows, b.least)
	}
	if dt.ID() == arrow.NULL {
		if nulls != rows {
			return nil, fmt.Errorf("%w: %d of %d nulls are null", ErrPayload, nulls, rows)
		}
		return array.NewData(dt, int(rows), []*memory.Buffer{nil}, nil, int(rows), 0), nil
	}
	valid, err := l.validity(rows, nulls)
	if err != nil {
		return nil, err
	}
	a := arrayLoader{loader: l, dt: dt, rows: rows, nulls: nulls, buffers: []*memory.Buffer{valid}}
	switch t := dt.(type) {
	case *arrow.BooleanType:
		return a.fixed((rows + 7) / 8)
	case *arrow.StringType, *arrow.BinaryType:
		return a.variable(arrow.Int32SizeBytes)
	case *arrow.LargeStringType, *arrow.LargeBinaryType:
		return a.variable(arrow.Int64SizeBytes)
	case *arrow.ListType:
		return a.list(t.Elem(), arrow.Int32SizeBytes)
	case *arrow.LargeListType:
		return a.list(t.Elem(), arrow.Int64SizeBytes)
	case *arrow.MapType:
		return a.list(t.Elem(), arrow.Int32SizeBytes)
	case *arrow.FixedSizeListType:
		return a.children([]arrow.DataType{t.Elem()}, exactly(rows*int64(t.Len())))
	case *arrow.StructType:
		types := make([]arrow.DataType, t.NumFields())
		for i := range types {
			types[i] = t.Field(i).Type
		}
		return a.children(types, exactly(rows))
	case arrow.FixedWidthDataType:
		return a.fixed(rows * int64(t.BitWidth()/8))
	}
	return nil, fmt.Errorf("%w: %s", ErrType, dt)
}

// node takes the next field node.
func (l *loader) node() (rows, nulls int64, err error) {
	if l.nextNode >= l.nodeCount {
		return 0, 0, fmt.Errorf("%w: %d field nodes are too few", ErrPayload, l.nodeCount)
	}
	pos := l.nodes + 16*l.nextNode
	rows, nulls = l.flat.int64(pos), l.flat.int64(pos+8)
	if rows < 0 || rows > maxElements || nulls < 0 || nulls > rows {
		return 0, 0, fmt.Errorf("%w: %d elements, %d of them null", ErrPayload, rows, nulls)
	}
	l.nextNode++
	return rows, nulls, nil
}

// buffer takes the next buffer: its bytes, and where in the payload they start.
func (l *loader) buffer() (data []byte, offset int64, err error) {
	if l.nextBuffer >= l.bufferCount {
		return nil, 0, fmt.Errorf("%w: %d buffers are too few", ErrPayload, l.bufferCount)
	}
	pos := l.buffers + 16*l.nextBuffer
	from, size := l.flat.int64(pos), l.flat.int64(pos+8)
	body := l.frames.body
	if size < 0 || from < 0 || from%alignment != 0 || from > body.to-body.from || size > body.to-body.from-from {
		return nil, 0, fmt.Errorf("%w: buffer %d is [%d,+%d) of a body of %d bytes",
			ErrPayload, l.nextBuffer, from, size, body.to-body.from)
	}
	l.nextBuffer++
	from += body.from
	return l.frames.data[from : from+size : from+size], from, nil
}

// sized takes the next buffer, which must have at least size bytes.
func (l *loader) sized(size int64) ([]byte, error) {
	data, offset, err := l.buffer()
	if err == nil && int64(len(data)) < size {
		err = at(offset, fmt.Errorf("%w: a buffer of %d bytes where %d are needed", ErrPayload, len(data), size))
	}
	return data, err
}

// validity takes a bitmap; nil when nothing is null.
func (l *loader) validity(rows, nulls int64) (*memory.Buffer, error) {
	data, offset, err := l.buffer()
	switch {
	case err != nil:
		return nil, err
	case len(data) == 0 && nulls == 0:
		return nil, nil
	case int64(len(data)) < (rows+7)/8:
		return nil, at(offset, fmt.Errorf("%w: a bitmap of %d bytes for %d elements", ErrPayload, len(data), rows))
	}
	if zeros := rows - int64(bitutil.CountSetBits(data, 0, int(rows))); zeros != nulls {
		return nil, at(offset, fmt.Errorf("%w: %d nulls where the field node says %d", ErrPayload, zeros, nulls))
	}
	if nulls == 0 {
		return nil, nil
	}
	return memory.NewBufferBytes(data), nil
}

// arrayLoader builds one array, of which the node and the bitmap are known.
type arrayLoader struct {
	*loader
	dt          arrow.DataType
	rows, nulls int64
	buffers     []*memory.Buffer
}

func (a *arrayLoader) make(children ...arrow.ArrayData) *array.Data {
	return array.NewData(a.dt, int(a.rows), a.buffers, children, int(a.nulls), 0)
}

func (a *arrayLoader) fixed(size int64) (*array.Data, error) {
	data, err := a.sized(size)
	if err != nil {
		return nil, err
	}
	a.buffers = append(a.buffers, memory.NewBufferBytes(data))
	return a.make(), nil
}

func (a *arrayLoader) variable(width int) (*array.Data, error) {
	last, err := a.offsets(width)
	if err != nil {
		return nil, err
	}
	data, err := a.sized(last)
	if err != nil {
		return nil, err
	}
	a.buffers = append(a.buffers, memory.NewBufferBytes(data))
	return a.make(), nil
}

func (a *arrayLoader) list(element arrow.DataType, width int) (*array.Data, error) {
	last, err := a.offsets(width)
	if err != nil {
		return nil, err
	}
	return a.children([]arrow.DataType{element}, atLeast(last))
}

// children builds the arrays below.
func (a *arrayLoader) children(types []arrow.DataType, b bounds) (*array.Data, error) {
	children := make([]arrow.ArrayData, 0, len(types))
	defer func() {
		for _, c := range children {
			c.Release()
		}
	}()
	for _, t := range types {
		c, err := a.array(t, b)
		if err != nil {
			return nil, err
		}
		children = append(children, c)
	}
	if a.dt.ID() == arrow.MAP {
		entries := children[0]
		if entries.NullN() > 0 || entries.Children()[0].NullN() > 0 {
			return nil, fmt.Errorf("%w: a key of a map is null", ErrPayload)
		}
	}
	return a.make(children...), nil
}

// offsets takes a buffer of offsets and returns the last one. They must not
// descend, and the first must not be negative, so the last bounds them all.
func (a *arrayLoader) offsets(width int) (int64, error) {
	size := (a.rows + 1) * int64(width)
	data, offset, err := a.buffer()
	if err != nil {
		return 0, err
	}
	if a.rows == 0 && int64(len(data)) < size {
		// The format allows an empty array to leave its only offset out.
		data = make([]byte, size)
	}
	if int64(len(data)) < size {
		return 0, at(offset, fmt.Errorf("%w: a buffer of %d bytes for %d offsets", ErrPayload, len(data), a.rows+1))
	}
	data = data[:size]
	a.buffers = append(a.buffers, memory.NewBufferBytes(data))
	var ok bool
	var last int64
	if width == arrow.Int32SizeBytes {
		last, ok = lastOffset(arrow.Int32Traits.CastFromBytes(data))
	} else {
		last, ok = lastOffset(arrow.Int64Traits.CastFromBytes(data))
	}
	if !ok {
		return 0, at(offset, fmt.Errorf("%w: offsets descend or are negative", ErrPayload))
	}
	return last, nil
}

func lastOffset[T int32 | int64](offsets []T) (int64, bool) {
	if offsets[0] < 0 {
		return 0, false
	}
	descents := 0
	for i := 1; i < len(offsets); i++ {
		if offsets[i] < offsets[i-1] {
			descents++
		}
	}
	return int64(offsets[len(offsets)-1]), descents == 0
}
