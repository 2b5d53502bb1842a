package progress

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// Options says how a Screen shows.
type Options struct {
	Quiet    bool // show no progress, pass the log through
	Terminal bool // w is a terminal: draw bars
	Style    Style

	console mpb.ConsoleWriter // in place of w's terminal, for tests
}

// OptionsFor looks at w and the environment: a terminal gets bars, in characters
// that its locale has.
func OptionsFor(w io.Writer, getenv func(string) string) Options {
	f, ok := w.(*os.File)
	o := Options{Terminal: ok && term.IsTerminal(int(f.Fd())) && getenv("TERM") != "dumb"}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := strings.ToLower(getenv(name)); locale != "" {
			o.Style.Unicode = strings.Contains(locale, "utf-8") || strings.Contains(locale, "utf8")
			break
		}
	}
	return o
}

// Screen shows views on a writer, and passes what is written to it, a log, on to
// the same writer, above the bars. Safe for concurrent use.
type Screen struct {
	w io.Writer
	o Options

	mu     sync.Mutex
	view   View
	bars   *mpb.Progress
	bar    *mpb.Bar
	plain  plain
	closed bool
}

// NewScreen returns a screen on w. The caller must Close it.
func NewScreen(w io.Writer, o Options) *Screen { return &Screen{w: w, o: o} }

// refresh is how often bars are drawn.
const refresh = 100 * time.Millisecond

// Show shows a view in place of the last.
func (s *Screen) Show(v View) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.o.Quiet {
		return
	}
	s.view = v
	if !s.o.Terminal {
		if line := s.plain.next(&v); line != "" {
			_, _ = io.WriteString(s.w, line+"\n") // a reader who left misses the progress only
		}
		return
	}
	if s.bars == nil {
		s.open(len(v.Stages))
	}
}

func (s *Screen) open(stages int) {
	options := []mpb.ContainerOption{mpb.WithOutput(s.w), mpb.WithRefreshRate(refresh), mpb.WithAutoRefresh()}
	console := s.o.console
	if f, ok := s.w.(*os.File); ok && console == nil {
		console = newConsole(f)
	}
	if console != nil {
		options = append(options, mpb.WithConsoleWriter(console))
	}
	s.bars = mpb.New(options...)
	line := func(text func(v *View, width int) string, end string) mpb.BarFiller {
		return mpb.BarFillerFunc(func(w io.Writer, st decor.Statistics) error {
			s.mu.Lock()
			v := s.view
			s.mu.Unlock()
			// One column less: a full line would wrap on some terminals.
			_, err := io.WriteString(w, text(&v, st.AvailableWidth-1)+end)
			return err
		})
	}
	below := make([]mpb.BarFiller, stages)
	for i := range stages {
		below[i] = line(func(v *View, width int) string {
			if i >= len(v.Stages) {
				return ""
			}
			return v.StageLine(i, width)
		}, "\n")
	}
	s.bar = s.bars.New(0, builder{line(func(v *View, width int) string { return v.Main(width, s.o.Style) }, "")},
		mpb.BarFillerTrim(), mpb.BarBtmExtender(below...), mpb.BarRemoveOnComplete())
}

// builder makes a filler what mpb wants.
type builder struct{ filler mpb.BarFiller }

// Build implements [mpb.BarFillerBuilder].
func (b builder) Build() mpb.BarFiller { return b.filler }

// Write implements [io.Writer] for a log: whole lines appear above the bars.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	bars := s.bars
	s.mu.Unlock()
	if bars != nil {
		if n, err := bars.Write(p); err == nil {
			return n, nil
		}
	}
	return s.w.Write(p)
}

// Close takes the bars away and leaves the place to what is printed next.
func (s *Screen) Close() {
	s.mu.Lock()
	bars, bar := s.bars, s.bar
	s.closed = true
	s.mu.Unlock()
	if bars != nil {
		bar.Abort(true)
		bars.Wait()
	}
}

// plain decides when a view is worth a line.
type plain struct {
	at    time.Duration // of the last line, since the run began
	phase string
	tenth int64
	begun bool
}

const (
	plainAtMost  = time.Second // before the first line and between two, however fast the run
	plainAtLeast = 10 * time.Second
)

func (p *plain) next(v *View) string {
	tenth := int64(0)
	if v.Planned > 0 {
		tenth = 10 * v.Done / v.Planned
	}
	since := v.Elapsed - p.at
	if since < plainAtMost || p.begun && since < plainAtLeast && tenth == p.tenth && v.Phase == p.phase {
		return ""
	}
	p.begun, p.at, p.tenth, p.phase = true, v.Elapsed, tenth, v.Phase
	return v.Plain()
}
