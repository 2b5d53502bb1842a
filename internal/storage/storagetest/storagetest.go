package storagetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/storage"
)

// Run runs the checks, each on an empty bucket of its own. open may be called several
// times in one check: each bucket that it returns must be a new one.
func Run(t *testing.T, open func(t *testing.T) storage.Bucket) {
	t.Helper()
	for name, check := range map[string]func(t *testing.T, b storage.Bucket){
		"Empty":             empty,
		"PutIsWhole":        putIsWhole,
		"PutReplacesNone":   putReplacesNone,
		"PutByMany":         putByMany,
		"Ranges":            ranges,
		"List":              list,
		"Delete":            deletes,
		"Names":             names,
		"StagedIsUnseen":    stagedIsUnseen,
		"Reveal":            reveal,
		"RevealTwice":       revealTwice,
		"RevealReplaces":    revealReplacesNone,
		"RevealByMany":      revealByMany,
		"DropFencesReveal":  dropFencesReveal,
		"UnfinishedDropped": unfinishedDropped,
		"Abort":             abort,
		"RunsApart":         runsApart,
		"LargeStaged":       largeStaged,
		"EmptyStaged":       emptyStaged,
	} {
		t.Run(name, func(t *testing.T) { check(t, open(t)) })
	}
}

// Content reads a visible file, whole.
func Content(t *testing.T, b storage.Bucket, name string) []byte {
	t.Helper()
	f, err := b.Open(t.Context(), name)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	data := make([]byte, f.Size())
	if len(data) > 0 {
		n, err := f.ReadAt(data, 0)
		require.Equal(t, len(data), n)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
		}
	}
	return data
}

// Stage stages a finished file and returns its token.
func Stage(t *testing.T, b storage.Bucket, run, name string, data []byte) string {
	t.Helper()
	s, err := b.Stage(t.Context(), run, name)
	require.NoError(t, err)
	for chunk := range slices.Chunk(data, 1000) {
		n, err := s.Write(chunk)
		require.NoError(t, err)
		require.Equal(t, len(chunk), n)
	}
	require.NoError(t, s.Finish())
	return s.Token()
}

func visible(t *testing.T, b storage.Bucket, prefix string) []string {
	t.Helper()
	objects, err := b.List(t.Context(), prefix)
	require.NoError(t, err)
	names := []string{}
	for _, o := range objects {
		names = append(names, o.Name)
	}
	return names
}

func staged(t *testing.T, b storage.Bucket, run string) []string {
	t.Helper()
	files, err := b.ListStaged(t.Context(), run)
	require.NoError(t, err)
	tokens := []string{}
	for _, f := range files {
		tokens = append(tokens, f.Token)
	}
	slices.Sort(tokens)
	return tokens
}

func empty(t *testing.T, b storage.Bucket) {
	t.Helper()
	ctx := t.Context()
	require.NotEmpty(t, b.URI())
	require.Empty(t, visible(t, b, ""))
	require.Empty(t, staged(t, b, "run"))
	require.Empty(t, staged(t, b, ""))
	_, err := b.Open(ctx, "a")
	require.ErrorIs(t, err, storage.ErrNotExist)
	_, err = b.Stat(ctx, "a")
	require.ErrorIs(t, err, storage.ErrNotExist)
	require.NoError(t, b.Delete(ctx, "a"))
	require.NoError(t, b.DropStaged(ctx, token(t, b)))
	require.NoError(t, b.ForgetRun(ctx, "run"))
}

// token is one that names no staged file any more.
func token(t *testing.T, b storage.Bucket) string {
	t.Helper()
	s, err := b.Stage(t.Context(), "gone", "gone-file")
	require.NoError(t, err)
	require.NoError(t, s.Abort())
	require.NoError(t, b.ForgetRun(t.Context(), "gone"))
	return s.Token()
}

func putIsWhole(t *testing.T, b storage.Bucket) {
	t.Helper()
	require.NoError(t, b.Put(t.Context(), "dir/a.json", []byte("hello")))
	require.Equal(t, "hello", string(Content(t, b, "dir/a.json")))
	o, err := b.Stat(t.Context(), "dir/a.json")
	require.NoError(t, err)
	require.Equal(t, storage.Object{Name: "dir/a.json", Size: 5}, o)
}

