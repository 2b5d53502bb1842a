package home_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/embedded"
)

const (
	older = "01k7x0000000000000000000aa"
	newer = "01k7x0000000000000000000bb"
)

func note(run, pipeline, sink string, pid int) home.Note {
	return home.Note{Run: run, Pipeline: pipeline, Sink: sink, Status: home.Active, Started: time.Now().UTC(), PID: pid}
}

func TestEachPipelineAndSinkHasItsHome(t *testing.T) {
	s := home.State("/state")
	first := s.Of("a", "/out")
	require.Equal(t, first, s.Of("a", "/out"), "the same one every time")
	require.NotEqual(t, s.Of("a", "/out"), s.Of("a", "/out2"))
	require.NotEqual(t, s.Of("a", "/out"), s.Of("b", "/out"))
	require.Regexp(t, `^/state/a-[0-9a-f]{8}$`, string(s.Of("a", "/out")))
}

func TestRunsListsAllHomesOldestFirst(t *testing.T) {
	s := home.State(t.TempDir())
	require.NoError(t, s.Of("b", "/y").Put(note(newer, "b", "/y", 1)))
	require.NoError(t, s.Of("a", "/x").Put(note(older, "a", "/x", 1)))
	runs, err := s.Runs()
	require.NoError(t, err)
	require.Len(t, runs, 2)
	require.Equal(t, older, runs[0].Run)
	require.Equal(t, s.Of("a", "/x"), runs[0].Home)
	require.Equal(t, newer, runs[1].Run)
}

func TestNoStateDirectoryMeansNoRuns(t *testing.T) {
	runs, err := home.State(filepath.Join(t.TempDir(), "none")).Runs()
	require.NoError(t, err)
	require.Empty(t, runs)
}

func TestActiveNoteOfADeadProcessIsInterrupted(t *testing.T) {
	s := home.State(t.TempDir())
	h := s.Of("a", "/x")
	require.NoError(t, h.Put(note(older, "a", "/x", 1)))
	require.NoError(t, h.Put(note(newer, "a", "/x", os.Getpid())))
	status := func() map[string]string {
		runs, err := s.Runs()
		require.NoError(t, err)
		got := map[string]string{}
		for _, r := range runs {
			got[r.Run] = r.Status
		}
		return got
	}
	require.Equal(t, map[string]string{older: home.Interrupted, newer: home.Interrupted}, status())

	srv, err := embedded.Start(t.Context(), embedded.Options{StateDir: string(h), StoreLimit: 1 << 20})
	require.NoError(t, err)
	require.Equal(t, map[string]string{older: home.Interrupted, newer: home.Active}, status(), "the server's process runs only its own")
	require.NoError(t, srv.Close())
	require.Equal(t, map[string]string{older: home.Interrupted, newer: home.Interrupted}, status())
}

func TestEndedNoteKeepsItsStatus(t *testing.T) {
	s := home.State(t.TempDir())
	n := note(older, "a", "/x", 1)
	require.NoError(t, s.Of("a", "/x").Put(n))
	n.Status, n.Reason = "failed", "because"
	require.NoError(t, s.Of("a", "/x").Put(n))
	f, err := s.Find(older)
	require.NoError(t, err)
	require.Equal(t, "failed", f.Status)
	require.Equal(t, "because", f.Reason)
}

func TestFindTakesTheBeginningOrTheEndOfAnID(t *testing.T) {
	s := home.State(t.TempDir())
	require.NoError(t, s.Of("a", "/x").Put(note(older, "a", "/x", 1)))
	require.NoError(t, s.Of("a", "/x").Put(note(newer, "a", "/x", 1)))
	for name, want := range map[string]string{older: older, "01K7X0000000000000000000BB": newer, "00aa": older, "0bb": ""} {
		f, err := s.Find(name)
		if want == "" {
			require.Error(t, err, "three characters are too few")
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, want, f.Run)
	}
	_, err := s.Find("01k7x")
	require.EqualError(t, err, `run "01k7x" is not unique: it may be `+older+" or "+newer)
}

func TestFindNamesTheNearest(t *testing.T) {
	s := home.State(t.TempDir())
	require.NoError(t, s.Of("a", "/x").Put(note(older, "a", "/x", 1)))
	_, err := s.Find("01k7x0000000000000000000ax")
	require.EqualError(t, err, `run "01k7x0000000000000000000ax" is not known here: did you mean `+older+"?")
	unknown := (*home.UnknownRunError)(nil)
	_, err = s.Find("something")
	require.ErrorAs(t, err, &unknown)
	require.EqualError(t, err, `run "something" is not known here`)
}

func TestUnreadableNotesAreNamedAndTheOthersListed(t *testing.T) {
	s := home.State(t.TempDir())
	h := s.Of("a", "/x")
	require.NoError(t, h.Put(note(older, "a", "/x", 1)))
	require.NoError(t, os.WriteFile(filepath.Join(string(h), "runs", newer+".json"), []byte("{"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(string(h), "runs", ".note-1"), []byte("{"), 0o600))
	runs, err := s.Runs()
	require.ErrorContains(t, err, newer+".json")
	require.Len(t, runs, 1)
}
