package main

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Asked to stop while it waits for its server, a service has nothing to drain and ends
// well: who deploys it sees no failure.
func TestServiceIsStoppedBeforeItsServerAnswers(t *testing.T) {
	for _, role := range []string{"reader", "transform", "writer"} {
		t.Run(role, func(t *testing.T) {
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			waits := writerFunc(func(p []byte) (int, error) {
				if strings.Contains(string(p), "does not answer") {
					stop()
				}
				return len(p), nil
			})
			args := []string{role, "--nats", "nats://127.0.0.1:1"}
			require.NoError(t, run(ctx, args, func(string) string { return "" }, io.Discard, waits))
		})
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
