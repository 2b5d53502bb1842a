package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/reader"
)

func (a *app) lintCommand() *cobra.Command {
	var (
		strict, asJSON bool
		disable        []string
	)
	cmd := &cobra.Command{
		Use:   "lint FILE",
		Short: "Say what could be better in a pipeline that is right",
		Long: `Looks for columns that nothing uses, filters that stand too late, raw copies of masked
columns, outputs of many small files, and more, and says what to write instead. It
reads the footers of the source, as validate does. A comment "# lint:ignore RULE" on a
line, or alone on the line above it, keeps a rule quiet there.

The exit code is 1 when there is a warning, with --strict also for a hint, and 2 when
the pipeline is wrong. The rules:

` + lintRulesText(),
		Example: "  levada lint pipeline.yaml",
		Args:    takes("FILE"),

		ValidArgsFunction: completeSpec,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, rule := range disable {
				if _, _, ok := pipeline.LintRule(rule); !ok {
					return usagef("--disable %s: the rules are %s", rule, strings.Join(pipeline.LintRules(), ", "))
				}
			}
			found, err := a.lint(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			found = slices.DeleteFunc(found, func(f pipeline.Finding) bool { return slices.Contains(disable, f.Rule) })
			if asJSON {
				err = a.printJSON(findingsOf(args[0], found))
			} else {
				a.tellFindings(args[0], found)
			}
			if err == nil && slices.ContainsFunc(found, func(f pipeline.Finding) bool { return strict || f.Level == pipeline.LevelWarning }) {
				return errTold
			}
			return err
		},
	}
	a.bindSet(cmd)
	cmd.Flags().BoolVar(&strict, "strict", false, "hints make the exit code 1, too")
	cmd.Flags().StringSliceVar(&disable, "disable", nil, "rules to leave out, with commas between them")
	bindJSON(cmd, &asJSON)
	return cmd
}

func lintRulesText() string {
	var b strings.Builder
	for _, name := range pipeline.LintRules() {
		what, level, _ := pipeline.LintRule(name)
		fmt.Fprintf(&b, "  %-17s %-8s %s\n", name, level, what)
	}
	return strings.TrimRight(b.String(), "\n")
}

func (a *app) lint(ctx context.Context, file string) ([]pipeline.Finding, error) {
	spec, facts, err := a.inspectFile(ctx, file)
	if err != nil {
		return nil, err
	}
	var failed error
	found, err := pipeline.Lint(spec, facts.Pipeline.Needed, pipeline.LintFacts{Bytes: facts.Bytes, Values: func(column string) int64 {
		n, err := reader.Values(ctx, spec, facts, column)
		if err != nil {
			failed = err
		}
		return n
	}})
	if err == nil {
		err = failed
	}
	return found, err
}

func (a *app) tellFindings(file string, found []pipeline.Finding) {
	warnings := 0
	for _, f := range found {
		fmt.Fprintln(a.stdout, f.Pretty())
		if f.Level == pipeline.LevelWarning {
			warnings++
		}
	}
	if len(found) == 0 {
		fmt.Fprintf(a.stdout, "%s: nothing to say\n", file)
		return
	}
	fmt.Fprintf(a.stdout, "%s, %s\n", figure.Plural(int64(warnings), "warning"), figure.Plural(int64(len(found)-warnings), "hint"))
}

// findings is `levada lint --json`.
type findings struct {
	V        int       `json:"v"` // 1
	File     string    `json:"file"`
	Findings []finding `json:"findings"`
}

// finding is something in a pipeline that could be better.
type finding struct {
	Rule    string `json:"rule"`
	Level   string `json:"level"` // warning or hint
	Line    int    `json:"line"`  // from 1
	Column  int    `json:"column"`
	Path    string `json:"path"` // stages[0].transform[2].filter
	Message string `json:"message"`
	Hint    string `json:"hint"` // what to do
}

func findingsOf(file string, found []pipeline.Finding) findings {
	out := findings{V: 1, File: file, Findings: []finding{}}
	for _, f := range found {
		out.Findings = append(out.Findings, finding{f.Rule, string(f.Level), f.Line, f.Column, f.Path, f.Msg, f.Hint})
	}
	return out
}
