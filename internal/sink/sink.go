package sink

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/levada-data/levada/internal/storage"
)

// Sink is the output of one run. It is safe for concurrent use, by any number of
// processes.
type Sink struct {
	bucket storage.Bucket
	run    string
	blake3 bool // is the hash of new files; else SHA-256
}

// Open returns the output at a location as one run sees it; o matters in a bucket only.
// Nothing is created or read yet.
func Open(ctx context.Context, uri, run string, o storage.S3Options) (*Sink, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkRun(run); err != nil {
		return nil, fmt.Errorf("open sink %s: %w", uri, err)
	}
	bucket, err := storage.NewBucket(ctx, uri, o)
	if err != nil {
		return nil, fmt.Errorf("open sink: %w", err)
	}
	return &Sink{bucket: bucket, run: run, blake3: blake3IsCheaper}, nil
}

// URI is where the output is, for people.
func (s *Sink) URI() string { return s.bucket.URI() }

// Run is the run whose output it is.
func (s *Sink) Run() string { return s.run }

// where names a file of the sink, for people.
func (s *Sink) where(name string) string { return s.bucket.URI() + "/" + name }

// put writes a small file unless one of that name is there.
func (s *Sink) put(ctx context.Context, name string, data []byte) (created bool, err error) {
	for {
		err := s.bucket.Put(ctx, name, data)
		switch {
		case err == nil:
			return true, nil
		case errors.Is(err, storage.ErrExist):
			return false, nil
		case errors.Is(err, storage.ErrNotExist) && ctx.Err() == nil:
			// Another process' sweep took what this one was about to give its name.
		default:
			return false, err
		}
	}
}

// read returns a small file, refusing one longer than limit.
func (s *Sink) read(ctx context.Context, name string, limit int64) ([]byte, error) {
	f, err := s.bucket.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	if f.Size() > limit {
		return nil, fmt.Errorf("read %s: it has %d bytes, expected at most %d", s.where(name), f.Size(), limit)
	}
	data := make([]byte, f.Size())
	if _, err := f.ReadAt(data, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read %s: %w", s.where(name), err)
	}
	return data, nil
}

// wrap says what was being done; nil stays nil.
func wrap(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
