package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/pipeline"
)

// gcFlags say what to remove.
type gcFlags struct {
	older time.Duration
	dry   bool
}

func (a *app) gcCommand() *cobra.Command {
	var (
		state  stateFlag
		remote serverFlags
		flags  gcFlags
		asJSON bool
	)
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what old runs have left behind",
		Long: `Removes what runs that have ended have left: streams, ledgers and dead letters on the
server, and in their sinks temporary files and uploads that nobody completed. How each
run ended stays for ever, in its record and in the manifest beside its data. Runs that
have not ended are left alone, however old they are: 'levada cancel' gives them up.

Without --nats or $NATS_URL it looks after the runs of 'levada run' on this machine.`,
		Example: "  levada gc --dry-run\n  levada gc --nats nats://127.0.0.1:4222 --older-than 720h",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			found, err := a.gc(cmd.Context(), state, remote, flags)
			if asJSON {
				return errors.Join(a.printJSON(found), err)
			}
			report.Collected(a.stdout, found, flags.dry)
			return err
		},
	}
	state.bind(cmd)
	remote.bind(cmd)
	f := cmd.Flags()
	f.DurationVar(&flags.older, "older-than", 7*24*time.Hour, "leave runs alone that ended less than this ago")
	f.BoolVar(&flags.dry, "dry-run", false, "only say what would be removed")
	bindJSON(cmd, &asJSON)
	return cmd
}

// gc collects on the server of the flags or the environment, else in every home.
func (a *app) gc(ctx context.Context, state stateFlag, remote serverFlags, flags gcFlags) ([]report.Garbage, error) {
	found := []report.Garbage{} // not null in JSON
	if remote.named() || a.serverInEnvironment() {
		conn, err := a.connect(ctx, remote, flow.Config{Name: "levada-gc"}, 0)
		if err != nil {
			return found, err
		}
		defer conn.Close()
		return a.collect(ctx, conn, flags)
	}
	s, err := a.state(state)
	if err != nil {
		return found, err
	}
	homes, err := s.Homes()
	if err != nil {
		return found, err
	}
	var errs []error
	for _, h := range homes {
		srv, err := a.open(ctx, h, localConfig("levada-gc"))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", h, err))
			continue
		}
		more, err := a.collect(ctx, srv.conn, flags)
		found = append(found, more...)
		errs = append(errs, err, srv.close())
	}
	return found, errors.Join(errs...)
}

// collect removes what the ended runs of one server have left.
func (a *app) collect(ctx context.Context, conn *flow.Conn, flags gcFlags) ([]report.Garbage, error) {
	found := []report.Garbage{}
	recs, err := a.records(ctx, conn)
	if err != nil {
		return found, err
	}
	var errs []error
	for _, r := range recs {
		if ctx.Err() != nil {
			return found, context.Cause(ctx)
		}
		if r.Status == flow.StatusActive || time.Since(r.Ended) < flags.older {
			continue
		}
		g, err := collectRun(ctx, conn, r, flags.dry)
		errs = append(errs, err)
		if g.Bytes > 0 || g.Streams > 0 || g.Temporaries > 0 {
			found = append(found, g)
		}
	}
	return found, errors.Join(errs...)
}

// collectRun removes what one run has left: first in its sink, then on the server. While
// the sink cannot be reached, the streams stay as well.
func collectRun(ctx context.Context, conn *flow.Conn, r *flow.Record, dry bool) (report.Garbage, error) {
	g := report.Garbage{V: 1, Run: string(r.Run), Pipeline: r.Pipeline, Ended: r.Ended}
	left, err := conn.Leftovers(ctx, r)
	if err != nil {
		return g, err
	}
	g.Streams = len(left)
	for _, l := range left {
		g.Bytes += l.Bytes
	}
	spec, err := pipeline.Parse(r.Pipeline, []byte(r.Spec))
	if err != nil {
		return g, fmt.Errorf("run %s: its spec cannot be read, so its sink is left alone: %w", r.Run, err)
	}
	out, err := sink.Open(ctx, r.Sink, string(r.Run), job.S3(spec.Sink.Parquet.S3))
	if err != nil {
		return g, fmt.Errorf("run %s: %w", r.Run, err)
	}
	if g.Temporaries, err = out.Temporaries(ctx, string(r.Run)); err != nil {
		return g, fmt.Errorf("run %s: %w", r.Run, err)
	}
	if dry {
		return g, nil
	}
	if g.Temporaries > 0 {
		if err := out.SweepEnded(ctx, string(r.Run)); err != nil {
			return g, fmt.Errorf("run %s: %w", r.Run, err)
		}
	}
	return g, conn.Collect(ctx, r.Run)
}
