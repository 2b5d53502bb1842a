package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/internal/cli/top"
)

// topFlags say what to show, and how often.
type topFlags struct {
	state    stateFlag
	remote   serverFlags
	interval time.Duration
	once     bool
	asJSON   bool
}

const (
	// topAtLeast is the shortest interval of `levada top`: instances report once a
	// second, and whatever is asked more often costs the server.
	topAtLeast = 100 * time.Millisecond
	// reportEvery is how often instances report, with time to arrive.
	reportEvery = 1200 * time.Millisecond
)

func (a *app) topCommand() *cobra.Command {
	var flags topFlags
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch all runs, their stages and instances, live",
		Long: `Shows, on the whole terminal, the runs of a server or of this machine; of the chosen run
its stages: their rates, what waits between them, and where their time goes; and of the
chosen stage its instances. Press ? for the keys and the columns, q to quit. Where there
is no terminal, it prints a line for each run that is on its way, again and again; with
--once, all it knows, once.

It only listens and reads: no run notices, and the server keeps nothing of it.`,
		Example: "  levada top\n  levada top --nats nats://127.0.0.1:4222\n  levada top --once",
		Args:    takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.top(cmd.Context(), flags)
		},
	}
	flags.state.bind(cmd)
	flags.remote.bind(cmd)
	f := cmd.Flags()
	f.DurationVar(&flags.interval, "interval", time.Second, "between two looks")
	f.BoolVar(&flags.once, "once", false, "print what there is as tables, and end")
	bindJSON(cmd, &flags.asJSON)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if flags.asJSON && !flags.once {
			return usagef("--json: it is a way to print once: add --once")
		}
		if flags.interval < topAtLeast {
			return usagef("--interval %v: must be at least %v", flags.interval, topAtLeast)
		}
		return nil
	}
	return cmd
}

func (a *app) top(ctx context.Context, flags topFlags) error {
	out, screen := beneath(a.stdout).(*os.File)
	screen = screen && !flags.once && a.getenv("TERM") != "dumb" && term.IsTerminal(int(out.Fd()))
	if stderr, ok := a.stderr.(*os.File); screen && ok && term.IsTerminal(int(stderr.Fd())) {
		a.log = slog.New(slog.DiscardHandler) // its lines would land in the picture; what cannot be read stands in the last
	}
	look, err := a.newLookout(ctx, flags.remote, flags.state)
	if err != nil {
		return err
	}
	defer look.close()
	style := progress.OptionsFor(beneath(a.stdout), a.getenv).Style
	switch {
	case flags.once:
		return a.topOnce(ctx, look, top.New(progress.Style{}), flags.asJSON)
	case screen:
		return topOn(ctx, out, look, top.New(style), flags.interval)
	default:
		return a.topLines(ctx, look, top.New(style), flags.interval)
	}
}

// topOnce prints a snapshot. While a run is on its way it looks three times, to see
// rates: instances report once a second.
func (a *app) topOnce(ctx context.Context, look *lookout, m *top.Model, asJSON bool) error {
	var f top.Facts
	for range 3 {
		f = look.facts(ctx, everyRun)
		if f.Trouble != "" {
			return environmentf("%s", f.Trouble)
		}
		m.Observe(f)
		if len(f.Runs) == 0 && !asJSON {
			a.note("no runs yet: 'levada run FILE' makes one")
			return nil
		}
		if !m.OnTheWay() {
			break
		}
		if err := pause(ctx, reportEvery); err != nil {
			return err
		}
	}
	if asJSON {
		return a.printJSON(topRuns(f))
	}
	m.Snapshot(a.stdout)
	return nil
}

// topLines prints a line for each run that is on its way until ctx ends, which is how
// such a top is stopped.
func (a *app) topLines(ctx context.Context, look *lookout, m *top.Model, interval time.Duration) error {
	trouble := ""
	for {
		f := look.facts(ctx, noRun)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // told to stop: that is how it ends
		}
		m.Observe(f)
		for _, line := range m.Lines() {
			if _, err := fmt.Fprintln(a.stdout, line); err != nil {
				return fmt.Errorf("print: %w", err)
			}
		}
		if f.Trouble != trouble {
			if trouble = f.Trouble; trouble != "" {
				a.note("%s", trouble)
			}
		}
		if err := pause(ctx, interval); err != nil {
			return nil //nolint:nilerr // as above
		}
	}
}

// topOn shows the model on a terminal until somebody quits or ctx ends.
//
//	lookout ─facts─► program ─► terminal
//	   ▲                │
//	   └─ chosen run ───┘ whose edges are asked about
func topOn(ctx context.Context, out *os.File, look *lookout, m *top.Model, interval time.Duration) error {
	chosen := make(chan string, 1) // the latest; one that nobody has taken is replaced
	p := top.NewProgram(m, os.Stdin, out, os.Environ(), func(run string) {
		select {
		case <-chosen:
		default:
		}
		chosen <- run
	})
	looking, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		keepLooking(looking, look, interval, chosen, p.Show)
	}()
	err := p.Run(ctx)
	stop()
	<-done
	return err
}

// keepLooking shows facts at every interval, and at once when another run is chosen.
func keepLooking(ctx context.Context, look *lookout, interval time.Duration, chosen <-chan string, show func(top.Facts)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	run := ""
	for {
		f := look.facts(ctx, func(id string) bool { return id == run })
		if ctx.Err() != nil {
			return
		}
		show(f)
		for again := false; !again; {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				again = true
			case now := <-chosen:
				again = now != run
				run = now
			}
		}
	}
}

func everyRun(string) bool { return true }
func noRun(string) bool    { return false }
