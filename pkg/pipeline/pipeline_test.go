package pipeline_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/pipeline"
)

var update = flag.Bool("update", false, "rewrite golden files")

var customers = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "email", Type: arrow.BinaryTypes.String},
	{Name: "amount", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "visits", Type: arrow.PrimitiveTypes.Int32},
	{Name: "country", Type: arrow.BinaryTypes.String},
	{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String)},
}, nil)

// head and tail make a spec of stages.
const head = `apiVersion: levada/v1
name: test
source: { parquet: { uri: in/*.parquet } }
`

const tail = `sink: { parquet: { uri: out } }
`

func parse(t testing.TB, text string) *pipeline.Spec {
	t.Helper()
	s, err := pipeline.Parse("spec.yaml", []byte(text))
	require.NoError(t, err)
	return s
}

func TestDefaults(t *testing.T) {
	s := parse(t, head+tail)
	k := s.Sink.Parquet
	require.Equal(t, int64(128<<20), k.TargetFile)
	require.Equal(t, pipeline.Compression{Codec: "snappy"}, k.Compression)
	require.Equal(t, pipeline.ModeError, k.Mode)
	require.Equal(t, pipeline.EmptyFile, k.Empty)
	require.Equal(t, pipeline.VisibilityFile, s.Policies.Visibility)
	require.Equal(t, 30*time.Second, s.Policies.MaxAge)
	require.Zero(t, s.Policies.MaxDeadRows)
	require.Empty(t, s.Stages)
}

// Every form of a value that the reference names.
func TestForms(t *testing.T) {
	s := parse(t, head+`sink:
  parquet:
    uri: out
    partition_by: country
    target_file: 1MiB
    rows_per_group: 1_000
    compression: { codec: zstd, level: 3 }
    mode: append
    empty: error
policies: { max_dead_rows: 5, max_age: 2s, requeue_after: 500ms, edge_bytes: 32MiB, block_bytes: 64KiB, workers: 3 }
`)
	require.Equal(t, []string{"country"}, s.Sink.Parquet.PartitionBy)
	require.Equal(t, int64(1<<20), s.Sink.Parquet.TargetFile)
	require.Equal(t, int64(1000), s.Sink.Parquet.RowsPerGroup)
	require.Equal(t, pipeline.Compression{Codec: "zstd", Level: 3}, s.Sink.Parquet.Compression)
	require.Equal(t, int64(5), s.Policies.MaxDeadRows)
	require.Equal(t, pipeline.Workers{Min: 3, Max: 3}, s.Policies.Workers)
	z := parse(t, strings.Replace(head+tail, "uri: out", "uri: out, compression: zstd:3", 1))
	require.Equal(t, pipeline.Compression{Codec: "zstd", Level: 3}, z.Sink.Parquet.Compression)
	o := parse(t, strings.Replace(head+tail, "uri: out", "uri: out, mode: overwrite", 1))
	require.Equal(t, pipeline.VisibilityRun, o.Policies.Visibility, "overwrite implies it")
}

// Each file of testdata/errors is a spec with mistakes, and beside it is what a person
// sees.
func TestMistakesAreNamedWithTheirPlaceAndRemedy(t *testing.T) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	messages := 0
	defer func() { t.Logf("counted: %d wrong specs, %d golden messages", len(files), messages) }()
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			var vars *pipeline.Vars
			if strings.Contains(path, "variables") {
				vars = &pipeline.Vars{Set: map[string]string{"WHERE": "s3://bucket", "M": "1"}}
			}
			d := pipeline.Draft(filepath.Base(path), data, vars)
			errs := d.Errs
			if d.Spec != nil {
				source := customers
				if strings.Contains(path, "reserved-source") {
					source = arrow.NewSchema([]arrow.Field{{Name: blocks.OffsetsColumn, Type: arrow.PrimitiveTypes.Int64}}, nil)
				}
				_, err = pipeline.Compile(d.Spec, source)
				require.ErrorAs(t, err, &errs)
			}
			require.NotEmpty(t, errs)
			messages += len(errs)
			for _, e := range errs {
				require.NotEmpty(t, e.Hint, "%s: a remedy", e)
				require.NotContains(t, e.Pretty(), "hunter2", "a secret")
				require.NotContains(t, e.Pretty(), "wJalr", "a secret")
				require.NotContains(t, e.Pretty(), "AKIA", "a secret")
			}
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", errs.Pretty())
		})
	}
}

