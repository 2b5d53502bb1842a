package storage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// s3Tail is how much of the end of an object is read with its opening: the footer of a
// Parquet file mostly, and small files whole.
const s3Tail = 64 << 10

// s3File is an open object: that version of it which was opened.
type s3File struct {
	c    *s3Client
	ctx  context.Context //nolint:containedctx // of whom it was opened for; io.ReaderAt has no room for one
	key  string
	size int64
	etag *string
	tail []byte // the last bytes
}

// openS3 opens an object with one request: for its tail, whose answer tells its length.
func openS3(ctx context.Context, c *s3Client, key string) (*s3File, error) {
	f := &s3File{c: c, ctx: ctx, key: key}
	for try := 1; ; try++ {
		again, err := f.open()
		if !again || try == bodyTries {
			if err != nil {
				return nil, c.wrap("open", key, err, ErrChanged)
			}
			return f, nil
		}
	}
}

// open reads the tail. again says that the answer broke off in its middle, which is not
// the SDK's to repeat.
func (f *s3File) open() (again bool, err error) {
	out, err := f.c.GetObject(f.ctx, &s3.GetObjectInput{Bucket: &f.c.bucket, Key: &f.key, Range: aws.String(fmt.Sprintf("bytes=-%d", s3Tail))})
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && response.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable {
		return false, nil // an empty object has no last bytes
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = out.Body.Close() }() // what counts is what was read
	f.etag, f.size = out.ETag, aws.ToInt64(out.ContentLength)
	if _, total, ok := strings.Cut(aws.ToString(out.ContentRange), "/"); ok {
		if f.size, err = strconv.ParseInt(total, 10, 64); err != nil {
			return false, fmt.Errorf("answer with content range %q", *out.ContentRange)
		}
	}
	f.tail = make([]byte, min(aws.ToInt64(out.ContentLength), s3Tail))
	_, err = io.ReadFull(out.Body, f.tail)
	return err != nil && f.ctx.Err() == nil, err
}

func (f *s3File) Name() string { return f.c.where(f.key) }
func (f *s3File) Size() int64  { return f.size }
func (f *s3File) Close() error { return nil }

// Distant implements [Distant].
func (f *s3File) Distant() FetchOptions { return f.c.options.Fetch.withDefaults() }

// ReadAt is one request, or none: what was read with the opening is at hand.
func (f *s3File) ReadAt(p []byte, at int64) (int, error) {
	n := min(int64(len(p)), f.size-at)
	switch {
	case at < 0:
		return 0, &Error{Op: "read", Name: f.Name(), Err: errors.New("negative offset")}
	case n <= 0:
		if len(p) == 0 {
			return 0, nil
		}
		return 0, io.EOF
	}
	var err error
	if n < int64(len(p)) {
		err = io.EOF
	}
	if from := f.size - int64(len(f.tail)); at >= from {
		return copy(p, f.tail[at-from:]), err
	}
	if gerr := f.get(p[:n], at); gerr != nil {
		return 0, gerr
	}
	return int(n), err
}

// get reads a range of the version that was opened, whole. A connection that breaks in
// the middle of the answer is not the SDK's to repeat, so it is repeated here.
func (f *s3File) get(p []byte, at int64) error {
	for try := 1; ; try++ {
		out, err := f.c.GetObject(f.ctx, &s3.GetObjectInput{
			Bucket: &f.c.bucket, Key: &f.key, IfMatch: f.etag, Range: aws.String(fmt.Sprintf("bytes=%d-%d", at, at+int64(len(p))-1)),
		})
		if err != nil {
			return f.c.wrap("read", f.key, err, ErrChanged)
		}
		n, err := io.ReadFull(out.Body, p)
		_ = out.Body.Close() // as in open
		switch {
		case err == nil:
			return nil
		case f.ctx.Err() != nil:
			return context.Cause(f.ctx)
		case try == bodyTries:
			return f.c.wrap("read", f.key, err, ErrChanged)
		}
		p, at = p[n:], at+int64(n)
	}
}

// bodyTries bounds the requests for one range whose answers break off.
const bodyTries = 5

// expandS3 is [Expand] for one location in a bucket.
func expandS3(ctx context.Context, uri, suffix string, o S3Options) ([]string, error) {
	bucket, key, err := splitS3(uri)
	if err != nil {
		return nil, err
	}
	c, err := clientFor(ctx, bucket, o)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(key, wildcards) {
		return c.glob(ctx, uri, key)
	}
	if key != "" && !strings.HasSuffix(key, "/") {
		_, err := c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &c.bucket, Key: &key})
		if err == nil {
			return []string{uri}, nil
		}
		if err = c.wrap("find", key, err, ErrChanged); !errors.Is(err, ErrNotExist) {
			return nil, err
		}
		key += "/"
	}
	var files []string
	err = c.list(ctx, key, func(k string, _ int64) {
		rel := strings.TrimPrefix(k, key)
		if strings.HasSuffix(k, suffix) && !hiddenPath(rel) {
			files = append(files, c.where(k))
		}
	})
	if err == nil && len(files) == 0 {
		err = &Error{Op: "find", Name: uri, Err: fmt.Errorf("%w: no object of that key, and no *%s below it", ErrNotExist, suffix), Hint: "name the files, or another prefix"}
	}
	return files, err
}

// glob lists what a pattern matches: everything below its fixed part is looked at.
func (c *s3Client) glob(ctx context.Context, uri, pattern string) ([]string, error) {
	fixed := pattern[:strings.IndexAny(pattern, wildcards)]
	var files []string
	var bad error
	err := c.list(ctx, fixed, func(k string, _ int64) {
		ok, err := matches(pattern, k)
		if err != nil {
			bad = &Error{Op: "find", Name: uri, Err: err, Hint: "mend the pattern"}
		}
		if ok {
			files = append(files, c.where(k))
		}
	})
	if err = errors.Join(err, bad); err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, noMatch(uri)
	}
	return files, nil
}
