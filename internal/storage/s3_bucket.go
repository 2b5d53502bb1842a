package storage

import (
	"bytes"
	"context"
	"errors"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// s3Bucket is a prefix of a bucket. What is staged is a multipart upload to the final
// key: its parts are there, paid for and durable, and nobody sees them until somebody
// completes the upload.
//
//	Stage = create upload ─► Finish = last part ─► Reveal = complete, if the key is free
//	                                            └► DropStaged = abort: no complete after it
type s3Bucket struct {
	c      *s3Client
	prefix string // of keys: "" or ending in /
}

func newS3Bucket(ctx context.Context, uri string, o S3Options) (*s3Bucket, error) {
	bucket, prefix, err := splitS3(uri)
	if err != nil {
		return nil, err
	}
	if prefix = strings.Trim(prefix, "/"); prefix != "" {
		prefix += "/"
	}
	c, err := clientFor(ctx, bucket, o)
	if err != nil {
		return nil, err
	}
	return &s3Bucket{c: c, prefix: prefix}, nil
}

func (b *s3Bucket) URI() string { return strings.TrimSuffix(b.c.where(b.prefix), "/") }

// key maps a name to a key, and refuses one that leaves the prefix.
func (b *s3Bucket) key(name string) (string, error) {
	if name == "" || path.Clean(name) != name || !filepath.IsLocal(filepath.FromSlash(name)) {
		return "", &Error{Op: "find", Name: name, Err: errors.New("name is not inside the bucket")}
	}
	return b.prefix + name, nil
}

func (b *s3Bucket) Open(ctx context.Context, name string) (File, error) {
	key, err := b.key(name)
	if err != nil {
		return nil, err
	}
	return openS3(ctx, b.c, key)
}

func (b *s3Bucket) Stat(ctx context.Context, name string) (Object, error) {
	key, err := b.key(name)
	if err != nil {
		return Object{}, err
	}
	out, err := b.c.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.c.bucket, Key: &key})
	if err != nil {
		return Object{}, b.c.wrap("stat", key, err, ErrChanged)
	}
	return Object{Name: name, Size: aws.ToInt64(out.ContentLength)}, nil
}

func (b *s3Bucket) List(ctx context.Context, prefix string) ([]Object, error) {
	var objects []Object
	err := b.c.list(ctx, b.prefix+prefix, func(key string, size int64) {
		objects = append(objects, Object{Name: strings.TrimPrefix(key, b.prefix), Size: size})
	})
	slices.SortFunc(objects, func(x, y Object) int { return strings.Compare(x.Name, y.Name) })
	return objects, err
}

// list calls f for every object whose key begins with prefix.
func (c *s3Client) list(ctx context.Context, prefix string, f func(key string, size int64)) error {
	pages := s3.NewListObjectsV2Paginator(c, &s3.ListObjectsV2Input{Bucket: &c.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return c.wrap("list", prefix, err, ErrChanged)
		}
		for _, o := range page.Contents {
			if key := aws.ToString(o.Key); !strings.HasSuffix(key, "/") { // some tools make keys for directories
				f(key, aws.ToInt64(o.Size))
			}
		}
	}
	return nil
}

func (b *s3Bucket) Put(ctx context.Context, name string, data []byte) error {
	key, err := b.key(name)
	if err != nil {
		return err
	}
	in := &s3.PutObjectInput{
		Bucket: &b.c.bucket, Key: &key, Body: bytes.NewReader(data), IfNoneMatch: aws.String("*"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = b.c.sse()
	_, err = b.c.PutObject(ctx, in)
	return b.c.wrap("create", key, err, ErrExist)
}

func (b *s3Bucket) Delete(ctx context.Context, name string) error {
	key, err := b.key(name)
	if err != nil {
		return err
	}
	_, err = b.c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.c.bucket, Key: &key})
	if err = b.c.wrap("delete", key, err, ErrChanged); errors.Is(err, ErrNotExist) {
		return nil
	}
	return err
}

// A token is the upload's id, then the name.
const tokenMark = "@"

func s3Token(upload, name string) string { return upload + tokenMark + name }

// upload finds the upload that a token names.
func (b *s3Bucket) upload(token string) (id, key string, err error) {
	id, name, ok := strings.Cut(token, tokenMark)
	if !ok || id == "" {
		return "", "", &Error{Op: "find", Name: token, Err: errors.New("malformed token of a staged file")}
	}
	key, err = b.key(name)
	return id, key, err
}

func (b *s3Bucket) Owns(token, _, name string) bool {
	id, of, ok := strings.Cut(token, tokenMark)
	return ok && id != "" && of == name
}

