package storage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
)

// OpenLocal opens a file of the local file system for ranged reads.
func OpenLocal(path string) (File, error) {
	// It is asked before it is opened: the opening of a named pipe waits for its writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, wrap("open", path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, wrap("open", path, ErrNotRegular)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, wrap("open", path, err)
	}
	if info, err = f.Stat(); err != nil {
		_ = f.Close()
		return nil, wrap("open", path, err)
	}
	return &localFile{f: f, size: info.Size(), modified: info.ModTime()}, nil
}

type localFile struct {
	f        *os.File
	size     int64
	modified time.Time
}

// ReadAt gives bytes of the file as it was opened. A file that was written to since then is
// [ErrModified]: what is read of it would be some rows of the one and some of the other.
func (f *localFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.f.ReadAt(p, at)
	// Looked at afterwards, for a write sets the time before the bytes can be seen.
	info, serr := f.f.Stat()
	if serr != nil {
		return 0, wrap("read", f.f.Name(), serr)
	}
	if info.Size() != f.size || !info.ModTime().Equal(f.modified) {
		return 0, wrap("read", f.f.Name(), ErrModified)
	}
	return n, err
}

func (f *localFile) Close() error { return f.f.Close() }
func (f *localFile) Name() string { return f.f.Name() }
func (f *localFile) Size() int64  { return f.size }

// Open opens a file of a source by its location, as Expand returned it. It is read for as
// long as ctx lives.
func Open(ctx context.Context, uri string, o S3Options) (File, error) {
	if isS3(uri) {
		bucket, key, err := splitS3(uri)
		if err != nil {
			return nil, err
		}
		c, err := clientFor(ctx, bucket, o)
		if err != nil {
			return nil, err
		}
		return openS3(ctx, c, key)
	}
	p, err := localPath(uri)
	if err != nil {
		return nil, err
	}
	return OpenLocal(p)
}

// Expand lists the files that locations mean: a file is itself; a directory is every
// file below it whose name ends in suffix; a glob is the files that it matches, with **
// for any number of directories and {a,b} for either. Names that begin with _ or . are
// left out of directories, as all readers of data sets do, and wildcards match no name
// that begins with a dot, as in a shell. The result is absolute, sorted, and has each file once, however it was named. A location that
// means no file is an error.
func Expand(ctx context.Context, uris []string, suffix string, o S3Options) ([]string, error) {
	var files []string
	seen := map[string]bool{}
	for _, uri := range uris {
		expand := expandLocal
		if isS3(uri) {
			expand = func(ctx context.Context, uri, suffix string) ([]string, error) { return expandS3(ctx, uri, suffix, o) }
		}
		found, err := expand(ctx, uri, suffix)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !seen[f] {
				seen[f] = true
				files = append(files, f)
			}
		}
	}
	slices.Sort(files)
	return files, nil
}

// wildcards make a location a glob.
const wildcards = "*?[{"

func noMatch(uri string) error {
	return &Error{Op: "find", Name: uri, Err: fmt.Errorf("%w: the pattern matches no file", ErrNotExist), Hint: "check the path; a local one is relative to the working directory"}
}

// matches is a glob applied to a whole path, hidden names being left to patterns that
// spell them.
func matches(pattern, name string) (bool, error) {
	ok, err := doublestar.Match(pattern, name)
	return ok && (!hiddenDot(name) || hiddenDot(pattern)), err
}

func hiddenDot(name string) bool { return strings.HasPrefix(name, ".") || strings.Contains(name, "/.") }

// hiddenPath reports that readers of a data set leave a file out for some part of its
// name.
func hiddenPath(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if strings.HasPrefix(part, "_") || strings.HasPrefix(part, ".") {
			return true
		}
	}
	return false
}

// expandLocal is [Expand] for one location of the local file system.
func expandLocal(ctx context.Context, uri, suffix string) ([]string, error) {
	files, err := findLocal(ctx, uri, suffix)
	for i, f := range files {
		found, err := filepath.EvalSymlinks(f)
		if errors.Is(err, fs.ErrNotExist) {
			found, err = f, nil // a link to nothing: who opens it says so, or skips it
		}
		if err == nil {
			found, err = filepath.Abs(found)
		}
		if err != nil {
			return nil, wrap("find", f, err)
		}
		files[i] = found
	}
	return files, err
}

func findLocal(ctx context.Context, uri, suffix string) ([]string, error) {
	p, err := localPath(uri)
	if err != nil {
		return nil, err
	}
	_, literal := os.Lstat(p) // what is there by that very name is meant
	if literal != nil && strings.ContainsAny(p, wildcards) {
		files, err := doublestar.FilepathGlob(p, doublestar.WithFilesOnly(), doublestar.WithNoHidden())
		if err != nil {
			return nil, &Error{Op: "find", Name: uri, Err: err, Hint: "mend the pattern"}
		}
		// To the pattern a link to a directory is a file.
		files = slices.DeleteFunc(files, func(name string) bool {
			info, err := os.Stat(name)
			return err == nil && info.IsDir()
		})
		if len(files) == 0 {
			return nil, noMatch(uri)
		}
		return files, nil
	}
	info, err := os.Stat(p)
	if err != nil {
		e := wrap("find", p, err)
		if se := (*Error)(nil); errors.As(e, &se) && se.Hint == "" {
			se.Hint = "check the path; it is relative to the working directory"
		}
		return nil, e
	}
	if !info.IsDir() {
		return []string{p}, nil
	}
	var files []string
	err = filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		hidden := name != p && (strings.HasPrefix(d.Name(), "_") || strings.HasPrefix(d.Name(), "."))
		switch {
		case d.IsDir() && hidden:
			return fs.SkipDir
		case d.IsDir() || hidden || !strings.HasSuffix(d.Name(), suffix):
			return nil
		}
		files = append(files, name)
		return nil
	})
	if err != nil {
		return nil, wrap("list", p, err)
	}
	if len(files) == 0 {
		return nil, &Error{Op: "find", Name: uri, Err: fmt.Errorf("%w: no *%s below this directory", ErrNotExist, suffix), Hint: "name the files, or another directory"}
	}
	return files, nil
}
