package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/rows"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// deadFlags say what to show.
type deadFlags struct {
	look   lookFlags
	rows   bool
	format string
}

func (a *app) deadCommand() *cobra.Command {
	var flags deadFlags
	cmd := &cobra.Command{
		Use:   "dead RUN [STAGE]",
		Short: "Show the dead letters of a run",
		Long: `Shows the rows that operators could not process or that an assert refused: how many,
where, and why. Only rows that count are shown: those of the books. With --rows it shows
the rows themselves, as they came into STAGE. Where only the touched columns travel, the
others are not among them: the place names the row in the source.

It works while the run is on its way and after its end, until 'levada gc' removes its
streams. RUN is an id, or its beginning or end.`,
		Example: `  levada dead 01k7xq3v9c8e5w2n6m4r1t0y7z
  levada dead 0y7z check --rows --format json | jq .email`,
		Args: takes("RUN", "[STAGE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			stage := ""
			if len(args) > 1 {
				stage = args[1]
			}
			return a.dead(cmd.Context(), args[0], stage, flags)
		},
	}
	flags.look.bind(cmd)
	cmd.ValidArgsFunction = a.completeRunAndStage(&flags.look.state, &flags.look.remote, nil)
	f := cmd.Flags()
	f.BoolVar(&flags.rows, "rows", false, "show the rows")
	f.StringVar(&flags.format, "format", "table", "of rows: "+strings.Join(rows.Formats(), ", "))
	complete(cmd, "format", rows.Formats()...)
	bindJSON(cmd, &flags.look.asJSON)
	return cmd
}

// deadReason is the rows that one operator could not process, for one reason.
type deadReason struct {
	Operator string `json:"operator"`
	Column   string `json:"column,omitempty"`
	Reason   string `json:"reason"`
	Rows     int64  `json:"rows"`
	First    string `json:"first"` // the place of the first of them
}

func (a *app) dead(ctx context.Context, name, stage string, flags deadFlags) error {
	out, err := rows.New(a.stdout, flags.format)
	if err != nil {
		return usagef("--format: %w", err)
	}
	if flags.rows && flags.look.asJSON {
		return usagef("--json is for the reasons: write --rows --format json")
	}
	return a.look(ctx, name, flags.look, func(srv *server, rec *flow.Record) error {
		if stage != "" && !slices.ContainsFunc(rec.Edges, func(e flow.Edge) bool { return e.Stage == stage }) {
			_, err := tappedStage(rec, stage)
			return err
		}
		run, err := srv.conn.Attach(ctx, rec.Run)
		if err != nil {
			return err
		}
		if flags.rows {
			return errors.Join(printDead(ctx, run, stage, out), out.Close())
		}
		return a.reasons(ctx, run, stage, flags.look.asJSON)
	})
}

// printDead prints the rows of dead letters.
func printDead(ctx context.Context, run *flow.Run, stage string, out rows.Printer) error {
	for l, err := range run.Letters(ctx, stage) {
		if err != nil {
			return err
		}
		if l.Rows == nil {
			continue // they were too large to be kept
		}
		err := out.Print(l.Rows)
		l.Rows.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// reasons prints how many rows are dead for which reason.
func (a *app) reasons(ctx context.Context, run *flow.Run, stage string, asJSON bool) error {
	all := []*deadReason{}
	for l, err := range run.Letters(ctx, stage) {
		if err != nil {
			return err
		}
		if l.Rows != nil {
			l.Rows.Release()
		}
		i := slices.IndexFunc(all, func(r *deadReason) bool {
			return r.Operator == l.Operator && r.Column == l.Column && r.Reason == l.Reason
		})
		if i < 0 {
			i, all = len(all), append(all, &deadReason{Operator: l.Operator, Column: l.Column, Reason: l.Reason, First: deadPlace(run, l)})
		}
		all[i].Rows += int64(len(l.Offsets))
	}
	slices.SortStableFunc(all, func(a, b *deadReason) int { return cmp.Compare(b.Rows, a.Rows) })
	if asJSON {
		return a.printJSON(all)
	}
	if len(all) == 0 {
		a.note("no row is dead")
		return nil
	}
	tw := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "ROWS\tOPERATOR\tCOLUMN\tREASON\tFIRST")
	for _, r := range all {
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", figure.Rows(r.Rows), r.Operator, r.Column, r.Reason, r.First)
	}
	return tw.Flush()
}

// deadPlace is where the first row of a letter is in the source.
func deadPlace(run *flow.Run, l *flow.Letter) string {
	row := l.Span.From + int64(l.Offsets[0])
	place := fmt.Sprintf("task %d, row %d", l.Span.Task, row)
	run.Ledger.View(func(s *ledger.State) {
		plan := s.Plan()
		if plan == nil || int(l.Span.Task) >= len(plan.Tasks) {
			return
		}
		if t := plan.Tasks[l.Span.Task]; t.File >= 0 && t.File < len(plan.Files) {
			place = fmt.Sprintf("%s, row group %d, row %d of it and those after", plan.Files[t.File].URI, t.RowGroups[0], row)
		}
	})
	return place
}
