package top

import (
	"github.com/charmbracelet/x/ansi"
)

// helps are the keys and the columns, the most important first: a small terminal shows
// the beginning.
var helps = [][2]string{
	{"up, down", "choose (or k, j)"},
	{"enter, tab", "to the next list"},
	{"esc", "back to the list before"},
	{"g, G", "to the first, the last"},
	{"s", "sort the runs"},
	{"a", "hide runs that have ended"},
	{"q", "quit; no run notices"},
	{"", ""},
	{"IN/S OUT/S", "rows a second, lately"},
	{"<WAIT", "time it waits for input"},
	{"WORK", "time it works"},
	{"WAIT>", "time it waits to send"},
	{"EDGE", "what waits behind it"},
	{"FULL", "of what may wait there"},
	{"ERR, REDEL", "errors, blocks come again"},
	{"CPU", "of one core, for its work"},
	{"N, UP", "instances, since when"},
	{"DONE, LEFT", "settled or written; guess"},
}

func (m *Model) helpLines() []string {
	width := 0
	for _, h := range helps {
		width = max(width, len(h[0]))
	}
	lines := []string{""}
	for _, h := range helps {
		room := max(m.width-width-4, 0)
		text := ansi.Truncate(h[1], room, m.ellipsis())
		lines = append(lines, keptStyle.Render(pad("  "+h[0], width+2, true, ""))+"  "+text)
	}
	return append(lines, "", faintStyle.Render("  any key closes this"))
}
