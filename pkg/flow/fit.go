package flow

import (
	"context"
	"fmt"
	"slices"

	"github.com/levada-data/levada/pkg/blocks"
)

// Fit cuts a block, taking ownership of it, into blocks that travel: halves of
// halves, always the same for the same data. A row too large for a block of its
// own becomes a dead row of the given stage and attempt; its letter carries no
// rows, for they would not fit there either. The caller must Release what is
// returned.
func (r *Run) Fit(ctx context.Context, b *blocks.Block, stage, attempt string) ([]*blocks.Block, []*Letter, error) {
	defer b.Release()
	parts, over := blocks.Split(b, r.BlockBytes)
	if over == nil {
		return parts, nil, nil
	}
	dead := make([]uint32, 0, len(over.Rows))
	gone := make(map[uint32]bool, len(over.Rows))
	for _, row := range over.Rows {
		dead = append(dead, row.Offset)
		gone[uint32(row.Row)] = true //nolint:gosec // a row of a block
	}
	rest := *b
	var kept []uint32
	for i := range sequence(int(b.Rows)) {
		if !gone[uint32(i)] {
			kept = append(kept, uint32(i))
		}
	}
	batch, err := take(ctx, b.Batch, kept)
	span := b.Span
	if err != nil {
		return nil, nil, Permanent(fmt.Errorf("block %s: leave out oversized rows: %w", span, err))
	}
	if kept == nil {
		kept = []uint32{}
	}
	rest.Batch, rest.Rows, rest.Offsets = batch, int64(len(kept)), compose(b.Offsets, kept)
	rest.Dead = append(slices.Clone(rest.Dead), blocks.Dead{Stage: stage, Attempt: attempt, Offsets: dead})
	letter := &Letter{
		Span: span, Stage: stage, Attempt: attempt, Operator: stage, Offsets: dead,
		Reason: fmt.Sprintf("row exceeds a block of %d bytes: raise policies.block_bytes and the server's max_payload, or drop the widest column", r.BlockBytes),
	}
	defer rest.Release()
	parts, over = blocks.Split(&rest, r.BlockBytes)
	if over != nil {
		return nil, nil, Fatal(fmt.Errorf("block %s: rows still too large after the largest were left out", span))
	}
	return parts, []*Letter{letter}, nil
}
