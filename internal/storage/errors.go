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
	// ErrNotRegular is wrapped when what is there is a directory, a pipe or a device.
	ErrNotRegular = errors.New("not a regular file")
	// ErrNotStaged is wrapped when a token names no staged file (any more).
	ErrNotStaged = errors.New("staged file does not exist")
	// ErrFull is wrapped when the device has no room left.
	ErrFull = errors.New("no space left")
	// ErrDenied is wrapped when the directory cannot be written or read by this user.
	ErrDenied = errors.New("permission denied")
	// ErrNoBucket is wrapped when the bucket itself is not there, or not here.
	ErrNoBucket = errors.New("bucket does not exist")
	// ErrCredentials is wrapped when there are no credentials, or they are not valid
	// (any more).
	ErrCredentials = errors.New("credentials are not valid")
	// ErrThrottled is wrapped when the store refuses requests for being too many, for
	// longer than they were repeated.
	ErrThrottled = errors.New("store is throttling")
	// ErrUnreachable is wrapped when the store does not answer, or answers that it failed,
	// for longer than requests were repeated.
	ErrUnreachable = errors.New("store does not answer")
	// ErrChanged is wrapped when an object is not the one that was opened any more: its tag,
	// which knows its bytes, is another.
	ErrChanged = errors.New("object changed while it was read")
	// ErrModified is wrapped when a local file was written to since it was opened. Who opens
	// it again sees whether it is still the one that is wanted: it may only have been touched.
	ErrModified = errors.New("file was modified while it was read")
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
// device, missing rights or credentials, no bucket, no file where one should be. A person must act.
func IsPermanent(err error) bool {
	for _, e := range []error{ErrFull, ErrDenied, ErrNoBucket, ErrCredentials, ErrChanged, ErrNotRegular} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// IsTransient reports that an error passes by itself: a store that is throttling, failing
// or out of reach. It was repeated already, for about a minute.
func IsTransient(err error) bool {
	return errors.Is(err, ErrThrottled) || errors.Is(err, ErrUnreachable)
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
	as := func(sentinel error) error { return &answer{err.Error(), errors.Join(sentinel, err)} } // the system's words say what ours would
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		e.Err, e.Hint = as(ErrFull), "free some space and run it again"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		e.Err, e.Hint = as(ErrDenied), "give this user the right to write there, or choose another directory"
		if op == "open" || op == "find" || op == "list" {
			e.Hint = "give this user the right to read it"
		}
	case errors.Is(err, fs.ErrNotExist):
		e.Err = as(ErrNotExist)
	case errors.Is(err, fs.ErrExist):
		e.Err = as(ErrExist)
	}
	return e
}
