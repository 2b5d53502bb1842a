package expr

import (
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/pkg/nearest"
)

// The functions of the table and the nodes of the other files know plain values only.
// Structs, lists and maps are looked into by accesses: a.b, xs[i], size(xs),
// xs.exists(x, p). The resolution turns each into a call of a function of its own, whose
// operands are the plain expressions in it (the i of xs[i]) and whose result is plain:
//
//	items[n + 1].price > 2.5        as   @0(n + 1) > 2.5
//
// and the compiler makes of @0 a node that follows the path through the Arrow arrays.

// access is a way into a value that is a struct, a list or a map: the value itself, if it
// is one, or what is found in it.
type access struct {
	typ      arrow.DataType
	nullable bool
	err      error      // what the reading of a plain value can fail with
	args     []ast.Expr // plain operands
	captured int        // so many of them, the last, are of a lambda: they have been resolved
	kinds    []kind     // that the others must be of
	takers   []string   // which operation takes each of those, for errors
	// nested makes the node that gives the values as an array; plain the one of a plain
	// value that is not read from an array. One of the two is set. args are the operands.
	nested func(c *compiler, args []operand) (nestedNode, *problem)
	plain  func(c *compiler, args []operand) (operand, *problem)
	what   string // the operation, for errors
}

// accessName is what the call of access i is named.
func accessName(i int) string { return fmt.Sprintf("@%d", i) }

// lambda is what p is about in xs.exists(x, p), which has a reading of its own.
type lambda struct {
	variable string
	element  access
}

// isNested says whether values of the type are looked into by accesses.
func isNested(dt arrow.DataType) bool {
	switch dt.ID() { //nolint:exhaustive // the others are plain, or nothing at all
	case arrow.STRUCT, arrow.LIST, arrow.LARGE_LIST, arrow.FIXED_SIZE_LIST, arrow.MAP:
		return true
	}
	return false
}

// elementOf is the field of the elements of a list; false for what is none.
func elementOf(dt arrow.DataType) (arrow.Field, bool) {
	if l, ok := dt.(arrow.ListLikeType); ok && isNested(dt) && dt.ID() != arrow.MAP {
		return l.ElemField(), true
	}
	return arrow.Field{}, false
}

// readable says whether elements of the type can be picked out of a list.
func readable(dt arrow.DataType) bool {
	switch dt.ID() { //nolint:exhaustive // views alone cannot
	case arrow.STRING_VIEW, arrow.BINARY_VIEW, arrow.LIST_VIEW, arrow.LARGE_LIST_VIEW:
		return false
	case arrow.STRUCT:
		for _, f := range dt.(*arrow.StructType).Fields() { //nolint:errcheck // it is one
			if !readable(f.Type) {
				return false
			}
		}
	}
	if f, ok := elementOf(dt); ok {
		return readable(f.Type)
	}
	return true
}

// accessOf is the access that e is; nil if e is plain.
func (r *reading) accessOf(e ast.Expr) (*access, *problem) {
	switch e.Kind() { //nolint:exhaustive // the others are plain
	case ast.IdentKind:
		return r.accessColumn(strings.TrimPrefix(e.AsIdent(), "."))
	case ast.SelectKind:
		s := e.AsSelect()
		of, p := r.accessOf(s.Operand())
		if of == nil || p != nil {
			return nil, p
		}
		return r.field(e, of, s.FieldName())
	case ast.CallKind:
		call := e.AsCall()
		switch name := call.FunctionName(); {
		case name == columnFunction && !call.IsMemberFunction() && len(call.Args()) == 1 && call.Args()[0].Kind() == ast.LiteralKind:
			if s, ok := call.Args()[0].AsLiteral().(types.String); ok {
				return r.accessColumn(string(s))
			}
		case name == operators.Index && len(call.Args()) == 2:
			of, p := r.accessOf(call.Args()[0])
			if of == nil || p != nil {
				return nil, p
			}
			return r.index(e, of, call.Args()[1])
		case name == "split":
			return r.split(e)
		}
	}
	return nil, nil
}

