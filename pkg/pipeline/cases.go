package pipeline

import (
	"encoding/json"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// TestFile is a file of cases for a pipeline: rows in, and what must become of them.
type TestFile struct {
	Pipeline string            // path of the spec, relative to the file
	Set      map[string]string // of variables
	Columns  []TestColumn      // of the source; empty: those that its files have
	Cases    []TestCase

	spec *Spec // for places
}

// TestColumn is a column of the source, for a test.
type TestColumn struct {
	Name, Type string
	Place      Place
}

// TestCase is one case. It has Out, or Error.
type TestCase struct {
	Name    string
	Place   Place
	Stage   string       // only this one is run; "": all of them
	Columns []TestColumn // replace and add to those of the file
	In      []TestRow
	Out     []TestRow // the rows that come out, in order
	Dead    []TestDead
	Error   string // part of what is wrong with the pipeline for these columns; "": nothing is
}

// TestRow is a row: the columns that it names.
type TestRow struct {
	Place  Place
	Values []TestValue
}

// TestValue is the value of a column.
type TestValue struct {
	Column string
	Place  Place
	Null   bool
	Scalar bool
	Text   string // of a scalar, as it is written
	JSON   []byte // of any value
}

// TestDead is a row that must fail.
type TestDead struct {
	Place    Place
	Row      int64  // of In, from 0
	Operator string // "refine/with[0]"; "": any
	Reason   string // part of it; "": any
}

// Place is a place in a file, both from 1.
type Place struct{ Line, Column int }

func placeOf(n *yaml.Node) Place { return Place{n.Line, n.Column} }

// ErrorAt makes an error at a place of the file.
func (f *TestFile) ErrorAt(at Place, hint, format string, args ...any) *Error {
	return &Error{File: f.spec.file, Line: at.Line, Column: at.Column, Msg: fmt.Sprintf(format, args...), Hint: hint, source: f.spec.line(at.Line)}
}

// ParseTest reads a file of cases. The error is an [Errors].
func ParseTest(name string, data []byte) (*TestFile, error) {
	p := &parser{spec: &Spec{file: name}}
	if len(data) > maxSpec {
		return nil, Errors{{File: name, Msg: fmt.Sprintf("the file has %d bytes, more than %d", len(data), maxSpec), Hint: "write the cases into several files"}}
	}
	p.spec.lines = strings.Split(string(data), "\n")
	root, wrong := p.document(data)
	if wrong != nil {
		wrong.Hint = strings.ReplaceAll(wrong.Hint, "apiVersion: "+APIVersion, "pipeline: FILE")
		return nil, Errors{wrong}
	}
	f := &TestFile{Set: map[string]string{}, spec: p.spec}
	p.testFile(root, f)
	names := map[string]int{}
	for _, c := range f.Cases {
		if line := names[c.Name]; line > 0 && c.Name != "" {
			p.errs = append(p.errs, f.ErrorAt(c.Place, fmt.Sprintf("it is used in line %d: choose another", line), "case %q is there twice", c.Name))
		}
		names[c.Name] = c.Place.Line
	}
	if len(p.errs) > 0 {
		return nil, p.errs.sorted()
	}
	return f, nil
}

func (p *parser) testFile(n *yaml.Node, f *TestFile) {
	seen := p.fields(n, "", map[string]func(*yaml.Node, string){
		"pipeline": func(n *yaml.Node, path string) { p.text(n, path, &f.Pipeline) },
		"set": func(n *yaml.Node, path string) {
			p.pairs(n, path, func(key, val *yaml.Node) {
				var v string
				p.text(val, join(path, key.Value), &v)
				f.Set[key.Value] = v
			})
		},
		"columns": func(n *yaml.Node, path string) { f.Columns = p.testColumns(n, path) },
		"cases": func(n *yaml.Node, path string) {
			p.list(n, path, 1, "begin each case with - name:", "cases", func(n *yaml.Node, path string) {
				f.Cases = append(f.Cases, p.testCase(n, path))
			})
		},
	})
	p.need(n, "", seen, "pipeline", "name the spec, relative to this file")
	p.need(n, "", seen, "cases", "write cases: and a list of them")
}

func (p *parser) testColumns(n *yaml.Node, path string) []TestColumn {
	var cols []TestColumn
	p.pairs(n, path, func(key, val *yaml.Node) {
		c := TestColumn{Name: key.Value, Place: placeOf(val)}
		p.text(val, join(path, key.Value), &c.Type)
		cols = append(cols, c)
	})
	return cols
}

func (p *parser) testCase(n *yaml.Node, path string) TestCase {
	c := TestCase{Place: placeOf(n)}
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"name":    func(n *yaml.Node, path string) { p.text(n, path, &c.Name) },
		"stage":   func(n *yaml.Node, path string) { p.text(n, path, &c.Stage) },
		"columns": func(n *yaml.Node, path string) { c.Columns = p.testColumns(n, path) },
		"in":      func(n *yaml.Node, path string) { c.In = p.testRows(n, path) },
		"out":     func(n *yaml.Node, path string) { c.Out = p.testRows(n, path) },
		"error":   func(n *yaml.Node, path string) { p.text(n, path, &c.Error) },
		"dead": func(n *yaml.Node, path string) {
			p.list(n, path, 0, "write - { row: 0, operator: refine/with[0], reason: overflow }", "dead rows", func(n *yaml.Node, path string) {
				d := TestDead{Place: placeOf(n)}
				seen := p.fields(n, path, map[string]func(*yaml.Node, string){
					"row":      func(n *yaml.Node, path string) { p.number(n, path, 0, 1<<31, &d.Row) },
					"operator": func(n *yaml.Node, path string) { p.text(n, path, &d.Operator) },
					"reason":   func(n *yaml.Node, path string) { p.text(n, path, &d.Reason) },
				})
				p.need(n, path, seen, "row", "say which row of in, from 0")
				c.Dead = append(c.Dead, d)
			})
		},
	})
	p.need(n, path, seen, "name", "say in a few words what must hold")
	p.one(n, path, seen, "write out: and the rows that must come out ([] for none), or error: and a part of its text", "a case has either rows out or an error", "out", "error")
	if p.draw != nil {
		of := object{"anyOf": []any{object{"required": []string{"in"}}, object{"required": []string{"dead"}}, object{"required": []string{"stage"}}}}
		p.draw.rule(object{"if": object{"required": []string{"error"}}, "then": object{"not": of}, "else": object{"required": []string{"in"}}})
		return c
	}
	if seen["error"] != nil {
		for _, field := range []string{"in", "dead", "stage"} {
			if key := seen[field]; key != nil {
				p.fail(key, join(path, field), "leave it out", "a pipeline with an error takes no rows")
			}
		}
	} else {
		p.need(n, path, seen, "in", "write in: and the rows that go in ([] for none)")
	}
	return c
}

