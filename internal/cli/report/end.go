package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/cli/suggest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// Ending is how a run ended: what its stages did, and what to change before the next one.
type Ending struct {
	*flow.Summary
	Sink   string          `json:"sink"`
	Took   time.Duration   `json:"took_ns"` // the command that saw the end; or the run, by its ledger
	Advice *suggest.Advice `json:"advice,omitempty"`
}

// End writes how a run ended: what became of its rows, where the time went, what to change
// if one stage waits for another, and where the output is.
func End(w io.Writer, e *Ending) {
	sum := e.Summary
	fmt.Fprintf(w, "run %s %s in %s", sum.Run, sum.Status, figure.Time(e.Took))
	if n := sum.Books.Source; n > 0 && e.Took > 0 {
		fmt.Fprintf(w, ": %s, %s", figure.Plural(n, "row"), figure.Rate(float64(n)/e.Took.Seconds()))
	}
	fmt.Fprintln(w)
	if sum.Status == flow.StatusDone && sum.Reason != "" { // there was nothing to do
		fmt.Fprintf(w, "%s\n", sum.Reason)
		return
	}
	fmt.Fprintln(w)
	books(w, &sum.Books)
	if len(sum.Stages) > 0 {
		fmt.Fprintln(w)
		times(w, sum.Stages)
	}
	if a := e.Advice; a != nil {
		fmt.Fprintln(w)
		paragraph(w, "  ", a.Text)
		for _, do := range a.Do {
			fmt.Fprintf(w, "    %s\n", do)
		}
	}
	if sum.Files > 0 && sum.Status == flow.StatusDone {
		fmt.Fprintf(w, "\noutput  %s: %s, %s\n", e.Sink, figure.Plural(int64(sum.Files), "file"), figure.Bytes(sum.Bytes))
	}
}

// leastTimes is how wide a terminal must be for times beside their shares.
const leastTimes = 50

// times writes where the workers' time went, a line for each stage. What was redelivered or
// failed has a column only where something was.
func times(w io.Writer, all []flow.StageSummary) {
	t := newTable("  ", "stage", ">rows in", ">rows out", ">bytes in", ">bytes out", ">workers", ">working", ">waited for input", ">waited for output", ">cpu", ">redelivered", ">errors")
	t.without("bytes in", "bytes out", "cpu", "workers", "rows out", "rows in")
	t.shorten("waited for input", "waited in")
	t.shorten("waited for output", "waited out")
	var redelivered, errors int64
	for i := range all {
		s := &all[i].Total
		redelivered, errors = redelivered+s.Redelivered, errors+s.Errors
		whole := s.WaitIn + s.Working + s.WaitOut
		share := func(d time.Duration) string {
			percent := figure.Percent(int64(d), int64(whole))
			if room := figure.Width(w); room > 0 && room < leastTimes {
				return percent
			}
			return fmt.Sprintf("%s %4s", figure.Time(d), percent)
		}
		t.add(all[i].Stage, figure.Rows(s.RowsIn), figure.Rows(s.RowsOut), figure.Bytes(s.BytesIn), figure.Bytes(s.BytesOut), figure.Rows(int64(s.Workers)),
			share(s.Working), share(s.WaitIn), share(s.WaitOut), figure.Time(s.CPU), figure.Rows(s.Redelivered), figure.Rows(s.Errors))
	}
	if redelivered == 0 {
		t.drop("redelivered")
	}
	if errors == 0 {
		t.drop("errors")
	}
	t.write(w)
	requests(w, all)
}

// requests writes what the stages asked of a store over a network.
func requests(w io.Writer, all []flow.StageSummary) {
	for i := range all {
		if s := &all[i].Total; s.StoreRequests > 0 {
			fmt.Fprintf(w, "  %s: %s requests to the store, %s repeated, %s throttled\n",
				all[i].Stage, figure.Rows(s.StoreRequests), figure.Rows(s.StoreRetries), figure.Rows(s.StoreThrottled))
		}
	}
}

