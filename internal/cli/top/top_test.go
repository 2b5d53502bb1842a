package top_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/progress"
	"github.com/levada-data/levada/internal/cli/top"
	"github.com/levada-data/levada/pkg/flow"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	customers = "01k7xq3v9c8e5w2n6m4r1t0y7z"
	flights   = "01k7xq5aaaaaaaaaaaaaaaaaaa"
	nightly   = "01k7xp2bbbbbbbbbbbbbbbbbbb"
	broken    = "01k7xn1ccccccccccccccccccc"
	left      = "01k7xm0ddddddddddddddddddd"
)

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// report is what an instance says after it has worked for d, at so many rows a second.
func report(stage, instance, state string, d time.Duration, in, out, waitIn, working, waitOut float64) flow.Stats {
	s := d.Seconds()
	return flow.Stats{
		V: 1, Stage: stage, Instance: instance, State: state, Started: began, At: began.Add(d),
		RowsIn: int64(in * s), RowsOut: int64(out * s),
		WaitIn: time.Duration(waitIn * float64(d)), Working: time.Duration(working * float64(d)), WaitOut: time.Duration(waitOut * float64(d)),
		CPU: time.Duration(0.9 * working * float64(d)),
	}
}

// after is what is known when the run of the customers has taken d.
func after(d time.Duration) top.Facts {
	at := began.Add(d)
	slow := report("refine", "host-b-4711", "working", d, 190_000, 95_000, 0.02, 1.9, 0.08)
	slow.Redelivered, slow.Errors = 3, 1
	return top.Facts{At: at, Where: "nats://127.0.0.1:4222", Runs: []top.Run{
		{
			ID: nightly, Pipeline: "nightly", Sink: "s3://lake/nightly", Status: "done", Planned: 3_000_000, Covered: 3_000_000, Written: 2_400_000,
			Submitted: began.Add(-time.Hour), Ended: began.Add(-time.Hour + 95*time.Second), Stages: []string{"source", "sink"},
			Reports: []flow.Stats{report("source", "host-a-17", "waiting", 95*time.Second, 31_579, 31_579, 0, 0.4, 0.6), report("sink", "host-a-18", "waiting", 95*time.Second, 31_579, 25_263, 0.6, 0.4, 0)},
		},
		{
			ID: customers, Pipeline: "customers", Sink: "/data/out/customers", Status: "active", Phase: "running",
			Planned: 20_000_000, Covered: int64(300_000 * d.Seconds()), Written: int64(150_000 * d.Seconds()), Dead: 12,
			Submitted: began.Add(-2 * time.Second), Stages: []string{"source", "refine", "sink"},
			Edges: []top.Edge{
				{Stage: "source", Depth: flow.Depth{Blocks: 62, Bytes: 248 << 20, MaxBytes: 256 << 20}},
				{Stage: "refine", Depth: flow.Depth{Blocks: 7, Bytes: 12 << 20, MaxBytes: 64 << 20}},
			},
			Reports: []flow.Stats{
				report("source", "host-a-4710", "reading", d, 600_000, 600_000, 0, 0.1, 0.9),
				report("refine", "host-a-4711", "working", d, 210_000, 105_000, 0.02, 1.9, 0.08),
				slow,
				report("sink", "host-a-4712", "writing", d, 200_000, 200_000, 0.7, 0.3, 0),
			},
		},
		{
			ID: flights, Pipeline: "flights", Sink: "/data/out/flights", Status: "active", Phase: "planning", Waits: "a levada reader",
			Submitted: began, Stages: []string{"source", "sink"},
		},
		{
			ID: broken, Pipeline: "broken", Sink: "/data/out/broken", Status: "failed", Reason: `decode block: column "fare": offset past end`, Planned: 1000, Covered: 400,
			Submitted: began.Add(-2 * time.Hour), Ended: began.Add(-2*time.Hour + 3*time.Second), Stages: []string{"source", "sink"},
		},
		{
			ID: left, Pipeline: "left", Sink: "/data/out/left", Status: "interrupted", Planned: 1000, Covered: 400, Submitted: began.Add(-3 * time.Hour),
		},
	}}
}

// watching returns a model that has watched for ten seconds.
func watching(width, height int) *top.Model {
	m := top.New(progress.Style{Unicode: true})
	m.Resize(width, height)
	for s := range 11 {
		m.Observe(after(time.Duration(s+1) * time.Second))
	}
	return m
}

