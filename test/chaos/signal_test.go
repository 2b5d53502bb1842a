//go:build chaos

package chaos

import (
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
)

// TestSecondSignalKills asks a transform to stop while it cannot finish a block: it drains,
// which takes as long as its grace, until a second signal ends it at once.
func TestSecondSignalKills(t *testing.T) {
	g := newRig(t, 20_000)
	dir := filepath.Join(g.dir, "signal")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	b, err := newBroker(g, dir)
	require.NoError(t, err)
	require.NoError(t, b.start(t.Context()))
	t.Cleanup(b.kill)
	j := job{name: "signal", input: g.input, output: local(filepath.Join(dir, "out")), stages: 1, above: 20, codec: "snappy", mode: "error", visibility: "file", maxAge: second}
	spec := filepath.Join(dir, "spec.yaml")
	require.NoError(t, os.WriteFile(spec, []byte(j.spec()), 0o644))
	g.must(t, g.levada, "submit", spec, "--nats", b.url())
	reader, err := launch("reader", filepath.Join(dir, "reader.log"), nil, g.levada, "reader", "--nats", b.url())
	require.NoError(t, err)
	t.Cleanup(reader.kill)

	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	health := l.Addr().String()
	require.NoError(t, l.Close())
	gate := filepath.Join(dir, "gate")
	stuck, err := launch("transform", filepath.Join(dir, "transform.log"), []string{fault.EnvFaults + "=" + string(fault.TransformAckBefore) + "=pause@1:" + gate},
		g.levada, "transform", "--nats", b.url(), "--http", health)
	require.NoError(t, err)
	t.Cleanup(stuck.kill)
	require.Eventually(t, func() bool {
		_, err := os.Stat(gate + ".reached")
		return err == nil
	}, drain, 5*time.Millisecond)
	stuck.signal(syscall.SIGTERM)
	require.Eventually(t, func() bool { // it has heard
		res, err := http.Get("http://" + health + "/readyz")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return err == nil && res.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "draining")
	}, drain, 5*time.Millisecond)
	require.False(t, stuck.exited(), "it drains")
	stuck.signal(syscall.SIGTERM)
	select {
	case <-stuck.done:
		require.True(t, stuck.diedOf(syscall.SIGTERM), stuck.how())
	case <-time.After(5 * time.Second): // a quarter of its grace
		require.FailNow(t, "a second signal did not end it")
	}
}
