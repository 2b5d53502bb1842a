package transform

import (
	"context"
	"slices"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/expr"
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
		g.Go(func() error { return s.stage(j.Plan, stage).Serve(intake, work, run) })
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

func (s *Service) stage(plan *ledger.Plan, stage *pipeline.Stage) *flow.Stage {
	workers := stage.Workers
	if s.cfg.Workers > 0 {
		workers = pipeline.Workers{Min: s.cfg.Workers, Max: s.cfg.MaxWorkers}
	}
	return &flow.Stage{Stage: stage.Name, Workers: workers.Min, MaxWorkers: workers.Max, Process: func(ctx context.Context, in *blocks.Block) (flow.Output, error) {
		ctx = expr.WithRows(ctx, rowsOf(plan, in))
		out, err := run(ctx, s.cfg.Memory, stage.Chain, in.Batch)
		if err != nil {
			return flow.Output{}, err
		}
		return output(stage.Name, out), nil
	}}
}

// rowsOf says which rows of the source a block holds.
func rowsOf(plan *ledger.Plan, b *blocks.Block) *expr.Rows {
	rows := &expr.Rows{InFile: b.Span.From, Offsets: b.Offsets}
	if int(b.Span.Task) >= len(plan.Tasks) {
		return rows // of another plan: what comes of it counts for nothing
	}
	t := plan.Tasks[b.Span.Task]
	if t.File < 0 {
		rows.InFile += t.From
		return rows
	}
	rows.InFile += t.FirstRow
	rows.File = plan.Files[t.File].URI + "\n" + plan.Files[t.File].Footer + "\n"
	for _, f := range plan.Files[:t.File] {
		rows.Before += f.Rows
	}
	return rows
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
