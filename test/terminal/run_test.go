//go:build terminal

package terminal

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The progress of a run on a terminal: a bar and a line for each stage in place, the log above
// them, also after the terminal has become narrower, when what was drawn wraps, and wider
// again; and a table at the end that fits.
func TestRunOnATerminalThatChangesItsSize(t *testing.T) {
	bin, dir := levada(t), t.TempDir()
	file := filepath.Join(dir, "spec.yaml")
	require.NoError(t, os.WriteFile(file, []byte(spec(filepath.Join(dir, "out"), 3_000_000_000)), 0o600))
	s := open(t, 100, 30)
	s.run("clear; " + bin + " run " + file + " --fuse never --log-level info --state-dir " + filepath.Join(dir, "state"))
	bar := regexp.MustCompile(`(?m)█*░+  +\d+%`)
	s.await("a bar, and the log above it", regexp.MustCompile(`(?s)msg="run joined".*\ncustomers  .*\n  source .*\n  refine .*\n  sink `), bar)
	s.resize(60, 30)
	text := s.await("a bar that fits", regexp.MustCompile(`(?m)^customers  .{30,48}$`), regexp.MustCompile(`(?m)^  sink .{20,51}/s in$`))
	once := func(pattern string) {
		t.Helper()
		require.Len(t, regexp.MustCompile(pattern).FindAllString(text, -1), 1, "an older frame is left over:\n%s", text)
	}
	once(`(?m)^customers  `)
	once(`(?m)^  source `)
	s.resize(120, 30)
	text = s.await("all of it again", regexp.MustCompile(`(?m)^  sink .*/s in .*/s out`))
	once(`(?m)^customers  `)
	once(`(?m)^  source `)
	s.press("C-c")
	text = s.await("how it was stopped", regexp.MustCompile(`levada: interrupted: run `))
	require.NotContains(t, text, "█", "the bar is gone")
	require.Contains(t, text, "stopping: finishing what is in flight")
	s.run("clear; " + bin + " generate customers --rows 5000 --files 1 --out " + filepath.Join(dir, "data") + " --no-progress")
	s.await("data", regexp.MustCompile(`5,000 rows in 1 file`))

	// Tables are no wider than the terminal, and files get all of them.
	s.resize(60, 40)
	s.run("clear; " + bin + " inspect " + filepath.Join(dir, "data"))
	text = s.await("what is in the file", regexp.MustCompile(`(?m)^row group +rows`), regexp.MustCompile(`(?m)  …$`))
	require.NotContains(t, text, "logical type")
	s.run("clear; " + bin + " inspect " + filepath.Join(dir, "data") + " | grep -c 'logical type'")
	s.await("all of it in a pipe", regexp.MustCompile(`(?m)^1$`))
	require.NotContains(t, s.styled(), "\x1b[31m")

	// Errors are red, but not for who does not like colours.
	s.run("clear; " + bin + " inspect nowhere.parquet")
	s.awaitStyled("a red error", regexp.MustCompile(`\x1b\[1m\x1b\[31mlevada|\x1b\[31m\x1b\[1mlevada|\x1b\[1;31mlevada`))
	s.run("clear; NO_COLOR=1 " + bin + " inspect nowhere.parquet")
	s.awaitStyled("a plain error", regexp.MustCompile(`(?m)^levada: find nowhere.parquet`))
	require.NotContains(t, s.styled(), "31m")
}
