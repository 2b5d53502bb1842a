package pipeline

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/operator"
)

// CastSpec is one column of a cast.
type CastSpec struct {
	Column string `json:"column"`
	To     string `json:"to"`                // as [castType] reads it
	OnFail string `json:"on_fail,omitempty"` // "null"; dead_letter when empty

	key, node *yaml.Node
}

// FillSpec is what stands for null in a column.
type FillSpec struct {
	Column string `json:"column"`
	Value  string `json:"value"`

	key, node *yaml.Node
}

// SampleSpec is a sample of the source's rows.
type SampleSpec struct {
	Fraction float64 `json:"fraction"`
	Seed     uint64  `json:"seed,omitempty"`
}

// OnFail is what an assert does where it does not hold; fail when it is empty.
type OnFail = operator.OnFail

// castTypes are the names of types that a cast takes, beyond those of [castType].
var castTypes = map[string]arrow.DataType{
	"int8": arrow.PrimitiveTypes.Int8, "int16": arrow.PrimitiveTypes.Int16, "int32": arrow.PrimitiveTypes.Int32, "int64": arrow.PrimitiveTypes.Int64,
	"uint8": arrow.PrimitiveTypes.Uint8, "uint16": arrow.PrimitiveTypes.Uint16, "uint32": arrow.PrimitiveTypes.Uint32, "uint64": arrow.PrimitiveTypes.Uint64,
	"float32": arrow.PrimitiveTypes.Float32, "float64": arrow.PrimitiveTypes.Float64, "bool": arrow.FixedWidthTypes.Boolean,
	"string": arrow.BinaryTypes.String, "binary": arrow.BinaryTypes.Binary, "date": arrow.FixedWidthTypes.Date32,
	"timestamp": arrow.FixedWidthTypes.Timestamp_us, "timestamp(ms)": arrow.FixedWidthTypes.Timestamp_ms,
	"timestamp(us)": arrow.FixedWidthTypes.Timestamp_us, "timestamp(ns)": arrow.FixedWidthTypes.Timestamp_ns,
}

var decimalType = regexp.MustCompile(`^decimal\(\s*(\d{1,2})\s*,\s*(\d{1,2})\s*\)$`)

// CastTypes lists the types that a cast takes.
func CastTypes() []string {
	names := []string{"decimal(p,s)"}
	for name := range castTypes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// castType is a type by its name; nil when there is none.
func castType(name string) arrow.DataType {
	if t, ok := castTypes[name]; ok {
		return t
	}
	m := decimalType.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	precision, _ := strconv.ParseInt(m[1], 10, 32)
	scale, _ := strconv.ParseInt(m[2], 10, 32)
	if precision < 1 || precision > 38 || scale > precision {
		return nil
	}
	return &arrow.Decimal128Type{Precision: int32(precision), Scale: int32(scale)}
}

// cast reads `{ column: type }` and `{ column: { to: type, on_fail: null } }`.
func (p *parser) cast(n *yaml.Node, path string, op *OperatorSpec) {
	p.pairs(n, path, func(key, val *yaml.Node) {
		val = target(val)
		c := CastSpec{key: key, node: val}
		at := join(path, key.Value)
		p.column(key, at, &c.Column)
		if val.Kind == yaml.MappingNode {
			seen := p.fields(val, at, map[string]func(*yaml.Node, string){
				"to":      func(n *yaml.Node, path string) { c.node = n; p.castType(n, path, &c.To) },
				"on_fail": func(n *yaml.Node, path string) { p.castFails(n, path, &c.OnFail) },
			})
			p.need(val, at, seen, "to", "write one of "+strings.Join(CastTypes(), ", "))
		} else {
			p.castType(val, at, &c.To)
		}
		op.Cast = append(op.Cast, c)
		op.items = append(op.items, key)
	})
}

// castFails reads what becomes of a value that a cast cannot take.
func (p *parser) castFails(n *yaml.Node, path string, to *string) {
	if p.draw != nil {
		p.draw.put(object{"enum": []any{"dead_letter", "null", nil}})
		p.draw.put(variableOnly())
		return
	}
	n = target(n)
	if n.Kind == yaml.ScalarNode && n.Value == "null" { // which YAML takes for nothing
		*to = "null"
		return
	}
	var choice string
	choose(p, n, path, &choice, "dead_letter", "null")
}

func (p *parser) castType(n *yaml.Node, path string, to *string) {
	if p.draw != nil {
		names := slices.DeleteFunc(CastTypes(), func(name string) bool { return castType(name) == nil })
		for i, name := range names {
			names[i] = regexp.QuoteMeta(name)
		}
		p.draw.put(written(`^(` + strings.Join(names, "|") + `|decimal\( *[0-9]{1,2} *, *[0-9]{1,2} *\))$`))
		return
	}
	p.text(n, path, to)
	if *to == "" || castType(*to) != nil {
		return
	}
	hint := oneOf(*to, CastTypes())
	if strings.HasPrefix(*to, "decimal") {
		hint = "write for example decimal(10,2): at most 38 digits, of which so many behind the point"
	}
	p.fail(n, path, hint, "type %q is not known", *to)
}

// fillNull reads `{ column: value }`.
func (p *parser) fillNull(n *yaml.Node, path string, op *OperatorSpec) {
	p.pairs(n, path, func(key, val *yaml.Node) {
		f := FillSpec{key: key, node: val}
		at := join(path, key.Value)
		p.column(key, at, &f.Column)
		val = target(val)
		switch {
		case p.draw != nil:
			p.draw.put(object{"type": []string{"string", "number", "boolean"}})
		case val.Kind != yaml.ScalarNode || val.Tag == "!!null":
			p.fail(val, at, "write a value of the column's type", "must be a value, this is %s", found(val))
		}
		f.Value = val.Value // the empty one too
		op.Fill = append(op.Fill, f)
		op.items = append(op.items, key)
	})
}

// flatten reads a list of columns, or `{ columns: [...], separator: "." }`.
func (p *parser) flatten(n *yaml.Node, path string, op *OperatorSpec) {
	op.Separator = "_"
	n = target(n)
	if n.Kind != yaml.MappingNode {
		op.Names, op.items = p.texts(n, path)
		return
	}
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"columns": func(n *yaml.Node, path string) { op.Names, op.items = p.texts(n, path) },
		"separator": func(n *yaml.Node, path string) {
			if p.draw != nil {
				p.draw.put(written(fmt.Sprintf(`^.{1,%d}$`, maxSeparator)))
				p.draw.put(object{"type": "number", "minimum": -9_999_999, "maximum": 99_999_999})
				p.draw.put(object{"type": "boolean"})
				return
			}
			p.text(n, path, &op.Separator)
			if len(op.Separator) > maxSeparator {
				p.fail(n, path, "write for example separator: \".\"", "must have at most %d characters, this has %d", maxSeparator, len(op.Separator))
			}
		},
	})
	p.need(n, path, seen, "columns", "name the columns to flatten")
}

