package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/flow"
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

// What passes by itself while a server starts is worth another try; a wrong password is
// not.
func TestUnanswered(t *testing.T) {
	dial := func(err error) error {
		return fmt.Errorf("connect to nats: %w", &net.OpError{Op: "dial", Net: "tcp", Err: err})
	}
	for _, err := range []error{dial(os.ErrDeadlineExceeded), dial(syscall.ECONNREFUSED), dial(syscall.ECONNRESET), io.EOF, nats.ErrNoServers, nats.ErrTimeout} {
		require.True(t, unanswered(err), err)
	}
	for _, err := range []error{nats.ErrAuthorization, dial(errors.New("tls: unknown certificate authority")), flow.ErrNoJetStream} {
		require.False(t, unanswered(err), err)
	}
}
