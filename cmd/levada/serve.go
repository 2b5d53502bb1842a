package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/internal/telemetry"
	"github.com/levada-data/levada/pkg/flow"
)

// grace is how long work in flight may take after the first signal. What is not
// settled by then is delivered again: a deadline is never a reason to settle early.
const grace = 20 * time.Second

var errGrace = fmt.Errorf("work in flight took longer than %v", grace)

// graced returns the context of the work: it ends a while after that of the intake.
// The caller must call release.
func graced(intake context.Context, grace time.Duration) (work context.Context, release func()) {
	work, cancel := context.WithCancelCause(context.WithoutCancel(intake))
	stop := context.AfterFunc(intake, func() {
		t := time.NewTimer(grace)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(errGrace)
		case <-work.Done():
		}
	})
	return work, func() {
		stop()
		cancel(nil)
	}
}

// endpointFlags say where a process shows that it lives.
type endpointFlags struct {
	addr    string
	profile bool
}

func (e *endpointFlags) bind(cmd *cobra.Command) {
	cmd.Flags().StringVar(&e.addr, "http", "", "address for /healthz and /readyz, 127.0.0.1:8080 for example")
	cmd.Flags().BoolVar(&e.profile, "pprof", false, "serve /debug/pprof/ there too")
}

// endpoint serves health, readiness and profiles until it is closed. The process is
// ready while it is connected and takes work.
func (a *app) endpoint(ctx context.Context, flags endpointFlags, conn *flow.Conn) (closeFunc func(), err error) {
	if flags.addr == "" {
		if flags.profile {
			return nil, usagef("--pprof needs an address: --http 127.0.0.1:8080")
		}
		return func() {}, nil
	}
	e, err := telemetry.Listen(ctx, telemetry.Options{Addr: flags.addr, Profile: flags.profile, Log: a.log, Ready: func() error {
		switch {
		case ctx.Err() != nil:
			return errors.New("draining")
		case !conn.Ready():
			return errors.New("not connected to nats")
		}
		return nil
	}})
	if err != nil {
		return nil, environment(err)
	}
	return func() { _ = e.Close(ctx) }, nil // it was only looked at
}
