//go:build kubernetes

package kubernetes

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/documents"
)

// What the documents say to type on a cluster names what is there: namespaces, workloads,
// jobs, secrets and their keys, and commands that levada has. There is no cluster to type
// it on.
func TestCommandsOfDocumentsNameWhatIsThere(t *testing.T) {
	account, err := documents.Accounted("../..")
	require.NoError(t, err)
	some := account.Of(documents.Kubernetes)
	require.NotEmpty(t, some)
	offered := decode(t, overlay(t, example(t)))
	jobs := []string{}
	for _, c := range some { // made before they are spoken of
		if words := words(c); slices.Contains(words, "job") {
			jobs = append(jobs, words[len(words)-1])
		}
	}
	for _, c := range some {
		words := words(c)
		if i := slices.Index(words, "--namespace"); i >= 0 {
			require.Contains(t, names(offered, "Namespace"), words[i+1], c)
			words = slices.Delete(words, i, i+2)
		}
		switch verb := strings.Join(words[:min(2, len(words))], " "); {
		case verb == "apply -k": // what offered has been made of
		case verb == "apply --prune": // named as a way, without what it takes
		case c.Program() == "keda-run.sh":
			require.Equal(t, []string{"kubectl", "apply"}, c.Calls[1][:2], c)
			require.NotEmpty(t, of(decode(t, kedaRun(t, someRun, "refine", "score")), "ScaledObject"), c)
		case verb == "create job":
			require.Contains(t, names(offered, "CronJob"), after(t, words, "--from=cronjob/"), c)
		case verb == "create secret":
			requireSecret(t, c, words[2:])
		case words[0] == "logs":
			require.Contains(t, jobs, after(t, words, "job/"), c)
		case words[0] == "exec":
			require.Contains(t, names(offered, "Deployment"), after(t, words, "deploy/"), c)
			_, inner, found := strings.Cut(c.Text, " -- levada ")
			require.True(t, found, c)
			_, err := help(t, strings.Fields(inner)...)
			require.NoError(t, err, c)
		case words[0] == "scale":
			require.Contains(t, names(offered, "Deployment"), after(t, words, "deploy/"), c)
			require.Contains(t, words, "--replicas", c)
		default:
			require.Fail(t, "nobody checks this", "%s", c)
		}
	}
	t.Logf("%d commands", len(some))
}

// words are those after kubectl.
func words(c documents.Entry) []string { return slices.Clone(c.Calls[0][1:]) }

// after is the rest of the word that begins so.
func after(t *testing.T, words []string, prefix string) string {
	t.Helper()
	for _, w := range words {
		if rest, ok := strings.CutPrefix(w, prefix); ok {
			return rest
		}
	}
	require.Fail(t, "no such word", "%s in %q", prefix, words)
	return ""
}

// requireSecret says that the component whose comment makes a secret uses that secret, and
// each of its keys.
func requireSecret(t *testing.T, c documents.Entry, words []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", filepath.Dir(c.Document), "*.yaml"))
	require.NoError(t, err)
	var used strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, "#") {
				used.WriteString(line)
			}
		}
	}
	require.Equal(t, "generic", words[0], c)
	require.Contains(t, used.String(), words[1], c)
	require.Greater(t, len(words), 2, c)
	for _, w := range words[2:] {
		key := strings.TrimPrefix(w, "--from-file=")
		if literal, ok := strings.CutPrefix(w, "--from-literal="); ok {
			key, _, _ = strings.Cut(literal, "=")
		}
		require.Contains(t, used.String(), key, c)
	}
}
