package storage

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

type observerKey struct{}

// Observe returns a context whose requests to a store over a network are told to f, each
// attempt: whether it repeats an earlier one, and whether the store refused it for being
// one too many. f may be called from several goroutines.
func Observe(ctx context.Context, f func(retry, throttled bool)) context.Context {
	return context.WithValue(ctx, observerKey{}, f)
}

// observeAttempts stands behind the SDK's retries, so that it sees each attempt.
func observeAttempts(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("LevadaObserve", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		out, md, err := next.HandleFinalize(ctx, in)
		if f, ok := ctx.Value(observerKey{}).(func(bool, bool)); ok {
			f(!firstAttempt(in.Request), isThrottled(err))
		}
		return out, md, err
	}), "Retry", middleware.After)
}

// firstAttempt reads the SDK's own header "attempt=1; max=8".
func firstAttempt(request any) bool {
	r, ok := request.(*smithyhttp.Request)
	if !ok {
		return true
	}
	n, _, _ := strings.Cut(r.Header.Get("Amz-Sdk-Request"), ";")
	return n == "" || n == "attempt=1"
}

func isThrottled(err error) bool {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && (response.HTTPStatusCode() == http.StatusServiceUnavailable || response.HTTPStatusCode() == http.StatusTooManyRequests)
}
