package reader

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// plan serves the plan task: it makes a plan if the ledger has none, and queues
// what the standing plan owes, whoever made it.
func (t *tasker) plan(ctx context.Context) error {
	if err := t.run.Ledger.Sync(ctx); err != nil {
		return err
	}
	if t.run.PlanHash() == "" {
		if err := t.appendPlan(ctx); err != nil {
			return err
		}
	}
	return t.run.QueuePlan(ctx)
}

func (t *tasker) appendPlan(ctx context.Context) error {
	// Rule 19 (late writers): expected sequence 0 fits a deleted ledger, so the
	// run's end is looked for where it stays for ever.
	rec, err := t.run.Conn().Lookup(ctx, t.run.Run)
	if err != nil {
		return err
	}
	if rec.Status != flow.StatusActive {
		return flow.ErrRunEnded
	}
	spec, err := job.Spec(t.run)
	if err != nil {
		return unreadable(err)
	}
	facts, err := Inspect(ctx, spec, t.run.BlockBytes)
	if err != nil {
		return classify(err)
	}
	plan := facts.plan(spec)
	if err := t.prepareSink(ctx, spec, plan); err != nil {
		return err
	}
	parts, err := plan.Parts(flow.NewNonce())
	if err != nil {
		return unreadable(err)
	}
	for _, part := range parts {
		if err := t.run.Ledger.AppendUntil(ctx, func(s *ledger.State) *ledger.Entry {
			if s.Plan() != nil || s.Status() != ledger.Running {
				return nil // another planner was faster: its plan is the plan
			}
			return &ledger.Entry{Kind: ledger.KindPlan, Plan: part}
		}); err != nil {
			return err
		}
	}
	fault.Point(fault.PlannerPlanAppendAfter)
	return nil
}

// prepareSink takes the sink's lock and lists what the plan must know of it: the
// files that overwrite will replace, or that there is nothing to do.
func (t *tasker) prepareSink(ctx context.Context, spec *pipeline.Spec, plan *ledger.Plan) error {
	out, err := sink.Open(ctx, spec.Sink.Parquet.URI, string(t.run.Run), job.S3(spec.Sink.Parquet.S3))
	if err != nil {
		return classify(err)
	}
	host, _ := os.Hostname() // only for people who read the lock
	claim := sink.Claim{Run: string(t.run.Run), Host: host, PID: os.Getpid(), By: t.run.Conn().Instance(), At: time.Now().UTC()}
	lock, err := out.Acquire(ctx, claim, t.ended)
	if err != nil {
		return classify(err)
	}
	plan.Lock = lock.Nonce
	if err := t.sweepAbandoned(ctx, out); err != nil {
		return classify(err)
	}
	old, skip, err := out.Prepare(ctx, string(spec.Sink.Parquet.Mode))
	if err != nil {
		return classify(err)
	}
	plan.Old, plan.Skip = old, skip
	return nil
}

// ended reports whether a run is over, as far as this server knows.
func (t *tasker) ended(ctx context.Context, run string) (bool, error) {
	rec, err := t.run.Conn().Lookup(ctx, flow.RunID(run))
	if errors.Is(err, flow.ErrNoRun) {
		return false, nil // of another server: only a person can tell
	}
	return err == nil && rec.Status != flow.StatusActive, err
}

// sweepAbandoned removes the temporaries that late writers of earlier runs, which have
// ended, left in this sink (rule 11).
func (t *tasker) sweepAbandoned(ctx context.Context, out *sink.Sink) error {
	runs, err := out.Abandoned(ctx)
	if err != nil {
		return err
	}
	for _, run := range runs {
		over, err := t.ended(ctx, run)
		if errors.Is(err, flow.ErrVersion) {
			continue // of a newer levada, which sweeps it itself
		}
		if err == nil && over {
			err = out.SweepEnded(ctx, run)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// plan turns what was found into the plan's form.
func (f *Facts) plan(spec *pipeline.Spec) *ledger.Plan {
	schema, err := job.EncodeSchema(f.Pipeline.Needed)
	if err != nil {
		panic(fmt.Sprintf("schema of a compiled pipeline cannot be encoded: %v", err))
	}
	p := &ledger.Plan{
		Spec: spec.Hash(), Files: f.Files, Tasks: f.Tasks, PrunedRows: f.PrunedRows, PrunedGroups: f.PrunedGroups, PrunedBy: f.PrunedBy,
		Skipped: f.Skipped, Schema: schema, Late: f.Pipeline.Late(), MaxBlockBytes: f.BlockBytes,
	}
	if f.Pipeline.Stored != nil {
		if p.Stored, err = job.EncodeSchema(f.Pipeline.Stored); err != nil {
			p.Stored = nil // the output calls its columns by what they are
		}
	}
	return p
}

// classify tells what no retry mends from what may pass: planning is retried only for
// the sake of a store that is too busy or cannot be reached.
func classify(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || storage.IsTransient(err) {
		return err
	}
	return unreadable(err)
}
