package reader

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/flow"
)

// emitFunc takes a span's rows. It takes ownership of the batch, which is nil for
// a span that was not wanted; an error stops the reading and is returned by it.
type emitFunc func(from, to int64, batch arrow.RecordBatch) error

// skipFunc takes a span whose rows cannot be read, for the reason given; operator is what
// the books call it. An error stops the reading and is returned by it.
type skipFunc func(from, to int64, operator string, cause error) error

// source gives the rows of a plan's tasks. Read twice, a task gives the same rows
// in the same spans. Safe for concurrent use.
type source interface {
	// read calls emit for every span of the task, in order, whose rows want says
	// are needed, and with a nil batch for the others. An error about the source
	// itself names the file and the row group.
	// Rows that cannot be read, and that the pipeline leaves out, go to skip.
	read(ctx context.Context, task uint32, meter *flow.Meter, want func(from, to int64) bool, emit emitFunc, skip skipFunc) error
	// name is the task's place, for errors.
	name(task uint32) string
}

func sourceOf(j *job.Job, cfg Config) source {
	if j.Pipeline.Spec.Source.Range != nil {
		return &rangeSource{job: j, cfg: cfg}
	}
	return &parquetSource{job: j, cfg: cfg}
}