// accessColumn is the column of the name if it is nested, or the variable of a lambda.
func (r *reading) accessColumn(name string) (*access, *problem) {
	if r.lambda != nil {
		if name == r.lambda.variable {
			return &r.lambda.element, nil
		}
		return nil, nil // of the row: the reading outside sees to it
	}
	indices := r.schema.FieldIndices(name)
	if len(indices) != 1 || !isNested(r.schema.Field(indices[0]).Type) {
		return nil, nil
	}
	field := r.schema.Field(indices[0])
	i, known := r.byIndex[indices[0]]
	if !known {
		i = len(r.columns)
		r.byIndex[indices[0]] = i
		r.columns = append(r.columns, &column{name: name, index: indices[0], typ: field.Type, nullable: field.Nullable})
	}
	return &access{
		typ: field.Type, nullable: field.Nullable, what: name,
		nested: func(*compiler, []operand) (nestedNode, *problem) { return &columnArray{state: i}, nil },
	}, nil
}

// field is a.name.
func (r *reading) field(e ast.Expr, of *access, name string) (*access, *problem) {
	s, ok := of.typ.(*arrow.StructType)
	if !ok {
		hint := "an element is written xs[0]"
		if of.typ.ID() == arrow.MAP {
			hint = fmt.Sprintf("the value of a key is written m[%q]", name)
		} else if !isNested(of.typ) {
			hint = "a function is called with parentheses, as in email.size()"
		}
		return nil, &problem{at: e.ID(), msg: "a value of type " + of.typ.String() + " has no fields", hint: hint}
	}
	indices := s.FieldIndices(name)
	if len(indices) != 1 {
		var names []string
		for _, f := range s.Fields() {
			names = append(names, f.Name)
		}
		p := &problem{at: e.ID(), msg: fmt.Sprintf("there is no field %q", name), hint: "the fields are " + strings.Join(names, ", ")}
		if near := nearest.Of(name, names); near != "" {
			p.hint = fmt.Sprintf("did you mean %s?", near)
		}
		if len(indices) > 1 {
			p.msg, p.hint = fmt.Sprintf("%d fields are called %q", len(indices), name), "rename them where the data is written"
		}
		return nil, p
	}
	i, f := indices[0], s.Field(indices[0])
	a := &access{typ: f.Type, nullable: of.nullable || f.Nullable, args: of.args, kinds: of.kinds, takers: of.takers, what: "." + name}
	a.nested = func(c *compiler, args []operand) (nestedNode, *problem) {
		n, p := of.nested(c, args)
		return &fieldArray{of: n, field: i}, p
	}
	return a, nil
}

// index is xs[i], m["key"] and a["field"].
func (r *reading) index(e ast.Expr, of *access, index ast.Expr) (*access, *problem) {
	if s, ok := of.typ.(*arrow.StructType); ok {
		if index.Kind() == ast.LiteralKind {
			if name, ok := index.AsLiteral().(types.String); ok {
				return r.field(e, of, string(name))
			}
		}
		return nil, &problem{at: e.ID(), msg: "a field of a struct is named by a constant", hint: fmt.Sprintf("as in a[%q]", s.Field(0).Name)}
	}
	a := &access{nullable: true, what: "[]"}
	a.args = append(slices.Clip(of.args), index)
	a.takers = append(slices.Clip(of.takers), "[]")
	at := len(of.args)
	if m, ok := of.typ.(*arrow.MapType); ok {
		k, _ := columnKind(m.KeyType())
		switch m.KeyType().ID() {
		case arrow.STRING, arrow.LARGE_STRING, arrow.INT64, arrow.INT32:
		default:
			return nil, &problem{at: e.ID(), msg: "a map with keys of type " + m.KeyType().String() + " cannot be looked into", hint: "keys are utf8, int64 or int32"}
		}
		a.typ, a.kinds = m.ItemType(), append(slices.Clip(of.kinds), k)
	} else if f, ok := elementOf(of.typ); ok {
		a.typ, a.kinds = f.Type, append(slices.Clip(of.kinds), kindInt)
	} else {
		return nil, &problem{at: e.ID(), msg: "a value of type " + of.typ.String() + " has no elements", hint: "for a part of a text, write substring(a, 0, 1)"}
	}
	if !readable(a.typ) {
		return nil, &problem{at: e.ID(), msg: "elements of type " + a.typ.String() + " cannot be picked", hint: "write the column without views"}
	}
	if of.nested == nil {
		return nil, &problem{at: e.ID(), msg: "not supported"}
	}
	a.nested = func(c *compiler, args []operand) (nestedNode, *problem) {
		n, p := of.nested(c, args)
		return &elementArray{of: n, index: args[at].node, slot: c.access()}, p
	}
	return a, nil
}

