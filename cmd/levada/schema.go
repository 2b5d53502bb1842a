package main

import (
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/pipeline"
)

func (a *app) schemaCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of pipelines, for editors",
		Long: `Prints the JSON Schema (draft 7) of pipelines, with which an editor completes fields,
shows what they mean and marks what is wrong. An editor with the YAML language server
finds it by a comment in the pipeline's first line:

  # yaml-language-server: $schema=levada.schema.json`,
		Example: "  levada schema > levada.schema.json",
		Args:    takes(),
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(pipeline.Schema())
			return err
		},
	}
}
