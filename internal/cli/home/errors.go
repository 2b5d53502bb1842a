package home

import (
	"fmt"
	"strings"
)

// UnknownRunError is returned by [State.Find] when no home has the run.
type UnknownRunError struct {
	Run     string
	Nearest string   // the id that was probably meant, or ""
	Many    []string // the ids that Run is short for, when it is short for several
}

func (e *UnknownRunError) Error() string {
	if len(e.Many) > 0 {
		return fmt.Sprintf("run %q is not unique: it may be %s", e.Run, strings.Join(e.Many, " or "))
	}
	s := fmt.Sprintf("run %q is not known here", e.Run)
	if e.Nearest != "" {
		s += fmt.Sprintf(": did you mean %s?", e.Nearest)
	}
	return s
}
