package top

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/levada-data/levada/internal/cli/figure"
)

// Lines is a line for each run that is on its way, and one for each that has ended
// since the last call, the oldest first.
func (m *Model) Lines() []string {
	var lines []string
	for _, r := range m.oldest() {
		switch {
		case r.Status == active:
			lines = append(lines, r.ID+" "+r.view.Plain())
		case !r.told:
			r.told = true
			text := fmt.Sprintf("%s %s: %s after %s, %s of %s rows settled", r.ID, printable(r.Pipeline), r.Status,
				figure.Time(r.took(m.facts.At)), figure.Rows(r.Covered), figure.Rows(r.Planned))
			if r.Reason != "" {
				text += ": " + printable(r.Reason)
			}
			lines = append(lines, text)
		}
	}
	return lines
}

func (m *Model) oldest() []*run {
	all := make([]*run, 0, len(m.known))
	for _, r := range m.known {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *run) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Snapshot writes all that is known as tables: the runs, and of those on their way the
// stages and their instances. It has no colours, and no bound on its width.
func (m *Model) Snapshot(w io.Writer) {
	all := m.oldest()
	rows := make([][]cell, len(all))
	for i, r := range all {
		rows[i] = r.cells(m.facts.At, true, m.style)
	}
	write(w, runColumns(true), rows)
	for _, r := range all {
		if r.Status != active || len(r.stages) == 0 {
			continue
		}
		fmt.Fprintf(w, "\n%s\n", sentence(runTitle(r)))
		rows := make([][]cell, len(r.stages))
		for i := range r.stages {
			rows[i] = r.stages[i].cells()
		}
		write(w, stageColumns(), rows)
		for i := range r.stages {
			s := &r.stages[i]
			fmt.Fprintf(w, "\n%s\n", sentence(stageTitle(r, s)))
			rows := make([][]cell, len(s.instances))
			for j := range s.instances {
				rows[j] = s.instances[j].cells()
			}
			if len(rows) > 0 {
				write(w, instanceColumns(), rows)
			}
		}
	}
}

func sentence(parts []string) string {
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return parts[0] + ": " + strings.Join(parts[1:], ", ")
}

func write(w io.Writer, cols []column, rows [][]cell) {
	chosen, widths := fit(cols, rows, 0)
	fmt.Fprintln(w, strings.TrimRight(heading(cols, chosen, widths), " "))
	for _, row := range rows {
		fmt.Fprintln(w, strings.TrimRight(line(cols, row, chosen, widths, "", func(c cell) string { return c.text }), " "))
	}
}
