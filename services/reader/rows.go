package reader

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/pipeline"
)

// Part is a stretch of a source's rows.
type Part struct {
	Place string // of the task: the file and its row groups
	Row   int64  // its first row, in the task
	At    expr.Rows
}

// Rows reads the source of inspected facts without a run: the rows of all tasks in their
// order, in batches of at most most rows, with the columns of the pipeline's source. p is
// the pipeline in the form in which the rows are wanted, compiled from the facts' own.
// emit takes ownership of the batch; an error of it ends the reading, and is returned as
// it is.
func Rows(ctx context.Context, spec *pipeline.Spec, f *Facts, p *pipeline.Pipeline, most int64, cfg Config, emit func(at Part, batch arrow.RecordBatch) error) error {
	plan := f.plan(spec)
	for i := range plan.Tasks {
		plan.Tasks[i].BlockRows = max(min(plan.Tasks[i].BlockRows, most), 1)
	}
	src := sourceOf(&job.Job{Plan: plan, Pipeline: p}, New(cfg).cfg)
	for i := range plan.Tasks {
		task := uint32(i)
		err := src.read(ctx, task, nil, func(_, _ int64) bool { return true }, func(from, to int64, batch arrow.RecordBatch) error {
			return emit(Part{Place: src.name(task), Row: from, At: job.RowsOf(plan, blocks.Span{Task: task, From: from, To: to}, nil)}, batch)
		}, func(int64, int64, string, error) error { return nil })
		if err != nil {
			return err
		}
	}
	return nil
}
