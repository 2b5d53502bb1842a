package report

import (
	"strings"

	"github.com/levada-data/levada/internal/cli/figure"
)

// widestValue is how many characters of a value a table shows.
const widestValue = 40

// oneLine makes a value fit into a line: it has no control characters, and is not long.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\ufffd"))
	return figure.Cut(text, widestValue)
}
