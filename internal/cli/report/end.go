package report

import (
	"fmt"
	"io"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// End writes how a run ended: what became of its rows, where the time went, and where
// the output is. took is how long the command took that saw the end; with 0, the
// ledger's own time stands.
func End(w io.Writer, rec *flow.Record, sum *flow.Summary, took time.Duration) {
	if took == 0 {
		took = sum.Elapsed
	}
	fmt.Fprintf(w, "run %s %s in %s", rec.Run, rec.Status, figure.Time(took))
	if n := sum.Books.Source; n > 0 && took > 0 {
		fmt.Fprintf(w, ": %s, %s", figure.Plural(n, "row"), figure.Rate(float64(n)/took.Seconds()))
	}
	fmt.Fprintln(w)
	if rec.Status == flow.StatusDone && rec.Reason != "" { // there was nothing to do
		fmt.Fprintf(w, "%s\n", rec.Reason)
		return
	}
	fmt.Fprintln(w)
	books(w, &sum.Books)
	if len(sum.Stages) > 0 {
		fmt.Fprintln(w)
		stages(w, sum.Stages, false)
	}
	if sum.Files > 0 && rec.Status == flow.StatusDone {
		fmt.Fprintf(w, "\noutput  %s: %s, %s\n", rec.Sink, figure.Plural(int64(sum.Files), "file"), figure.Bytes(sum.Bytes))
	}
}

// books writes a run's accounts: each row of the source in one of them.
func books(w io.Writer, b *ledger.Books) {
	t := newTable("  ", "rows", ">", "")
	t.add("source", figure.Rows(b.Source), "")
	if b.Pruned > 0 {
		t.add("pruned", figure.Rows(b.Pruned), "never read: the statistics of their row groups show that a filter drops them all")
	}
	t.add("read", figure.Rows(b.Read), "")
	for _, op := range b.Operators() {
		t.add("filtered", figure.Rows(b.Dropped[op]), op)
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
	stages(w, sum.Stages, true)
}

// stages writes a line for each stage, and below it, with instances, one for each
// process when there are several.
func stages(w io.Writer, all []flow.StageSummary, instances bool) {
	t := newTable("  ", "stage", ">rows in", ">rows out", ">blocks", ">bytes in", ">bytes out",
		">waited in", ">working", ">waited out", ">cpu", ">redelivered", ">errors")
	line := func(name string, s *flow.Stats) {
		t.add(name, figure.Rows(s.RowsIn), figure.Rows(s.RowsOut), figure.Rows(max(s.BlocksIn, s.BlocksOut)),
			figure.Bytes(s.BytesIn), figure.Bytes(s.BytesOut),
			figure.Time(s.WaitIn), figure.Time(s.Working), figure.Time(s.WaitOut), figure.Time(s.CPU),
			figure.Rows(s.Redelivered), figure.Rows(s.Errors))
	}
	for i := range all {
		line(all[i].Stage, &all[i].Total)
		if !instances || len(all[i].Instances) < 2 {
			continue
		}
		for j := range all[i].Instances {
			line("  "+all[i].Instances[j].Instance, &all[i].Instances[j])
		}
	}
	t.write(w)
	for i := range all {
		if s := &all[i].Total; s.StoreRequests > 0 {
			fmt.Fprintf(w, "  %s: %s requests to the store, %s repeated, %s throttled\n",
				all[i].Stage, figure.Rows(s.StoreRequests), figure.Rows(s.StoreRetries), figure.Rows(s.StoreThrottled))
		}
	}
	if instances {
		scalings(w, all)
	}
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
