package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

func (a *app) cancelCommand() *cobra.Command {
	var (
		local  localFlags
		remote serverFlags
		reason string
	)
	cmd := &cobra.Command{
		Use:   "cancel RUN",
		Short: "Give a run up: stop it and clean up behind it",
		Long: `Ends a run as cancelled: what is not written is not written any more, temporary files
go, the output is free for another run. It works while the run is on its way and after
it was stopped. A run that is complete already ends as done. RUN is an id, or its
beginning or end.`,
		Example: `  levada cancel 01k7xq3v9c8e5w2n6m4r1t0y7z --reason "wrong input"`,
		Args:    takes("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.limitMemory(local.memory); err != nil {
				return err
			}
			// It says itself how it went.
			asJSON := local.asJSON
			local.asJSON, local.untold = false, asJSON
			return a.cancel(cmd.Context(), args[0], reason, remote, &local, asJSON)
		},
	}
	local.bind(cmd)
	remote.bind(cmd)
	cmd.ValidArgsFunction = a.completeRun(&local.state, &remote, unfinished)
	cmd.Flags().StringVar(&reason, "reason", "on request", "why, for those who look at the run later")
	return cmd
}

func (a *app) cancel(ctx context.Context, name, reason string, remote serverFlags, local *localFlags, asJSON bool) error {
	srv, id, err := a.find(ctx, name, remote, local.state)
	if err != nil {
		return err
	}
	rec, err := srv.conn.Lookup(ctx, id)
	if err != nil {
		return errors.Join(err, srv.close())
	}
	if rec.Status != flow.StatusActive {
		return errors.Join(usagef("run %s has ended already: %s", id, rec.Status), srv.close())
	}
	if srv.own != nil {
		// The run was stopped: nobody else ends it.
		if err := srv.conn.Submit(ctx, *rec); err != nil {
			return errors.Join(err, srv.close())
		}
	}
	if _, err := srv.conn.Cancel(ctx, id, reason); err != nil {
		return errors.Join(err, srv.close())
	}
	if srv.own != nil {
		err = a.toTheEnd(ctx, srv, rec, local)
	} else {
		err = a.awaitCancel(ctx, srv, id)
	}
	ended := (*RunError)(nil)
	switch {
	case errors.As(err, &ended) && ended.Status == flow.StatusCancelled:
		if asJSON {
			return a.printJSON(submitted{1, id, rec.Pipeline, rec.Sink, flow.StatusCancelled})
		}
		fmt.Fprintf(a.stdout, "run %s is cancelled\n", id)
		return nil
	case err == nil:
		return usagef("run %s was complete before it could be cancelled: done", id)
	default:
		return err
	}
}

// awaitCancel waits until those who serve a run have ended it.
func (a *app) awaitCancel(ctx context.Context, srv *server, id flow.RunID) error {
	defer srv.conn.Close()
	rec, err := a.follow(ctx, srv, id, func(ledger.Progress) {})
	a.screen.Close()
	switch {
	case errors.Is(err, errGone):
		return fmt.Errorf("run %s: %w before it had ended: 'levada resume %s' ends it as cancelled", id, err, id)
	case err != nil && ctx.Err() != nil:
		return &InterruptedError{Run: id, What: "is being cancelled by those who serve it"}
	case err != nil:
		return err
	}
	return outcome(rec)
}
