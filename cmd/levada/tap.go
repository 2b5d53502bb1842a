package main

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/rows"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
)

// tapFlags say what to show.
type tapFlags struct {
	look   lookFlags
	view   rows.View
	rows   int64
	follow bool
	format string
	stats  bool
	last   time.Duration // of stats; until the run ends when 0
}

func (a *app) tapCommand() *cobra.Command {
	var flags tapFlags
	cmd := &cobra.Command{
		Use:   "tap [RUN] [STAGE]",
		Short: "Show rows that pass between the stages of a run, live",
		Long: `Shows rows as they leave a stage, while the run is on its way. It only listens: it
takes nothing away and slows nobody, and when it is too slow it loses rows of its own,
and says how many messages. Each row of a stage is shown once.

RUN is an id, or its beginning or end; without it, the only run that is on its way.
STAGE is one of the run's stages, or 'source' for what the readers send; without it, the
last stage, whose rows the writers get. With --where, --columns and --sample it shows
what you look for; the expression is as in a filter, over the columns of the stage.

With --stats it shows no rows, but each second for each stage the rates, the sizes of
blocks, and how long rows took from the source to there; at the end also the schemas.`,
		Example: `  levada tap
  levada tap 01k7xq3v9c8e5w2n6m4r1t0y7z source --rows 5 --columns id,amount
  levada tap 0y7z refine --where 'amount > 1000.0' --follow --format json | jq .id
  levada tap --stats --for 10s`,
		Args: takes("[RUN]", "[STAGE]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.tap(cmd.Context(), args, flags)
		},
	}
	flags.look.bind(cmd)
	cmd.ValidArgsFunction = a.completeRunAndStage(&flags.look.state, &flags.look.remote, onItsWay)
	f := cmd.Flags()
	f.Int64Var(&flags.rows, "rows", 20, "stop after so many rows")
	f.BoolVar(&flags.follow, "follow", false, "do not stop before the run ends, unless --rows is given too")
	f.StringVar(&flags.view.Where, "where", "", "only rows for which this expression is true")
	f.StringSliceVar(&flags.view.Columns, "columns", nil, "only these columns, in this order")
	f.Float64Var(&flags.view.Sample, "sample", 1, "show this share of the rows, chosen by source row")
	f.StringVar(&flags.format, "format", "table", "how: "+strings.Join(rows.Formats(), ", "))
	complete(cmd, "format", rows.Formats()...)
	f.BoolVar(&flags.stats, "stats", false, "show rates, sizes and latencies instead of rows, as a table or as json")
	f.DurationVar(&flags.last, "for", 0, "with --stats: stop after so long (default when the run ends)")
	cmd.PreRunE = func(cmd *cobra.Command, _ []string) error {
		if flags.follow && !cmd.Flags().Changed("rows") {
			flags.rows = 0
		}
		if flags.view.Sample <= 0 || flags.view.Sample > 1 {
			return usagef("--sample %v: a share is above 0 and at most 1", flags.view.Sample)
		}
		if flags.stats && flags.format != "table" && flags.format != "json" {
			return usagef("--stats --format %s: statistics are a table or json", flags.format)
		}
		if flags.last < 0 || flags.last > 0 && !flags.stats {
			return usagef("--for %v: it is a time for --stats", flags.last)
		}
		if flags.rows < 0 || cmd.Flags().Changed("rows") && flags.rows == 0 {
			return usagef("--rows %d: say how many, or --follow for all", flags.rows)
		}
		return nil
	}
	return cmd
}

func (a *app) tap(ctx context.Context, args []string, flags tapFlags) error {
	out, err := rows.New(a.stdout, flags.format)
	if err != nil {
		return usagef("--format: %w", err)
	}
	var name, stage string
	switch len(args) {
	case 0:
		if name, err = a.onItsWay(ctx, flags.look); err != nil {
			return err
		}
	case 1:
		name = args[0]
	default:
		name, stage = args[0], args[1]
	}
	return a.look(ctx, name, flags.look, func(srv *server, rec *flow.Record) error {
		if rec.Status != flow.StatusActive {
			return usagef("run %s has ended, nothing passes any more: its output is in %s", rec.Run, rec.Sink)
		}
		if srv.own != nil {
			return usagef("run %s is not on its way: 'levada resume %s' goes on with it", rec.Run, rec.Run)
		}
		last, err := tappedStage(rec, stage)
		if err != nil {
			return err
		}
		if flags.stats {
			return a.traffic(ctx, srv, rec, stage, &flags)
		}
		err = a.show(ctx, srv, flow.TapConfig{Run: rec.Run, Stage: last}, &flags, out)
		if wrong := (*viewError)(nil); errors.As(err, &wrong) {
			err = &codeError{exitUsage, absent(ctx, srv, rec, last, &flags.view, wrong)}
		}
		return errors.Join(err, out.Close())
	})
}