// split is split(a, separator).
func (r *reading) split(e ast.Expr) (*access, *problem) {
	args := operandsOf(e)
	if p := r.checkArity(e, r.language.byTree["split"], len(args)); p != nil {
		return nil, p
	}
	return &access{
		typ: arrow.ListOfNonNullable(arrow.BinaryTypes.String), nullable: true, args: args, kinds: []kind{kindString, kindString}, takers: []string{"split", "split"}, what: "split",
		nested: func(c *compiler, args []operand) (nestedNode, *problem) {
			return &splitArray{text: args[0].node, separator: args[1].node, slot: c.access()}, nil
		},
	}, nil
}

// nestedCall is the access of a call that takes something nested and gives something
// plain; nil if the call is none.
func (r *reading) nestedCall(e ast.Expr) (*access, *problem) {
	args := operandsOf(e)
	if len(args) == 0 {
		return nil, nil
	}
	name, of := e.AsCall().FunctionName(), args[0]
	switch name {
	default:
		return nil, nil
	case "size", "isNull":
		if len(args) != 1 {
			return nil, nil
		}
	case "exists", "all":
		if len(args) != 3 {
			return nil, r.checkArity(e, r.language.byTree[name], len(args))
		}
	case operators.In:
		if len(args) != 2 {
			return nil, nil
		}
		of = args[1]
	}
	a, p := r.accessOf(of)
	if p != nil || a == nil || !isNested(a.typ) {
		if p == nil && (name == "exists" || name == "all") {
			p = &problem{at: e.ID(), about: of, msg: name + " takes a list or a map", hint: "write " + r.language.byTree[name].form}
		}
		return nil, p
	}
	switch name {
	case "isNull":
		return &access{
			typ: arrow.FixedWidthTypes.Boolean, args: a.args, kinds: a.kinds, takers: a.takers, what: name,
			plain: func(c *compiler, args []operand) (operand, *problem) {
				n, p := a.nested(c, args)
				return operand{node: &nestedIsNullNode{of: n, register: c.register(kindBool)}}, p
			},
		}, nil
	case "size":
		if a.typ.ID() == arrow.STRUCT {
			return nil, &problem{at: e.ID(), msg: "a struct has no size", hint: "it takes a text, bytes, a list or a map"}
		}
		return &access{
			typ: arrow.PrimitiveTypes.Int64, nullable: a.nullable, args: a.args, kinds: a.kinds, takers: a.takers, what: name,
			plain: func(c *compiler, args []operand) (operand, *problem) {
				n, p := a.nested(c, args)
				return operand{node: &nestedSizeNode{of: n, register: c.register(kindInt)}, nullable: a.nullable}, p
			},
		}, nil
	case operators.In:
		return r.memberOf(e, a, args[0])
	}
	if args[1].Kind() != ast.IdentKind {
		return nil, &problem{at: args[1].ID(), msg: "the second operand of " + name + " is a name for the elements", hint: "write " + r.language.byTree[name].form}
	}
	return r.quantifier(e, a, name == "exists", args[1].AsIdent(), args[2], func(sub *reading) { sub.resolve(args[2], false, false) })
}

