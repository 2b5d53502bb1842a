package expr

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/decls"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
	"github.com/apache/arrow-go/v18/arrow"
)

// problem is an error in an expression, at a node of its syntax tree.
type problem struct {
	at        int64
	msg, hint string
	placed    *Error // the whole of it, from a part that was read by itself
}

// reading is an expression on its way from text to a typed syntax tree.
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
	declared []*decls.FunctionDecl // the accesses, for the checker
	// Of the body of a lambda: what it is about, and the reading around it.
	lambda *lambda
	outer  *reading
	nested *access // the expression as a whole, if it is nested
}

// read parses src, resolves its names against the schema, refuses what the
// language does not have, and types the rest.
func read(l *language, src string, schema *arrow.Schema) (*reading, error) {
	s := newSource(src)
	switch {
	case !utf8.ValidString(src):
		return nil, s.error(0, "the expression is not valid UTF-8", "")
	case len(s.runes) > MaxLength:
		return nil, s.error(0, fmt.Sprintf("the expression has %d characters, more than %d", len(s.runes), MaxLength), "split it over several columns")
	}
	text := common.NewTextSource(src)
	tree, errs := l.parser.Parse(text)
	if found := errs.GetErrors(); len(found) > 0 {
		return nil, s.syntaxError(found[0])
	}
	r := &reading{
		language: l, source: s, schema: schema, tree: tree,
		factory: ast.NewExprFactory(), lastID: ast.MaxID(tree), byIndex: map[int]int{},
	}
	root := tree.Expr()
	a, p := r.accessOf(root)
	if p == nil && a != nil && isNested(a.typ) {
		// The expression is something nested as a whole; only its operands are typed.
		if r.nested, p = a, nil; !readable(a.typ) {
			p = &problem{at: root.ID(), msg: "a value of type " + a.typ.String() + " cannot be made", hint: "write the column without views"}
		}
		if p == nil {
			p = r.stand(root, a)
		}
	} else if p == nil {
		p = r.resolve(root, false, false)
	}
	if p != nil {
		return nil, r.error(p)
	}
	if err := r.check(nil); err != nil {
		return nil, err
	}
	return r, nil
}

// stand puts a call of the access in the place of e, with a result that nobody uses.
func (r *reading) stand(e ast.Expr, a *access) *problem {
	stand := *a
	stand.typ = arrow.FixedWidthTypes.Boolean
	return r.bind(e, &stand)
}

// text is the source as CEL's checker wants it.
func (r *reading) text() common.Source { return common.NewTextSource(r.source.text) }

