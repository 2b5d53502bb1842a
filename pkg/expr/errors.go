package expr

import (
	"errors"
	"fmt"
	"strings"
)

// The reasons for which a single row can fail. Program.Eval reports each as the
// Err of a RowError; none of them carries a value of the row.
var (
	// ErrOverflow is the error of a row whose result, or whose input, does not
	// fit 64 bits: integer arithmetic, time arithmetic, a uint64 column above
	// the int64 range.
	ErrOverflow = errors.New("integer overflow")
	// ErrDecimal is the error of a row whose decimal takes more than 38 digits.
	ErrDecimal = errors.New("decimal overflow")
	// ErrDivideByZero is the error of a row whose divisor is zero: x / 0, x / 0.0, x % 0.
	ErrDivideByZero = errors.New("division by zero")
	// ErrCast is the error of a row whose value a cast cannot represent: int("a"), int(1e300).
	ErrCast = errors.New("value cannot be cast")
	// ErrPattern is the error of a row whose regular expression, read from a
	// column, is malformed or too long. A malformed constant is a compile error.
	ErrPattern = errors.New("malformed regular expression")
	// ErrArgument is the error of a row in which an operand lies outside of what
	// the function takes: a negative shift.
	ErrArgument = errors.New("operand out of range")
	// ErrTooLong is the error of a row in which a string grows past MaxStringBytes.
	ErrTooLong = errors.New("string too long")
)

// The reasons for which a whole batch can fail in Program.Eval.
var (
	// ErrSchema is returned when the batch does not have the columns, of the
	// types, with which the expression was compiled.
	ErrSchema = errors.New("batch does not match the schema of the expression")
	// ErrNoRows is returned when the expression asks for rowNumber or uuid and nobody
	// has said, by WithRows, which rows the batch holds.
	ErrNoRows = errors.New("the rows' place in the source is not known here")
	// ErrTooLarge is returned when the strings of one batch outgrow what an
	// Arrow utf8 array or the working memory can hold: use smaller batches.
	ErrTooLarge = errors.New("strings of the batch too large")
)

// RowError says that the expression has no value in one row. The row's slot in
// the result is null.
type RowError struct {
	Row       int    // in the batch given to Eval, from 0
	Operation string // the function or operator that failed, as "/" or "int"; of a column that cannot be read: its name, quoted
	Err       error  // one of the sentinels of this package; never carries a value
}

// Error names the operation and the reason.
func (e RowError) Error() string { return e.Operation + ": " + e.Err.Error() }

// Unwrap gives the reason.
func (e RowError) Unwrap() error { return e.Err }

// Errors is what Compile returns for an expression it refuses: everything that is wrong
// with it, in the order of the places, one at least. What follows from another of them is
// not among them.
type Errors []*Error

// Error gives them line by line.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives all of them.
func (es Errors) Unwrap() []error {
	errs := make([]error, len(es))
	for i, e := range es {
		errs[i] = e
	}
	return errs
}

// Error is one thing that is wrong with an expression: where, what, and what to do.
type Error struct {
	Src    string // the expression
	Offset int    // in runes from the start of Src, from 0
	Line   int    // from 1
	Column int    // in runes, from 1
	Msg    string // what is wrong, in plain words
	Hint   string // what to do about it; may be empty
}

// Error gives place, message and hint in one line.
func (e *Error) Error() string {
	s := fmt.Sprintf("expression %d:%d: %s", e.Line, e.Column, e.Msg)
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}
