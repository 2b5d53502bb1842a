package top

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// column is one of a table. Its width does not depend on the numbers in it, so that
// nothing jumps when they grow; that of names does, between two bounds.
type column struct {
	head  string
	width int // of figures; 0 for names
	least int // of names
	most  int
	left  bool // aligned to the left
	rank  int  // what is dropped first, where there is little room, is the highest; never 0
}

// cell is a text and what it means.
type cell struct {
	text string
	mood mood
}

// mood is why a text stands out.
type mood int

const (
	plain mood = iota
	faint
	good
	busy
	warn
	bad
	strong
)

const gap = 1

// fit chooses the columns that width has room for, and gives them their widths. The
// cells of a column that is left out are nil's: use at to find them. A width of 0 has
// room for all.
func fit(cols []column, rows [][]cell, width int) (chosen, widths []int) {
	sized := make([]int, len(cols))
	for i := range cols {
		sized[i] = cols[i].width
		if cols[i].width > 0 {
			continue
		}
		sized[i] = max(ansi.StringWidth(cols[i].head), cols[i].least)
		for _, row := range rows {
			sized[i] = max(sized[i], ansi.StringWidth(row[i].text))
		}
		if width > 0 && cols[i].most > 0 {
			sized[i] = min(sized[i], cols[i].most)
		}
	}
	for i := range cols {
		chosen = append(chosen, i)
	}
	total := func() int {
		n := gap * (len(chosen) - 1)
		for _, i := range chosen {
			n += sized[i]
		}
		return n
	}
	for width > 0 && total() > width && len(chosen) > 1 {
		worst := 0
		for at, i := range chosen {
			if cols[i].rank > cols[chosen[worst]].rank {
				worst = at
			}
		}
		if cols[chosen[worst]].rank == 0 {
			break
		}
		chosen = append(chosen[:worst], chosen[worst+1:]...)
	}
	for _, i := range chosen { // what is left over names must do without
		if over := total() - width; width > 0 && over > 0 && cols[i].width == 0 {
			sized[i] = max(sized[i]-over, 1)
		}
	}
	for _, i := range chosen {
		widths = append(widths, sized[i])
	}
	return chosen, widths
}

// pad makes a text exactly width columns wide.
func pad(text string, width int, left bool, ellipsis string) string {
	text = ansi.Truncate(text, width, ellipsis)
	fill := strings.Repeat(" ", max(width-ansi.StringWidth(text), 0))
	if left {
		return text + fill
	}
	return fill + text
}

// heading is the line above a table.
func heading(cols []column, chosen, widths []int) string {
	parts := make([]string, len(chosen))
	for at, i := range chosen {
		parts[at] = pad(cols[i].head, widths[at], cols[i].left || cols[i].width == 0, "")
	}
	return strings.Join(parts, strings.Repeat(" ", gap))
}

// line is one row of a table; paint colours a cell.
func line(cols []column, row []cell, chosen, widths []int, ellipsis string, paint func(cell) string) string {
	parts := make([]string, len(chosen))
	for at, i := range chosen {
		c := row[i]
		c.text = pad(c.text, widths[at], cols[i].left || cols[i].width == 0, ellipsis)
		parts[at] = paint(c)
	}
	return strings.Join(parts, strings.Repeat(" ", gap))
}
