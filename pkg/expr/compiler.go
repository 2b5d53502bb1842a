package expr

import (
	"slices"

	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
)

// operand is a compiled part of an expression, on its way into the node above.
type operand struct {
	node     node
	kind     kind
	at       int64 // in the syntax tree
	nullable bool
	digits   digits        // of a decimal
	constant *constantNode // the node, when it is constant
	elements []operand     // of a list; it has no node
	broken   bool          // something is wrong with it that has been reported: it has no node, and no kind if that is not known
	// register is the node's, to be used again when the node above has its
	// own; negative when nobody else may have it.
	register int
}

const noRegister = -1

// isConstant says whether the operand is one in every row; so are null, and a list of such.
func (o operand) isConstant() bool {
	return o.constant != nil || o.node == nil && !slices.ContainsFunc(o.elements, func(e operand) bool { return !e.isConstant() })
}

// compiler finds out the kinds of the parts of an expression and makes nodes of them; it
// hands out the registers and masks that a frame will need.
type compiler struct {
	reading   *reading
	registers []storage
	free      [storeNone][]int // by storage
	masks     int
	slots     int
	inners    int
	placed    bool // something depends on where rows stand
}

// register finds a register for the value of a node that is evaluated after
// everything compiled so far.
func (c *compiler) register(k kind) int {
	s := k.storage()
	if n := len(c.free[s]); n > 0 {
		r := c.free[s][n-1]
		c.free[s] = c.free[s][:n-1]
		return r
	}
	return c.fresh(k)
}

// fresh makes a new register.
func (c *compiler) fresh(k kind) int {
	c.registers = append(c.registers, k.storage())
	return len(c.registers) - 1
}

// release frees the registers of operands whose values nobody needs any more. What is
// broken has none.
func (c *compiler) release(args ...operand) {
	for _, a := range args {
		if !a.broken && a.register != noRegister {
			s := c.registers[a.register]
			c.free[s] = append(c.free[s], a.register)
		}
	}
}

func (c *compiler) mask() int {
	c.masks++
	return c.masks - 1
}

// compile makes the node of e.
func (c *compiler) compile(e ast.Expr) operand {
	o := operand{broken: true}
	var p *problem
	switch e.Kind() { //nolint:exhaustive // the reading has refused the rest
	case ast.LiteralKind:
		o = c.literal(e)
	case ast.IdentKind:
		o = c.variable(e)
	case ast.ListKind:
		o = operand{kind: kindList, at: e.ID(), register: noRegister}
		for _, x := range e.AsList().Elements() {
			o.elements = append(o.elements, c.compile(x))
		}
	case ast.CallKind:
		name := e.AsCall().FunctionName()
		if a := c.reading.accesses[name]; a != nil {
			o, p = c.accessCall(e.ID(), a)
			break
		}
		var args []operand
		for _, x := range operandsOf(e) {
			args = append(args, c.compile(x))
		}
		o, p = c.call(e.ID(), c.reading.language.byTree[name], args)
	}
	if p != nil {
		c.reading.report(p)
		o = operand{broken: true, kind: o.kind}
	}
	return o
}

// variable makes the node of a column.
func (c *compiler) variable(e ast.Expr) operand {
	for i, col := range c.reading.columns {
		if e.AsIdent() != variable(i) {
			continue
		}
		o := operand{kind: col.kind, digits: col.digits(), at: e.ID(), nullable: col.nullable, register: noRegister}
		switch {
		case col.broken: // where it is captured
			o.broken = true
		case col.captured != nil:
			o.node = captureNode{col}
		default:
			o.node = &columnNode{column: col, state: i}
		}
		return o
	}
	return operand{broken: true} // the unknown variable
}

func (c *compiler) literal(e ast.Expr) operand {
	o := operand{at: e.ID(), register: noRegister}
	var v vector
	switch x := e.AsLiteral().(type) {
	case types.Int:
		o.kind, v.ints = kindInt, []int64{int64(x)}
	case types.Double:
		o.kind, v.floats = kindDouble, []float64{float64(x)}
	case types.String:
		o.kind, v.strs = kindString, []string{string(x)}
	case types.Bytes:
		o.kind, v.strs = kindBytes, []string{string(x)}
	case types.Bool:
		o.kind, v.bits = kindBool, new(mask)
		if x {
			v.bits.set(0)
		}
	default:
		o.kind = kindNull
		return o
	}
	o.constant = newConstant(o.kind, &v, 0)
	o.node = o.constant
	return o
}

// call applies a function to compiled operands. When all are constant, so is
// the result.
func (c *compiler) call(at int64, f *function, args []operand) (operand, *problem) {
	given := make([]kind, len(args))
	constant, broken := true, false
	for i, a := range args {
		given[i] = a.kind
		broken = broken || a.broken
		constant = constant && a.isConstant()
	}
	s := f.resolve(given)
	if s == nil {
		return operand{}, mismatch(at, f, given)
	}
	if broken {
		return operand{broken: true, kind: f.resultOf(given), at: at}, nil
	}
	if s.identity {
		args[0].at = at
		return args[0], nil
	}
	c.placed = c.placed || s.placed
	if constant && !s.placed {
		folded, p := c.fold(at, f, s, args)
		if p != nil || folded.constant != nil {
			return folded, p
		}
	}
	return c.apply(at, f, s, args, constant && !s.placed)
}

