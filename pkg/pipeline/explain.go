package pipeline

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/dustin/go-humanize"
)

// Facts are what a planner found out about the source, for [Explain].
type Facts struct {
	Files, RowGroups, Tasks, Blocks int
	Rows, Bytes                     int64 // of the source as it is
	PrunedRows                      int64
	PrunedGroups                    int
	BlockBytes, EdgeBytes           int64
	Carried                         []Carried // what becomes of the columns that do not travel; empty when all do
	AllWhy                          string    // why all travel; "" when not
	Skipped                         []string  // files that cannot be read and are left out, with the reason
}

// Explain writes what a run of the pipeline would do: stages, tasks, blocks, where
// each operator runs, what is pruned, what each edge may hold.
func Explain(w io.Writer, p *Pipeline, f Facts) error {
	b := &strings.Builder{}
	fmt.Fprintf(b, "pipeline %s (%s)\n\n", p.Spec.Name, p.Spec.Hash())
	fmt.Fprintf(b, "source  %s\n", sourceText(p.Spec))
	fmt.Fprintf(b, "        %s rows, %s, %d files, %d row groups\n", humanize.Comma(f.Rows), size(f.Bytes), f.Files, f.RowGroups)
	for _, s := range f.Skipped {
		fmt.Fprintf(b, "        skipped: %s\n", s)
	}
	if p.Limit != nil {
		fmt.Fprintf(b, "        not read: %d row groups, %s rows, for %s\n", f.PrunedGroups, humanize.Comma(f.PrunedRows), p.Limit.Operator)
	} else if len(p.Prune) > 0 {
		fmt.Fprintf(b, "        pruned by statistics: %d row groups, %s rows, for %s: %s\n", f.PrunedGroups, humanize.Comma(f.PrunedRows), p.Prune[0].Operator, p.Prune[0].Program)
	} else {
		b.WriteString("        nothing is pruned: the first stage does not begin with a filter\n")
	}
	fmt.Fprintf(b, "        %d tasks, about %d blocks of at most %s\n", f.Tasks, f.Blocks, size(f.BlockBytes))
	fmt.Fprintf(b, "        runs in: levada reader\n")
	schema(b, p.Source)
	carryText(b, p, &f)
	fused, nth := FusedEdges(p.Spec), 0
	edge := func(from, to string) {
		defer func() { nth++ }()
		if fused[nth] {
			fmt.Fprintf(b, "   │\n   │ edge %s → %s: fused in 'levada run': blocks pass by reference; between services durable, holds %s, then %s waits\n   ▼\n", from, to, size(f.EdgeBytes), from)
			return
		}
		fmt.Fprintf(b, "   │\n   │ edge %s → %s: durable, holds %s, then %s waits\n   ▼\n", from, to, size(f.EdgeBytes), from)
	}
	from := "source"
	for _, st := range p.Stages {
		edge(from, st.Name)
		if st.Chain == nil {
			fmt.Fprintf(b, "stage   %s: external\n        runs in: a process of your own\n", st.Name)
		} else {
			workers := ""
			if st.Workers != (Workers{}) {
				workers = fmt.Sprintf(", %s in each process", st.Workers)
			}
			fmt.Fprintf(b, "stage   %s\n        runs in: levada transform%s\n", st.Name, workers)
			for i, op := range p.Spec.stage(st.Name).Transform {
				fmt.Fprintf(b, "        %d. %s\n", i+1, op.text())
			}
		}
		if !st.In.Equal(st.Out) {
			schema(b, st.Out)
		}
		from = st.Name
	}
	edge(from, "sink")
	if !p.Carried.Equal(p.Out) {
		schema(b, p.Out)
	}
	k := p.Spec.Sink.Parquet
	fmt.Fprintf(b, "sink    %s\n", k.URI)
	fmt.Fprintf(b, "        runs in: levada writer\n")
	fmt.Fprintf(b, "        %s, files of %s, row groups of %s rows, mode %s, visible: %s\n", k.Compression, size(k.TargetFile), humanize.Comma(k.RowsPerGroup), k.Mode, visibleText(p.Spec.Policies.Visibility))
	if len(k.PartitionBy) > 0 {
		fmt.Fprintf(b, "        partitioned by %s: a cut closes the files of all partitions together, so many values make many small files\n", strings.Join(k.PartitionBy, ", "))
	}
	for _, line := range finishText(k) {
		fmt.Fprintf(b, "        %s\n", line)
	}
	fmt.Fprintf(b, "        a cut at the latest after %s\n", p.Spec.Policies.MaxAge)
	_, err := io.WriteString(w, b.String())
	return err
}

// carryText says which columns stay where they are, and why others do not.
func carryText(b *strings.Builder, p *Pipeline, f *Facts) {
	if !p.Late() {
		if f.AllWhy != "" {
			fmt.Fprintf(b, "        every column travels: %s\n", f.AllWhy)
		}
		return
	}
	way, drops := "copied, a row group at a time", p.Drops()
	if drops {
		way = "gathered from its pages"
	}
	b.WriteString("        only these travel; the writer takes the others from the source's files:\n")
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, c := range f.Carried {
		why := c.NoCopy
		if drops {
			why = c.NoGather
		}
		if why != "" {
			fmt.Fprintf(tw, "          %s\tdecoded and encoded: %s\n", c.Column, why)
			continue
		}
		fmt.Fprintf(tw, "          %s\t%s\n", c.Column, way)
	}
	_ = tw.Flush() // a strings.Builder takes everything
}

func size(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

func schema(b *strings.Builder, s *arrow.Schema) {
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for _, f := range s.Fields() {
		null := ""
		if f.Nullable {
			null = "nullable"
		}
		fmt.Fprintf(tw, "          %s\t%s\t%s\n", f.Name, f.Type, null)
	}
	_ = tw.Flush() // a strings.Builder takes everything
}

func sourceText(s *Spec) string {
	if s.Source.Range != nil {
		return fmt.Sprintf("range of %s", humanize.Comma(s.Source.Range.Rows))
	}
	return strings.Join(s.Source.Parquet.URI, ", ")
}

func visibleText(v Visibility) string {
	if v == VisibilityRun {
		return "all at the end"
	}
	return "each file at its commit"
}

func (c Compression) String() string {
	if c.Level > 0 {
		return fmt.Sprintf("%s:%d", c.Codec, c.Level)
	}
	return c.Codec
}

func (s *Spec) stage(name string) *StageSpec {
	i := slices.IndexFunc(s.Stages, func(st StageSpec) bool { return st.Name == name })
	return &s.Stages[i]
}

// text is the operator in one line.
func (o *OperatorSpec) text() string {
	switch o.Kind {
	case "filter":
		return "filter " + o.Expr
	case "rename":
		parts := make([]string, len(o.Rename))
		for i, r := range o.Rename {
			parts[i] = r.Old + " to " + r.New
		}
		return "rename " + strings.Join(parts, ", ")
	case "with":
		parts := make([]string, len(o.With))
		for i, a := range o.With {
			parts[i] = a.Column + " = " + a.Expr
		}
		return "with " + strings.Join(parts, ", ")
	case "mask":
		return "mask " + o.Mask.text()
	default:
		return o.moreText()
	}
}
