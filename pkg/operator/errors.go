package operator

import (
	"errors"
	"fmt"
)

// ErrSchema is wrapped by an operator's error when a batch does not have the schema
// that the operator was made for.
var ErrSchema = errors.New("batch does not match the operator's schema")

// PanicError is an operator's panic, caught by [Chain.Run]. Value and Stack are for
// the log of whoever mends the operator; Value may hold anything, a row's value
// too, so Error leaves it out.
type PanicError struct {
	Operator string // label
	Value    any
	Stack    []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("operator %s panicked", e.Operator) }

// StopError is an operator's word that the run must not go on, because of one row: an
// assert with on_fail: fail. It is no error of the batch, and halving does not mend it.
type StopError struct {
	Operator string // label; the chain sets it
	Row      int    // of the operator's input; of the chain's, when [Chain.Run] returns it
	Err      error  // never carries a value
}

func (e *StopError) Error() string { return fmt.Sprintf("operator %s: %v", e.Operator, e.Err) }

// Unwrap returns the cause.
func (e *StopError) Unwrap() error { return e.Err }
