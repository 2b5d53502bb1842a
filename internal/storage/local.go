package storage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// reserved is the directory of a bucket that holds what is not data.
const reserved = "_levada"

// stagedDir is where staged files are, by run. On the same file system as the data,
// so that a link reveals them; and their names never end in .parquet, so that no
// reader's glob finds them.
const (
	stagedDir    = reserved + "/tmp"
	stagedSuffix = ".tmp"
)

// local is a directory.
type local struct{ root string }

func newLocal(root string) (*local, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, wrap("find", root, err)
	}
	return &local{root: abs}, nil
}

func (l *local) URI() string { return l.root }

// path maps a name to the file system, and refuses one that leaves the bucket.
func (l *local) path(name string) (string, error) {
	if name == "" || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", &Error{Op: "find", Name: name, Err: errors.New("name is not inside the bucket")}
	}
	return filepath.Join(l.root, filepath.FromSlash(name)), nil
}

func (l *local) Open(_ context.Context, name string) (File, error) {
	p, err := l.path(name)
	if err != nil {
		return nil, err
	}
	return OpenLocal(p)
}

func (l *local) Stat(_ context.Context, name string) (Object, error) {
	p, err := l.path(name)
	if err != nil {
		return Object{}, err
	}
	info, err := os.Stat(p)
	if err != nil {
		return Object{}, wrap("stat", p, err)
	}
	return Object{Name: name, Size: info.Size()}, nil
}

func (l *local) List(ctx context.Context, prefix string) ([]Object, error) {
	var objects []Object
	err := filepath.WalkDir(l.root, func(p string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone while we looked, or the bucket is not there yet
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(l.root, p)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if d.IsDir() {
			if name == stagedDir {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasPrefix(name, prefix) {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		objects = append(objects, Object{Name: name, Size: info.Size()})
		return nil
	})
	if err != nil {
		return nil, wrap("list", l.root, err)
	}
	slices.SortFunc(objects, func(a, b Object) int { return strings.Compare(a.Name, b.Name) })
	return objects, nil
}

// Put writes beside the name and links: the file appears whole, and the first one
// stays.
func (l *local) Put(_ context.Context, name string, data []byte) error {
	p, err := l.path(name)
	if err != nil {
		return err
	}
	var nonce [8]byte
	_, _ = rand.Read(nonce[:])
	tmp := filepath.Join(filepath.Dir(p), "."+filepath.Base(p)+"."+hex.EncodeToString(nonce[:]))
	var f *os.File
	if err := l.within(p, func() (err error) {
		f, err = os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // data that others may read
		return wrap("create", tmp, err)
	}); err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp) }()
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return wrap("write", p, err)
	}
	if err := os.Link(tmp, p); err != nil {
		return wrap("create", p, linkError(err))
	}
	return syncDir(filepath.Dir(p))
}

func linkError(err error) error {
	if le := (*os.LinkError)(nil); errors.As(err, &le) {
		return le.Err
	}
	return err
}

func (l *local) Delete(_ context.Context, name string) error {
	p, err := l.path(name)
	if err != nil {
		return err
	}
	if err := os.Remove(p); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return wrap("delete", p, err)
	}
	// Directories that are empty now go too, up to the bucket; one that is not empty
	// stops it, which is what is meant.
	for dir := filepath.Dir(p); dir != l.root && os.Remove(dir) == nil; dir = filepath.Dir(dir) {
	}
	return nil
}

// mkdir makes a directory and all above it down from the bucket, durably.
func (l *local) mkdir(dir string) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if err := l.mkdir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) { //nolint:gosec // data that others may read
		return wrap("create directory", dir, err)
	}
	return syncDir(filepath.Dir(dir))
}

// within calls f, which makes something at p, with the directory of p in place. A
// directory that somebody removes in between, because it is empty, is made again; also one
// above it, which mkdir finds gone.
func (l *local) within(p string, f func() error) error {
	const tries = 20 // each but the first needs another removal in the same moment
	for try := 1; ; try++ {
		err := l.mkdir(filepath.Dir(p))
		if err == nil {
			err = f()
		}
		if !errors.Is(err, fs.ErrNotExist) || try == tries {
			return err
		}
	}
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return wrap("open directory", dir, err)
	}
	defer func() { _ = f.Close() }()
	// Some file systems cannot sync a directory, and say so.
	if err := f.Sync(); err != nil && !errors.Is(err, syscall.EINVAL) && !errors.Is(err, syscall.ENOTSUP) {
		return wrap("sync directory", dir, err)
	}
	return nil
}

type localStaged struct {
	l     *local
	token string
	path  string
	f     *os.File
}

