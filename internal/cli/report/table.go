package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/levada-data/levada/internal/cli/figure"
)

// table lays out cells in columns two spaces apart. Columns whose heading begins with
// > are aligned to the right. On a terminal it is no wider than that is: columns that may go
// are left out, headings become shorter, and then texts are cut, the ids of runs last.
type table struct {
	indent string
	right  []bool
	rows   [][]string
	may    []string          // headings of columns to leave out, the first of them first
	brief  map[string]string // headings and what they are where there is little room
}

func newTable(indent string, headings ...string) *table {
	t := &table{indent: indent}
	row := make([]string, len(headings))
	for i, h := range headings {
		text, right := strings.CutPrefix(h, ">")
		row[i] = text
		t.right = append(t.right, right)
	}
	t.rows = append(t.rows, row)
	return t
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// without says which columns go where there is no room for all, by their headings.
func (t *table) without(headings ...string) { t.may = headings }

// shorten says what a heading is where there is no room for all of it.
func (t *table) shorten(heading, brief string) {
	if t.brief == nil {
		t.brief = map[string]string{}
	}
	t.brief[heading] = brief
}

func (t *table) write(w io.Writer) {
	room := figure.Width(w)
	width := t.widths()
	for _, name := range t.may {
		if room == 0 || t.total(width) <= room {
			break
		}
		t.drop(name)
		width = t.widths()
	}
	if room > 0 && t.total(width) > room {
		for i, heading := range t.rows[0] {
			t.rows[0][i] = cmp.Or(t.brief[heading], heading)
		}
		width = t.widths()
		t.squeeze(width, room)
	}
	for _, row := range t.rows {
		cells := make([]string, len(row))
		for i, c := range row {
			if t.id(i) {
				cells[i] = figure.CutFront(c, width[i])
			} else {
				cells[i] = figure.Cut(c, width[i])
			}
		}
		fmt.Fprintln(w, strings.TrimRight(t.indent+figure.Line(cells, width, t.right), " "))
	}
}

func (t *table) widths() []int {
	width := make([]int, len(t.right))
	for _, row := range t.rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	return width
}

func (t *table) total(width []int) int {
	n := utf8.RuneCountInString(t.indent) + 2*(len(width)-1)
	for _, w := range width {
		n += w
	}
	return n
}

// drop leaves out a column, by its heading.
func (t *table) drop(heading string) {
	column := slices.Index(t.rows[0], heading)
	if column < 0 {
		return
	}
	t.right = slices.Delete(t.right, column, column+1)
	for i := range t.rows {
		t.rows[i] = slices.Delete(t.rows[i], column, column+1)
	}
}

// id reports that a column has ids of runs: of those the end says which, and is a name that
// commands take.
func (t *table) id(column int) bool { return strings.EqualFold(t.rows[0][column], "run") }

// leastText is how narrow a column of text may become, leastID one of ids.
const (
	leastText = 8
	leastID   = 9
)

// squeeze narrows the columns of text, the widest first, until the table fits or none can
// be narrower; and then those of ids.
func (t *table) squeeze(width []int, room int) {
	for _, ids := range []bool{false, true} {
		least := leastText
		if ids {
			least = leastID
		}
		for t.total(width) > room {
			widest := -1
			for i, w := range width {
				if !t.right[i] && t.id(i) == ids && w > least && (widest < 0 || w > width[widest]) {
					widest = i
				}
			}
			if widest < 0 {
				break
			}
			width[widest]--
		}
	}
}