func press(m *top.Model, keys ...string) {
	for _, k := range keys {
		m.Key(k)
	}
}

// shown is a frame as a terminal shows it. It must fill the screen exactly, and never wrap.
func shown(t *testing.T, m *top.Model, width, height int) string {
	t.Helper()
	m.Resize(width, height)
	lines := strings.Split(m.Frame(), "\n")
	require.Len(t, lines, height)
	for i, l := range lines {
		require.LessOrEqual(t, ansi.StringWidth(l), width, "line %d: %q", i, l)
		lines[i] = strings.TrimRight(ansi.Strip(l), " ")
	}
	return strings.Join(lines, "\n") + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestFrames(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {40, 20}} {
		for name, keys := range map[string][]string{
			"runs": {"down"}, "waiting": {}, "stages": {"down", "enter", "down"}, "instances": {"down", "tab", "j", "tab", "j"},
			"failed": {"end", "up"}, "interrupted": {"G"}, "done": {"down", "down", "enter"}, "help": {"?"},
		} {
			file := fmt.Sprintf("%s-%dx%d", name, size[0], size[1])
			t.Run(file, func(t *testing.T) {
				m := watching(size[0], size[1])
				press(m, keys...)
				golden(t, file, shown(t, m, size[0], size[1]))
			})
		}
	}
}

func TestFrameOfNothing(t *testing.T) {
	m := top.New(progress.Style{})
	require.Contains(t, shown(t, m, 80, 24), "looking ...")
	m.Observe(top.Facts{At: began, Where: "this machine"})
	require.Contains(t, shown(t, m, 80, 24), "no runs yet")
	press(m, "enter", "tab", "down", "up", "end", "s", "a")
	require.Contains(t, shown(t, m, 80, 24), "no runs yet")
}

func TestFramesOfAnySizeFit(t *testing.T) {
	for _, keys := range [][]string{{}, {"down", "enter"}, {"down", "enter", "enter"}, {"?"}} {
		m := watching(80, 24)
		press(m, keys...)
		for width := 1; width <= 200; width += 3 {
			for height := 2; height <= 60; height += 7 {
				shown(t, m, width, height)
			}
		}
		m.Resize(0, 0)
		require.Empty(t, m.Frame())
	}
}

func TestWithoutUnicodeAFrameIsASCII(t *testing.T) {
	m := top.New(progress.Style{})
	m.Observe(after(time.Second))
	for _, c := range shown(t, m, 120, 40) {
		require.Less(t, c, rune(0x80), "%q", c)
	}
}

func TestNamesFromElsewhereMoveNoCursor(t *testing.T) {
	f := after(time.Second)
	f.Runs[1].Reports[1].Instance = "\x1b[2Jevil\r\n"
	f.Runs[1].Pipeline = "pipe\x1b]0;title\x07"
	f.Where = "\x1b[31mred"
	f.Trouble = "\x1b[31mtrouble\n"
	m := top.New(progress.Style{})
	m.Observe(f)
	press(m, "down", "enter", "down")
	frame := m.Frame()
	for _, bad := range []string{"\x1b[2J", "\x1b]0", "\r", "\x07", "\x1b[31mtrouble", "\x1b[31mred"} {
		require.NotContains(t, frame, bad)
	}
	require.Contains(t, frame, "evil")
}

func TestChosenRunStaysChosen(t *testing.T) {
	m := watching(80, 24)
	require.Equal(t, flights, m.Chosen(), "the newest that is on its way")
	press(m, "down")
	require.Equal(t, customers, m.Chosen())
	press(m, "s", "s", "s", "s")
	require.Equal(t, customers, m.Chosen(), "in any order")
	press(m, "down")
	require.Equal(t, nightly, m.Chosen())
	press(m, "a")
	require.Equal(t, flights, m.Chosen(), "only those on the way are left")
	press(m, "a")
	f := after(20 * time.Second)
	f.Runs = append(f.Runs, top.Run{ID: "01k7xr0eeeeeeeeeeeeeeeeeee", Pipeline: "new", Status: "active"})
	press(m, "down")
	m.Observe(f)
	require.Equal(t, customers, m.Chosen(), "a newer run does not push it away")
}

