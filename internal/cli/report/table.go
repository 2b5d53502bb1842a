package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/levada-data/levada/internal/cli/figure"
)

// table lays out cells in columns two spaces apart. Columns whose heading begins with
// > are aligned to the right.
type table struct {
	indent string
	right  []bool
	rows   [][]string
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

func (t *table) write(w io.Writer) {
	width := make([]int, len(t.right))
	for _, row := range t.rows {
		for i, c := range row {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, row := range t.rows {
		fmt.Fprintln(w, strings.TrimRight(t.indent+figure.Line(row, width, t.right), " "))
	}
}
