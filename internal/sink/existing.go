package sink

import (
	"context"
	"fmt"
	"strings"
)

// The modes: what to do when the output is not empty.
const (
	ModeError     = "error"     // refuse; the default
	ModeAppend    = "append"    // leave what is there
	ModeOverwrite = "overwrite" // delete it once all of the new output is there to stay
	ModeIgnore    = "ignore"    // leave it, and do nothing
)

// Existing lists the data files that were there before the run: visible ones that
// it did not write.
func (s *Sink) Existing(ctx context.Context) ([]string, error) {
	objects, err := s.bucket.List(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", s.URI(), err)
	}
	var names []string
	for _, o := range objects {
		if run, _ := runOf(o.Name); run != s.run && !anyHidden(o.Name) {
			names = append(names, o.Name)
		}
	}
	return names, nil
}

// Prepare says what the plan must know of the output: the old files that the run
// will replace, or why there is nothing to do. In the modes that mind, the error for
// what is there is a [*NotEmptyError]. Call it with the lock held, or a file may come
// between the list and the run.
func (s *Sink) Prepare(ctx context.Context, mode string) (old []string, skip string, err error) {
	names, err := s.Existing(ctx)
	if err != nil || len(names) == 0 {
		return nil, "", err
	}
	switch mode {
	case ModeAppend:
		return nil, "", nil
	case ModeIgnore:
		return nil, fmt.Sprintf("%s is not empty (%d files) and the mode is ignore", s.URI(), len(names)), nil
	case ModeOverwrite:
		for _, name := range names {
			// A run deletes Parquet files, nothing else that a person may have put there;
			// and it does not leave the output half Parquet.
			if !strings.HasSuffix(name, dataSuffix) {
				return nil, "", &NotEmptyError{Sink: s.URI(), Mode: mode, File: name}
			}
		}
		return names, "", nil
	case ModeError, "":
		return nil, "", &NotEmptyError{Sink: s.URI(), Mode: ModeError, File: names[0], Files: len(names)}
	default:
		return nil, "", fmt.Errorf("prepare %s: unknown mode %q", s.URI(), mode)
	}
}
