package expr

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Rows says which rows of the source the rows of a batch are. They are numbered where they
// come from, so that rowNumber and uuid give a row the same value however it travels: in
// whatever block, after whatever filter, and in a run that is taken up again.
type Rows struct {
	File    string // what identifies the file: see uuid; of a source without files, any constant
	InFile  int64  // the number of the batch's first row, or of that before the offsets, in its file
	Before  int64  // rows of the source before those of the file
	Offsets []uint32
	// Kept are the rows of the batch that is meant by the above which are there; nil: all.
	Kept []uint32
}

// row is the number of row i in its file.
func (r *Rows) row(i int) int64 {
	if r.Kept != nil {
		i = int(r.Kept[i])
	}
	if r.Offsets != nil {
		return r.InFile + int64(r.Offsets[i])
	}
	return r.InFile + int64(i)
}

// At is the number of row i of the batch in the whole source: its files one after the
// other, in the order of the plan.
func (r *Rows) At(i int) int64 { return r.Before + r.row(i) }

// Slice is rows [lo, hi).
func (r *Rows) Slice(lo, hi int64) *Rows {
	s := *r
	switch {
	case s.Kept != nil:
		s.Kept = s.Kept[lo:hi]
	case s.Offsets != nil:
		s.Offsets = s.Offsets[lo:hi]
	default:
		s.InFile += lo
	}
	return &s
}

// Keep is the given rows, ascending; nil: all.
func (r *Rows) Keep(kept []uint32) *Rows {
	if kept == nil {
		return r
	}
	s := *r
	s.Kept = kept
	if r.Kept != nil {
		s.Kept = make([]uint32, len(kept))
		for i, k := range kept {
			s.Kept[i] = r.Kept[k]
		}
	}
	return &s
}

type rowsKey struct{}

// WithRows gives Eval the place of the batch. It goes by the context, through operators
// that know nothing of it.
func WithRows(ctx context.Context, rows *Rows) context.Context {
	return context.WithValue(ctx, rowsKey{}, rows)
}

// RowsOf is what WithRows has given; nil if nothing.
func RowsOf(ctx context.Context) *Rows {
	rows, _ := ctx.Value(rowsKey{}).(*Rows)
	return rows
}

// rowFunctions is the chapter of what a row is by its place in the source.
func rowFunctions() []function {
	return []function{
		{
			name: "rowNumber", form: "rowNumber()", in: inRows,
			doc:        "The number of the row in the source: from 0, through all files in the order of the plan, which is that of their names. Rows that are filtered out, and row groups that are not read, count.",
			nulls:      "never null",
			signatures: []signature{{args: []kind{}, result: kindInt, kernel: rowNumbers, placed: true}},
			examples:   []example{{"rowNumber()", "41"}},
		},
		{
			name: "uuid", form: "uuid()", in: inRows,
			doc:        "A UUID of the row: of version 8 (RFC 9562), made by SHA-256 of the file's address, the hash of its footer, and the row's number in it. The same row of the same file has the same UUID in every run.",
			nulls:      "never null",
			signatures: []signature{{args: []kind{}, result: kindString, kernel: rowUUIDs, placed: true}},
			examples:   []example{{"uuid()", `"ea42c9d8-805f-8b4e-a78d-7bad648f4ed6"`}},
		},
	}
}

func rowNumbers(f *frame, out *vector, _ *mask, _ []*vector) {
	for i := range f.n {
		out.ints[i] = f.rows.At(f.lo + i)
	}
}

func rowUUIDs(f *frame, out *vector, _ *mask, _ []*vector) {
	name := make([]byte, 0, len(f.rows.File)+8)
	name = append(name, f.rows.File...)
	for i := range f.n {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(name, uint64(f.rows.row(f.lo+i)))) //nolint:gosec // a row number
		sum[6] = sum[6]&0x0f | 0x80                                                           // version 8
		sum[8] = sum[8]&0x3f | 0x80                                                           // the variant of RFC 9562
		buf := f.text.alloc(36)
		hex.Encode(buf[:8], sum[:4])
		hex.Encode(buf[9:13], sum[4:6])
		hex.Encode(buf[14:18], sum[6:8])
		hex.Encode(buf[19:23], sum[8:10])
		hex.Encode(buf[24:], sum[10:16])
		buf[8], buf[13], buf[18], buf[23] = '-', '-', '-', '-'
		out.strs[i] = stringOf(buf)
	}
}
