package blocks

import (
	"fmt"
	"slices"
)

// Oversize lists the rows of a block that fit into no block, not even alone. The
// caller makes dead rows of them and splits what remains.
type Oversize struct {
	Span     Span
	MaxBytes int64
	Rows     []OversizeRow // ascending, at least one
}

// OversizeRow is one row of an [Oversize].
type OversizeRow struct {
	Row    int    // in the block's batch
	Offset uint32 // of its source row, from the span's first
	Bytes  int64  // its [Block.Size] in a block of its own
}

func (o *Oversize) String() string {
	return fmt.Sprintf("block %s: %d rows are longer than %d bytes; the first is source row %d with %d",
		o.Span, len(o.Rows), o.MaxBytes, o.Span.From+int64(o.Rows[0].Offset), o.Rows[0].Bytes)
}

// Split returns the block as blocks of at most maxBytes by [Block.Size], in
// order: the block itself if it fits, else what Split returns for its two halves.
// A block is halved at the middle of its span (see [Span.Halve]), whatever its
// rows are. Which spans come out depends on the rows and maxBytes alone, so the
// same data is halved the same way in every process, after every crash; this is
// why maxBytes must be the plan's, never a server's or a process's.
//
// The parts' headers add up to the block's: dead rows go with their half; dropped
// rows are known only by their number, so the first half takes what it must from
// the operators in their order, and the second takes the rest.
//
// When rows fit into no block, Split returns them all, and no blocks.
//
// A block that contradicts itself comes back whole, for [Encode] to refuse.
//
// It borrows b for the call and sets b.Rows; the caller must Release the results,
// which share b's memory. Checksum is for [Encode] to set.
func Split(b *Block, maxBytes int64) ([]*Block, *Oversize) {
	b.Rows = 0
	if b.Batch != nil {
		b.Rows = b.Batch.NumRows()
	}
	if b.Size() <= maxBytes || b.checkOffsets() != nil {
		whole := *b
		if whole.Batch != nil {
			whole.Batch.Retain()
		}
		return []*Block{&whole}, nil
	}
	s := splitter{block: b, maxBytes: maxBytes}
	s.split(piece{span: b.Span, to: int(b.Rows), dropped: b.Dropped, dead: b.Dead})
	if s.over != nil {
		for _, part := range s.parts {
			part.Release()
		}
		return nil, s.over
	}
	return s.parts, nil
}

type splitter struct {
	block    *Block
	maxBytes int64
	parts    []*Block
	over     *Oversize
}

// piece is a part of the block: rows [from, to) of its batch.
type piece struct {
	span     Span
	from, to int
	dropped  []Drop
	dead     []Dead // offsets from span.From
}

func (s *splitter) split(p piece) {
	part := s.cut(p)
	size := part.Size()
	if size <= s.maxBytes {
		s.parts = append(s.parts, part)
		return
	}
	part.Release()
	if p.span.Rows() == 1 {
		if s.over == nil {
			s.over = &Oversize{Span: s.block.Span, MaxBytes: s.maxBytes}
		}
		s.over.Rows = append(s.over.Rows, OversizeRow{
			Row:    p.from,
			Offset: uint32(p.span.From - s.block.Span.From), //nolint:gosec // below MaxSpanRows.
			Bytes:  size,
		})
		return
	}
	first, second := s.halve(p)
	s.split(first)
	s.split(second)
}

// cut makes a block of a piece. The caller must Release the result.
func (s *splitter) cut(p piece) *Block {
	part := &Block{Header: s.block.Header}
	part.Span, part.Dropped, part.Dead = p.span, p.dropped, p.dead
	part.Rows = int64(p.to - p.from)
	if part.Rows == 0 {
		return part
	}
	part.Batch = s.block.Batch.NewSlice(int64(p.from), int64(p.to))
	if part.Rows == p.span.Rows() {
		return part // nothing is missing in this part
	}
	part.Offsets = s.block.Offsets[p.from:p.to:p.to]
	if shift := s.shift(p); shift > 0 {
		part.Offsets = slices.Clone(part.Offsets)
		for i := range part.Offsets {
			part.Offsets[i] -= shift
		}
	}
	return part
}

// shift returns where a piece's span starts in the block's.
func (s *splitter) shift(p piece) uint32 {
	return uint32(p.span.From - s.block.Span.From) //nolint:gosec // below MaxSpanRows.
}

func (s *splitter) halve(p piece) (first, second piece) {
	first.span, second.span = p.span.Halve()
	rows := first.span.Rows()

	// Rows: those whose source row is in the first half come first.
	middle := p.from + int(rows)
	if s.block.Offsets != nil {
		middle, _ = slices.BinarySearch(s.block.Offsets[p.from:p.to], s.shift(p)+uint32(rows)) //nolint:gosec // below MaxSpanRows.
		middle += p.from
	}
	first.from, first.to = p.from, middle
	second.from, second.to = middle, p.to

	// Dead rows: by their offsets.
	var deadInFirst int64
	for _, d := range p.dead {
		cut, _ := slices.BinarySearch(d.Offsets, uint32(rows)) //nolint:gosec // below MaxSpanRows.
		deadInFirst += int64(cut)
		if cut > 0 {
			first.dead = append(first.dead, Dead{d.Stage, d.Attempt, d.Offsets[:cut:cut]})
		}
		if cut < len(d.Offsets) {
			rest := slices.Clone(d.Offsets[cut:])
			for i := range rest {
				rest[i] -= uint32(rows) //nolint:gosec // below MaxSpanRows.
			}
			second.dead = append(second.dead, Dead{d.Stage, d.Attempt, rest})
		}
	}

	// Dropped rows: the first half is missing a known number of them.
	missing := rows - int64(first.to-first.from) - deadInFirst
	for _, d := range p.dropped {
		take := min(d.Rows, missing)
		missing -= take
		if take > 0 {
			first.dropped = append(first.dropped, Drop{d.Operator, take})
		}
		if take < d.Rows {
			second.dropped = append(second.dropped, Drop{d.Operator, d.Rows - take})
		}
	}
	return first, second
}
