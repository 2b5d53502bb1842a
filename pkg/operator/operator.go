package operator

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Operator maps a record batch. Implementations are immutable: any number of
// goroutines may use one at the same time.
type Operator interface {
	// Kind is the operator's name in a spec: "filter", "with". It stands in labels
	// and books.
	Kind() string

	// Out is the schema of every batch that Apply returns, fixed at construction.
	Out() *arrow.Schema

	// From names, for each column of Out, the column of the input that it is, value for
	// value in the rows that are kept, or -1 for one that the operator makes. Read-only.
	From() []int

	// Apply maps one batch of the schema that the operator was made for. It borrows
	// in for the call; the caller must Release the result's batch. Rows keep their
	// order. An error is for the batch as a whole: the caller halves it to find the
	// rows that cause it. Row errors are not errors of Apply: they stand in Failed.
	Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error)
}

// Result is what an operator made of a batch.
type Result struct {
	// Batch holds the rows that go on. Never nil; possibly without rows.
	Batch arrow.RecordBatch
	// Kept are the rows of the input that are in Batch, ascending; nil: all of them.
	Kept []uint32
	// Failed are rows that have no value; they are not in Batch. What is neither
	// kept nor failed has been dropped.
	Failed []RowError
}

// RowError is one row that an operator could not process.
type RowError struct {
	Row    int    // of the operator's input
	Column string // the column whose value could not be had; "" when there is no single one
	Err    error  // never carries a value
}

// Reader is an operator that reads columns, beyond passing them on.
type Reader interface {
	// Reads names the columns of the input that are read, each once.
	Reads() []string
}

// Dropper is an operator that may drop rows, by what it is made for.
type Dropper interface {
	// Drops reports that it may.
	Drops() bool
}
