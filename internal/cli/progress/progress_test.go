package progress

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/levada-data/levada/pkg/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var began = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func report(stage, instance string, in, out int64) flow.Stats {
	return flow.Stats{V: 1, Stage: stage, Instance: instance, Started: began.Add(time.Millisecond), RowsIn: in, RowsOut: out, State: "working"}
}

func tracker() *Tracker { return NewTracker("customers", []string{"source", "clean", "sink"}, began) }

func at(d time.Duration) time.Time { return began.Add(d) }

func TestProgressMovesBeforeTheFirstCommit(t *testing.T) {
	tr := tracker()
	tr.Observe(Facts{At: at(0), Phase: "planning"})
	v := tr.Observe(Facts{At: at(time.Second), Phase: "running", Planned: 1000, Reports: []flow.Stats{
		report("source", "a", 600, 600), report("clean", "a", 500, 250), report("sink", "a", 100, 0),
	}})
	require.Equal(t, int64(200), v.Done, "a hundred rows in the sink are two hundred of the source: half are filtered")
	require.InDelta(t, 200, v.Rate, 0.01)
	require.Equal(t, 4*time.Second, v.Left)
	require.Equal(t, int64(500), v.Stages[1].Rows)
	require.InDelta(t, 250, v.Stages[1].Out, 0.01)
}

func TestCoverageOutranksTheGuessAndProgressNeverFalls(t *testing.T) {
	tr := tracker()
	v := tr.Observe(Facts{At: at(time.Second), Planned: 1000, Covered: 700})
	require.Equal(t, int64(700), v.Done)
	v = tr.Observe(Facts{At: at(2 * time.Second), Planned: 1000, Covered: 200}) // a lost file
	require.Equal(t, int64(700), v.Done)
	v = tr.Observe(Facts{At: at(3 * time.Second), Planned: 1000, Covered: 200, Reports: []flow.Stats{report("clean", "a", 5000, 5000), report("sink", "a", 5000, 0)}})
	require.Equal(t, int64(1000), v.Done, "rows written twice do not exceed the plan")
	require.Equal(t, time.Duration(0), v.Left)
}

func TestResumedRunStartsFromItsCoverage(t *testing.T) {
	tr := tracker()
	tr.Observe(Facts{At: at(0), Planned: 1000, Covered: 400})
	v := tr.Observe(Facts{At: at(time.Second), Planned: 1000, Covered: 400, Reports: []flow.Stats{report("clean", "a", 100, 100), report("sink", "a", 100, 0)}})
	require.Equal(t, int64(500), v.Done)
}

func TestInstancesFromBeforeCountFromTheirFirstReport(t *testing.T) {
	tr := tracker()
	old := report("sink", "a", 300, 0)
	old.Started = began.Add(-time.Minute)
	v := tr.Observe(Facts{At: at(0), Planned: 1000, Covered: 250, Reports: []flow.Stats{old}})
	require.Equal(t, int64(250), v.Done)
	old.RowsIn = 400
	clean := report("clean", "b", 100, 100)
	v = tr.Observe(Facts{At: at(time.Second), Planned: 1000, Covered: 250, Reports: []flow.Stats{old, clean}})
	require.Equal(t, int64(350), v.Done)
}

func TestInstanceThatBeginsAnewAddsToItsPast(t *testing.T) {
	tr := tracker()
	tr.Observe(Facts{At: at(0), Planned: 1000})
	tr.Observe(Facts{At: at(time.Second), Planned: 1000, Reports: []flow.Stats{report("clean", "a", 10, 10), report("sink", "a", 300, 0)}})
	again := report("sink", "a", 50, 0)
	again.Started = began.Add(2 * time.Second)
	v := tr.Observe(Facts{At: at(3 * time.Second), Planned: 1000, Reports: []flow.Stats{again}})
	require.Equal(t, int64(350), v.Done)
}

func TestStageSaysWhatItWaitsFor(t *testing.T) {
	tr := tracker()
	tr.Observe(Facts{At: at(0)})
	r := report("clean", "a", 100, 100)
	r.WaitIn, r.Working, r.WaitOut = 7*time.Second, 2*time.Second, time.Second
	v := tr.Observe(Facts{At: at(time.Second), Reports: []flow.Stats{r}})
	require.InDelta(t, 0.7, v.Stages[1].WaitIn, 0.001)
	require.Contains(t, v.StageLine(1, 100), "waits for input 70%")
	require.Contains(t, v.StageLine(0, 100), "nobody yet")
}

