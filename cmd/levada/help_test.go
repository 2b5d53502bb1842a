package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
)

// commands calls f with every command that a user sees.
func commands(cmd *cobra.Command, f func(cmd *cobra.Command)) {
	f(cmd)
	for _, c := range cmd.Commands() {
		if !c.Hidden {
			commands(c, f)
		}
	}
}

func newRoot(t *testing.T) *cobra.Command {
	t.Helper()
	a := &app{getenv: func(string) string { return "" }, stdout: io.Discard, stderr: io.Discard}
	return a.root()
}

// Every command has an example, and what examples say is what there is: commands and flags.
func TestEveryCommandHasAnExampleThatIsRight(t *testing.T) {
	root := newRoot(t)
	seen := 0
	commands(root, func(cmd *cobra.Command) {
		seen++
		t.Run(cmd.CommandPath(), func(t *testing.T) {
			text := cmd.Example
			if cmd == root {
				text = cmd.Long
			}
			own := false
			for line := range strings.Lines(text) {
				for _, words := range levadas(line) {
					found, rest, err := newRoot(t).Find(words)
					require.NoError(t, err, line)
					own = own || strings.HasPrefix(found.CommandPath()+" ", cmd.CommandPath()+" ")
					found.InitDefaultHelpFlag()
					require.NoError(t, found.ParseFlags(rest), line)
				}
			}
			require.True(t, own, "its examples do not show it: %q", text)
			require.NotEmpty(t, cmd.Short)
			require.NotContains(t, cmd.Short, "\n")
			for line := range strings.Lines(cmd.Long) {
				require.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 96, "a line of its help is long: %s", line)
			}
		})
	})
	require.Greater(t, seen, 25)
}

// levadas are the arguments of each levada in a line of shell.
func levadas(line string) [][]string {
	var all [][]string
	var words []string
	in := false
	end := func() {
		if in {
			all = append(all, words)
		}
		in, words = false, nil
	}
	line = strings.NewReplacer("$(", " ( ", "<(", " ( ", ")", " ) ").Replace(line)
	for w := range strings.FieldsSeq(line) {
		switch {
		case slices.Contains([]string{"|", "&", "&&", ";", ">", "(", ")"}, w):
			end()
		case w == "levada" && !in:
			in = true
		case in:
			words = append(words, strings.Trim(w, `'"`))
		}
	}
	end()
	return all
}

// Every command that prints facts prints them for programs, too.
func TestCommandsThatPrintFactsPrintJSON(t *testing.T) {
	without := map[string]string{
		"levada": "prints help", "levada help": "prints help", "levada generate": "prints help", "levada man": "writes files",
		"levada reader": "serves", "levada transform": "serves", "levada writer": "serves", "levada ready": "says it by its exit code",
		"levada fmt": "writes files", "levada schema": "prints nothing but JSON",
		"levada tap": "has --format", "levada completion": "writes scripts",
	}
	commands(newRoot(t), func(cmd *cobra.Command) {
		path := cmd.CommandPath()
		if strings.HasPrefix(path, "levada completion ") {
			return
		}
		_, excused := without[path]
		require.Equal(t, !excused, cmd.Flags().Lookup("json") != nil, path)
	})
}

// Shells know what stands for the words of every command's usage, and for flags that name a
// run or one of some words.
func TestEveryArgumentIsCompleted(t *testing.T) {
	offered := 0
	commands(newRoot(t), func(cmd *cobra.Command) {
		if strings.HasPrefix(cmd.CommandPath(), "levada completion ") || cmd.Name() == "help" {
			return // cobra's own
		}
		if _, args, has := strings.Cut(cmd.Use, " "); has && args != "[command]" {
			require.True(t, cmd.ValidArgsFunction != nil || len(cmd.ValidArgs) > 0, cmd.UseLine())
			offered++
		}
		for _, name := range []string{"run", "stage", "format", "fuse"} {
			flag := cmd.Flags().Lookup(name)
			if flag == nil || cmd.Name() == "test" { // there it is an expression
				continue
			}
			_, there := cmd.GetFlagCompletionFunc(name)
			require.True(t, there, "%s --%s", cmd.CommandPath(), name)
			offered++
		}
	})
	require.Greater(t, offered, 20)
}

// Help reads well in a terminal of 100 columns, but for the usage of flags.
func TestHelpNamesEveryCommandInAGroup(t *testing.T) {
	root := newRoot(t)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs([]string{"--help"})
	require.NoError(t, root.Execute())
	for _, c := range root.Commands() {
		if !c.Hidden {
			require.Contains(t, out.String(), "\n  "+c.Name()+" ")
		}
	}
}

func TestManualHasAPageForEachCommand(t *testing.T) {
	write := func() string {
		dir := filepath.Join(t.TempDir(), "man1")
		var out bytes.Buffer
		env := func(name string) string { return map[string]string{"SOURCE_DATE_EPOCH": "1767225600"}[name] }
		require.NoError(t, run(t.Context(), []string{"man", dir}, env, &out, &out))
		require.Empty(t, out.String())
		return dir
	}
	dir, again := write(), write()
	commands(newRoot(t), func(cmd *cobra.Command) {
		if cmd.Name() == "help" {
			return
		}
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-") + ".1"
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.Contains(t, string(text), ".SH NAME")
		require.Contains(t, string(text), "Jan 2026")
		same, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		require.Equal(t, text, same, "the same levada writes the same pages")
		if cmd.HasParent() && cmd.Example != "" {
			require.Contains(t, string(text), ".SH EXAMPLE", name)
		}
	})
	require.Error(t, run(t.Context(), []string{"man", dir}, func(n string) string { return map[string]string{"SOURCE_DATE_EPOCH": "soon"}[n] }, io.Discard, io.Discard))
}
