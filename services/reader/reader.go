package reader

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/flow"
)

// Config says how a process reads. Its zero value is the default.
type Config struct {
	Tasks  int              // read at once; the number of cores when 0
	Budget int64            // bytes that one page may take; 128 MiB when 0
	Memory memory.Allocator // for batches; memory.DefaultAllocator when nil
}

// Service is the reader role.
type Service struct{ cfg Config }

// New returns the role.
func New(cfg Config) *Service {
	if cfg.Tasks == 0 {
		cfg.Tasks = runtime.GOMAXPROCS(0)
	}
	if cfg.Budget == 0 {
		cfg.Budget = 128 << 20
	}
	if cfg.Memory == nil {
		cfg.Memory = memory.DefaultAllocator
	}
	return &Service{cfg: cfg}
}

// Name implements [flow.Role].
func (s *Service) Name() string { return "reader" }

// Serve implements [flow.Role].
func (s *Service) Serve(intake, work context.Context, run *flow.Run) error {
	meter, stopMeter := run.Meter(work, flow.SourceStage)
	defer stopMeter()
	meter.SetState("waiting")
	meter.SetWorkers(s.cfg.Tasks)
	intake, work = storage.Observe(intake, meter.StoreRequest), storage.Observe(work, meter.StoreRequest)
	out, err := run.Output(flow.SourceStage, meter)
	if err != nil {
		return err
	}
	if err := out.Await(intake); err != nil {
		return nil // another process plays the next stage, and this one too, or the run is over
	}
	in := run.Tasks(s.cfg.Tasks, meter)
	keep, release := context.WithCancel(work)
	defer release()
	intake, stop := context.WithCancelCause(intake)
	defer stop(nil)
	var feeding, tasks sync.WaitGroup
	feeding.Go(func() { in.Serve(intake, keep) })
	t := &tasker{cfg: s.cfg, run: run, meter: meter, out: out, letters: run.DeadLetters()}
	for range s.cfg.Tasks {
		tasks.Go(func() {
			for {
				d, err := in.Next(intake, 0)
				if err != nil {
					return
				}
				// A reader in the middle of a task reads it to its end when asked to stop,
				// as long as there is time; what remains is read again by another.
				if err := t.serve(intake, work, d); err != nil {
					stop(err)
					return
				}
			}
		})
	}
	tasks.Wait()
	release()
	stop(nil)
	feeding.Wait()
	if c := context.Cause(intake); c != nil && !errors.Is(c, context.Canceled) && !errors.Is(c, flow.ErrRunEnded) {
		return c
	}
	return nil
}

// tasker serves the tasks of one run.
type tasker struct {
	cfg     Config
	run     *flow.Run
	meter   *flow.Meter
	out     *flow.Publisher
	letters *flow.Publisher

	mu      sync.Mutex
	current *reading // the plan that is being read, opened once
}

// maxDeliveries is how often a task may come back before the run fails: a file
// that kills its reader each time must not do so for ever.
const maxDeliveries = 100

// serve does one task and settles it. An error means that the reader cannot go on.
func (t *tasker) serve(intake, work context.Context, d *flow.Delivery) error {
	task, err := flow.DecodeTask(d.Data())
	if errors.Is(err, flow.ErrVersion) {
		d.Nak(0) // for a reader that knows it
		return flow.Leave(err)
	}
	if err != nil {
		t.run.Log().ErrorContext(work, "task dropped", slog.Any("error", err))
		d.Term("unreadable task")
		return nil
	}
	if !t.run.Live() {
		d.Ack()
		return nil
	}
	t.meter.SetState("reading")
	if d.Deliveries() > maxDeliveries {
		err = unreadable(errTooManyTries)
	} else if task.Kind == flow.TaskPlan {
		err = t.plan(work)
	} else {
		err = t.read(intake, work, task, d)
	}
	t.meter.SetState("waiting")
	if errors.Is(err, flow.ErrVersion) || errors.Is(err, sink.ErrVersion) {
		err = flow.Leave(err) // the record, or a lock in the sink, is a newer levada's
	}
	var cannot *unreadableError
	switch {
	case err == nil:
		d.Ack()
		return nil
	case work.Err() != nil, intake.Err() != nil, errors.Is(err, flow.ErrRunEnded):
		d.Nak(0)
		return nil //nolint:nilerr // asked to stop: somebody else reads it
	case flow.IsLeave(err): // before it is taken for a spec that nobody can read
		d.Nak(0)
		return err
	case errors.As(err, &cannot):
		t.meter.Error()
		if err := t.run.Fail(work, err.Error()); err != nil {
			d.Nak(time.Second)
			return err
		}
		d.Ack()
		return nil
	default:
		t.meter.Error()
		t.run.Log().WarnContext(work, "task tried again", slog.String("kind", string(task.Kind)), slog.Int("task", int(task.Task)), slog.Any("error", err))
		d.Nak(time.Second)
		return nil
	}
}

var errTooManyTries = errors.New("a task was begun 100 times and never finished: its file kills the reader; look at the readers' logs, and leave the file out")

// unreadableError marks what no retry mends: the run fails with its text.
type unreadableError struct{ err error }

func unreadable(err error) error {
	if err == nil {
		return nil
	}
	return &unreadableError{err}
}

func (e *unreadableError) Error() string { return e.err.Error() }
func (e *unreadableError) Unwrap() error { return e.err }
