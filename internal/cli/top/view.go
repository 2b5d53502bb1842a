package top

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/levada-data/levada/internal/cli/figure"
)

// The colours are the terminal's own sixteen, which suit its background; without colours,
// what is chosen is still reversed, and what is in focus bold.
var (
	plainStyle  = lipgloss.NewStyle()
	titleStyle  = lipgloss.NewStyle().Bold(true)
	faintStyle  = lipgloss.NewStyle().Faint(true)
	headStyle   = lipgloss.NewStyle().Faint(true)
	focusStyle  = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Cyan)
	chosenStyle = lipgloss.NewStyle().Reverse(true)
	keptStyle   = lipgloss.NewStyle().Bold(true)
	badStyle    = lipgloss.NewStyle().Bold(true).Foreground(lipgloss.Red)
	warnStyle   = lipgloss.NewStyle().Foreground(lipgloss.Yellow)
	goodStyle   = lipgloss.NewStyle().Foreground(lipgloss.Green)
	busyStyle   = lipgloss.NewStyle().Foreground(lipgloss.Cyan)
)

func (m mood) style() lipgloss.Style {
	switch m {
	case faint:
		return faintStyle
	case good:
		return goodStyle
	case busy:
		return busyStyle
	case warn:
		return warnStyle
	case bad:
		return badStyle
	case strong:
		return keptStyle
	default:
		return plainStyle
	}
}

// Frame is the whole screen: as many lines as it has, none wider than it is.
func (m *Model) Frame() string {
	if m.width <= 0 || m.height <= 0 {
		return ""
	}
	lines := []string{m.header()}
	switch {
	case m.help:
		lines = append(lines, m.helpLines()...)
	default:
		lines = append(lines, m.body(m.height-2)...)
	}
	if len(lines) > m.height-1 {
		lines = lines[:m.height-1]
	}
	for len(lines) < m.height-1 {
		lines = append(lines, "")
	}
	lines = append(lines, m.footer())
	for i, l := range lines {
		if ansi.StringWidth(l) > m.width {
			lines[i] = ansi.Truncate(l, m.width, "")
		}
	}
	return strings.Join(lines, "\n")
}

// ends puts one text at the left end of a line and another at the right, as much of
// them as there is room for.
func (m *Model) ends(left, right string) string {
	if room := m.width - ansi.StringWidth(left) - ansi.StringWidth(right); room >= 2 {
		return left + strings.Repeat(" ", room) + right
	}
	return ansi.Truncate(left, m.width, m.ellipsis())
}

func (m *Model) header() string {
	left := titleStyle.Render("levada top")
	if m.facts.At.IsZero() {
		return left
	}
	clock := m.facts.At.Format("15:04:05")
	left += "  " + m.counted()
	if where := printable(m.facts.Where); where != "" && m.width >= ansi.StringWidth(left)+ansi.StringWidth(where)+len(clock)+4 {
		clock = where + "  " + clock
	}
	return m.ends(left, faintStyle.Render(clock))
}

func (m *Model) footer() string {
	if t := printable(m.facts.Trouble); t != "" {
		return badStyle.Render(ansi.Truncate(t, m.width, m.ellipsis()))
	}
	shown := "all"
	if !m.ended {
		shown = "on the way"
	}
	move := "j/k"
	if m.style.Unicode {
		move = "↑↓"
	}
	line := ""
	for _, k := range [][2]string{
		{"q", "quit"}, {"?", "help"}, {move, "move"}, {"tab", "next list"}, {"s", "sort: " + m.order.String()}, {"a", "runs: " + shown},
	} {
		next := line
		if next != "" {
			next += "  "
		}
		next += keptStyle.Render(k[0]) + " " + faintStyle.Render(k[1])
		if ansi.StringWidth(next) > m.width {
			break
		}
		line = next
	}
	return line
}

func (m *Model) ellipsis() string {
	if m.style.Unicode {
		return "…"
	}
	return "~"
}

// marker is what stands before the chosen row of each pane: for terminals that show no
// style.
const marker = "> "

// body lays the three panes out in height lines.
//
//	runs       heading, rows
//	           (blank)
//	stages     title, heading, rows
//	           (blank)
//	instances  title, heading, rows
//
// Where they do not fit, the blanks go first, and then all but the pane in focus.
func (m *Model) body(height int) []string {
	if len(m.known) == 0 {
		return m.nothing()
	}
	const (
		fixed  = 5 // headings and titles
		blanks = 2
		least  = 3 // rows, one of each
	)
	need := [panes]int{len(m.runs), len(m.names(paneStages)), len(m.names(paneInstances))}
	if height < fixed+least {
		m.room = [panes]int{}
		m.room[m.focus] = max(height-2, 1)
		return m.pane(m.focus)
	}
	space := ""
	free := height - fixed
	if height >= fixed+blanks+2*least {
		free -= blanks
		space = "\n"
	}
	m.room = share(free, need, m.focus)
	var lines []string
	for p := range panes {
		if p > paneRuns && space != "" {
			lines = append(lines, "")
		}
		lines = append(lines, m.pane(p)...)
	}
	return lines
}

// share deals lines out among panes, one to each in turn, the one in focus first, until
// there are no more or each has what it needs.
func share(free int, need [panes]int, first pane) [panes]int {
	var got [panes]int
	for {
		dealt := false
		for i := range panes {
			p := (first + i) % panes
			if free > 0 && got[p] < need[p] {
				got[p]++
				free--
				dealt = true
			}
		}
		if !dealt {
			return got
		}
	}
}

func (m *Model) nothing() []string {
	if m.facts.At.IsZero() {
		return []string{"", "  looking ..."}
	}
	return []string{"", "  no runs yet", faintStyle.Render("  'levada run FILE' makes one; it appears here")}
}

