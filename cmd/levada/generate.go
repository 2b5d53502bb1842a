package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/internal/generate"
)

func (a *app) generateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "generate",
		Short:   "Make data to try things with",
		Example: "  levada generate customers --rows 1000 --out data/few",
		Args:    takes(),
		RunE: func(*cobra.Command, []string) error {
			return usagef("generate what? 'levada generate customers --out DIR' makes a table of customers")
		},
	}
	cmd.AddCommand(a.generateCustomersCommand())
	return cmd
}

func (a *app) generateCustomersCommand() *cobra.Command {
	var (
		o      generate.Options
		quiet  bool
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "customers",
		Short: "Make a table of invented customers, as Parquet files",
		Long: `Makes a table of invented customers: id, time of signing up, visits, amount, country,
unique e-mail, phone, and a note that is null in 30 %. The same options make the same
bytes.`,
		Example: "  levada generate customers --rows 1000000 --files 4 --out data/customers",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.Dir == "":
				return usagef("--out DIR is missing: where to write")
			case o.Rows < 1 || o.Files < 1 || o.RowsPerGroup < 1 || int64(o.Files) > o.Rows:
				return usagef("--rows %d, --files %d, --rows-per-group %d: each is at least 1, and a file has at least one row", o.Rows, o.Files, o.RowsPerGroup)
			}
			return a.generateCustomers(cmd.Context(), o, asJSON)
		},
	}
	f := cmd.Flags()
	f.Int64Var(&o.Rows, "rows", 1_000_000, "rows of all files together")
	f.IntVar(&o.Files, "files", 4, "files")
	f.Int64Var(&o.RowsPerGroup, "rows-per-group", 1<<16, "rows of a row group")
	f.Uint64Var(&o.Seed, "seed", 0, "another one makes other customers")
	f.StringVar(&o.Dir, "out", "", "directory to write to; made if it is absent")
	f.BoolVar(&o.Keep, "keep", false, "leave files that are there already")
	f.BoolVar(&quiet, "no-progress", false, "show no progress")
	bindJSON(cmd, &asJSON)
	return cmd
}

func (a *app) generateCustomers(ctx context.Context, o generate.Options, asJSON bool) error {
	began := time.Now()
	var (
		mu   sync.Mutex
		most int64
	)
	tracker := progress.NewTracker("customers", []string{"file"}, began)
	files, err := generate.Customers(ctx, o, func(rows int64) {
		mu.Lock() // the callers are several
		defer mu.Unlock()
		most = max(most, rows)
		v := tracker.Observe(progress.Facts{At: time.Now(), Phase: "running", Planned: o.Rows, Covered: most})
		v.Stages = nil
		a.screen.Show(v)
	})
	a.screen.Close()
	switch {
	case errors.Is(err, fs.ErrPermission):
		return environmentf("%w: choose another directory with --out", err)
	case err != nil && ctx.Err() != nil:
		return fmt.Errorf("interrupted: %w", err)
	case err != nil:
		return err
	}
	took := time.Since(began)
	if asJSON {
		return a.printJSON(generated{1, filepath.Clean(o.Dir), files, o.Rows, took})
	}
	fmt.Fprintf(a.stdout, "%s in %s below %s, in %s (%s)\n", figure.Plural(o.Rows, "row"), figure.Plural(int64(len(files)), "file"),
		filepath.Clean(o.Dir), figure.Time(took), figure.Rate(float64(o.Rows)/took.Seconds()))
	return nil
}
