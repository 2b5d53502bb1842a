package reader

import (
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// rangeTaskRows is how many rows a task of a range has.
const rangeTaskRows = 4 << 20

// rangeSource gives the whole numbers from 0: rows without a file.
type rangeSource struct {
	job *job.Job
	cfg Config
}

// rangeTasks plans a range of n rows.
func rangeTasks(n, maxBlock int64) []ledger.PlanTask {
	var tasks []ledger.PlanTask
	block := blocks.RowsPerBlock(8, maxBlock)
	for from := int64(0); from < n; from += rangeTaskRows {
		to := min(from+rangeTaskRows, n)
		tasks = append(tasks, ledger.PlanTask{File: -1, From: from, To: to, Rows: to - from, BlockRows: block})
	}
	return tasks
}

func (s *rangeSource) name(task uint32) string { return fmt.Sprintf("range, task %d", task) }

func (s *rangeSource) read(ctx context.Context, task uint32, meter *flow.Meter, want func(from, to int64) bool, emit emitFunc, _ skipFunc) error {
	t := s.job.Plan.Tasks[task]
	for from := int64(0); from < t.Rows; from += t.BlockRows {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		to := min(from+t.BlockRows, t.Rows)
		var batch arrow.RecordBatch
		if want(from, to) {
			_ = meter.Work(func() error { batch = s.batch(t.From+from, t.From+to); return nil })
		}
		if err := emit(from, to, batch); err != nil {
			return err
		}
	}
	return nil
}

// batch returns the numbers [from,to). The caller must Release the result.
func (s *rangeSource) batch(from, to int64) arrow.RecordBatch {
	b := array.NewInt64Builder(s.cfg.Memory)
	defer b.Release()
	b.Reserve(int(to - from))
	for v := from; v < to; v++ {
		b.UnsafeAppend(v)
	}
	col := b.NewInt64Array()
	defer col.Release()
	return array.NewRecordBatch(s.job.Pipeline.Source, []arrow.Array{col}, to-from)
}
