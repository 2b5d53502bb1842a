package home

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/levada-data/levada/internal/embedded"
	"github.com/levada-data/levada/pkg/nearest"
)

// State is the directory that holds all homes.
type State string

// Home is where the runs of one pipeline into one sink have their server.
type Home string

// Of returns the home of a pipeline and its sink, an absolute path or a URI. It
// need not exist.
func (s State) Of(pipeline, sink string) Home {
	sum := sha256.Sum256([]byte(sink))
	return Home(filepath.Join(string(s), pipeline+"-"+hex.EncodeToString(sum[:4])))
}

// Homes returns those that exist, by name. A state directory that does not exist
// has none.
func (s State) Homes() ([]Home, error) {
	entries, err := os.ReadDir(string(s))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list state directory: %w", err)
	}
	var homes []Home
	for _, e := range entries {
		if e.IsDir() {
			homes = append(homes, Home(filepath.Join(string(s), e.Name())))
		}
	}
	return homes, nil
}

// Runs returns the notes of all homes, the oldest run first, with the status
// [Interrupted] where the process is gone. Notes that cannot be read are left out
// and named in the error.
func (s State) Runs() ([]Found, error) {
	homes, err := s.Homes()
	if err != nil {
		return nil, err
	}
	var (
		all  []Found
		errs []error
	)
	for _, h := range homes {
		notes, err := h.notes()
		errs = append(errs, err)
		at, err := embedded.Attach(string(h))
		if err != nil && !errors.Is(err, embedded.ErrNotRunning) {
			errs = append(errs, err)
		}
		for _, n := range notes {
			if n.Status == Active && (at == nil || at.PID != n.PID) {
				n.Status = Interrupted
			}
			all = append(all, Found{Home: h, Note: n})
		}
	}
	slices.SortFunc(all, func(a, b Found) int { return strings.Compare(a.Run, b.Run) })
	return all, errors.Join(errs...)
}

// Found is a note and the home it was found in.
type Found struct {
	Home Home
	Note
}

// Find returns the run of an id, or of the beginning or the end of one that no
// other run has. It returns an [*UnknownRunError] when there is none.
func (s State) Find(run string) (Found, error) {
	all, err := s.Runs()
	ids := make([]string, len(all))
	for i, f := range all {
		ids[i] = f.Run
	}
	id, rerr := Resolve(run, ids)
	if rerr != nil {
		return Found{}, errors.Join(rerr, err)
	}
	return all[slices.Index(ids, id)], nil
}

// shortest is how many characters of a run's id are enough to name it.
const shortest = 4

// Resolve returns the one id that run is, begins or ends. It returns an
// [*UnknownRunError] when it is none of them, or several.
func Resolve(run string, ids []string) (string, error) {
	name := strings.ToLower(run)
	var short []string
	for _, id := range ids {
		if id == name {
			return id, nil
		}
		if len(name) >= shortest && (strings.HasPrefix(id, name) || strings.HasSuffix(id, name)) {
			short = append(short, id)
		}
	}
	switch len(short) {
	case 0:
		return "", &UnknownRunError{Run: run, Nearest: nearest.Of(name, ids)}
	case 1:
		return short[0], nil
	default:
		return "", &UnknownRunError{Run: run, Many: short}
	}
}

// The statuses of a note. [Interrupted] is never stored: it is what an active note
// means when its process is gone.
const (
	Active      = "active"
	Interrupted = "interrupted"
)

// Note is what is known about a run without asking a server.
type Note struct {
	V        int       `json:"v"` // 1
	Run      string    `json:"run"`
	Pipeline string    `json:"pipeline"`
	Sink     string    `json:"sink"`
	Status   string    `json:"status"` // Active, or how the run ended
	Reason   string    `json:"reason,omitempty"`
	Planned  int64     `json:"planned_rows"`
	Covered  int64     `json:"covered_rows"` // when the note was written
	Written  int64     `json:"written_rows"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended,omitzero"`
	PID      int       `json:"pid"` // of the process that ran it last
}

// noteVersion is the version of notes this package reads and writes.
const noteVersion = 1
