package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/pipeline"
)

// A completion is what a shell offers while a command line is typed.
type completion = func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeFor bounds how long a shell waits for the runs of a server.
const completeFor = 2 * time.Second

// completeFiles offers files with one of the endings; of any when none is named.
func completeFiles(endings ...string) completion {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(endings) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return endings, cobra.ShellCompDirectiveFilterFileExt
	}
}

// completeSpec offers YAML files for the one argument of a command.
func completeSpec(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeFiles("yaml", "yml")(cmd, args, begun)
}

func completeDirectories(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// completeRun offers the runs that the command would find, the newest first, those for which
// of is true; nil is all.
func (a *app) completeRun(state *stateFlag, remote *serverFlags, of func(report.Line) bool) completion {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const still = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
		if len(args) > 0 {
			return nil, still
		}
		a.mute()
		ctx, cancel := context.WithTimeout(cmd.Context(), completeFor)
		defer cancel()
		lines, err := a.runs(ctx, *state, *remote)
		if err != nil {
			return nil, still
		}
		slices.Reverse(lines)
		var offered []cobra.Completion
		for _, l := range lines {
			if strings.HasPrefix(l.Run, begun) && (of == nil || of(l)) {
				offered = append(offered, cobra.CompletionWithDesc(l.Run, l.Pipeline+" "+l.Status+" "+l.Started.Local().Format(time.DateTime)))
			}
		}
		return offered, still
	}
}

// completeRunAndStage offers runs, and behind one of them its stages.
func (a *app) completeRunAndStage(state *stateFlag, remote *serverFlags, of func(report.Line) bool) completion {
	runs := a.completeRun(state, remote, of)
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) == 1 {
			return a.completeStage(cmd.Context(), *state, *remote, args[0])
		}
		return runs(cmd, args, begun)
	}
}

// completeManifest offers the runs that have left a manifest in the output that is the first
// argument, the newest first.
func (a *app) completeManifest(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const still = cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	if len(args) == 0 {
		return nil, still
	}
	a.mute()
	ctx, cancel := context.WithTimeout(cmd.Context(), completeFor)
	defer cancel()
	out, _ := sink.Outputs(ctx, args[0], storage.S3Options{}) // what can be read is offered
	if out == nil {
		return nil, still
	}
	var offered []cobra.Completion
	for _, m := range slices.Backward(out.Manifests) {
		if strings.HasPrefix(m.Run, begun) {
			offered = append(offered, cobra.CompletionWithDesc(m.Run, fmt.Sprintf("%s %s %s", m.Pipeline, m.Status, m.Created.Local().Format(time.DateTime))))
		}
	}
	return offered, still
}

// completeStage offers the stages of a run that is on its way.
func (a *app) completeStage(ctx context.Context, state stateFlag, remote serverFlags, run string) ([]cobra.Completion, cobra.ShellCompDirective) {
	const still = cobra.ShellCompDirectiveNoFileComp
	a.mute()
	ctx, cancel := context.WithTimeout(ctx, completeFor)
	defer cancel()
	srv, id, err := a.findLive(ctx, run, remote, state)
	if err != nil {
		return nil, still
	}
	defer srv.conn.Close()
	rec, err := srv.conn.Lookup(ctx, id)
	if err != nil {
		return nil, still
	}
	var offered []cobra.Completion
	for _, e := range rec.Edges {
		offered = append(offered, e.Stage)
	}
	return offered, still
}

// findLive is find for a question that is not worth starting a server for.
func (a *app) findLive(ctx context.Context, run string, remote serverFlags, state stateFlag) (*server, flow.RunID, error) {
	cfg := localConfig("levada-cli")
	cfg.ReadOnly = true
	s, err := a.own(state)
	if remote.named() || err != nil || s == "" {
		return a.findRemote(ctx, run, remote, cfg)
	}
	found, err := s.Find(run)
	if err != nil && a.serverInEnvironment() {
		return a.findRemote(ctx, run, remote, cfg)
	}
	if err != nil {
		return nil, "", err
	}
	srv, err := a.attach(ctx, found.Home, cfg)
	return srv, flow.RunID(found.Run), err
}

// completeStagesOfRuns offers the stages of all runs of the server that are on their way.
func (a *app) completeStagesOfRuns(remote *serverFlags) completion {
	return func(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		const still = cobra.ShellCompDirectiveNoFileComp
		a.mute()
		ctx, cancel := context.WithTimeout(cmd.Context(), completeFor)
		defer cancel()
		conn, err := a.connect(ctx, *remote, flow.Config{Name: "levada-cli", ReadOnly: true}, 0)
		if err != nil {
			return nil, still
		}
		defer conn.Close()
		recs, err := a.records(ctx, conn)
		if err != nil {
			return nil, still
		}
		var offered []cobra.Completion
		for _, r := range recs {
			spec, err := pipeline.Parse(r.Pipeline, []byte(r.Spec))
			if err != nil || r.Status != flow.StatusActive {
				continue
			}
			for _, st := range spec.Stages {
				if !slices.Contains(offered, st.Name) {
					offered = append(offered, st.Name)
				}
			}
		}
		return offered, still
	}
}

// mute leaves the terminal to the shell: no log, no progress. Nothing of the kind was set up
// yet: cobra asks before a command runs.
func (a *app) mute() {
	a.screen = progress.NewScreen(io.Discard, progress.Options{Quiet: true})
	a.log = slog.New(slog.DiscardHandler)
}

// complete says what shells offer for a flag of a command that takes one of some words.
func complete(cmd *cobra.Command, flag string, words ...string) {
	// The error is that of a flag that is not there, or was said twice: a test runs this.
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err)
	}
}

func completeWith(cmd *cobra.Command, flag string, f completion) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

// onItsWay and unfinished are the runs that commands are for.
func onItsWay(l report.Line) bool { return l.Status == home.Active }

func unfinished(l report.Line) bool { return l.Status == home.Active || l.Status == home.Interrupted }