// tokenOf is the token of a staged file: run/name, with the last element of the name.
func tokenOf(run, name string) string { return run + "/" + path.Base(name) }

func (l *local) Owns(token, run, name string) bool { return token == tokenOf(run, name) }

func (l *local) Stage(_ context.Context, run, name string) (Staged, error) {
	if _, err := l.path(name); err != nil {
		return nil, err
	}
	token := tokenOf(run, name)
	p, err := l.staged(token)
	if err != nil {
		return nil, err
	}
	var f *os.File
	if err := l.within(p, func() (err error) {
		f, err = os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // data that others may read
		return err
	}); err != nil {
		return nil, wrap("create", p, err)
	}
	return &localStaged{l: l, token: token, path: p, f: f}, nil
}

// staged is the path of a token: run/name.
func (l *local) staged(token string) (string, error) {
	run, name, ok := strings.Cut(token, "/")
	if !ok || run == "" || name == "" || strings.ContainsAny(name, `/\`) || strings.HasPrefix(run, ".") || strings.ContainsAny(run, `\`) {
		return "", &Error{Op: "find", Name: token, Err: errors.New("malformed token of a staged file")}
	}
	return l.path(path.Join(stagedDir, run, name+stagedSuffix))
}

func (s *localStaged) Token() string { return s.token }

func (s *localStaged) Write(p []byte) (int, error) {
	n, err := s.f.Write(p)
	return n, wrap("write", s.path, err)
}

func (s *localStaged) Finish() error {
	if err := s.f.Sync(); err != nil {
		return wrap("sync", s.path, err)
	}
	if err := s.f.Close(); err != nil {
		return wrap("close", s.path, err)
	}
	return syncDir(filepath.Dir(s.path))
}

func (s *localStaged) Abort() error {
	_ = s.f.Close() // closed already by Finish, or of no more interest
	return s.l.drop(s.path)
}

func (l *local) Reveal(_ context.Context, token, name string) error {
	from, err := l.staged(token)
	if err != nil {
		return err
	}
	to, err := l.path(name)
	if err != nil {
		return err
	}
	err = l.within(to, func() error {
		// Rule 3 (names): a link never replaces what is there.
		return linkError(os.Link(from, to))
	})
	switch {
	case err == nil:
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Op: "reveal", Name: to, Err: fmt.Errorf("%w: %s", ErrNotStaged, from)}
	case errors.Is(err, fs.ErrExist):
		if !sameFile(from, to) {
			return &Error{Op: "reveal", Name: to, Err: ErrExist}
		}
		// Revealed already, by somebody who died before removing the staged name.
	default:
		return wrap("reveal", to, err)
	}
	if err := syncDir(filepath.Dir(to)); err != nil {
		return err
	}
	if err := os.Remove(from); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrap("reveal", from, err)
	}
	return nil
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) // somebody else has finished the same reveal
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func (l *local) HasStaged(_ context.Context, token string) (bool, error) {
	p, err := l.staged(token)
	if err != nil {
		return false, err
	}
	switch _, err := os.Stat(p); {
	case err == nil:
		return true, nil
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	default:
		return false, wrap("stat", p, err)
	}
}

func (l *local) DropStaged(_ context.Context, token string) error {
	p, err := l.staged(token)
	if err != nil {
		return err
	}
	return l.drop(p)
}

func (l *local) drop(p string) error {
	if err := os.Remove(p); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return wrap("delete", p, err)
	}
	return nil
}

func (l *local) ForgetRun(_ context.Context, run string) error {
	dir, err := l.path(path.Join(stagedDir, run))
	if err != nil {
		return err
	}
	// A directory that is not empty stays, and so does the one above it.
	if err := os.Remove(dir); err == nil {
		_ = os.Remove(filepath.Dir(dir))
	}
	return nil
}

func (l *local) ListStaged(ctx context.Context, run string) ([]StagedFile, error) {
	if run == "" {
		return l.listAllStaged(ctx)
	}
	dir, err := l.path(path.Join(stagedDir, run))
	if err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, wrap("list", dir, err)
	}
	var files []StagedFile
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), stagedSuffix); ok {
			files = append(files, StagedFile{Token: tokenOf(run, name), Name: name})
		}
	}
	return files, nil
}

func (l *local) listAllStaged(ctx context.Context) ([]StagedFile, error) {
	dir := filepath.Join(l.root, filepath.FromSlash(stagedDir))
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, wrap("list", dir, err)
	}
	var files []StagedFile
	for _, e := range entries {
		if e.IsDir() {
			of, err := l.ListStaged(ctx, e.Name())
			if err != nil {
				return nil, err
			}
			files = append(files, of...)
		}
	}
	return files, nil
}
