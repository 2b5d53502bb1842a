package reader

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/pipeline"
)

// parquetSource reads the planned row groups of the planned files.
type parquetSource struct {
	job *job.Job
	cfg Config
}

func (s *parquetSource) name(task uint32) string {
	t := s.job.Plan.Tasks[task]
	return fmt.Sprintf("%s, row groups [%d,%d)", s.job.Plan.Files[t.File].URI, t.RowGroups[0], t.RowGroups[1])
}

func (s *parquetSource) read(ctx context.Context, task uint32, meter *flow.Meter, want func(from, to int64) bool, emit emitFunc, skip skipFunc) error {
	at := int64(0) // rows that have been emitted
	err := s.rows(ctx, task, meter, want, func(from, to int64, batch arrow.RecordBatch) error {
		at = to
		return emit(from, to, batch)
	})
	if s.job.Pipeline.Spec.Source.Parquet.OnBadFile != pipeline.BadFileSkip || !isBad(err) || ctx.Err() != nil {
		return err
	}
	t := s.job.Plan.Tasks[task]
	operator := fmt.Sprintf("%s/on_bad_file[%d]", flow.SourceStage, t.File)
	for from := at; from < t.Rows; from += t.BlockRows {
		to := min(from+t.BlockRows, t.Rows)
		if !want(from, to) {
			if err := emit(from, to, nil); err != nil {
				return err
			}
			continue
		}
		if err := skip(from, to, operator, err); err != nil {
			return err
		}
	}
	return nil
}

// isBad reports that it is a file itself that cannot be read.
func isBad(err error) bool {
	return parquet.IsDamaged(err) || errors.Is(err, parquet.ErrChanged) || errors.Is(err, storage.ErrChanged) || errors.Is(err, storage.ErrNotExist) || errors.Is(err, storage.ErrNotRegular)
}

// rows reads a task.
func (s *parquetSource) rows(ctx context.Context, task uint32, meter *flow.Meter, want func(from, to int64) bool, emit emitFunc) error {
	t := s.job.Plan.Tasks[task]
	planned := s.job.Plan.Files[t.File]
	src, err := storage.Open(ctx, planned.URI, job.S3(s.job.Pipeline.Spec.Source.Parquet.S3))
	if err != nil {
		return judge(err)
	}
	file, err := parquet.Open(ctx, src, s.cfg.Memory)
	if err != nil {
		return judge(err)
	}
	defer func() { _ = file.Close() }()
	// Rule 17 (determinism): only the planned file gives the planned spans.
	if id := file.Identity(); id.Size != planned.Size || id.Footer != planned.Footer {
		return unreadable(fmt.Errorf("source: %w", &parquet.FileError{File: planned.URI, RowGroup: -1, Err: parquet.ErrChanged}))
	}
	hive, err := job.Hive(s.job.Pipeline.Source, &planned)
	if err != nil {
		return unreadable(err)
	}
	clock := startClock(meter)
	metered := func(from, to int64, batch arrow.RecordBatch) error {
		clock.stop() // what emit waits for is not reading
		defer clock.start()
		return emit(from, to, batch)
	}
	o := parquet.ReadOptions{Columns: s.job.Pipeline.Source, BlockRows: t.BlockRows, Budget: s.cfg.Budget, Want: want, Fill: s.job.Pipeline.Spec.Source.Parquet.Schemas != "", Constants: hive}
	flat, err := openFlat(planned.URI, src, file, &o, s.cfg.Memory)
	if err != nil {
		return judge(err)
	}
	defer flat.close()
	err = flat.read(ctx, t.RowGroups[0], t.RowGroups[1], metered)
	clock.stop()
	meter.Read(0, planned.Size*t.Rows/max(planned.Rows, 1))
	return judge(err)
}

// judge tells what no retry mends, a damaged file or a missing right, from what may
// pass, a store that is throttling or a broken connection.
func judge(err error) error {
	if isBad(err) || storage.IsPermanent(err) {
		return unreadable(fmt.Errorf("source: %w", err))
	}
	return err
}

// clock meters the stretches of reading between two emits.
type clock struct {
	meter *flow.Meter
	since time.Time
	cpu   flow.ThreadClock
}

func startClock(m *flow.Meter) *clock {
	c := &clock{meter: m}
	c.start()
	return c
}

func (c *clock) start() { c.since, c.cpu = time.Now(), flow.StartThreadClock() }

func (c *clock) stop() {
	if c.since.IsZero() {
		return
	}
	c.meter.Worked(time.Since(c.since), c.cpu.Stop())
	c.since = time.Time{}
}
