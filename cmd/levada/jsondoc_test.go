package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite docs/json.md")

const module = "github.com/levada-data/levada/"

// shapes are what commands print with --json: the command, and the type that it is, [] before
// it for a list. docs/json.md has the fields of each, from the Go source.
var shapes = []struct{ command, pkg, name, says string }{
	{"levada run, resume", "internal/cli/report", "Ending", "How a run ended. `levada run` and `levada resume` print it at the end of the run, whatever the exit code."},
	{"levada stats", "pkg/flow", "Summary", "What a run has done: rows by its ledger, exactly; times, bytes and waits by the reports of its instances."},
	{"levada status", "internal/cli/report", "Standing", "Where a run stands."},
	{"levada runs", "internal/cli/report", "[]Line", "The runs, the oldest first."},
	{"levada top --once", "cmd/levada", "[]topRun", "The runs with the reports of their instances."},
	{"levada scale --suggest", "internal/cli/suggest", "Suggestion", "How a run would be faster, and why."},
	{"levada tap --stats --format json", "internal/cli/traffic", "Flow", "What passed in a second: one object a line, for each stage."},
	{"levada submit, cancel", "cmd/levada", "submitted", "The run that was submitted, or was cancelled."},
	{"levada gc", "internal/cli/report", "[]Garbage", "What was removed, or with `--dry-run` would be, a run each."},
	{"levada validate, explain", "cmd/levada", "pipelineFacts", "What a pipeline is. With errors it is printed too, and the exit code is 2. Only `explain` has a `plan`."},
	{"levada lint", "cmd/levada", "findings", "What could be better in a pipeline; the exit code is 1 with a warning."},
	{"levada test", "cmd/levada", "tested", "How the cases of test files ended; the exit code is 1 when one fails."},
	{"levada inspect", "cmd/levada", "inspection", "What is in a Parquet file: an object for each file."},
	{"levada diff", "internal/compare", "Result", "In what two data sets differ; the exit code is 1 then."},
	{"levada verify", "internal/verify", "Report", "An output held against its manifests; the exit code is 1 when something is wrong."},
	{"levada generate customers", "cmd/levada", "generated", "The files that were made."},
	{"levada version", "cmd/levada", "versionFacts", "The version, and those of the formats that this levada speaks."},
}

const jsonHead = "# JSON\n\n" + `What commands print with ` + "`--json`" + `, for programs. Made from the Go source by ` + "`make golden`" + `; a test holds the two equal.

- Each shape has its version in ` + "`v`" + `, in a list each item has it. The number goes up when a field goes or changes its meaning; fields may be
  added within a version, so ignore those that you do not know.
- Only the shape is printed to stdout, indented, and nothing else; notes and errors go to stderr. The exit code is the same as without ` + "`--json`" + `.
- A field marked *or absent* is left out when it is empty, zero or unknown. Times are RFC 3339 in UTC, durations whole nanoseconds (` + "`_ns`" + `), sizes bytes.
- ` + "`levada tap --format json`" + ` prints rows, an object a line, in the columns of the data: it has no version. ` + "`levada manifest --json`" + ` prints the
  manifest as it stands in the sink: [manifest.md](manifest.md). ` + "`levada inspect --json`" + ` of several files prints one object after the other.
- Places are of the source: a row number counts from the first of a file, from 0.
`

func TestJSONIsDocumented(t *testing.T) {
	d := &jsonDoc{t: t, packages: map[string]*sourcePackage{}}
	var b strings.Builder
	b.WriteString(jsonHead)
	for _, s := range shapes {
		name, list := strings.CutPrefix(s.name, "[]")
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.command, s.says)
		if list {
			b.WriteString("A list; each item:\n")
		}
		d.table(&b, s.pkg, name)
	}
	b.WriteString("\n## Types\n")
	for i := 0; i < len(d.types); i++ { // their tables name more
		fmt.Fprintf(&b, "\n### %s\n", d.types[i].name)
		d.table(&b, d.types[i].dir, d.types[i].name)
	}
	file := filepath.Join("..", "..", "docs", "json.md")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(b.String()), 0o600))
	}
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, b.String(), string(have), "docs/json.md is not what the source says: make golden")
}

// jsonDoc reads types from source.
type jsonDoc struct {
	t        *testing.T
	packages map[string]*sourcePackage
	types    []shapeType // that the shapes are made of, as they were met
}

type shapeType struct{ dir, name string }

type sourcePackage struct {
	types   map[string]ast.Expr
	imports map[string]map[string]string // of the file of a type: name to path
}

