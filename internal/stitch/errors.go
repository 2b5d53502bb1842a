package stitch

import (
	"fmt"

	"github.com/levada-data/levada/internal/parquet"
)

// RefusedError says that a column cannot be taken over as it is. It can be decoded.
type RefusedError struct {
	Column string // of the source
	Why    string
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("column %q cannot be taken over: %s", e.Column, e.Why)
}

func refused(column, format string, args ...any) error {
	return &RefusedError{Column: column, Why: fmt.Sprintf(format, args...)}
}

// corrupt says how a file contradicts itself.
func corrupt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", parquet.ErrCorrupt, fmt.Errorf(format, args...))
}

// caught turns a panic over malformed bytes into an error.
func caught(v any) error { return corrupt("decoding it failed: %v", v) }