// fold computes an operation on constants. The result has no constant if it is null.
func (c *compiler) fold(at int64, f *function, s *signature, args []operand) (operand, *problem) {
	once := &compiler{reading: c.reading}
	o, p := once.apply(at, f, s, slices.Clone(args), true)
	if p != nil {
		return operand{}, p
	}
	frame := newFrame(once.shape(0))
	frame.begin(0, 1)
	v := o.node.eval(frame, &frame.active)
	switch {
	case len(frame.errs) > 0:
		return operand{}, &problem{at: at, msg: f.name + " fails in every row: " + frame.errs[0].Err.Error(), hint: constantHint(f)}
	case frame.err != nil:
		return operand{}, &problem{at: at, msg: f.name + " fails in every row: " + frame.err.Error()}
	case v.nulls && !v.valid.has(0):
		return operand{}, nil
	}
	o = operand{kind: o.kind, at: at, digits: o.digits, register: noRegister, constant: newConstant(o.kind, v, 0)}
	o.node = o.constant
	return o, nil
}

// constantHint is the form of the text that a cast wants.
func constantHint(f *function) string {
	switch f.name {
	case "timestamp":
		return `it is written timestamp("2001-01-31T13:45:00Z")`
	case "duration":
		return `it is written duration("1h30m")`
	}
	return ""
}

// apply makes the node of an operation. spread makes vectors of all constants,
// for an operation on nothing else.
func (c *compiler) apply(at int64, f *function, s *signature, args []operand, spread bool) (operand, *problem) {
	for i := range args {
		if i < len(s.args) && s.args[i] == kindDouble && args[i].kind != kindDouble {
			args[i] = c.widen(args[i])
		}
	}
	if s.build != nil {
		for i := range args {
			args[i] = c.spread(args[i])
		}
		to := c.alike(args)
		o, p := s.build(c, s, args)
		if p != nil {
			return operand{}, p
		}
		o.at, o.kind = at, s.result
		if s.result == kindDecimal {
			o.digits = to
		}
		return o, nil
	}
	p := prepared{kernel: s.kernel, args: args, errs: s.errs, bounds: s.bounds}
	if s.prepare != nil {
		var wrong *problem
		if p, wrong = s.prepare(s, args); wrong != nil {
			return operand{}, wrong
		}
	}
	n := &callNode{name: f.name, kind: s.result, kernel: p.kernel, derive: p.bounds, fallible: len(p.errs) > 0, lenient: s.lenient && len(p.errs) > 0}
	o := operand{node: n, kind: s.result, at: at, nullable: n.lenient, digits: p.digits}
	for _, a := range p.args {
		if spread || !s.scalars {
			a = c.spread(a)
		}
		n.args = append(n.args, a.node)
		o.nullable = o.nullable || a.nullable
	}
	// Before the operands' registers are free: the kernel writes into one while
	// it reads the others.
	n.register = c.register(s.result)
	o.register = n.register
	c.release(args...)
	return o, nil
}

// widen makes a double of an int or a decimal.
func (c *compiler) widen(a operand) operand {
	if a.constant != nil {
		v := vector{floats: []float64{a.constant.vector.doubleAt(0, a.digits.scale)}}
		a.constant = newConstant(kindDouble, &v, 0)
		a.node, a.kind = a.constant, kindDouble
		return a
	}
	// A register that nobody has had: the operands after a are compiled already,
	// and what they work in was free then.
	n := &callNode{name: "double", kind: kindDouble, kernel: widenInts, args: []node{a.node}, derive: widenBounds, register: c.fresh(kindDouble)}
	if a.kind == kindDecimal {
		n.kernel, n.derive = widenDecimals(a.digits.scale), nil
	}
	c.release(a)
	a.node, a.kind, a.register = n, kindDouble, n.register
	return a
}

// spread makes a vector of a constant. Bools are kept as vectors anyway.
func (c *compiler) spread(a operand) operand {
	if a.constant == nil || a.kind == kindBool {
		return a
	}
	a.node = &spreadNode{constant: a.constant, register: c.fresh(a.kind)}
	return a
}

func buildLogic(or bool) func(*compiler, *signature, []operand) (operand, *problem) {
	return func(c *compiler, _ *signature, args []operand) (operand, *problem) {
		n := &logicNode{or: or, left: args[0].node, right: args[1].node, register: c.register(kindBool), undecided: c.mask()}
		c.release(args...)
		return operand{node: n, nullable: args[0].nullable || args[1].nullable, register: n.register}, nil
	}
}

func buildChoose(c *compiler, s *signature, args []operand) (operand, *problem) {
	n := &chooseNode{
		kind: s.result, condition: args[0].node, yes: args[1].node, no: args[2].node,
		register: c.register(s.result), takesYes: c.mask(), takesNo: c.mask(),
	}
	c.release(args...)
	nullable := args[0].nullable || args[1].nullable || args[2].nullable || n.yes == nil || n.no == nil
	return operand{node: n, nullable: nullable, register: n.register}, nil
}

func buildCoalesce(c *compiler, s *signature, args []operand) (operand, *problem) {
	n := &coalesceNode{kind: s.result, a: args[0].node, b: args[1].node, register: c.register(s.result), missing: c.mask()}
	c.release(args...)
	return operand{node: n, nullable: args[0].nullable && args[1].nullable, register: n.register}, nil
}

func buildNullIf(c *compiler, s *signature, args []operand) (operand, *problem) {
	n := &nullIfNode{
		kind: s.result, a: args[0].node, b: args[1].node,
		equal:    byStorage(s.result, equalKernel(intsOf), equalKernel(floatsOf), equalKernel(stringsOf), equalBools),
		register: c.register(s.result), same: c.register(kindBool),
	}
	if s.result == kindDecimal {
		n.equal = equalDecimals
	}
	c.release(args...)
	c.release(operand{register: n.same})
	return operand{node: n, nullable: true, register: n.register}, nil
}

func buildIsNull(c *compiler, _ *signature, args []operand) (operand, *problem) {
	n := &isNullNode{of: args[0].node, register: c.register(kindBool)}
	c.release(args...)
	return operand{node: n, register: n.register}, nil
}
