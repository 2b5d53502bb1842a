package pipeline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/pipeline"
)

// Each file of testdata/lint is a spec that could be better, and beside it is what a
// person sees.
func TestLint(t *testing.T) {
	said := map[string]bool{}
	facts := pipeline.LintFacts{Bytes: 1 << 30, Values: func(column string) int64 { return map[string]int64{"country": 20, "id": 1_000_000}[column] }}
	for path, data := range specs(t, "testdata/lint/*.yaml") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s, err := pipeline.Parse(filepath.Base(path), data)
			require.NoError(t, err)
			p, err := pipeline.Compile(s, customers)
			require.NoError(t, err)
			found, err := pipeline.Lint(s, p.Needed, facts)
			require.NoError(t, err)
			var b strings.Builder
			for _, f := range found {
				require.NotEmpty(t, f.Hint, "a remedy")
				said[f.Rule] = true
				b.WriteString(f.Pretty() + "\n")
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", b.String())
		})
	}
	for _, rule := range pipeline.LintRules() {
		require.True(t, said[rule], "no file of testdata/lint shows %s", rule)
	}
}

// Every rule is in the reference.
func TestReferenceNamesEveryLintRule(t *testing.T) {
	page, err := os.ReadFile("../../docs/spec-tools.md")
	require.NoError(t, err)
	for _, rule := range pipeline.LintRules() {
		what, level, ok := pipeline.LintRule(rule)
		require.True(t, ok)
		require.Contains(t, string(page), "| `"+rule+"` | "+string(level)+" | "+what+" |")
	}
}

// What every good spec of the corpus says is linted without a fault, whatever is known of its source.
func TestLintOfNothingKnown(t *testing.T) {
	for _, pattern := range []string{"testdata/lint/*.yaml", "testdata/good/*.yaml"} {
		for path, data := range specs(t, pattern) {
			s, err := pipeline.Parse(path, data)
			require.NoError(t, err)
			p, err := pipeline.Compile(s, customers)
			if err != nil {
				continue // of other columns
			}
			_, err = pipeline.Lint(s, p.Needed, pipeline.LintFacts{})
			require.NoError(t, err)
		}
	}
}
