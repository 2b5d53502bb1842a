package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/pkg/nearest"
)

// problem is an error in an expression, at a node of its syntax tree.
type problem struct {
	at        int64
	msg, hint string
	about     ast.Expr // an operand; of one that has been refused this says nothing
	next      *problem // another, found with it
}

// reading is an expression on its way from text to a syntax tree that the compiler can
// take: every name in it has been found. What is wrong is noted and put out of the way, so
// that all that is wrong comes to light at once: see refuse.
type reading struct {
	language *language
	source   *source
	schema   *arrow.Schema
	tree     *ast.AST
	factory  ast.ExprFactory
	lastID   int64
	columns  []*column
	byIndex  map[int]int // of the schema, to columns
	accesses map[string]*access
	unknown  map[string]bool // columns of which nothing is known, not even whether they are there
	errs     Errors          // of the outermost reading: what is wrong
	// Of the body of a lambda: what it is about, and the reading around it.
	lambda *lambda
	outer  *reading
	nested *access // the expression as a whole, if it is nested
}

// read parses src and finds its names in the schema. What is wrong with them is in errs;
// the error is for a text that cannot be read at all.
func read(l *language, src string, schema *arrow.Schema, unknown []string) (*reading, error) {
	s := newSource(src)
	switch {
	case !utf8.ValidString(src):
		return nil, Errors{s.error(0, "the expression is not valid UTF-8", "")}
	case len(s.runes) > MaxLength:
		return nil, Errors{s.error(0, fmt.Sprintf("the expression has %d characters, more than %d", len(s.runes), MaxLength), "split it over several columns")}
	}
	tree, errs := l.parser.Parse(common.NewTextSource(src))
	if found := errs.GetErrors(); len(found) > 0 {
		return nil, s.syntaxErrors(found)
	}
	r := &reading{
		language: l, source: s, schema: schema, tree: tree,
		factory: ast.NewExprFactory(), lastID: ast.MaxID(tree), byIndex: map[int]int{}, unknown: map[string]bool{},
	}
	for _, name := range unknown {
		r.unknown[name] = true
	}
	root := tree.Expr()
	a, p := r.accessOf(root)
	if p != nil || a == nil || !isNested(a.typ) {
		r.resolve(root, false, false)
		return r, nil
	}
	// The expression is something nested as a whole: only its operands are plain.
	if !readable(a.typ) {
		r.report(&problem{at: root.ID(), msg: "a value of type " + a.typ.String() + " cannot be made", hint: "write the column without views"})
	}
	r.nested = a
	for _, arg := range a.args {
		r.resolve(arg, false, false)
	}
	return r, nil
}

// outermost is the reading of the expression as a whole.
func (r *reading) outermost() *reading {
	for r.lambda != nil {
		r = r.outer
	}
	return r
}

// report notes what is wrong.
func (r *reading) report(p *problem) {
	whole := r.outermost()
	for ; p != nil; p = p.next {
		whole.errs = append(whole.errs, r.error(p))
	}
}

// unknownVariable stands for what has been refused. Nothing is wrong with it, whatever it
// is an operand of: one mistake is one error.
const unknownVariable = "@unknown"

// refuse reports what is wrong with e and puts the unknown in its place.
func (r *reading) refuse(e ast.Expr, p *problem) {
	r.report(p)
	e.SetKindCase(r.factory.NewIdent(e.ID(), unknownVariable))
}

// refused says whether e has been.
func refused(e ast.Expr) bool { return e.Kind() == ast.IdentKind && e.AsIdent() == unknownVariable }

// error places a problem.
func (r *reading) error(p *problem) *Error {
	offset := r.offset(p.at)
	// CEL places a call at its parenthesis; its name is what one looks for.
	if offset < len(r.source.runes) && r.source.runes[offset] == '(' {
		offset = r.source.nameBefore(offset)
	}
	return r.source.error(offset, p.msg, p.hint)
}

