package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/term"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/embedded"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/internal/telemetry"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// The exit codes. Whoever calls levada from a script decides by them, so they are as
// much an interface as the flags.
const (
	exitDone        = 0
	exitFailed      = 1 // the run failed, was cancelled or interrupted
	exitUsage       = 2 // the command line or the spec is wrong: mend it
	exitEnvironment = 3 // no server, no permission, no room, a lock: mend the surroundings
)

// codeError is an error whose exit code its maker knows.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

// usagef is an error of the user's: in the command line, or in what it names.
func usagef(format string, args ...any) error {
	return &codeError{exitUsage, fmt.Errorf(format, args...)}
}

// environmentf is an error of the surroundings.
func environmentf(format string, args ...any) error {
	return &codeError{exitEnvironment, fmt.Errorf(format, args...)}
}

// RunError is how a run ended that is not done.
type RunError struct {
	Run    flow.RunID
	Status flow.Status
	Reason string
}

func (e *RunError) Error() string {
	s := fmt.Sprintf("run %s %s", e.Run, e.Status)
	if e.Status == flow.StatusCancelled {
		s = fmt.Sprintf("run %s was cancelled", e.Run)
	}
	if e.Reason != "" {
		s += ": " + e.Reason
	}
	return s
}

// InterruptedError is a command that was asked to stop while its run was on its way.
type InterruptedError struct {
	Run  flow.RunID
	What string // how far it was, and how it goes on
}

func (e *InterruptedError) Error() string {
	return fmt.Sprintf("interrupted: run %s %s", e.Run, e.What)
}

// exitCode is the one classifier of errors.
func exitCode(err error) int {
	var (
		coded   *codeError
		spec    pipeline.Errors
		unknown *home.UnknownRunError
		locked  *embedded.LockedError
		store   *flow.StoreError
		small   *pipeline.StoreTooSmallError
		taken   *sink.LockedError
		full    *sink.NotEmptyError
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &spec), errors.As(err, &unknown), errors.Is(err, flow.ErrNoRun), errors.Is(err, telemetry.ErrSetting):
		return exitUsage
	case errors.As(err, &locked), errors.As(err, &taken), errors.As(err, &full), errors.As(err, &store), errors.As(err, &small),
		errors.Is(err, embedded.ErrNoStateDir), errors.Is(err, storage.ErrDenied), errors.Is(err, storage.ErrFull),
		errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EROFS), isServer(err), isNewer(err):
		return exitEnvironment
	default:
		return exitFailed
	}
}

// isServer reports that an error is the server's absence or refusal.
func isServer(err error) bool {
	for _, e := range []error{
		flow.ErrNoJetStream, nats.ErrNoServers, nats.ErrTimeout, nats.ErrAuthorization, nats.ErrAuthExpired, nats.ErrConnectionClosed,
		nats.ErrNoResponders, nats.ErrPermissionViolation, jetstream.ErrJetStreamNotEnabled, jetstream.ErrJetStreamNotEnabledForAccount,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isNewer reports that another levada wrote something in a version that this one does
// not know.
func isNewer(err error) bool {
	return errors.Is(err, flow.ErrVersion) || errors.Is(err, blocks.ErrVersion) || errors.Is(err, ledger.ErrVersion) || errors.Is(err, sink.ErrVersion)
}

// tell writes an error for a person: errors of a spec with their lines, all others in
// one.
func tell(w io.Writer, err error, coloured bool) {
	if errors.Is(err, errTold) {
		return
	}
	paint := func(s string) string { return s }
	if coloured {
		paint = func(s string) string { return "\x1b[1;31m" + s + "\x1b[0m" }
	}
	if spec, ok := errors.AsType[pipeline.Errors](err); ok {
		for i, e := range spec {
			if i > 0 {
				fmt.Fprintln(w)
			}
			text, _ := strings.CutPrefix(e.Pretty(), "error")
			fmt.Fprint(w, paint("error")+text)
		}
		if n := len(spec); n > 1 {
			fmt.Fprintf(w, "\n%d errors\n", n)
		}
		return
	}
	fmt.Fprintf(w, "%s: %v\n", paint("levada"), err)
}

// colours reports whether w is a terminal whose user has nothing against colours.
func colours(w io.Writer, getenv func(string) string) bool {
	f, ok := w.(*os.File)
	return ok && getenv("NO_COLOR") == "" && getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}
