package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	notesDir   = "runs"
	noteSuffix = ".json"
)

// Put stores a note, in place of the run's last one.
func (h Home) Put(n Note) error {
	n.V = noteVersion
	if err := h.put(n); err != nil {
		return fmt.Errorf("store note of run %s: %w", n.Run, err)
	}
	return nil
}

// Last returns the run's last note, or the zero Note when there is none to read.
func (h Home) Last(run string) Note {
	n, _ := readNote(filepath.Join(string(h), notesDir, run+noteSuffix)) // for lists only
	return n
}

func (h Home) put(n Note) error {
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	dir := filepath.Join(string(h), notesDir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".note-*")
	if err != nil {
		return err
	}
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(dir, n.Run+noteSuffix))
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one to tell
	}
	return err
}

// notes returns those of the home, by run. What cannot be read is left out and
// named in the error.
func (h Home) notes() ([]Note, error) {
	dir := filepath.Join(string(h), notesDir)
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var (
		notes []Note
		errs  []error
	)
	for _, e := range entries {
		if e.IsDir() || strings.HasPrefix(e.Name(), ".") || !strings.HasSuffix(e.Name(), noteSuffix) {
			continue // a note that is being written, or nothing of ours
		}
		n, err := readNote(filepath.Join(dir, e.Name()))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		notes = append(notes, n)
	}
	return notes, errors.Join(errs...)
}

func readNote(path string) (Note, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Note{}, err
	}
	var n Note
	if err := json.Unmarshal(data, &n); err != nil {
		return Note{}, fmt.Errorf("read %s: %w", path, err)
	}
	if n.V != noteVersion {
		return Note{}, fmt.Errorf("read %s: a note of version %d, this levada knows %d: use the levada that wrote it, or a newer one", path, n.V, noteVersion)
	}
	if n.Run+noteSuffix != filepath.Base(path) {
		return Note{}, fmt.Errorf("read %s: a note of another run", path)
	}
	return n, nil
}