// offset is where a part of the expression begins; of an operation that the parser has
// not placed, where its first operand that it has placed does.
func (r *reading) offset(id int64) int {
	offset, found, within := 0, false, false
	var visit func(e ast.Expr)
	visit = func(e ast.Expr) {
		inside := within
		within = within || e.ID() == id
		if within && !found {
			if at, ok := r.tree.SourceInfo().GetOffsetRange(e.ID()); ok {
				offset, found = int(at.Start), true
			}
		}
		switch e.Kind() { //nolint:exhaustive // the others have no parts
		case ast.SelectKind:
			visit(e.AsSelect().Operand())
		case ast.ListKind:
			for _, x := range e.AsList().Elements() {
				visit(x)
			}
		case ast.CallKind:
			if e.AsCall().IsMemberFunction() {
				visit(e.AsCall().Target())
			}
			for _, x := range e.AsCall().Args() {
				visit(x)
			}
		}
		within = inside
	}
	if at, ok := r.tree.SourceInfo().GetOffsetRange(id); ok {
		return int(at.Start)
	}
	visit(r.tree.Expr())
	return offset
}

// resolve prepares a tree for the compiler: columns become variables, accesses calls of
// functions of their own, calls with more operands than two nested calls.
func (r *reading) resolve(e ast.Expr, nullAllowed, listAllowed bool) {
	switch e.Kind() { //nolint:exhaustive // the others look into nothing
	case ast.IdentKind, ast.SelectKind, ast.CallKind:
		if refused(e) || r.resolveAccess(e) {
			return
		}
	}
	switch e.Kind() {
	case ast.LiteralKind:
		r.resolveLiteral(e, nullAllowed)
	case ast.IdentKind:
		r.resolveColumn(e, strings.TrimPrefix(e.AsIdent(), "."))
	case ast.CallKind:
		r.resolveCall(e)
	case ast.ListKind:
		for _, element := range e.AsList().Elements() {
			if element.Kind() == ast.LiteralKind && element.AsLiteral() == types.NullValue {
				r.refuse(element, &problem{at: element.ID(), msg: "a list cannot hold null", hint: "write isNull(x) || x in [...]"})
			}
			r.resolve(element, false, false)
		}
		if !listAllowed {
			r.refuse(e, &problem{at: e.ID(), msg: "a list can only stand on the right of in", hint: `as in country in ["PT", "ES"]`})
		}
	case ast.SelectKind:
		r.refuseSelect(e)
	case ast.MapKind, ast.StructKind:
		r.refuse(e, &problem{at: e.ID(), msg: "maps and messages are not supported"})
	case ast.ComprehensionKind, ast.UnspecifiedExprKind:
		r.refuse(e, &problem{at: e.ID(), msg: "not supported"})
	}
}

// resolveAccess resolves e if it looks into something nested, or if it is about the row
// and stands in a lambda.
func (r *reading) resolveAccess(e ast.Expr) (done bool) {
	if r.lambda != nil && r.aboutRow(e) {
		r.capture(e)
		return true
	}
	a, p := r.accessOf(e)
	if a == nil && p == nil && e.Kind() == ast.CallKind {
		a, p = r.nestedCall(e)
	}
	switch {
	case p != nil:
		if r.resolveOperands(e); p.about != nil && refused(p.about) {
			p = nil
		}
		r.refuse(e, p)
	case a != nil:
		r.bind(e, a)
	default:
		return false
	}
	return true
}

// resolveOperands finds the names in the plain operands of what is refused: they can be
// wrong too. What is nested there is left alone, and so is what may be about its elements.
func (r *reading) resolveOperands(e ast.Expr) {
	switch e.Kind() { //nolint:exhaustive // the others have no operands
	case ast.SelectKind:
		r.resolveOperands(e.AsSelect().Operand())
	case ast.CallKind:
		args := operandsOf(e)
		if takesLambda(e.AsCall().FunctionName()) {
			args = args[:min(1, len(args))]
		}
		var plain []ast.Expr
		nested := false
		for i, a := range args {
			of, p := r.accessOf(a)
			switch {
			case p != nil, of != nil && isNested(of.typ):
				nested = true
				r.resolveOperands(a)
			case e.AsCall().FunctionName() == columnFunction, e.AsCall().FunctionName() == operators.Index && i == 0:
			default:
				plain = append(plain, a)
			}
		}
		if name := e.AsCall().FunctionName(); nested && name != operators.Index && name != operators.In {
			return
		}
		for _, a := range plain {
			r.resolve(a, true, true)
		}
	}
}

