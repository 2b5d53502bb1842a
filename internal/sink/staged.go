package sink

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"path"

	"github.com/zeebo/blake3"
	"golang.org/x/sys/cpu"

	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
)

// Place is where a new file will be visible.
type Place struct {
	Dir   string       // relative to the output, with slashes; "" is the output itself
	First *blocks.Span // when set, the files of a directory sort by it
	Name  string       // how its name begins; "part" when empty
}

// Staged is a file that nobody sees: it is being written, or waits to be committed.
// One goroutine.
type Staged struct {
	name   string
	file   storage.Staged
	buffer *bufio.Writer
	sum    hash.Hash
	bytes  int64
	err    error // of the first write that failed
}

// stagedBuffer gathers the small writes of a Parquet encoder.
const stagedBuffer = 32 << 10

// Create begins a file. The caller must call Finish, or Abort.
func (s *Sink) Create(ctx context.Context, at Place) (*Staged, error) {
	name := path.Join(at.Dir, dataName(s.run, at.Name, at.First))
	if err := checkName(name); err != nil {
		return nil, err
	}
	file, err := s.bucket.Stage(ctx, s.run, name)
	if err != nil {
		return nil, err
	}
	if !s.bucket.Owns(file.Token(), s.run, name) {
		return nil, errors.Join(fmt.Errorf("stage %s: its token %q is that of another file", name, file.Token()), file.Abort())
	}
	f := &Staged{name: name, file: file, sum: s.newSum()}
	f.buffer = bufio.NewWriterSize((*hashed)(f), stagedBuffer)
	return f, nil
}

// blake3IsCheaper tells which hash costs this machine less: BLAKE3 where its vector code
// runs, SHA-256 elsewhere, for which arm64 has instructions.
var blake3IsCheaper = cpu.X86.HasAVX2

func (s *Sink) newSum() hash.Hash {
	if s.blake3 {
		return blake3.New()
	}
	return sha256.New()
}

// hashed is what is behind the buffer of a Staged.
type hashed Staged

// Write implements [io.Writer].
func (f *hashed) Write(p []byte) (int, error) {
	n, err := f.file.Write(p)
	f.sum.Write(p[:n])
	f.bytes += int64(n)
	if f.err == nil {
		f.err = err
	}
	return n, err
}

// Write implements [io.Writer]. After an error the file can only be aborted.
func (f *Staged) Write(p []byte) (int, error) { return f.buffer.Write(p) }

// Err is the first error of the storage, for who writes through an encoder that may
// hide it.
func (f *Staged) Err() error { return f.err }

// Name is the name that the file will have.
func (f *Staged) Name() string { return f.name }

// Finish makes the file durable, still unseen, and says what a commit must know of
// it: its name, token, length and hash. After an error it can only be aborted.
func (f *Staged) Finish() (ledger.File, error) {
	if err := f.buffer.Flush(); err != nil {
		return ledger.File{}, err
	}
	if err := f.file.Finish(); err != nil {
		return ledger.File{}, err
	}
	file := ledger.File{Name: f.name, Staged: f.file.Token(), Bytes: f.bytes}
	sum := hex.EncodeToString(f.sum.Sum(nil))
	if _, ok := f.sum.(*blake3.Hasher); ok {
		file.BLAKE3 = sum
	} else {
		file.SHA256 = sum
	}
	return file, nil
}

// Abort deletes the file, finished or not. Only for one that no commit request has
// named.
func (f *Staged) Abort() error { return f.file.Abort() }

// Discard deletes the staged form of a file that a commit request named, when every
// such request has been answered with no (rule 2). Nil when it is gone.
func (s *Sink) Discard(ctx context.Context, f ledger.File) error {
	if err := s.owns(f); err != nil {
		return err
	}
	return s.bucket.DropStaged(ctx, f.Staged)
}

// Reveal makes a committed file visible. It may be called any number of times, by
// several processes at once. The error wraps [ErrLost] when the file is gone for
// good, and [ErrTaken] when another has its name.
func (s *Sink) Reveal(ctx context.Context, f ledger.File) error {
	if err := s.owns(f); err != nil {
		return err
	}
	for {
		err := s.bucket.Reveal(ctx, f.Staged, f.Name)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, storage.ErrExist):
			return fmt.Errorf("%w: %w", ErrTaken, err)
		case !errors.Is(err, storage.ErrNotStaged):
			return err
		}
		at, err := s.look(ctx, f)
		switch {
		case err != nil:
			return err
		case at == visible:
			return nil // by another process, or by this one in an earlier life
		case at == nowhere:
			// Rule 26 (lost): the temporary was looked for first, so nobody revealed it
			// between the two looks.
			return fmt.Errorf("reveal %s: %w", s.where(f.Name), ErrLost)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		// Staged after all: a sweep removed the directory, empty, under the reveal.
	}
}

// Visible reports whether readers see the file, whole.
func (s *Sink) Visible(ctx context.Context, f ledger.File) (bool, error) {
	if err := s.owns(f); err != nil {
		return false, err
	}
	object, err := s.bucket.Stat(ctx, f.Name)
	if errors.Is(err, storage.ErrNotExist) {
		return false, nil
	}
	return err == nil && object.Size == f.Bytes, err
}

// Present reports whether the file is somewhere, staged or visible: whether a
// manifest may promise it.
func (s *Sink) Present(ctx context.Context, f ledger.File) (bool, error) {
	if err := s.owns(f); err != nil {
		return false, err
	}
	at, err := s.look(ctx, f)
	return at != nowhere, err
}

// place is where a file was found.
type place int

const (
	nowhere place = iota
	staged
	visible
)

// look finds a file.
func (s *Sink) look(ctx context.Context, f ledger.File) (place, error) {
	hasStaged := func() (bool, error) { return s.bucket.HasStaged(ctx, f.Staged) }
	isVisible := func() (bool, error) { return s.Visible(ctx, f) }
	type look struct {
		place place
		there func() (bool, error)
	}
	// Rule 26 (lost): the temporary first. A file moves from there to its final name,
	// so looking in its direction misses none that moves in between.
	for _, l := range []look{{staged, hasStaged}, {visible, isVisible}} {
		if there, err := l.there(); err != nil || there {
			return l.place, err
		}
	}
	return nowhere, nil
}

// owns refuses files that the run cannot have written. Entries are data: what they
// name is moved and deleted.
func (s *Sink) owns(f ledger.File) error {
	if err := checkName(f.Name); err != nil {
		return err
	}
	if run, ok := runOf(f.Name); !ok || run != s.run || !s.bucket.Owns(f.Staged, s.run, f.Name) {
		return fmt.Errorf("file name %q, staged as %q, of run %s: %w", f.Name, f.Staged, s.run, ErrName)
	}
	return nil
}
