package expr

import (
	"fmt"
	"strings"
	"sync"

	"cel.dev/cel-go/parser"
)

const (
	// MaxLength is the longest expression, in characters.
	MaxLength = 16 << 10
	// maxDepth is how deep operations may nest. It bounds every recursion over
	// the syntax tree.
	maxDepth = 250
)

// columnFunction is how a column is named whose name is no identifier: col("a b").
const columnFunction = "col"

// language is what the table of functions makes of CEL.
type language struct {
	functions []function
	byTree    map[string]*function
	parser    *parser.Parser
}

// theLanguage is made at the first use and never changes.
var theLanguage = sync.OnceValue(func() *language {
	l, err := newLanguage(functions())
	if err != nil {
		panic(fmt.Sprintf("expr: the table of functions: %v", err)) // caught by any test
	}
	return l
})

func newLanguage(table []function) (*language, error) {
	l := &language{functions: table, byTree: make(map[string]*function, len(table))}
	var err error
	// CEL's hand-written parser: it is bounded in depth and its errors can be
	// put in plain words, unlike those of the generated one.
	l.parser, err = parser.NewParser(
		parser.EnablePrattParser(true),
		parser.MaxRecursionDepth(maxDepth),
		parser.ExpressionSizeCodePointLimit(MaxLength),
	)
	if err != nil {
		return nil, err
	}
	for i := range l.functions {
		f := &l.functions[i]
		if l.byTree[f.treeName()] != nil {
			return nil, fmt.Errorf("%s has two entries", f.treeName())
		}
		l.byTree[f.treeName()] = f
	}
	return l, nil
}

// variable is the name that column i of an expression has in its syntax tree. A
// name of ours, so that no column can be taken for a type, a package or a field.
func variable(i int) string { return fmt.Sprintf("v%d", i) }

// functionNames are the names one can call.
func (l *language) functionNames() []string {
	names := []string{columnFunction}
	for i := range l.functions {
		if f := &l.functions[i]; !f.operator() {
			names = append(names, f.name)
		}
	}
	return names
}

// reserved are the words that CEL keeps for itself.
const reserved = " as break const continue else false for function if import in let loop namespace null package return true var void while "

// isIdentifier says whether a column can be named without col.
func isIdentifier(name string) bool {
	if name == "" || strings.Contains(reserved, " "+name+" ") {
		return false
	}
	for i, r := range name {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return true
}
