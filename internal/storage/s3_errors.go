package storage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// wrapS3 gives an error of the store its sentinel and its remedy. taken is what a failed
// precondition means here.
func (c *s3Client) wrap(op, key string, err, precondition error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e := &Error{Op: op, Name: c.where(key), Err: brief(err)}
	code, status := "", 0
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		code = api.ErrorCode()
	}
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = response.HTTPStatusCode()
	}
	mark := func(sentinel error, hint string) {
		e.Err, e.Hint = fmt.Errorf("%w: %w", sentinel, e.Err), hint
	}
	switch {
	case code == "NoSuchBucket":
		mark(ErrNoBucket, "create the bucket "+c.bucket+", or mend its name, its region or the endpoint")
	case code == "NoSuchUpload":
		mark(ErrNotStaged, "")
	case code == "PreconditionFailed" || status == http.StatusPreconditionFailed:
		mark(precondition, "")
	case code == "ExpiredToken" || code == "ExpiredTokenException" || code == "RequestExpired" || code == "TokenRefreshRequired":
		mark(ErrCredentials, "renew the credentials (aws sso login, for example) and run it again")
	case strings.Contains(err.Error(), "get credentials") || strings.Contains(err.Error(), "no EC2 IMDS role found") || strings.Contains(err.Error(), "failed to refresh cached credentials"):
		mark(ErrCredentials, "give this process credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role")
	case code == "InvalidAccessKeyId" || code == "SignatureDoesNotMatch":
		mark(ErrCredentials, "mend the access key or its secret")
	case code == "PermanentRedirect" || code == "AuthorizationHeaderMalformed" || code == "IllegalLocationConstraintException" || status == http.StatusMovedPermanently:
		mark(ErrNoBucket, "the bucket is in another region: set s3.region or AWS_REGION")
	case status == http.StatusForbidden:
		mark(ErrDenied, "give these credentials the right to "+right(op)+" there")
	case status == http.StatusNotFound:
		mark(ErrNotExist, "")
	case status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable:
		mark(ErrThrottled, "")
	case status == 0 || status >= http.StatusInternalServerError:
		mark(ErrUnreachable, "")
	}
	return e
}

// brief is the store's own answer, without the SDK's account of how it was asked.
func brief(err error) error {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return err
	}
	text := api.ErrorCode()
	if m := api.ErrorMessage(); m != "" && m != text {
		text += ": " + m
	}
	return &answer{text, err}
}

// answer shows one error and is another.
type answer struct {
	text string
	err  error
}

func (a *answer) Error() string { return a.text }
func (a *answer) Unwrap() error { return a.err }

// right is what an operation needs to be allowed.
func right(op string) string {
	switch op {
	case "open", "read", "stat":
		return "s3:GetObject"
	case "list":
		return "s3:ListBucket"
	case "list staged files":
		return "s3:ListBucketMultipartUploads"
	case "look at staged", "reveal":
		return "s3:PutObject and s3:ListMultipartUploadParts"
	case "drop":
		return "s3:AbortMultipartUpload"
	case "delete":
		return "s3:DeleteObject"
	default:
		return "s3:PutObject"
	}
}
