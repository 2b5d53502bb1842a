package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	natsserver "github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/top"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/internal/telemetry"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// onlyLooks lets the user "looker" send the requests that read and hear the reports, and
// nothing else. Everybody else may do everything.
func onlyLooks(o *natsserver.Options) {
	allow := func(subjects ...string) *natsserver.SubjectPermission {
		return &natsserver.SubjectPermission{Allow: subjects}
	}
	o.Users = []*natsserver.User{{Username: "all", Password: "all"}, {Username: "looker", Password: "looker", Permissions: &natsserver.Permissions{
		Publish:   allow("$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*"),
		Subscribe: allow("_INBOX.>", "levada.stats.>"),
	}}}
	o.NoAuthUser = "all"
}

// lookoutOf returns a lookout on a server, as the user who may only look.
func lookoutOf(t *testing.T, s *stack.Stack) *lookout {
	t.Helper()
	a := &app{getenv: func(string) string { return "" }, stdout: io.Discard, stderr: io.Discard}
	var err error
	a.log, err = telemetry.NewLogger(t.Output(), "warn", telemetry.FormatText)
	require.NoError(t, err)
	l, err := a.newLookout(t.Context(), serverFlags{url: s.Server.URL(), user: "looker", password: "looker"}, stateFlag{})
	require.NoError(t, err)
	t.Cleanup(l.close)
	return l
}

// kept is all that a server keeps: streams with the messages in them, and consumers.
func kept(t *testing.T, s *stack.Stack) []string {
	t.Helper()
	js := s.Server.JetStream(t)
	var all []string
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		all = append(all, fmt.Sprintf("%s %d", info.Config.Name, info.State.LastSeq))
		stream, err := js.Stream(t.Context(), info.Config.Name)
		require.NoError(t, err)
		consumers := stream.ListConsumers(t.Context())
		for c := range consumers.Info() {
			all = append(all, info.Config.Name+" "+c.Name)
		}
		require.NoError(t, consumers.Err())
	}
	require.NoError(t, streams.Err())
	slices.Sort(all)
	return all
}

func topSpec(out string, rows int) string {
	return fmt.Sprintf(`apiVersion: levada/v1
name: watched
source: { range: { rows: %d } }
stages: [{ name: thin, transform: [{ filter: "id %% 2 == 0" }] }]
sink: { parquet: { uri: %q } }
`, rows, out)
}

func TestTopOnlyLooks(t *testing.T) {
	s := stack.New(t, natstest.Listen(), natstest.Configure(onlyLooks))
	look := lookoutOf(t, s)
	f := look.facts(t.Context(), everyRun)
	require.Empty(t, f.Trouble)
	require.Empty(t, f.Runs)
	require.Empty(t, kept(t, s), "not even the bucket of runs is made")

	id := s.Submit(t, topSpec(filepath.Join(t.TempDir(), "out"), 50_000), nil) // nobody serves it
	before := kept(t, s)
	for range 3 {
		f = look.facts(t.Context(), everyRun)
		require.Empty(t, f.Trouble)
		require.Len(t, f.Runs, 1)
	}
	r := f.Runs[0]
	require.Equal(t, string(id), r.ID)
	require.Equal(t, "active", r.Status)
	require.Equal(t, "planning", r.Phase)
	require.Equal(t, []string{"source", "thin", "sink"}, r.Stages)
	require.Equal(t, int64(32<<20), r.Edges[1].MaxBytes)
	require.Empty(t, r.Waits, "that is not known yet")
	look.remote.active[id].since = time.Time{}
	require.Equal(t, "a levada reader", look.facts(t.Context(), noRun).Runs[0].Waits)

	subject := flow.StatsSubject(id, "source", "x")
	require.Equal(t, 1, s.Server.Interest(subject))
	look.close()
	require.Eventually(t, func() bool { return s.Server.Interest(subject) == 0 }, stack.Limit, time.Millisecond)
	require.Equal(t, before, kept(t, s), "it leaves nothing")
}

func TestTopFollowsARunToItsEnd(t *testing.T) {
	s := stack.New(t, natstest.Listen(), natstest.Configure(onlyLooks))
	look := lookoutOf(t, s)
	id := s.Submit(t, topSpec(filepath.Join(t.TempDir(), "out"), 50_000), nil)
	s.Start(t, reader.New(reader.Config{Tasks: 2}), transform.New(transform.Config{Workers: 2}))
	s.Start(t, transform.New(transform.Config{Workers: 1}))
	var r top.Run
	look1 := func() {
		f := look.facts(t.Context(), everyRun)
		require.Empty(t, f.Trouble)
		r = f.Runs[0]
	}
	// Without a writer all rows come to rest in the last edge.
	instances := func(stage string) (n int, in int64) {
		for _, s := range r.Reports {
			if s.Stage == stage {
				n, in = n+1, in+s.RowsIn
			}
		}
		return n, in
	}
	require.Eventually(t, func() bool {
		look1()
		n, in := instances("thin")
		return n == 2 && in == 50_000 && r.Edges[1].Blocks > 0
	}, stack.Limit, 20*time.Millisecond, "two instances report that they have all rows")
	require.Equal(t, "active", r.Status)
	require.Equal(t, int64(50_000), r.Planned)
	require.Zero(t, r.Covered)
	require.Positive(t, r.Edges[1].Bytes)
	look.remote.active[id].since = time.Time{}
	look1()
	require.Equal(t, "a levada writer", r.Waits)

	s.Start(t, writer.New(writer.Config{}))
	require.Eventually(t, func() bool {
		look1()
		return r.Status != "active"
	}, stack.Limit, 20*time.Millisecond)
	require.Equal(t, "done", r.Status, r.Reason)
	require.Equal(t, int64(50_000), r.Covered)
	require.Equal(t, int64(25_000), r.Written)
	require.False(t, r.Ended.IsZero())
	_, in := instances("sink")
	require.Equal(t, int64(25_000), in, "as its keeper saw it at the end")
	require.Empty(t, look.remote.active)
	look1()
	require.Equal(t, "done", r.Status)
}