func (b *s3Bucket) Reveal(ctx context.Context, token, name string) error {
	id, key, err := b.upload(token)
	if err != nil {
		return err
	}
	if !b.Owns(token, "", name) {
		return &Error{Op: "reveal", Name: b.c.where(key), Err: errors.New("the token is that of another file")}
	}
	parts, err := b.parts(ctx, id, key)
	if err != nil {
		return err
	}
	_, err = b.c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &b.c.bucket, Key: &key, UploadId: &id, IfNoneMatch: aws.String("*"), // rule 3 (names): never replaces
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	err = b.c.wrap("reveal", key, err, ErrExist)
	if errors.Is(err, ErrExist) {
		// The file that has the key may be this very one, completed by somebody else, or by a
		// request whose answer was lost: then its upload is gone.
		if staged, serr := b.hasUpload(ctx, token); serr == nil && !staged {
			return &Error{Op: "reveal", Name: b.c.where(key), Err: ErrNotStaged}
		}
	}
	return err
}

// parts lists the parts of an upload as its completion wants them.
func (b *s3Bucket) parts(ctx context.Context, id, key string) ([]types.CompletedPart, error) {
	var parts []types.CompletedPart
	pages := s3.NewListPartsPaginator(b.c, &s3.ListPartsInput{Bucket: &b.c.bucket, Key: &key, UploadId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, b.c.wrapUpload("look at staged", key, err)
		}
		for _, p := range page.Parts {
			parts = append(parts, types.CompletedPart{
				PartNumber: p.PartNumber, ETag: p.ETag, ChecksumCRC32C: p.ChecksumCRC32C, ChecksumCRC64NVME: p.ChecksumCRC64NVME,
			})
		}
	}
	if len(parts) == 0 { // each of ours has one: somebody else is completing it at this moment
		return nil, b.c.wrapUpload("look at staged", key, &types.NoSuchUpload{})
	}
	return parts, nil
}

// wrapUpload is wrap for requests about an upload, where what is not found is the upload.
func (c *s3Client) wrapUpload(op, key string, err error) error {
	err = c.wrap(op, key, err, ErrChanged)
	if e := (*Error)(nil); errors.Is(err, ErrNotExist) && errors.As(err, &e) {
		e.Err = &answer{ErrNotStaged.Error(), errors.Join(ErrNotStaged, errNoUpload)}
	}
	return err
}

// between is how long an upload and its object may both be not there while the upload is
// being completed, as a gateway to a file system has it (versitygw, from the moment when it
// sets the upload aside until it links the object): so long a look is repeated, at growing
// intervals. It is for ever only where a file is lost, which is rare and grave.
var between = []time.Duration{50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond} //nolint:gochecknoglobals // a constant in all but the language

// HasStaged implements [Bucket]. No is its answer only when the object is there, or when
// both have been missing for long.
func (b *s3Bucket) HasStaged(ctx context.Context, token string) (bool, error) {
	_, name, _ := strings.Cut(token, tokenMark)
	for _, wait := range between {
		if there, err := b.hasUpload(ctx, token); err != nil || there {
			return there, err
		}
		if _, err := b.Stat(ctx, name); !errors.Is(err, ErrNotExist) {
			return false, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return b.hasUpload(ctx, token)
}

func (b *s3Bucket) hasUpload(ctx context.Context, token string) (bool, error) {
	id, key, err := b.upload(token)
	if err != nil {
		return false, err
	}
	_, err = b.c.ListParts(ctx, &s3.ListPartsInput{Bucket: &b.c.bucket, Key: &key, UploadId: &id, MaxParts: number(1)})
	if err = b.c.wrapUpload("look at staged", key, err); errors.Is(err, ErrNotStaged) {
		return false, nil
	}
	return err == nil, err
}

// dropTries bounds the repeated aborts: a part that is on its way while its upload is
// aborted may arrive after it.
const dropTries = 3

func (b *s3Bucket) DropStaged(ctx context.Context, token string) error {
	id, key, err := b.upload(token)
	if err != nil {
		return err
	}
	for range dropTries {
		_, err := b.c.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.c.bucket, Key: &key, UploadId: &id})
		if err = b.c.wrapUpload("drop", key, err); errors.Is(err, ErrNotStaged) {
			return nil
		}
		if err != nil {
			return err
		}
		if left, err := b.hasUpload(ctx, token); err != nil || !left {
			return err
		}
	}
	return nil
}

func (b *s3Bucket) ListStaged(ctx context.Context, run string) ([]StagedFile, error) {
	var of *regexp.Regexp
	if run != "" {
		of = regexp.MustCompile(`(^|[^a-zA-Z0-9])` + regexp.QuoteMeta(run) + `([^a-zA-Z0-9]|$)`)
	}
	var files []StagedFile
	pages := s3.NewListMultipartUploadsPaginator(b.c, &s3.ListMultipartUploadsInput{Bucket: &b.c.bucket, Prefix: &b.prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, b.c.wrap("list staged files", b.prefix, err, ErrChanged)
		}
		for _, u := range page.Uploads {
			name, inside := strings.CutPrefix(aws.ToString(u.Key), b.prefix)
			if !inside || of != nil && !of.MatchString(path.Base(name)) {
				continue
			}
			files = append(files, StagedFile{Token: s3Token(aws.ToString(u.UploadId), name), Name: path.Base(name)})
		}
	}
	return files, nil
}

// ForgetRun has nothing to forget: a run has no place of its own in a bucket.
func (b *s3Bucket) ForgetRun(context.Context, string) error { return nil }
