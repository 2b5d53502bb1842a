//go:build documents

package documents

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/documents"
)

const root = "../.."

// known are the programs whose commands the tests of this package type or check.
var known = []string{"make", "jq", "nats", "python"}

// commands are those of this step whose first program is the one.
func commands(t *testing.T, program string) []documents.Entry {
	t.Helper()
	a, err := documents.Accounted(root)
	require.NoError(t, err)
	var some []documents.Entry
	for _, e := range a.Of(documents.Documents) {
		if program == programOf(e) {
			some = append(some, e)
		}
	}
	require.NotEmpty(t, some, program)
	return some
}

// programOf is the program that a command is about: of a loop the one that it repeats.
func programOf(e documents.Entry) string {
	for _, call := range e.Calls {
		if program := filepath.Base(call[0]); slices.Contains(known, program) {
			return program
		}
	}
	return e.Program()
}

// The account, and that these tests leave none of their commands out.
func TestAccount(t *testing.T) {
	a, err := documents.Accounted(root)
	require.NoError(t, err)
	t.Logf("\n%s", a)
	for _, e := range a.Of(documents.Documents) {
		require.Contains(t, known, programOf(e), "%s", e)
	}
}

// bin returns a program that make documents builds.
func bin(t *testing.T, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	require.NotEmpty(t, path, "%s is not set: make documents builds the program and sets it", variable)
	return path
}

// shell types a text in a directory as a person would, and returns all that it printed.
// levada and nats are those that make documents has built.
func shell(t *testing.T, dir, text string, env ...string) (string, error) {
	t.Helper()
	programs := t.TempDir()
	for name, variable := range map[string]string{"levada": "LEVADA_BIN", "nats": "LEVADA_NATS"} {
		require.NoError(t, os.Symlink(bin(t, variable), filepath.Join(programs, name)))
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", text)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"), "HOME="+programs, "NO_COLOR=1", "XDG_STATE_HOME="+filepath.Join(dir, "state"))
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must is shell of what succeeds.
func must(t *testing.T, dir, text string, env ...string) string {
	t.Helper()
	out, err := shell(t, dir, text, env...)
	require.NoError(t, err, "%s\n%s", text, out)
	return out
}

// output makes a table and runs the pipeline of the README over it, in a new directory. It
// returns the directory of the output, and the run.
func output(t *testing.T) (dir, run string) {
	t.Helper()
	all, err := documents.Read(root)
	require.NoError(t, err)
	yaml := documents.In(all, "README.md", "yaml")
	require.Len(t, yaml, 1)
	work := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(work, "pipeline.yaml"), []byte(yaml[0].Text+"\n"), 0o600))
	must(t, work, "levada generate customers --rows 2000 --files 2 --out data/customers --no-progress && levada run pipeline.yaml --no-progress")
	dir = filepath.Join(work, "data", "out", "customers")
	manifests, err := filepath.Glob(filepath.Join(dir, "_levada", "manifest-*.json"))
	require.NoError(t, err)
	require.Len(t, manifests, 1)
	return dir, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(manifests[0]), "manifest-"), ".json")
}
