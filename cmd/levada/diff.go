package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/internal/compare"
	"github.com/levada-data/levada/internal/storage"
)

// diffFlags say what to compare.
type diffFlags struct {
	columns, key []string
	rows         int
	memory       string
	quiet        bool
	asJSON       bool
}

func (a *app) diffCommand() *cobra.Command {
	var flags diffFlags
	cmd := &cobra.Command{
		Use:   "diff A B",
		Short: "Compare two Parquet data sets, whatever the order of their rows",
		Long: `Compares two data sets: their columns and types, how many rows they have, checksums of
each column and of the rows, and shows the first rows that one has and the other has not.
The order of rows, files and row groups does not count, nor do encodings, codecs, nullability
and metadata. Each of A and B is a file, a directory, a glob or a location in a bucket;
directories such as country=PT are columns.

With --key, a row of the same key and other values on the other side has changed, and both
are shown. Memory is bounded, whatever the size of the data: where very many rows differ,
only the first of them are counted, and it says so.

Exits with 0 when the data sets are equal, with 1 when they differ, and with 2 or 3 when
they could not be compared.`,
		Example: `  levada diff data/out/customers data/before/customers
  levada diff a.parquet s3://bucket/b/ --key id --rows 20
  levada diff a/ b/ --columns id,amount --json`,
		Args:              takes("A", "B"),
		ValidArgsFunction: completeFiles(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.limitMemory(flags.memory); err != nil {
				return err
			}
			if flags.rows < 0 {
				return usagef("--rows %d: must not be negative", flags.rows)
			}
			return a.diff(cmd.Context(), args[0], args[1], flags)
		},
	}
	f := cmd.Flags()
	f.StringSliceVar(&flags.columns, "columns", nil, "compare only these columns")
	f.StringSliceVar(&flags.key, "key", nil, "columns that tell rows apart, to see what has changed in which row")
	f.IntVar(&flags.rows, "rows", 10, "show so many differing rows")
	f.StringVar(&flags.memory, "memory", "", memoryUsage)
	f.BoolVar(&flags.quiet, "no-progress", false, "show no progress")
	bindJSON(cmd, &flags.asJSON)
	return cmd
}

func (a *app) diff(ctx context.Context, left, right string, flags diffFlags) error {
	x, err := a.openSet(ctx, left)
	if err != nil {
		return err
	}
	y, err := a.openSet(ctx, right)
	if err != nil {
		return err
	}
	o := compare.Options{Columns: flags.columns, Key: flags.key, Rows: flags.rows, Seen: a.counted("diff", x.Rows+y.Rows)}
	r, err := compare.Sets(ctx, x, y, o)
	a.screen.Close()
	if err != nil {
		return asUsage(ctx, err)
	}
	if flags.asJSON {
		err = a.printJSON(r)
	} else {
		report.Difference(a.stdout, r, flags.key)
	}
	if err != nil || r.Equal {
		return err
	}
	return errTold
}

func (a *app) openSet(ctx context.Context, uri string) (*compare.Set, error) {
	s, err := compare.Open(ctx, uri, storage.S3Options{})
	return s, asUsage(ctx, err)
}

// counted returns a function that shows how many of all rows have been read. Several
// passes begin anew.
func (a *app) counted(name string, all int64) func(rows int64) {
	var (
		mu      sync.Mutex
		done    int64
		tracker = progress.NewTracker(name, []string{name}, time.Now())
	)
	return func(rows int64) {
		mu.Lock() // the callers are several
		defer mu.Unlock()
		done += rows
		v := tracker.Observe(progress.Facts{At: time.Now(), Phase: "running", Planned: max(all, done), Covered: done})
		v.Stages = nil
		a.screen.Show(v)
	}
}

// asUsage makes an error about files that a person named one of the command line, unless it
// is about the surroundings: a command whose exit code 1 means something needs it for that.
func asUsage(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &codeError{exitEnvironment, fmt.Errorf("interrupted: %w", err)}
	case exitCode(err) == exitFailed:
		return &codeError{exitUsage, err}
	}
	return err
}
