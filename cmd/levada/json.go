package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/cli/top"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/reader"
)

// The shapes that only commands print; docs/json.md describes them and those of other
// packages. Each has its version: it goes up when a field changes its meaning or goes.

// versionFacts is `levada version --json`.
type versionFacts struct {
	V       int    `json:"v"` // 1
	Version string `json:"version"`
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
	Spec    string `json:"spec"`
	Blocks  string `json:"blocks"`
	Ledger  int    `json:"ledger"`
}

func versions() versionFacts {
	return versionFacts{1, build(), runtime.Version(), runtime.GOOS, runtime.GOARCH, pipeline.APIVersion, blocks.Version, ledger.Version}
}

// generated is `levada generate customers --json`.
type generated struct {
	V     int           `json:"v"` // 1
	Dir   string        `json:"dir"`
	Files []string      `json:"files"`
	Rows  int64         `json:"rows"`
	Took  time.Duration `json:"took_ns"`
}

// submitted is `levada submit --json`, and `levada cancel --json`.
type submitted struct {
	V        int         `json:"v"` // 1
	Run      flow.RunID  `json:"run"`
	Pipeline string      `json:"pipeline"`
	Sink     string      `json:"sink"`
	Status   flow.Status `json:"status"`
}

// pipelineFacts is `levada validate --json`, and with a plan `levada explain --json`.
type pipelineFacts struct {
	V         int          `json:"v"` // 1
	File      string       `json:"file"`
	Valid     bool         `json:"valid"`
	Errors    []specError  `json:"errors,omitempty"` // of one that is not valid, which has nothing below
	Pipeline  string       `json:"pipeline,omitempty"`
	Spec      string       `json:"spec,omitempty"` // hash
	Files     int          `json:"files"`
	RowGroups int          `json:"row_groups"`
	Rows      int64        `json:"rows"`
	Bytes     int64        `json:"bytes"`
	Stages    []stageFacts `json:"stages,omitempty"` // the source first
	Plan      *planFacts   `json:"plan,omitempty"`
}

// specError is one thing that is wrong with a spec.
type specError struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"` // from 1
	Column  int    `json:"column,omitempty"`
	Path    string `json:"path,omitempty"` // stages[0].transform[2].filter
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"` // what to do
}

// stageFacts is what a stage does and gives.
type stageFacts struct {
	Stage     string        `json:"stage"`
	Operators []string      `json:"operators,omitempty"` // as the books name them
	External  bool          `json:"external,omitempty"`  // a process of the user's own serves it
	Columns   []columnFacts `json:"columns"`             // that leave it
}

type columnFacts struct {
	Column   string `json:"column"`
	Type     string `json:"type"` // Arrow's
	Nullable bool   `json:"nullable"`
}

// planFacts is what a run would do.
type planFacts struct {
	Tasks        int            `json:"tasks"`
	Blocks       int            `json:"blocks"` // about
	BlockBytes   int64          `json:"block_bytes"`
	PrunedRows   int64          `json:"pruned_rows"`
	PrunedGroups int64          `json:"pruned_row_groups"`
	Edges        []edgeFacts    `json:"edges"`
	Carried      []carriedFacts `json:"not_travelling,omitempty"`
	AllTravel    string         `json:"all_travel_because,omitempty"`
}

type edgeFacts struct {
	Stage    string `json:"stage"` // that fills it
	Fused    bool   `json:"fused"` // in `levada run`
	MaxBytes int64  `json:"max_bytes"`
}

// carriedFacts is a column that the writer takes from the source's files.
type carriedFacts struct {
	Column string `json:"column"`
	Way    string `json:"way"`           // copied, gathered, or decoded
	Why    string `json:"why,omitempty"` // it is decoded
}

// factsOf describes a pipeline that is valid.
func factsOf(file string, spec *pipeline.Spec, f *reader.Facts) *pipelineFacts {
	p := f.Pipeline
	out := &pipelineFacts{
		V: 1, File: file, Valid: true, Pipeline: spec.Name, Spec: spec.Hash(), Files: len(f.Files), RowGroups: f.Groups, Rows: f.Rows, Bytes: f.Bytes,
		Stages: []stageFacts{{Stage: flow.SourceStage, Columns: columnsFacts(p.Source)}},
	}
	for _, st := range p.Stages {
		s := stageFacts{Stage: st.Name, External: st.Chain == nil, Columns: columnsFacts(st.Out)}
		if st.Chain != nil {
			for i, op := range st.Chain.Operators() {
				s.Operators = append(s.Operators, fmt.Sprintf("%s/%s[%d]", st.Name, op.Kind(), i))
			}
		}
		out.Stages = append(out.Stages, s)
	}
	return out
}

