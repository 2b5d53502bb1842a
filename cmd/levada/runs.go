package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/pkg/flow"
)

func (a *app) runsCommand() *cobra.Command {
	var (
		state  stateFlag
		remote serverFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List runs, the oldest first",
		Long: `Lists the runs of 'levada run' on this machine, and, with --nats or $NATS_URL, those of
a server. 'interrupted' are runs whose process is gone: 'levada resume RUN' goes on with
them.`,
		Example: "  levada runs\n  levada runs --nats nats://127.0.0.1:4222 --json",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			var lines []report.Line
			err := a.patiently(ctx, func() (err error) {
				lines, err = a.runs(ctx, state, remote)
				return err
			})
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(lines)
			}
			if len(lines) == 0 {
				a.note("no runs yet: 'levada run FILE' makes one")
				return nil
			}
			report.Runs(a.stdout, lines, time.Now())
			return nil
		},
	}
	state.bind(cmd)
	remote.bind(cmd)
	bindJSON(cmd, &asJSON)
	return cmd
}

func (a *app) runs(ctx context.Context, state stateFlag, remote serverFlags) ([]report.Line, error) {
	lines := []report.Line{} // not null in JSON
	if !remote.named() {
		s, err := a.own(state)
		if err != nil {
			return nil, err
		}
		if s != "" {
			lines = a.runsHere(ctx, s)
		}
		if !a.serverInEnvironment() {
			return lines, nil
		}
	}
	conn, err := a.connect(ctx, remote, flow.Config{Name: "levada-cli"}, 0)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	recs, err := a.records(ctx, conn)
	if err != nil {
		return nil, err
	}
	for _, r := range recs {
		l := report.Line{
			V: 1, Run: string(r.Run), Pipeline: r.Pipeline, Status: string(r.Status), Reason: r.Reason,
			Started: r.Submitted, Ended: r.Ended, Sink: r.Sink, Server: redacted(conn.NATS().ConnectedUrl()),
		}
		if sum, err := summaryOf(r); err == nil {
			l.Planned, l.Covered, l.Written = sum.Planned, sum.Covered, sum.Books.Written
		}
		lines = append(lines, l)
	}
	slices.SortFunc(lines, func(a, b report.Line) int { return strings.Compare(a.Run, b.Run) })
	return lines, nil
}

// runsHere lists the runs of this machine. Those that cannot be read are left out, and
// logged.
func (a *app) runsHere(ctx context.Context, s home.State) []report.Line {
	found, err := s.Runs()
	if err != nil {
		a.log.WarnContext(ctx, "some runs cannot be listed", slog.Any("error", err))
	}
	lines := make([]report.Line, 0, len(found))
	for _, f := range found {
		lines = append(lines, report.Line{
			V: 1, Run: f.Run, Pipeline: f.Pipeline, Status: f.Status, Reason: f.Reason, Planned: f.Planned, Covered: f.Covered,
			Written: f.Written, Started: f.Started, Ended: f.Ended, Sink: f.Sink,
		})
	}
	return lines
}

// records returns the runs that a server knows. Those that cannot be read are left out,
// and logged.
func (a *app) records(ctx context.Context, conn *flow.Conn) ([]*flow.Record, error) {
	recs, err := conn.Records(ctx)
	if err != nil && recs == nil {
		return nil, err
	}
	if err != nil {
		a.log.WarnContext(ctx, "some runs cannot be listed", slog.Any("error", err))
	}
	return recs, nil
}

func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.stdout)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
