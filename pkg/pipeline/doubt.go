package pipeline

import (
	"strings"
	"unicode"

	"github.com/levada-data/levada/pkg/expr"
)

// One mistake is one error: what follows from an operator that is wrong is not reported.

// doubt notes what an operator would have made that was reported as wrong.
func (c *compiler) doubt(o *OperatorSpec) {
	if c.doubtful == nil {
		c.doubtful = map[string]bool{}
	}
	switch o.Kind {
	case "filter":
	case "mask":
		if o.Mask != nil {
			c.doubtful[o.Mask.Column] = true // its type
		}
	case "with":
		for _, a := range o.With {
			c.doubtful[a.Column] = true
		}
	case "rename":
		for _, r := range o.Rename {
			c.doubtful[r.Old], c.doubtful[r.New] = true, true
		}
	case "select", "drop":
		for _, name := range o.Names {
			c.doubtful[name] = true
		}
		c.lost = c.lost || o.bad
	default:
		c.lost = c.lost || o.bad // nobody knows what it would have made
	}
}

// doubts reports that an error of an expression may follow from another: it is about a
// column in doubt, or about a value made of one.
func (c *compiler) doubts(e *expr.Error) bool {
	for name := range c.doubtful {
		if mentions(e.Src, name) {
			return true
		}
	}
	return false
}

// mentions reports that a text has a name as a word.
func mentions(text, name string) bool {
	word := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	for at := 0; name != ""; {
		i := strings.Index(text[at:], name)
		if i < 0 {
			return false
		}
		before, after := text[:at+i], text[at+i+len(name):]
		if strings.TrimRightFunc(before, word) == before && strings.TrimLeftFunc(after, word) == after {
			return true
		}
		at += i + len(name)
	}
	return false
}