func view() View {
	return View{Name: "customers", Phase: "running", Planned: 1_000_000, Done: 620_000, Rate: 1.23e6, Left: 3 * time.Second, Elapsed: time.Second, Stages: []StageView{
		{Name: "source", State: "reading", Instances: 1, Rows: 700_000, In: 1.3e6, Out: 1.3e6},
		{Name: "clean", State: "working", Instances: 2, Rows: 650_000, In: 1.2e6, Out: 8e5, WaitIn: 0.4, Working: 0.6},
		{Name: "sink", State: "writing", Instances: 1, Rows: 400_000, In: 8e5, WaitOut: 0.25, Working: 0.75},
	}}
}

func TestLinesOnAWideTerminal(t *testing.T) {
	v := view()
	require.Equal(t, "customers  "+strings.Repeat("#", 24)+strings.Repeat(".", 16)+"  62%  620,000/1,000,000 rows  1.23M/s  3s left", v.Main(120, Style{}))
	require.Equal(t, "customers  "+strings.Repeat("█", 24)+strings.Repeat("░", 16)+"  62%  620,000/1,000,000 rows  1.23M/s  3s left", v.Main(120, Style{Unicode: true}))
	require.Equal(t, "  source  reading           700,000 rows  1.30M/s in  1.30M/s out", v.StageLine(0, 120))
	require.Equal(t, "  clean   working x2        650,000 rows  1.20M/s in   800k/s out  waits for input 40%", v.StageLine(1, 120))
	require.Equal(t, "  sink    writing           400,000 rows   800k/s in      0/s out  waits for the next stage 25%", v.StageLine(2, 120))
}

func TestNoLineIsWiderThanTheTerminal(t *testing.T) {
	v := view()
	v.Name = "a-pipeline-with-quite-a-long-name"
	for width := range 200 {
		require.LessOrEqual(t, utf8.RuneCountInString(v.Main(width, Style{Unicode: true})), width)
		for i := range v.Stages {
			require.LessOrEqual(t, utf8.RuneCountInString(v.StageLine(i, width)), width)
		}
	}
	require.Equal(t, "######.....  62%", v.Main(16, Style{}))
	require.Equal(t, "62%", v.Main(8, Style{}))
	require.Empty(t, v.Main(-1, Style{}))
}

func TestPhasesAreNamedWhenTheyAreNotTheUsual(t *testing.T) {
	v := View{Name: "c", Phase: "planning", Left: -1}
	require.Equal(t, "c  "+strings.Repeat(".", 40)+"  planning  0 rows", v.Main(100, Style{}))
	require.Equal(t, "c: planning", v.Plain())
	v = View{Name: "c", Phase: "finishing", Planned: 10, Done: 10, Left: -1}
	require.Contains(t, v.Main(100, Style{}), "100% finishing")
	require.Equal(t, "c: 100%, 10 of 10 rows, finishing", v.Plain())
}

func TestWithoutATerminalALineNowAndThen(t *testing.T) {
	var buf bytes.Buffer
	s := NewScreen(&buf, Options{})
	for i := range 101 { // ten seconds, a percent every tenth of a second
		s.Show(View{Name: "c", Phase: "running", Planned: 100, Done: int64(i), Left: -1, Elapsed: time.Duration(i) * 100 * time.Millisecond})
	}
	s.Close()
	lines := strings.Split(strings.TrimSpace(buf.String()), "\n")
	require.Len(t, lines, 10)
	require.Equal(t, "c: 10%, 10 of 100 rows", lines[0], "nothing in the first second: most runs are over by then")
	require.Equal(t, "c: 20%, 20 of 100 rows", lines[1])
	require.NotContains(t, buf.String(), "\x1b", "no control sequence in a file")

	buf.Reset()
	s = NewScreen(&buf, Options{})
	for i := range 31 { // half a minute without a row
		s.Show(View{Name: "c", Phase: "planning", Left: -1, Elapsed: time.Duration(i) * time.Second})
	}
	require.Equal(t, strings.Repeat("c: planning\n", 3), buf.String())
	s.Close()
}

