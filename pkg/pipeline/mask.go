package pipeline

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/operator"
)

// maskMethod is a method of mask: the settings it takes beyond column and method, and
// what becomes of them.
type maskMethod struct {
	needs    map[string]string // fields that must be there, each with how it is written
	takes    []string          // fields that may be there
	defaults func(m *MaskSpec) // of the latter; may be nil
	compile  func(m *MaskSpec) operator.MaskMethod
	text     func(m *MaskSpec) string // in one line
}

var maskMethods = map[string]maskMethod{
	"keep_last": {
		needs: map[string]string{"n": "say how many characters stay, for example n: 4"},
		takes: []string{"with"},
		defaults: func(m *MaskSpec) {
			if m.With == "" {
				m.With = "*"
			}
		},
		compile: func(m *MaskSpec) operator.MaskMethod { return operator.KeepLast{N: int(m.N), With: m.With[0]} },
		text:    func(m *MaskSpec) string { return fmt.Sprintf("keep_last %d with %s", m.N, m.With) },
	},
	"sha256": {
		compile: func(*MaskSpec) operator.MaskMethod { return operator.SHA256{} },
		text:    func(*MaskSpec) string { return "sha256" },
	},
}

// maxKept bounds n of keep_last.
const maxKept = 1_000_000

// MaskMethods lists the methods of mask.
func MaskMethods() []string { return slices.Sorted(maps.Keys(maskMethods)) }

func (m *MaskSpec) method() operator.MaskMethod { return maskMethods[m.Method].compile(m) }

func (m *MaskSpec) text() string { return m.Column + ": " + maskMethods[m.Method].text(m) }

// mask reads a mask. Which fields it may have depends on its method.
func (p *parser) mask(n *yaml.Node, path string, op *OperatorSpec) {
	m := &MaskSpec{}
	op.Mask = m
	wrong := len(p.errs)
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"column": func(n *yaml.Node, path string) {
			p.text(n, path, &m.Column)
			op.items = []*yaml.Node{n}
		},
		"method": func(n *yaml.Node, path string) { choose(p, n, path, &m.Method, MaskMethods()...) },
		"n":      func(n *yaml.Node, path string) { p.number(n, path, 0, maxKept, &m.N) },
		"with": func(n *yaml.Node, path string) {
			if p.draw != nil {
				p.draw.put(object{"anyOf": []any{object{"type": "integer", "minimum": 0, "maximum": 9}, object{"type": "string", "pattern": "^[!-~]$"}, variableOnly()}})
				return
			}
			p.text(n, path, &m.With)
			if m.With != "" && (len(m.With) != 1 || m.With[0] <= ' ' || m.With[0] > '~') {
				p.fail(n, path, "write for example with: \"*\"", "must be one printable ASCII character")
			}
		},
	})
	p.need(n, path, seen, "column", "name the column to mask")
	p.need(n, path, seen, "method", "write one of "+strings.Join(MaskMethods(), ", "))
	if p.draw != nil {
		p.drawMethods()
	}
	if seen == nil {
		return
	}
	method, ok := maskMethods[m.Method]
	if !ok {
		return // reported; what else it takes depends on it
	}
	for _, need := range slices.Sorted(maps.Keys(method.needs)) {
		if seen[need] == nil {
			p.fail(n, join(path, need), method.needs[need], "method %s needs the field %q", m.Method, need)
		}
	}
	for field, key := range seen {
		_, needed := method.needs[field]
		if field != "column" && field != "method" && !needed && !slices.Contains(method.takes, field) {
			p.fail(key, join(path, field), "leave it out", "method %s has no field %q", m.Method, field)
		}
	}
	if method.defaults != nil && len(p.errs) == wrong {
		method.defaults(m)
	}
}

// drawMethods adds to the schema which fields each method has.
func (p *parser) drawMethods() {
	for _, name := range MaskMethods() {
		method := maskMethods[name]
		then := object{}
		if needs := slices.Sorted(maps.Keys(method.needs)); len(needs) > 0 {
			then["required"] = needs
		}
		never := object{}
		for _, other := range maskMethods {
			for _, field := range append(slices.Collect(maps.Keys(other.needs)), other.takes...) {
				if _, needed := method.needs[field]; !needed && !slices.Contains(method.takes, field) {
					never[field] = false
				}
			}
		}
		if len(never) > 0 {
			then["properties"] = never
		}
		p.draw.rule(object{"if": object{"required": []string{"method"}, "properties": object{"method": object{"enum": []string{name}}}}, "then": then})
	}
}
