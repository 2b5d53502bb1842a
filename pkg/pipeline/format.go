package pipeline

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// lineWidth is how long a line with { } or [ ] may be: longer ones are taken apart.
const lineWidth = 120

// Format writes YAML in the one form: two spaces a level, { a: b } and [a, b] with one
// space, comments beside neighbouring lines aligned, at most one empty line. What is said, the
// order, the quotes, and every comment stay. The error is an [Errors]: the text is no
// YAML, or has a comment where it would be lost.
func Format(name string, data []byte) ([]byte, error) {
	s := &Spec{file: name, lines: strings.Split(string(data), "\n")}
	if len(data) > maxSpec {
		return nil, Errors{{File: name, Msg: fmt.Sprintf("the file has %d bytes, more than %d", len(data), maxSpec), Hint: "a spec is small: look whether this is one"}}
	}
	p := &parser{spec: s}
	if _, err := p.document(data); err != nil {
		return nil, Errors{err}
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(data)).Decode(&doc); err != nil {
		return nil, err
	}
	f := &formatter{spec: s}
	f.document(&doc)
	if len(f.errs) > 0 {
		return nil, f.errs
	}
	out := f.text()
	if err := s.sameText(&doc, data, out); err != nil {
		return nil, Errors{err}
	}
	return out, nil
}

// sameText makes sure that nothing is lost.
func (s *Spec) sameText(doc *yaml.Node, before, after []byte) *Error {
	const hint = "write what it is about over several lines, with the comment above it"
	var again yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(after)).Decode(&again); err != nil && !errors.Is(err, io.EOF) {
		return &Error{File: s.file, Msg: fmt.Sprintf("it cannot be formatted: %s", err), Hint: hint}
	}
	if n := different(doc, &again); n != nil {
		return s.errorAt(n, "", hint, "it cannot be formatted: this would say something else")
	}
	lost := commentsOf(before)
	for _, c := range commentsOf(after) {
		if i := slices.IndexFunc(lost, func(l comment) bool { return l.text == c.text }); i >= 0 {
			lost = slices.Delete(lost, i, i+1)
		}
	}
	if len(lost) > 0 {
		return s.errorAt(&yaml.Node{Line: lost[0].line, Column: lost[0].column}, "", hint, "this comment would be lost")
	}
	return nil
}

// different returns the first node of a that is not in b what it is in a; nil: they are the same.
func different(a, b *yaml.Node) *yaml.Node {
	if a.Kind != b.Kind || a.ShortTag() != b.ShortTag() || a.Value != b.Value || a.Anchor != b.Anchor || len(a.Content) != len(b.Content) {
		return a
	}
	for i := range a.Content {
		if n := different(a.Content[i], b.Content[i]); n != nil {
			return n
		}
	}
	return nil
}

type formatter struct {
	spec *Spec
	errs Errors
	out  []outLine
}

// outLine is a line; without text and comment it is empty.
type outLine struct {
	indent  int
	text    string
	comment string // beside the text
}

func (f *formatter) put(indent int, text, beside string) {
	f.out = append(f.out, outLine{indent, text, beside})
}

// empty puts an empty line, but never two, and none at the beginning.
func (f *formatter) empty() {
	if n := len(f.out); n > 0 && f.out[n-1] != (outLine{}) {
		f.out = append(f.out, outLine{})
	}
}

// comments puts comments on lines of their own.
func (f *formatter) comments(indent int, texts ...string) {
	for _, text := range texts {
		if text == "" {
			continue
		}
		for line := range strings.SplitSeq(text, "\n") {
			if line = strings.TrimSpace(line); line == "" {
				f.empty()
				continue
			}
			f.put(indent, line, "")
		}
	}
}

func (f *formatter) document(doc *yaml.Node) {
	f.comments(0, doc.HeadComment)
	root := doc.Content[0]
	if doc.HeadComment != "" {
		f.empty()
	}
	f.comments(0, root.HeadComment)
	f.block(root, 0)
	f.comments(0, root.FootComment)
	if doc.FootComment != "" {
		f.empty()
		f.comments(0, doc.FootComment)
	}
}

// block puts a mapping or a list over several lines.
func (f *formatter) block(n *yaml.Node, indent int) {
	if n.Kind == yaml.SequenceNode {
		for i, item := range n.Content {
			f.gap(n.Content, i, 1)
			f.item(item, indent)
		}
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		f.gap(n.Content, i, 2)
		f.comments(indent, key.HeadComment)
		f.value(f.inline(key)+":", " ", val, indent, key.LineComment)
		f.comments(indent, key.FootComment)
	}
}

