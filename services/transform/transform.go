package transform

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/operator"
	"github.com/levada-data/levada/pkg/pipeline"
)

// Config says how a process transforms. Its zero value is the default.
type Config struct {
	Workers    int              // that run operators at once, per stage; the spec's number, else the cores, when 0
	MaxWorkers int              // up to which they grow under load, when that is more than Workers
	Stages     []string         // serve only these stages; all when empty
	Memory     memory.Allocator // for batches; memory.DefaultAllocator when nil
}

// Service is the transform role.
type Service struct{ cfg Config }

// New returns the role.
func New(cfg Config) *Service {
	if cfg.Memory == nil {
		cfg.Memory = memory.DefaultAllocator
	}
	return &Service{cfg: cfg}
}

// Name implements [flow.Role].
func (s *Service) Name() string { return "transform" }

// Serve implements [flow.Role].
func (s *Service) Serve(intake, work context.Context, run *flow.Run) error {
	leave := s.takes(run) // before there is a plan: who fills a fused edge may have to make it
	defer leave()
	j, err := job.Wait(intake, run)
	if err != nil || j.Pipeline == nil {
		return err
	}
	g, intake := errgroup.WithContext(intake) // when one stage cannot go on, the others drain
	for _, stage := range j.Pipeline.Stages {
		if stage.Chain == nil || !s.serves(stage.Name) {
			continue // another process serves it
		}
		g.Go(func() error { return s.stage(run, j.Plan, stage).Serve(intake, work, run) })
	}
	return g.Wait()
}

// takes says that this process plays its stages, until the returned function is called.
func (s *Service) takes(run *flow.Run) (leave func()) {
	var leaves []func()
	for _, e := range run.Edges {
		if s.serves(e.Stage) {
			leaves = append(leaves, run.Takes(e.Stage))
		}
	}
	return func() {
		for _, leave := range leaves {
			leave()
		}
	}
}

func (s *Service) serves(stage string) bool {
	return len(s.cfg.Stages) == 0 || slices.Contains(s.cfg.Stages, stage)
}

func (s *Service) stage(r *flow.Run, plan *ledger.Plan, stage *pipeline.Stage) *flow.Stage {
	workers := stage.Workers
	if s.cfg.Workers > 0 {
		workers = pipeline.Workers{Min: s.cfg.Workers, Max: s.cfg.MaxWorkers}
	}
	return &flow.Stage{Stage: stage.Name, Workers: workers.Min, MaxWorkers: workers.Max, Process: func(ctx context.Context, in *blocks.Block) (flow.Output, error) {
		if int64(in.Span.Task) >= int64(len(plan.Tasks)) {
			return flow.Output{}, flow.Permanent(fmt.Errorf("block %s: the plan has %d tasks", in.Span, len(plan.Tasks)))
		}
		out, err := run(ctx, s.cfg.Memory, stage.Chain, in.Batch, job.RowsOf(plan, in.Span, in.Offsets))
		if stop := (*operator.StopError)(nil); errors.As(err, &stop) {
			if err := r.Fail(ctx, stopText(plan, stage.Name, in, stop)); err != nil {
				return flow.Output{}, err
			}
			return flow.Output{}, flow.Snooze(time.Second, err) // given back, to a run that is over
		}
		if err != nil {
			return flow.Output{}, err
		}
		return output(stage.Name, out), nil
	}}
}

// stopText is why a run fails at a row, with the row's place in its file.
func stopText(plan *ledger.Plan, stage string, in *blocks.Block, stop *operator.StopError) string {
	row := in.Span.From + int64(stop.Row)
	if in.Offsets != nil {
		row = in.Span.From + int64(in.Offsets[stop.Row])
	}
	where, t := "", plan.Tasks[in.Span.Task]
	if t.File >= 0 && t.File < len(plan.Files) {
		where = fmt.Sprintf("%s, row group %d, row %d of it and those after; ", plan.Files[t.File].URI, t.RowGroups[0], row)
	}
	return fmt.Sprintf("%stask %d, row %d, operator %s/%s: %v", where, in.Span.Task, row, stage, stop.Operator, stop.Err)
}

// output puts the chain's outcome into the words of the flow: labels get the
// stage's name in front.
func output(stage string, o operator.Outcome) flow.Output {
	out := flow.Output{Batch: o.Batch, Kept: o.Kept}
	for _, d := range o.Dropped {
		out.Dropped = append(out.Dropped, blocks.Drop{Operator: stage + "/" + d.Operator, Rows: d.Rows})
	}
	for _, f := range o.Failed {
		out.Failed = append(out.Failed, flow.Failure{Row: f.Row, Operator: stage + "/" + f.Operator, Column: f.Column, Reason: reason(f.Err)})
	}
	return out
}
