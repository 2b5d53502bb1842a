package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/internal/cli/rows"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
)

func (a *app) inspectCommand() *cobra.Command {
	var (
		sample int64
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "inspect FILE...",
		Short: "Show what is in a Parquet file: schema, row groups, encodings, statistics, some rows",
		Long: `Shows what the footer of a Parquet file says: its columns with their physical and logical
types, the nulls, the least and the greatest value by the statistics, codecs, encodings and
sizes, the row groups; and the first rows. FILE is a file, a directory, a glob or a location
in a bucket. Only the footer and what holds the rows shown is read.`,
		Example: `  levada inspect data/customers/customers-0000.parquet
  levada inspect 's3://bucket/customers/*.parquet' --rows 0
  levada inspect part.parquet --json | jq '.row_groups[].rows'`,
		Args:              atLeastOne("FILE"),
		ValidArgsFunction: completeFiles(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if sample < 0 {
				return usagef("--rows %d: must not be negative", sample)
			}
			ctx := cmd.Context()
			files, err := storage.Expand(ctx, args, ".parquet", storage.S3Options{})
			if err != nil {
				return asUsage(ctx, err)
			}
			for i, f := range files {
				if i > 0 && !asJSON {
					fmt.Fprintln(a.stdout)
				}
				if err := a.inspectParquet(ctx, f, sample, asJSON); err != nil {
					return asUsage(ctx, err)
				}
			}
			return nil
		},
	}
	cmd.Flags().Int64Var(&sample, "rows", 5, "show so many of the first rows")
	bindJSON(cmd, &asJSON)
	return cmd
}

// atLeastOne wants one argument or more.
func atLeastOne(name string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s is missing", name)
		}
		return nil
	}
}

// inspection is what `levada inspect --json` prints of a file.
type inspection struct {
	*parquet.Description
	First []json.RawMessage `json:"first_rows,omitempty"` // an object each
}

func (a *app) inspectParquet(ctx context.Context, uri string, sample int64, asJSON bool) error {
	src, err := storage.Open(ctx, uri, storage.S3Options{})
	if err != nil {
		return err
	}
	d, err := parquet.Describe(src)
	if cerr := src.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	first, err := firstRows(ctx, uri, min(sample, d.Rows))
	if err != nil {
		// What the footer says is worth seeing all the more.
		if !asJSON {
			report.Description(a.stdout, d)
		}
		return err
	}
	defer release(first)
	if asJSON {
		return a.inspectJSON(d, first)
	}
	report.Description(a.stdout, d)
	if len(first) == 0 {
		return nil
	}
	fmt.Fprintln(a.stdout)
	out, err := rows.New(a.stdout, "table")
	if err != nil {
		return err
	}
	for _, b := range first {
		if err := out.Print(b); err != nil {
			return err
		}
	}
	return out.Close()
}

func (a *app) inspectJSON(d *parquet.Description, first []arrow.RecordBatch) error {
	var buf bytes.Buffer
	out, err := rows.New(&buf, "json")
	if err != nil {
		return err
	}
	for _, b := range first {
		if err := out.Print(b); err != nil {
			return err
		}
	}
	i := inspection{Description: d}
	for line := range bytes.Lines(buf.Bytes()) {
		i.First = append(i.First, json.RawMessage(bytes.TrimSpace(line)))
	}
	return a.printJSON(i)
}

func release(batches []arrow.RecordBatch) {
	for _, b := range batches {
		b.Release()
	}
}

// errEnough ends a reading that has what it wants.
var errEnough = errors.New("that was enough")

// firstRows reads the first n rows of a file. The caller must Release them.
func firstRows(ctx context.Context, uri string, n int64) (first []arrow.RecordBatch, err error) {
	if n == 0 {
		return nil, nil
	}
	src, err := storage.Open(ctx, uri, storage.S3Options{})
	if err != nil {
		return nil, err
	}
	f, err := parquet.Open(ctx, src, memory.DefaultAllocator)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	o := parquet.ReadOptions{Columns: f.Schema(), BlockRows: min(n, 1<<10)}
	err = f.ReadRowGroups(ctx, 0, f.RowGroups(), o, func(_, _ int64, b arrow.RecordBatch) error {
		defer b.Release()
		first = append(first, b.NewSlice(0, min(n, b.NumRows())))
		if n -= min(n, b.NumRows()); n == 0 {
			return errEnough
		}
		return nil
	})
	if err != nil && err != errEnough { //nolint:errorlint // it is passed through as it is
		release(first)
		return nil, err
	}
	return first, nil
}
