package sink

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/ledger"
)

// sinkOf is the output in dir as a run sees it, as if in a process of its own.
func sinkOf(tb testing.TB, dir, run string) *Sink {
	tb.Helper()
	s, err := Open(tb.Context(), dir, run, storage.S3Options{})
	require.NoError(tb, err)
	return s
}

// stage writes and finishes a file.
func stage(tb testing.TB, s *Sink, dir, content string) ledger.File {
	tb.Helper()
	f, err := s.Create(tb.Context(), Place{Dir: dir})
	require.NoError(tb, err)
	_, err = f.Write([]byte(content))
	require.NoError(tb, err)
	file, err := f.Finish()
	require.NoError(tb, err)
	return file
}

// reveal stages and reveals a file.
func reveal(tb testing.TB, s *Sink, dir, content string) ledger.File {
	tb.Helper()
	f := stage(tb, s, dir, content)
	require.NoError(tb, s.Reveal(tb.Context(), f))
	return f
}

// write puts a file that no run has written into the output.
func write(tb testing.TB, dir, name, content string) {
	tb.Helper()
	p := filepath.Join(dir, filepath.FromSlash(name))
	require.NoError(tb, os.MkdirAll(filepath.Dir(p), 0o755))
	require.NoError(tb, os.WriteFile(p, []byte(content), 0o600))
}

// tree lists all files below dir, by name; those below _levada only if asked for.
func tree(tb testing.TB, dir string, inside bool) []string {
	tb.Helper()
	var names []string
	require.NoError(tb, filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		rel = filepath.ToSlash(rel)
		if inside == strings.HasPrefix(rel, private+"/") {
			names = append(names, rel)
		}
		return err
	}))
	slices.Sort(names)
	return names
}

func names(files ...ledger.File) []string {
	all := []string{}
	for _, f := range files {
		all = append(all, f.Name)
	}
	slices.Sort(all)
	return all
}

func content(tb testing.TB, dir, name string) string {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
	require.NoError(tb, err)
	return string(data)
}