// error places a problem.
func (r *reading) error(p *problem) *Error {
	if p.placed != nil {
		return p.placed
	}
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

// resolve prepares a tree for the type checker: columns become variables of
// known kinds, calls with more operands than two become nested calls. It refuses
// what the checker would refuse in words of its own.
func (r *reading) resolve(e ast.Expr, nullAllowed, listAllowed bool) *problem {
	switch e.Kind() { //nolint:exhaustive // the others look into nothing
	case ast.IdentKind, ast.SelectKind, ast.CallKind:
		if done, p := r.resolveAccess(e); done || p != nil {
			return p
		}
	}
	switch e.Kind() {
	case ast.LiteralKind:
		return r.resolveLiteral(e, nullAllowed)
	case ast.IdentKind:
		return r.resolveColumn(e, strings.TrimPrefix(e.AsIdent(), "."))
	case ast.CallKind:
		return r.resolveCall(e)
	case ast.ListKind:
		if !listAllowed {
			return &problem{at: e.ID(), msg: "a list can only stand on the right of in", hint: `as in country in ["PT", "ES"]`}
		}
		for _, element := range e.AsList().Elements() {
			if element.Kind() == ast.LiteralKind && element.AsLiteral() == types.NullValue {
				return &problem{at: element.ID(), msg: "a list cannot hold null", hint: "write isNull(x) || x in [...]"}
			}
			if p := r.resolve(element, false, false); p != nil {
				return p
			}
		}
		return nil
	case ast.SelectKind:
		return r.refuseSelect(e)
	case ast.MapKind, ast.StructKind:
		return &problem{at: e.ID(), msg: "maps and messages are not supported"}
	case ast.ComprehensionKind, ast.UnspecifiedExprKind:
	}
	return &problem{at: e.ID(), msg: "not supported"}
}

// resolveAccess resolves e if it looks into something nested, or if it is about the row
// and stands in a lambda.
func (r *reading) resolveAccess(e ast.Expr) (done bool, p *problem) {
	if r.lambda != nil && r.aboutRow(e) {
		return true, r.capture(e)
	}
	a, p := r.accessOf(e)
	if a == nil && p == nil && e.Kind() == ast.CallKind {
		a, p = r.nestedCall(e)
	}
	if a == nil || p != nil {
		return false, p
	}
	return true, r.bind(e, a)
}

func (r *reading) resolveLiteral(e ast.Expr, nullAllowed bool) *problem {
	switch v := e.AsLiteral().(type) {
	case types.Uint:
		return &problem{at: e.ID(), msg: "unsigned numbers are not supported", hint: fmt.Sprintf("write %d", uint64(v))}
	case types.Null:
		if !nullAllowed {
			return &problem{at: e.ID(), msg: "null can only stand in a branch of ?:", hint: "to ask for null, write isNull(x)"}
		}
	}
	return nil
}

// resolveColumn makes e the variable of the column.
func (r *reading) resolveColumn(e ast.Expr, name string) *problem {
	indices := r.schema.FieldIndices(name)
	switch len(indices) {
	case 0:
		return &problem{at: e.ID(), msg: fmt.Sprintf("there is no column %q", name), hint: r.columnHint(name)}
	case 1:
	default:
		return &problem{at: e.ID(), msg: fmt.Sprintf("%d columns are called %q", len(indices), name), hint: "rename them where the data is written"}
	}
	i, known := r.byIndex[indices[0]]
	if !known {
		field := r.schema.Field(indices[0])
		k, ok := columnKind(field.Type)
		if !ok {
			return &problem{
				at: e.ID(), msg: fmt.Sprintf("column %q is of type %s, which expressions cannot use", name, field.Type),
				hint: columnAdvice(field.Type),
			}
		}
		i = len(r.columns)
		r.byIndex[indices[0]] = i
		r.columns = append(r.columns, &column{
			name: name, index: indices[0], typ: field.Type, kind: k,
			nullable: field.Nullable, err: columnError(field.Type),
		})
	}
	e.SetKindCase(r.factory.NewIdent(e.ID(), variable(i)))
	return nil
}

func (r *reading) columnHint(name string) string {
	var names []string
	for _, f := range r.schema.Fields() {
		names = append(names, f.Name)
	}
	if near := nearest(name, names); near != "" {
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
func (r *reading) refuseSelect(e ast.Expr) *problem {
	path := e.AsSelect().FieldName()
	operand := e.AsSelect().Operand()
	for operand.Kind() == ast.SelectKind {
		path = operand.AsSelect().FieldName() + "." + path
		operand = operand.AsSelect().Operand()
	}
	p := &problem{at: e.ID(), msg: "values have no fields"}
	if operand.Kind() == ast.IdentKind {
		path = operand.AsIdent() + "." + path
		if r.schema.HasField(path) {
			p.hint = fmt.Sprintf("for the column, write %s(%q)", columnFunction, path)
		}
	}
	if p.hint == "" {
		p.hint = "a function is called with parentheses, as in email.size()"
	}
	return p
}

func (r *reading) resolveCall(e ast.Expr) *problem {
	call := e.AsCall()
	name, args := call.FunctionName(), call.Args()
	if name == columnFunction && !call.IsMemberFunction() {
		if len(args) != 1 || args[0].Kind() != ast.LiteralKind {
			return &problem{at: e.ID(), msg: `col takes the name of a column in quotes`, hint: `as in col("unit price")`}
		}
		column, ok := args[0].AsLiteral().(types.String)
		if !ok {
			return &problem{at: e.ID(), msg: `col takes the name of a column in quotes`, hint: `as in col("unit price")`}
		}
		return r.resolveColumn(e, string(column))
	}
	f := r.language.byTree[name]
	if f == nil {
		return r.unknownFunction(e)
	}
	if name == operators.Index {
		return &problem{at: e.ID(), msg: "values have no elements", hint: `for a part of a text, write substring(a, 0, 1)`}
	}
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
		if !f.method {
			return &problem{at: e.ID(), msg: fmt.Sprintf("%s is not called on a value", name), hint: "write " + f.form}
		}
	}
	if p := r.checkArity(e, f, len(args)); p != nil {
		return p
	}
	if name == operators.Equals || name == operators.NotEquals {
		for i, a := range args {
			if a.Kind() == ast.LiteralKind && a.AsLiteral() == types.NullValue {
				negation := ""
				if name == operators.NotEquals {
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
	for i, a := range args {
		branch := name == operators.Conditional && i > 0
		members := name == operators.In && i == 1
		if p := r.resolve(a, branch, members); p != nil {
			return p
		}
	}
	if len(args) > 2 && f.folds {
		rest := args[len(args)-1]
		for _, a := range slices.Backward(args[1 : len(args)-1]) {
			rest = r.factory.NewCall(r.newID(e), name, a, rest)
		}
		e.SetKindCase(r.factory.NewCall(e.ID(), name, args[0], rest))
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
	names := r.language.functionNames()
	if near := nearest(name, names); near != "" {
		p.hint = fmt.Sprintf("did you mean %s?", near)
	} else {
		p.hint = "docs/expressions.md lists the functions"
	}
	return p
}

// typeError puts an error of CEL's checker in our words. After resolve only one
// sort is left: operands of kinds that the function does not take.
func (r *reading) typeError(e *common.Error) *Error {
	var call ast.CallExpr
	at := e.ExprID
	ast.PreOrderVisit(r.tree.Expr(), ast.NewExprVisitor(func(x ast.Expr) {
		if x.Kind() != ast.CallKind || call != nil {
			return
		}
		c := x.AsCall()
		if x.ID() == e.ExprID {
			call = c
			return
		}
		// && and || are reported at the operand.
		if name := c.FunctionName(); name == operators.LogicalAnd || name == operators.LogicalOr {
			for _, a := range c.Args() {
				if a.ID() == e.ExprID && kindOf(r.tree.GetType(a.ID())) != kindBool {
					call, at = c, x.ID()
				}
			}
		}
	}))
	if call == nil {
		return r.error(&problem{at: at, msg: e.Message})
	}
	if a := r.accesses[call.FunctionName()]; a != nil {
		return r.accessError(at, call, a)
	}
	f := r.language.byTree[call.FunctionName()]
	args := call.Args()
	if call.IsMemberFunction() {
		args = append([]ast.Expr{call.Target()}, args...)
	}
	given := make([]kind, len(args))
	for i, a := range args {
		given[i] = kindOf(r.tree.GetType(a.ID()))
	}
	return r.error(mismatch(at, f, given))
}

// accessError is about an access with operands of the wrong kinds.
func (r *reading) accessError(at int64, call ast.CallExpr, a *access) *Error {
	for i, arg := range call.Args() {
		if k := kindOf(r.tree.GetType(arg.ID())); k != a.kinds[i] {
			return r.error(&problem{at: arg.ID(), msg: fmt.Sprintf("%s takes a value of kind %s here, not %s", a.takers[i], a.kinds[i], k)})
		}
	}
	return r.error(&problem{at: at, msg: a.what + " does not take these operands"})
}

// mismatch is the problem of a function with operands it does not take.
func mismatch(at int64, f *function, given []kind) *problem {
	names := make([]string, len(given))
	for i, k := range given {
		names[i] = k.String()
	}
	list := names[len(names)-1]
	if len(names) > 1 {
		list = strings.Join(names[:len(names)-1], ", ") + " and " + list
	}
	p := &problem{at: at, msg: fmt.Sprintf("%s does not take %s", f.name, list)}
	has := func(k kind) bool { return slices.Contains(given, k) }
	number := has(kindInt) || has(kindDouble)
	switch {
	case f.treeName() == operators.In && given[1] != kindList:
		p.msg, p.hint = "on the right of in stands a list of constants", `as in country in ["PT", "ES"]`
	case f.treeName() == operators.Conditional && given[0] != kindBool:
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

// source is the text of an expression, for places in it.
type source struct {
	text  string
	runes []rune
}

func newSource(text string) *source { return &source{text: text, runes: []rune(text)} }

// error makes the error for the character at the offset.
func (s *source) error(offset int, msg, hint string) *Error {
	offset = max(0, min(offset, len(s.runes)))
	e := &Error{Src: s.text, Offset: offset, Line: 1, Column: 1, Msg: msg, Hint: hint}
	for _, r := range s.runes[:offset] {
		if e.Column++; r == '\n' {
			e.Line, e.Column = e.Line+1, 1
		}
	}
	return e
}

// nameBefore is where the name begins that ends before the offset.
func (s *source) nameBefore(offset int) int {
	start := offset
	for start > 0 && unicode.IsSpace(s.runes[start-1]) {
		start--
	}
	end := start
	for start > 0 && isWord(s.runes[start-1]) {
		start--
	}
	if start == end {
		return offset
	}
	return start
}

func isWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// tokenAt is the word or the sign at the offset.
func (s *source) tokenAt(offset int) string {
	if offset >= len(s.runes) {
		return ""
	}
	end := offset + 1
	if isWord(s.runes[offset]) {
		for end < len(s.runes) && isWord(s.runes[end]) {
			end++
		}
	}
	return string(s.runes[offset:end])
}

// syntaxError puts an error of CEL's parser in our words.
func (s *source) syntaxError(e *common.Error) *Error {
	offset := s.offset(e.Location)
	msg := strings.TrimPrefix(e.Message, "Syntax error: ")
	hint := ""
	token := s.tokenAt(offset)
	switch {
	case strings.Contains(msg, "recursion limit"):
		return s.error(0, fmt.Sprintf("the expression nests deeper than %d operations", maxDepth), "split it over several columns")
	case strings.TrimSpace(s.text) == "":
		msg = "the expression is empty"
	case strings.Contains(msg, "<EOF>"), token == "" && strings.Contains(msg, "expected"):
		msg, hint = "the expression ends too early", ""
		if strings.Count(s.text, "(") > strings.Count(s.text, ")") {
			hint = "a closing parenthesis is missing"
		}
	case strings.Contains(msg, "unterminated"):
		msg = "the text has no closing quote"
	case strings.Contains(msg, "unescape"):
		msg, hint = "the text has a backslash that escapes nothing", `write \\ for a backslash, or a raw text: r"\d"`
	case strings.Contains(msg, "quoted identifier"), token == "`":
		msg, hint = "names are not quoted with backquotes", `write col("a b")`
	case strings.Contains(msg, "reserved identifier"):
		msg, hint = fmt.Sprintf("%q is a reserved word", token), fmt.Sprintf("if it is a column, write col(%q)", token)
	case strings.Contains(msg, "invalid int literal"):
		msg, hint = "the number does not fit an int", "write it with a decimal point for a double"
	case strings.Contains(msg, "invalid double literal"):
		msg = "the number does not fit a double"
	case strings.HasPrefix(msg, "unexpected"), strings.HasPrefix(msg, "expected"), strings.HasPrefix(msg, "mismatched"):
		msg, hint = fmt.Sprintf("unexpected %q", token), tokenHint(strings.ToLower(token), offset, s)
	}
	return s.error(offset, msg, hint)
}

// tokenHint is for those who think in another language.
func tokenHint(token string, offset int, s *source) string {
	before := ""
	if offset > 0 {
		before = string(s.runes[offset-1])
	}
	switch token {
	case "and", "&":
		return "write && for and"
	case "or", "|":
		return "write || for or"
	case "not":
		return "write ! for not"
	case "=":
		return "write == to compare"
	case "is":
		return "write isNull(x), or ==, or !="
	case ">":
		if before == "<" {
			return "write != for unequal"
		}
	case "like":
		return "write contains(x, y), startsWith(x, y) or matches(x, pattern)"
	case "between":
		return "write x >= a && x <= b"
	case "case", "when", "then":
		return "write condition ? a : b"
	}
	return ""
}

// offset of a place that CEL reports by line and column.
func (s *source) offset(at common.Location) int {
	line, column := at.Line(), max(at.Column(), 0)
	offset := 0
	for ; line > 1 && offset < len(s.runes); offset++ {
		if s.runes[offset] == '\n' {
			line--
		}
	}
	return min(offset+column, len(s.runes))
}

// nearest is the name most like the given one, or empty when none is like it.
func nearest(name string, names []string) string {
	limit := 1 + len(name)/4
	best, least := "", limit+1
	for _, n := range names {
		d := distance(strings.ToLower(name), strings.ToLower(n), least)
		if d < least && d < len(name) {
			best, least = n, d
		}
	}
	return best
}

// distance is the Levenshtein distance of two names, in bytes; it stops at most.
func distance(a, b string, most int) int {
	if len(a)-len(b) >= most || len(b)-len(a) >= most {
		return most
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j]+1, row[j+1]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