// Those of testdata/cases are files of cases with mistakes.
func TestMistakesInCasesAreNamedWithTheirPlaceAndRemedy(t *testing.T) {
	files, err := filepath.Glob("testdata/cases/*.yaml")
	require.NoError(t, err)
	wrong, messages := 0, 0
	for _, path := range files {
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		if strings.HasSuffix(path, "_test.yaml") {
			continue
		}
		var errs pipeline.Errors
		_, err = pipeline.ParseTest(filepath.Base(path), data)
		require.ErrorAs(t, err, &errs, path)
		for _, e := range errs {
			require.NotEmpty(t, e.Hint, "%s: a remedy", e)
		}
		golden(t, strings.TrimSuffix(path, ".yaml")+".txt", errs.Pretty())
		wrong, messages = wrong+1, messages+len(errs)
	}
	require.Positive(t, wrong)
	t.Logf("counted: %d wrong files of cases, %d golden messages", wrong, messages)
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func compile(t testing.TB, stages string) *pipeline.Pipeline {
	t.Helper()
	p, err := pipeline.Compile(parse(t, head+stages+tail), customers)
	require.NoError(t, err)
	return p
}

func names(s *arrow.Schema) string {
	var out []string
	for _, f := range s.Fields() {
		out = append(out, f.Name)
	}
	return strings.Join(out, " ")
}

func TestSchemasAreInferredThroughEveryOperator(t *testing.T) {
	p := compile(t, `stages:
  - name: a
    transform:
      - select: [id, amount, visits, country]
      - with: { eur: "amount * 2", big: "amount > 10.0", n: "visits + 1" }
      - rename: { eur: euros }
      - drop: [visits]
  - name: b
    external: { columns: { score: float64, country: int64 } }
`)
	require.Equal(t, "id amount country euros big n", names(p.Stages[0].Out))
	require.Equal(t, "id amount country euros big n score", names(p.Out))
	require.Equal(t, arrow.FLOAT64, p.Out.Field(3).Type.ID())
	require.True(t, p.Out.Field(3).Nullable, "computed from a nullable column")
	require.Equal(t, arrow.INT64, p.Out.Field(2).Type.ID(), "the external stage replaces it")
}

// Only what something reads, or the sink keeps, is read from the source.
func TestProjectionIsPushedDown(t *testing.T) {
	for stages, want := range map[string]string{
		"": "id email amount visits country tags",
		"stages: [{ name: a, transform: [{ select: [id, country] }] }]\n":                                         "id country",
		"stages: [{ name: a, transform: [{ filter: 'amount > 1.0' }, { select: [id] }] }]\n":                      "id amount",
		"stages: [{ name: a, transform: [{ with: { x: 'visits + 1' } }, { select: [x] }] }]\n":                    "visits",
		"stages: [{ name: a, transform: [{ rename: { id: key } }, { select: [key] }] }]\n":                        "id",
		"stages: [{ name: a, transform: [{ with: { amount: '1.0' } }, { select: [id, amount] }] }]\n":             "id",
		"stages: [{ name: a, external: { columns: { x: int64 } } }, { name: b, transform: [{ select: [x] }] }]\n": "id email amount visits country tags",
	} {
		require.Equal(t, want, names(compile(t, stages).Source), stages)
	}
	// A schema that has been narrowed already compiles to the same pipeline: every
	// process does that with the plan's.
	stages := "stages: [{ name: a, transform: [{ filter: 'amount > 1.0' }, { select: [id] }] }]\n"
	once := compile(t, stages)
	again, err := pipeline.Compile(parse(t, head+stages+tail), once.Source)
	require.NoError(t, err)
	require.True(t, once.Source.Equal(again.Source))
	require.True(t, once.Out.Equal(again.Out))
}

// A filter may be judged by statistics only while nothing before it drops, fails or
// changes a row: the books must not depend on it.
func TestOnlyTheFirstFilterPrunes(t *testing.T) {
	for stages, want := range map[string]string{
		"": "",
		"stages: [{ name: a, transform: [{ filter: 'id > 5' }, { filter: 'visits > 1' }] }]\n":                           "a/filter[0]",
		"stages: [{ name: a, transform: [{ select: [id] }, { filter: 'id > 5' }] }]\n":                                   "a/filter[1]",
		"stages: [{ name: a, transform: [{ with: { id: '1' } }, { filter: 'id > 5' }] }]\n":                              "",
		"stages: [{ name: a, transform: [{ rename: { id: x, visits: id } }, { filter: 'id > 5' }] }]\n":                  "",
		"stages: [{ name: a, transform: [{ mask: { column: email, method: sha256 } }, { filter: 'id > 5' }] }]\n":        "a/filter[1]",
		"stages: [{ name: a, transform: [{ mask: { column: email, method: sha256 } }, { filter: 'email != \"\"' }] }]\n": "",
		"stages: [{ name: e, external: { columns: { x: int64 } } }, { name: a, transform: [{ filter: 'id > 5' }] }]\n":   "",
		"stages: [{ name: a, transform: [{ select: [id] }] }, { name: b, transform: [{ filter: 'id > 5' }] }]\n":         "",
	} {
		var got string
		if p := compile(t, stages).Prune; len(p) > 0 {
			got = p[0].Operator
		}
		require.Equal(t, want, got, stages)
	}
}

// A stage's own workers outdo those of the policies; a number is the least and the most.
func TestWorkers(t *testing.T) {
	text := func(stage, policies string) string {
		return head + "stages: [{ name: a, transform: [{ select: [id] }]" + stage + " }]\n" + tail + policies
	}
	for _, c := range []struct {
		stage, policies string
		want            pipeline.Workers
	}{
		{"", "", pipeline.Workers{}},
		{", workers: 4", "", pipeline.Workers{Min: 4, Max: 4}},
		{", workers: { min: 2, max: 8 }", "", pipeline.Workers{Min: 2, Max: 8}},
		{", workers: { max: 8 }", "", pipeline.Workers{Min: 1, Max: 8}},
		{"", "policies: { workers: 3 }\n", pipeline.Workers{Min: 3, Max: 3}},
		{"", "policies: { workers: { min: 3, max: 5 } }\n", pipeline.Workers{Min: 3, Max: 5}},
		{", workers: 4", "policies: { workers: { min: 3, max: 5 } }\n", pipeline.Workers{Min: 4, Max: 4}},
	} {
		p, err := pipeline.Compile(parse(t, text(c.stage, c.policies)), customers)
		require.NoError(t, err)
		require.Equal(t, c.want, p.Stages[0].Workers, "%q %q", c.stage, c.policies)
	}
	hash := func(stage string) string { return parse(t, text(stage, "")).Hash() }
	require.Equal(t, hash(", workers: 4"), hash(", workers: { min: 4, max: 4 }"), "the same, written in two ways")
	require.NotEqual(t, hash(", workers: 4"), hash(", workers: { min: 1, max: 4 }"))
}

// A mask says what its method needs; what may be left out has a default.
func TestMask(t *testing.T) {
	mask := func(fields string) pipeline.OperatorSpec {
		s := parse(t, head+"stages: [{ name: a, transform: [{ mask: { column: email, "+fields+" } }] }]\n"+tail)
		return s.Stages[0].Transform[0]
	}
	require.Equal(t, &pipeline.MaskSpec{Column: "email", Method: "sha256"}, mask("method: sha256").Mask)
	require.Equal(t, &pipeline.MaskSpec{Column: "email", Method: "keep_last", N: 4, With: "*"}, mask("method: keep_last, n: 4").Mask)
	require.Equal(t, &pipeline.MaskSpec{Column: "email", Method: "keep_last", With: "x"}, mask("method: keep_last, n: 0, with: x").Mask)

	p := compile(t, `stages:
  - name: protect
    transform:
      - mask: { column: email, method: sha256 }
      - mask: { column: country, method: keep_last, n: 1 }
      - drop: [tags, email]
`)
	require.Equal(t, "id email amount visits country", names(p.Source), "a column is read to be masked")
	require.Equal(t, "id amount visits country", names(p.Out))
	require.Equal(t, customers.Field(4), p.Out.Field(3))
}

func TestHashIsOfTheMeaning(t *testing.T) {
	a := parse(t, head+tail)
	b := parse(t, "# a comment\n"+strings.Replace(head, "{ parquet: { uri: in/*.parquet } }", "\n  parquet:\n    uri:\n      - in/*.parquet # the same", 1)+tail)
	require.Equal(t, a.Hash(), b.Hash())
	c := parse(t, head+strings.Replace(tail, "uri: out", "uri: elsewhere", 1))
	require.NotEqual(t, a.Hash(), c.Hash())
}

func TestAbsolutePaths(t *testing.T) {
	s := parse(t, head+tail)
	s.Absolute("/base")
	require.Equal(t, "/base/in/*.parquet", s.Source.Parquet.URI[0])
	require.Equal(t, "/base/out", s.Sink.Parquet.URI)
}

func TestEdgesFitTheStore(t *testing.T) {
	s := parse(t, head+tail)
	n, err := pipeline.EdgeBytes(s, -1, 2)
	require.NoError(t, err)
	require.Equal(t, int64(256<<20), n, "two target files")
	n, err = pipeline.EdgeBytes(s, 200<<20, 2)
	require.NoError(t, err)
	require.Equal(t, int64(100<<20), n, "a fair share of a small store")
	_, err = pipeline.EdgeBytes(s, 20<<20, 2)
	var small *pipeline.StoreTooSmallError
	require.ErrorAs(t, err, &small)
	for _, part := range []string{"2 edges", "256 MiB", "20 MiB", "policies.edge_bytes"} {
		require.ErrorContains(t, err, part)
	}
}

// Rule 14: no spec can make a writer hold for ever.
func TestRule14Maxage_AlwaysFinite(t *testing.T) {
	require.Positive(t, parse(t, head+tail).Policies.MaxAge)
	for _, bad := range []string{"0s", "-1s", "2h", "never", "99999h"} {
		_, err := pipeline.Parse("s", []byte(head+tail+"policies: { max_age: "+bad+" }\n"))
		require.ErrorContains(t, err, "policies.max_age", bad)
	}
}

// Rule 21: what is replaced goes only when all of the new is there.
func TestRule21OneOutput_OverwriteNeedsVisibilityRun(t *testing.T) {
	_, err := pipeline.Parse("s", []byte(head+"sink: { parquet: { uri: out, mode: overwrite } }\npolicies: { visibility: file }\n"))
	require.ErrorContains(t, err, "visibility: run")
}

// Rule 24: rows of one partition come from all over the source.
func TestRule24PreserveOrder_RefusedWithPartitions(t *testing.T) {
	_, err := pipeline.Compile(parse(t, head+"sink: { parquet: { uri: out, preserve_order: true, partition_by: [country] } }\n"), customers)
	require.ErrorContains(t, err, "preserve_order")
}

func TestExplain(t *testing.T) {
	p := compile(t, `stages:
  - name: refine
    transform:
      - filter: "amount > 20.0"
      - with: { eur: "amount * 0.92" }
      - mask: { column: email, method: sha256 }
      - mask: { column: country, method: keep_last, n: 1 }
      - drop: [tags]
    workers: { min: 2, max: 8 }
  - name: score
    external: { columns: { score: float64 } }
`)
	var b bytes.Buffer
	require.NoError(t, pipeline.Explain(&b, p, pipeline.Facts{
		Files: 4, RowGroups: 16, Tasks: 4, Blocks: 28, Rows: 1_000_000, Bytes: 45 << 20, PrunedRows: 65_536, PrunedGroups: 1, BlockBytes: 4 << 20, EdgeBytes: 256 << 20,
	}))
	golden(t, "testdata/explain.txt", b.String())
}

// Every field that the parser knows is in the reference.
func TestReferenceNamesEveryField(t *testing.T) {
	page, err := os.ReadFile("../../docs/pipeline.md")
	require.NoError(t, err)
	for _, field := range pipeline.Fields() {
		require.Contains(t, string(page), "`"+field+"`")
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/errors/*.yaml")
	require.NoError(f, err)
	for _, path := range files {
		data, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte(head + tail))
	f.Fuzz(func(t *testing.T, data []byte) {
		d := pipeline.Draft("fuzz", data, &pipeline.Vars{Set: map[string]string{"A": "1"}})
		_ = d.Errs.Pretty()
		if d.Spec == nil {
			return
		}
		_ = d.Spec.Hash()
		p, err := pipeline.Compile(d.Spec, customers)
		if err != nil {
			_ = err.Error()
			return
		}
		if _, err := pipeline.Lint(d.Spec, p.Needed, pipeline.LintFacts{}); err != nil {
			t.Fatal(err)
		}
	})
}
