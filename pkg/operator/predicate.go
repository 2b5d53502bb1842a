package operator

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// predicate is what filter and assert have in common: an expression that is true, false or
// null in a row, and columns that stay as they are.
type predicate struct {
	pred *expr.Program
	out  *arrow.Schema
}

func newPredicate(operator string, in *arrow.Schema, pred *expr.Program) (predicate, error) {
	if pred.Type().ID() != arrow.BOOL {
		return predicate{}, fmt.Errorf("%s needs true or false, this expression is %s: compare it with something", operator, pred.Type())
	}
	return predicate{pred: pred, out: in}, nil
}

func (p *predicate) Out() *arrow.Schema { return p.out }

// From implements [Operator]: what is kept is kept as it is.
func (p *predicate) From() []int { return identity(p.out.NumFields()) }

// Reads implements [Reader].
func (p *predicate) Reads() []string { return p.pred.Columns() }

// holds lists the rows in which it is true, and those in which it has no value. It borrows in.
func (p *predicate) holds(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) ([]uint32, []expr.RowError, error) {
	vals, failed, err := p.pred.Eval(ctx, mem, in)
	if err != nil {
		return nil, nil, err
	}
	defer vals.Release()
	mask, ok := vals.(*array.Boolean)
	if !ok {
		return nil, nil, fmt.Errorf("%w: predicate gave %s", ErrSchema, vals.DataType())
	}
	rows := make([]uint32, 0, mask.Len())
	for i := range mask.Len() {
		if mask.IsValid(i) && mask.Value(i) { // a failed row is null
			rows = append(rows, uint32(i))
		}
	}
	return rows, failed, nil
}