func TestTopSaysWhatItCannotRead(t *testing.T) {
	s := stack.New(t, natstest.Listen(), natstest.Configure(onlyLooks))
	s.Submit(t, topSpec(filepath.Join(t.TempDir(), "out"), 10), nil)
	look := lookoutOf(t, s)
	require.Len(t, look.facts(t.Context(), everyRun).Runs, 1)
	s.Server.Shutdown()
	require.NotEmpty(t, look.facts(t.Context(), everyRun).Trouble)
	s.Server.Restart()
	require.Eventually(t, func() bool {
		f := look.facts(t.Context(), everyRun)
		return f.Trouble == "" && len(f.Runs) == 1
	}, stack.Limit, 20*time.Millisecond, "it sees again by itself")
}

// The embedded server of a run on this machine is found while it is there, and none is
// started when it is not.
func TestTopOfThisMachine(t *testing.T) {
	dir := t.TempDir()
	state := filepath.Join(dir, "state")
	spec := filepath.Join(dir, "spec.yaml")
	writeFile(t, spec, topSpec(filepath.Join(dir, "out"), 1_000_000_000)) // more than the test lasts
	none := func(string) string { return "" }
	a := &app{getenv: none, stdout: io.Discard, stderr: io.Discard}
	var err error
	a.log, err = telemetry.NewLogger(t.Output(), "warn", telemetry.FormatText)
	require.NoError(t, err)
	look, err := a.newLookout(t.Context(), serverFlags{}, stateFlag{dir: state})
	require.NoError(t, err)
	defer look.close()
	require.Empty(t, look.facts(t.Context(), everyRun).Runs)

	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"run", spec, "--state-dir", state}, none, io.Discard, t.Output()) }()
	var r top.Run
	require.Eventually(t, func() bool {
		f := look.facts(t.Context(), everyRun)
		if len(f.Runs) == 0 || len(f.Runs[0].Reports) < 3 {
			return false
		}
		r = f.Runs[0]
		return true
	}, stack.Limit, 20*time.Millisecond)
	require.Equal(t, "active", r.Status)
	require.Equal(t, "watched", r.Pipeline)
	require.Len(t, r.Edges, 2)
	require.Len(t, look.local, 1)

	stop()
	interrupted := (*InterruptedError)(nil)
	require.ErrorAs(t, <-ended, &interrupted)
	f := look.facts(t.Context(), everyRun)
	require.Empty(t, f.Trouble)
	require.Equal(t, home.Interrupted, f.Runs[0].Status)
	require.Nil(t, f.Runs[0].Stages)
	require.Empty(t, look.local, "what is gone is let go")
}

func TestTopPrintsLinesWhereThereIsNoTerminal(t *testing.T) {
	s := stack.New(t, natstest.Listen())
	id := s.Submit(t, topSpec(filepath.Join(t.TempDir(), "out"), 10), nil)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	in, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := run(ctx, []string{"top", "--nats", s.Server.URL(), "--interval", "100ms"}, func(string) string { return "" }, out, t.Output())
		ended <- err
		out.Close()
	}()
	lines := bufio.NewScanner(in)
	for range 3 {
		require.True(t, lines.Scan())
		require.Equal(t, string(id)+" watched: planning", lines.Text())
	}
	stop()
	for lines.Scan() { // what was on its way
	}
	require.NoError(t, <-ended, "to be stopped is how it ends")
}

func TestTopOnce(t *testing.T) {
	s := stack.New(t, natstest.Listen())
	id := s.Submit(t, topSpec(filepath.Join(t.TempDir(), "out"), 50_000), nil)
	s.Start(t, reader.New(reader.Config{Tasks: 2}), transform.New(transform.Config{Workers: 2}))
	var stdout bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"top", "--once", "--nats", s.Server.URL()}, func(string) string { return "" }, &stdout, t.Output()))
	text := stdout.String()
	require.Contains(t, text, "watched "+string(id)+": waits for a levada writer, 0 of 50,000 rows settled")
	require.Regexp(t, `\nthin +\w+ +1 +`, text)
	require.Regexp(t, `\nsink +nobody +0 +`, text)
	require.Contains(t, text, "thin: 50.0k rows in, 25.0k out, edge ")
	require.NotContains(t, text, "\x1b")
	for line := range strings.Lines(text) {
		require.Equal(t, strings.TrimRight(line, " \n")+"\n", line)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
}
