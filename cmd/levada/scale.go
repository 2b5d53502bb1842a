package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/internal/cli/suggest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

func (a *app) scaleCommand() *cobra.Command {
	var (
		flags      lookFlags
		suggesting bool
		during     time.Duration
	)
	cmd := &cobra.Command{
		Use:   "scale --suggest RUN",
		Short: "Suggest how many processes of which stage would make a run faster",
		Long: `Levada is scaled by starting processes and stopping them: any number of readers,
transforms and writers share the work of every run, and may come and go at any time.

  levada transform &
  docker compose up -d --no-recreate --scale transform=4
  kubectl scale deployment/transform --replicas 4

With --suggest it looks at a run for some seconds and says which stage is the
bottleneck, from what waits in its input, how long a block takes there, and how much of
the time its workers work; how many instances would keep up with the rest; and whether
that is worth anything, with the cores there are. It changes nothing.`,
		Example: `  levada scale --suggest 01k7xq3v9c8e5w2n6m4r1t0y7z
  levada scale --suggest 0y7z --for 10s --json`,
		Args: func(cmd *cobra.Command, args []string) error {
			if !suggesting {
				return fmt.Errorf("levada is scaled by starting processes (levada transform, docker compose up --scale transform=4, kubectl scale): " +
					"it needs no command for that; 'levada scale --suggest RUN' says how many of which would help")
			}
			return takes("RUN")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if during < minDuring || during > maxDuring {
				return usagef("--for %s: from %s to %s", during, minDuring, maxDuring)
			}
			ctx := cmd.Context()
			return a.look(ctx, args[0], flags, func(srv *server, rec *flow.Record) error {
				f, err := facts(ctx, srv, rec, during)
				if err != nil {
					return err
				}
				s := suggest.Suggest(*f)
				if flags.asJSON {
					return a.printJSON(s)
				}
				report.Suggestion(a.stdout, &s)
				return nil
			})
		},
	}
	flags.bind(cmd)
	cmd.ValidArgsFunction = a.completeRun(&flags.state, &flags.remote, onItsWay)
	cmd.Flags().BoolVar(&suggesting, "suggest", false, "look at a run, and say what would help")
	cmd.Flags().DurationVar(&during, "for", 3*time.Second, "how long to look")
	bindJSON(cmd, &flags.asJSON)
	return cmd
}

// How long a run may be looked at. Instances report once a second.
const (
	minDuring = time.Second
	maxDuring = 10 * time.Minute
)

// facts looks at a run twice.
//
//	reports ─► wait ─► reports, edges, ledger ─► facts
func facts(ctx context.Context, srv *server, rec *flow.Record, during time.Duration) (*suggest.Facts, error) {
	f := &suggest.Facts{Run: string(rec.Run), Pipeline: rec.Pipeline}
	if rec.Status != flow.StatusActive {
		return f, ended(f, rec)
	}
	if srv.own != nil {
		return nil, usagef("run %s is not on its way: 'levada resume %s' goes on with it", rec.Run, rec.Run)
	}
	f.Local = srv.home != ""
	run, err := srv.conn.Attach(ctx, rec.Run)
	if err != nil {
		return nil, err
	}
	board, err := srv.conn.Watch(rec.Run)
	if err != nil {
		return nil, err
	}
	defer board.Close()
	first, cancel := context.WithTimeout(ctx, hearFor)
	defer cancel()
	<-first.Done() // once a second everybody reports: who is there is known now
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	before, began := reports(ctx, board), time.Now()
	if err := pause(ctx, during); err != nil {
		return nil, err
	}
	after := reports(ctx, board)
	f.Interval = time.Since(began)
	if err := run.Ledger.Sync(ctx); err != nil {
		return nil, err
	}
	run.Ledger.View(func(s *ledger.State) {
		if p := s.Plan(); p != nil {
			f.Planned, f.SourceDone = true, s.Extents() >= len(p.Tasks)
		}
	})
	// One that has been silent all the time is gone.
	after = slices.DeleteFunc(after, func(s flow.Stats) bool {
		return slices.ContainsFunc(before, func(b flow.Stats) bool {
			return b.Stage == s.Stage && b.Instance == s.Instance && b.At.Equal(s.At)
		})
	})
	f.Stages, f.Machines = suggest.Measure(stagesOf(rec), before, after)
	for i := range f.Stages {
		lag, err := run.Lag(ctx, f.Stages[i].Name)
		if err != nil {
			return nil, err
		}
		f.Stages[i].Input = suggest.QueueOf(lag)
	}
	external(f, rec)
	if now, err := srv.conn.Lookup(ctx, rec.Run); err == nil && now.Status != flow.StatusActive { // it ended while we looked
		return f, ended(f, now)
	}
	return f, nil
}

// reports asks all instances that are known, and returns what they say.
func reports(ctx context.Context, board *flow.Board) []flow.Stats {
	ctx, cancel := context.WithTimeout(ctx, hearFor)
	defer cancel()
	board.Ask(ctx)
	return board.All()
}

// ended makes the facts of a run that is over: what its summary says.
func ended(f *suggest.Facts, rec *flow.Record) error {
	sum, err := summaryOf(rec)
	if err != nil {
		return err
	}
	whole(f, rec, sum)
	return nil
}

func whole(f *suggest.Facts, rec *flow.Record, sum *flow.Summary) {
	var all []flow.Stats
	for _, st := range sum.Stages {
		all = append(all, st.Instances...)
	}
	f.Over, f.Planned, f.Interval = true, true, sum.Elapsed
	f.Stages, f.Machines = suggest.Measure(stagesOf(rec), nil, all)
	external(f, rec)
}

// external marks the stages that no process of levada serves.
func external(f *suggest.Facts, rec *flow.Record) {
	spec, err := pipeline.Parse(rec.Pipeline, []byte(rec.Spec))
	if err != nil {
		return // of another version: its stages may be anybody's
	}
	for _, st := range spec.Stages {
		for i := range f.Stages {
			if f.Stages[i].Name == st.Name {
				f.Stages[i].External = st.External != nil
			}
		}
	}
}
