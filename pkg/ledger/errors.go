package ledger

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrVersion is wrapped when an entry says more than this build understands: by
	// its version, its kind or one of its fields. A process must not act on a ledger
	// that it does not understand; the remedy is a newer build.
	ErrVersion = errors.New("unknown ledger version")
	// ErrEntry is wrapped when an entry cannot be decoded or contradicts itself. The
	// fold holds it void.
	ErrEntry = errors.New("malformed entry")
	// ErrGap is wrapped by [State.Apply], as a fatal verdict, when the sequence is not
	// the next one: a fold with a hole in it is no fold.
	ErrGap = errors.New("entry out of sequence")
	// ErrSnapshot is wrapped by [Restore] when a snapshot is not one of this run and
	// version. The remedy is to fold the ledger from its beginning.
	ErrSnapshot = errors.New("unusable snapshot")
	// ErrOverlap is wrapped by [Coverage.Add] and [Coverage.Union] for a span of which
	// some row is covered.
	ErrOverlap = errors.New("span is covered already")
	// ErrCoverage is wrapped when a text is not the one encoding of a coverage, and by
	// [Coverage.Add] for a span that no coverage can hold.
	ErrCoverage = errors.New("malformed coverage")
)

// BooksError says that a run's books do not balance: rows would be lost, doubled or
// unaccounted for. The run fails.
type BooksError struct {
	Books Books
	What  string // which sum does not hold
}

func (e *BooksError) Error() string {
	b := e.Books
	var s strings.Builder
	fmt.Fprintf(&s, "books do not balance: %s: source %d, pruned %d, read %d, written %d, dead %d, dropped %d",
		e.What, b.Source, b.Pruned, b.Read, b.Written, b.Dead, b.DroppedRows())
	for _, op := range b.Operators() {
		fmt.Fprintf(&s, ", dropped by %s %d", op, b.Dropped[op])
	}
	for _, stage := range b.DeadStages() {
		fmt.Fprintf(&s, ", dead in %s %d", stage, b.DeadByStage[stage])
	}
	return s.String()
}