// gap keeps an empty line before key or item i of a block, whose last one is step before
// it. The first one has none.
func (f *formatter) gap(of []*yaml.Node, i, step int) {
	if i == 0 || of[i].Line == of[i-step].Line {
		return
	}
	for at := of[i].Line - 1; at > 0; at-- {
		line := strings.TrimSpace(f.spec.line(at))
		if line == "" {
			f.empty()
		}
		if !strings.HasPrefix(line, "#") {
			return
		}
	}
}

// value puts what stands after a key or a dash.
func (f *formatter) value(head, space string, val *yaml.Node, indent int, beside string) {
	beside = joined(beside, val.LineComment)
	prefix := f.prefix(val)
	apart := f.apart(head+space+prefix, val, indent)
	switch {
	case val.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		f.verbatim(head+space+prefix, val, indent, beside)
	case (val.Kind == yaml.MappingNode || val.Kind == yaml.SequenceNode) && apart:
		if prefix != "" {
			prefix = space + strings.TrimSpace(prefix)
		}
		f.put(indent, head+prefix, beside)
		f.comments(indent+2, val.HeadComment)
		f.block(val, indent+2)
		f.comments(indent+2, val.FootComment)
	default:
		f.comments(indent, val.HeadComment)
		f.put(indent, strings.TrimRight(head+space+f.inline(val), " "), beside)
		f.comments(indent, val.FootComment)
	}
}

// apart reports that a value stands on lines of its own: it did, or it is too long for one.
func (f *formatter) apart(head string, val *yaml.Node, indent int) bool {
	if val.Style&yaml.FlowStyle == 0 || len(val.Content) == 0 {
		return len(val.Content) > 0
	}
	return indent+utf8.RuneCountInString(head+f.inline(val)) > lineWidth && !commentsWithin(val)
}

func commentsWithin(n *yaml.Node) bool {
	return slices.ContainsFunc(n.Content, func(c *yaml.Node) bool {
		return c.HeadComment+c.LineComment+c.FootComment != "" || commentsWithin(c)
	})
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + " " + b
}

// item puts one item of a list: the first line of what it is stands beside the dash.
func (f *formatter) item(n *yaml.Node, indent int) {
	whole := n.Kind != yaml.MappingNode && n.Kind != yaml.SequenceNode || f.prefix(n) != "" || !f.apart("- ", n, indent)
	if whole {
		f.comments(indent, n.HeadComment)
		head := *n
		head.HeadComment = ""
		f.value("-", " ", &head, indent, "")
		return
	}
	f.comments(indent, n.HeadComment)
	first := len(f.out)
	f.block(n, indent+2)
	for i := first; i < len(f.out); i++ {
		if strings.HasPrefix(f.out[i].text, "#") {
			f.out[i].indent = indent // above the dash
			continue
		}
		f.out[i].indent, f.out[i].text = indent, "- "+f.out[i].text
		break
	}
	f.comments(indent, n.FootComment)
}

// prefix is the anchor and the tag of a node.
func (f *formatter) prefix(n *yaml.Node) string {
	s := ""
	if n.Anchor != "" {
		s += "&" + n.Anchor + " "
	}
	if n.Style&yaml.TaggedStyle != 0 {
		s += n.Tag + " "
	}
	return s
}

// inline is a node on one line.
func (f *formatter) inline(n *yaml.Node) string {
	var parts []string
	switch n.Kind { //nolint:exhaustive // the others are scalars
	case yaml.AliasNode:
		return "*" + n.Value
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			parts = append(parts, strings.TrimRight(f.inline(n.Content[i])+": "+f.inline(n.Content[i+1]), " "))
		}
		if len(parts) == 0 {
			return f.prefix(n) + "{}"
		}
		return f.prefix(n) + "{ " + strings.Join(parts, ", ") + " }"
	case yaml.SequenceNode:
		for _, c := range n.Content {
			parts = append(parts, f.inline(c))
		}
		return f.prefix(n) + "[" + strings.Join(parts, ", ") + "]"
	}
	return f.prefix(n) + f.scalar(n)
}

func (f *formatter) scalar(n *yaml.Node) string {
	switch {
	case n.Style&yaml.SingleQuotedStyle != 0 && !strings.Contains(n.Value, "\n"):
		return "'" + strings.ReplaceAll(n.Value, "'", "''") + "'"
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		if text := f.quoted(n); text != "" {
			return text
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(n.Value) // text can always be encoded
		return strings.TrimSpace(b.String())
	}
	return n.Value
}

// quoted is a text in double quotes as it is written, if that is on one line.
func (f *formatter) quoted(n *yaml.Node) string {
	line := []rune(f.spec.line(n.Line))
	start := n.Column - 1
	if p := []rune(f.prefix(n)); len(p) > 0 { // the place is that of the anchor or the tag
		start += len(p)
	}
	if start < 0 || start >= len(line) || line[start] != '"' {
		return ""
	}
	for i := start + 1; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '"':
			return string(line[start : i+1])
		}
	}
	return ""
}