func TestOrders(t *testing.T) {
	m := watching(80, 40)
	order := func() []string {
		var pipelines []string
		for _, l := range strings.Split(shown(t, m, 80, 40), "\n")[2:7] {
			pipelines = append(pipelines, strings.Fields(strings.TrimPrefix(l, ">"))[1])
		}
		return pipelines
	}
	require.Equal(t, []string{"flights", "customers", "nightly", "broken", "left"}, order())
	for _, want := range [][]string{
		{"customers", "flights", "nightly", "broken", "left"},
		{"flights", "customers", "broken", "left", "nightly"},
		{"customers", "flights", "broken", "left", "nightly"},
		{"flights", "customers", "nightly", "broken", "left"},
	} {
		press(m, "s")
		require.Equal(t, want, order(), "%s", shown(t, m, 80, 40))
	}
}

func TestKeysQuit(t *testing.T) {
	m := watching(80, 24)
	for _, k := range []string{"x", "esc", "enter", "?", "esc", "space"} {
		require.False(t, m.Key(k), k)
	}
	require.True(t, m.Key("q"))
	require.True(t, m.Key("ctrl+c"))
	press(m, "?")
	require.True(t, m.Key("q"), "in the help, too")
}

func TestLongListsScroll(t *testing.T) {
	f := top.Facts{At: began}
	for i := range 100 {
		f.Runs = append(f.Runs, top.Run{ID: fmt.Sprintf("run-%05d-%08d", i, i), Pipeline: fmt.Sprintf("p%d", i), Status: "active", Submitted: began.Add(-5000 * time.Hour)})
	}
	m := top.New(progress.Style{})
	m.Observe(f)
	first := shown(t, m, 80, 24)
	require.Contains(t, first, " p99 ")
	require.Regexp(t, ` 1-\d+ of 100 `, first)
	press(m, "end")
	require.Contains(t, shown(t, m, 80, 24), "> 00000000 p0 ")
	press(m, "pgup")
	require.NotContains(t, shown(t, m, 80, 24), "> 00000000 p0 ")
	press(m, "g")
	require.Equal(t, first, shown(t, m, 80, 24))
}

func TestTroubleIsShownAndTheRunsStay(t *testing.T) {
	m := watching(80, 24)
	m.Observe(top.Facts{At: began.Add(12 * time.Second), Trouble: "list runs: no answer"})
	frame := shown(t, m, 80, 24)
	require.Contains(t, frame, "list runs: no answer")
	require.Contains(t, frame, "customers")
}

func TestInstanceThatFallsSilentIsNoLongerCounted(t *testing.T) {
	m := watching(120, 40)
	for s := range 7 {
		f := after(time.Duration(12+s) * time.Second)
		f.Runs[1].Reports[2] = after(11 * time.Second).Runs[1].Reports[2] // host-b died
		m.Observe(f)
	}
	press(m, "down", "enter", "down")
	frame := shown(t, m, 120, 40)
	require.Regexp(t, `refine +working +1 .* 210k/s +105k/s`, frame)
	require.Regexp(t, `host-b-4711 +silent +11s +- +- `, frame)
}

func TestRunWhoseServerIsGoneKeepsItsStages(t *testing.T) {
	m := watching(80, 24)
	press(m, "down")
	f := after(12 * time.Second)
	f.Runs[1] = top.Run{ // from its note
		ID: customers, Pipeline: "customers", Status: "done", Planned: 20_000_000, Covered: 20_000_000, Submitted: began.Add(-2 * time.Second), Ended: began.Add(12 * time.Second),
	}
	m.Observe(f)
	require.Regexp(t, `refine +ended`, shown(t, m, 80, 24))
}

func TestLinesNameRunsOnTheWayAndEndsOnce(t *testing.T) {
	m := watching(80, 24)
	lines := m.Lines()
	require.Equal(t, []string{
		customers + " customers: 21%, 4,300,000 of 20,000,000 rows, 400k/s, 39s left",
		flights + " flights: waiting for a levada reader",
	}, lines)
	f := after(12 * time.Second)
	f.Runs[1].Status, f.Runs[1].Reason, f.Runs[1].Ended = "failed", "no room", began.Add(12*time.Second)
	m.Observe(f)
	require.Equal(t, customers+" customers: failed after 14.0s, 3,600,000 of 20,000,000 rows settled: no room", m.Lines()[0])
	m.Observe(f)
	require.Len(t, m.Lines(), 1, "said once")
}

func TestSnapshot(t *testing.T) {
	m := watching(80, 24)
	var b bytes.Buffer
	m.Snapshot(&b)
	golden(t, "snapshot", b.String())
}
