package sink

import (
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/ledger"
)

// TestRule11Sweep_LeavesWhatTheManifestNames: temporaries of crashed writers go, and
// so do visible files that the ledger has forgotten in a power cut.
func TestRule11Sweep_LeavesWhatTheManifestNames(t *testing.T) {
	dir := t.TempDir()
	s, other := sinkOf(t, dir, "run1"), sinkOf(t, dir, "run2")
	kept := []ledger.File{reveal(t, s, "country=PT", "kept"), reveal(t, s, "", "kept too")}
	reveal(t, s, "country=PT", "forgotten")
	reveal(t, s, "country=ES", "forgotten, and alone in its directory")
	stage(t, s, "country=PT", "of a crashed writer")
	_, err := s.Create(t.Context(), Place{}) // not even finished
	require.NoError(t, err)
	theirs := []ledger.File{reveal(t, other, "country=PT", "visible"), stage(t, other, "", "staged")}
	write(t, dir, "country=PT/other.parquet", "x")
	write(t, dir, "_levada/.manifest-run1.json.0123456789abcdef", "of a process that died in between")
	write(t, dir, "_levada/lock/.000001.json.0123456789abcdef", "likewise")

	m := manifest("run1", StatusDone, kept...)
	stands, _, err := s.CreateManifest(t.Context(), m)
	require.NoError(t, err)
	for range 2 {
		require.NoError(t, s.Sweep(t.Context(), stands, nil))
	}
	assert.ElementsMatch(t, append(names(kept[0], kept[1], theirs[0]), "country=PT/other.parquet"), tree(t, dir, false))
	assert.NoDirExists(t, filepath.Join(dir, "country=ES"))
	assert.ElementsMatch(t, []string{"_levada/manifest-run1.json", "_levada/tmp/" + theirs[1].Staged + ".tmp"}, tree(t, dir, true))
	assert.NoDirExists(t, filepath.Join(dir, "_levada", "tmp", "run1"))
}

// TestRule11Sweep_FencesLateReveals is the model's trace: a writer sleeps with a
// committed file that the ledger has forgotten, and wakes up in the middle of the
// sweep.
func TestRule11Sweep_FencesLateReveals(t *testing.T) {
	dir := t.TempDir()
	s, late := sinkOf(t, dir, "run1"), sinkOf(t, dir, "run1")
	kept, stranger := reveal(t, s, "", "kept"), stage(t, late, "", "the same rows again")
	m := manifest("run1", StatusDone, kept)
	calls := 0
	require.NoError(t, s.Sweep(t.Context(), &m, func() {
		calls++
		assert.ErrorIs(t, late.Reveal(t.Context(), stranger), ErrLost)
	}))
	assert.Equal(t, 1, calls)
	assert.Equal(t, names(kept), tree(t, dir, false))
	require.ErrorIs(t, late.Reveal(t.Context(), stranger), ErrLost)
	assert.Equal(t, names(kept), tree(t, dir, false))
}

func TestRule11Sweep_OfACancelledRunLeavesNothingButWhatWasVisible(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	reveal(t, s, "a=1/b=2", "x")
	stage(t, s, "a=1/b=2", "y")
	m := manifest("run1", StatusCancelled)
	require.NoError(t, s.Sweep(t.Context(), &m, nil))
	assert.Empty(t, tree(t, dir, false))
	assert.Empty(t, tree(t, dir, true))
	assert.NoDirExists(t, filepath.Join(dir, "a=1"))
}

func TestSweepKeepsATemporaryThatTheManifestNeeds(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	f := stage(t, s, "", "named, and not visible yet")
	m, _, err := s.CreateManifest(t.Context(), manifest("run1", StatusDone, f))
	require.NoError(t, err)
	require.NoError(t, s.Sweep(t.Context(), m, nil))
	require.NoError(t, sinkOf(t, dir, "run2").SweepEnded(t.Context(), "run1"))
	require.NoError(t, s.Reveal(t.Context(), f))
	assert.Equal(t, names(f), tree(t, dir, false))
}