// takesLambda says whether operands of the function but the first may be about elements.
func takesLambda(name string) bool {
	switch name {
	case "exists", "all", "exists_one", "map", "filter": // CEL has the last three
		return true
	}
	return false
}

// operandsOf lists the operands of a call, of which x.f(y) has two.
func operandsOf(e ast.Expr) []ast.Expr {
	call := e.AsCall()
	if call.IsMemberFunction() {
		return append([]ast.Expr{call.Target()}, call.Args()...)
	}
	return call.Args()
}

func (r *reading) resolveLiteral(e ast.Expr, nullAllowed bool) {
	switch v := e.AsLiteral().(type) {
	case types.Uint:
		r.refuse(e, &problem{at: e.ID(), msg: "unsigned numbers are not supported", hint: fmt.Sprintf("write %d", uint64(v))})
	case types.Null:
		if !nullAllowed {
			r.refuse(e, &problem{at: e.ID(), msg: "null can only stand in a branch of ?:", hint: "to ask for null, write isNull(x)"})
		}
	}
}

// resolveColumn makes e the variable of the column.
func (r *reading) resolveColumn(e ast.Expr, name string) {
	if r.outermost().unknown[name] {
		r.refuse(e, nil)
		return
	}
	indices := r.schema.FieldIndices(name)
	switch len(indices) {
	case 0:
		r.refuse(e, &problem{at: e.ID(), msg: fmt.Sprintf("there is no column %q", name), hint: r.columnHint(name)})
		r.outermost().unknown[name] = true // where it stands again, it is the same mistake
		return
	case 1:
	default:
		r.refuse(e, &problem{at: e.ID(), msg: fmt.Sprintf("%d columns are called %q", len(indices), name), hint: "rename them where the data is written"})
		return
	}
	i, known := r.byIndex[indices[0]]
	if !known {
		field := r.schema.Field(indices[0])
		k, ok := columnKind(field.Type)
		if !ok {
			r.refuse(e, &problem{
				at: e.ID(), msg: fmt.Sprintf("column %q is of type %s, which expressions cannot use", name, field.Type),
				hint: columnAdvice(field.Type),
			})
			return
		}
		i = len(r.columns)
		r.byIndex[indices[0]] = i
		r.columns = append(r.columns, &column{
			name: name, index: indices[0], typ: field.Type, kind: k,
			nullable: field.Nullable, err: columnError(field.Type),
		})
	}
	e.SetKindCase(r.factory.NewIdent(e.ID(), variable(i)))
}

