package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/reader"
)

func (a *app) validateCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "validate FILE",
		Short: "Check a pipeline against its source, without a server",
		Long: `Reads a pipeline and the footers of its source, and infers the columns of every stage.
Everything that is wrong is reported at once, with file, line and column.`,
		Example: "  levada validate pipeline.yaml\n  levada validate pipeline.yaml --json | jq -r '.errors[].message'",
		Args:    takes("FILE"),

		ValidArgsFunction: completeSpec,
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, facts, err := a.inspectFile(cmd.Context(), args[0])
			switch {
			case err != nil && asJSON:
				return a.printSpecErrors(args[0], err)
			case err != nil:
				return err
			case asJSON:
				return a.printJSON(factsOf(args[0], spec, facts))
			}
			fmt.Fprintf(a.stdout, "%s: pipeline %s is valid\n\n", args[0], spec.Name)
			p := facts.Pipeline
			a.columns("source", p.Source)
			for _, s := range p.Stages {
				a.columns(s.Name, s.Out)
			}
			fmt.Fprintf(a.stdout, "\n%s in %s, %s\n", figure.Plural(facts.Rows, "row"), figure.Plural(int64(len(facts.Files)), "file"), figure.Bytes(facts.Bytes))
			for _, s := range facts.SkippedFiles() {
				fmt.Fprintf(a.stdout, "skipped: %s\n", s)
			}
			return nil
		},
	}
	bindJSON(cmd, &asJSON)
	a.bindSet(cmd)
	return cmd
}

// inspectFile reads a pipeline and looks at its source. Of a pipeline that is wrong it
// returns all errors together: those that can be seen in it, and those that show only
// with the columns of its source, where that can be reached.
func (a *app) inspectFile(ctx context.Context, file string) (*pipeline.Spec, *reader.Facts, error) {
	d, err := a.draftSpec(file)
	if err != nil {
		return nil, nil, err
	}
	if d.Spec == nil {
		return nil, nil, d.Errs
	}
	facts, err := inspect(ctx, d.Spec, embeddedBlockBytes(d.Spec))
	if e, ok := errors.AsType[*sourceError](err); ok {
		return nil, nil, d.Errs.With(e.Errors[0])
	}
	if _, whole := errors.AsType[pipeline.Errors](err); len(d.Errs) > 0 && !whole {
		err = d.Errs // without what only the columns would show
	}
	if err != nil {
		return nil, nil, err
	}
	return d.Spec, facts, nil
}

// everyError adds to what is wrong with the text of a pipeline what only the columns of its
// source show.
func (a *app) everyError(ctx context.Context, file string, err error) error {
	if _, wrong := errors.AsType[pipeline.Errors](err); wrong {
		if _, _, all := a.inspectFile(ctx, file); all != nil {
			return all
		}
	}
	return err
}

// columns prints what a stage gives, in one line.
func (a *app) columns(stage string, s *arrow.Schema) {
	names := make([]string, s.NumFields())
	for i, f := range s.Fields() {
		names[i] = f.Name + " " + f.Type.String()
		if f.Nullable {
			names[i] += "?"
		}
	}
	fmt.Fprintf(a.stdout, "  %-10s  %s\n", stage, strings.Join(names, ", "))
}