func columnsFacts(s *arrow.Schema) []columnFacts {
	all := make([]columnFacts, 0, s.NumFields())
	for _, f := range s.Fields() {
		all = append(all, columnFacts{f.Name, f.Type.String(), f.Nullable})
	}
	return all
}

// planOf describes what a run would do; edge is what each edge may hold.
func planOf(spec *pipeline.Spec, f *reader.Facts, edge int64) *planFacts {
	out := &planFacts{
		Tasks: len(f.Tasks), Blocks: f.Blocks(), BlockBytes: f.BlockBytes, PrunedRows: f.PrunedRows, PrunedGroups: f.PrunedGroups, AllTravel: f.AllWhy,
	}
	stage := flow.SourceStage
	for i, fused := range pipeline.FusedEdges(spec) {
		out.Edges = append(out.Edges, edgeFacts{stage, fused, edge})
		if i < len(spec.Stages) {
			stage = spec.Stages[i].Name
		}
	}
	drops := f.Pipeline.Drops()
	for _, c := range f.Carried {
		way, why := "copied", c.NoCopy
		if drops {
			way, why = "gathered", c.NoGather
		}
		if why != "" {
			way = "decoded"
		}
		out.Carried = append(out.Carried, carriedFacts{c.Column, way, why})
	}
	return out
}

// printSpecErrors prints what is wrong with a spec as JSON, if err says that, and returns err.
func (a *app) printSpecErrors(file string, err error) error {
	spec, ok := errors.AsType[pipeline.Errors](err)
	if !ok {
		return err
	}
	out := &pipelineFacts{V: 1, File: file}
	for _, e := range spec {
		out.Errors = append(out.Errors, specError{e.File, e.Line, e.Column, e.Path, e.Msg, e.Hint})
	}
	return errors.Join(err, a.printJSON(out))
}

// topRun is a run of `levada top --once --json`.
type topRun struct {
	V         int          `json:"v"` // 1
	Run       string       `json:"run"`
	Pipeline  string       `json:"pipeline"`
	Sink      string       `json:"sink"`
	Status    string       `json:"status"`
	Phase     string       `json:"phase,omitempty"`
	WaitsFor  string       `json:"waits_for,omitempty"` // what nobody plays
	Reason    string       `json:"reason,omitempty"`
	Planned   int64        `json:"planned_rows"`
	Covered   int64        `json:"covered_rows"`
	Written   int64        `json:"written_rows"`
	Dead      int64        `json:"dead_rows"`
	Submitted time.Time    `json:"submitted"`
	Ended     time.Time    `json:"ended,omitzero"`
	Stages    []string     `json:"stages,omitempty"`
	Edges     []topEdge    `json:"edges,omitempty"`
	Reports   []flow.Stats `json:"reports,omitempty"` // of every instance
}

type topEdge struct {
	Stage    string `json:"stage"` // that fills it
	Blocks   uint64 `json:"blocks"`
	Bytes    int64  `json:"bytes"`
	MaxBytes int64  `json:"max_bytes"`
}

func topRuns(f top.Facts) []topRun {
	all := []topRun{} // not null in JSON
	for _, r := range f.Runs {
		t := topRun{
			V: 1, Run: r.ID, Pipeline: r.Pipeline, Sink: r.Sink, Status: r.Status, Phase: r.Phase, WaitsFor: r.Waits, Reason: r.Reason, Planned: r.Planned,
			Covered: r.Covered, Written: r.Written, Dead: r.Dead, Submitted: r.Submitted, Ended: r.Ended, Stages: r.Stages, Reports: r.Reports,
		}
		for _, e := range r.Edges {
			t.Edges = append(t.Edges, topEdge{e.Stage, e.Blocks, e.Bytes, e.MaxBytes})
		}
		all = append(all, t)
	}
	return all
}