// memberOf is x in xs: xs.exists(e, e == x).
func (r *reading) memberOf(e ast.Expr, of *access, x ast.Expr) (*access, *problem) {
	const name = "@element"
	element := r.factory.NewIdent(r.newID(e), name)
	equal := r.factory.NewCall(r.newID(e), operators.Equals, element, x)
	return r.quantifier(e, of, true, name, equal, func(sub *reading) {
		sub.resolve(element, false, false)
		sub.capture(x)
	})
}

// newID is an id for an expression that stands where e does.
func (r *reading) newID(e ast.Expr) int64 {
	whole := r.outermost()
	whole.lastID++
	if at, ok := whole.tree.SourceInfo().GetOffsetRange(e.ID()); ok {
		whole.tree.SourceInfo().SetOffsetRange(whole.lastID, at)
	}
	return whole.lastID
}

// quantifier is xs.exists(x, p) and xs.all(x, p). It reads p, the body; resolve resolves that.
func (r *reading) quantifier(e ast.Expr, of *access, exists bool, variable string, body ast.Expr, resolve func(sub *reading)) (*access, *problem) {
	f, ok := elementOf(of.typ)
	if m, isMap := of.typ.(*arrow.MapType); isMap {
		f, ok = m.KeyField(), true // as in CEL
	}
	name := map[bool]string{true: "exists", false: "all"}[exists]
	if !ok || !readable(f.Type) {
		return nil, &problem{at: e.ID(), msg: "elements of a value of type " + of.typ.String() + " cannot be looked at one by one", hint: "a list has elements, and a map keys"}
	}
	sub := &reading{
		language: r.language, source: r.source, schema: r.schema, outer: r,
		factory: r.factory, tree: ast.NewAST(body, r.tree.SourceInfo()), byIndex: map[int]int{},
	}
	sub.lambda = &lambda{variable: variable, element: access{
		typ: f.Type, nullable: f.Nullable, what: variable,
		nested: func(*compiler, []operand) (nestedNode, *problem) { return elementsArray{}, nil },
	}}
	resolve(sub)
	a := &access{
		typ: arrow.FixedWidthTypes.Boolean, what: name, nullable: true, // refined where it is compiled
		args: slices.Clip(of.args), kinds: slices.Clip(of.kinds), takers: slices.Clip(of.takers),
	}
	for _, c := range sub.columns {
		a.args = append(a.args, c.captured)
		a.captured++
	}
	a.plain = func(c *compiler, args []operand) (operand, *problem) {
		n, p := of.nested(c, args)
		if p != nil {
			return operand{}, p
		}
		inner := &compiler{reading: sub}
		q := &quantifierNode{of: n, exists: exists, slot: c.access(), inner: c.inner(), asked: c.mask()}
		for i, col := range sub.columns {
			outside := args[len(of.args)+i]
			col.kind, col.decimal, col.nullable, col.broken = outside.kind, outside.digits, outside.nullable, outside.broken
			col.register = inner.fresh(col.kind)
			q.captured = append(q.captured, capture{from: outside.node, kind: col.kind, to: col.register})
		}
		root := inner.compile(body)
		switch {
		case root.kind != kindBool && root.kind != kindInvalid:
			return operand{}, &problem{at: body.ID(), msg: fmt.Sprintf("what %s asks of an element is true or false, this is of kind %s", name, root.kind), hint: "compare it with something"}
		case root.broken:
			return operand{broken: true}, nil
		}
		q.root, q.shape = inner.spread(root).node, inner.shape(0)
		q.register = c.register(kindBool)
		return operand{node: q, nullable: of.nullable || root.nullable}, nil
	}
	return a, nil
}

// capture makes e, an expression of a lambda that is about the row and not about the
// element, a variable of the lambda.
func (r *reading) capture(e ast.Expr) {
	outside := r.factory.CopyExpr(e)
	r.outer.resolve(outside, false, false)
	i := len(r.columns)
	r.columns = append(r.columns, &column{captured: outside})
	e.SetKindCase(r.factory.NewIdent(e.ID(), variable(i)))
}

