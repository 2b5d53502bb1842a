package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/cli/rows"
	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// viewError is what is wrong with a view of blocks of a schema.
type viewError struct {
	schema *arrow.Schema
	err    error
}

func (e *viewError) Error() string { return e.err.Error() }
func (e *viewError) Unwrap() error { return e.err }

// absent explains the error of a view that names columns which the output has and which do not
// travel in blocks; any other error it returns as it is.
func absent(ctx context.Context, srv *server, rec *flow.Record, stage string, view *rows.View, wrong *viewError) error {
	all, err := travelling(ctx, srv, rec, stage)
	if err != nil || all == nil {
		return wrong // what is wrong with the view is what the user asked about
	}
	if view.Where != "" {
		if _, err := expr.Compile(view.Where, all); err != nil {
			return fmt.Errorf("--where: %w", err) // of all columns there are
		}
	}
	var missing []string
	for _, f := range all.Fields() {
		if len(wrong.schema.FieldIndices(f.Name)) == 0 && wants(view, all, f.Name) {
			missing = append(missing, fmt.Sprintf("%q", f.Name))
		}
	}
	if len(missing) == 0 {
		return wrong
	}
	noun, verb, it := "column", "does", "it"
	if len(missing) > 1 {
		noun, verb, it = "columns", "do", "them"
	}
	flag, _, _ := strings.Cut(wrong.Error(), ":")
	return fmt.Errorf("%s: %s %s %s not travel in the blocks of %s: no operator behind it needs %s, so the writers take %s from the source's files "+
		"(carry: touched); look at the output, or let every column travel with policies: { carry: all }", flag, noun, strings.Join(missing, ", "), verb, stage, it, it)
}

// travelling is the schema that blocks of a stage would have if every column travelled; nil when
// every column does.
func travelling(ctx context.Context, srv *server, rec *flow.Record, stage string) (*arrow.Schema, error) {
	run, err := srv.conn.Attach(ctx, rec.Run)
	if err != nil {
		return nil, err
	}
	plan := flow.Look(run.Ledger, (*ledger.State).Plan)
	if plan == nil || !plan.Late {
		return nil, nil
	}
	spec, err := pipeline.Parse(rec.Pipeline, []byte(rec.Spec))
	if err != nil {
		return nil, err
	}
	schema, err := job.DecodeSchema(plan.Schema)
	if err != nil {
		return nil, err
	}
	p, err := pipeline.CompilePlanned(spec, schema)
	if err != nil {
		return nil, err
	}
	if i := slices.IndexFunc(p.Stages, func(st *pipeline.Stage) bool { return st.Name == stage }); i >= 0 {
		return p.Stages[i].Out, nil
	}
	return p.Source, nil
}

// wants reports that a view needs a column of a schema.
func wants(view *rows.View, all *arrow.Schema, column string) bool {
	if slices.Contains(view.Columns, column) {
		return true
	}
	if view.Where == "" {
		return false
	}
	fields := slices.DeleteFunc(slices.Clone(all.Fields()), func(f arrow.Field) bool { return f.Name == column })
	_, err := expr.Compile(view.Where, arrow.NewSchema(fields, nil))
	return err != nil
}