// maxSeparator bounds what stands between the names of a struct and its fields.
const maxSeparator = 8

// sample reads a fraction, or `{ fraction: 0.1, seed: 42 }`.
func (p *parser) sample(n *yaml.Node, path string, op *OperatorSpec) {
	s := &SampleSpec{}
	op.Sample = s
	n = target(n)
	fraction := func(n *yaml.Node, path string) {
		p.float(n, path, 0, 1, "write for example 0.01, for one row of a hundred", &s.Fraction)
	}
	if n.Kind != yaml.MappingNode {
		fraction(n, path)
		return
	}
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"fraction": fraction,
		"seed": func(n *yaml.Node, path string) {
			v := int64(0)
			p.number(n, path, 0, math.MaxInt64, &v)
			s.Seed = uint64(v)
		},
	})
	p.need(n, path, seen, "fraction", "write for example fraction: 0.01")
}

// assert reads an expression, or `{ expr: ..., on_fail: drop }`.
func (p *parser) assert(n *yaml.Node, path string, op *OperatorSpec) {
	op.OnFail = operator.OnFailFail
	n = target(n)
	if n.Kind != yaml.MappingNode {
		p.text(n, path, &op.Expr)
		return
	}
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"expr": func(n *yaml.Node, path string) { op.node = n; p.text(n, path, &op.Expr) },
		"on_fail": func(n *yaml.Node, path string) {
			choose(p, n, path, &op.OnFail, operator.OnFailFail, operator.OnFailDrop, operator.OnFailDeadLetter)
		},
	})
	p.need(n, path, seen, "expr", "write for example expr: \"amount >= 0.0\"")
}

// moreOperators are the parsers of the operators in this file.
func (p *parser) moreOperators(op *OperatorSpec) map[string]func(*yaml.Node, string) {
	begin := func(kind string, n *yaml.Node) { op.Kind, op.node = kind, n }
	return map[string]func(*yaml.Node, string){
		"cast":      func(n *yaml.Node, path string) { begin("cast", n); p.cast(n, path, op) },
		"fill_null": func(n *yaml.Node, path string) { begin("fill_null", n); p.fillNull(n, path, op) },
		"unnest":    func(n *yaml.Node, path string) { begin("unnest", n); op.Names, op.items = p.texts(n, path) },
		"flatten":   func(n *yaml.Node, path string) { begin("flatten", n); p.flatten(n, path, op) },
		"sample":    func(n *yaml.Node, path string) { begin("sample", n); p.sample(n, path, op) },
		"limit": func(n *yaml.Node, path string) {
			begin("limit", n)
			op.Limit = new(int64)
			p.number(n, path, 0, 1<<50, op.Limit)
		},
		"assert": func(n *yaml.Node, path string) { begin("assert", n); p.assert(n, path, op) },
	}
}

