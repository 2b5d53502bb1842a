package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/test/stack"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"levada": main})
}

// Every verb as a user types it, failures too: testdata/script.
func TestScripts(t *testing.T) {
	server := natstest.New(t, natstest.Listen())
	port := natstest.FreePorts(t, 1)[0]
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// State in the test's own directory, whatever the user has.
			e.Setenv("XDG_STATE_HOME", e.WorkDir+"/state")
			e.Setenv("NO_COLOR", "1")
			e.Setenv("SERVER", server.URL()) // for one script: its runs are the server's
			e.Setenv("PORT", strconv.Itoa(port))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"exits": exits, "firstrun": firstRun, "awaits": awaits},
	})
}

// firstrun sets $RUN to the id of the first of the runs there are.
func firstRun(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: firstrun")
	}
	ts.Check(ts.Exec("levada", "runs", "--json"))
	var runs []struct {
		Run string `json:"run"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &runs))
	if len(runs) == 0 {
		ts.Fatalf("there are no runs")
	}
	ts.Setenv("RUN", runs[0].Run)
}

// awaits PATTERN COMMAND [ARG...] runs a command again and again until it succeeds and its
// output matches.
func awaits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: awaits PATTERN COMMAND [ARG...]")
	}
	pattern := regexp.MustCompile(args[0])
	for deadline := time.Now().Add(stack.Limit); time.Now().Before(deadline); {
		if err := ts.Exec(args[1], args[2:]...); err == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%q does not come", args[0])
}

// Every verb that a user sees is in some script as it succeeds, and in some as it fails.
func TestEveryVerbHasAScript(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	require.NoError(t, err)
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		require.NoError(t, err)
		all.Write(text)
	}
	commands(newRoot(t), func(cmd *cobra.Command) {
		if cmd.HasSubCommands() && cmd.Name() != "generate" || cmd.Parent() != nil && cmd.Parent().Name() == "completion" || cmd.Name() == "help" {
			return
		}
		verb := `( sh -c ')? ?` + regexp.QuoteMeta(cmd.CommandPath()) + `\b`
		for how, pattern := range map[string]string{"succeeds": `(?m)^(exec|awaits '[^']*')`, "fails": `(?m)^(! exec|exits [123])`} {
			if !regexp.MustCompile(pattern + verb).MatchString(all.String()) {
				t.Errorf("no script shows how %s %s", cmd.CommandPath(), how)
			}
		}
	})
}

// exits CODE COMMAND [ARG...] runs a command and checks its exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}
