package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/rows"
	"github.com/levada-data/levada/internal/cli/trial"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/reader"
)

// dryFlags are those of a dry run.
type dryFlags struct {
	dry    bool
	rows   int64
	format string
}

func (d *dryFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&d.dry, "dry-run", false, "show the first rows that would come out, and write nothing; needs no server")
	f.Int64Var(&d.rows, "rows", 20, "with --dry-run: how many rows to show")
	f.StringVar(&d.format, "format", "table", "with --dry-run, how: "+strings.Join(rows.Formats(), ", "))
}

// set reports that a flag was given that belongs to a dry run.
func (d *dryFlags) set(cmd *cobra.Command) bool {
	return cmd.Flags().Changed("rows") || cmd.Flags().Changed("format")
}

const (
	// dryBatch is how many rows of the source are tried at once.
	dryBatch = 1024
	// dryFailures is how many failed rows are named.
	dryFailures = 5
)

var errShown = errors.New("enough rows")

// dryRun shows the first rows that a run would write.
//
//	source ─► operators of all stages ─► rows on stdout
//	                └► what was dropped or failed ─► stderr
func (a *app) dryRun(ctx context.Context, file string, flags *dryFlags) error {
	if flags.rows < 1 {
		return usagef("--rows %d: show at least one", flags.rows)
	}
	out, err := rows.New(a.stdout, flags.format)
	if err != nil {
		return usagef("--format: %w", err)
	}
	spec, facts, err := a.inspectFile(ctx, file)
	if err != nil {
		return err
	}
	// All columns go through the operators: which of them travel in a run changes no row.
	p, err := pipeline.CompilePlanned(spec, facts.Pipeline.Needed)
	if err != nil {
		return err
	}
	stages, external := trial.Local(p)
	books, shown := newDryBooks(), int64(0)
	err = reader.Rows(ctx, spec, facts, p, dryBatch, reader.Config{}, func(at reader.Part, in arrow.RecordBatch) error {
		defer in.Release()
		o, err := trial.Run(ctx, memory.DefaultAllocator, stages, at.At, in)
		if err != nil {
			return err
		}
		defer o.Batch.Release()
		books.add(at, &o)
		n := min(o.Batch.NumRows(), flags.rows-shown)
		part := o.Batch.NewSlice(0, n)
		defer part.Release()
		shown += n
		if err := out.Print(part); err != nil {
			return err
		}
		if shown == flags.rows {
			return errShown
		}
		return nil
	})
	if errors.Is(err, errShown) {
		err = nil
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return err
	}
	books.tell(a, shown, facts.Rows, spec.Sink.Parquet.URI, external)
	return nil
}

// dryBooks count what became of the rows of a dry run.
type dryBooks struct {
	read    int64
	labels  []string // of operators, in the order in which they first dropped something
	dropped map[string]int64
	failed  int64
	first   []string // of the failed rows
}

func newDryBooks() *dryBooks { return &dryBooks{dropped: map[string]int64{}} }

func (b *dryBooks) add(at reader.Part, o *trial.Outcome) {
	b.read += o.In
	for _, d := range o.Dropped {
		if _, known := b.dropped[d.Operator]; !known {
			b.labels = append(b.labels, d.Operator)
		}
		b.dropped[d.Operator] += d.Rows
	}
	b.failed += int64(len(o.Failed))
	for _, f := range o.Failed {
		if len(b.first) == dryFailures {
			break
		}
		column := ""
		if f.Column != "" {
			column = fmt.Sprintf(", column %q", f.Column)
		}
		b.first = append(b.first, fmt.Sprintf("  %s, row %d: %s%s: %s", at.Place, at.Row+f.Row, f.Operator, column, f.Reason))
	}
}

func (b *dryBooks) tell(a *app, shown, all int64, sink, external string) {
	whole := ""
	if b.read < all {
		whole = " of " + figure.Rows(all)
	}
	a.note("dry run: %s%s read, %s shown, nothing written to %s", figure.Plural(b.read, "row"), whole, figure.Rows(shown), sink)
	if external != "" {
		a.note("  these are the rows that come to stage %s: it is external, and only its process knows what follows", external)
	}
	for _, l := range b.labels {
		a.note("  %s dropped %s", l, figure.Plural(b.dropped[l], "row"))
	}
	if b.failed > 0 {
		a.note("  %s would go to the dead letters:", figure.Plural(b.failed, "row"))
		for _, f := range b.first {
			a.note("  %s", f)
		}
		if more := b.failed - int64(len(b.first)); more > 0 {
			a.note("    and %s more", figure.Rows(more))
		}
	}
}