// verbatim puts a text of several lines, | or >, as it is written.
func (f *formatter) verbatim(head string, n *yaml.Node, indent int, beside string) {
	line := f.spec.line(n.Line)
	at := strings.LastIndexAny(strings.SplitN(line, " #", 2)[0], "|>")
	if at < 0 {
		f.errs = append(f.errs, f.spec.errorAt(n, "", "write the text in quotes", "this form of text cannot be formatted"))
		return
	}
	sign := strings.TrimSpace(strings.SplitN(line[at:], " ", 2)[0])
	if strings.ContainsAny(sign, "123456789") {
		f.errs = append(f.errs, f.spec.errorAt(n, "", "leave the number out, or write the text in quotes", "a text with a width of its own cannot be formatted"))
		return
	}
	f.put(indent, head+sign, beside)
	depth := -1
	var lines []string
	for i := n.Line + 1; i <= len(f.spec.lines); i++ {
		l := f.spec.line(i)
		text := strings.TrimLeft(l, " ")
		if depth < 0 && text != "" {
			if depth = len(l) - len(text); depth == 0 {
				break
			}
		}
		if text != "" && len(l)-len(text) < depth {
			break
		}
		lines = append(lines, l)
	}
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" && !strings.Contains(sign, "+") {
		lines = lines[:len(lines)-1]
	}
	depth = max(depth, 0) // of |+ with empty lines alone
	for _, l := range lines {
		if len(l) < depth {
			f.out = append(f.out, outLine{})
			continue
		}
		f.put(indent+2, l[depth:], "")
	}
}

// text is the lines with their comments aligned: those beside neighbouring lines.
func (f *formatter) text() []byte {
	var b strings.Builder
	for i := 0; i < len(f.out); {
		j, width := i, 0
		for ; j < len(f.out) && f.out[j].comment != ""; j++ {
			width = max(width, f.out[j].indent+utf8.RuneCountInString(f.out[j].text))
		}
		for ; i < j; i++ {
			l := f.out[i]
			line := strings.Repeat(" ", l.indent) + l.text
			b.WriteString(line + strings.Repeat(" ", width-utf8.RuneCountInString(line)+2) + l.comment + "\n")
		}
		if i < len(f.out) {
			if l := f.out[i]; l != (outLine{}) {
				b.WriteString(strings.TrimRight(strings.Repeat(" ", l.indent)+l.text, " ") + "\n")
			} else {
				b.WriteByte('\n')
			}
			i++
		}
	}
	return []byte(strings.TrimRight(b.String(), "\n") + "\n")
}

// comment is a comment of a text.
type comment struct {
	text         string
	line, column int
}

// commentsOf finds the comments of a text on its own, without the YAML library, which
// does not keep all of them.
func commentsOf(data []byte) []comment {
	var (
		found []comment
		quote rune // in which the scan is, 0 for none
		fence = -1 // indentation of the key of a | or > text; -1: none
	)
	for i, line := range strings.Split(strings.ReplaceAll(string(data), "\r", ""), "\n") {
		depth := len(line) - len(strings.TrimLeft(line, " "))
		if fence >= 0 && (strings.TrimSpace(line) == "" || depth > fence) {
			continue
		}
		fence = -1
		start := true // of a value: a quote here opens one
		before := ' '
		runes := []rune(line)
		for at := 0; at < len(runes); at++ {
			r := runes[at]
			switch {
			case quote == '"' && r == '\\':
				at++
			case quote != 0:
				if r == quote {
					quote = 0
				}
			case (r == '"' || r == '\'') && start:
				quote = r
			case r == '#' && (before == ' ' || before == '\t'):
				found = append(found, comment{strings.TrimSpace(string(runes[at:])), i + 1, at + 1})
				at = len(runes)
				continue
			}
			if r != ' ' && r != '\t' {
				start = strings.ContainsRune("{[,:-", r)
			}
			before = r
		}
		if code := strings.TrimSpace(strings.SplitN(line, " #", 2)[0]); quote == 0 && blockText(code) {
			for fence = depth; strings.HasPrefix(code, "- ") && blockText(strings.TrimSpace(code[2:])); code = strings.TrimLeft(code[2:], " ") {
				fence = len(line) - len(strings.TrimLeft(line[fence+1:], " ")) // of the key behind the dash
			}
		}
	}
	return found
}

// blockText reports that a line ends with the sign of a text of several lines.
func blockText(code string) bool {
	fields := strings.Fields(code)
	if len(fields) < 2 {
		return false
	}
	sign := fields[len(fields)-1]
	return (sign[0] == '|' || sign[0] == '>') && strings.Trim(sign[1:], "+-0123456789") == "" && strings.ContainsAny(fields[len(fields)-2], ":-!&")
}
