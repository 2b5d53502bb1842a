//go:build interop

package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/parquet/parquettest"
)

// Files of every type that Arrow and Parquet share, as pyarrow (in every version, page
// version, codec and encoding that it writes), DuckDB and Polars write them, and files of
// every logical type of Parquet, go through on each way that a column can travel. pyarrow
// finds the same values, types, field and key-value metadata and Parquet schema, logical
// types included; DuckDB and Polars the same rows.
func TestTypesOfEachWriterOnEachWay(t *testing.T) {
	dir := t.TempDir()
	bin := env(t, "LEVADA_BIN")
	for name, o := range map[string]parquettest.Options{"logical-dict": {Dictionary: true}, "logical-plain": {}, "logical-rare": {Dictionary: true, Rare: true}} {
		f, err := os.Create(filepath.Join(dir, name+".parquet"))
		require.NoError(t, err)
		o.Rows, o.Group = 11_000, 10_000
		require.NoError(t, parquettest.Logical(f, o))
		require.NoError(t, f.Close())
	}
	runs := strings.Split(strings.TrimSpace(python(t, "matrix.py", "write", dir)), "\n")
	require.Greater(t, len(runs), 30)
	var g errgroup.Group
	g.SetLimit(4) // most of a run's time nobody computes
	for _, run := range runs {
		name, way, _ := strings.Cut(run, " ")
		carry, stages, args := "all", "", []string{}
		switch way {
		case "durable":
			args = []string{"--fuse", "never"}
		case "copied":
			carry = "touched"
		case "gathered":
			carry, stages = "touched", "stages: [{ name: keep, transform: [{ filter: \"row % 10 != 3\" }] }]\n"
		}
		spec := filepath.Join(dir, name+"-"+way+".yaml")
		require.NoError(t, os.WriteFile(spec, fmt.Appendf(nil, "apiVersion: levada/v1\nname: matrix\nsource: { parquet: { uri: %q } }\n%ssink: { parquet: { uri: %q, preserve_order: true } }\npolicies: { carry: %s }\n",
			filepath.Join(dir, name+".parquet"), stages, filepath.Join(dir, name+"-"+way), carry), 0o600))
		cmd := exec.CommandContext(t.Context(), bin, append([]string{"run", spec, "--state-dir", filepath.Join(dir, "state", name+"-"+way), "--no-progress"}, args...)...)
		g.Go(func() error {
			if out, err := cmd.CombinedOutput(); err != nil {
				return fmt.Errorf("%s %s: %w: %s", name, way, err, out)
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	t.Log(strings.TrimSpace(python(t, "matrix.py", "compare", dir)))
}