// TestRule11Sweep_LaterRunsSweepTemporariesOfEndedRuns is the model's janitor.
func TestRule11Sweep_LaterRunsSweepTemporariesOfEndedRuns(t *testing.T) {
	dir := t.TempDir()
	ended, other, s := sinkOf(t, dir, "run1"), sinkOf(t, dir, "run2"), sinkOf(t, dir, "run3")
	kept := reveal(t, ended, "", "kept")
	_, _, err := ended.CreateManifest(t.Context(), manifest("run1", StatusDone, kept))
	require.NoError(t, err)
	stage(t, ended, "", "late")
	theirs, own := stage(t, other, "", "of a run on its way"), stage(t, s, "", "own")
	// A crash between link and unlink, that a power cut brought back.
	require.NoError(t, os.Link(filepath.Join(dir, kept.Name), filepath.Join(dir, "_levada", "tmp", kept.Staged+".tmp")))

	abandoned, err := s.Abandoned(t.Context())
	require.NoError(t, err)
	assert.ElementsMatch(t, []string{"run1", "run2"}, abandoned)
	for range 2 {
		require.NoError(t, s.SweepEnded(t.Context(), "run1"))
	}
	assert.ElementsMatch(t, []string{
		"_levada/manifest-run1.json", "_levada/tmp/" + theirs.Staged + ".tmp", "_levada/tmp/" + own.Staged + ".tmp",
	}, tree(t, dir, true))
	assert.Equal(t, names(kept), tree(t, dir, false))
	require.Error(t, s.SweepEnded(t.Context(), "../lock"))
}

func TestSweepByManyAtOnce(t *testing.T) {
	dir := t.TempDir()
	kept := reveal(t, sinkOf(t, dir, "run1"), "a=1", "kept")
	m := manifest("run1", StatusDone, kept)
	m.Old = []string{"old/1.parquet", "old/2.parquet"}
	for range 10 {
		for range 10 {
			reveal(t, sinkOf(t, dir, "run1"), "a=2", "stranger")
			stage(t, sinkOf(t, dir, "run1"), "a=3", "temporary")
		}
		write(t, dir, "old/1.parquet", "x")
		write(t, dir, "old/2.parquet", "x")
		var all sync.WaitGroup
		for range 4 {
			s := sinkOf(t, dir, "run1")
			all.Go(func() {
				assert.NoError(t, s.Sweep(t.Context(), &m, nil))
				assert.NoError(t, s.RemoveOld(t.Context(), &m))
			})
		}
		all.Wait()
		assert.Equal(t, names(kept), tree(t, dir, false))
		assert.Empty(t, tree(t, dir, true))
	}
}

// TestRule21Old_IsWhatThePlanListed: a file that somebody adds while the run is on
// its way is not the run's to delete.
func TestRule21Old_IsWhatThePlanListed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "country=PT/old.parquet", "old")
	write(t, dir, "old.parquet", "old")
	s := sinkOf(t, dir, "run1")
	old, _, err := s.Prepare(t.Context(), ModeOverwrite)
	require.NoError(t, err)
	write(t, dir, "added.parquet", "added since")
	f := reveal(t, s, "country=ES", "new")
	m := manifest("run1", StatusDone, f)
	m.Old = old
	for range 2 {
		require.NoError(t, s.RemoveOld(t.Context(), &m))
	}
	assert.ElementsMatch(t, append(names(f), "added.parquet"), tree(t, dir, false))
	assert.NoDirExists(t, filepath.Join(dir, "country=PT"))
}

// TestRule09Manifest_OldOutputGoesOnlyWhenAllOfTheNewIsThere: neither a manifest of
// another status nor a file that is not visible yet lets the old output go.
func TestRule09Manifest_OldOutputGoesOnlyWhenAllOfTheNewIsThere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "old.parquet", "old")
	s := sinkOf(t, dir, "run1")
	shown, hidden := reveal(t, s, "", "new"), stage(t, s, "", "new too")
	m := manifest("run1", StatusDone, shown, hidden)
	m.Old = []string{"old.parquet"}
	require.ErrorContains(t, s.RemoveOld(t.Context(), &m), hidden.Name+" is not visible")
	require.NoError(t, s.Reveal(t.Context(), hidden))
	for _, status := range []Status{StatusCancelled, StatusFailed, ""} {
		m.Status = status
		require.Error(t, s.RemoveOld(t.Context(), &m))
	}
	require.FileExists(t, filepath.Join(dir, "old.parquet"))
	m.Status = StatusDone
	require.NoError(t, s.RemoveOld(t.Context(), &m))
	assert.ElementsMatch(t, names(shown, hidden), tree(t, dir, false))
}
