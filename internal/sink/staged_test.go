package sink

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
)

// TestRule26Lost_LooksAtTheTemporaryFirst: between any two looks of one process,
// another one reveals the file. It is never taken for lost.
func TestRule26Lost_LooksAtTheTemporaryFirst(t *testing.T) {
	for _, op := range []string{"has staged", "stat", "reveal"} {
		for name, call := range map[string]func(s *Sink, f ledger.File) error{
			"present": func(s *Sink, f ledger.File) error {
				there, err := s.Present(t.Context(), f)
				assert.True(t, there)
				return err
			},
			"reveal": func(s *Sink, f ledger.File) error { return s.Reveal(t.Context(), f) },
		} {
			t.Run(op+"/"+name, func(t *testing.T) {
				dir := t.TempDir()
				f := stage(t, sinkOf(t, dir, "run1"), "country=PT", "rows")
				s := sinkOf(t, dir, "run1")
				// Look at the file that is staged, then at the one that the other has revealed.
				revealed := false
				hook(s, func(at, _ string) error {
					if at != op || revealed {
						return nil
					}
					revealed = true
					return sinkOf(t, dir, "run1").Reveal(t.Context(), f)
				})
				require.NoError(t, call(s, f))
				require.NoError(t, s.Reveal(t.Context(), f))
				assert.Equal(t, names(f), tree(t, dir, false))
			})
		}
	}
}

// TestRule26Lost_BothAbsentMeansLost: whoever finds a file gone says so, so that its
// rows are read again.
func TestRule26Lost_BothAbsentMeansLost(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	staged, shown, cut := stage(t, s, "", "a"), reveal(t, s, "", "b"), reveal(t, s, "", "whole")
	require.NoError(t, os.Remove(filepath.Join(dir, "_levada", "tmp", staged.Staged+".tmp")))
	require.NoError(t, os.Remove(filepath.Join(dir, shown.Name)))
	require.NoError(t, os.Truncate(filepath.Join(dir, cut.Name), 2))
	for _, f := range []struct {
		what string
		file string
		err  error
	}{
		{"its temporary was deleted", staged.Name, s.Reveal(t.Context(), staged)},
		{"it was visible and was deleted", shown.Name, s.Reveal(t.Context(), shown)},
		{"what is visible is not the whole file", cut.Name, s.Reveal(t.Context(), cut)},
	} {
		require.ErrorIs(t, f.err, ErrLost, f.what)
		require.ErrorContains(t, f.err, f.file)
		assert.False(t, IsPermanent(f.err))
	}
	there, err := s.Present(t.Context(), shown)
	require.NoError(t, err)
	assert.False(t, there)
}

// TestRevealAfterACrashBetweenLinkAndUnlink: both names are there.
func TestRevealAfterACrashBetweenLinkAndUnlink(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	f := stage(t, s, "", "rows")
	require.NoError(t, os.Link(filepath.Join(dir, "_levada", "tmp", f.Staged+".tmp"), filepath.Join(dir, f.Name)))
	require.NoError(t, s.Reveal(t.Context(), f))
	assert.Equal(t, names(f), tree(t, dir, false))
	assert.Empty(t, tree(t, dir, true))
}

func TestRevealByManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		f := stage(t, sinkOf(t, dir, "run1"), "country=PT/year=2024", "rows")
		var all sync.WaitGroup
		for range 4 {
			s := sinkOf(t, dir, "run1")
			all.Go(func() { assert.NoError(t, s.Reveal(t.Context(), f)) })
		}
		all.Wait()
		assert.Equal(t, names(f), tree(t, dir, false))
		require.NoError(t, os.RemoveAll(filepath.Join(dir, "country=PT")))
	}
}

func TestFilesSortByTheirFirstSpan(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	var want []string
	for _, first := range []blocks.Span{{Task: 0, From: 0, To: 1}, {Task: 0, From: 900, To: 901}, {Task: 0, From: 1000, To: 1001}, {Task: 2, From: 5, To: 6}, {Task: 10, From: 0, To: 1}} {
		f, err := s.Create(t.Context(), Place{First: &first})
		require.NoError(t, err)
		file, err := f.Finish()
		require.NoError(t, err)
		require.NoError(t, s.Reveal(t.Context(), file))
		want = append(want, file.Name)
	}
	assert.Equal(t, want, tree(t, dir, false))
}
