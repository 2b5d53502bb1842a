package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/trial"
	"github.com/levada-data/levada/pkg/pipeline"
)

func (a *app) testCommand() *cobra.Command {
	var (
		only   string
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "test FILE_test.yaml...",
		Short: "Run the test cases of pipelines, without a server and without data",
		Long: `Runs the cases of test files. Each case gives rows to a pipeline and says which rows
must come out, which must fail, or what must be wrong with the pipeline:

  pipeline: customers.yaml
  columns: { id: int64, amount: float64 }
  cases:
    - name: small amounts are dropped
      in:  [{ id: 1, amount: 5.0 }, { id: 2, amount: 30.0 }]
      out: [{ id: 2, amount_eur: 27.6 }]

The exit code is 1 when a case fails, and 2 when a file is wrong.`,
		Example: `  levada test examples/*_test.yaml
  levada test customers_test.yaml --run dropped`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("FILE_test.yaml is missing")
			}
			return nil
		},

		ValidArgsFunction: completeFiles("yaml", "yml"),
		RunE: func(cmd *cobra.Command, args []string) error {
			match, err := regexp.Compile(only)
			if err != nil {
				return usagef("--run: %w", err)
			}
			var verdicts []fileVerdict
			for _, file := range args {
				some, err := a.testFile(cmd.Context(), file, match)
				if err != nil {
					return err
				}
				verdicts = append(verdicts, some...)
			}
			return a.tellVerdicts(verdicts, asJSON)
		},
	}
	a.bindSet(cmd)
	cmd.Flags().StringVar(&only, "run", "", "only the cases whose names match this regular expression")
	bindJSON(cmd, &asJSON)
	return cmd
}

// fileVerdict is a case's verdict and its file.
type fileVerdict struct {
	file string
	trial.Verdict
}

// testFile runs the cases of one file.
func (a *app) testFile(ctx context.Context, file string, match *regexp.Regexp) ([]fileVerdict, error) {
	data, err := readFile(file)
	if err != nil {
		return nil, err
	}
	f, err := pipeline.ParseTest(file, data)
	if err != nil {
		return nil, err
	}
	spec, base, err := a.pipelineOf(ctx, file, f)
	if err != nil {
		return nil, err
	}
	var verdicts []fileVerdict
	for i := range f.Cases {
		c := &f.Cases[i]
		if !match.MatchString(c.Name) {
			continue
		}
		source, err := trial.Schema(f, c, base)
		if err != nil {
			return nil, err
		}
		v, err := trial.Case(ctx, memory.DefaultAllocator, f, c, spec, source)
		if err != nil {
			return nil, err
		}
		verdicts = append(verdicts, fileVerdict{file, v})
	}
	return verdicts, nil
}

// pipelineOf reads the pipeline of a test file, and the columns of its source where the file
// names none. The values of --set outdo those of the file.
func (a *app) pipelineOf(ctx context.Context, file string, f *pipeline.TestFile) (*pipeline.Spec, *arrow.Schema, error) {
	path := f.Pipeline
	if !filepath.IsAbs(path) {
		path = filepath.Join(filepath.Dir(file), path)
	}
	before := a.set
	defer func() { a.set = before }()
	given, err := a.vars()
	if err != nil {
		return nil, nil, err
	}
	a.set = nil
	for name, val := range f.Set {
		if _, outdone := given.Set[name]; !outdone {
			a.set = append(a.set, name+"="+val)
		}
	}
	a.set = append(a.set, before...)
	spec, _, err := a.readSpec(path)
	if err != nil {
		return nil, nil, err
	}
	if len(f.Columns) > 0 {
		return spec, nil, nil
	}
	facts, err := inspect(ctx, spec, embeddedBlockBytes(spec))
	if e, ok := errors.AsType[*sourceError](err); ok {
		e.Errors[0].Hint += fmt.Sprintf(", or name columns in %s: it names no columns, so they are those of the source", file)
		return nil, nil, err
	}
	if err != nil {
		return nil, nil, fmt.Errorf("%w (%s names no columns, so they are those of the source)", err, file)
	}
	return spec, facts.Pipeline.Needed, nil
}

func (a *app) tellVerdicts(verdicts []fileVerdict, asJSON bool) error {
	failed := slices.ContainsFunc(verdicts, func(v fileVerdict) bool { return len(v.Wrong) > 0 })
	if len(verdicts) == 0 {
		return usagef("no case to run")
	}
	if asJSON {
		if err := a.printJSON(testedOf(verdicts, failed)); err != nil || !failed {
			return err
		}
		return errTold
	}
	n := 0
	for _, v := range verdicts {
		if len(v.Wrong) == 0 {
			fmt.Fprintf(a.stdout, "ok    %s\n", v.Name)
			continue
		}
		n++
		fmt.Fprintf(a.stdout, "FAIL  %s  (%s:%d)\n", v.Name, v.file, v.Place.Line)
		for _, w := range v.Wrong {
			fmt.Fprintf(a.stdout, "      %s\n", w)
		}
	}
	fmt.Fprintf(a.stdout, "%s, %d failed\n", figure.Plural(int64(len(verdicts)), "case"), n)
	if failed {
		return errTold
	}
	return nil
}

// tested is `levada test --json`.
type tested struct {
	V     int          `json:"v"`  // 1
	OK    bool         `json:"ok"` // all cases hold
	Cases []testedCase `json:"cases"`
}

// testedCase is how a case ended.
type testedCase struct {
	File  string   `json:"file"`
	Line  int      `json:"line"` // from 1
	Name  string   `json:"name"`
	OK    bool     `json:"ok"`
	Wrong []string `json:"wrong,omitempty"` // what was not as the case says
}

func testedOf(verdicts []fileVerdict, failed bool) tested {
	out := tested{V: 1, OK: !failed}
	for _, v := range verdicts {
		out.Cases = append(out.Cases, testedCase{v.file, v.Place.Line, v.Name, len(v.Wrong) == 0, v.Wrong})
	}
	return out
}
