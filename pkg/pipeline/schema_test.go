package pipeline_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/pkg/pipeline"
)

// The schemas that editors fetch are those that the parser draws.
func TestSchemaIsGenerated(t *testing.T) {
	golden(t, "../../docs/pipeline.schema.json", string(pipeline.Schema()))
	golden(t, "../../docs/pipeline_test.schema.json", string(pipeline.TestSchema()))
}

func TestEveryFieldIsDescribedInTheSchema(t *testing.T) {
	var bare []string
	for _, drawn := range [][]byte{pipeline.Schema(), pipeline.TestSchema()} {
		var schema any
		require.NoError(t, json.Unmarshal(drawn, &schema))
		eachField(schema, "", func(path string, field map[string]any) {
			if field["description"] == nil {
				bare = append(bare, path)
			}
		})
	}
	require.Empty(t, bare, "give each a line in describe.go")
}

// eachField calls f with every field of a schema.
func eachField(s any, path string, f func(path string, field map[string]any)) {
	switch s := s.(type) {
	case []any:
		for _, e := range s {
			eachField(e, path, f)
		}
	case map[string]any:
		props, _ := s["properties"].(map[string]any)
		for name, p := range props {
			if p, ok := p.(map[string]any); ok && s["type"] == "object" {
				f(path+"."+name, p)
				eachField(p, path+"."+name, f)
			}
		}
		for _, key := range []string{"anyOf", "items"} {
			eachField(s[key], path, f)
		}
	}
}

// judge validates texts by a schema as an editor does.
func judge(t testing.TB, id string, drawn []byte) func(data []byte) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(drawn))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource(id, doc))
	schema, err := c.Compile(id)
	require.NoError(t, err)
	return func(data []byte) error {
		var v any
		if err := yaml.Unmarshal(data, &v); err != nil {
			return err
		}
		text, err := json.Marshal(v)
		if err != nil {
			return err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(doc)
	}
}

// onlyParser are the faults that a schema cannot say: what depends on another field's
// value, on a unit, or on what names mean.
var onlyParser = regexp.MustCompile(strings.Join([]string{
	`is taken`, `is reserved`, `names no bucket`, `begins like a URL`, `more than one document`, `is not absolute`, `scheme .* is not supported`, `less than`, `is not from .* to`, `is repeated`,
	`needs visibility: run`, `is not a size`, `must be a whole number from`, `must be a number from`, `is not a URL`, `must not be empty`,
}, "|"))

func specs(t testing.TB, pattern string) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(pattern)
	require.NoError(t, err)
	require.NotEmpty(t, files)
	out := map[string][]byte{}
	for _, path := range files {
		out[path], err = os.ReadFile(path)
		require.NoError(t, err)
	}
	return out
}

func TestSchemaTakesWhatTheParserTakes(t *testing.T) {
	validate := judge(t, pipeline.SchemaID, pipeline.Schema())
	used := map[string]bool{}
	for _, pattern := range []string{"testdata/good/*.yaml", "../../examples/*.yaml"} {
		for path, data := range specs(t, pattern) {
			if strings.HasSuffix(path, "_test.yaml") {
				continue // cases
			}
			_, err := pipeline.Parse(path, data)
			require.NoError(t, err)
			require.NoError(t, validate(data), path)
			for _, field := range pipeline.Fields() {
				used[field] = used[field] || regexp.MustCompile(`\b`+field+`:`).Match(data)
			}
		}
	}
	for field, ok := range used {
		require.True(t, ok, "no good spec has the field %s: add it to testdata/good", field)
	}
	for path, data := range specs(t, "testdata/errors/*.yaml") {
		if strings.Contains(path, "variables") {
			continue // right in an editor, which does not know their values
		}
		if _, err := pipeline.Parse(path, data); err == nil {
			require.NoError(t, validate(data), path) // wrong by the source's columns
		} else {
			require.Error(t, validate(data), path)
		}
	}
}

// Each value of each good spec is replaced by others, left out, or given a neighbour:
// parser and schema agree on every one of them, but for what only the parser can know.
func TestSchemaAgreesWithTheParserOnMutants(t *testing.T) {
	rounds.Alone(t)
	validate := judge(t, pipeline.SchemaID, pipeline.Schema())
	mutants, good, alone := 0, 0, 0
	for path, data := range specs(t, "testdata/good/*.yaml") {
		for name, text := range mutantsOf(t, data) {
			var parsed error
			if d := pipeline.Draft("mutant.yaml", text, nil); len(d.Errs) > 0 {
				parsed = d.Errs
				if d.Spec != nil { // what is wrong with it never makes the compiler fall over
					_, err := pipeline.Compile(d.Spec, customers)
					require.Error(t, err)
				}
			}
			judged := validate(text)
			mutants++
			switch {
			case parsed == nil:
				good++
				require.NoError(t, judged, "%s, %s: the parser takes it\n%s", path, name, text)
			case judged == nil:
				alone++
				require.Regexp(t, onlyParser, parsed.Error(), "%s, %s: only the parser refuses it\n%s", path, name, text)
			}
		}
	}
	require.Greater(t, mutants, 1000)
	require.Greater(t, good, 100)
	t.Logf("counted: %d mutants of specs: %d good to both, %d bad to both, %d bad to the parser alone", mutants, good, mutants-good-alone, alone)
}

