package storage

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Counts are what a task has asked of a store over a network. All fields only grow.
type Counts struct {
	Requests  atomic.Int64 // attempts, the repeated ones among them
	Retries   atomic.Int64 // attempts after the first
	Throttled atomic.Int64 // attempts that the store refused for being too many
}

type countsKey struct{}

// WithCounts returns a context whose requests are counted in c.
func WithCounts(ctx context.Context, c *Counts) context.Context {
	return context.WithValue(ctx, countsKey{}, c)
}

// countRequests counts each attempt, behind the retries of the SDK.
func countRequests(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("LevadaCount", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, md, err := next.HandleFinalize(ctx, in)
		c, ok := ctx.Value(countsKey{}).(*Counts)
		if !ok {
			return out, md, err
		}
		c.Requests.Add(1)
		if req, ok := in.Request.(*smithyhttp.Request); ok && firstAttempt(req) {
			return out, md, throttled(c, err)
		}
		c.Retries.Add(1)
		return out, md, throttled(c, err)
	}), "Retry", middleware.After)
}

// firstAttempt reads the SDK's own header "attempt=1; max=8".
func firstAttempt(req *smithyhttp.Request) bool {
	h := req.Header.Get("Amz-Sdk-Request")
	return h == "" || len(h) > 9 && h[:9] == "attempt=1" && (h[9] == ';' || len(h) == 9)
}

func throttled(c *Counts, err error) error {
	var response *smithyhttp.ResponseError
	switch {
	case err == nil:
	case retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err).Bool(),
		errors.As(err, &response) && (response.HTTPStatusCode() == 503 || response.HTTPStatusCode() == 429):
		c.Throttled.Add(1)
	}
	return err
}
