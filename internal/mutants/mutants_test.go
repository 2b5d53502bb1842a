package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// table is the one that make mutants runs.
const table = "../../docs/protocol/mutants.tsv"

func TestTheTableFitsTheCode(t *testing.T) {
	all, err := readTable(table)
	require.NoError(t, err)
	for _, m := range all {
		_, err := m.apply("../..")
		require.NoError(t, err, m.rule)
	}
}

// fakeModule writes a module with one function and its tests.
func fakeModule(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module fake\n\ngo 1.26\n",
		"rule/rule.go": `package rule

func Once(seen map[string]bool, id string) bool {
	if seen[id] {
		return false
	}
	seen[id] = true
	return true
}

func Unused(n int) int { return n + 1 }
`,
		"rule/rule_test.go": `package rule

import "testing"

func TestOnce(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range []struct {
		id   string
		want bool
	}{{"a", true}, {"a", false}} {
		t.Run(c.id, func(t *testing.T) {
			if Once(seen, c.id) != c.want {
				t.Error("wrong")
			}
		})
	}
}

func TestDies(t *testing.T) {
	if !Once(map[string]bool{}, "x") {
		panic("gone")
	}
}

func TestAlwaysFails(t *testing.T) { t.Fail() }
`,
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

func TestMutantsAreJudged(t *testing.T) {
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	root := fakeModule(t)
	rows := []string{
		"# rule\tfile\told\tnew\tpkg\ttest",
		"",
		`killed` + "\trule/rule.go\t" + `\tif seen[id] {\n\t\treturn false\n\t}\n` + "\t\t./rule\tTestOnce",
		"two places\trule/rule.go\treturn n + 1\treturn n\t./rule\tTestOnce",
		"+\trule/rule.go\tseen[id] = true\tseen[id] = false",
		"process dies\trule/rule.go\treturn true\tpanic(id)\t./rule\tTestDies",
		"survivor\trule/rule.go\treturn n + 1\treturn n\t./rule\tTestOnce",
		"not go\trule/rule.go\treturn n + 1\treturn\t./rule\tTestOnce",
		"absent\trule/rule.go\tnowhere\tx\t./rule\tTestOnce",
		"twice\trule/rule.go\tseen[id]\tx\t./rule\tTestOnce",
		"no file\trule/none.go\ta\tb\t./rule\tTestOnce",
		"no test\trule/rule.go\treturn n + 1\treturn n\t./rule\tTestNone",
		"fails anyway\trule/rule.go\treturn n + 1\treturn n\t./rule\tTestAlwaysFails",
	}
	path := filepath.Join(root, "table.tsv")
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(rows, "\n")), 0o600))
	before, err := os.ReadFile(filepath.Join(root, "rule", "rule.go"))
	require.NoError(t, err)

	all, err := readTable(path)
	require.NoError(t, err)
	got := map[string]result{}
	r := &runner{root: root, jobs: 2, timeout: "1m"}
	results := r.run(t.Context(), all, func(res result) { got[res.rule] = res })
	require.Len(t, results, 10)

	for rule, want := range map[string]struct {
		verdict
		detail string
	}{
		"killed":       {killed, "TestOnce/a"},
		"two places":   {killed, "TestOnce/a"},
		"process dies": {killed, "TestDies"},
		"survivor":     {survived, "TestOnce"},
		"not go":       {broken, "not enough return values"},
		"absent":       {broken, "stands 0 times"},
		"twice":        {broken, "stands 2 times"},
		"no file":      {broken, "none.go"},
		"no test":      {broken, "no test of ./rule matches TestNone"},
		"fails anyway": {broken, "the unchanged code fails: TestAlwaysFails"},
	} {
		require.Equal(t, want.verdict, got[rule].verdict, "%s: %s", rule, got[rule].detail)
		require.Contains(t, got[rule].detail, want.detail, rule)
	}
	after, err := os.ReadFile(filepath.Join(root, "rule", "rule.go"))
	require.NoError(t, err)
	require.Equal(t, before, after, "the tree is not touched")
}

func TestTheExitCodeSaysWhatIsWrong(t *testing.T) {
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
	root := fakeModule(t)
	path := filepath.Join(root, "table.tsv")
	rows := "ok\trule/rule.go\tseen[id] = true\tseen[id] = false\t./rule\tTestOnce\n" +
		"survivor\trule/rule.go\treturn n + 1\treturn n\t./rule\tTestOnce\n"
	require.NoError(t, os.WriteFile(path, []byte(rows), 0o600))
	var out, errs bytes.Buffer
	require.Equal(t, 1, run(t.Context(), []string{"-root", root, path}, &out, &errs))
	require.Contains(t, out.String(), "\n1 passed, 1 failed\n")
	require.Equal(t, 0, run(t.Context(), []string{"-root", root, "-rule", "^ok$", path}, &out, &errs))
	require.Equal(t, 2, report([]result{{mutant: &mutant{rule: "1 once"}, verdict: broken}, {mutant: &mutant{rule: "4 fold"}, verdict: survived, detail: "passed: ^TestRule04"}}, &out))
	require.Contains(t, out.String(), "SURVIVED: 4 fold: passed: ^TestRule04\n", "the end of the log names it")
	require.Equal(t, 2, run(t.Context(), []string{path, path}, &out, &errs))
	require.Equal(t, 2, run(t.Context(), []string{"absent.tsv"}, &out, &errs))
}

func TestAWrongTableIsRefusedWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "t.tsv")
	rows := []string{
		"+\tf\ta\tb", "x\tf\ta", "x\tf\ta\ta\tp\tT", "x\t\ta\tb\tp\tT", "\tf\ta\tb\tp\tT", "x\tf\ta\tb\tp\t(", "+\tf\ta\tb\tp\tT",
	}
	require.NoError(t, os.WriteFile(path, []byte(strings.Join(rows, "\n")), 0o600))
	_, err := readTable(path)
	for i := range rows {
		require.ErrorContains(t, err, path+":"+string(rune('1'+i)))
	}
}
