package main

import (
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/pipeline"
)

func (a *app) schemaCommand() *cobra.Command {
	ofTests := false
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of pipelines, or of their tests, for editors",
		Long: `Prints the JSON Schema (draft 7) of pipelines, or with --test that of the files that
'levada test' takes. With it an editor completes fields, shows what they mean and marks
what is wrong. An editor with the YAML language server finds it by a comment in the file's
first line:

  # yaml-language-server: $schema=levada.schema.json`,
		Example: `  levada schema > levada.schema.json
  levada schema --test > levada_test.schema.json`,
		Args: takes(),
		RunE: func(*cobra.Command, []string) error {
			schema := pipeline.Schema
			if ofTests {
				schema = pipeline.TestSchema
			}
			_, err := a.stdout.Write(schema())
			return err
		},
	}
	cmd.Flags().BoolVar(&ofTests, "test", false, "that of test files")
	return cmd
}