// aboutRow says whether e, in a lambda, is read from the row and not from the element: a
// column, a path from one, or what is asked of something nested. What is computed of
// these is computed for each element, so that it fails only where it is needed.
func (r *reading) aboutRow(e ast.Expr) bool {
	path := func(e ast.Expr) bool {
		switch e.Kind() { //nolint:exhaustive // the others are computed
		case ast.IdentKind, ast.SelectKind:
			return true
		case ast.CallKind:
			name := e.AsCall().FunctionName()
			return name == columnFunction || name == operators.Index || name == "split"
		}
		return false
	}
	asks := false
	if e.Kind() == ast.CallKind {
		args := operandsOf(e)
		switch e.AsCall().FunctionName() {
		case "exists", "all":
			asks = true
		case "rowNumber", "uuid":
			asks = len(args) == 0
		case "size", "isNull":
			asks = len(args) == 1 && path(args[0])
		case operators.In:
			asks = len(args) == 2 && path(args[1])
		}
	}
	if !asks && !path(e) {
		return false
	}
	mentions := false
	ast.PreOrderVisit(e, ast.NewExprVisitor(func(x ast.Expr) {
		mentions = mentions || x.Kind() == ast.IdentKind && x.AsIdent() == r.lambda.variable
	}))
	return !mentions
}

// bind makes e the call of the access.
func (r *reading) bind(e ast.Expr, a *access) {
	for _, arg := range a.args[:len(a.args)-a.captured] {
		r.resolve(arg, false, false)
	}
	if _, ok := columnKind(a.typ); !ok {
		p := &problem{at: e.ID(), msg: "a value of type " + a.typ.String() + " cannot be used here", hint: columnAdvice(a.typ)}
		switch {
		case a.typ.ID() == arrow.STRUCT:
			p.hint = "take one of its fields, as in a.b"
		case a.typ.ID() == arrow.MAP:
			p.hint = `take the value of a key, as in m["key"], or its size`
		case isNested(a.typ):
			p.hint = "take an element, as in xs[0], its size, or ask xs.exists(x, ...)"
		}
		r.refuse(e, p)
		return
	}
	if a.plain == nil {
		a.err = columnError(a.typ)
	}
	name := accessName(len(r.accesses))
	if r.accesses == nil {
		r.accesses = map[string]*access{}
	}
	r.accesses[name] = a
	e.SetKindCase(r.factory.NewCall(e.ID(), name, a.args...))
}

// accessOperands compiles the operands of an access; false if one is not as it must be.
func (c *compiler) accessOperands(a *access) ([]operand, bool) {
	args, fit := make([]operand, len(a.args)), true
	for i, e := range a.args {
		args[i] = c.spread(c.compile(e))
		fit = fit && !args[i].broken
		if i < len(a.kinds) && args[i].kind != a.kinds[i] && args[i].kind != kindInvalid {
			c.reading.report(&problem{at: e.ID(), msg: fmt.Sprintf("%s takes a value of kind %s here, not %s", a.takers[i], a.kinds[i], args[i].kind)})
			fit = false
		}
	}
	return args, fit
}

// accessCall compiles the call of an access.
func (c *compiler) accessCall(at int64, a *access) (operand, *problem) {
	args, fit := c.accessOperands(a)
	k, _ := columnKind(a.typ)
	if a.plain != nil { // the body of a lambda can be wrong too
		o, p := a.plain(c, args)
		if p != nil || o.broken || !fit {
			return operand{broken: true, kind: k, at: at}, p
		}
		o.kind, o.at, o.register = k, at, noRegister
		return o, nil
	}
	if !fit {
		return operand{broken: true, kind: k, at: at}, nil
	}
	n, p := a.nested(c, args)
	if p != nil {
		return operand{}, p
	}
	node := &accessNode{of: n, kind: k, err: a.err, name: a.what, register: c.fresh(k), slot: c.access()}
	d, _ := digitsOf(a.typ)
	return operand{node: node, kind: k, at: at, digits: d, nullable: a.nullable, register: noRegister}, nil
}

