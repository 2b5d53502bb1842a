package writer

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/blocks"
)

// parts are blocks of row groups that have not come whole, of one file: a row group that
// is too large for a block travels in several, and only together can its other columns
// be copied. They wait until the last one is there, for the cut, or for others to need
// their memory. Of a row group that is too large to wait for, some are written together.
type parts struct {
	waiting map[groupOf][]keptPiece
	order   []groupOf // of the first part of each
	bytes   int64
}

// A row group that has more bytes in the blocks is not waited for: what is there of it is
// written when it has so many, as a row group of its own.
const (
	mostWaited = 32 << 20
	someParts  = 8 << 20
)

// groupOf is a row group of the source.
type groupOf struct{ file, group int }

// add keeps a block of a row group of so many rows, taking a reference to its batch. It
// returns the blocks of the row group, in order, when they should be written, else nil.
// The caller must release those.
func (p *parts) add(of groupOf, rows int64, k keptPiece) []keptPiece {
	if p.waiting == nil {
		p.waiting = map[groupOf][]keptPiece{}
	}
	k.batch.Retain()
	if k.offsets != nil {
		k.offsets = slices.Clone(k.offsets) // they lie in the message, which goes
	}
	if len(p.waiting[of]) == 0 {
		p.order = append(p.order, of)
	}
	p.waiting[of] = append(p.waiting[of], k)
	p.bytes += k.size()
	var there, bytes int64
	for _, k := range p.waiting[of] {
		there += k.span.Rows()
		bytes += k.size()
	}
	if there < rows && (bytes < someParts || bytes*rows <= mostWaited*there) {
		return nil
	}
	return p.take(of)
}

// take removes what waits of a row group, in order.
func (p *parts) take(of groupOf) []keptPiece {
	all := p.waiting[of]
	delete(p.waiting, of)
	p.order = slices.DeleteFunc(p.order, func(o groupOf) bool { return o == of })
	for _, k := range all {
		p.bytes -= k.size()
	}
	slices.SortFunc(all, func(a, b keptPiece) int { return cmp.Compare(a.span.From, b.span.From) })
	return all
}

// spans lists what waits.
func (p *parts) spans() []blocks.Span {
	var all []blocks.Span
	for _, of := range p.order {
		for _, k := range p.waiting[of] {
			all = append(all, k.span)
		}
	}
	return all
}

// takeAll removes all that waits.
func (p *parts) takeAll() []keptPiece {
	var all []keptPiece
	for len(p.order) > 0 {
		all = append(all, p.take(p.order[0])...)
	}
	return all
}

func releaseKept(all []keptPiece) {
	for _, k := range all {
		k.batch.Release()
	}
}

// release lets go of all that waits.
func (p *parts) release() {
	for _, all := range p.waiting {
		releaseKept(all)
	}
	*p = parts{}
}

// joined is blocks of one row group that lie one after the other, as one.
type joined struct {
	span    blocks.Span
	rows    int64
	columns [][]arrow.Array // of each column, the arrays of the blocks
	offsets []uint32        // nil when no row is missing
}

// join makes one block of neighbours; it borrows them, and the result borrows their
// arrays.
func join(all []keptPiece) joined {
	j := joined{span: all[0].span}
	j.span.To = all[len(all)-1].span.To
	dense := true
	for _, k := range all {
		j.rows += k.batch.NumRows()
		dense = dense && k.offsets == nil
	}
	j.columns = make([][]arrow.Array, all[0].batch.NumCols())
	for _, k := range all {
		for i, col := range k.batch.Columns() {
			if col.Len() > 0 {
				j.columns[i] = append(j.columns[i], col)
			}
		}
	}
	if dense {
		return j
	}
	j.offsets = make([]uint32, 0, j.rows)
	for _, k := range all {
		at := uint32(k.span.From - j.span.From) //nolint:gosec // within a row group
		if k.offsets == nil {
			for i := range uint32(k.span.Rows()) { //nolint:gosec // likewise
				j.offsets = append(j.offsets, at+i)
			}
			continue
		}
		for _, o := range k.offsets {
			j.offsets = append(j.offsets, at+o)
		}
	}
	return j
}

// batch is the rows as one record batch of the schema. The caller must Release it.
func (j *joined) batch(schema *arrow.Schema, mem memory.Allocator) (arrow.RecordBatch, error) {
	cols := make([]arrow.Array, len(j.columns))
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, parts := range j.columns {
		if len(parts) == 1 {
			parts[0].Retain()
			cols[i] = parts[0]
			continue
		}
		var err error
		if cols[i], err = array.Concatenate(parts, mem); err != nil {
			return nil, fmt.Errorf("join blocks: column %q: %w", schema.Field(i).Name, err)
		}
	}
	return array.NewRecordBatch(schema, cols, j.rows), nil
}

// neighbours cuts blocks, in order, into runs without a gap.
func neighbours(all []keptPiece) [][]keptPiece {
	var runs [][]keptPiece
	for start := 0; start < len(all); {
		end := start + 1
		for end < len(all) && all[end].span.From == all[end-1].span.To {
			end++
		}
		runs = append(runs, all[start:end])
		start = end
	}
	return runs
}

// add takes a block of which some columns have not travelled. It borrows the batch.
func (f *stitchedFile) add(ctx context.Context, l *late, k keptPiece) error {
	of, rows, err := l.sources.groupOf(ctx, k.span)
	if err != nil {
		return err
	}
	if f.ordered && len(f.parts.order) > 0 && f.parts.order[0] != of {
		if err := f.settle(ctx, l); err != nil { // what is missing of that row group is in another file
			return err
		}
	}
	if k.span.Rows() == rows {
		return l.complete(ctx, f, join([]keptPiece{k}))
	}
	return f.completeParts(ctx, l, f.parts.add(of, rows, k))
}

// completeParts writes blocks of a row group, in order, and releases them.
func (f *stitchedFile) completeParts(ctx context.Context, l *late, all []keptPiece) error {
	defer releaseKept(all)
	for _, run := range neighbours(all) {
		if err := l.complete(ctx, f, join(run)); err != nil {
			return err
		}
	}
	return nil
}
