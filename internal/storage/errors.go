package storage

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
)

var (
	// ErrNotExist is wrapped when a visible file is not there.
	ErrNotExist = errors.New("file does not exist")
	// ErrExist is wrapped when a name is taken by another file.
	ErrExist = errors.New("file exists")
	// ErrNotStaged is wrapped when a token names no staged file (any more).
	ErrNotStaged = errors.New("staged file does not exist")
	// ErrFull is wrapped when the device has no room left.
	ErrFull = errors.New("no space left")
	// ErrDenied is wrapped when the directory cannot be written or read by this user.
	ErrDenied = errors.New("permission denied")
)

// Error says which operation failed on which file, and what to do.
type Error struct {
	Op   string
	Name string
	Hint string // may be empty
	Err  error  // wraps one of the sentinels where one fits
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s %s: %v", e.Op, e.Name, e.Err)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// IsPermanent reports that an error does not pass by itself: a full or read-only
// device, or missing rights. A person must act.
func IsPermanent(err error) bool {
	return errors.Is(err, ErrFull) || errors.Is(err, ErrDenied)
}

// wrap gives an error of the operating system its sentinel and its remedy.
func wrap(op, name string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Op: op, Name: name, Err: err}
	if pe := (*fs.PathError)(nil); errors.As(err, &pe) {
		err = pe.Err
		e.Err = err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Err, e.Hint = fmt.Errorf("%w: %w", ErrFull, err), "free some space and run the same command again: it goes on where it stopped"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		e.Err, e.Hint = fmt.Errorf("%w: %w", ErrDenied, err), "give this user the right to write there, or choose another directory"
	case errors.Is(err, fs.ErrNotExist):
		e.Err = fmt.Errorf("%w: %w", ErrNotExist, err)
	case errors.Is(err, fs.ErrExist):
		e.Err = fmt.Errorf("%w: %w", ErrExist, err)
	}
	return e
}