// onItsWay names the only run that is on its way.
func (a *app) onItsWay(ctx context.Context, flags lookFlags) (string, error) {
	lines, err := a.runs(ctx, flags.state, flags.remote)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, l := range lines {
		if l.Status == home.Active {
			ids = append(ids, l.Run)
		}
	}
	switch len(ids) {
	case 0:
		return "", usagef("no run is on its way ('levada runs' lists what there was)")
	case 1:
		return ids[0], nil
	default:
		return "", usagef("several runs are on their way, name one: %s", strings.Join(ids, ", "))
	}
}

// tappedStage is the stage that a tap listens to.
func tappedStage(rec *flow.Record, name string) (string, error) {
	names := make([]string, len(rec.Edges))
	for i, e := range rec.Edges {
		if names[i] = e.Stage; e.Stage == name {
			return name, nil
		}
	}
	if name != "" {
		return "", usagef("run %s has no stage %q: it has %s", rec.Run, name, strings.Join(names, ", "))
	}
	return names[len(names)-1], nil
}

// lookAgain is how often a tap that hears nothing looks whether its run has ended.
const lookAgain = time.Second

// show prints what passes until there was enough, the run has ended, or somebody stops it.
func (a *app) show(ctx context.Context, srv *server, cfg flow.TapConfig, flags *tapFlags, out rows.Printer) error {
	tap, err := srv.conn.Tap(cfg)
	if err != nil {
		return err
	}
	defer tap.Close()
	var (
		shown, seen int64
		failed      int
		why         = "stopped"
		opts        = blocks.DecodeOptions{MaxBytes: srv.conn.MaxPayload(), Schemas: &blocks.SchemaCache{}}
	)
	for ctx.Err() == nil && (flags.rows == 0 || shown < flags.rows) {
		b, err := a.next(ctx, srv, tap, cfg.Run)
		if errors.Is(err, flow.ErrRunEnded) {
			why = "the run has ended"
			break
		}
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		seen++
		n, f, err := printRows(ctx, b, opts, flags, flags.rows-shown, out)
		if err != nil {
			return err
		}
		shown, failed = shown+n, failed+f
	}
	if flags.rows > 0 && shown >= flags.rows {
		why = "that was enough"
	}
	a.note("%s of %s from %s: %s", figure.Plural(shown, "row"), figure.Plural(seen, "block"), cfg.Stage, why)
	if failed > 0 {
		a.note("in %s the expression has no value (overflow, division by zero, a cast)", figure.Plural(int64(failed), "row"))
	}
	if n := tap.Lost(); n > 0 {
		a.note("%s came faster than they were shown, and are missing here; the run has them", figure.Plural(int64(n), "message"))
	}
	if n, why := tap.Unreadable(); n > 0 {
		a.note("%s could not be read, the first for this: %v", figure.Plural(int64(n), "message"), why)
	}
	return nil
}

// next waits for a block. It returns [flow.ErrRunEnded] when none comes any more.
func (a *app) next(ctx context.Context, srv *server, tap *flow.Tap, run flow.RunID) (*flow.Tapped, error) {
	for {
		b, err := a.nextUntil(ctx, srv, tap, run, time.Now().Add(lookAgain))
		if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
			return b, err
		}
	}
}

// nextUntil waits for a block until a moment; then it returns [context.DeadlineExceeded],
// or [flow.ErrRunEnded] if none comes any more.
func (a *app) nextUntil(ctx context.Context, srv *server, tap *flow.Tap, run flow.RunID, moment time.Time) (*flow.Tapped, error) {
	wait, cancel := context.WithDeadline(ctx, moment)
	defer cancel()
	b, err := tap.Next(wait)
	if err == nil || ctx.Err() != nil || !errors.Is(err, context.DeadlineExceeded) {
		return b, err
	}
	rec, lookErr := srv.conn.Lookup(ctx, run)
	switch {
	case srv.gone(): // with the process that ran it, and the run
		return nil, flow.ErrRunEnded
	case !srv.conn.Ready():
		return nil, err // it will be back, or be gone
	case lookErr != nil:
		return nil, lookErr
	case rec.Status != flow.StatusActive:
		return nil, flow.ErrRunEnded
	}
	return nil, err
}

// printRows shows at most n rows of a block, all of them when n is not positive. It returns
// how many it has shown, and in how many the expression failed.
func printRows(ctx context.Context, t *flow.Tapped, opts blocks.DecodeOptions, flags *tapFlags, n int64, out rows.Printer) (int64, int, error) {
	b, err := t.Decode(opts)
	if err != nil {
		return 0, 0, err
	}
	defer b.Release()
	if b.Batch == nil {
		return 0, 0, nil // all its rows were filtered
	}
	batch, failed, err := flags.view.Of(ctx, memory.DefaultAllocator, b)
	if err != nil {
		return 0, 0, &viewError{b.Batch.Schema(), err}
	}
	defer batch.Release()
	if n <= 0 || n > batch.NumRows() {
		n = batch.NumRows()
	}
	part := batch.NewSlice(0, n)
	defer part.Release()
	return n, failed, out.Print(part)
}
