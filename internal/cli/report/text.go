package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

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

// paragraph writes a text in lines no wider than a terminal; in one line elsewhere.
func paragraph(w io.Writer, indent, text string) {
	room := figure.Width(w)
	line := indent
	for word := range strings.FieldsSeq(text) {
		if room > 0 && line != indent && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > room {
			fmt.Fprintln(w, line)
			line = indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	fmt.Fprintln(w, line)
}
