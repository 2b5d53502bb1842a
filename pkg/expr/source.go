package expr

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"cel.dev/cel-go/common"
)

// source is the text of an expression, for places in it.
type source struct {
	text  string
	runes []rune
}

func newSource(text string) *source { return &source{text: text, runes: []rune(text)} }

// error makes the error for the character at the offset.
func (s *source) error(offset int, msg, hint string) *Error {
	offset = max(0, min(offset, len(s.runes)))
	e := &Error{Src: s.text, Offset: offset, Line: 1, Column: 1, Msg: msg, Hint: hint}
	for _, r := range s.runes[:offset] {
		if e.Column++; r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}

// nameBefore is where the name begins that ends before the offset.
func (s *source) nameBefore(offset int) int {
	start := offset
	for start > 0 && unicode.IsSpace(s.runes[start-1]) {
		start--
	}
	end := start
	for start > 0 && isWord(s.runes[start-1]) {
		start--
	}
	if start == end {
		return offset
	}
	return start
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// wordStart is where the word begins that the offset is in; else the offset.
func (s *source) wordStart(offset int) int {
	for offset > 0 && offset < len(s.runes) && isWord(s.runes[offset]) && isWord(s.runes[offset-1]) {
		offset--
	}
	return offset
}

// wordAt is the whole word that the offset is in.
func (s *source) wordAt(offset int) string { return s.tokenAt(s.wordStart(offset)) }

// foreign reports a name with letters or digits outside of ASCII, which CEL knows only in
// quotes.
func foreign(word string) bool {
	return strings.ContainsFunc(word, func(r rune) bool { return r > unicode.MaxASCII && isWord(r) })
}

// tokenAt is the word or the sign at the offset.
func (s *source) tokenAt(offset int) string {
	if offset >= len(s.runes) {
		return ""
	}
	end := offset + 1
	if isWord(s.runes[offset]) {
		for end < len(s.runes) && isWord(s.runes[end]) {
			end++
		}
	}
	return string(s.runes[offset:end])
}

// syntaxErrors puts the errors of CEL's parser in our words. After a token that does not
// fit it is out of step, and what it then expects says nothing; but a bad literal is one
// wherever it stands, and so is an operand that is missing.
func (s *source) syntaxErrors(found []*common.Error) (errs Errors) {
	for i, e := range found {
		msg := strings.TrimPrefix(e.Message, "Syntax error: ")
		outOfStep := strings.HasPrefix(msg, "expected") || strings.HasPrefix(msg, "mismatched") || strings.HasPrefix(msg, "unexpected token after")
		if i == 0 || !outOfStep {
			errs = append(errs, s.syntaxError(e, msg))
		}
	}
	return errs.inOrder()
}

func (s *source) syntaxError(e *common.Error, msg string) *Error {
	offset := s.offset(e.Location)
	hint := ""
	token := s.tokenAt(offset)
	switch {
	case strings.Contains(msg, "recursion limit"):
		return s.error(0, fmt.Sprintf("the expression nests deeper than %d operations", maxDepth), "split it over several columns")
	case strings.TrimSpace(s.text) == "":
		msg = "the expression is empty"
	case strings.Contains(msg, "<EOF>"), token == "" && strings.Contains(msg, "expected"):
		msg, hint = "the expression ends too early", ""
		if strings.Count(s.text, "(") > strings.Count(s.text, ")") {
			hint = "a closing parenthesis is missing"
		}
	case strings.Contains(msg, "unterminated"):
		msg = "the text has no closing quote"
	case strings.Contains(msg, "unescape"):
		msg, hint = "the text has a backslash that escapes nothing", `write \\ for a backslash, or a raw text: r"\d"`
	case strings.Contains(msg, "quoted identifier"), token == "`":
		msg, hint = "names are not quoted with backquotes", `write col("a b")`
	case strings.Contains(msg, "reserved identifier"):
		msg, hint = fmt.Sprintf("%q is a reserved word", token), fmt.Sprintf("if it is a column, write col(%q)", token)
	case strings.Contains(msg, "invalid int literal"):
		msg, hint = "the number does not fit an int", "write it with a decimal point for a double"
	case strings.Contains(msg, "invalid double literal"):
		msg = "the number does not fit a double"
	case foreign(s.wordAt(offset)):
		word := s.wordAt(offset)
		offset = s.wordStart(offset) // of its other letters, CEL's lexer says the same
		msg, hint = fmt.Sprintf("%q has letters that a bare name cannot have", word), fmt.Sprintf("for the column, write col(%q); a text stands in quotes", word)
	case strings.HasPrefix(msg, "unexpected"), strings.HasPrefix(msg, "expected"), strings.HasPrefix(msg, "mismatched"):
		msg, hint = fmt.Sprintf("unexpected %q", token), tokenHint(strings.ToLower(token), offset, s)
	}
	return s.error(offset, msg, hint)
}

// tokenHint is for those who think in another language.
func tokenHint(token string, offset int, s *source) string {
	before := ""
	if offset > 0 {
		before = string(s.runes[offset-1])
	}
	switch token {
	case "and", "&":
		return "write && for and"
	case "or", "|":
		return "write || for or"
	case "not":
		return "write ! for not"
	case "=":
		return "write == to compare"
	case "is":
		return "write isNull(x), or ==, or !="
	case ">":
		if before == "<" {
			return "write != for unequal"
		}
	case "like":
		return "write contains(x, y), startsWith(x, y) or matches(x, pattern)"
	case "between":
		return "write x >= a && x <= b"
	case "case", "when", "then":
		return "write condition ? a : b"
	}
	return ""
}

// offset of a place that CEL reports by line and column.
func (s *source) offset(at common.Location) int {
	line, column := at.Line(), max(at.Column(), 0)
	offset := 0
	for ; line > 1 && offset < len(s.runes); offset++ {
		if s.runes[offset] == '\n' {
			line--
		}
	}
	return min(offset+column, len(s.runes))
}

// inOrder sorts errors by their places, of which each has one: the first that was found.
func (es Errors) inOrder() Errors {
	slices.SortStableFunc(es, func(a, b *Error) int { return cmp.Compare(a.Offset, b.Offset) })
	return slices.CompactFunc(es, func(a, b *Error) bool { return a.Offset == b.Offset })
}
