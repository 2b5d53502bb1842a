package storage_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/internal/storage/storagetest"
)

func TestLocal(t *testing.T) {
	storagetest.Run(t, func(t *testing.T) storage.Bucket {
		t.Helper()
		b, err := storage.NewBucket(t.Context(), filepath.Join(t.TempDir(), "not", "there", "yet"), storage.S3Options{})
		require.NoError(t, err)
		return b
	})
}

func TestNewBucketUnderstandsURIs(t *testing.T) {
	dir := t.TempDir()
	b, err := storage.NewBucket(t.Context(), "file://"+dir, storage.S3Options{})
	require.NoError(t, err)
	require.Equal(t, dir, b.URI())
	_, err = storage.NewBucket(t.Context(), "ftp://host/path", storage.S3Options{})
	require.ErrorContains(t, err, `scheme "ftp" is not supported`)
}

// What is not a directory where one must be is an error that names it.
func TestLocalBelowAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	b, err := storage.NewBucket(t.Context(), filepath.Join(file, "out"), storage.S3Options{})
	require.NoError(t, err)
	_, err = b.Stage(t.Context(), "run", "one")
	require.ErrorContains(t, err, file)
	require.ErrorContains(t, b.Put(t.Context(), "a", nil), file)
}

// Directories that are empty are removed by whoever empties them, while others make files in
// them.
func TestLocalDirectoriesThatOthersRemove(t *testing.T) {
	root := filepath.Join(t.TempDir(), "out")
	var g errgroup.Group
	for i := range 4 {
		g.Go(func() error {
			for j := range 200 {
				b, err := storage.NewBucket(t.Context(), root, storage.S3Options{})
				if err != nil {
					return err
				}
				name := fmt.Sprintf("a/b/c%d/%d", i, j)
				if err := b.Put(t.Context(), name, nil); err != nil {
					return err
				}
				if err := b.Delete(t.Context(), name); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
}

// A glob of the data finds no staged file, whoever looks.
func TestLocalStagedFilesAreNoParquetFiles(t *testing.T) {
	dir := t.TempDir()
	b, err := storage.NewBucket(t.Context(), dir, storage.S3Options{})
	require.NoError(t, err)
	storagetest.Stage(t, b, "run", "one.parquet", []byte("x"))
	require.NoError(t, filepath.WalkDir(dir, func(p string, _ os.DirEntry, err error) error {
		require.False(t, strings.HasSuffix(p, ".parquet"), p)
		return err
	}))
	_, err = storage.Expand(t.Context(), []string{dir}, ".parquet", storage.S3Options{})
	require.ErrorIs(t, err, storage.ErrNotExist)
}

// A file that is written to while it is read is an error, never a mix of the two; whoever
// opens it again has it as it is now.
func TestLocalChangedFile(t *testing.T) {
	for what, change := range map[string]func(t *testing.T, name string){
		"Overwritten": func(t *testing.T, name string) {
			t.Helper()
			f, err := os.OpenFile(name, os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("new "), 40)
			require.NoError(t, err)
			require.NoError(t, f.Close())
		},
		"Grown": func(t *testing.T, name string) {
			t.Helper()
			require.NoError(t, os.Truncate(name, 500))
		},
		"Truncated": func(t *testing.T, name string) {
			t.Helper()
			require.NoError(t, os.Truncate(name, 50))
		},
		"Touched": func(t *testing.T, name string) {
			t.Helper()
			require.NoError(t, os.Chtimes(name, time.Time{}, time.Unix(2, 0)))
		},
	} {
		t.Run(what, func(t *testing.T) {
			name := filepath.Join(t.TempDir(), "a")
			require.NoError(t, os.WriteFile(name, bytes.Repeat([]byte("old "), 100), 0o644))
			// Long ago: the clock of a file system has ticks.
			require.NoError(t, os.Chtimes(name, time.Time{}, time.Unix(1, 0)))
			f, err := storage.OpenLocal(name)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, f.Close()) })
			got := make([]byte, 8)
			_, err = f.ReadAt(got, 36)
			require.NoError(t, err)
			change(t, name)
			_, err = f.ReadAt(got, 36)
			require.ErrorIs(t, err, storage.ErrModified)
			require.False(t, storage.IsPermanent(err))
			again, err := storage.OpenLocal(name)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, again.Close()) })
			_, err = again.ReadAt(got, 36)
			require.NoError(t, err)
		})
	}
}

func TestExpand(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.parquet", "a.parquet", "deep/er/c.parquet", "note.txt", ".hidden.parquet", "_levada/d.parquet", "dir.parquet/e.parquet"} {
		require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o644))
	}
	require.NoError(t, os.Symlink(filepath.Join(dir, "a.parquet"), filepath.Join(dir, "link.parquet")))
	require.NoError(t, os.Symlink(dir, filepath.Join(dir, "deep", "up")))
	at := func(names ...string) []string {
		out := make([]string, len(names))
		for i, n := range names {
			out[i] = filepath.Join(dir, n)
		}
		return out
	}
	for name, c := range map[string]struct {
		uris, want []string
		err        string
	}{
		"File":              {uris: at("b.parquet"), want: at("b.parquet")},
		"FileOfAnySuffix":   {uris: at("note.txt"), want: at("note.txt")},
		"URI":               {uris: []string{"file://" + dir + "/b.parquet"}, want: at("b.parquet")},
		"Directory":         {uris: []string{dir}, want: at("a.parquet", "b.parquet", "deep/er/c.parquet", "dir.parquet/e.parquet")},
		"Glob":              {uris: at("*.parquet"), want: at("a.parquet", "b.parquet")},
		"GlobDeep":          {uris: at("**/*.parquet"), want: at("_levada/d.parquet", "a.parquet", "b.parquet", "deep/er/c.parquet", "dir.parquet/e.parquet")},
		"GlobEither":        {uris: at("{a,b}.parquet"), want: at("a.parquet", "b.parquet")},
		"GlobOfDirectory":   {uris: at("deep/*"), err: "matches no file"}, // a directory and a link to one
		"EachOnce":          {uris: append(at("a.parquet", "*.parquet", "link.parquet"), dir), want: at("a.parquet", "b.parquet", "deep/er/c.parquet", "dir.parquet/e.parquet")},
		"MissingFile":       {uris: at("z.parquet"), err: "check the path"},
		"GlobWithoutMatch":  {uris: at("z*.parquet"), err: "matches no file"},
		"BadGlob":           {uris: at("[a"), err: "mend the pattern"},
		"DirectoryWithNone": {uris: at("_levada/../deep/er/.."), want: at("deep/er/c.parquet")},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := storage.Expand(t.Context(), c.uris, ".parquet", storage.S3Options{})
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
	_, err := storage.Expand(t.Context(), []string{t.TempDir()}, ".parquet", storage.S3Options{})
	require.ErrorIs(t, err, storage.ErrNotExist)
	require.ErrorContains(t, err, "no *.parquet below")
}
