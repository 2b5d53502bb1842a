package sink

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Sweep leaves of the run what the manifest names, and nothing else: temporaries go,
// then visible files that the manifest does not know. Only for a sealed run, every
// file of its manifest visible. between, if not nil, is called between the two.
//
// The order is the point. Deleting its temporary fences a file off: a writer that
// slept through the end cannot reveal it any more. Were the visible strangers deleted
// first, one could appear behind the sweep and stay.
func (s *Sink) Sweep(ctx context.Context, m *Manifest, between func()) error {
	if m.Run != s.run {
		return fmt.Errorf("sweep %s: manifest of run %s, not of %s", s.URI(), m.Run, s.run)
	}
	// Rule 11 (sweep, order): the temporaries first.
	first, then := s.sweepStaged, s.sweepStrangers
	if err := first(ctx, m); err != nil {
		return fmt.Errorf("sweep %s: %w", s.URI(), err)
	}
	if between != nil {
		between()
	}
	if err := then(ctx, m); err != nil {
		return fmt.Errorf("sweep %s: %w", s.URI(), err)
	}
	return nil
}

// SweepEnded deletes the temporaries of a run that has ended: what writers that
// slept through the end have left behind.
func (s *Sink) SweepEnded(ctx context.Context, run string) error {
	if err := checkRun(run); err != nil {
		return err
	}
	other := &Sink{bucket: s.bucket, run: run}
	m, err := other.ReadManifest(ctx)
	if errors.Is(err, ErrNoManifest) {
		m, err = &Manifest{Run: run}, nil
	}
	if err == nil {
		err = other.sweepStaged(ctx, m)
	}
	return wrap("sweep temporaries of run "+run, err)
}

// Temporaries is how many temporary files of a run are here.
func (s *Sink) Temporaries(ctx context.Context, run string) (int, error) {
	if err := checkRun(run); err != nil {
		return 0, err
	}
	files, err := s.bucket.ListStaged(ctx, run)
	return len(files), wrap("list temporaries of "+s.URI(), err)
}

// Abandoned lists the other runs that have temporaries here. Those of them that have
// ended, [Sink.SweepEnded] is for.
func (s *Sink) Abandoned(ctx context.Context) ([]string, error) {
	files, err := s.bucket.ListStaged(ctx, "")
	if err != nil {
		return nil, fmt.Errorf("list temporaries of %s: %w", s.URI(), err)
	}
	var others []string
	for _, f := range files {
		if run, ok := runOf(f.Name); ok && run != s.run && !slices.Contains(others, run) {
			others = append(others, run)
		}
	}
	return others, nil
}

// sweepStaged deletes the run's temporaries but for those that the manifest still
// needs: of files that are not visible.
func (s *Sink) sweepStaged(ctx context.Context, m *Manifest) error {
	files, err := s.bucket.ListStaged(ctx, s.run)
	if err != nil {
		return err
	}
	named := make(map[string]File, len(m.Files))
	for _, f := range m.Files {
		named[f.Staged] = f
	}
	for _, staged := range files {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if f, ok := named[staged.Token]; ok {
			if seen, err := s.Visible(ctx, f.Ledger()); err != nil {
				return err
			} else if !seen {
				continue
			}
		}
		if err := s.bucket.DropStaged(ctx, staged.Token); err != nil {
			return err
		}
	}
	if err := s.sweepPuts(ctx); err != nil {
		return err
	}
	return s.bucket.ForgetRun(ctx, s.run)
}

// sweepPuts deletes what processes that died while they wrote a lock or a manifest
// have left: hidden names beside it. One that is alive writes it again.
func (s *Sink) sweepPuts(ctx context.Context) error {
	objects, err := s.bucket.List(ctx, private+"/")
	if err != nil {
		return err
	}
	for _, o := range objects {
		if strings.Contains(o.Name, "/.") {
			if err := s.bucket.Delete(ctx, o.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// sweepStrangers deletes the visible files of the run that the manifest does not
// name: a ledger that forgot its last entries in a power cut no longer knows them,
// and their rows were written again.
func (s *Sink) sweepStrangers(ctx context.Context, m *Manifest) error {
	objects, err := s.bucket.List(ctx, "")
	if err != nil {
		return err
	}
	named := make(map[string]bool, len(m.Files))
	for _, f := range m.Files {
		named[f.Name] = true
	}
	for _, o := range objects {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		run, ok := runOf(o.Name)
		if !ok || run != s.run || named[o.Name] || anyHidden(o.Name) {
			continue
		}
		if err := s.bucket.Delete(ctx, o.Name); err != nil {
			return err
		}
	}
	return nil
}

// RemoveOld deletes the files that the run replaces: those that its plan listed, and
// no other. Only for a manifest of a done run, and only when every file of it is
// visible: anything else is an error, and nothing is deleted.
func (s *Sink) RemoveOld(ctx context.Context, m *Manifest) error {
	if len(m.Old) == 0 {
		return nil
	}
	if m.Run != s.run || m.Status != StatusDone {
		return fmt.Errorf("replace old files of %s: manifest of run %s, status %s", s.URI(), m.Run, m.Status)
	}
	// Rule 9 (manifest): the old output goes only when all of the new one is there to
	// stay.
	for _, f := range m.Files {
		if seen, err := s.Visible(ctx, f.Ledger()); err != nil {
			return err
		} else if !seen {
			return fmt.Errorf("replace old files of %s: %s is not visible", s.URI(), f.Name)
		}
	}
	// Rule 21 (one output, one run): by name, from the plan. A list made now would
	// hold files that others have added since.
	for _, name := range m.Old {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		if run, _ := runOf(name); run == s.run {
			return fmt.Errorf("replace old files of %s: %q is the run's own: %w", s.URI(), name, ErrName)
		}
		if err := checkName(name); err != nil {
			return err
		}
		if err := s.bucket.Delete(ctx, name); err != nil {
			return err
		}
	}
	return nil
}
