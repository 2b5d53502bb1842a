package fault

import (
	"errors"
	"fmt"
)

var (
	// ErrInjected is what every error of [Error] is.
	ErrInjected = errors.New("injected fault")
	// ErrSyntax is returned by [Enable] for an environment that it does not understand.
	ErrSyntax = errors.New("not a fault: want NAME=kill@N, kill%P, pause@N:PATH, error@N or error%P")
	// ErrUnknown is returned by [Enable] for a name that is not in [Names].
	ErrUnknown = errors.New("no such fault point")
)

func injected(name Name) error { return fmt.Errorf("%w at %s", ErrInjected, name) }
