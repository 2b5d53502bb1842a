//go:build interop

package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/compare"
)

// diffed is what DuckDB says of a pair.
type diffed struct {
	Done    []string
	OnlyA   int64 `json:"only_a"`
	OnlyB   int64 `json:"only_b"`
	Columns map[string]bool
	Nulls   map[string][2]int64
	Rows    [2]int64
	Keyed   *struct {
		OnlyA   int64 `json:"only_a"`
		OnlyB   int64 `json:"only_b"`
		Changed int64
	}
}

// levada diff finds what DuckDB finds with EXCEPT ALL, in pairs whose rows were moved, lost,
// doubled, changed a little, or are the same in other files, row groups and orders.
func TestDiffAgreesWithDuckDB(t *testing.T) {
	const pairs = 60
	dir := t.TempDir()
	seed := strconv.FormatUint(rand.Uint64N(1<<40), 10)
	t.Logf("seed %s", seed)
	equal, keyed := 0, 0
	for i, line := range strings.Split(strings.TrimSpace(python(t, "diff.py", dir, seed, strconv.Itoa(pairs))), "\n") {
		var want diffed
		require.NoError(t, json.Unmarshal([]byte(line), &want))
		what := fmt.Sprintf("seed %s, pair %d: %v", seed, i, want.Done)
		a, b := filepath.Join(dir, strconv.Itoa(i), "a"), filepath.Join(dir, strconv.Itoa(i), "b")

		got := diff(t, a, b)
		require.Empty(t, got.Schema, what)
		require.Equal(t, want.Rows, [2]int64{got.A.Rows, got.B.Rows}, what)
		require.Equal(t, [2]int64{want.OnlyA, want.OnlyB}, [2]int64{got.Rows.OnlyA, got.Rows.OnlyB}, what)
		require.Equal(t, want.OnlyA+want.OnlyB == 0, got.Equal, what)
		require.Len(t, got.Columns, len(want.Columns), what)
		for _, c := range got.Columns {
			require.Equal(t, want.Columns[c.Column], c.Equal, "%s: column %s", what, c.Column)
			require.Equal(t, want.Nulls[c.Column][0], c.A.Nulls, "%s: nulls of column %s", what, c.Column)
			require.Equal(t, want.Nulls[c.Column][1], c.B.Nulls, "%s: nulls of column %s", what, c.Column)
		}
		if got.Equal {
			equal++
		}
		if want.Keyed != nil {
			keyed++
			got := diff(t, a, b, "--key", "id").Rows
			require.Equal(t, [3]int64{want.Keyed.OnlyA, want.Keyed.OnlyB, want.Keyed.Changed}, [3]int64{got.OnlyA, got.OnlyB, got.Changed}, what)
		}
	}
	require.Greater(t, equal, pairs/10)
	require.Less(t, equal, pairs*9/10)
	require.Greater(t, keyed, pairs/10)
	t.Logf("%d pairs: %d equal, %d different; %d compared by key too", pairs, equal, pairs-equal, keyed)
}

// diff is what levada diff prints of two data sets. Its exit code says whether they differ.
func diff(t *testing.T, a, b string, flags ...string) *compare.Result {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), env(t, "LEVADA_BIN"), append([]string{"diff", a, b, "--json", "--no-progress"}, flags...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	exit, failed := errors.AsType[*exec.ExitError](err)
	require.True(t, err == nil || failed && exit.ExitCode() == 1, "%v: %s", err, stderr.String())
	r := &compare.Result{}
	require.NoError(t, json.Unmarshal(out, r))
	require.Equal(t, err == nil, r.Equal)
	return r
}
