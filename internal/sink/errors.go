package sink

import (
	"errors"
	"fmt"
	"time"

	"github.com/levada-data/levada/internal/storage"
)

var (
	// ErrLost is wrapped by [Sink.Reveal] for a file that is neither staged nor
	// visible: somebody deleted it. Its rows are owed again, or, when a manifest
	// names it, the output is damaged.
	ErrLost = errors.New("file is lost")
	// ErrNoManifest is returned by [Sink.ReadManifest] when the run has none.
	ErrNoManifest = errors.New("no manifest")
	// ErrVersion is wrapped when a lock or a manifest was written in a form that
	// this build does not know.
	ErrVersion = errors.New("unknown version")
	// ErrName is wrapped when a ledger or a manifest names a file outside the
	// sink's data, or a temporary of another run.
	ErrName = errors.New("not the name of a data file")
	// ErrTaken is wrapped by [Sink.Reveal] when another file has the name. Names are
	// random, so somebody made it so.
	ErrTaken = errors.New("name is taken by another file")
)

// LockedError is returned by [Sink.Acquire] when another run writes to the output.
type LockedError struct {
	Sink string    // the output
	Run  string    // that holds the lock; "" when the lock is unreadable
	Host string    // where its planner ran
	At   time.Time // when it took the lock
	Path string    // the lock
	Err  error     // why it is unreadable; nil otherwise
}

func (e *LockedError) Error() string {
	if errors.Is(e.Err, ErrVersion) {
		return fmt.Sprintf("%s: the lock %s is unreadable: %v: use the levada that wrote it, or a newer one", e.Sink, e.Path, e.Err)
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: the lock %s is unreadable: %v; remove it when no run writes here", e.Sink, e.Path, e.Err)
	}
	return fmt.Sprintf("%s: run %s writes here since %s (planned on host %s): resume it or cancel it first; when that run is gone for good, remove %s",
		e.Sink, e.Run, e.At.UTC().Format(time.RFC3339), e.Host, e.Path)
}

// Unwrap returns the cause.
func (e *LockedError) Unwrap() error { return e.Err }

// Permanent tells [IsPermanent] that a retry will not help.
func (e *LockedError) Permanent() bool { return true }

// NotThisSinkError is returned by [Sink.Holds] when the output does not carry the
// lock that the plan names.
type NotThisSinkError struct {
	Sink, Host string // what this process sees, and where
	Lock       string // the nonce that is not there
}

func (e *NotThisSinkError) Error() string {
	return fmt.Sprintf("%s on host %s is not the output that the run was planned for: its lock %s is not there; "+
		"writers on several hosts need storage that all of them share, mounted at the same path (or the lock was removed by hand)",
		e.Sink, e.Host, e.Lock)
}

// Permanent tells [IsPermanent] that a retry will not help.
func (e *NotThisSinkError) Permanent() bool { return true }

// NotEmptyError is returned by [Sink.Prepare] when the mode does not allow for what
// is in the output.
type NotEmptyError struct {
	Sink, Mode string
	File       string // one that is there
	Files      int    // how many are; 0 when File is no Parquet file and stands in the way
}

func (e *NotEmptyError) Error() string {
	if e.Files == 0 {
		return fmt.Sprintf("%s holds %s, which is no Parquet file: mode %s replaces Parquet files only; move it away", e.Sink, e.File, e.Mode)
	}
	there := fmt.Sprintf("%d files, one is %s", e.Files, e.File)
	if e.Files == 1 {
		there = "there is " + e.File
	}
	return fmt.Sprintf("%s is not empty: %s; choose another output, or mode append, overwrite or ignore", e.Sink, there)
}

// Permanent tells [IsPermanent] that a retry will not help.
func (e *NotEmptyError) Permanent() bool { return true }

// IsPermanent reports whether err says that the same call fails again until a
// person does something: the output is locked, full or read-only, a name in it is
// taken. Unknown errors may pass: a retry is worth it.
func IsPermanent(err error) bool {
	var p interface{ Permanent() bool }
	if errors.As(err, &p) && p.Permanent() || storage.IsPermanent(err) {
		return true
	}
	return errors.Is(err, ErrTaken) || errors.Is(err, ErrVersion) || errors.Is(err, ErrName)
}
