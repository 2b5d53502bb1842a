package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/documents"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/pipeline"
)

// account is that of the commands of documents.
func account(t *testing.T) *documents.Account {
	t.Helper()
	a, err := documents.Accounted("../..")
	require.NoError(t, err)
	return a
}

// Commands in documents, in blocks and in the text, are commands that there are, with flags
// that they have. Those of blocks are typed, too, below.
func TestCommandsInDocumentsAreThere(t *testing.T) {
	checked := 0
	for _, c := range account(t).Of(documents.Test) {
		for _, call := range c.Calls {
			if filepath.Base(call[0]) != "levada" {
				require.Equal(t, "export", call[0], "%s", c)
				continue
			}
			found, rest, err := newRoot(t).Find(call[1:])
			require.NoError(t, err, "%s", c)
			require.True(t, found.HasParent() || found.Flags().Lookup(strings.TrimPrefix(call[1], "--")) != nil, "there is no such command: %s", c)
			found.InitDefaultHelpFlag()
			if err := found.ParseFlags(rest); err != nil {
				require.ErrorContains(t, err, "flag needs an argument", "%s", c) // the text names the flag alone
			}
			checked++
		}
	}
	require.Greater(t, checked, 100)
	t.Logf("%d commands", checked)
}

// Pipelines in documents are ones that can be parsed, and so are cases.
func TestPipelinesInDocumentsAreRight(t *testing.T) {
	all, err := documents.Read("../..")
	require.NoError(t, err)
	pipelines, cases := 0, 0
	for _, d := range all {
		for _, block := range d.Blocks() {
			switch name := fmt.Sprintf("%s:%d", block.Document, block.Line); {
			case block.Language != "yaml":
			case strings.Contains(block.Text, "apiVersion: levada/v1"):
				_, err := pipeline.Parse(name, []byte(block.Text))
				require.NoError(t, err, block.Text)
				pipelines++
			case strings.Contains(block.Text, "\ncases:\n"):
				_, err := pipeline.ParseTest(name, []byte(block.Text))
				require.NoError(t, err, block.Text)
				cases++
			}
		}
	}
	require.GreaterOrEqual(t, pipelines, 2)
	require.GreaterOrEqual(t, cases, 1)
}

// What blocks say to type, and needs nothing but levada, is typed, by a shell, on a table
// that levada makes, and succeeds.
func TestDocumentsCanBeTyped(t *testing.T) {
	server := natstest.New(t, natstest.Listen())
	all, err := documents.Read("../..")
	require.NoError(t, err)
	var (
		script strings.Builder
		files  []string
		typed  = map[string][]string{} // by document and block, as far as empty lines tell
		order  []string
	)
	for _, c := range account(t).Of(documents.Test) {
		if !c.Typed {
			continue
		}
		i := slices.IndexFunc(documents.In(all, c.Document, "sh"), func(b documents.Block) bool {
			return b.Line <= c.Line && c.Line <= b.Line+strings.Count(b.Text, "\n")
		})
		name := fmt.Sprintf("%s-%d.sh", strings.ReplaceAll(c.Document, "/", "-"), i)
		if typed[name] == nil {
			order = append(order, name)
		}
		typed[name] = append(typed[name], strings.NewReplacer("bin/levada", "levada", "nats://host:4222", server.URL(), "DIR", "data/out/customers").Replace(c.Text))
	}
	require.GreaterOrEqual(t, len(order), 3)
	script.WriteString("exec levada generate customers --rows 2000 --files 2 --out data/customers\n")
	for _, name := range order {
		if strings.HasPrefix(name, "README.md") {
			script.WriteString("rm data/out\n")
		}
		fmt.Fprintf(&script, "exec timeout 60 sh -e %s\nstdout .\n", name)
		files = append(files, "-- "+name+" --\ntrap 'jobs -p > pids; kill $(cat pids) 2>/dev/null || true' EXIT\n"+strings.Join(typed[name], "\n")+"\n")
	}
	yaml := documents.In(all, "README.md", "yaml")
	require.Len(t, yaml, 1)
	script.WriteString("-- pipeline.yaml --\n" + yaml[0].Text + "\n" + strings.Join(files, ""))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "documents.txtar"), []byte(script.String()), 0o600))
	testscript.Run(t, testscript.Params{Dir: dir, Setup: func(e *testscript.Env) error {
		e.Setenv("XDG_STATE_HOME", e.WorkDir+"/state")
		e.Setenv("NO_COLOR", "1")
		return nil
	}})
}
