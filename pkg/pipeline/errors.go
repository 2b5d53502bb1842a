package pipeline

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// ErrVersion is wrapped by the error of [Parse] when the spec's apiVersion is one that
// this build does not know. What else is wrong with the spec may be right in its own.
var ErrVersion = errors.New("unknown apiVersion")

// Error is one thing that is wrong with a spec.
type Error struct {
	File   string // as it was given to Parse
	Line   int    // from 1; 0 when the error has no place
	Column int    // in characters, from 1
	Path   string // "stages[0].transform[2].filter"
	Msg    string
	Hint   string // what to do; may be empty

	source string // the line itself
	kind   error  // the sentinel that it wraps; may be nil
}

// Error gives place, path, message and remedy in one line.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		fmt.Fprintf(&b, "%s:", e.File)
	}
	if e.Line > 0 {
		fmt.Fprintf(&b, "%d:%d:", e.Line, e.Column)
	}
	if b.Len() > 0 {
		b.WriteByte(' ')
	}
	if e.Path != "" {
		fmt.Fprintf(&b, "%s: ", e.Path)
	}
	b.WriteString(e.Msg)
	if e.Hint != "" {
		fmt.Fprintf(&b, " (%s)", e.Hint)
	}
	return b.String()
}

// Unwrap returns the sentinel among the package's errors, if it is one of them.
func (e *Error) Unwrap() error { return e.kind }

// Pretty renders the error with the line of the spec and a caret under its place.
func (e *Error) Pretty() string {
	var b strings.Builder
	fmt.Fprintf(&b, "error: %s\n", e.Msg)
	if e.Line > 0 {
		gutter := len(fmt.Sprint(e.Line))
		fmt.Fprintf(&b, "%*s--> %s:%d:%d", gutter, "", e.File, e.Line, e.Column)
		if e.Path != "" {
			fmt.Fprintf(&b, "  %s", e.Path)
		}
		line, at := around(e.source, max(e.Column-1, 0))
		fmt.Fprintf(&b, "\n%*s |\n%d | %s\n%*s | %s^\n", gutter, "", e.Line, line, gutter, "", strings.Repeat(" ", at))
	} else if e.Path != "" {
		fmt.Fprintf(&b, "  in %s %s\n", e.File, e.Path)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "  help: %s\n", e.Hint)
	}
	return b.String()
}

// shown is how many characters of a line an error shows.
const shown = 200

// around is the part of a line around one of its characters, and where that is in it.
func around(line string, at int) (string, int) {
	all := []rune(line)
	if len(all) <= shown {
		return line, at
	}
	from := max(0, min(at-shown/2, len(all)-shown))
	to := min(from+shown, len(all))
	part := string(all[from:to])
	at -= from
	if to < len(all) {
		part += "…"
	}
	if from > 0 {
		part, at = "…"+part, at+1
	}
	return part, at
}

// Errors is everything that is wrong with a spec, in the order of its lines.
type Errors []*Error

func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns all of them.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// Pretty renders all of them.
func (es Errors) Pretty() string {
	var b strings.Builder
	for _, e := range es {
		b.WriteString(e.Pretty())
		b.WriteByte('\n')
	}
	return b.String()
}

func (es Errors) sorted() Errors {
	slices.SortStableFunc(es, func(a, b *Error) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column)) })
	return es
}

// StoreTooSmallError says that the broker's store cannot hold a run's edges.
type StoreTooSmallError struct {
	Edges int
	Want  int64 // bytes of each edge
	Have  int64 // bytes of the store for all of them
}

func (e *StoreTooSmallError) Error() string {
	return fmt.Sprintf("the server's store is too small: %d edges of %d MiB each do not fit its %d MiB: "+
		"lower policies.edge_bytes (at least %d MiB) or sink.parquet.target_file, or give the server a larger max_file_store",
		e.Edges, e.Want>>20, e.Have>>20, minEdge>>20)
}
