package reader

import "fmt"

// RefusedError says that the files of a source and its spec do not go together: no file
// is damaged, somebody has to change one of the two.
type RefusedError struct {
	Field string // of source.parquet, which it is about: "uri", "schema", "hive", "columns"
	Msg   string
	Hint  string // what to do
}

func (e *RefusedError) Error() string { return e.Msg + ": " + e.Hint }

func refused(field, hint, format string, args ...any) error {
	return &RefusedError{Field: field, Msg: fmt.Sprintf(format, args...), Hint: hint}
}
