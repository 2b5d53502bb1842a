package pipeline_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/pipeline"
)

const withVariables = `apiVersion: levada/v1
name: ${NAME:-test}
source: { parquet: { uri: ["${DATA}/a.parquet", "${DATA}/${SUB:-b}"] } }
stages:
  - name: refine
    transform:
      - filter: amount > ${LEAST:-20.0} && country != "$${x}" # ${NOT_READ}
      - rename: { "${OLD:-id}": key }
sink: { parquet: { uri: out$HOME, rows_per_group: "${ROWS:-1000}" } }
`

func TestVariables(t *testing.T) {
	env := map[string]string{"DATA": "env", "SUB": "", "ROWS": "5"}
	d := pipeline.Draft("spec.yaml", []byte(withVariables), &pipeline.Vars{
		Set: map[string]string{"DATA": "set"},
		Env: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	})
	require.Empty(t, d.Errs)
	s := d.Spec
	require.Equal(t, "test", s.Name)
	require.Equal(t, []string{"set/a.parquet", "set/b"}, s.Source.Parquet.URI, "what is set outranks the environment; an empty value is none")
	require.Equal(t, `amount > 20.0 && country != "${x}"`, s.Stages[0].Transform[0].Expr, "$${ is ${")
	require.Equal(t, []pipeline.Pair{{Old: "id", New: "key"}}, plainPairs(s.Stages[0].Transform[1].Rename))
	require.Equal(t, "out$HOME", s.Sink.Parquet.URI, "a dollar alone is one")
	require.Equal(t, int64(5), s.Sink.Parquet.RowsPerGroup)

	// What goes into a run's record has no variables and says the same, for ever.
	again, err := pipeline.Parse("spec.yaml", d.Text)
	require.NoError(t, err)
	require.Equal(t, s.Hash(), again.Hash())

	// A spec without variables is stored as it is written.
	plain := []byte(head + tail)
	require.Equal(t, string(plain), string(pipeline.Draft("s", plain, &pipeline.Vars{}).Text))
}

func plainPairs(in []pipeline.Pair) []pipeline.Pair {
	out := make([]pipeline.Pair, len(in))
	for i, p := range in {
		out[i] = pipeline.Pair{Old: p.Old, New: p.New}
	}
	return out
}

// A value is one value: no text in it makes another field, and none is expanded again.
func TestVariablesCannotChangeTheShapeOfASpec(t *testing.T) {
	text := head + "stages: [{ name: a, transform: [{ filter: 'country == \"x\"' }] }]\nsink: { parquet: { uri: '${OUT}' } }\n"
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(
			rapid.StringMatching(`[a-z"'{}:,#&*!|>%@\\\n $-]{0,20}`),
			rapid.SampledFrom([]string{"x\nmode: overwrite", "a, mode: append", "${OUT}", "$${OUT}", "# no", "null", "~", "true", "- a", "\u0085", "x: y"}),
		).Draw(t, "value")
		if strings.TrimSpace(value) == "" || strings.Contains(value, "://") {
			t.Skip("refused")
		}
		text := text
		if rapid.Bool().Draw(t, "plain") {
			text = head + "sink:\n  parquet:\n    uri: ${OUT}\n"
		}
		d := pipeline.Draft("s", []byte(text), &pipeline.Vars{Set: map[string]string{"OUT": value}})
		if len(d.Errs) > 0 {
			t.Fatalf("%q: %v", value, d.Errs)
		}
		if d.Spec.Sink.Parquet.URI != value || d.Spec.Sink.Parquet.Mode != pipeline.ModeError {
			t.Fatalf("%q became %q", value, d.Spec.Sink.Parquet.URI)
		}
		again, err := pipeline.Parse("s", d.Text)
		if err != nil || again.Hash() != d.Spec.Hash() {
			t.Fatalf("%q: the stored text says something else: %v\n%s", value, err, d.Text)
		}
	})
}

// A secret that comes in through a variable is found as one that is written.
func TestSecretsInVariables(t *testing.T) {
	for _, value := range []string{"s3://user:hunter2@bucket/x", "AKIAABCDEFGHIJKLMNOP"} {
		d := pipeline.Draft("s", []byte(head+"sink: { parquet: { uri: '${OUT}' } }\n"), &pipeline.Vars{Set: map[string]string{"OUT": value}})
		require.ErrorContains(t, d.Errs, "credential")
		require.NotContains(t, d.Errs.Pretty(), value)
	}
	for _, name := range []string{"PASSWORD", "DB_PASSWORD", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "api_key"} {
		d := pipeline.Draft("s", []byte(head+"sink: { parquet: { uri: '${"+name+"}' } }\n"), &pipeline.Vars{Set: map[string]string{name: "hunter2"}})
		require.ErrorContains(t, d.Errs, "called like a secret", name)
		require.NotContains(t, d.Errs.Pretty(), "hunter2")
	}
	for _, name := range []string{"PARTITION_KEY", "TOKENS", "KEY", "MONKEY"} {
		d := pipeline.Draft("s", []byte(head+"sink: { parquet: { uri: '${"+name+"}' } }\n"), &pipeline.Vars{Set: map[string]string{name: "x"}})
		require.Empty(t, d.Errs, name)
	}
}
