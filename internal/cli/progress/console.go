package progress

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// console draws frames over each other on a terminal that may change its width at any time.
// A terminal that becomes narrower wraps the lines that are there: to get back to the first
// line of the last frame takes as many rows more. It implements mpb's ConsoleWriter; one
// goroutine.
type console struct {
	bytes.Buffer // of the frame that is being made, with the log lines above it

	out  io.Writer
	size func() (width, height int, err error)
	last []int // lengths of the lines of the last frame, in characters
}

func newConsole(f *os.File) *console {
	return &console{out: f, size: func() (int, int, error) { return term.GetSize(int(f.Fd())) }}
}

// IsTerminal implements mpb's ConsoleWriter.
func (c *console) IsTerminal() bool { return true }

// GetTermSize implements mpb's ConsoleWriter.
func (c *console) GetTermSize() (width, height int, err error) { return c.size() }

// Lines of a frame are cut where the terminal ends, not wrapped: it may be narrower already
// than it says.
const (
	noWrap = "\x1b[?7l"
	wrap   = "\x1b[?7h"
)

// Flush draws what was written, the last lines of which are the new frame.
func (c *console) Flush(lines int) error {
	width, _, err := c.size()
	if err != nil {
		return err
	}
	var text strings.Builder
	up := 0
	for _, n := range c.last {
		up += 1 + max(n-1, 0)/max(width, 1)
	}
	if up > 0 { // some terminals go up one line when told to go up none
		fmt.Fprintf(&text, "\x1b[%dA\r\x1b[J", up)
	}
	all := strings.SplitAfter(c.String(), "\n")
	if last := len(all) - 1; all[last] == "" { // behind the end of the last line
		all = all[:last]
	}
	c.Reset()
	log, frame := all[:max(len(all)-lines, 0)], all[max(len(all)-lines, 0):]
	text.WriteString(strings.Join(log, ""))
	c.last = c.last[:0]
	if len(frame) > 0 {
		text.WriteString(noWrap + strings.Join(frame, "") + wrap)
	}
	for _, line := range frame {
		c.last = append(c.last, min(utf8.RuneCountInString(line)-1, width))
	}
	_, err = io.WriteString(c.out, text.String())
	return err
}
