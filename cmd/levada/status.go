package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// lookFlags are what commands have that look at one run.
type lookFlags struct {
	state  stateFlag
	remote serverFlags
	asJSON bool
}

func (l *lookFlags) bind(cmd *cobra.Command) {
	l.state.bind(cmd)
	l.remote.bind(cmd)
}

// look calls f with a run, on the server that knows it; again, if its servers had no leader
// to answer f. It prints only what it has whole.
func (a *app) look(ctx context.Context, name string, flags lookFlags, f func(srv *server, rec *flow.Record) error) error {
	return a.patiently(ctx, func() error {
		srv, id, err := a.find(ctx, name, flags.remote, flags.state)
		if err != nil {
			return err
		}
		rec, err := srv.conn.Lookup(ctx, id)
		if err == nil {
			err = f(srv, rec)
		}
		return errors.Join(err, srv.close())
	})
}

func (a *app) statusCommand() *cobra.Command {
	var flags lookFlags
	cmd := &cobra.Command{
		Use:   "status RUN",
		Short: "Show where a run stands",
		Long: `Shows where a run stands: its progress, its rows, what waits between its stages, what
is in the output, which rows are dead and why. It works from another terminal while
'levada run' is on its way, and after it has been stopped. RUN is an id, or its beginning
or end.`,
		Example: "  levada status 01k7xq3v9c8e5w2n6m4r1t0y7z",
		Args:    takes("RUN"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return a.look(ctx, args[0], flags, func(srv *server, rec *flow.Record) error {
				s, err := standing(ctx, srv, rec)
				if err != nil {
					return err
				}
				if flags.asJSON {
					return a.printJSON(s)
				}
				report.Status(a.stdout, s, time.Now())
				return nil
			})
		},
	}
	flags.bind(cmd)
	cmd.ValidArgsFunction = a.completeRun(&flags.state, &flags.remote, nil)
	bindJSON(cmd, &flags.asJSON)
	return cmd
}

// standing finds out where a run stands.
func standing(ctx context.Context, srv *server, rec *flow.Record) (*report.Standing, error) {
	s := &report.Standing{
		V: 1, Run: rec.Run, Pipeline: rec.Pipeline, Sink: rec.Sink, Status: string(rec.Status), Reason: rec.Reason,
		Submitted: rec.Submitted, Ended: rec.Ended,
	}
	run, err := srv.conn.Attach(ctx, rec.Run)
	if err != nil {
		return nil, err
	}
	s.Collected = rec.Status != flow.StatusActive && run.Ledger.Seq() == 0
	run.Ledger.View(func(l *ledger.State) {
		sum := flow.Summarise(l, nil)
		s.Summary, s.TasksRead = &sum, l.Extents()
		for range l.Commits() {
			s.Commits++
		}
		if rec.Status == flow.StatusActive {
			s.Phase, s.Reason = phase(l), l.Reason()
		}
	})
	if rec.Status != flow.StatusActive {
		if s.Summary, err = summaryOf(rec); err != nil {
			return nil, err
		}
	}
	s.Summary.Pipeline = rec.Pipeline
	if s.Requeues, err = requeues(ctx, run); err != nil {
		return nil, err
	}
	s.Dead = letters(ctx, run)
	if rec.Status != flow.StatusActive {
		return s, nil
	}
	if s.PID = srv.pid; srv.own != nil { // nobody runs it but us, and we only look
		s.Status = home.Interrupted
	}
	for _, e := range rec.Edges {
		d, err := srv.conn.Depth(ctx, rec.Run, e.Stage)
		if err != nil {
			return nil, fmt.Errorf("edge of %s: %w", e.Stage, err)
		}
		s.Edges = append(s.Edges, report.EdgeDepth{Stage: e.Stage, Blocks: d.Blocks, Bytes: d.Bytes, MaxBytes: d.MaxBytes})
	}
	return s, nil
}

// requeues counts how often owed tasks were queued again.
func requeues(ctx context.Context, run *flow.Run) (int, error) {
	js, err := jetstream.New(run.Conn().NATS())
	if err != nil {
		return 0, err
	}
	name, err := js.StreamNameBySubject(ctx, flow.LedgerSubject(run.Run))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find the ledger: %w", err)
	}
	stream, err := js.Stream(ctx, name)
	if err != nil {
		return 0, fmt.Errorf("open the ledger: %w", err)
	}
	n := 0
	for seq := uint64(1); seq <= run.Ledger.Seq(); seq++ {
		msg, err := stream.GetMsg(ctx, seq)
		if err != nil {
			return 0, fmt.Errorf("read entry %d of the ledger: %w", seq, err)
		}
		if e, err := ledger.DecodeEntry(msg.Data); err == nil && e.Kind == ledger.KindRequeue {
			n++
		}
	}
	return n, nil
}

// mostLetters bounds the dead blocks that a status looks into.
const mostLetters = 20

// letters returns the places of dead rows and the reasons, one of each kind.
func letters(ctx context.Context, run *flow.Run) []string {
	var dead []ledger.DeadRows
	run.Ledger.View(func(s *ledger.State) {
		for d := range s.Buried() {
			if dead = append(dead, d); len(dead) == mostLetters {
				return
			}
		}
	})
	var texts []string
	seen := map[string]bool{}
	for _, d := range dead {
		l := run.FindLetter(ctx, d.Span, d.Stage, d.Attempt)
		if l == nil || seen[l.Operator+"\x00"+l.Column+"\x00"+l.Reason] {
			continue
		}
		seen[l.Operator+"\x00"+l.Column+"\x00"+l.Reason] = true
		texts = append(texts, l.Where())
	}
	return texts
}