// mutantsOf makes texts that differ from a good one in one place.
func mutantsOf(t *testing.T, data []byte) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(data, &doc))
	emit := func(name string) {
		text, err := yaml.Marshal(&doc)
		require.NoError(t, err)
		out[name] = text
	}
	values := []string{"null", `""`, "text", "-1", "1.5", `"10"`, "10MiB", "5s", "true", "[]", "{}", "[a]", "{a: b}"}
	var walk func(n *yaml.Node, path string)
	walk = func(n *yaml.Node, path string) {
		was := *n
		for _, v := range values {
			var other yaml.Node
			require.NoError(t, yaml.Unmarshal([]byte(v), &other))
			*n = *other.Content[0]
			emit(path + " is " + v)
		}
		*n = was
		switch n.Kind { //nolint:exhaustive // the others have no parts
		case yaml.MappingNode:
			n.Content = append(append([]*yaml.Node{}, was.Content...), &yaml.Node{Kind: yaml.ScalarNode, Value: "strange"}, &yaml.Node{Kind: yaml.ScalarNode, Value: "x"})
			emit(path + " has a strange field")
			for i := 0; i < len(was.Content); i += 2 {
				n.Content = append(append([]*yaml.Node{}, was.Content[:i]...), was.Content[i+2:]...)
				emit(fmt.Sprintf("%s lacks %s", path, was.Content[i].Value))
			}
			n.Content = was.Content
			for i := 0; i < len(was.Content); i += 2 {
				walk(was.Content[i+1], path+"."+was.Content[i].Value)
			}
		case yaml.SequenceNode:
			for i, c := range was.Content {
				n.Content = append(append([]*yaml.Node{}, was.Content[:i]...), was.Content[i+1:]...)
				emit(fmt.Sprintf("%s lacks its item %d", path, i))
				n.Content = was.Content
				walk(c, fmt.Sprintf("%s[%d]", path, i))
			}
		}
	}
	walk(doc.Content[0], "")
	return out
}

// onlyTestParser are the faults of a file of cases that a schema cannot say.
var onlyTestParser = regexp.MustCompile(`is there twice|must be a whole number from|must not be empty`)

// The same of files of cases: those that there are, and what mutants make of one with every
// field.
func TestTestSchemaAgreesWithTheParser(t *testing.T) {
	validate := judge(t, pipeline.TestSchemaID, pipeline.TestSchema())
	for _, pattern := range []string{"testdata/cases/*_test.yaml", "../../examples/*_test.yaml"} {
		for path, data := range specs(t, pattern) {
			_, err := pipeline.ParseTest(path, data)
			require.NoError(t, err)
			require.NoError(t, validate(data), path)
		}
	}
	every := specs(t, "testdata/cases/everything_test.yaml")["testdata/cases/everything_test.yaml"]
	var drawn any
	require.NoError(t, json.Unmarshal(pipeline.TestSchema(), &drawn))
	eachField(drawn, "", func(path string, _ map[string]any) {
		field := path[strings.LastIndex(path, ".")+1:]
		require.Regexp(t, `\b`+field+`:`, string(every), "%s: add it to testdata/cases/everything_test.yaml", path)
	})
	mutants, good, alone := 0, 0, 0
	for name, text := range mutantsOf(t, every) {
		_, parsed := pipeline.ParseTest("mutant_test.yaml", text)
		judged := validate(text)
		mutants++
		switch {
		case parsed == nil:
			good++
			require.NoError(t, judged, "%s: the parser takes it\n%s", name, text)
		case judged == nil:
			alone++
			require.Regexp(t, onlyTestParser, parsed.Error(), "%s: only the parser refuses it\n%s", name, text)
		}
	}
	require.Greater(t, mutants, 500)
	require.Greater(t, good, 100)
	t.Logf("counted: %d mutants of files of cases: %d good to both, %d bad to both, %d bad to the parser alone", mutants, good, mutants-good-alone, alone)
}

// In an editor a variable may stand in the place of any value.
func TestSchemaTakesVariables(t *testing.T) {
	validate := judge(t, pipeline.SchemaID, pipeline.Schema())
	data := specs(t, "testdata/good/everything.yaml")["testdata/good/everything.yaml"]
	var doc yaml.Node
	require.NoError(t, yaml.Unmarshal(data, &doc))
	n := 0
	var walk func(n *yaml.Node, key string)
	walk = func(node *yaml.Node, key string) {
		if node.Kind == yaml.ScalarNode && key != "apiVersion" && key != "method" && key != "codec" && key != "sse" {
			node.SetString("${SOMETHING}")
			n++
		}
		for i, c := range node.Content {
			if node.Kind == yaml.MappingNode && i%2 == 0 {
				continue
			}
			if node.Kind == yaml.MappingNode {
				walk(c, node.Content[i-1].Value)
			} else {
				walk(c, key)
			}
		}
	}
	walk(&doc, "")
	text, err := yaml.Marshal(&doc)
	require.NoError(t, err)
	require.NoError(t, validate(text))
	require.Greater(t, n, 40)
}
