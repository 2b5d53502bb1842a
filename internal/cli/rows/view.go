package rows

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/xxh3"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/operator"
)

// View is what somebody wants to see of blocks. Its zero value shows everything. The
// expression and the columns are looked up in the schema of each block, once a schema.
type View struct {
	Where   string   // an expression that must be true; "" for all rows
	Columns []string // to show, in that order; nil for all
	Sample  float64  // the share of rows to show, above 0 and up to 1; 0 means 1

	schema blocks.Fingerprint
	ops    []operator.Operator
}

// Of returns the rows of b to show, and in how many others the expression failed. The
// same source rows are sampled whenever they pass. It borrows b for the call; the caller
// must Release the result. An error is about Where or Columns, and says so.
func (v *View) Of(ctx context.Context, mem memory.Allocator, b *blocks.Block) (arrow.RecordBatch, int, error) {
	if v.ops == nil || v.schema != b.Schema {
		ops, err := v.compile(b.Batch.Schema())
		if err != nil {
			return nil, 0, err
		}
		v.schema, v.ops = b.Schema, ops
	}
	shown, failed := b.Batch, 0
	shown.Retain()
	if v.Sample > 0 && v.Sample < 1 {
		sampled, err := operator.Take(ctx, mem, shown, v.sampled(b))
		shown.Release()
		if err != nil {
			return nil, 0, err
		}
		shown = sampled
	}
	for _, op := range v.ops {
		r, err := op.Apply(ctx, mem, shown)
		shown.Release()
		if err != nil {
			return nil, 0, err
		}
		shown, failed = r.Batch, failed+len(r.Failed)
	}
	return shown, failed, nil
}

func (v *View) compile(schema *arrow.Schema) ([]operator.Operator, error) {
	ops := []operator.Operator{} // not nil: compiled
	if v.Where != "" {
		p, err := expr.Compile(v.Where, schema)
		if err != nil {
			return nil, fmt.Errorf("--where: %w", err)
		}
		if p.NeedsRows() {
			return nil, errors.New("--where: rowNumber and uuid are known to the operators of a pipeline only")
		}
		op, err := operator.Filter(schema, p)
		if err != nil {
			return nil, fmt.Errorf("--where: %w", err)
		}
		ops = append(ops, op)
	}
	if v.Columns != nil {
		op, err := operator.Select(schema, v.Columns)
		if err != nil {
			return nil, fmt.Errorf("--columns: %w", err)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// sampled returns the rows of b whose hash, by task and source row, is in the share.
func (v *View) sampled(b *blocks.Block) []uint32 {
	limit := uint64(v.Sample * math.MaxUint64)
	chosen := []uint32{}
	var key [12]byte
	binary.LittleEndian.PutUint32(key[:], b.Span.Task)
	for i := range int(b.Batch.NumRows()) {
		binary.LittleEndian.PutUint64(key[4:], uint64(b.SourceRow(i))) //nolint:gosec // a row is not negative
		if xxh3.Hash(key[:]) < limit {
			chosen = append(chosen, uint32(i))
		}
	}
	return chosen
}