func (d *jsonDoc) load(dir string) *sourcePackage {
	d.t.Helper()
	if p := d.packages[dir]; p != nil {
		return p
	}
	p := &sourcePackage{types: map[string]ast.Expr{}, imports: map[string]map[string]string{}}
	files, err := filepath.Glob(filepath.Join("..", "..", filepath.FromSlash(dir), "*.go"))
	require.NoError(d.t, err)
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		require.NoError(d.t, err)
		imports := map[string]string{}
		for _, i := range f.Imports {
			at, _ := strconv.Unquote(i.Path.Value)
			name := path.Base(at)
			if i.Name != nil {
				name = i.Name.Name
			}
			imports[name] = at
		}
		for _, decl := range f.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				if ts, ok := spec.(*ast.TypeSpec); ok {
					p.types[ts.Name.Name], p.imports[ts.Name.Name] = ts.Type, imports
				}
			}
		}
	}
	d.packages[dir] = p
	return p
}

// table writes the fields of a struct.
func (d *jsonDoc) table(b *strings.Builder, dir, name string) {
	d.t.Helper()
	b.WriteString("\n| field | type | what |\n|---|---|---|\n")
	d.fields(dir, name, func(in shapeType, field string, typ ast.Expr, optional bool, doc string) {
		text := d.typeText(in.dir, in.name, typ)
		if optional {
			text += ", or absent"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s |\n", field, text, strings.ReplaceAll(doc, "|", "\\|"))
	})
}

// link names a type that has a table of its own.
func (d *jsonDoc) link(t shapeType) string {
	d.t.Helper()
	if !slices.Contains(d.types, t) {
		for _, o := range d.types {
			require.NotEqual(d.t, strings.ToLower(o.name), strings.ToLower(t.name), "two types of one name: in %s and %s", o.dir, t.dir)
		}
		d.types = append(d.types, t)
	}
	return fmt.Sprintf("[%s](#%s)", t.name, strings.ToLower(t.name))
}

// fields calls f with each field of a struct that JSON has, those of embedded ones in their place.
func (d *jsonDoc) fields(dir, name string, f func(in shapeType, field string, typ ast.Expr, optional bool, doc string)) {
	d.t.Helper()
	p := d.load(dir)
	s, ok := p.types[name].(*ast.StructType)
	require.True(d.t, ok, "%s.%s is no struct", dir, name)
	for _, fd := range s.Fields.List {
		if len(fd.Names) == 0 {
			at, ref := d.resolve(dir, name, fd.Type)
			d.fields(at, ref, f)
			continue
		}
		if !fd.Names[0].IsExported() {
			continue
		}
		require.NotNil(d.t, fd.Tag, "%s.%s.%s has no name in JSON", dir, name, fd.Names[0])
		raw, _ := strconv.Unquote(fd.Tag.Value)
		tag, options, _ := strings.Cut(reflect.StructTag(raw).Get("json"), ",")
		if tag == "-" {
			continue
		}
		require.NotEmpty(d.t, tag, "%s.%s.%s", dir, name, fd.Names[0])
		doc := strings.TrimSpace(fd.Comment.Text())
		if doc == "" {
			doc = strings.TrimSpace(fd.Doc.Text())
		}
		f(shapeType{dir, name}, tag, fd.Type, strings.Contains(options, "omit"), strings.Join(strings.Fields(doc), " "))
	}
}

// resolve is the package and the name of a type that is named in one.
func (d *jsonDoc) resolve(dir, in string, typ ast.Expr) (at, name string) {
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return d.resolve(dir, in, typ.X)
	case *ast.Ident:
		return dir, typ.Name
	case *ast.SelectorExpr:
		p := d.load(dir).imports[in][typ.X.(*ast.Ident).Name]
		if rest, ok := strings.CutPrefix(p, module); ok {
			return rest, typ.Sel.Name
		}
		return p, typ.Sel.Name
	}
	return "", ""
}

// typeText says what a field of a type is in JSON.
func (d *jsonDoc) typeText(dir, in string, typ ast.Expr) string {
	d.t.Helper()
	switch typ := typ.(type) {
	case *ast.StarExpr:
		return d.typeText(dir, in, typ.X)
	case *ast.ArrayType:
		return "list of " + d.typeText(dir, in, typ.Elt)
	case *ast.MapType:
		return "object of " + d.typeText(dir, in, typ.Value)
	}
	at, name := d.resolve(dir, in, typ)
	switch {
	case at == "time" && name == "Time":
		return "time"
	case at == "time" && name == "Duration":
		return "duration"
	case at == "encoding/json" && name == "RawMessage":
		return "object"
	case name == "string":
		return "text"
	case name == "bool":
		return "true or false"
	case name == "any":
		return "number, text, or true or false"
	case strings.HasPrefix(name, "int"), strings.HasPrefix(name, "uint"), strings.HasPrefix(name, "float"):
		return "number"
	}
	of, ok := d.load(at).types[name]
	require.True(d.t, ok, "%s.%s: there is no type %s.%s", dir, in, at, name)
	if _, ok := of.(*ast.StructType); ok {
		return d.link(shapeType{at, name})
	}
	return d.typeText(at, name, of)
}
