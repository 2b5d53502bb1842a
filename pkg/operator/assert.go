package operator

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// ErrAssert is wrapped by the error of a row for which an assert does not hold.
var ErrAssert = errors.New("assert does not hold")

// OnFail says what an assert does with a row for which it does not hold.
type OnFail string

// The ways to fail.
const (
	OnFailFail       OnFail = "fail"        // the run fails
	OnFailDrop       OnFail = "drop"        // the row is dropped
	OnFailDeadLetter OnFail = "dead_letter" // the row is a failed one
)

// assert lets only rows pass for which a predicate is true.
type assert struct {
	predicate
	onFail OnFail
	failed error // of a row
}

// Assert returns the operator for a predicate compiled against the schema in. A row for
// which it is false or null does not hold; nor does one for which it has no value, unless
// rows are dropped: then that one fails, as in any other operator. With [OnFailFail]
// the first such row of a batch is a [*StopError].
func Assert(in *arrow.Schema, pred *expr.Program, onFail OnFail) (Operator, error) {
	p, err := newPredicate("an assert", in, pred)
	if err != nil {
		return nil, err
	}
	if !slices.Contains([]OnFail{OnFailFail, OnFailDrop, OnFailDeadLetter}, onFail) {
		return nil, fmt.Errorf("an assert that does not hold makes the run fail, drops the row or dead-letters it, not %q", onFail)
	}
	return &assert{predicate: p, onFail: onFail, failed: fmt.Errorf("%w: %s", ErrAssert, pred)}, nil
}

func (a *assert) Kind() string { return "assert" }

// Drops implements [Dropper].
func (a *assert) Drops() bool { return a.onFail == OnFailDrop }

func (a *assert) Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	kept, errs, err := a.holds(ctx, mem, in)
	if err != nil {
		return Result{}, err
	}
	var failed []RowError
	next := 0 // of kept
	for i := range int(in.NumRows()) {
		if next < len(kept) && int(kept[next]) == i {
			next++
			continue
		}
		why := a.failed
		broken := len(errs) > 0 && errs[0].Row == i
		if broken {
			why, errs = errs[0].Err, errs[1:]
		}
		switch {
		case a.onFail == OnFailFail:
			return Result{}, &StopError{Row: i, Err: why}
		case a.onFail == OnFailDeadLetter, broken:
			failed = append(failed, RowError{Row: i, Err: why})
		}
	}
	return gather(ctx, mem, a.out, in, kept, failed)
}