// manifest makes the manifest of a run with these files.
func manifest(run string, status Status, files ...ledger.File) Manifest {
	m := Manifest{Run: run, Status: status, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	for _, f := range files {
		m.AddFile("commit", f)
	}
	return m
}

// hooked is a bucket that calls back before it does something: the moment at which
// another process is faster.
type hooked struct {
	storage.Bucket
	before func(op, name string) error
}

func (h *hooked) List(ctx context.Context, prefix string) ([]storage.Object, error) {
	if err := h.before("list", prefix); err != nil {
		return nil, err
	}
	return h.Bucket.List(ctx, prefix)
}

func (h *hooked) Put(ctx context.Context, name string, data []byte) error {
	if err := h.before("put", name); err != nil {
		return err
	}
	return h.Bucket.Put(ctx, name, data)
}

func (h *hooked) Stat(ctx context.Context, name string) (storage.Object, error) {
	if err := h.before("stat", name); err != nil {
		return storage.Object{}, err
	}
	return h.Bucket.Stat(ctx, name)
}

func (h *hooked) HasStaged(ctx context.Context, token string) (bool, error) {
	if err := h.before("has staged", token); err != nil {
		return false, err
	}
	return h.Bucket.HasStaged(ctx, token)
}

func (h *hooked) Stage(ctx context.Context, run, name string) (storage.Staged, error) {
	if err := h.before("stage", name); err != nil {
		return nil, err
	}
	return h.Bucket.Stage(ctx, run, name)
}

func (h *hooked) Reveal(ctx context.Context, token, name string) error {
	if err := h.before("reveal", name); err != nil {
		return err
	}
	return h.Bucket.Reveal(ctx, token, name)
}

// hook calls f before each operation of the sink.
func hook(s *Sink, f func(op, name string) error) {
	s.bucket = &hooked{Bucket: s.bucket, before: f}
}

func TestOpenRefusesRunIDsThatMakeNamesAmbiguous(t *testing.T) {
	for _, run := range []string{"", "a-b", "A", "a/b", "..", strings.Repeat("a", 65)} {
		_, err := Open(t.Context(), t.TempDir(), run, storage.S3Options{})
		require.Error(t, err, run)
	}
	_, err := Open(t.Context(), "ftp://bucket/x", "run1", storage.S3Options{})
	require.ErrorContains(t, err, "ftp")
}

// A file has one hash, by the name of what made it, so that machines of both kinds can
// write one output.
func TestFileHasTheHashThatTheMachineIsGoodAt(t *testing.T) {
	s := sinkOf(t, t.TempDir(), "run1")
	s.blake3 = true
	f := stage(t, s, "", "rows")
	assert.Equal(t, "33978d32b54a07155d35dd6603849ed76a0b7646d5887bfcead142ea81433920", f.BLAKE3)
	assert.Empty(t, f.SHA256)
	s.blake3 = false
	f = stage(t, s, "", "rows")
	assert.Equal(t, "bc51e9e65d79e1c90ba544ab2eae1044ccdf8c1af7a559ba375cba4276f7d99e", f.SHA256)
	assert.Empty(t, f.BLAKE3)
}

func TestStagedFileIsUnseenUntilItIsRevealed(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	f := stage(t, s, "country=PT", "rows")
	assert.Empty(t, tree(t, dir, false))
	assert.Equal(t, int64(4), f.Bytes)
	seen, err := s.Visible(t.Context(), f)
	require.NoError(t, err)
	assert.False(t, seen)

	for range 2 { // it may be called again
		require.NoError(t, s.Reveal(t.Context(), f))
	}
	assert.Equal(t, names(f), tree(t, dir, false))
	assert.Equal(t, "rows", content(t, dir, f.Name))
	seen, err = s.Visible(t.Context(), f)
	require.NoError(t, err)
	assert.True(t, seen)
	assert.Empty(t, tree(t, dir, true), "no temporary is left")
}

func TestAbortAndDiscardLeaveNothing(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	open, err := s.Create(t.Context(), Place{})
	require.NoError(t, err)
	require.NoError(t, open.Abort())
	f := stage(t, s, "", "rows")
	for range 2 {
		require.NoError(t, s.Discard(t.Context(), f))
	}
	assert.Empty(t, tree(t, dir, true))
	assert.Empty(t, tree(t, dir, false))
}

func TestEntriesCannotNameWhatIsNotTheRuns(t *testing.T) {
	dir := t.TempDir()
	s, other := sinkOf(t, dir, "run1"), sinkOf(t, dir, "run2")
	theirs := reveal(t, other, "", "theirs")
	write(t, dir, "_levada/x.parquet", "x")
	own := stage(t, s, "", "own")
	for _, f := range []ledger.File{
		theirs,
		{Name: "../" + own.Name, Staged: own.Staged},
		{Name: "/etc/" + own.Name, Staged: own.Staged},
		{Name: "_levada/" + own.Name, Staged: own.Staged},
		{Name: "a/../" + own.Name, Staged: own.Staged},
		{Name: own.Name, Staged: "run2/../run1/x"},
		{Name: "x.parquet", Staged: "run1/x.parquet"},
		{},
	} {
		require.ErrorIs(t, s.Reveal(t.Context(), f), ErrName)
		require.ErrorIs(t, s.Discard(t.Context(), f), ErrName)
		_, err := s.Present(t.Context(), f)
		require.ErrorIs(t, err, ErrName)
		_, err = s.Visible(t.Context(), f)
		require.ErrorIs(t, err, ErrName)
		m := manifest("run1", StatusDone, f)
		_, _, err = s.CreateManifest(t.Context(), m)
		require.ErrorIs(t, err, ErrName)
		assert.True(t, IsPermanent(err))
	}
	m := manifest("run1", StatusDone)
	for _, name := range []string{"../x", "_levada/x.parquet", "a/.b", own.Name} {
		m.Old = []string{name}
		require.ErrorIs(t, s.RemoveOld(t.Context(), &m), ErrName)
	}
	_, err := s.Create(t.Context(), Place{Dir: "_levada/tmp"})
	require.ErrorIs(t, err, ErrName)
}

func TestErrorsOfTheStorageSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	hook(s, func(op, name string) error {
		return &storage.Error{Op: op, Name: name, Hint: "free some space", Err: storage.ErrFull}
	})
	_, err := s.Create(t.Context(), Place{})
	require.ErrorIs(t, err, storage.ErrFull)
	require.ErrorContains(t, err, "free some space")
	assert.True(t, IsPermanent(err))

	// A file where the output's directory should be.
	write(t, dir, "file", "x")
	s = sinkOf(t, filepath.Join(dir, "file"), "run1")
	_, err = s.Create(t.Context(), Place{})
	require.Error(t, err)
	assert.ErrorContains(t, err, filepath.Join(dir, "file"))
}
