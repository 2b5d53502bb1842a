//go:build documents

package documents

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/documents"
	"github.com/levada-data/levada/internal/natstest"
)

// limit bounds every wait.
const limit = time.Minute

// A run that is under way is backed up with NATS's own tools as docs/operations.md says, its
// server is lost with everything, and on another one that has the backup the run ends with
// every row. What passes is seen as docs/format.md says.
func TestBackupIsRestored(t *testing.T) {
	sub, backup, restore := natsCommands(t)
	dir := t.TempDir()
	all, err := documents.Read(root)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "pipeline.yaml"), []byte(documents.In(all, "README.md", "yaml")[0].Text+"\n"), 0o600))
	first := natstest.New(t, natstest.Listen())
	onFirst := "NATS_URL=" + first.URL()
	must(t, dir, "levada generate customers --rows 2000 --files 2 --out data/customers --no-progress")
	run := strings.TrimSpace(must(t, dir, "levada submit pipeline.yaml 2>/dev/null", onFirst))

	// Readers alone: the run has a plan, and blocks that nobody takes.
	watched := watch(t, dir, sub.Text, first)
	reader := start(t, dir, "reader", onFirst)
	await(t, "a plan", func() bool { return stats(t, dir, run, onFirst).Planned == 2000 })
	await(t, "blocks", func() bool { return strings.Contains(watched(), "Levada-Span: ") })
	require.Contains(t, watched(), "levada.blocks."+run+".source.0")
	require.Contains(t, watched(), "levada.ledger."+run)
	must(t, dir, backup.Text, onFirst)
	entries, err := os.ReadDir(filepath.Join(dir, "backup"))
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"KV_levada-runs", "levada-ledger-" + run}, names)
	reader()
	first.Shutdown()

	second := natstest.New(t, natstest.Listen())
	onSecond := "NATS_URL=" + second.URL()
	for _, name := range names {
		must(t, dir, strings.ReplaceAll(restore.Text, "NAME", name), onSecond)
	}
	require.Equal(t, "active", stats(t, dir, run, onSecond).Status)
	for _, role := range []string{"reader", "transform", "writer"} {
		start(t, dir, role, onSecond)
	}
	await(t, "the end of the run", func() bool { return stats(t, dir, run, onSecond).Status == "done" })
	must(t, dir, "levada verify data/out/customers")
}

// natsCommands are the commands of nats, by what they do. There are no others.
func natsCommands(t *testing.T) (sub, backup, restore documents.Entry) {
	t.Helper()
	some := commands(t, "nats")
	take := func(words ...string) documents.Entry {
		i := slices.IndexFunc(some, func(e documents.Entry) bool {
			return slices.ContainsFunc(e.Calls, func(call []string) bool { return len(call) > len(words) && slices.Equal(call[:len(words)], words) })
		})
		require.GreaterOrEqual(t, i, 0, "no document says %v", words)
		e := some[i]
		some = slices.Delete(some, i, i+1)
		return e
	}
	sub, backup, restore = take("nats", "sub"), take("nats", "stream", "backup"), take("nats", "stream", "restore")
	require.Empty(t, some, "nobody types these")
	return sub, backup, restore
}

// watch types a command that ends only with the test, and returns what it has printed so
// far, once it has subscribed.
func watch(t *testing.T, dir, text string, server *natstest.Server) func() string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "watched")
	out, err := os.Create(path)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "bash", "-c", "exec "+strings.Replace(text, "nats", bin(t, "LEVADA_NATS"), 1))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.Env = append(os.Environ(), "NATS_URL="+server.URL(), "HOME="+t.TempDir())
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = out.Close() })
	seen := func() string {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		return string(text)
	}
	await(t, "a subscription", func() bool { return server.Interest("levada.stats.x.y.z") > 0 })
	return seen
}

// start starts a service, and returns what stops it.
func start(t *testing.T, dir, role string, env ...string) (stop func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), bin(t, "LEVADA_BIN"), role)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	require.NoError(t, cmd.Start())
	ended := false
	stop = func() {
		if !ended {
			ended = true
			_ = cmd.Process.Signal(syscall.SIGKILL)
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	return stop
}

// progress is what the statistics of a run say.
type progress struct {
	Status  string
	Planned int64 `json:"planned_rows"`
}

func stats(t *testing.T, dir, run, env string) progress {
	t.Helper()
	var p progress
	require.NoError(t, json.Unmarshal([]byte(must(t, dir, "levada stats "+run+" --json", env)), &p))
	return p
}

// await waits until cond holds.
func await(t *testing.T, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, limit, 50*time.Millisecond, what)
}
