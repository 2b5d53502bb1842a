package pipeline

import (
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/expr"
)

// nodeOf is the place of something in the YAML.
type nodeOf = *yaml.Node

// inside moves an error from the beginning of a scalar to the place inside it that
// an expression's error names. Only scalars that stand in the file as they are read
// can be looked into: plain ones, quoted ones of one line without escapes, and texts of
// several lines that begin with |.
func (s *Spec) inside(e *Error, n nodeOf, xe *expr.Error) {
	if n != nil && n.Style == yaml.LiteralStyle {
		s.insideLiteral(e, n, xe)
		return
	}
	if n == nil || xe.Line != 1 || strings.Contains(n.Value, "\n") {
		return
	}
	open := 0
	switch n.Style {
	case yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle:
		open = 1
	case 0:
	default:
		return
	}
	line := []rune(s.line(n.Line))
	start := n.Column - 1 + open
	if start < 0 || start+utf8.RuneCountInString(n.Value) > len(line) {
		return
	}
	if string(line[start:start+utf8.RuneCountInString(n.Value)]) != n.Value {
		return // escapes, or folded over lines
	}
	e.Column = start + xe.Column
}

// insideLiteral is inside for a text of several lines, whose lines are those below its
// sign, less what they are indented by.
func (s *Spec) insideLiteral(e *Error, n nodeOf, xe *expr.Error) {
	lines := strings.Split(n.Value, "\n")
	if xe.Line > len(lines) {
		return
	}
	indent, ok := strings.CutSuffix(s.line(n.Line+xe.Line), lines[xe.Line-1])
	if !ok || strings.TrimSpace(indent) != "" {
		return
	}
	e.Line = n.Line + xe.Line
	e.Column, e.source = utf8.RuneCountInString(indent)+xe.Column, s.line(e.Line)
}
