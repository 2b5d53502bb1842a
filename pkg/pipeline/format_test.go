package pipeline_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/pipeline"
)

func TestFormat(t *testing.T) {
	for path, data := range specs(t, "testdata/format/*.yaml") {
		out, err := pipeline.Format(filepath.Base(path), data)
		require.NoError(t, err)
		golden(t, strings.TrimSuffix(path, ".yaml")+".txt", string(out))
		again, err := pipeline.Format(path, out)
		require.NoError(t, err)
		require.Equal(t, string(out), string(again), "formatted once is formatted")
	}
}

// Formatting changes nothing that a spec says, and formatted twice is formatted once.
func TestFormatKeepsTheMeaning(t *testing.T) {
	n := 0
	for _, pattern := range []string{"testdata/good/*.yaml", "testdata/errors/*.yaml", "../../examples/*.yaml"} {
		for path, data := range specs(t, pattern) {
			out, err := pipeline.Format(path, data)
			if err != nil {
				_, perr := pipeline.Parse(path, data)
				require.NotContains(t, path, "_test.yaml")
				require.Error(t, perr, "%s: a good spec can be formatted: %v", path, err)
				continue
			}
			n++
			again, err := pipeline.Format(path, out)
			require.NoError(t, err, path)
			require.Equal(t, string(out), string(again), path)
			if s, err := pipeline.Parse(path, data); err == nil {
				require.Equal(t, s.Hash(), parse(t, string(out)).Hash(), path)
			}
		}
	}
	require.Greater(t, n, 10)
}

func TestExamplesAreFormatted(t *testing.T) {
	for path, data := range specs(t, "../../examples/*.yaml") {
		out, err := pipeline.Format(path, data)
		require.NoError(t, err)
		require.Equal(t, string(data), string(out), path)
	}
}

// A comment where it would be lost is an error, never lost.
func TestFormatRefusesToLoseComments(t *testing.T) {
	for _, text := range []string{
		"a: [1, # one\n  2]\n", "a: { b: 1, # one\n  c: 2 }\n", "a: [\n  # one\n  1]\n", "a: | # text\n  x\n", "a: # one\n  # two\n  [1]\n", "? a # key\n: b\n",
	} {
		out, err := pipeline.Format("x", []byte(text))
		if err == nil {
			require.Equal(t, strings.Count(text, "#"), strings.Count(string(out), "#"), "%s became\n%s", text, out)
		}
	}
	_, err := pipeline.Format("x.yaml", []byte("a: [1, # one\n  2]\n"))
	require.ErrorContains(t, err, "x.yaml:1:8")
	require.ErrorContains(t, err, "comment would be lost")
	_, err = pipeline.Format("x.yaml", []byte("a: [\n"))
	require.ErrorContains(t, err, "x.yaml:")
	require.ErrorContains(t, err, "mend the YAML")
}

// Any YAML with comments anywhere comes out with the same meaning, the same comments, and
// unchanged the next time, or is refused.
func TestFormatOfAnything(t *testing.T) {
	formatted := 0
	scalar := rapid.SampledFrom([]string{"a", "1", "true", "x y", "it's", "a#b", "# no", "a: b", "", " ", "-", "a\nb", "é", "*", "&x", "0x1", "~", `"`, `\`, "{", "a,b", "null"})
	remark := rapid.SampledFrom([]string{"", "", "", "", "# remark", "# one\n# two"})
	var node func(t *rapid.T, depth int) *yaml.Node
	node = func(t *rapid.T, depth int) *yaml.Node {
		kind := rapid.IntRange(0, 4).Draw(t, "kind")
		if depth > 3 || kind < 2 {
			n := &yaml.Node{}
			n.SetString(scalar.Draw(t, "scalar"))
			n.Style |= rapid.SampledFrom([]yaml.Style{0, 0, yaml.DoubleQuotedStyle, yaml.SingleQuotedStyle, yaml.LiteralStyle}).Draw(t, "style")
			n.LineComment = strings.SplitN(remark.Draw(t, "beside"), "\n", 2)[0]
			return n
		}
		n := &yaml.Node{Kind: yaml.SequenceNode, Style: rapid.SampledFrom([]yaml.Style{0, 0, yaml.FlowStyle}).Draw(t, "flow")}
		if kind > 2 {
			n.Kind = yaml.MappingNode
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "items") {
			if n.Kind == yaml.MappingNode {
				key := &yaml.Node{HeadComment: remark.Draw(t, "above"), FootComment: remark.Draw(t, "below")}
				key.SetString(fmt.Sprintf("k%d", i))
				n.Content = append(n.Content, key)
			}
			n.Content = append(n.Content, node(t, depth+1))
		}
		return n
	}
	rapid.Check(t, func(t *rapid.T) {
		root := &yaml.Node{Kind: yaml.MappingNode}
		key := &yaml.Node{}
		key.SetString("root")
		root.Content = []*yaml.Node{key, node(t, 0)}
		data, err := yaml.Marshal(root)
		if err != nil {
			t.Skip(err)
		}
		var want any
		if yaml.Unmarshal(data, &want) != nil {
			t.Skip("the YAML library does not read what it writes")
		}
		out, err := pipeline.Format("x", data)
		if err != nil {
			return
		}
		formatted++
		var got any
		if err := yaml.Unmarshal(out, &got); err != nil {
			t.Fatalf("%v\n%s\nbecame\n%s", err, data, out)
		}
		if fmt.Sprintf("%#v", got) != fmt.Sprintf("%#v", want) {
			t.Fatalf("another meaning:\n%s\nbecame\n%s", data, out)
		}
		again, err := pipeline.Format("x", out)
		if err != nil || !bytes.Equal(out, again) {
			t.Fatalf("formatted twice is something else (%v):\n%s\nbecame\n%s\nand then\n%s", err, data, out, again)
		}
	})
	require.Positive(t, formatted)
}

func FuzzFormat(f *testing.F) {
	for _, data := range specs(f, "testdata/format/*.yaml") {
		f.Add(data)
	}
	more, err := os.ReadFile("testdata/good/everything.yaml")
	require.NoError(f, err)
	f.Add(more)
	f.Add([]byte("a: |+\n  x\n\n# c\nb: [1, # d\n 2]\n"))
	f.Add([]byte("a: |+\n\n  \n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		out, err := pipeline.Format("fuzz", data)
		if err != nil {
			return
		}
		var a, b any
		if yaml.Unmarshal(data, &a) == nil {
			if err := yaml.Unmarshal(out, &b); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	})
}
