package figure

import (
	"io"
	"os"
	"unicode/utf8"

	"golang.org/x/term"
)

// Width is how many columns w has: a terminal's, or what its own method Width says. 0 is
// as many as it takes, for files and pipes.
func Width(w io.Writer) int {
	switch w := w.(type) {
	case interface{ Width() int }:
		return w.Width()
	case *os.File:
		if n, _, err := term.GetSize(int(w.Fd())); err == nil {
			return n
		}
	}
	return 0
}

// Cut shortens a text to n characters, the last of which says so. A width of 0 is no bound.
func Cut(text string, n int) string {
	if n <= 0 || utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}

// CutFront is Cut of a text whose end says most.
func CutFront(text string, n int) string {
	if n <= 0 || utf8.RuneCountInString(text) <= n {
		return text
	}
	all := []rune(text)
	return "…" + string(all[len(all)-n+1:])
}
