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
// which takes as long as its grace, until a second signal ends it at once; one that comes on
// the heels of the first, too.
func TestSecondSignalKills(t *testing.T) {
	g := newRig(t, 20_000)
	for _, name := range []string{"draining", "at once"} {
		t.Run(name, func(t *testing.T) {
			stuck, health := stuckTransform(t, g)
			stuck.signal(syscall.SIGINT)
			if name == "draining" {
				require.Eventually(t, func() bool { return drains(health) }, drain, 5*time.Millisecond)
				require.False(t, stuck.exited(), "it drains")
			}
			stuck.signal(syscall.SIGTERM)
			select {
			case <-stuck.done:
				require.True(t, stuck.diedOf(syscall.SIGTERM) || name == "at once" && stuck.diedOf(syscall.SIGINT), stuck.how()) // nobody orders two at once
			case <-time.After(5 * time.Second): // a quarter of its grace
				require.FailNow(t, "a second signal did not end it")
			}
		})
	}
}

// stuckTransform starts a transform that holds a block and cannot finish it, and says where
// it tells of itself.
func stuckTransform(t *testing.T, g *rig) (p *process, health string) {
	t.Helper()
	dir := t.TempDir()
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
	health = l.Addr().String()
	require.NoError(t, l.Close())
	gate := filepath.Join(dir, "gate")
	p, err = launch("transform", filepath.Join(dir, "transform.log"), []string{fault.EnvFaults + "=" + string(fault.TransformAckBefore) + "=pause@1:" + gate},
		g.levada, "transform", "--nats", b.url(), "--http", health)
	require.NoError(t, err)
	t.Cleanup(p.kill)
	require.Eventually(t, func() bool {
		_, err := os.Stat(gate + ".reached")
		return err == nil
	}, drain, 5*time.Millisecond)
	return p, health
}

// drains reports that a process has heard that it is to stop.
func drains(health string) bool {
	res, err := http.Get("http://" + health + "/readyz")
	if err != nil {
		return false
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return err == nil && res.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "draining")
}
