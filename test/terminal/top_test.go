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
	"github.com/levada-data/levada/test/stack"
)

// levada is the binary that `make terminal` has built.
func levada(t *testing.T) string {
	t.Helper()
	bin := os.Getenv("LEVADA_BIN")
	require.NotEmpty(t, bin, "LEVADA_BIN is not set: run make terminal")
	return bin
}

func spec(out string, rows int) string {
	return fmt.Sprintf(`apiVersion: levada/v1
name: customers
source: { range: { rows: %d } }
stages: [{ name: refine, transform: [{ filter: "id %% 3 == 0" }, { with: { twice: "id * 2" } }] }]
sink: { parquet: { uri: %q } }
`, rows, out)
}

// ours runs a pipeline with the embedded server, of more rows than a test lasts, until
// the test ends.
func ours(t *testing.T) (state string) {
	t.Helper()
	dir := t.TempDir()
	state = filepath.Join(dir, "state")
	file := filepath.Join(dir, "spec.yaml")
	require.NoError(t, os.WriteFile(file, []byte(spec(filepath.Join(dir, "out"), 2_000_000_000)), 0o600))
	cmd := exec.Command(levada(t), "run", file, "--no-progress", "--fuse", "never", "--state-dir", state) // edges that fill
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		require.NoError(t, cmd.Process.Kill()) // a drain of full edges takes its time, and nobody wants the rows
		_ = cmd.Wait()
	})
	return state
}

// at matches a line that is so.
func at(pattern string) *regexp.Regexp { return regexp.MustCompile(`(?m)^` + pattern) }

// inFocus matches the row that is reversed: the chosen one, where the keys go.
func inFocus(row string) *regexp.Regexp {
	return regexp.MustCompile(`\x1b\[[0-9;]*7m(\x1b\[[0-9;]*m)*> ` + row)
}

// fits checks that no line is cut by the screen or wraps into the next: each begins as
// the lines of the picture do, and the first and the last are in their places.
func fits(t *testing.T, text string, height int) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	require.Len(t, lines, height)
	require.Regexp(t, `^levada top`, lines[0])
	require.Regexp(t, `^q quit`, lines[height-1])
	for _, l := range lines[1 : height-1] {
		require.Regexp(t, `^(|  \S.*|> \S.*|customers 01.*|(source|refine|sink): .*)$`, l)
	}
}

// quits checks that the terminal is as it was: the picture is gone, the cursor is there,
// what is typed is echoed, and the exit code was 0.
func quits(t *testing.T, s *screen) {
	t.Helper()
	s.await("the shell, and what it was told", at(`(\^C)?exit=0 echo=yes icanon=yes`))
	require.Equal(t, "0 1", s.says("#{alternate_on} #{cursor_flag}"))
	require.NotContains(t, s.text(), "levada top  ", "the alternate screen is left")
	s.run("echo back")
	s.await("what is typed", at(`\$ echo back$`), at(`back$`))
}

// asks is a command line that runs levada and then says how it ended and what the
// terminal is like.
func asks(command string) string {
	return command + `; echo "exit=$? $(stty -a | grep -q ' echo ' && echo echo=yes) $(stty -a | grep -q ' icanon ' && echo icanon=yes)"`
}

func TestTopOnATerminal(t *testing.T) {
	state := ours(t)
	s := open(t, 80, 24)
	s.run(asks(levada(t) + " top --interval 200ms --state-dir " + state))
	const rate = `[0-9.]+[kM]?/s`
	text := s.await("all stages at work", at(`> \S{8} customers running`),
		at(`> source \S+ +[0-9.]+ [KMG]iB +\d+% +`+rate+` +`+rate), at(`  refine \S+ +[0-9.]+ (B|[KMG]iB) +\d+% +`+rate), at(`  sink   \S+ +- +- +`+rate),
		at(`> [0-9a-f]{16} \S+ +\d+s +`+rate))
	fits(t, text, 24)
	require.Equal(t, "1 0", s.says("#{alternate_on} #{cursor_flag}"))

	s.press("Tab", "j")
	s.await("the second stage, chosen", at(`> refine`), at(`refine: \S+ rows in, \S+ out`))
	s.press("Down", "Enter")
	s.await("the sink, chosen", at(`> sink`), at(`sink: `))
	s.awaitStyled("its instances in focus", inFocus(`[0-9a-f]{16} `))
	s.press("Escape") // by itself: with what follows at once it is another key
	s.awaitStyled("the stages in focus", inFocus(`sink `))
	s.press("k", "k", "k")
	s.await("the first stage again", at(`> source`))
	s.press("?")
	s.await("the help", at(`  WAIT> +time it waits to send`))
	s.press("x")
	s.await("the runs", at(`> source`))

	s.resize(120, 40)
	text = s.await("the wide picture", at(`> 01\S{24} customers running`), regexp.MustCompile(`REDEL ROWS IN +OUT`), at(`q quit`))
	fits(t, text, 40)
	s.resize(40, 20)
	text = s.await("the narrow picture", at(`> customers running`), at(`> source +\d+%`), at(`q quit  \? help  ↑↓ move  tab next list$`))
	fits(t, text, 20)
	s.resize(80, 24)
	fits(t, s.await("the first picture", at(`> \S{8} customers running`), at(`q quit.*runs: all$`)), 24)

	s.press("q")
	quits(t, s)
}

// Another terminal may be stopped by a signal, and says nothing in colours when it shall
// not.
func TestTopOfAServerWithoutColours(t *testing.T) {
	srv := stack.New(t, natstest.Listen())
	id := srv.Submit(t, spec(filepath.Join(t.TempDir(), "out"), 10), nil)
	s := open(t, 80, 24, "NO_COLOR=1", "NATS_URL="+srv.Server.URL())
	s.run(asks(levada(t) + ` top --nats "$NATS_URL"`))
	s.await("a run that nobody serves", at(`> `+string(id)[18:]+` customers waiting`), at(`customers `+string(id)+`: waits for a levada reader`))
	require.NotRegexp(t, `\x1b\[[0-9;]*(3[0-7]|4[0-7]|9[0-7]|10[0-7]|38|48)m`, s.styled())
	s.press("C-c")
	quits(t, s)
}

func TestTopIsStoppedByASignal(t *testing.T) {
	srv := stack.New(t, natstest.Listen())
	s := open(t, 80, 24)
	s.run(asks(levada(t) + ` top --nats ` + srv.Server.URL()))
	s.await("the picture", at(`levada top  0 runs`), at(`  no runs yet`))
	pid := strings.TrimSpace(run(t, "pgrep", "-P", s.says("#{pane_pid}")))
	run(t, "kill", "-TERM", pid)
	quits(t, s)
}

func TestDumbTerminalGetsLines(t *testing.T) {
	srv := stack.New(t, natstest.Listen())
	id := srv.Submit(t, spec(filepath.Join(t.TempDir(), "out"), 10), nil)
	s := open(t, 120, 24, "TERM=dumb")
	s.run(asks("TERM=dumb " + levada(t) + ` top --interval 100ms --nats ` + srv.Server.URL()))
	line := string(id) + ` customers: (planning|waiting for a levada reader)\n`
	s.await("lines", at(line+line+line))
	s.press("C-c")
	quits(t, s)
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).Output()
	require.NoError(t, err, "%s %s", name, strings.Join(args, " "))
	return string(out)
}
