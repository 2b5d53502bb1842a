package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/pipeline"
)

// documents are what people read of this repository, by their names.
func documents(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"README.md", "docs/*.md", "bench/README.md", "deployments/kubernetes/README.md"} {
		files, err := filepath.Glob(filepath.Join("..", "..", pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			all[strings.TrimPrefix(filepath.ToSlash(file), "../../")] = string(text)
		}
	}
	return all
}

var (
	fenced = regexp.MustCompile("(?s)\n```([a-z]*)\n(.*?)\n```")
	// onlyLevada is a block that needs nothing else.
	onlyLevada = regexp.MustCompile(`^((bin/)?levada|export) .*(\n((bin/)?levada|export) .*)*$`)
	inline     = regexp.MustCompile("`((?:bin/)?levada [a-z][^`\n]*)`")
)

// fencedIn are the fenced blocks of a language in a document.
func fencedIn(text, language string) []string {
	var all []string
	for _, m := range fenced.FindAllStringSubmatch(text, -1) {
		if m[1] == language {
			all = append(all, m[2])
		}
	}
	return all
}

// Commands in documents, in blocks and in the text, are commands that there are, with flags
// that they have.
func TestCommandsInDocumentsAreThere(t *testing.T) {
	checked := 0
	for name, text := range documents(t) {
		var lines []string
		for _, block := range fencedIn(text, "sh") {
			lines = append(lines, strings.Split(block, "\n")...)
		}
		for _, m := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, "\n"), -1) {
			lines = append(lines, m[1])
		}
		for _, line := range lines {
			line, _, _ = strings.Cut(strings.ReplaceAll(line, "bin/levada", "levada"), " #")
			for _, words := range levadas(strings.NewReplacer("[", "", "]", "").Replace(line)) {
				found, rest, err := newRoot(t).Find(words)
				require.NoError(t, err, "%s: %s", name, line)
				require.True(t, len(words) == 0 || found.HasParent(), "%s: there is no %q", name, line)
				found.InitDefaultHelpFlag()
				if err := found.ParseFlags(rest); err != nil {
					require.ErrorContains(t, err, "flag needs an argument", "%s: %s", name, line) // the text names the flag alone
				}
				checked++
			}
		}
	}
	require.Greater(t, checked, 60)
	t.Logf("%d commands", checked)
}

// Pipelines in documents are ones that can be parsed.
func TestPipelinesInDocumentsAreRight(t *testing.T) {
	checked := 0
	for name, text := range documents(t) {
		for _, block := range fencedIn(text, "yaml") {
			if !strings.Contains(block, "apiVersion: levada/v1") {
				continue
			}
			_, err := pipeline.Parse(name, []byte(block))
			require.NoError(t, err, block)
			checked++
		}
	}
	require.GreaterOrEqual(t, checked, 2)
}

// What the README and the page on manifests say to type is typed, by a shell, on a table
// that levada makes, and succeeds; but for what needs make or an engine, which have tests
// of their own.
func TestDocumentsCanBeTyped(t *testing.T) {
	server := natstest.New(t, natstest.Listen())
	all := documents(t)
	var (
		script strings.Builder
		files  []string
	)
	script.WriteString("exec levada generate customers --rows 2000 --files 2 --out data/customers\n")
	typed := 0
	for _, name := range []string{"README.md", "docs/manifest.md"} {
		for i, block := range fencedIn(all[name], "sh") {
			if !onlyLevada.MatchString(block) {
				continue
			}
			var lines []string
			for line := range strings.Lines(block) {
				line, _, _ = strings.Cut(strings.TrimSpace(line), " #")
				lines = append(lines, strings.NewReplacer("bin/levada", "levada", "nats://host:4222", server.URL(), "DIR", "data/out/customers").Replace(line))
			}
			if name == "README.md" {
				script.WriteString("rm data/out\n")
			}
			file := fmt.Sprintf("%s-%d.sh", strings.ReplaceAll(name, "/", "-"), i)
			fmt.Fprintf(&script, "exec timeout 60 sh -e %s\n", file)
			script.WriteString("stdout .\n")
			files = append(files, "-- "+file+" --\ntrap 'jobs -p > pids; kill $(cat pids) 2>/dev/null || true' EXIT\n"+strings.Join(lines, "\n")+"\n")
			typed++
		}
	}
	require.GreaterOrEqual(t, typed, 3)
	yaml := fencedIn(all["README.md"], "yaml")
	require.Len(t, yaml, 1)
	script.WriteString("-- pipeline.yaml --\n" + yaml[0] + "\n" + strings.Join(files, ""))
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "documents.txtar"), []byte(script.String()), 0o600))
	testscript.Run(t, testscript.Params{Dir: dir, Setup: func(e *testscript.Env) error {
		e.Setenv("XDG_STATE_HOME", e.WorkDir+"/state")
		e.Setenv("NO_COLOR", "1")
		return nil
	}})
}
