package report

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/suggest"
	"github.com/levada-data/levada/pkg/flow"
)

// Suggestion writes how a run would be faster, and the figures behind that.
func Suggestion(w io.Writer, s *suggest.Suggestion) {
	fmt.Fprintf(w, "run %s (%s)\n\n", s.Run, s.Pipeline)
	paragraph(w, "", s.Text)
	for _, do := range s.Do {
		fmt.Fprintf(w, "  %s\n", do)
	}
	if len(s.Stages) == 0 || s.Interval <= 0 {
		return
	}
	fmt.Fprintln(w)
	t := newTable("  ", "stage", ">instances", ">workers", ">blocks/s", ">a block", ">working", ">input", ">waiting", ">of the edge")
	t.without("of the edge", "workers", "waiting", "input")
	for i := range s.Stages {
		st := &s.Stages[i]
		service, share := "-", "-"
		if st.Input.MaxBytes > 0 {
			share = fmt.Sprintf("%.0f%%", 100*float64(st.Input.Bytes)/float64(st.Input.MaxBytes))
		}
		if st.Service > 0 {
			service = st.Service.Round(10 * time.Microsecond).String()
		}
		if st.Stage == flow.SourceStage {
			share = "tasks" // there is no edge before it
		}
		t.add(st.Stage, strconv.Itoa(st.Instances), strconv.Itoa(st.Workers), strconv.FormatFloat(st.Pace, 'f', 1, 64), service,
			fmt.Sprintf("%.0f%%", 100*st.Busy), figure.Rows(st.Input.Blocks), figure.Rows(st.Input.Waiting), share)
	}
	t.write(w)
	fmt.Fprintf(w, "\n  measured over %s", figure.Time(s.Interval))
	if s.Used > 0 {
		fmt.Fprintf(w, "; the processes of the run used %.1f of %.4g cores, a server of its own not counted", s.Used, s.Cores)
	}
	fmt.Fprintln(w)
}
