package telemetry_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/levada-data/levada/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoggerKeepsToItsLevelAndFormat(t *testing.T) {
	var buf bytes.Buffer
	log, err := telemetry.NewLogger(&buf, "WARN", telemetry.FormatJSON)
	require.NoError(t, err)
	log.InfoContext(t.Context(), "quiet")
	require.Empty(t, buf.String())
	log.WarnContext(t.Context(), "loud", slog.String("run", "r1"))
	var line map[string]any
	require.NoError(t, json.Unmarshal(buf.Bytes(), &line))
	require.Equal(t, "loud", line["msg"])
	require.Equal(t, "r1", line["run"])

	buf.Reset()
	log, err = telemetry.NewLogger(&buf, "debug", telemetry.FormatText)
	require.NoError(t, err)
	log.DebugContext(t.Context(), "small")
	require.Contains(t, buf.String(), "level=DEBUG msg=small")
}

func TestLoggerRefusesUnknownSettings(t *testing.T) {
	_, err := telemetry.NewLogger(io.Discard, "loud", telemetry.FormatText)
	require.ErrorIs(t, err, telemetry.ErrSetting)
	require.EqualError(t, err, `log level "loud": unknown setting: it is debug, info, warn or error`)
	_, err = telemetry.NewLogger(io.Discard, "info", "xml")
	require.ErrorIs(t, err, telemetry.ErrSetting)
	require.EqualError(t, err, `log format "xml": unknown setting: it is text or json`)
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

func listen(t *testing.T, o telemetry.Options) string {
	t.Helper()
	o.Addr = "127.0.0.1:0"
	e, err := telemetry.Listen(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, e.Close(context.Background())) })
	return "http://" + e.Addr()
}

func TestEndpointSaysWhetherItIsReady(t *testing.T) {
	var down atomic.Bool
	url := listen(t, telemetry.Options{Ready: func() error {
		if down.Load() {
			return errors.New("nats: disconnected")
		}
		return nil
	}})
	code, body := get(t, url+"/readyz")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "ok\n", body)
	down.Store(true)
	code, body = get(t, url+"/readyz")
	require.Equal(t, http.StatusServiceUnavailable, code)
	require.Equal(t, "nats: disconnected\n", body)
	code, _ = get(t, url+"/healthz")
	require.Equal(t, http.StatusOK, code, "a process that waits for its server lives")
}

func TestEndpointServesProfilesOnlyWhenAsked(t *testing.T) {
	code, _ := get(t, listen(t, telemetry.Options{})+"/debug/pprof/")
	require.Equal(t, http.StatusNotFound, code)
	url := listen(t, telemetry.Options{Profile: true})
	code, body := get(t, url+"/debug/pprof/")
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, body, "goroutine")
	code, _ = get(t, url+"/debug/pprof/goroutine?debug=1")
	require.Equal(t, http.StatusOK, code)
}

func TestEndpointSaysWhenItsAddressIsTaken(t *testing.T) {
	e, err := telemetry.Listen(t.Context(), telemetry.Options{Addr: "127.0.0.1:0"})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close(t.Context())) }()
	_, err = telemetry.Listen(t.Context(), telemetry.Options{Addr: e.Addr()})
	require.ErrorContains(t, err, "serve health and readiness: listen tcp "+e.Addr())
}
