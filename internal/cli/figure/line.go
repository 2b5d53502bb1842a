package figure

import (
	"strings"
	"unicode/utf8"
)

// Line lays out cells two spaces apart, each in its width, in characters. Those of which
// right is true are aligned to the right. No space ends the line, and no line break.
func Line(cells []string, width []int, right []bool) string {
	var b strings.Builder
	for i, c := range cells {
		if i > 0 {
			b.WriteString("  ")
		}
		fill := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
		if right[i] {
			b.WriteString(fill + c)
		} else {
			b.WriteString(c + fill)
		}
	}
	return strings.TrimRight(b.String(), " ")
}
