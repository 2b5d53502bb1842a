package job

import (
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/ledger"
)

// RowsOf says which rows of the source those of a span of the plan are, whose offsets in
// it may be given: nil when it has them all.
func RowsOf(plan *ledger.Plan, span blocks.Span, offsets []uint32) expr.Rows {
	rows := expr.Rows{InFile: span.From, Offsets: offsets}
	t := plan.Tasks[span.Task]
	if t.File < 0 {
		rows.InFile += t.From
		return rows
	}
	rows.InFile += t.FirstRow
	rows.File = plan.Files[t.File].URI + "\n" + plan.Files[t.File].Footer + "\n"
	for _, f := range plan.Files[:t.File] {
		rows.Before += f.Rows
	}
	return rows
}