func putReplacesNone(t *testing.T, b storage.Bucket) {
	t.Helper()
	require.NoError(t, b.Put(t.Context(), "a", []byte("first")))
	require.ErrorIs(t, b.Put(t.Context(), "a", []byte("second")), storage.ErrExist)
	require.Equal(t, "first", string(Content(t, b, "a")))
}

// Of many who create the same file one wins, and all others are told.
func putByMany(t *testing.T, b storage.Bucket) {
	t.Helper()
	var won atomic.Int32
	var winner atomic.Value
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			text := fmt.Sprintf("by %d", i)
			err := b.Put(t.Context(), "lock", []byte(text))
			if err == nil {
				won.Add(1)
				winner.Store(text)
				return
			}
			if !isExist(err) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
	require.Equal(t, winner.Load(), string(Content(t, b, "lock")))
}

func ranges(t *testing.T, b storage.Bucket) {
	t.Helper()
	data := pattern(100_000)
	require.NoError(t, b.Put(t.Context(), "a", data))
	f, err := b.Open(t.Context(), "a")
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	require.EqualValues(t, len(data), f.Size())
	require.Contains(t, f.Name(), "a")
	var wg sync.WaitGroup
	for _, r := range [][2]int{{0, 1}, {0, len(data)}, {99_999, 100_000}, {50_000, 65_536}, {8, 16}} {
		wg.Go(func() {
			got := make([]byte, r[1]-r[0])
			n, err := f.ReadAt(got, int64(r[0]))
			if n != len(got) || err != nil && err != io.EOF || !bytes.Equal(got, data[r[0]:r[1]]) { //nolint:errorlint // as io.ReaderAt says
				t.Errorf("range %v: %d bytes, %v", r, n, err)
			}
		})
	}
	wg.Wait()
	n, err := f.ReadAt(make([]byte, 10), int64(len(data))-4)
	require.Equal(t, 4, n)
	require.ErrorIs(t, err, io.EOF)
	_, err = f.ReadAt(make([]byte, 1), int64(len(data)))
	require.ErrorIs(t, err, io.EOF)
}

func list(t *testing.T, b storage.Bucket) {
	t.Helper()
	for _, name := range []string{"b", "a/2", "a/10", "a/1", "_levada/manifests/x.json", "ab", "c=1/d=2/e.parquet"} {
		require.NoError(t, b.Put(t.Context(), name, []byte(name)))
	}
	Stage(t, b, "run", "run-staged", []byte("unseen"))
	require.Equal(t, []string{"_levada/manifests/x.json", "a/1", "a/10", "a/2", "ab", "b", "c=1/d=2/e.parquet"}, visible(t, b, ""))
	require.Equal(t, []string{"a/1", "a/10", "a/2"}, visible(t, b, "a/"))
	require.Equal(t, []string{"a/1", "a/10", "a/2", "ab"}, visible(t, b, "a"))
	require.Empty(t, visible(t, b, "z"))
	objects, err := b.List(t.Context(), "ab")
	require.NoError(t, err)
	require.Equal(t, []storage.Object{{Name: "ab", Size: 2}}, objects)
}

func deletes(t *testing.T, b storage.Bucket) {
	t.Helper()
	require.NoError(t, b.Put(t.Context(), "a/b/c", []byte("x")))
	require.NoError(t, b.Put(t.Context(), "a/d", []byte("x")))
	require.NoError(t, b.Delete(t.Context(), "a/b/c"))
	require.NoError(t, b.Delete(t.Context(), "a/b/c"))
	require.Equal(t, []string{"a/d"}, visible(t, b, ""))
	require.NoError(t, b.Put(t.Context(), "a/b/c", []byte("again")))
	require.Equal(t, "again", string(Content(t, b, "a/b/c")))
}

