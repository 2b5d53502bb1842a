package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/pkg/flow"
)

func (a *app) resumeCommand() *cobra.Command {
	var (
		local  localFlags
		remote serverFlags
	)
	cmd := &cobra.Command{
		Use:   "resume RUN",
		Short: "Take an unfinished run to its end, as it was submitted",
		Long: `Goes on with a run that was stopped, wherever it was started from: the run knows its
pipeline. A run that another process serves is followed to its end; when that process
dies, this one takes over. RUN is an id, or its beginning or end.`,
		Example: "  levada runs\n  levada resume 01k7xq3v9c8e5w2n6m4r1t0y7z",
		Args:    takes("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.limitMemory(local.memory); err != nil {
				return err
			}
			return a.resume(cmd.Context(), args[0], remote, &local)
		},
	}
	local.bind(cmd)
	remote.bind(cmd)
	cmd.ValidArgsFunction = a.completeRun(&local.state, &remote, unfinished)
	return cmd
}

func (a *app) resume(ctx context.Context, name string, remote serverFlags, local *localFlags) error {
	for {
		srv, id, err := a.find(ctx, name, remote, local.state)
		if err != nil {
			return err
		}
		rec, err := srv.conn.Lookup(ctx, id)
		if err != nil {
			return errors.Join(err, srv.close())
		}
		switch {
		case rec.Status != flow.StatusActive:
			return errors.Join(a.over(rec, srv.home != "", local.asJSON), srv.close(), told(srv, rec))
		case srv.own != nil:
			// A process may have died between the steps of its submission.
			if err := srv.conn.Submit(ctx, *rec); err != nil {
				return errors.Join(err, srv.close())
			}
			return a.toTheEnd(ctx, srv, rec, local)
		case srv.pid != 0:
			a.note("process %d serves run %s; following it", srv.pid, id)
		}
		err = a.followToTheEnd(ctx, srv, id, local.asJSON)
		if !errors.Is(err, errGone) {
			return err
		}
		a.note("process %d is gone; taking over", srv.pid)
	}
}

// told notes that the end of a run has been told, in the place of a process that died
// before it did.
func told(srv *server, rec *flow.Record) error {
	if srv.home == "" {
		return nil
	}
	note := srv.home.Last(string(rec.Run))
	if note.Status != home.Active {
		return nil
	}
	note.Status, note.Reason, note.Ended = string(rec.Status), rec.Reason, rec.Ended
	if sum, err := summaryOf(rec); err == nil {
		note.Planned, note.Covered, note.Written = sum.Planned, sum.Covered, sum.Books.Written
	}
	return srv.home.Put(note)
}

// over tells about a run that has nothing left to do.
func (a *app) over(rec *flow.Record, local, asJSON bool) error {
	sum, err := summaryOf(rec)
	if err != nil {
		return err
	}
	a.note("run %s has ended already", rec.Run)
	return errors.Join(a.tellEnd(rec, sum, 0, local, asJSON), outcome(rec))
}
