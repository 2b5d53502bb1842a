package storage

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Object is a file that can be seen.
type Object struct {
	Name string // relative to the bucket, with slashes
	Size int64  // bytes
}

// File is an open file for ranged reads. Safe for concurrent reads.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64
	Name() string // as a person would find it again
}

// Bucket is a place for files: a directory, or a prefix of a bucket. Names are relative to it, with slashes. All methods are safe for concurrent use, by any number
// of processes.
type Bucket interface {
	// URI is where the bucket is, for people.
	URI() string

	// Open opens a visible file. [ErrNotExist] when there is none.
	Open(ctx context.Context, name string) (File, error)

	// Stat looks at a visible file. [ErrNotExist] when there is none.
	Stat(ctx context.Context, name string) (Object, error)

	// List returns the visible files whose names begin with prefix, sorted by name.
	// Staged files are not among them. A bucket that does not exist is empty.
	List(ctx context.Context, prefix string) ([]Object, error)

	// Put creates a small file, durable and complete when it is seen.
	// [ErrExist] when the name is taken: the file that is there stays.
	Put(ctx context.Context, name string, data []byte) error

	// Delete removes a visible file. Nil when there is none.
	Delete(ctx context.Context, name string) error

	// Stage begins a file of a run that nobody sees, to be revealed under name. Its last
	// element must be unique for ever and have the run's id as one of its parts, set off by
	// anything but letters and digits: some stores know a staged file by its name only.
	Stage(ctx context.Context, run, name string) (Staged, error)

	// Owns reports whether Stage may have given this token for a file of that run and
	// name: tokens come back from ledgers, and what they name is moved and deleted.
	Owns(token, run, name string) bool

	// Reveal makes a finished staged file visible under its final name. It never
	// replaces a file: [ErrExist] when another one has the name. When the staged
	// file is revealed already it returns nil if its staging can still be told to be
	// that file, else [ErrNotStaged]. [ErrNotStaged] also when it was dropped: dropping is the
	// fence against late reveals.
	Reveal(ctx context.Context, token, name string) error

	// HasStaged reports whether a token still names a staged file.
	HasStaged(ctx context.Context, token string) (bool, error)

	// DropStaged removes a staged file, finished or not. Nil when there is none.
	DropStaged(ctx context.Context, token string) error

	// ListStaged returns the staged files of a run, or of all runs when run is "",
	// finished or not.
	ListStaged(ctx context.Context, run string) ([]StagedFile, error)

	// ForgetRun removes what an adapter keeps for a run without staged files, such as
	// its directory. Nil when there is nothing, or when staged files are left.
	ForgetRun(ctx context.Context, run string) error
}

// StagedFile is a staged file as a listing shows it.
type StagedFile struct {
	Token string
	Name  string // the last element of the name that it is staged for
}

// Staged is an invisible file that is being written. One goroutine.
type Staged interface {
	io.Writer
	// Token names the file for the other calls; it is fit for a ledger entry.
	Token() string
	// Finish makes the content durable. The file stays invisible.
	Finish() error
	// Abort drops the file. Nil after Finish has failed, too.
	Abort() error
}

// NewBucket returns the bucket of a location: a path, file://path or s3://bucket/prefix.
// Nothing is created or asked yet.
func NewBucket(ctx context.Context, uri string, o S3Options) (Bucket, error) {
	if isS3(uri) {
		return newS3Bucket(ctx, uri, o)
	}
	path, err := localPath(uri)
	if err != nil {
		return nil, err
	}
	return newLocal(path)
}

func isS3(uri string) bool { return strings.HasPrefix(uri, "s3://") }

// Schemes are those of the locations that this package reaches, besides local paths.
func Schemes() []string { return []string{"file", "s3"} }

// localPath is the path that a location of the local file system means.
func localPath(uri string) (string, error) {
	scheme, rest, ok := strings.Cut(uri, "://")
	switch {
	case !ok:
		return uri, nil
	case scheme == "file":
		return rest, nil
	default:
		return "", fmt.Errorf("location %q: scheme %q is not supported: use a local path, file:// or s3://", uri, scheme)
	}
}
