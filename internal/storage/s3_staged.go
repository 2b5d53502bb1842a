package storage

import (
	"bytes"
	"context"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const (
	// partBytes is the size of all parts but the last: the smallest that S3 takes, for
	// each open file holds one in memory.
	partBytes = 5 << 20
	maxParts  = 10_000 // as S3 bounds them
)

// s3Staged is an upload that is being written. A part goes on its way while the next one
// is filled.
type s3Staged struct {
	b      *s3Bucket
	ctx    context.Context //nolint:containedctx // that of the writer, which io.Writer has no room for
	cancel context.CancelCauseFunc
	id     string
	key    string
	token  string
	buf    bytes.Buffer
	parts  int32
	wg     sync.WaitGroup
}

func (b *s3Bucket) Stage(ctx context.Context, _, name string) (Staged, error) {
	key, err := b.key(name)
	if err != nil {
		return nil, err
	}
	in := &s3.CreateMultipartUploadInput{
		Bucket: &b.c.bucket, Key: &key, ContentType: aws.String("application/vnd.apache.parquet"),
		ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c, // of each part, verified by the store
	}
	in.ServerSideEncryption, in.SSEKMSKeyId = b.c.sse()
	out, err := b.c.CreateMultipartUpload(ctx, in)
	if err != nil {
		return nil, b.c.wrap("create", key, err, ErrExist)
	}
	s := &s3Staged{b: b, id: aws.ToString(out.UploadId), key: key}
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	s.token = s3Token(s.id, name)
	return s, nil
}

func (s *s3Staged) Token() string { return s.token }

func (s *s3Staged) Write(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, context.Cause(s.ctx)
	}
	n := len(p)
	for len(p) > 0 {
		room := min(partBytes-s.buf.Len(), len(p))
		s.buf.Write(p[:room])
		p = p[room:]
		if s.buf.Len() == partBytes {
			if err := s.flush(); err != nil {
				return n - len(p), err
			}
		}
	}
	return n, nil
}

// flush sends the buffer on its way as a part. The first error ends the file.
func (s *s3Staged) flush() error {
	if s.parts == maxParts {
		return &Error{Op: "write", Name: s.b.c.where(s.key), Err: fmt.Errorf("the file has more than %d parts of %d MiB", maxParts, partBytes>>20), Hint: "lower sink.parquet.target_file"}
	}
	if err := s.b.c.acquire(s.ctx); err != nil {
		return err
	}
	s.parts++
	part, data := s.parts, s.buf.Bytes()
	s.buf = bytes.Buffer{} // the old one is the part's now
	s.wg.Go(func() {
		defer s.b.c.release()
		_, err := s.b.c.UploadPart(s.ctx, &s3.UploadPartInput{
			Bucket: &s.b.c.bucket, Key: &s.key, UploadId: &s.id, PartNumber: aws.Int32(part), Body: bytes.NewReader(data),
			ChecksumAlgorithm: types.ChecksumAlgorithmCrc32c,
		})
		if err != nil {
			s.cancel(s.b.c.wrapUpload("write", s.key, err))
		}
	})
	return nil
}

func (s *s3Staged) Finish() error {
	if s.buf.Len() > 0 || s.parts == 0 { // an upload has at least one part
		if err := s.flush(); err != nil {
			return err
		}
	}
	s.wg.Wait()
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.cancel(nil)
	return nil
}

func (s *s3Staged) Abort() error {
	s.cancel(context.Canceled)
	s.wg.Wait()
	s.buf = bytes.Buffer{}
	return s.b.DropStaged(context.WithoutCancel(s.ctx), s.token)
}
