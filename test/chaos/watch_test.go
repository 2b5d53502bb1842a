//go:build chaos

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// watcher looks at the output while a run is on its way. What a reader of the output
// may see is restricted at every moment, not only at the end:
//
//	visibility: file   a visible file is in a standing commit
//	visibility: run    no file before the manifest; until then the old ones are all there
type watcher struct {
	fleet *fleet
	job   *job
	run   flow.RunID
	old   []string // files that are being replaced

	since time.Time // of the last progress
	seen  standing
	looks int
}

type standing struct {
	covered int64
	extents int
	status  ledger.Status
}

// every is how often the watcher looks.
const every = 60 * time.Millisecond

// watch looks until the run's record says that it has ended, or the round has failed.
func (w *watcher) watch() error {
	w.since = time.Now()
	began := time.Now()
	var run *flow.Run
	for {
		if run == nil {
			run, _ = w.fleet.conn.Attach(w.fleet.ctx, w.run) // the server may be down
		}
		if run != nil {
			if err := w.look(run); err != nil {
				return err
			}
			if rec, err := w.fleet.conn.Lookup(w.fleet.ctx, w.run); err == nil && rec.Status != flow.StatusActive {
				if rec.Status != flow.StatusDone {
					return fmt.Errorf("the run ended as %s: %s", rec.Status, rec.Reason)
				}
				return nil
			}
		}
		if since := time.Since(w.since); since > stall {
			return fmt.Errorf("no progress for %v: %+v", since.Round(time.Second), w.seen)
		}
		if took := time.Since(began); took > longest {
			return fmt.Errorf("the run has not ended after %v: %+v", took.Round(time.Second), w.seen)
		}
		if err := w.fleet.pause(every); err != nil {
			return err
		}
	}
}

// look compares what is visible with what may be.
func (w *watcher) look(run *flow.Run) error {
	// The output first: what is visible now was committed before, so a ledger read
	// afterwards has it.
	visible, err := dataFiles(w.job.output.dir)
	if err != nil {
		return err
	}
	w.looks++
	ctx, cancel := context.WithTimeout(w.fleet.ctx, 2*time.Second)
	defer cancel()
	if err := run.Ledger.Sync(ctx); err != nil {
		return nil // the server is down: the next look will do
	}
	committed := map[string]bool{}
	var at standing
	run.Ledger.View(func(s *ledger.State) {
		at = standing{s.Progress().Covered, s.Extents(), s.Status()}
		for _, c := range s.Commits() {
			for _, f := range c.Files {
				committed[f.Name] = true
			}
		}
	})
	if at != w.seen {
		w.seen, w.since = at, time.Now()
	}
	if w.manifest() {
		return nil // it outranks the ledger, and is compared with the files at the end
	}
	for name := range visible {
		switch {
		case !strings.Contains(name, string(w.run)):
		case w.job.visibility == "run":
			return fmt.Errorf("%s is visible before the manifest", name)
		case !committed[name]:
			return fmt.Errorf("%s is visible and in no standing commit, at entry %d", name, run.Ledger.Seq())
		}
	}
	for _, name := range w.old {
		if !visible[name] {
			return fmt.Errorf("%s of the old output is gone before the manifest of the new one", name)
		}
	}
	return nil
}

// manifest reports that the run's manifest is there.
func (w *watcher) manifest() bool {
	_, err := os.Stat(filepath.Join(w.job.output.dir, "_levada", "manifest-"+string(w.run)+".json"))
	return err == nil
}

// dataFiles lists the data files below a directory, relative to it.
func dataFiles(dir string) (map[string]bool, error) {
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist): // gone while we looked
			return nil
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "_levada":
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		name, err := filepath.Rel(dir, path)
		found[name] = true
		return err
	})
	return found, err
}
