package parquet

import (
	"errors"
	"fmt"
	"strings"
)

var (
	// ErrNotParquet is wrapped for a file that does not end as Parquet files do.
	ErrNotParquet = errors.New("not a Parquet file")
	// ErrCorrupt is wrapped for a file that contradicts itself.
	ErrCorrupt = errors.New("the file is damaged")
	// ErrEncrypted is wrapped for an encrypted file.
	ErrEncrypted = errors.New("the file is encrypted, which levada cannot read")
	// ErrUnsupported is wrapped for a file in an encoding that nobody here reads.
	ErrUnsupported = errors.New("the file uses an encoding that levada cannot read: write it with plain, dictionary or delta encodings")
	// ErrRange is wrapped for a value that is sound and has no form in the type that it
	// would be read as.
	ErrRange = errors.New("a value is out of range")
	// ErrChanged is wrapped when a file is not the one that was planned.
	ErrChanged = errors.New("the file changed since the run was planned: run again with the file as it is now")
	// ErrTooLarge is wrapped when a part of the file cannot be read within the memory
	// that the reader may use.
	ErrTooLarge = errors.New("too large for the reader's memory")
)

// IsDamaged reports that reading a file again gives the same error: the file itself is
// to blame, or this package, not the way to it.
func IsDamaged(err error) bool {
	for _, e := range []error{ErrNotParquet, ErrCorrupt, ErrEncrypted, ErrTooLarge, ErrUnsupported, ErrRange} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// FileError says what is wrong with a file, and where.
type FileError struct {
	File     string
	RowGroup int    // -1 when no single one is concerned
	Column   string // "" when no single one is concerned
	Err      error
}

func (e *FileError) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.RowGroup >= 0 {
		fmt.Fprintf(&b, ": row group %d", e.RowGroup)
	}
	if e.Column != "" {
		fmt.Fprintf(&b, ": column %q", e.Column)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	return b.String()
}

func (e *FileError) Unwrap() error { return e.Err }

// caught turns a panic inside arrow-go into an error.
func caught(v any) error {
	if text := fmt.Sprint(v); strings.Contains(text, "unimplemented encoding") || strings.Contains(text, "encoding not supported") {
		return fmt.Errorf("%w (%s)", ErrUnsupported, text) // arrow-go has no sentinel for it
	}
	return fmt.Errorf("%w: decoding it failed: %v", ErrCorrupt, v)
}
