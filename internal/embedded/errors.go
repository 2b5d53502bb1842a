package embedded

import (
	"errors"
	"fmt"
)

var (
	// ErrNotRunning is returned by [Attach] when no server lives on the directory.
	ErrNotRunning = errors.New("no server is running on this state directory")
	// ErrLocked is what a [LockedError] is: another process has the directory.
	ErrLocked = errors.New("state directory is in use")
	// ErrNoStateDir is returned by [DefaultStateDir] when the environment names none.
	ErrNoStateDir = errors.New("neither XDG_STATE_HOME nor HOME is set: name a state directory")
)

// LockedError is returned by [Start] when another process runs a server on the
// directory. It is an [ErrLocked].
type LockedError struct {
	Dir string
	PID int // of the other process; 0 when it has only just begun to start
}

func (e *LockedError) Error() string {
	if e.PID == 0 {
		return fmt.Sprintf("%v: %s is locked by another process", ErrLocked, e.Dir)
	}
	return fmt.Sprintf("%v: %s is locked by process %d", ErrLocked, e.Dir, e.PID)
}

func (e *LockedError) Unwrap() error { return ErrLocked }