func (p *parser) testRows(n *yaml.Node, path string) []TestRow {
	rows := []TestRow{}
	p.list(n, path, 0, "write - { column: value }", "rows", func(n *yaml.Node, path string) {
		if p.draw != nil {
			p.draw.put(object{"type": "object"}) // what a value may be depends on its column
			return
		}
		r := TestRow{Place: placeOf(n)}
		if m := target(n); m.Kind == yaml.MappingNode && len(m.Content) == 0 {
			rows = append(rows, r) // all null, or nothing to compare
			return
		}
		p.pairs(n, path, func(key, val *yaml.Node) {
			val = target(val)
			v := TestValue{Column: key.Value, Place: placeOf(val), Null: val.ShortTag() == "!!null", Scalar: val.Kind == yaml.ScalarNode, Text: val.Value}
			left := maxValue
			if parts := jsonOf(val, &left); left >= 0 {
				v.JSON, _ = json.Marshal(parts) // of texts, numbers, lists and mappings
			} else {
				p.fail(val, join(path, key.Value), "write a smaller one, and no alias inside its own anchor", "the value has more than %d parts", maxValue)
			}
			r.Values = append(r.Values, v)
		})
		rows = append(rows, r)
	})
	return rows
}

// maxValue bounds the parts of a value of a case: aliases can make a small text a large value,
// or one without an end.
const maxValue = 10_000

// jsonOf is a YAML value as JSON has it. Numbers keep their digits; times are text. It takes
// from left what it makes, and stops when nothing is.
func jsonOf(n *yaml.Node, left *int) any {
	n = target(n)
	if *left--; *left < 0 {
		return nil
	}
	switch n.Kind { //nolint:exhaustive // the others are scalars
	case yaml.MappingNode:
		m := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			m[n.Content[i].Value] = jsonOf(n.Content[i+1], left)
		}
		return m
	case yaml.SequenceNode:
		l := make([]any, len(n.Content))
		for i, c := range n.Content {
			l[i] = jsonOf(c, left)
		}
		return l
	}
	switch n.ShortTag() {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
	}
	return n.Value
}
