package main

import (
	"errors"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/telemetry"
)

func TestReadyAsksAService(t *testing.T) {
	var why atomic.Pointer[error]
	e, err := telemetry.Listen(t.Context(), telemetry.Options{Addr: "127.0.0.1:0", Ready: func() error {
		if err := why.Load(); err != nil {
			return *err
		}
		return nil
	}})
	require.NoError(t, err)
	require.NoError(t, ready(t.Context(), e.Addr()))
	draining := errors.New("draining")
	why.Store(&draining)
	require.EqualError(t, ready(t.Context(), e.Addr()), "503 Service Unavailable: draining")
	require.NoError(t, e.Close(t.Context()))
	require.ErrorContains(t, ready(t.Context(), e.Addr()), "connection refused")
	require.ErrorContains(t, ready(t.Context(), "8080"), "missing port")
}