// books writes a run's accounts: each row of the source in one of them.
func books(w io.Writer, b *ledger.Books) {
	t := newTable("  ", "rows", ">", "")
	t.add("source", figure.Rows(b.Source), "")
	if b.Skipped > 0 {
		t.add("skipped", "?", figure.Plural(int64(b.Skipped), "file")+" that could not be read: the manifest names them")
	}
	if b.Pruned > 0 {
		t.add("pruned", figure.Rows(b.Pruned), "never read: statistics or a limit show that all of their row group are dropped")
	}
	t.add("read", figure.Rows(b.Read), "")
	for _, op := range b.Operators() {
		what := "filtered"
		if strings.HasPrefix(op, "source/on_bad_file") {
			what = "skipped" // that file of the manifest's sources is damaged, changed or gone
		}
		t.add(what, figure.Rows(b.Dropped[op]), op)
	}
	if b.Dead == 0 {
		t.add("dead", "0", "")
	}
	for _, stage := range b.DeadStages() {
		t.add("dead", figure.Rows(b.DeadByStage[stage]), stage)
	}
	t.add("written", figure.Rows(b.Written), "")
	t.write(w)
}

// Stats writes what the stages of a run did; with instances, each process of them too.
func Stats(w io.Writer, sum *flow.Summary) {
	fmt.Fprintf(w, "run %s (%s) %s", sum.Run, sum.Pipeline, sum.Status)
	if sum.Elapsed > 0 {
		fmt.Fprintf(w, ", %s", figure.Time(sum.Elapsed))
	}
	fmt.Fprintf(w, "\n\n")
	books(w, &sum.Books)
	if len(sum.Stages) == 0 {
		fmt.Fprintln(w, "\n  no process has reported yet")
		return
	}
	fmt.Fprintln(w)
	stages(w, sum.Stages)
}

// stages writes a line for each stage, and below it one for each process when there are
// several.
func stages(w io.Writer, all []flow.StageSummary) {
	t := newTable("  ", "stage", ">rows in", ">rows out", ">blocks", ">bytes in", ">bytes out",
		">waited in", ">working", ">waited out", ">cpu", ">redelivered", ">errors")
	may := []string{"blocks", "bytes in", "bytes out", "redelivered", "cpu", "rows out", "rows in"}
	if !slices.ContainsFunc(all, func(s flow.StageSummary) bool { return s.Total.Errors > 0 }) {
		may = append(may, "errors")
	}
	t.without(may...)
	line := func(name string, s *flow.Stats) {
		t.add(name, figure.Rows(s.RowsIn), figure.Rows(s.RowsOut), figure.Rows(max(s.BlocksIn, s.BlocksOut)),
			figure.Bytes(s.BytesIn), figure.Bytes(s.BytesOut),
			figure.Time(s.WaitIn), figure.Time(s.Working), figure.Time(s.WaitOut), figure.Time(s.CPU),
			figure.Rows(s.Redelivered), figure.Rows(s.Errors))
	}
	for i := range all {
		line(all[i].Stage, &all[i].Total)
		if len(all[i].Instances) < 2 {
			continue
		}
		for j := range all[i].Instances {
			line("  "+all[i].Instances[j].Instance, &all[i].Instances[j])
		}
	}
	t.write(w)
	requests(w, all)
	scalings(w, all)
}

// scalings writes how the workers of each instance changed, and why: the last changes,
// the newest last.
func scalings(w io.Writer, all []flow.StageSummary) {
	for i := range all {
		for _, s := range all[i].Instances {
			name := all[i].Stage
			if len(all[i].Instances) > 1 {
				name += " " + s.Instance
			}
			for _, c := range s.Scaling {
				fmt.Fprintf(w, "  %s: workers %d → %d: %s (%s)\n", name, c.From, c.To, c.Reason, c.At.Local().Format(time.TimeOnly))
			}
		}
	}
}