// A name can never leave the bucket.
func names(t *testing.T, b storage.Bucket) {
	t.Helper()
	for _, name := range []string{"", "../a", "/a", "a/../../b"} {
		require.Error(t, b.Put(t.Context(), name, []byte("x")), name)
		_, err := b.Open(t.Context(), name)
		require.Error(t, err, name)
		_, err = b.Stat(t.Context(), name)
		require.Error(t, err, name)
		require.Error(t, b.Delete(t.Context(), name), name)
	}
	for _, tok := range []string{"", "run", "run/", "/x", "../x", "run/../../x"} {
		require.Error(t, b.Reveal(t.Context(), tok, "a"), tok)
		require.Error(t, b.DropStaged(t.Context(), tok), tok)
	}
	for _, name := range []string{"country=a b/x.parquet", "country=%2F/x.parquet", "ü/ß.parquet", "a+b&c=d.parquet"} {
		require.NoError(t, b.Put(t.Context(), name, []byte(name)))
		require.Equal(t, name, string(Content(t, b, name)))
		require.Equal(t, []string{name}, visible(t, b, name))
	}
}

func stagedIsUnseen(t *testing.T, b storage.Bucket) {
	t.Helper()
	s, err := b.Stage(t.Context(), "run", "dir/run-one")
	require.NoError(t, err)
	_, err = s.Write([]byte("data"))
	require.NoError(t, err)
	require.Empty(t, visible(t, b, ""))
	require.NoError(t, s.Finish())
	require.Empty(t, visible(t, b, ""))
	has, err := b.HasStaged(t.Context(), s.Token())
	require.NoError(t, err)
	require.True(t, has)
	require.Equal(t, []string{s.Token()}, staged(t, b, "run"))
	require.True(t, b.Owns(s.Token(), "run", "dir/run-one"))
	require.False(t, b.Owns(s.Token(), "run", "dir/run-two"))
	files, err := b.ListStaged(t.Context(), "")
	require.NoError(t, err)
	require.Equal(t, []storage.StagedFile{{Token: s.Token(), Name: "run-one"}}, files)
}

func reveal(t *testing.T, b storage.Bucket) {
	t.Helper()
	tok := Stage(t, b, "run", "country=DE/run-one.parquet", []byte("data"))
	require.NoError(t, b.Reveal(t.Context(), tok, "country=DE/run-one.parquet"))
	require.Equal(t, "data", string(Content(t, b, "country=DE/run-one.parquet")))
	require.Equal(t, []string{"country=DE/run-one.parquet"}, visible(t, b, ""))
	has, err := b.HasStaged(t.Context(), tok)
	require.NoError(t, err)
	require.False(t, has)
	require.Empty(t, staged(t, b, "run"))
	require.NoError(t, b.DropStaged(t.Context(), tok), "what is visible is not staged any more")
	require.Equal(t, "data", string(Content(t, b, "country=DE/run-one.parquet")))
}

// Who reveals again is told that it is done, or that nothing is staged any more; the
// file stays as it is in either case.
func revealTwice(t *testing.T, b storage.Bucket) {
	t.Helper()
	tok := Stage(t, b, "run", "run-one", []byte("data"))
	require.NoError(t, b.Reveal(t.Context(), tok, "run-one"))
	if err := b.Reveal(t.Context(), tok, "run-one"); err != nil {
		require.ErrorIs(t, err, storage.ErrNotStaged)
	}
	require.Equal(t, "data", string(Content(t, b, "run-one")))
}

func revealReplacesNone(t *testing.T, b storage.Bucket) {
	t.Helper()
	require.NoError(t, b.Put(t.Context(), "run-one", []byte("of another")))
	tok := Stage(t, b, "run", "run-one", []byte("data"))
	require.ErrorIs(t, b.Reveal(t.Context(), tok, "run-one"), storage.ErrExist)
	require.Equal(t, "of another", string(Content(t, b, "run-one")))
}

