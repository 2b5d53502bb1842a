package expr

import (
	"math"
	"slices"

	"cel.dev/cel-go/common/operators"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// buildMember makes the node of x in [a, b], which means x == a || x == b, with x
// evaluated once: the constants are looked up all together.
func buildMember(c *compiler, _ *signature, args []operand) (operand, *problem) {
	x, list := args[0], args[1]
	var set constants
	n := &memberNode{x: x.node, doubles: noRegister}
	nullable := x.nullable
	var wrong *problem
	equals := c.reading.language.byTree[operators.Equals]
	for _, m := range list.elements {
		s := equals.resolve([]kind{x.kind, m.kind})
		switch {
		case s == nil:
			wrong = &problem{at: m.at, msg: "a value of kind " + m.kind.String() + " in a list to find a value of kind " + x.kind.String() + " in", next: wrong}
		case m.broken:
		case m.constant != nil:
			set.add(x, m)
		default:
			e := memberElement{}
			left := x
			if s.args[0] == kindDouble && x.kind != kindDouble {
				e.double, left.kind = true, kindDouble
				if n.doubles == noRegister {
					n.doubles, n.widen = c.fresh(kindDouble), widenInts
				}
				if x.kind == kindDecimal {
					n.widen = widenDecimals(x.digits.scale)
				}
			}
			if s.args[1] == kindDouble && m.kind != kindDouble {
				m = c.widen(m)
			}
			e.node, e.equal = m.node, s.kernel
			if s.prepare != nil {
				p, wrong := s.prepare(s, []operand{left, m})
				if wrong != nil {
					return operand{}, wrong
				}
				e.equal = p.kernel
			}
			n.elements = append(n.elements, e)
			nullable = nullable || m.nullable
		}
	}
	if wrong != nil {
		return operand{}, wrong
	}
	o := operand{nullable: nullable}
	if len(n.elements) == 0 {
		o.register = c.register(kindBool)
		o.node = &callNode{name: "in", kind: kindBool, kernel: set.kernel(x), args: []node{x.node}, derive: set.bounds(x), register: o.register}
	} else {
		if len(list.elements) > len(n.elements) {
			n.constants = set.kernel(x)
		}
		// Registers that nobody has had: the result grows while the elements are evaluated,
		// and what they work in was free when they were compiled.
		n.register, n.same = c.fresh(kindBool), c.fresh(kindBool)
		n.pending, n.unknown = c.mask(), c.mask()
		o.node, o.register = n, n.register
	}
	c.release(x)
	c.release(list.elements...)
	return o, nil
}

// constants are those of a list, by what they are compared as.
type constants struct {
	ints     []int64
	floats   []float64
	strs     []string
	bools    []bool
	decimals []decimal128.Num // of the scale of x
}

// add adds m. An int meets an int as an int, a double as a double, a decimal as a decimal.
func (s *constants) add(x, m operand) {
	v := &m.constant.vector
	switch {
	case m.kind == kindDouble:
		s.floats = append(s.floats, v.floats[0])
	case x.kind == kindDouble:
		s.floats = append(s.floats, v.doubleAt(0, m.digits.scale))
	case x.kind == kindDecimal || m.kind == kindDecimal:
		// What has other digits behind the point than zeros where x has none, x never equals.
		to, from := x.digits.scale, digitsOfOperand(m).scale
		d, ok := rescale(v.decimalAt(0), from, digits{maxDigits, to})
		if !ok || compareDecimals(d, to, v.decimalAt(0), from) != 0 {
			return
		}
		if x.kind == kindDecimal {
			s.decimals = append(s.decimals, d)
		} else if n := int64(d.LowBits()); d == decimal128.FromI64(n) { //nolint:gosec // compared beside
			s.ints = append(s.ints, n)
		}
	case m.kind.storage() == storeInts:
		s.ints = append(s.ints, v.ints[0])
	case m.kind.storage() == storeStrings:
		s.strs = append(s.strs, v.strs[0])
	default:
		s.bools = append(s.bools, v.bits.has(0))
	}
}

// kernel is x in the constants.
func (s *constants) kernel(x operand) kernel {
	switch x.kind.storage() {
	case storeInts:
		among := memberKernel(intsOf, s.ints)
		if len(s.floats) == 0 {
			return among
		}
		return memberMixedKernel(among, s.floats, func(v *vector, i int) float64 { return float64(v.ints[i]) })
	case storeFloats:
		return memberKernel(floatsOf, s.floats)
	case storeStrings:
		return memberKernel(stringsOf, s.strs)
	case storeDecimals:
		among := memberDecimalKernel(s.decimals)
		if len(s.floats) == 0 {
			return among
		}
		scale := x.digits.scale
		return memberMixedKernel(among, s.floats, func(v *vector, i int) float64 { return v.doubleAt(i, scale) })
	case storeBits, storeNone:
	}
	return memberBoolKernel(s.bools)
}

// bounds is the bounds of x in the constants.
func (s *constants) bounds(x operand) func([]bounds) bounds {
	return func(args []bounds) bounds {
		a := args[0]
		b := bounds{canFalse: true, canTrue: x.kind == kindDecimal}
		can := func(m bounds) { b.canTrue = b.canTrue || rank(a, m).equal }
		for _, v := range s.ints {
			can(bounds{kind: x.kind, loInt: v, hiInt: v})
		}
		for _, v := range s.strs {
			can(bounds{kind: x.kind, loStr: v, hiStr: v})
		}
		for _, v := range s.bools {
			can(bounds{kind: kindBool, canTrue: v, canFalse: !v})
		}
		if x.kind == kindInt { // it meets a double as a double
			a = widenBounds(args)
		}
		for _, v := range s.floats {
			if !math.IsNaN(v) {
				can(bounds{kind: kindDouble, loNum: v, hiNum: v})
			}
		}
		return b
	}
}

// memberNode is x in a list of which not all are constant. An element is evaluated in the
// rows in which x equals none before it.
type memberNode struct {
	x         node
	constants kernel // nil when there are none
	elements  []memberElement
	widen     kernel // makes doubles of x, for the elements that meet it as doubles
	doubles   int    // register of those
	register  int
	same      int // register of a comparison
	pending   int // in frame.masks
	unknown   int // in frame.masks: rows in which an element is null
}

type memberElement struct {
	node   node
	equal  kernel
	double bool // x meets it as a double
}

func (n *memberNode) eval(f *frame, active *mask) *vector {
	x := n.x.eval(f, active)
	valid := x.validOrAll()
	out, pending, unknown := &f.registers[n.register], &f.masks[n.pending], &f.masks[n.unknown]
	*out.bits, *unknown = mask{}, mask{}
	for w := range pending {
		pending[w] = active[w] & valid[w]
	}
	compare := func(k kernel, to *vector, args ...*vector) {
		base := len(f.args)
		f.args = append(f.args, args...)
		k(f, to, pending, f.args[base:])
		f.args = f.args[:base]
	}
	if n.constants != nil {
		compare(n.constants, out, x)
		for w := range pending {
			out.bits[w] &= pending[w]
			pending[w] &^= out.bits[w]
		}
	}
	double := x
	if n.doubles != noRegister {
		double = &f.registers[n.doubles]
		compare(n.widen, double, x)
	}
	for _, e := range n.elements {
		if pending.empty() || f.err != nil {
			break
		}
		v, same, left := e.node.eval(f, pending), &f.registers[n.same], x
		if e.double {
			left = double
		}
		compare(e.equal, same, left, v)
		there := v.validOrAll()
		for w := range pending {
			hit := pending[w] & there[w] & same.bits[w]
			unknown[w] |= pending[w] &^ there[w]
			out.bits[w] |= hit
			pending[w] &^= hit
		}
	}
	out.nulls = true
	for w := range out.valid {
		out.valid[w] = valid[w] &^ (unknown[w] &^ out.bits[w])
	}
	return out
}

func (n *memberNode) bounds(stats statistics) bounds {
	b := bounds{kind: kindBool, canTrue: true, canFalse: true, null: true, fails: n.x.bounds(stats).fails}
	for _, e := range n.elements {
		b.fails = b.fails || e.node.bounds(stats).fails
	}
	return b
}

// fewMembers is up to how many constants a scan beats a hash table.
const fewMembers = 8

// memberKernel is x in [constants].
func memberKernel[T ordered](values func(*vector) []T, members []T) kernel {
	members = slices.Clone(members)
	slices.Sort(members)
	members = slices.Compact(members)
	if len(members) <= fewMembers {
		return func(f *frame, out *vector, _ *mask, args []*vector) {
			a := values(args[0])[:f.n]
			*out.bits = mask{}
			var one mask
			for _, m := range members {
				equalScalar(&one, a, m)
				for w := range out.bits {
					out.bits[w] |= one[w]
				}
			}
		}
	}
	set := make(map[T]struct{}, len(members))
	for _, m := range members {
		set[m] = struct{}{} // a NaN gets in and is never found, as it should
	}
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		a := values(args[0])[:f.n]
		for w := 0; w*64 < len(a); w++ {
			var word uint64
			for i, x := range block(a, w) {
				_, found := set[x]
				word |= bit(found) << (i & 63)
			}
			out.bits[w] = word
		}
	}
}

