package main

import (
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/pipeline"
)

func (a *app) explainCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "explain FILE",
		Short: "Show what a run of a pipeline would do, without a server",
		Long: `Shows the stages of a pipeline, its tasks and blocks, where each operator runs, what is
pruned by statistics, and what each edge may hold, on the embedded server of 'levada
run'.`,
		Example: "  levada explain pipeline.yaml",
		Args:    takes("FILE"),

		ValidArgsFunction: completeSpec,
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, f, err := a.inspectFile(cmd.Context(), args[0])
			if err != nil && asJSON {
				return a.printSpecErrors(args[0], err)
			}
			if err != nil {
				return err
			}
			edge, err := pipeline.EdgeBytes(spec, -1, len(spec.Stages)+1)
			if err != nil {
				return err
			}
			if asJSON {
				out := factsOf(args[0], spec, f)
				out.Plan = planOf(spec, f, edge)
				return a.printJSON(out)
			}
			return pipeline.Explain(a.stdout, f.Pipeline, pipeline.Facts{
				Files: len(f.Files), RowGroups: f.Groups, Tasks: len(f.Tasks), Blocks: f.Blocks(), Rows: f.Rows, Bytes: f.Bytes,
				PrunedRows: f.PrunedRows, PrunedGroups: int(f.PrunedGroups), BlockBytes: f.BlockBytes, EdgeBytes: edge,
				Carried: f.Carried, AllWhy: f.AllWhy, Skipped: f.SkippedFiles(),
			})
		},
	}
	bindJSON(cmd, &asJSON)
	a.bindSet(cmd)
	return cmd
}
