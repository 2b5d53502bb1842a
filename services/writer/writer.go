package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/flow"
)

// Config says how a process writes. Its zero value is the default.
type Config struct {
	Lanes  int              // files written at once per partition: each lane has its own; 1 when 0
	Buffer int64            // bytes that one lane may hold in unwritten row groups; 128 MiB when 0
	Memory memory.Allocator // for batches; memory.DefaultAllocator when nil
}

// Service is the writer role.
type Service struct{ cfg Config }

// New returns the role.
func New(cfg Config) *Service {
	if cfg.Lanes == 0 {
		cfg.Lanes = 1
	}
	if cfg.Buffer == 0 {
		cfg.Buffer = 128 << 20
	}
	if cfg.Memory == nil {
		cfg.Memory = memory.DefaultAllocator
	}
	return &Service{cfg: cfg}
}

// Name implements [flow.Role].
func (s *Service) Name() string { return "writer" }

// Serve implements [flow.Role].
func (s *Service) Serve(intake, work context.Context, run *flow.Run) error {
	meter, stopMeter := run.Meter(work, flow.SinkStage)
	defer stopMeter()
	meter.SetState("waiting")
	meter.SetWorkers(s.cfg.Lanes)
	leave := run.Takes(flow.SinkStage)
	defer leave()
	intake, work = storage.Observe(intake, meter.StoreRequest), storage.Observe(work, meter.StoreRequest)

	// The keeper also ends runs that never get a plan. What stops it stops the lanes.
	k := newKeeper(run, meter)
	keeping, stopKeeper := context.WithCancel(work)
	defer stopKeeper()
	intake, stop := context.WithCancel(intake)
	defer stop()
	var g errgroup.Group
	g.Go(func() error {
		err := k.serve(keeping)
		if err != nil {
			stop()
		}
		return err
	})
	err := s.write(intake, work, run, meter)
	if err == nil && intake.Err() == nil {
		<-intake.Done()
	}
	stopKeeper()
	if kerr := g.Wait(); err == nil {
		err = kerr
	}
	return err
}

// write runs the lanes until intake ends.
func (s *Service) write(intake, work context.Context, run *flow.Run, meter *flow.Meter) error {
	j, err := job.Wait(intake, run)
	if err != nil || j.Pipeline == nil {
		return err
	}
	out, err := sink.Open(intake, j.Pipeline.Spec.Sink.Parquet.URI, string(run.Run), job.S3(j.Pipeline.Spec.Sink.Parquet.S3))
	if err != nil {
		return fmt.Errorf("open sink: %w", err)
	}
	// Rule 20 (who can finish): this process must see the sink that the planner
	// locked, not a directory of the same name on another host.
	if err := out.Holds(intake, j.Plan.Lock); err != nil {
		if notOurs(err) {
			meter.SetState("refused")
			run.Log().ErrorContext(intake, "this process writes nothing of the run", slog.Any("error", err))
			return nil
		}
		if errors.Is(err, sink.ErrVersion) {
			return flow.Leave(fmt.Errorf("open sink: %w", err))
		}
		return fmt.Errorf("open sink: %w", err)
	}
	in, err := run.Input(flow.SinkStage, meter)
	if err != nil {
		return err
	}
	keep, release := context.WithCancel(work)
	defer release()
	feed, stopFeed := context.WithCancel(intake)
	defer stopFeed()
	var feeding errgroup.Group
	feeding.Go(func() error { in.Serve(feed, keep); return nil })
	lanes, intake := errgroup.WithContext(intake) // when one cannot go on, the others cut and go
	for i := range s.cfg.Lanes {
		lanes.Go(func() error {
			l, err := newLane(s.cfg, run, j, out, in, meter, run.Log().With(slog.Int("lane", i)))
			if err != nil {
				return err
			}
			return l.serve(intake, work)
		})
	}
	err = lanes.Wait()
	stopFeed()
	release()
	_ = feeding.Wait() // returns nil
	return err
}

// notOurs reports that this process sees another directory where the run's output
// should be: it must keep its hands off, and the run may go on without it.
func notOurs(err error) bool {
	var other *sink.NotThisSinkError
	return errors.As(err, &other)
}
