//go:build terminal

package terminal

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// limit bounds every wait: far longer than what is waited for takes.
const limit = 30 * time.Second

// screen is one terminal of a tmux server of its own.
type screen struct {
	t      *testing.T
	socket string
}

// open starts a terminal of a size with a shell in it. It ends with the test.
func open(t *testing.T, width, height int, env ...string) *screen {
	t.Helper()
	s := &screen{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	args := []string{"-f", os.DevNull, "new-session", "-d", "-s", "top", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height)}
	for _, e := range append(env, "LANG=C.UTF-8") {
		args = append(args, "-e", e)
	}
	s.tmux(append(args, "env", "PS1=$ ", "sh")...)
	t.Cleanup(func() { s.tmux("kill-server") })
	s.await("a prompt", regexp.MustCompile(`^\$`))
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...).CombinedOutput()
	require.NoError(s.t, err, "tmux %s: %s", strings.Join(args, " "), out)
	return string(out)
}

// run types a command line.
func (s *screen) run(line string) {
	s.t.Helper()
	s.tmux("send-keys", "-t", "top", "-l", line)
	s.tmux("send-keys", "-t", "top", "Enter")
}

// press sends keys, by tmux' names.
func (s *screen) press(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys", "-t", "top"}, keys...)...)
}

func (s *screen) resize(width, height int) {
	s.t.Helper()
	s.tmux("resize-window", "-t", "top", "-x", fmt.Sprint(width), "-y", fmt.Sprint(height))
}

// text is what stands on the screen.
func (s *screen) text() string {
	s.t.Helper()
	return s.tmux("capture-pane", "-p", "-t", "top")
}

// styled is the same with its escape sequences.
func (s *screen) styled() string {
	s.t.Helper()
	return s.tmux("capture-pane", "-e", "-p", "-t", "top")
}

// says is what tmux knows of the terminal.
func (s *screen) says(format string) string {
	s.t.Helper()
	return strings.TrimSpace(s.tmux("display-message", "-p", "-t", "top", format))
}

// await waits until the screen shows all of the patterns, and returns it.
func (s *screen) await(what string, patterns ...*regexp.Regexp) string {
	s.t.Helper()
	return s.wait(what, s.text, patterns)
}

// awaitStyled is await for the screen with its escape sequences.
func (s *screen) awaitStyled(what string, patterns ...*regexp.Regexp) {
	s.t.Helper()
	s.wait(what, s.styled, patterns)
}

func (s *screen) wait(what string, look func() string, patterns []*regexp.Regexp) string {
	s.t.Helper()
	var text string
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		text = look()
		if !slices.ContainsFunc(patterns, func(p *regexp.Regexp) bool { return !p.MatchString(text) }) {
			s.t.Logf("%s:\n%s", what, strings.TrimRight(text, "\n"))
			return text
		}
		<-time.After(20 * time.Millisecond) // a poll of the screen: the evidence itself
	}
	require.FailNow(s.t, "the screen does not show "+what, "%s", text)
	return ""
}
