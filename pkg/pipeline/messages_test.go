package pipeline_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every message that the package can make about a spec is in a golden file, with its place
// and its remedy.
func TestEveryMessageHasAGoldenFile(t *testing.T) {
	var golden strings.Builder
	for _, pattern := range []string{"testdata/errors/*.txt", "testdata/cases/*.txt"} {
		for _, text := range specs(t, pattern) {
			golden.Write(text)
		}
	}
	said := map[string]bool{}
	for line := range strings.Lines(golden.String()) {
		if text, ok := strings.CutPrefix(line, "error: "); ok {
			said[strings.TrimSuffix(text, "\n")] = true
		}
	}
	all := messages(t)
	for _, m := range all {
		pattern := regexp.MustCompile("^" + verb.ReplaceAllString(regexp.QuoteMeta(m.text), "(?s:.*)") + "$")
		found := false
		for text := range said {
			found = found || pattern.MatchString(text)
		}
		if _, never := unreachable[m.text]; !found && !never {
			t.Errorf("%s: no file in testdata/errors or testdata/cases has %q", m.place, m.text)
		}
	}
	require.Greater(t, len(all), 70)
	t.Logf("counted: %d messages of specs, %d golden texts", len(all), len(said))
}

// unreachable are messages for what the libraries beneath do not do.
var unreachable = map[string]string{
	"with the values of its variables the spec is no YAML: %s": "yaml writes whatever tree it has read",
}

// verb is one of a format, as QuoteMeta leaves it.
var verb = regexp.MustCompile(`%[a-z]`)

type message struct {
	text  string // the format
	place string
}

// messages are the formats of all calls that make an error about a place in a spec.
func messages(t *testing.T) []message {
	t.Helper()
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	var all []message
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "lint.go" || name == "format.go" { // they have golden files of their own
			continue
		}
		source, err := os.ReadFile(name)
		require.NoError(t, err)
		file, err := parser.ParseFile(set, name, source, 0)
		require.NoError(t, err)
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			var name string
			switch f := call.Fun.(type) {
			case *ast.SelectorExpr:
				name = f.Sel.Name
			case *ast.Ident:
				name = f.Name
			}
			at, makes := map[string]int{"fail": 3, "errorAt": 3, "ErrorAt": 2, "report": 1}[name]
			if !makes || len(call.Args) <= at {
				return true
			}
			place := set.Position(call.Pos()).String()
			switch format := call.Args[at].(type) {
			case *ast.BasicLit:
				text, err := strconv.Unquote(format.Value)
				require.NoError(t, err)
				all = append(all, message{text, place})
			case *ast.Ident:
				require.Equal(t, "format", format.Name, "%s: a format that is made cannot be looked for", place) // it is passed on
			default:
				require.Fail(t, "a format that is made cannot be looked for", place)
			}
			return true
		})
	}
	return all
}
