package job

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/ipc"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// Job is a run's pipeline as its plan fixed it.
type Job struct {
	Plan     *ledger.Plan
	Pipeline *pipeline.Pipeline // nil when the plan skips the run
}

// Spec parses a run's spec. The error is a [flow.Leave] when the spec is of a version that
// this process does not know.
func Spec(run *flow.Run) (*pipeline.Spec, error) {
	spec, err := pipeline.Parse(run.Pipeline, []byte(run.Spec))
	if err == nil {
		return spec, nil
	}
	version := errors.Is(err, pipeline.ErrVersion)
	if err = fmt.Errorf("spec of run %s: %w", run.Run, err); version {
		return nil, flow.Leave(err)
	}
	return nil, err
}

// Wait blocks until the run has a plan, and compiles its pipeline. It returns
// [flow.ErrRunEnded] when the run is over before that.
func Wait(ctx context.Context, run *flow.Run) (*Job, error) {
	plan, err := run.WaitPlan(ctx)
	if err != nil {
		return nil, err
	}
	if plan.Skip != "" {
		return &Job{Plan: plan}, nil
	}
	spec, err := Spec(run)
	if err != nil {
		return nil, err
	}
	schema, err := DecodeSchema(plan.Schema)
	if err != nil {
		return nil, fmt.Errorf("plan of run %s: %w", run.Run, err)
	}
	p, err := pipeline.CompilePlanned(spec, schema)
	if err != nil {
		return nil, fmt.Errorf("spec of run %s: %w", run.Run, err)
	}
	if plan.Stored != nil {
		if p.Stored, err = DecodeSchema(plan.Stored); err != nil {
			return nil, fmt.Errorf("plan of run %s: %w", run.Run, err)
		}
	}
	if plan.Late {
		if p, err = p.Touched(); err != nil {
			return nil, fmt.Errorf("plan of run %s: %w", run.Run, err)
		}
	}
	return &Job{Plan: plan, Pipeline: p}, nil
}

// EncodeSchema writes a schema as an Arrow IPC stream without batches.
func EncodeSchema(s *arrow.Schema) ([]byte, error) {
	var buf bytes.Buffer
	w := ipc.NewWriter(&buf, ipc.WithSchema(s))
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("encode schema: %w", err)
	}
	return buf.Bytes(), nil
}

// DecodeSchema reads what EncodeSchema wrote.
func DecodeSchema(data []byte) (*arrow.Schema, error) {
	r, err := ipc.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("decode schema: %w", err)
	}
	defer r.Release()
	return r.Schema(), nil
}
