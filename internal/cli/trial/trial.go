package trial

import (
	"context"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/transform"
)

// Outcome is what became of rows.
type Outcome struct {
	In      int64
	Batch   arrow.RecordBatch // of the rows that came out; never nil
	Dropped []blocks.Drop     // by operator, "refine/filter[0]"; those that dropped none are left out
	Failed  []Failure         // in the order of the stages, then of the rows
}

// Failure is a row that a run would put into the dead letters.
type Failure struct {
	Row      int64  // of the rows that came in, from 0
	Operator string // "refine/with[1]"
	Column   string // "" when no single column is concerned
	Reason   string // never a value
}

// Local is the stages of a pipeline up to the first one that a process of the user's own
// serves, and the name of that; "" when there is none.
func Local(p *pipeline.Pipeline) (stages []*pipeline.Stage, external string) {
	i := slices.IndexFunc(p.Stages, func(s *pipeline.Stage) bool { return s.Chain == nil })
	if i < 0 {
		return p.Stages, ""
	}
	return p.Stages[:i], p.Stages[i].Name
}

// Run takes rows through stages, none of which may be external. at says which rows of the
// source they are, without a gap. It borrows in; the caller must Release the
// outcome's batch.
func Run(ctx context.Context, mem memory.Allocator, stages []*pipeline.Stage, at expr.Rows, in arrow.RecordBatch) (Outcome, error) {
	in.Retain()
	o := Outcome{In: in.NumRows(), Batch: in}
	b := blocks.Block{Header: blocks.Header{Span: blocks.Span{To: in.NumRows()}}}
	for _, st := range stages {
		b.Batch = o.Batch
		out, err := transform.Apply(ctx, mem, st, &b, at)
		if err != nil {
			o.Batch.Release()
			return Outcome{}, fmt.Errorf("stage %s: %w", st.Name, err)
		}
		o.Dropped = append(o.Dropped, out.Dropped...)
		for _, f := range out.Failed {
			o.Failed = append(o.Failed, Failure{Row: b.SourceRow(f.Row), Operator: f.Operator, Column: f.Column, Reason: f.Reason})
		}
		if out.Kept != nil {
			offsets := make([]uint32, len(out.Kept))
			for i, k := range out.Kept {
				offsets[i] = uint32(b.SourceRow(int(k))) //nolint:gosec // a row of the batch
			}
			b.Offsets, at.Offsets = offsets, offsets
		}
		o.Batch.Release()
		if o.Batch = out.Batch; o.Batch == nil {
			o.Batch = none(mem, st.Out)
		}
	}
	return o, nil
}

// none is a batch without rows.
func none(mem memory.Allocator, schema *arrow.Schema) arrow.RecordBatch {
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	return b.NewRecordBatch()
}