func (r *reading) columnHint(name string) string {
	var names []string
	for _, f := range r.schema.Fields() {
		names = append(names, f.Name)
	}
	if near := nearest.Of(name, names); near != "" {
		if !isIdentifier(near) {
			return fmt.Sprintf("did you mean %s(%q)?", columnFunction, near)
		}
		return fmt.Sprintf("did you mean %s?", near)
	}
	if f := r.language.byTree[name]; f != nil {
		return "write a text in quotes, and a call with its operands: " + f.form
	}
	const most = 12
	if len(names) == 0 {
		return "there are no columns"
	}
	if len(names) > most {
		return fmt.Sprintf("the columns are %s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return "the columns are " + strings.Join(names, ", ")
}

// refuseSelect is about a.b, which CEL reads as field b of message a.
func (r *reading) refuseSelect(e ast.Expr) {
	path := e.AsSelect().FieldName()
	operand := e.AsSelect().Operand()
	for operand.Kind() == ast.SelectKind {
		path = operand.AsSelect().FieldName() + "." + path
		operand = operand.AsSelect().Operand()
	}
	p := &problem{at: e.ID(), msg: "values have no fields", hint: "a function is called with parentheses, as in email.size()"}
	named := false
	if operand.Kind() == ast.IdentKind {
		path = operand.AsIdent() + "." + path
		if named = r.schema.HasField(path); named {
			p.hint = fmt.Sprintf("for the column, write %s(%q)", columnFunction, path)
		}
	}
	if !named {
		if r.resolve(operand, true, true); refused(operand) {
			p = nil // what there is no such column of has no such field
		}
	}
	r.refuse(e, p)
}

func (r *reading) resolveCall(e ast.Expr) {
	call := e.AsCall()
	name, args := call.FunctionName(), operandsOf(e)
	if name == columnFunction && !call.IsMemberFunction() {
		if len(args) == 1 && args[0].Kind() == ast.LiteralKind {
			if column, ok := args[0].AsLiteral().(types.String); ok {
				r.resolveColumn(e, string(column))
				return
			}
		}
		r.refuse(e, &problem{at: e.ID(), msg: `col takes the name of a column in quotes`, hint: `as in col("unit price")`})
		return
	}
	f := r.language.byTree[name]
	if p := r.refuseCall(e, f, args); p != nil {
		r.resolveOperands(e)
		r.refuse(e, p)
		return
	}
	for i, a := range args {
		branch := name == operators.Conditional && i > 0
		members := name == operators.In && i == 1
		r.resolve(a, branch, members)
	}
	if name == operators.Index {
		p := &problem{at: e.ID(), msg: "values have no elements", hint: `for a part of a text, write substring(a, 0, 1)`}
		if refused(args[0]) {
			p = nil
		}
		r.refuse(e, p)
		return
	}
	if len(args) > 2 && f.folds {
		rest := args[len(args)-1]
		for _, a := range slices.Backward(args[1 : len(args)-1]) {
			rest = r.factory.NewCall(r.newID(e), name, a, rest)
		}
		e.SetKindCase(r.factory.NewCall(e.ID(), name, args[0], rest))
	}
}

// refuseCall is what is wrong with a call, whatever its operands are.
func (r *reading) refuseCall(e ast.Expr, f *function, args []ast.Expr) *problem {
	if f == nil {
		return r.unknownFunction(e)
	}
	if e.AsCall().IsMemberFunction() && !f.method {
		return &problem{at: e.ID(), msg: fmt.Sprintf("%s is not called on a value", f.name), hint: "write " + f.form}
	}
	if p := r.checkArity(e, f, len(args)); p != nil {
		return p
	}
	if tree := f.treeName(); tree == operators.Equals || tree == operators.NotEquals {
		for i, a := range args {
			if a.Kind() == ast.LiteralKind && a.AsLiteral() == types.NullValue {
				negation := ""
				if tree == operators.NotEquals {
					negation = "!"
				}
				operand := "x"
				if other := args[1-i]; other.Kind() == ast.IdentKind {
					operand = other.AsIdent()
				}
				return &problem{at: e.ID(), msg: "a comparison with null is null in every row", hint: fmt.Sprintf("write %sisNull(%s)", negation, operand)}
			}
		}
	}
	return nil
}

func (r *reading) checkArity(e ast.Expr, f *function, n int) *problem {
	arities := f.arities()
	if slices.Contains(arities, n) {
		return nil
	}
	if f.folds && n > 2 {
		if n > maxDepth/2 {
			return &problem{at: e.ID(), msg: fmt.Sprintf("%s takes at most %d operands, not %d", f.name, maxDepth/2, n)}
		}
		return nil
	}
	want := make([]string, len(arities))
	for i, a := range arities {
		want[i] = strconv.Itoa(a)
	}
	takes := strings.Join(want, " or ")
	if f.folds {
		takes += " or more"
	}
	noun := "operands"
	if takes == "1" {
		noun = "operand"
	}
	return &problem{at: e.ID(), msg: fmt.Sprintf("%s takes %s %s, not %d", f.name, takes, noun, n), hint: "write " + f.form}
}

func (r *reading) unknownFunction(e ast.Expr) *problem {
	name := e.AsCall().FunctionName()
	if strings.ContainsAny(name, "_@[") && !isIdentifier(name) {
		return &problem{at: e.ID(), msg: "not supported"}
	}
	p := &problem{at: e.ID(), msg: fmt.Sprintf("there is no function %q", name)}
	p.hint = "docs/expressions.md lists the functions"
	if elsewhere := namesElsewhere[strings.ToLower(name)]; elsewhere != "" {
		p.hint = elsewhere
	} else if near := nearest.Of(name, r.language.functionNames()); near != "" {
		p.hint = fmt.Sprintf("did you mean %s?", near)
	}
	return p
}

// namesElsewhere is what to write for functions as CEL, SQL and others call them.
var namesElsewhere = map[string]string{
	"has": "write !isNull(a)", "map": "ask a list with exists or all", "filter": "ask a list with exists or all", "exists_one": "ask a list with exists or all",
	"getfullyear": "write year(a)", "getmonth": "write month(a)", "getdate": "write day(a)", "getdayofmonth": "write day(a)", "getdayofweek": "write dayOfWeek(a)",
	"getdayofyear": "write dayOfYear(a)", "gethours": "write hour(a)", "getminutes": "write minute(a)", "getseconds": "write second(a)", "getmilliseconds": "write millisecond(a)",
	"charat": "write substring(a, n, n + 1)", "lowerascii": "write lower(a)", "upperascii": "write upper(a)", "greatest": "write max(a, b)", "least": "write min(a, b)",
	"len": "write size(a)", "length": "write size(a)", "substr": "write substring(a, start, end), counted from 0", "strpos": "write indexOf(a, part), counted from 0",
	"lpad": "write padStart(a, n, fill)", "rpad": "write padEnd(a, n, fill)", "ltrim": "write trimStart(a)", "rtrim": "write trimEnd(a)", "split_part": "write splitPart(a, separator, n), counted from 0",
	"ifnull": "write coalesce(a, b)", "nvl": "write coalesce(a, b)", "if": "write condition ? a : b", "iif": "write condition ? a : b",
	"cast": "write int(a), double(a), string(a) and so on", "try_cast": "write try_int(a), try_double(a), try_timestamp(a) and so on",
	"date_trunc": "write truncate(a, unit)", "date_add": "write add(a, n, unit)", "dateadd": "write add(a, n, unit)", "date_diff": "write difference(a, b, unit)", "datediff": "write difference(a, b, unit)",
	"strftime": "write format(a, layout)", "strptime": "write parse(a, layout)", "ln": "write log(a)", "power": "write pow(a, b)", "ceiling": "write ceil(a)", "mod": "write a % b",
	"regexp_replace": "write replaceMatches(a, pattern, new)", "regexp_extract": "write extract(a, pattern)", "regexp_matches": "write matches(a, pattern)",
}

// mismatch is the problem of a function with operands it does not take.
func mismatch(at int64, f *function, given []kind) *problem {
	names := make([]string, len(given))
	for i, k := range given {
		names[i] = k.String()
	}
	known := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == kindInvalid.String() })
	list := known[len(known)-1]
	if len(known) > 1 {
		list = strings.Join(known[:len(known)-1], ", ") + " and " + list
	}
	p := &problem{at: at, msg: fmt.Sprintf("%s does not take %s", f.name, list)}
	has := func(k kind) bool { return slices.Contains(given, k) }
	number := has(kindInt) || has(kindDouble)
	switch {
	case f.treeName() == operators.In && given[1] != kindList:
		p.msg, p.hint = "on the right of in stands a list or a map", `as in country in ["PT", "ES"]`
	case f.treeName() == operators.Conditional && given[0] != kindBool && given[0] != kindInvalid:
		p.msg = "the condition of ?: is a bool, not a value of kind " + names[0]
	case f.treeName() == operators.Conditional && given[1] == kindNull && given[2] == kindNull:
		p.msg, p.hint = "both branches of ?: are null", "one of them must have a value"
	case f.treeName() == operators.Conditional:
		p.msg, p.hint = "the branches of ?: are of the kinds "+names[1]+" and "+names[2], "they must be of one kind"
	case has(kindString) && has(kindTimestamp):
		p.hint = `a timestamp is written timestamp("2001-01-31T00:00:00Z")`
	case has(kindString) && has(kindDuration):
		p.hint = `a duration is written duration("1h30m")`
	case has(kindDuration) && number, has(kindTimestamp) && number:
		p.hint = `a time span is written duration("1h30m")`
	case f.operator() && has(kindString) && number:
		p.hint = "string(x) makes text of a number, double(x) and int(x) make a number of text"
	default:
		p.hint = "it takes " + strings.Join(f.shapes(), "; ")
	}
	return p
}
