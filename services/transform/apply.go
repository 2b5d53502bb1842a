package transform

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/operator"
	"github.com/levada-data/levada/pkg/pipeline"
)

// Apply runs the operators of a stage, which must not be external, over the rows of a
// block as a transform of a run does, and as it does turns an error of the batch into
// failed rows. at says which rows of the source they are. It borrows in; the caller must Release the output's batch, which is nil
// when no row is left of a batch that was bisected.
func Apply(ctx context.Context, mem memory.Allocator, stage *pipeline.Stage, in *blocks.Block, at operator.Rows) (flow.Output, error) {
	out, err := run(ctx, mem, stage.Chain, in.Batch, at)
	if err != nil {
		return flow.Output{}, err
	}
	return output(stage.Name, out), nil
}
