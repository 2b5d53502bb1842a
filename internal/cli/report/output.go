package report

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/verify"
)

// mostProblems is how many problems a report lists.
const mostProblems = 100

// Verified writes what was found when an output was held against its manifests.
func Verified(w io.Writer, r *verify.Report) {
	t := newTable("", "run", "pipeline", "status", ">files", ">rows", ">bytes", "")
	t.without("pipeline", "bytes")
	files := 0
	for _, run := range r.Runs {
		said := "as its manifest says"
		switch {
		case run.Problems > 0:
			said = figure.Plural(int64(run.Problems), "problem")
		case run.Replaced > 0 && run.Replaced == run.Files:
			said = "replaced by a later run"
		case run.Replaced > 0:
			said += fmt.Sprintf(", %s replaced by later runs", figure.Rows(int64(run.Replaced)))
		}
		files += run.Files - run.Replaced
		t.add(run.Run, run.Pipeline, string(run.Status), figure.Rows(int64(run.Files)), figure.Rows(run.Rows), figure.Bytes(run.Bytes), said)
	}
	t.write(w)
	fmt.Fprintln(w)
	for _, p := range r.Problems[:min(len(r.Problems), mostProblems)] {
		where := p.File
		if where == "" && p.Run != "" {
			where = "run " + p.Run
		}
		if where != "" {
			where += ": "
		}
		fmt.Fprintf(w, "%s: %s%s\n", p.Kind, where, p.Text)
	}
	if n := len(r.Problems) - mostProblems; n > 0 {
		fmt.Fprintf(w, "and %s more: --json lists all\n", figure.Rows(int64(n)))
	}
	if r.Staged > 0 {
		fmt.Fprintf(w, "%s of runs are not visible: of one on its way, or left behind ('levada gc')\n", figure.Plural(int64(r.Staged), "file"))
	}
	checked := "lengths, hashes, rows, spans and books"
	if r.Quick {
		checked = "lengths, rows, spans and books, without hashes,"
	}
	if r.OK {
		fmt.Fprintf(w, "%s in %s: %s are as their manifests say\n", r.URI, figure.Plural(int64(files), "file"), checked)
		return
	}
	fmt.Fprintf(w, "\n%s: %s\n", r.URI, figure.Plural(int64(len(r.Problems)), "problem"))
}

// mostFiles is how many files a manifest lists.
const mostFiles = 20

// Manifest writes what a run says its output is.
func Manifest(w io.Writer, out *sink.Output, m *sink.Manifest) {
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%-10s%s\n", name, fmt.Sprintf(format, args...))
	}
	line("run", "%s", m.Run)
	line("pipeline", "%s (spec %s)", m.Pipeline, m.SpecHash)
	line("status", "%s", m.Status)
	if m.Reason != "" {
		line("reason", "%s", m.Reason)
	}
	line("created", "%s", m.Created.Local().Format(time.DateTime))
	line("output", "%s", out.Bucket.URI())
	if n := len(out.Manifests); n > 1 {
		line("", "%d of %d runs here", slices.Index(out.Manifests, m)+1, n)
	}
	sources, bytes := int64(0), int64(0)
	for _, s := range m.Sources {
		sources += s.Bytes
	}
	for i := range m.Files {
		bytes += m.Files[i].Bytes
	}
	line("source", "%s, %s", figure.Plural(int64(len(m.Sources)), "file"), figure.Bytes(sources))
	if len(m.Old) > 0 {
		line("replaced", "%s", figure.Plural(int64(len(m.Old)), "file"))
	}
	fmt.Fprintln(w)
	books(w, &m.Books)
	fmt.Fprintln(w)
	t := newTable("  ", "column", "type", "")
	for _, c := range m.Columns {
		of := "not null"
		if c.Nullable {
			of = ""
		}
		if slices.Contains(m.PartitionBy, c.Name) {
			of = "directory"
		}
		t.add(c.Name, c.Type, of)
	}
	t.write(w)
	fmt.Fprintln(w)
	t = newTable("  ", "file", ">rows", ">bytes", ">of source files")
	t.without("of source files")
	for i := range m.Files[:min(len(m.Files), mostFiles)] {
		f := &m.Files[i]
		of := map[int]bool{}
		for _, l := range f.Lineage {
			of[l.Source] = true
		}
		t.add(f.Name, figure.Rows(f.Rows), figure.Bytes(f.Bytes), figure.Rows(int64(len(of))))
	}
	t.write(w)
	if n := len(m.Files) - mostFiles; n > 0 {
		fmt.Fprintf(w, "  and %s more: --files lists all\n", figure.Rows(int64(n)))
	}
	fmt.Fprintf(w, "\n%s, %s\n", figure.Plural(int64(len(m.Files)), "file"), figure.Bytes(bytes))
}
