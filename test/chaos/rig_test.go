//go:build chaos

package chaos

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// rig is what all rounds have in common.
type rig struct {
	dir    string // everything is below it
	levada string // the binary
	nats   string // the nats-server binary
	input  place  // glob of the table
	large  place  // likewise, in larger row groups
	store  *store // a bucket with the same tables
	old    string // the output of an earlier run, to be replaced
}

// newRig builds and generates what rounds need. Its directory goes with the test,
// unless the test fails or CHAOS_KEEP says where to keep it.
func newRig(t *testing.T, rows int64) *rig {
	t.Helper()
	g := &rig{levada: os.Getenv("LEVADA_BIN"), dir: os.Getenv("CHAOS_KEEP")}
	require.NotEmpty(t, g.levada, "LEVADA_BIN is not set: make chaos builds the binary and sets it")
	require.NotEmpty(t, os.Getenv("LEVADA_PYTHON"), "LEVADA_PYTHON is not set: make chaos installs one and sets it")
	var err error
	if keep := g.dir; keep != "" {
		g.dir = filepath.Join(keep, t.Name())
		require.NoError(t, os.RemoveAll(g.dir)) // of a test before
		require.NoError(t, os.MkdirAll(g.dir, 0o755))
	} else {
		g.dir, err = os.MkdirTemp("", "levada-chaos-") //nolint:usetesting // kept when the test fails
		require.NoError(t, err)
		t.Cleanup(func() {
			if !t.Failed() {
				require.NoError(t, os.RemoveAll(g.dir))
			}
		})
	}
	g.nats = filepath.Join(g.dir, "nats-server")
	g.must(t, "go", "build", "-o", g.nats, "github.com/nats-io/nats-server/v2")
	tables := filepath.Join(g.dir, "tables")
	for name, groups := range map[string]int64{"customers": 37, "large": 24} {
		g.must(t, g.levada, "generate", "customers", "--rows", fmt.Sprint(rows), "--files", "8", "--rows-per-group", fmt.Sprint(rows/groups+1),
			"--seed", fmt.Sprint(*seed), "--out", filepath.Join(tables, name), "--no-progress")
	}
	g.input, g.large = local(filepath.Join(tables, "customers", "*.parquet")), local(filepath.Join(tables, "large", "*.parquet"))
	g.store = newStore(t, tables)

	// An output to replace: of other rows with the same ids, so that one that stays is seen.
	g.must(t, g.levada, "generate", "customers", "--rows", "20000", "--files", "2", "--seed", fmt.Sprint(*seed+1),
		"--out", filepath.Join(g.dir, "others"), "--no-progress")
	g.old = filepath.Join(g.dir, "old")
	job := job{shape: shape{partitioned: true}, name: "old", input: local(filepath.Join(g.dir, "others", "*.parquet")), output: local(g.old), stages: 1, codec: "snappy", mode: "error", visibility: "file", maxAge: second}
	spec := filepath.Join(g.dir, "old.yaml")
	require.NoError(t, os.WriteFile(spec, []byte(job.spec()), 0o644))
	g.must(t, g.levada, "run", spec, "--state-dir", filepath.Join(g.dir, "old-state"), "--no-progress")
	return g
}

// tableOf is the table that a shape is of, in a bucket or in a directory.
func (g *rig) tableOf(s shape, bucket bool) place {
	switch {
	case bucket && s.large:
		return g.store.large
	case bucket:
		return g.store.input
	case s.large:
		return g.large
	default:
		return g.input
	}
}

func (g *rig) must(t *testing.T, bin string, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), bin, args...).CombinedOutput()
	require.NoError(t, err, "%s %v: %s", bin, args, out)
}

// ask runs the levada binary for an answer.
func (g *rig) ask(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, g.levada, args...)
	out, err := cmd.Output()
	if ee, ok := err.(*exec.ExitError); ok { //nolint:errorlint // it is what Output returns
		return "", fmt.Errorf("levada %v: %w: %s", args, err, ee.Stderr)
	}
	return string(out), err
}
