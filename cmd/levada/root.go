package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/internal/embedded"
	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/telemetry"
)

// app is what all commands have in common.
type app struct {
	getenv         func(string) string
	stdout, stderr io.Writer

	// Flags that every command has.
	logLevel, logFormat string

	set []string // --set, of the commands that read a pipeline

	running bool // the command line was understood: errors are no longer about it
	screen  *progress.Screen
	log     *slog.Logger
}

// run is the program: it does what args say and returns when that is done, or when
// ctx has ended and what was in flight is settled. Its error goes to [exitCode] and
// [tell].
func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	if err := fault.Enable(getenv); err != nil {
		return &codeError{exitUsage, err}
	}
	out := &output{to: stdout}
	a := &app{getenv: getenv, stdout: out, stderr: stderr}
	root := a.root() //nolint:contextcheck // a verb takes the command's context, which ExecuteContextC sets
	root.SetArgs(args)
	root.SetOut(out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if a.screen != nil {
		a.screen.Close()
	}
	if err != nil && !a.running {
		return usagef("%w\nrun '%s --help' for usage", err, cmd.CommandPath())
	}
	if lost := out.failed(); lost != nil && (err == nil || errors.Is(err, errTold)) {
		lost = environmentf("standard output: what was to be printed is lost: %w", lost)
		if cmd.GroupID != "run" {
			return lost
		}
		// What the command did is done. An exit code that invites to do it again might double it.
		tell(stderr, lost, colours(stderr, getenv))
	}
	return err
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "levada",
		Short: "Move columnar data through independent services, every row exactly once",
		Long: `Levada moves Parquet data through pipelines: Arrow record batches flow over NATS
JetStream through independent services, and every row arrives exactly once.

  levada generate customers --rows 1000000 --out data/customers
  levada run examples/customers.yaml

Exit codes: 0 done; 1 the run failed, was cancelled or interrupted; 2 the command
line or the spec is wrong; 3 the environment (no server, no permission, no room,
a lock).`,
		Version:       build(),
		SilenceErrors: true, // main tells them
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return a.prepare(cmd)
		},
	}
	root.SetVersionTemplate("levada {{.Version}}\n")
	flags := root.PersistentFlags()
	flags.StringVar(&a.logLevel, "log-level", "", "what to log: debug, info, warn or error (default warn; info for reader, transform and writer)")
	flags.StringVar(&a.logFormat, "log-format", telemetry.FormatText, "of the log: text or json")
	root.AddGroup(
		&cobra.Group{ID: "run", Title: "Run a pipeline:"},
		&cobra.Group{ID: "look", Title: "Look at runs:"},
		&cobra.Group{ID: "spec", Title: "Look at a spec:"},
		&cobra.Group{ID: "data", Title: "Look at data:"},
		&cobra.Group{ID: "role", Title: "Serve runs, as many processes of each as you like:"},
	)
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("run", a.runCommand(), a.resumeCommand(), a.submitCommand(), a.cancelCommand(), a.gcCommand())
	add("look", a.runsCommand(), a.statusCommand(), a.statsCommand(), a.topCommand(), a.scaleCommand(), a.tapCommand(), a.deadCommand())
	add("spec", a.validateCommand(), a.explainCommand())
	add("spec", a.lintCommand(), a.fmtCommand(), a.testCommand(), a.schemaCommand())
	add("data", a.inspectCommand(), a.diffCommand(), a.verifyCommand(), a.manifestCommand())
	add("role", a.readerCommand(), a.transformCommand(), a.writerCommand(), a.readyCommand())
	root.AddCommand(a.generateCommand(), a.versionCommand(), a.manCommand())
	complete(root, "log-level", "debug", "info", "warn", "error")
	complete(root, "log-format", telemetry.FormatText, telemetry.FormatJSON)
	helped(root)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	return root
}

// prepare runs before every command: the command line is understood by now.
func (a *app) prepare(cmd *cobra.Command) error {
	level := a.logLevel
	if level == "" {
		level = "warn"
		if cmd.GroupID == "role" {
			level = "info"
		}
	}
	o := progress.OptionsFor(a.stderr, a.getenv)
	quiet := cmd.Flags().Lookup("no-progress")
	o.Quiet = quiet == nil || quiet.Value.String() == "true"
	a.screen = progress.NewScreen(a.stderr, o)
	log, err := telemetry.NewLogger(a.screen, level, a.logFormat)
	if err != nil {
		return err
	}
	a.log = log
	a.running = true
	return nil
}

// stateFlag is the directory of the homes of `levada run`.
type stateFlag struct{ dir string }

func (s *stateFlag) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.dir, "state-dir", "", "where runs keep their state (default $XDG_STATE_HOME/levada or ~/.local/state/levada)")
}

func (a *app) state(s stateFlag) (home.State, error) {
	if s.dir != "" {
		return home.State(s.dir), nil
	}
	dir, err := embedded.DefaultStateDir(a.getenv)
	if errors.Is(err, embedded.ErrNoStateDir) {
		return "", environmentf("%w (--state-dir DIR)", err)
	}
	return home.State(dir), err
}

// own is where runs of this machine are, for a command that also looks at a server of the
// environment: "" if there is such a server and nothing says where else to look.
func (a *app) own(s stateFlag) (home.State, error) {
	dir, err := a.state(s)
	if errors.Is(err, embedded.ErrNoStateDir) && a.serverInEnvironment() {
		return "", nil
	}
	return dir, err
}

// demoted logs everything one level lower: what the embedded server warns of (that it
// recovers after a kill) it mends itself, and what it cannot mend comes back as an
// error to whom it concerns.
type demoted struct{ slog.Handler }

const oneLevel = slog.LevelInfo - slog.LevelDebug

func (d demoted) Enabled(ctx context.Context, l slog.Level) bool {
	return d.Handler.Enabled(ctx, l-oneLevel)
}

func (d demoted) Handle(ctx context.Context, r slog.Record) error {
	r.Level -= oneLevel
	return d.Handler.Handle(ctx, r)
}

func (d demoted) WithAttrs(attrs []slog.Attr) slog.Handler {
	return demoted{d.Handler.WithAttrs(attrs)}
}
func (d demoted) WithGroup(name string) slog.Handler { return demoted{d.Handler.WithGroup(name)} }

// takes wants one argument for each name; those in [ ] at the end may be left out.
func takes(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(names) && names[len(args)][0] != '[' {
			return fmt.Errorf("%s is missing", names[len(args)])
		}
		if len(args) > len(names) {
			return fmt.Errorf("%q is one argument too many", args[len(names)])
		}
		return nil
	}
}

// note says something to the user that is neither a log nor a result.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.screen, format+"\n", args...)
}