// pane is one list: its title, its heading, and the rows that there is room for, among
// them the chosen one.
func (m *Model) pane(p pane) []string {
	title, cols, rows := m.table(p)
	at := m.index(p)
	from := m.scroll(p, at, len(rows))
	to := min(from+m.room[p], len(rows))
	if to-from < len(rows) {
		part := fmt.Sprintf("%d-%d of %d", from+1, to, len(rows))
		if p == paneRuns {
			cols[barColumn].head = part
		} else if len(title) > 0 {
			title = slices.Insert(title, 1, part)
		}
	}
	var lines []string
	if p != paneRuns {
		lines = append(lines, m.title(title))
	}
	style := headStyle
	if p == m.focus {
		style = focusStyle
	}
	chosen, widths := fit(cols, rows, m.width-len(marker))
	lines = append(lines, style.Render(strings.Repeat(" ", len(marker))+heading(cols, chosen, widths)))
	for i := from; i < to; i++ {
		lines = append(lines, m.row(p, cols, rows[i], chosen, widths, i == at))
	}
	return lines
}

// table is what a pane lists, whole.
func (m *Model) table(p pane) (title []string, cols []column, rows [][]cell) {
	r, s := m.chosenRun(), m.chosenStage()
	switch p {
	case paneRuns:
		whole := m.width >= wholeIDs
		for _, r := range m.runs {
			rows = append(rows, r.cells(m.facts.At, whole, m.style))
		}
		return nil, runColumns(whole), rows
	case paneStages:
		if r != nil {
			for i := range r.stages {
				rows = append(rows, r.stages[i].cells())
			}
		}
		return runTitle(r), stageColumns(), rows
	default:
		if s != nil {
			for i := range s.instances {
				rows = append(rows, s.instances[i].cells())
			}
		}
		return stageTitle(r, s), instanceColumns(), rows
	}
}

// wholeIDs is how wide a terminal must be for ids of runs in full.
const wholeIDs = 110

// row draws one row. That which is chosen is reversed where the keys go.
func (m *Model) row(p pane, cols []column, cells []cell, chosen, widths []int, is bool) string {
	before, paint := strings.Repeat(" ", len(marker)), func(c cell) string { return c.mood.style().Render(c.text) }
	if is {
		before, paint = marker, func(c cell) string { return c.text }
	}
	text := before + line(cols, cells, chosen, widths, m.ellipsis(), paint)
	switch {
	case is && p == m.focus:
		return chosenStyle.Render(pad(text, m.width, true, ""))
	case is:
		return keptStyle.Render(text)
	default:
		return text
	}
}

// scroll returns the first row of a pane to show, so that the chosen one is among them
// and as little as possible moves.
func (m *Model) scroll(p pane, at, rows int) int {
	room := m.room[p]
	from := min(m.top[p], max(rows-room, 0), at)
	if room > 0 && at >= from+room {
		from = at - room + 1
	}
	m.top[p] = from
	return from
}

// title joins parts to a line, as many as there is room for; the first is what the rest
// is about.
func (m *Model) title(parts []string) string {
	if len(parts) == 0 {
		return ""
	}
	line := titleStyle.Render(ansi.Truncate(parts[0], m.width, m.ellipsis()))
	sep := ": "
	for _, p := range parts[1:] {
		room := m.width - ansi.StringWidth(line) - len(sep)
		if room < ansi.StringWidth(p) && sep != ": " {
			break // a part is whole, or the first, which may be cut
		}
		line += sep + ansi.Truncate(p, max(room, 0), m.ellipsis())
		sep = ", "
	}
	return line
}

// runTitle says of a run what its row has no room for.
func runTitle(r *run) []string {
	if r == nil {
		return []string{"no run is on its way"}
	}
	parts := []string{printable(r.Pipeline) + " " + r.ID}
	switch {
	case r.Waits != "" && r.Status == active:
		parts = append(parts, "waits for "+r.Waits)
	case r.Reason != "":
		parts = append(parts, printable(r.Reason))
	case r.Status == interrupted:
		parts = append(parts, "its process is gone, 'levada resume' goes on with it")
	}
	if r.Planned > 0 {
		parts = append(parts, figure.Rows(r.Covered)+" of "+figure.Plural(r.Planned, "row")+" settled")
	}
	if r.Written > 0 {
		parts = append(parts, figure.Rows(r.Written)+" written")
	}
	if r.Dead > 0 {
		parts = append(parts, figure.Rows(r.Dead)+" dead")
	}
	return append(parts, "to "+printable(r.Sink))
}

// stageTitle says of a stage what its row has no room for.
func stageTitle(r *run, s *stage) []string {
	if s == nil {
		if r != nil && r.Status != active {
			return []string{"what its stages did is not known here"}
		}
		return nil
	}
	parts := []string{s.name}
	if len(s.instances) == 0 {
		parts = append(parts, "no process has reported")
	} else {
		parts = append(parts, figure.Count(s.total.RowsIn)+" rows in, "+figure.Count(s.total.RowsOut)+" out")
	}
	if e := s.edge; e != nil && e.MaxBytes > 0 {
		parts = append(parts, fmt.Sprintf("edge %s of %s, %s", figure.Bytes(e.Bytes), figure.Bytes(e.MaxBytes), figure.Plural(int64(min(e.Blocks, 1<<62)), "block")))
	}
	if len(s.instances) > 0 {
		parts = append(parts,
			"CPU "+figure.Time(s.total.CPU),
			figure.Rows(s.total.Redelivered)+" redelivered",
			figure.Plural(s.total.Errors, "error"))
	}
	return parts
}
