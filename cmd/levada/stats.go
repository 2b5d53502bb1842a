package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

func (a *app) statsCommand() *cobra.Command {
	var flags lookFlags
	cmd := &cobra.Command{
		Use:   "stats RUN",
		Short: "Show what the stages of a run did, in total and per instance",
		Long: `Shows rows, bytes and blocks of every stage, the time it waited for input, worked, and
waited for the next stage to take its output, and the CPU time; in total, and per
instance where there are several. Live while the run is on its way; afterwards as it
ended. With --json, the shape of docs/format.md.`,
		Example: "  levada stats 01k7xq3v9c8e5w2n6m4r1t0y7z --json",
		Args:    takes("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.look(ctx, args[0], flags, func(srv *server, rec *flow.Record) error {
				sum, err := summary(ctx, srv, rec)
				if err != nil {
					return err
				}
				if flags.asJSON {
					return a.printJSON(sum)
				}
				report.Stats(a.stdout, sum)
				return nil
			})
		},
	}
	flags.bind(cmd)
	cmd.ValidArgsFunction = a.completeRun(&flags.state, &flags.remote, nil)
	bindJSON(cmd, &flags.asJSON)
	return cmd
}

// hearFor is how long live statistics are waited for: instances report once a second,
// and when they are asked.
const hearFor = 1200 * time.Millisecond

// summary returns the statistics of a run: those of its end, or live ones.
func summary(ctx context.Context, srv *server, rec *flow.Record) (*flow.Summary, error) {
	if rec.Status != flow.StatusActive {
		return summaryOf(rec)
	}
	run, err := srv.conn.Attach(ctx, rec.Run)
	if err != nil {
		return nil, err
	}
	var reports []flow.Stats
	if srv.own == nil { // somebody may serve it
		if reports, err = hear(ctx, srv.conn, rec); err != nil {
			return nil, err
		}
		if err := run.Ledger.Sync(ctx); err != nil {
			return nil, err
		}
	}
	var sum flow.Summary
	run.Ledger.View(func(s *ledger.State) { sum = flow.Summarise(s, reports) })
	sum.Pipeline = rec.Pipeline
	return &sum, nil
}

// hear asks all instances of a run for statistics, and returns what has come when
// every stage has answered or it has waited long enough.
func hear(ctx context.Context, conn *flow.Conn, rec *flow.Record) ([]flow.Stats, error) {
	board, err := conn.Watch(rec.Run)
	if err != nil {
		return nil, err
	}
	defer board.Close()
	ctx, cancel := context.WithTimeout(ctx, hearFor)
	defer cancel()
	board.Ask(ctx) // returns with the first answer: who else there is, nobody knows yet
	for {
		silent := 0
		for _, stage := range stagesOf(rec) {
			if board.Live(stage) == 0 {
				silent++
			}
		}
		if silent == 0 || ctx.Err() != nil {
			return board.All(), nil
		}
		_ = pause(ctx, 20*time.Millisecond) // its error is the context's, asked above
	}
}
