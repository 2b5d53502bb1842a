//go:build documents

package documents

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What make would do is said by make -n: the target is there, and all that it needs. The
// variables are those of the Makefile.
func TestMakeHasTheTargets(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	variable := regexp.MustCompile(`^([A-Z_]+)=`)
	some := commands(t, "make")
	for _, c := range some {
		require.Len(t, c.Calls, 1, c)
		args := []string{"-n", "--no-print-directory", "-C", root}
		for _, word := range c.Calls[0][1:] {
			if m := variable.FindStringSubmatch(word); m != nil {
				require.Contains(t, string(makefile), "$("+m[1]+")", "%s: the Makefile has no such variable", c)
			}
			args = append(args, word)
		}
		out, err := exec.CommandContext(t.Context(), "make", args...).CombinedOutput()
		require.NoError(t, err, "%s\n%s", c, out)
		require.NotEmpty(t, strings.TrimSpace(string(out)), c)
	}
	t.Logf("%d commands", len(some))
}

// The comparison says what it takes on a Python without the other systems.
func TestComparisonHasHelp(t *testing.T) {
	for _, c := range commands(t, "python") {
		python := c.Calls[0][0]
		require.Contains(t, python, "/venv/bin/", c)
		must(t, root, strings.Replace(c.Text, python, bin(t, "LEVADA_PYTHON"), 1))
	}
}
