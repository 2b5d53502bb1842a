package pipeline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// SchemaID is where the schema of this version of specs is to be found.
const SchemaID = "https://levada-data.github.io/levada/v1/pipeline.schema.json"

// Schema returns the JSON Schema (draft 7) of a spec, for editors. It is drawn by the
// parser itself, which walks all of its fields without a text: what the parser takes is
// valid. What the schema cannot say, that a name is taken or a column is not there, only
// the parser refuses.
func Schema() []byte {
	return published(draw(descriptions, (*parser).root), SchemaID, "Levada pipeline, "+APIVersion)
}

// TestSchemaID is where the schema of this version's test files is to be found.
const TestSchemaID = "https://levada-data.github.io/levada/v1/pipeline_test.schema.json"

// TestSchema returns the JSON Schema of a file of cases, as [Schema] that of a spec. What a
// value may be depends on the type of its column: there it takes any.
func TestSchema() []byte {
	root := draw(testDescriptions, func(p *parser, n *yaml.Node) { p.testFile(n, &TestFile{Set: map[string]string{}}) })
	return published(root, TestSchemaID, "Cases for a Levada pipeline")
}

// published is a schema as editors read it.
func published(root object, id, title string) []byte {
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["$id"] = id
	root["title"] = title
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(root); err != nil {
		panic(fmt.Sprintf("pipeline: schema: %v", err)) // maps of strings and numbers can always be encoded
	}
	return b.Bytes()
}

// Fields lists every field name that a spec may have, sorted: what the reference must
// describe.
func Fields() []string {
	var names []string
	walkSchema(draw(descriptions, (*parser).root), "", func(path string, _ object) {
		names = append(names, path[strings.LastIndex(path, ".")+1:])
	})
	slices.Sort(names)
	return slices.Compact(names)
}

// object is a JSON Schema, or a part of one.
type object = map[string]any

// draw draws what a part of the parser takes.
func draw(described map[string]string, parse func(p *parser, n *yaml.Node)) object {
	p := &parser{spec: &Spec{}}
	p.draw = &drawing{described: described}
	parse(p, &yaml.Node{Kind: yaml.MappingNode})
	return p.draw.alternatives[0]
}

// drawing is a parser that draws what it would take: the functions that read a value put
// its schema here instead.
type drawing struct {
	alternatives []object          // of the value that is being drawn
	key          *yaml.Node        // of the pair that is being drawn
	described    map[string]string // what fields mean
}

// value draws what parse takes at a path: parse is given a node of each kind, since it
// may go different ways with them. Where it reads one by itself and draws nothing,
// anything of that kind is valid: the schema never refuses what the parser takes.
func (d *drawing) value(path string, parse func(n *yaml.Node, path string)) object {
	before := d.alternatives
	d.alternatives = nil
	for _, form := range []struct {
		kind  yaml.Kind
		types []string
	}{{yaml.ScalarNode, []string{"string", "number", "boolean", "null"}}, {yaml.SequenceNode, []string{"array"}}, {yaml.MappingNode, []string{"object"}}} {
		drawn := len(d.alternatives)
		if parse(&yaml.Node{Kind: form.kind}, path); len(d.alternatives) == drawn {
			d.put(object{"type": form.types})
		}
	}
	schemas := d.alternatives
	d.alternatives = before
	var one []any
	var seen []string
	for _, s := range schemas {
		text, _ := json.Marshal(s) // of strings and numbers
		if !slices.Contains(seen, string(text)) {
			seen, one = append(seen, string(text)), append(one, s)
		}
	}
	if len(one) == 1 {
		return schemas[0]
	}
	return object{"anyOf": one}
}

// put adds a schema that the value may have.
func (d *drawing) put(s object) { d.alternatives = append(d.alternatives, s) }

// last is the mapping that was drawn last, to add to it.
func (d *drawing) last() object { return d.alternatives[len(d.alternatives)-1] }

func (d *drawing) object(path string, known map[string]func(*yaml.Node, string)) {
	props := object{}
	for name, parse := range known {
		at := join(path, name)
		s := d.value(at, parse)
		if text := description(d.described, at); text != "" {
			s["description"] = text
		}
		props[name] = s
	}
	d.put(object{"type": "object", "properties": props, "additionalProperties": false})
}

func (d *drawing) list(path string, least int, item func(*yaml.Node, string)) {
	s := object{"type": "array", "items": d.value(path+"[]", item)}
	if least > 0 {
		s["minItems"] = least
	}
	d.put(s)
}

func (d *drawing) pairs(path string, pair func(key, val *yaml.Node)) {
	key := &yaml.Node{Kind: yaml.ScalarNode}
	before := d.key
	val := d.value(path, func(n *yaml.Node, _ string) {
		d.key = key
		pair(key, n)
	})
	d.key = before
	d.put(object{"type": "object", "minProperties": 1, "additionalProperties": val})
}

func (d *drawing) required(field string) {
	names, _ := d.last()["required"].([]string)
	names = append(names, field)
	slices.Sort(names)
	d.last()["required"] = names
}

// one wants exactly one of the fields, or of all when none is named.
func (d *drawing) one(among []string) {
	if len(among) == 0 {
		d.last()["minProperties"], d.last()["maxProperties"] = 1, 1
		return
	}
	var of []any
	for _, field := range among {
		of = append(of, object{"required": []string{field}})
	}
	d.rule(object{"oneOf": of})
}

// rule adds what must hold besides.
func (d *drawing) rule(s object) {
	all, _ := d.last()["allOf"].([]any)
	d.last()["allOf"] = append(all, s)
}

// A value may always be a variable, whose own value only the run knows.
const variablePattern = `\$\{`

func variableOnly() object { return object{"type": "string", "pattern": variablePattern} }

// text is any value but null and the empty text: YAML reads 5 and true without quotes as
// something else.
func text() object { return object{"type": []string{"string", "number", "boolean"}, "pattern": `\S`} }

// written is text of a form.
func written(pattern string) object {
	return object{"type": "string", "pattern": "(" + pattern + ")|" + variablePattern}
}

// whole is a number, with or without quotes and with 1_000 for a thousand.
func whole(lo, hi int64) object {
	return object{"anyOf": []any{object{"type": "integer", "minimum": lo, "maximum": hi}, written(`^[+-]?[0-9][0-9_]*$`)}}
}

func sized() object {
	return object{"anyOf": []any{object{"type": "number", "minimum": 0}, written(`^[0-9.,]+ *([kKmMgGtTpP][iI]?)?[bB]?$`)}}
}

// walkSchema calls visit for every field below a schema, with its path: those of lists
// have [].
func walkSchema(s object, path string, visit func(path string, s object)) {
	forms, _ := s["anyOf"].([]any)
	for _, f := range forms {
		walkSchema(f.(object), path, visit) //nolint:errcheck,forcetypeassert // value makes them of objects
	}
	if items, ok := s["items"].(object); ok {
		walkSchema(items, path+"[]", visit)
	}
	props, _ := s["properties"].(object)
	for name, v := range props {
		at := join(path, name)
		visit(at, v.(object))             //nolint:errcheck,forcetypeassert // as above
		walkSchema(v.(object), at, visit) //nolint:errcheck,forcetypeassert // as above
	}
}
