//go:build chaos

package chaos

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/test/oracle"
)

const (
	bigRows  = 16_000_000 // 1.9 GiB in Arrow, at about 127 bytes a row
	bigGroup = 1 << 20    // rows: 127 MiB in Arrow
	// memoryBudget bounds what any one process may hold in memory.
	memoryBudget = 512 << 20
)

// TestMemoryOfEachProcess copies a table that is much larger than any process may be:
// once with each role in its own process, once with all of them and the server in one.
func TestMemoryOfEachProcess(t *testing.T) {
	g := newRig(t, 1000)
	input := filepath.Join(g.dir, "big")
	g.must(t, g.levada, "generate", "customers", "--rows", fmt.Sprint(bigRows), "--files", "2", "--rows-per-group", fmt.Sprint(bigGroup),
		"--out", input, "--no-progress")
	input = filepath.Join(input, "*.parquet")
	write := func(t *testing.T) (spec, out string) {
		t.Helper()
		dir := filepath.Join(g.dir, filepath.Base(t.Name()))
		require.NoError(t, os.MkdirAll(dir, 0o755))
		spec, out = filepath.Join(dir, "spec.yaml"), filepath.Join(dir, "out")
		text := fmt.Sprintf("apiVersion: levada/v1\nname: big\nsource: { parquet: { uri: %q } }\n"+
			"stages: [{ name: refine, transform: [{ with: { eur: amount * 0.92 } }] }]\nsink: { parquet: { uri: %q, compression: snappy } }\n", input, out)
		require.NoError(t, os.WriteFile(spec, []byte(text), 0o644))
		return spec, out
	}
	same := func(t *testing.T, out string) {
		t.Helper()
		columns := "SELECT count(*), sum(id), sum(visits), sum(length(email)), sum(length(note)), sum(amount * 0.92::DOUBLE)::DECIMAL(38, 2)"
		require.NoError(t, oracle.SameRows(t.Context(), fmt.Sprintf("%s FROM read_parquet('%s')", columns, input),
			fmt.Sprintf("%s FROM read_parquet('%s')", columns, filepath.Join(out, "*.parquet")), "1"))
		require.NoError(t, os.RemoveAll(out))
	}

	t.Run("apart", func(t *testing.T) {
		spec, out := write(t)
		dir := filepath.Dir(spec)
		b, err := newBroker(g, dir)
		require.NoError(t, err)
		require.NoError(t, b.start(t.Context()))
		t.Cleanup(b.kill)
		var roles []*process
		for _, role := range []string{"reader", "transform", "writer"} {
			p, err := launch(role, filepath.Join(dir, role+".log"), nil, g.levada, role, "--nats", b.url())
			require.NoError(t, err)
			t.Cleanup(p.kill)
			roles = append(roles, p)
		}
		g.must(t, g.levada, "run", spec, "--nats", b.url(), "--no-progress")
		for _, p := range roles {
			require.NoError(t, p.terminate())
			p.fits(t)
		}
		b.proc.kill()
		b.proc.fits(t)
		same(t, out)
	})
	t.Run("together", func(t *testing.T) {
		spec, out := write(t)
		dir := filepath.Dir(spec)
		p, err := launch("levada", filepath.Join(dir, "levada.log"), nil, g.levada, "run", spec, "--state-dir", filepath.Join(dir, "state"), "--no-progress")
		require.NoError(t, err)
		t.Cleanup(p.kill)
		<-p.done
		require.Zero(t, p.code(), "%s", tail(p.log, 40))
		p.fits(t)
		same(t, out)
	})
}

// fits checks the largest resident size of a process that has exited.
func (p *process) fits(t *testing.T) {
	t.Helper()
	peak := p.cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10 // KiB on Linux
	t.Logf("%-11s %4d MiB", p.name, peak>>20)
	require.Less(t, peak, int64(memoryBudget), p.name)
}