// memberBoolKernel is x in [constants] for bools.
func memberBoolKernel(members []bool) kernel {
	hasTrue, hasFalse := slices.Contains(members, true), slices.Contains(members, false)
	return func(_ *frame, out *vector, _ *mask, args []*vector) {
		for w, word := range args[0].bits {
			out.bits[w] = 0
			if hasTrue {
				out.bits[w] |= word
			}
			if hasFalse {
				out.bits[w] |= ^word
			}
		}
	}
}

// memberDecimalKernel is x in [constants] for decimals, all of one scale.
func memberDecimalKernel(members []decimal128.Num) kernel {
	set := make(map[decimal128.Num]struct{}, len(members))
	for _, m := range members {
		set[m] = struct{}{}
	}
	few := len(set) <= fewMembers
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		for w := 0; w*64 < f.n; w++ {
			var word uint64
			for i, x := range block(args[0].decimals[:f.n], w) {
				var found bool
				if few {
					found = slices.Contains(members, x)
				} else {
					_, found = set[x]
				}
				word |= bit(found) << (i & 63)
			}
			out.bits[w] = word
		}
	}
}

// memberMixedKernel is x in [constants] of which some are doubles and x is none.
func memberMixedKernel(among kernel, floats []float64, double func(v *vector, i int) float64) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		among(f, out, live, args)
		for i := range f.n {
			if live.has(i) && slices.Contains(floats, double(args[0], i)) {
				out.bits.set(i)
			}
		}
	}
}
