package main

import (
	"bytes"
	"encoding/json"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/traffic"
	"github.com/levada-data/levada/internal/generate"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// A column that the output has and that does not travel is told from one that is not there.
func TestTapSaysThatAColumnDoesNotTravel(t *testing.T) {
	for _, c := range []struct {
		stage string
		flags []string
		says  []string
	}{
		{"source", []string{"--columns", "email,visits"}, []string{`--columns: columns "visits", "email" do not travel in the blocks of source`, "carry: touched", "carry: all"}},
		{"refine", []string{"--where", "visits > 3 && eur > 1.0"}, []string{`--where: column "visits" does not travel in the blocks of refine`}},
		{"refine", []string{"--columns", "emial"}, []string{`column "emial" does not exist here`}},
		{"refine", []string{"--where", "visits > eurr"}, []string{"eurr"}},
	} {
		s := stack.New(t, natstest.Listen())
		data, out := filepath.Join(t.TempDir(), "data"), filepath.Join(t.TempDir(), "out")
		_, err := generate.Customers(t.Context(), generate.Options{Rows: 2000, Files: 1, Dir: data}, nil)
		require.NoError(t, err)
		id := s.Submit(t, `apiVersion: levada/v1
name: tap
source: { parquet: { uri: "`+data+`/*.parquet" } }
stages: [{ name: refine, transform: [{ with: { eur: "amount * 0.92" } }] }]
sink: { parquet: { uri: "`+out+`" } }
policies: { carry: touched }
`, nil)
		subject := flow.BlocksSubject(id, c.stage)
		before := s.Server.Interest(subject)
		done := make(chan error, 1)
		go func() {
			args := append([]string{"tap", string(id), c.stage, "--nats", s.Server.URL()}, c.flags...)
			done <- run(t.Context(), args, func(string) string { return "" }, io.Discard, io.Discard)
		}()
		require.Eventually(t, func() bool { return s.Server.Interest(subject) > before || len(done) > 0 }, stack.Limit, time.Millisecond)
		s.Start(t, stack.All()...)
		require.Equal(t, flow.StatusDone, s.Await(t, id).Status)
		err = <-done
		require.Equal(t, exitUsage, exitCode(err), "%v", err)
		for _, text := range c.says {
			require.ErrorContains(t, err, text)
		}
	}
}

// tapped runs 'levada tap' over a whole run of the numbers from 0 to 49,999, of which the
// stage thin keeps every third, and returns what it wrote, and how it ended.
func tapped(t *testing.T, stage string, flags ...string) (stdout, stderr string, err error) {
	t.Helper()
	s := stack.New(t, natstest.Listen())
	out := filepath.Join(t.TempDir(), "out")
	id := s.Submit(t, `apiVersion: levada/v1
name: tap
source: { range: { rows: 50_000 } }
stages: [{ name: thin, transform: [{ filter: "id % 3 == 0" }, { with: { twice: "id * 2" } }] }]
sink: { parquet: { uri: "`+out+`" } }
`, nil)
	subject := flow.BlocksSubject(id, stage)
	before := s.Server.Interest(subject)
	var o, e bytes.Buffer
	done := make(chan error, 1)
	go func() {
		args := append([]string{"tap", string(id), stage, "--nats", s.Server.URL()}, flags...)
		done <- run(t.Context(), args, func(string) string { return "" }, &o, &e)
	}()
	require.Eventually(t, func() bool { return s.Server.Interest(subject) > before || len(done) > 0 }, stack.Limit, time.Millisecond)
	s.Start(t, stack.All()...)
	rec := s.Await(t, id)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	require.Len(t, stack.Rows(t, out), 16_667, "the run has all rows, whoever listens")
	err = <-done
	return o.String(), e.String(), err
}

func TestTapShowsEveryRowThatPasses(t *testing.T) {
	stdout, stderr, err := tapped(t, "thin", "--follow", "--where", "id >= 30000", "--columns", "twice", "--format", "csv")
	require.NoError(t, err, stderr)
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	require.Equal(t, "twice", lines[0])
	got := make([]int, 0, len(lines))
	for _, l := range lines[1:] {
		n, err := strconv.Atoi(l)
		require.NoError(t, err)
		got = append(got, n)
	}
	slices.Sort(got)
	var want []int
	for id := 30_000; id < 50_000; id++ {
		if id%3 == 0 {
			want = append(want, 2*id)
		}
	}
	require.Equal(t, want, got)
	require.Contains(t, stderr, "the run has ended")
}

func TestTapStopsWhenItHasEnough(t *testing.T) {
	stdout, stderr, err := tapped(t, "source", "--rows", "7", "--format", "json")
	require.NoError(t, err)
	require.Equal(t, 7, strings.Count(stdout, "\n"))
	require.Contains(t, stdout, `{"id":`)
	require.Contains(t, stderr, "7 rows of 1 block from source: that was enough")
}

// The same rows are sampled whatever the stage, and about as many as asked for.
func TestTapSamplesTheSameRows(t *testing.T) {
	source, _, err := tapped(t, "source", "--follow", "--sample", "0.1", "--where", "id % 3 == 0", "--format", "csv")
	require.NoError(t, err)
	thin, _, err := tapped(t, "thin", "--follow", "--sample", "0.1", "--columns", "id", "--format", "csv")
	require.NoError(t, err)
	a, b := strings.Split(source, "\n"), strings.Split(thin, "\n")
	slices.Sort(a)
	slices.Sort(b)
	require.Equal(t, a, b)
	require.InDelta(t, 1667, len(a), 250)
}

// The statistics of a whole run add up to its books.
func TestTapStatsAddUp(t *testing.T) {
	stdout, stderr, err := tapped(t, "thin", "--stats", "--format", "json")
	require.NoError(t, err, stderr)
	var rows, covered, latencies int64
	for line := range strings.Lines(stdout) {
		var f traffic.Flow
		require.NoError(t, json.Unmarshal([]byte(line), &f))
		require.Equal(t, "thin", f.Stage)
		rows, covered, latencies = rows+f.Rows, covered+f.Covered, latencies+f.Latency.Blocks
	}
	require.EqualValues(t, 16_667, rows)
	require.EqualValues(t, 50_000, covered)
	require.Positive(t, latencies)
}

func TestTapStatsSayTheSchema(t *testing.T) {
	stdout, _, err := tapped(t, "thin", "--stats")
	require.NoError(t, err)
	require.Contains(t, stdout, "16,667 rows in")
	require.Contains(t, stdout, ": id int64, twice int64")
	require.NotContains(t, stdout, "source:")
}

func TestTapSaysWhatIsWrongWithTheView(t *testing.T) {
	for _, c := range []struct{ flag, value, says string }{
		{"--where", "idd > 1", "idd"},
		{"--where", "id + 1", "true or false"},
		{"--columns", "id,twize", `"twize"`},
	} {
		_, _, err := tapped(t, "thin", c.flag, c.value)
		require.ErrorContains(t, err, c.flag+": ")
		require.ErrorContains(t, err, c.says)
		require.Equal(t, exitUsage, exitCode(err))
	}
}