// access hands out a slot in frame.slots.
func (c *compiler) access() int {
	c.slots++
	return c.slots - 1
}

// inner hands out a frame within the frame.
func (c *compiler) inner() int {
	c.inners++
	return c.inners - 1
}

// shape is what a frame for the nodes made so far needs.
func (c *compiler) shape(columns int) shape {
	return shape{registers: c.registers, masks: c.masks, columns: columns, slots: c.slots, inners: c.inners}
}

// accessFunctions is the chapter of accesses.
func accessFunctions() []function {
	arity := func(n int) []signature { return []signature{{args: make([]kind, n)}} }
	return []function{
		{
			name: ".", tree: "_._", form: "a.b", in: inNested, doc: "The field of a struct, also written a[\"b\"].",
			nulls: "null if the struct or the field is null", forms: []string{"struct.field -> the field's type"}, signatures: arity(1),
			examples: []example{{"address.city", `"Lisboa"`}, {"items[1].name", `"book"`}, {`address["zip"]`, "null"}},
		},
		{
			name: "[]", tree: operators.Index, form: "a[i]", in: inNested,
			doc:   "The element of a list, counted from 0, or from the end if i is negative; the value of a key of a map, where the first of equal keys counts.",
			nulls: "null if a or i is null, and where there is no such element or key", forms: []string{"list(T)[int] -> T", "map(K, V)[K] -> V    K: string, int"}, signatures: arity(2),
			examples: []example{{"scores[0]", "7"}, {"scores[-1]", "9"}, {"scores[visits]", "null"}, {`labels["tier"]`, `"gold"`}},
			slow:     "elements are gathered by Arrow's take, and the keys of a map compared one by one",
		},
		{
			name: "exists", form: "exists(a, x, p)", in: inNested, method: true,
			doc:   "Whether p is true for some element x of the list, or some key x of the map. p may use x, its fields if it is a struct, and columns. Elements behind the first for which it is true do not count, nor do their errors.",
			nulls: "null if a is null, and where p is true for none and null for some", fails: "when p fails for an element that counts",
			forms: []string{"list(T).exists(x, bool) -> bool", "map(K, V).exists(x, bool) -> bool"}, signatures: arity(3),
			examples: []example{{"scores.exists(x, x > 8)", "true"}, {"items.exists(i, i.price > 10.0 && i.name != country)", "true"}, {`labels.exists(k, k.startsWith("t"))`, "true"}, {"scores.exists(x, 1 / (x - 7) > 5.0)", "row error: division by zero"}},
			slow:     "p is evaluated for each element, and a row has many",
		},
		{
			name: "all", form: "all(a, x, p)", in: inNested, method: true,
			doc:   "Whether p is true for every element x of the list, or every key x of the map; true if there is none. Elements behind the first for which it is false do not count, nor do their errors.",
			nulls: "null if a is null, and where p is false for none and null for some", fails: "when p fails for an element that counts",
			forms: []string{"list(T).all(x, bool) -> bool", "map(K, V).all(x, bool) -> bool"}, signatures: arity(3),
			examples: []example{{"scores.all(x, x > visits)", "false"}, {"items.all(i, size(i.name) > 2)", "true"}},
			slow:     "p is evaluated for each element, and a row has many",
		},
		{
			name: "split", form: "split(a, separator)", in: inNested, method: true,
			doc:   "The list of the parts of a text cut at each separator: of one part at least. An empty separator cuts nowhere. For one part alone, splitPart is faster.",
			forms: []string{"split(string, string) -> list(string)"}, signatures: arity(2),
			examples: []example{{`split(email, "@")[0]`, `"ana"`}, {`size(email.split("."))`, "2"}, {`split("a,b", ",").exists(x, x == "b")`, "true"}},
		},
	}
}