// leaves reports that a column does not travel, because a cast or a fill_null of it
// changes nothing.
func (c *compiler) leaves(column string, in *arrow.Schema) bool {
	return c.touched && !in.HasField(column)
}

// oneOf compiles one of the operators in this file; nil, nil when it is another, or when
// it was reported as wrong.
func (c *compiler) oneOf(o *OperatorSpec, path string, in *arrow.Schema) (operator.Operator, error) {
	switch o.Kind {
	case "cast":
		var cols []operator.CastColumn
		for _, s := range o.Cast {
			if c.leaves(s.Column, in) {
				continue
			}
			cols = append(cols, operator.CastColumn{Name: s.Column, To: castType(s.To), Null: s.OnFail == "null"})
		}
		return operator.Cast(in, cols)
	case "fill_null":
		var fills []operator.Fill
		for _, s := range o.Fill {
			if c.leaves(s.Column, in) {
				continue
			}
			fills = append(fills, operator.Fill{Column: s.Column, Value: s.Value})
		}
		return operator.FillNull(in, fills)
	case "unnest":
		return operator.Unnest(in, o.Names)
	case "flatten":
		return operator.Flatten(in, o.Names, o.Separator)
	case "sample":
		return operator.Sample(in, o.Sample.Fraction, o.Sample.Seed)
	case "limit":
		return operator.Limit(in, *o.Limit)
	case "assert":
		prog := c.expression(o.node, path, o.Expr, in)
		if prog == nil {
			return nil, nil
		}
		return operator.Assert(in, prog, o.OnFail)
	}
	return nil, nil
}

// named are the columns that a cast or a fill_null names.
func (o *OperatorSpec) named() []string {
	var names []string
	for _, c := range o.Cast {
		names = append(names, c.Column)
	}
	for _, f := range o.Fill {
		names = append(names, f.Column)
	}
	return names
}

// moreText is one of the operators in this file in one line.
func (o *OperatorSpec) moreText() string {
	var parts []string
	switch o.Kind {
	case "cast":
		for _, c := range o.Cast {
			s := c.Column + " to " + c.To
			if c.OnFail != "" {
				s += ", else " + c.OnFail
			}
			parts = append(parts, s)
		}
	case "fill_null":
		for _, f := range o.Fill {
			parts = append(parts, f.Column+" with "+strconv.Quote(f.Value))
		}
	case "sample":
		return fmt.Sprintf("sample %g of the rows, seed %d", o.Sample.Fraction, o.Sample.Seed)
	case "limit":
		return fmt.Sprintf("limit to the first %d rows of the source", *o.Limit)
	case "assert":
		return "assert " + o.Expr + ", else " + strings.ReplaceAll(string(o.OnFail), "_", "-")
	default:
		parts = o.Names
	}
	return o.Kind + " " + strings.Join(parts, ", ")
}

// checkLimits refuses a limit behind something that may drop rows: it counts the rows of
// the source, and who reads "the first 10" behind a filter means another thing.
func (c *compiler) checkLimits() {
	dropper := ""
	for i := range c.spec.Stages {
		s := &c.spec.Stages[i]
		if s.External != nil && dropper == "" {
			dropper = "the external stage " + s.Name
		}
		for j := range s.Transform {
			o := &s.Transform[j]
			switch {
			case o.Kind == "limit" && dropper != "":
				c.fail(o.node, join(o.path, o.Kind), "put it before that: a limit counts rows of the source, so that all processes agree on them", "limit stands behind %s, which may drop rows", dropper)
			case dropper == "" && (o.Kind == "filter" || o.Kind == "sample" || o.Kind == "assert" && o.OnFail == operator.OnFailDrop):
				dropper = fmt.Sprintf("%s in line %d", o.Kind, o.node.Line)
			}
		}
	}
}

// Limit is a limit that rows of the source meet first: behind it nothing has failed or
// changed their number. Row groups that begin at Rows or later need not be read.
type Limit struct {
	Operator string // label with the stage's name, as in the books
	Rows     int64
}

// limitOf finds the limit that the plan may judge, or nil.
func limitOf(p *Pipeline) *Limit {
	if len(p.Stages) == 0 || p.Stages[0].Chain == nil {
		return nil
	}
	for i, op := range p.Stages[0].Chain.Operators() {
		switch op.Kind() {
		case "select", "drop", "rename", "mask", "fill_null", "unnest", "flatten": // no row fails in them
		case "limit":
			rows := int64(math.MaxInt64)
			if spec := p.Spec.stage(p.Stages[0].Name).Transform; i < len(spec) && spec[i].Limit != nil {
				rows = *spec[i].Limit
			}
			return &Limit{Operator: p.Stages[0].Name + "/" + operator.Label(op.Kind(), i), Rows: rows}
		default:
			return nil
		}
	}
	return nil
}