func revealByMany(t *testing.T, b storage.Bucket) {
	t.Helper()
	tok := Stage(t, b, "run", "run-one", []byte("data"))
	var wg sync.WaitGroup
	var done atomic.Int32
	for range 8 {
		wg.Go(func() {
			switch err := b.Reveal(t.Context(), tok, "run-one"); {
			case err == nil:
				done.Add(1)
			case !isNotStaged(err):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	require.Positive(t, done.Load())
	require.Equal(t, "data", string(Content(t, b, "run-one")))
}

// What has been dropped can never be revealed, however late somebody tries.
func dropFencesReveal(t *testing.T, b storage.Bucket) {
	t.Helper()
	tok := Stage(t, b, "run", "run-one", []byte("data"))
	require.NoError(t, b.DropStaged(t.Context(), tok))
	require.NoError(t, b.DropStaged(t.Context(), tok))
	require.ErrorIs(t, b.Reveal(t.Context(), tok, "run-one"), storage.ErrNotStaged)
	require.Empty(t, visible(t, b, ""))
	require.Empty(t, staged(t, b, "run"))
}

// A file that its writer never finished is found and dropped by others.
func unfinishedDropped(t *testing.T, b storage.Bucket) {
	t.Helper()
	s, err := b.Stage(t.Context(), "run", "run-one")
	require.NoError(t, err)
	_, err = s.Write(pattern(10_000))
	require.NoError(t, err)
	tokens := staged(t, b, "run")
	require.Equal(t, []string{s.Token()}, tokens)
	require.NoError(t, b.DropStaged(t.Context(), tokens[0]))
	require.Empty(t, staged(t, b, "run"))
	_ = s.Finish() // may see that it is gone, or not
	require.Error(t, b.Reveal(t.Context(), s.Token(), "run-one"))
	require.Empty(t, visible(t, b, ""))
}

func abort(t *testing.T, b storage.Bucket) {
	t.Helper()
	s, err := b.Stage(t.Context(), "run", "run-one")
	require.NoError(t, err)
	_, err = s.Write([]byte("data"))
	require.NoError(t, err)
	require.NoError(t, s.Abort())
	require.Empty(t, staged(t, b, "run"))
	require.NoError(t, b.ForgetRun(t.Context(), "run"))
	require.Empty(t, staged(t, b, ""))
}

func runsApart(t *testing.T, b storage.Bucket) {
	t.Helper()
	one, two := Stage(t, b, "run1", "run1-x", []byte("1")), Stage(t, b, "run2", "run2-x", []byte("2"))
	ten := Stage(t, b, "run10", "run10-x", []byte("10"))
	require.Equal(t, []string{one}, staged(t, b, "run1"))
	require.Equal(t, []string{two}, staged(t, b, "run2"))
	require.Equal(t, []string{ten}, staged(t, b, "run10"))
	require.NoError(t, b.ForgetRun(t.Context(), "run1"), "what is staged stays")
	require.Equal(t, []string{one}, staged(t, b, "run1"))
	require.NoError(t, b.DropStaged(t.Context(), one))
	require.NoError(t, b.ForgetRun(t.Context(), "run1"))
	require.ElementsMatch(t, []string{ten, two}, staged(t, b, ""))
}

func largeStaged(t *testing.T, b storage.Bucket) {
	t.Helper()
	data := pattern(20<<20 + 12_345)
	s, err := b.Stage(t.Context(), "run", "run-large")
	require.NoError(t, err)
	for chunk := range slices.Chunk(data, 1<<20+7) {
		_, err := s.Write(chunk)
		require.NoError(t, err)
	}
	require.NoError(t, s.Finish())
	require.NoError(t, b.Reveal(t.Context(), s.Token(), "run-large"))
	require.True(t, bytes.Equal(data, Content(t, b, "run-large")))
}

func emptyStaged(t *testing.T, b storage.Bucket) {
	t.Helper()
	require.NoError(t, b.Reveal(t.Context(), Stage(t, b, "run", "run-none", nil), "run-none"))
	require.Empty(t, Content(t, b, "run-none"))
}

// pattern is n bytes in which no part is like another.
func pattern(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // it never fails
	return data
}

func isExist(err error) bool     { return errors.Is(err, storage.ErrExist) }
func isNotStaged(err error) bool { return errors.Is(err, storage.ErrNotStaged) }
