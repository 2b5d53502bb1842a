package main

import (
	"time"

	"github.com/levada-data/levada/internal/cli/report"
	"github.com/levada-data/levada/internal/cli/suggest"
	"github.com/levada-data/levada/pkg/flow"
)

// tellEnd prints how a run ended. took is how long the command took that saw the end; 0 is
// what the ledger says. local says that one process played all roles.
func (a *app) tellEnd(rec *flow.Record, sum *flow.Summary, took time.Duration, local, asJSON bool) error {
	if took == 0 {
		took = sum.Elapsed
	}
	sum.Status, sum.Reason = rec.Status, rec.Reason
	e := &report.Ending{Summary: sum, Sink: rec.Sink, Took: took}
	f := suggest.Facts{Run: string(rec.Run), Pipeline: rec.Pipeline, Local: local}
	whole(&f, rec, sum)
	if next := suggest.Next(f); next.Text != "" {
		e.Advice = &next
	}
	if asJSON {
		return a.printJSON(e)
	}
	report.End(a.stdout, e)
	return nil
}
