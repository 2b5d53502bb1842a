//go:build terminal

package terminal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
)

// Two shells that have read their script complete what is typed in them: a verb, the run that
// there is, a stage of it, a run of a manifest, a flag and its words.
func TestShellsComplete(t *testing.T) {
	server := natstest.New(t, natstest.Listen())
	dir := t.TempDir()
	spec := filepath.Join(dir, "spec.yaml")
	require.NoError(t, os.WriteFile(spec, []byte(strings.ReplaceAll(`apiVersion: levada/v1
name: customers
source: { range: { rows: 1000 } }
stages: [{ name: refine, transform: [{ filter: "id > 3" }] }, { name: score, transform: [{ filter: "id > 4" }] }]
sink: { parquet: { uri: DIR/out } }
`, "DIR", dir)), 0o600))
	levadas := func(args ...string) string {
		cmd := exec.Command(levada(t), args...)
		cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+filepath.Join(dir, "state"))
		out, err := cmd.Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	levadas("run", spec, "--no-progress")
	manifests, err := filepath.Glob(filepath.Join(dir, "out", "_levada", "manifest-*.json"))
	require.NoError(t, err)
	require.Len(t, manifests, 1)
	ended := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(manifests[0]), "manifest-"), ".json")
	require.NoError(t, os.WriteFile(spec, []byte(strings.ReplaceAll(string(must(os.ReadFile(spec))), "/out }", "/other }")), 0o600))
	live := levadas("submit", spec, "--nats", server.URL()) // nobody serves it: it is on its way

	env := fmt.Sprintf("export PATH=%s:$PATH NATS_URL=%s HOME=%s PS1='$ '", filepath.Dir(levada(t)), server.URL(), dir)
	for shell, start := range map[string]string{
		"bash": "exec bash --norc\n" + env + "\n. /usr/share/bash-completion/bash_completion\n. <(levada completion bash)",
		"zsh":  "exec zsh -f\n" + env + "\nautoload -Uz compinit; compinit -u -d " + filepath.Join(dir, "zcompdump") + "\nsource <(levada completion zsh)",
	} {
		t.Run(shell, func(t *testing.T) {
			s := open(t, 120, 20)
			for line := range strings.Lines(start) {
				s.run(strings.TrimSuffix(line, "\n"))
			}
			s.run("clear; echo $(levada version | wc -l)' rea''dy'")
			s.await("the shell, which has levada", at(`[1-9]\d* ready$`))
			n := 0
			for typed, full := range map[string]string{
				"levada insp":                                         "levada inspect",
				"levada status 0":                                     "levada status " + live,
				"levada tap " + live + " sc":                          "levada tap " + live + " score",
				"levada dead " + live + " ref":                        "levada dead " + live + " refine",
				"levada verify " + dir + "/out --run 0":               "levada verify " + dir + "/out --run " + ended,
				"levada run --fuse nev":                               "levada run --fuse never",
				"levada tap --fol":                                    "levada tap --follow",
				"levada scale --suggest " + live[:20]:                 "levada scale --suggest " + live,
				"levada completion po":                                "levada completion powershell",
				"levada manifest " + dir + "/out --run " + ended[:22]: "levada manifest " + dir + "/out --run " + ended,
			} {
				s.press("C-u")
				n++
				s.run(fmt.Sprintf("clear; echo line' '%d", n))
				s.await("an empty line", regexp.MustCompile(fmt.Sprintf(`^line %d\n\$ *\n`, n)))
				s.tmux("send-keys", "-t", "top", "-l", typed)
				s.press("Tab")
				s.await(full, regexp.MustCompile(regexp.QuoteMeta("$ "+full)+`( |$|\n)`))
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