func TestQuietScreenPassesTheLogOnly(t *testing.T) {
	var buf bytes.Buffer
	s := NewScreen(&buf, Options{Quiet: true, Terminal: true})
	s.Show(view())
	fmt.Fprintln(s, "a log line")
	s.Close()
	require.Equal(t, "a log line\n", buf.String())
}

func TestOptionsForAPipeAndItsLocale(t *testing.T) {
	env := map[string]string{"LANG": "en_US.UTF-8"}
	o := OptionsFor(io.Discard, func(k string) string { return env[k] })
	require.Equal(t, Options{Style: Style{Unicode: true}}, o)
	env["LC_ALL"] = "C"
	require.False(t, OptionsFor(io.Discard, func(k string) string { return env[k] }).Style.Unicode)
}

// frames is a terminal that keeps every frame.
type frames struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	frames []string
	width  int
	drawn  chan struct{}
}

func (c *frames) Write(p []byte) (int, error)         { return c.buf.Write(p) }
func (c *frames) ReadFrom(r io.Reader) (int64, error) { return c.buf.ReadFrom(r) }
func (c *frames) IsTerminal() bool                    { return true }
func (c *frames) GetTermSize() (int, int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.width, 24, nil
}

func (c *frames) Flush(int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = append(c.frames, c.buf.String())
	c.buf.Reset()
	select {
	case c.drawn <- struct{}{}:
	default:
	}
	return nil
}

func (c *frames) resize(width int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.width = width
}

func (c *frames) text() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return strings.Join(c.frames, "")
}

func TestTerminalGetsABarAndALinePerStageWithTheLogAbove(t *testing.T) {
	c := &frames{width: 100, drawn: make(chan struct{})}
	s := NewScreen(io.Discard, Options{Terminal: true, console: c})
	log := slog.New(slog.NewTextHandler(s, nil))
	s.Show(view())
	<-c.drawn
	log.WarnContext(t.Context(), "disconnected")
	<-c.drawn
	<-c.drawn
	c.resize(40)
	<-c.drawn
	<-c.drawn
	s.Close()
	text := c.text()
	require.Contains(t, text, "62%  620,000/1,000,000 rows")
	require.Contains(t, text, "\n  source  reading           700,000 rows")
	require.Contains(t, text, "msg=disconnected\ncustomers", "the log line is above the bar")
	require.Contains(t, text, "  sink    writing\n", "a narrow terminal gets less")
	s.Show(view()) // after Close nothing is drawn
	require.Equal(t, text, c.text())
	fmt.Fprintln(s, "a late line") // and the log goes on
}

// A terminal that has become narrower has wrapped the lines of the last frame: all of its rows
// are drawn over, and none above them.
func TestFramesAreDrawnOverWhateverTheWidth(t *testing.T) {
	var out bytes.Buffer
	width := 100
	c := &console{out: &out, size: func() (int, int, error) { return width, 24, nil }}
	draw := func(text string, lines int) string {
		out.Reset()
		_, err := io.WriteString(c, text)
		require.NoError(t, err)
		require.NoError(t, c.Flush(lines))
		return out.String()
	}
	frame := strings.Repeat("#", 90) + "\n" + strings.Repeat("s", 40) + "\n"
	drawn := "\x1b[?7l" + frame + "\x1b[?7h"
	require.Equal(t, drawn, draw(frame, 2), "there is nothing to draw over yet")
	require.Equal(t, "\x1b[2A\r\x1b[J"+drawn, draw(frame, 2))
	require.Equal(t, "\x1b[2A\r\x1b[Ja log line\n"+drawn, draw("a log line\n"+frame, 2))
	require.Equal(t, "\x1b[2A\r\x1b[J"+drawn, draw(frame, 2), "the log line stays")
	width = 40
	require.Equal(t, "\x1b[4A\r\x1b[J\x1b[?7lnarrow\n\x1b[?7h", draw("narrow\n", 1), "90 characters are three rows of 40, 40 are one")
	require.Equal(t, "\x1b[1A\r\x1b[J"+drawn, draw(frame, 2), "it was made for a wider terminal")
	require.Equal(t, "\x1b[2A\r\x1b[J", draw("", 0), "which has cut it; nothing stays of the bars")
	require.Equal(t, "after\n", draw("after\n", 0))
	require.Equal(t, "more\n", draw("more\n", 0))
}
