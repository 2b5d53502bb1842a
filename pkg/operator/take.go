package operator

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Take copies the given rows of a batch, which may repeat and stand in any order.
// It borrows the batch; the caller must Release the result.
func Take(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch, rows []uint32) (arrow.RecordBatch, error) {
	b := array.NewUint32Builder(mem)
	defer b.Release()
	b.AppendValues(rows, nil)
	idx := b.NewUint32Array()
	defer idx.Release()
	ctx = compute.WithAllocator(ctx, mem)
	cols := make([]arrow.Array, in.NumCols())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i := range cols {
		col, err := compute.TakeArrayOpts(ctx, in.Column(i), idx, compute.TakeOptions{BoundsCheck: false})
		if err != nil {
			return nil, fmt.Errorf("take rows of column %q (%s): %w", in.ColumnName(i), in.Column(i).DataType(), err)
		}
		cols[i] = col
	}
	return array.NewRecordBatch(in.Schema(), cols, int64(len(rows))), nil
}
