//go:build interop

package interop

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/documents"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// env returns a variable that `make interop` sets.
func env(t *testing.T, name string) string {
	t.Helper()
	v := os.Getenv(name)
	require.NotEmpty(t, v, "%s is not set: run make interop", name)
	return v
}

func python(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), env(t, "LEVADA_PYTHON"), args...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// usage is the one command that examples say to type, with names and what they stand for.
func usage(t *testing.T, names ...string) []string {
	t.Helper()
	account, err := documents.Accounted("../..")
	require.NoError(t, err)
	all := account.Of(documents.Interop)
	require.Len(t, all, 1, "nobody types the others")
	require.Len(t, all[0].Calls, 1)
	words := slices.Clone(all[0].Calls[0])
	for i := 0; i < len(names); i += 2 {
		at := slices.Index(words, names[i])
		require.GreaterOrEqual(t, at, 0, "%s in %s", names[i], all[0])
		words[at] = names[i+1]
	}
	return words
}

// Live blocks are read from Python as docs/format.md says: checksums, accounting,
// offsets, rows and schema, each span of each stage once.
func TestPythonReadsLiveBlocks(t *testing.T) {
	s := stack.New(t, natstest.Listen())
	in := stack.Customers(t, 20_000, 2, 2000)
	spec := fmt.Sprintf(`apiVersion: levada/v1
name: interop
source: { parquet: { uri: %q } }
stages: [{ name: refine, transform: [{ filter: "amount > 50.0" }, { select: [id, amount, note] }] }]
sink: { parquet: { uri: %q } }
`, in, filepath.Join(t.TempDir(), "out"))
	run := s.Submit(t, spec, nil)

	watch := exec.CommandContext(t.Context(), env(t, "LEVADA_PYTHON"), usage(t,
		"read_blocks.py", "../../examples/python/read_blocks.py", "URL", s.Server.URL(), "RUN", string(run), "STAGE", "refine", "N", "1000000", "S", "5")...)
	var out bytes.Buffer
	watch.Stdout = &out
	stderr, err := watch.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, watch.Start())
	line, err := bufio.NewReader(stderr).ReadString('\n') // it has subscribed
	require.NoError(t, err)
	require.Equal(t, "watching\n", line)

	s.Start(t, stack.All()...)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	require.NoError(t, watch.Wait(), out.String())

	var sum flow.Summary
	require.NoError(t, json.Unmarshal(rec.Summary, &sum))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var got struct {
		Blocks, Bad int
		Rows        map[string]int64
	}
	require.NoError(t, json.Unmarshal([]byte(lines[len(lines)-1]), &got))
	require.Zero(t, got.Bad)
	require.Len(t, lines, got.Blocks+1)
	require.Equal(t, sum.Books.Written, got.Rows["refine"])
	require.Contains(t, lines[0], `"schema": ["id int64", "amount double", "note string"]`)
}
