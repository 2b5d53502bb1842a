package expr

import (
	"strings"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// A node is one operation of a compiled expression. Nodes are shared by all
// evaluations of a program and hold no state; what they compute goes into the
// frame.
//
// The mask is what makes errors right. A node is asked for the rows of active
// and no others: it must write those, it reports errors in those only, and what
// it leaves in other rows means nothing (for strings: it must still be a string
// that can be read). A node that decides which of its operands count in a row,
// such as ?:, narrows the mask for them.
type node interface {
	// eval returns the value of the node in the current chunk. It stays valid
	// until a node that was given the same register is evaluated.
	eval(f *frame, active *mask) *vector
	// bounds says what the values of the node can be, given what is known of
	// the columns.
	bounds(stats statistics) bounds
}

// kernel computes one operation for a chunk. It is called when its arguments
// have been computed; out is null where one of them is, and the kernel leaves
// out.valid alone. live are the rows that matter: those asked for in which no
// argument is null. It reports errors by frame.fail, for live rows only. It
// writes every live row; a kernel that makes strings writes every row.
type kernel func(f *frame, out *vector, live *mask, args []*vector)

// constantNode is a literal, or an operation on literals done when the
// expression was compiled.
type constantNode struct {
	kind   kind
	vector vector
}

func newConstant(k kind, v *vector, row int) *constantNode {
	c := &constantNode{kind: k, vector: vector{scalar: true}}
	switch k.storage() {
	case storeInts:
		c.vector.ints = []int64{v.ints[row]}
	case storeFloats:
		c.vector.floats = []float64{v.floats[row]}
	case storeStrings:
		c.vector.strs = []string{strings.Clone(v.strs[row])} // not in the frame's memory
	case storeDecimals:
		c.vector.decimals = []decimal128.Num{v.decimals[row]}
	case storeBits:
		c.vector.scalar = false
		c.vector.bits = new(mask)
		if v.bits.has(row) {
			c.vector.bits.first(chunkRows)
		}
	case storeNone:
	}
	return c
}

func (c *constantNode) eval(*frame, *mask) *vector { return &c.vector }

// spreadNode makes a vector of a constant, for the kernels that want one. Its
// register is its own and is written once in the life of a frame.
type spreadNode struct {
	constant *constantNode
	register int
}

func (s *spreadNode) eval(f *frame, _ *mask) *vector {
	v := &f.registers[s.register]
	if !v.filled {
		v.fill(&s.constant.vector)
	}
	return v
}

// callNode applies a kernel to its arguments, in every row in which none is null.
type callNode struct {
	name     string // of the function
	kind     kind
	kernel   kernel
	args     []node
	register int
	derive   func(args []bounds) bounds // may be nil
	fallible bool                       // the operation itself can raise a row error
	lenient  bool                       // where it would, it gives null
}

func (c *callNode) eval(f *frame, active *mask) *vector {
	base := len(f.args)
	for _, a := range c.args {
		f.args = append(f.args, a.eval(f, active))
	}
	args := f.args[base:]
	out := &f.registers[c.register]
	out.nulls = false
	f.live = *active
	for _, a := range args {
		if !a.nulls {
			continue
		}
		if !out.nulls {
			*out.valid, out.nulls = *a.valid, true
		} else {
			for w := range out.valid {
				out.valid[w] &= a.valid[w]
			}
		}
		for w := range f.live {
			f.live[w] &= a.valid[w]
		}
	}
	if f.err == nil {
		f.operation, f.lenient = c.name, c.lenient
		c.kernel(f, out, &f.live, args)
	}
	if c.lenient {
		f.excuse(out)
	}
	f.args = f.args[:base]
	return out
}

// logicNode is a && b (or: a || b), in SQL's three-valued logic. The right side
// is not evaluated in the rows that the left side decides.
type logicNode struct {
	or          bool
	left, right node
	register    int
	undecided   int // in frame.masks
}

func (n *logicNode) eval(f *frame, active *mask) *vector {
	l := n.left.eval(f, active)
	out, undecided := &f.registers[n.register], &f.masks[n.undecided]
	for w := range undecided {
		valid := ^uint64(0)
		if l.nulls {
			valid = l.valid[w]
		}
		decided := valid &^ l.bits[w] // false decides &&
		if n.or {
			decided = valid & l.bits[w]
		}
		undecided[w] = active[w] &^ decided
	}
	if undecided.empty() {
		*out.bits, *out.valid, out.nulls = *l.bits, *l.validOrAll(), l.nulls
		return out
	}
	r := n.right.eval(f, undecided)
	out.nulls = l.nulls || r.nulls
	for w := range undecided {
		lv, rv := ^uint64(0), ^uint64(0)
		if l.nulls {
			lv = l.valid[w]
		}
		if r.nulls {
			rv = r.valid[w]
		}
		// In a row the left side decides, the right side holds anything: the left
		// side's bit then stands alone in both lines.
		lt, lf, rt, rf := lv&l.bits[w], lv&^l.bits[w], rv&r.bits[w], rv&^r.bits[w]
		if n.or {
			out.bits[w] = lt | rt
			out.valid[w] = lt | rt | lf&rf
		} else {
			out.bits[w] = lt & rt
			out.valid[w] = lf | rf | lt&rt
		}
	}
	return out
}

// chooseNode is condition ? yes : no. A branch is evaluated in the rows that
// take it; a null condition takes neither and gives null. A branch that is the
// literal null is nil here.
type chooseNode struct {
	kind               kind
	condition, yes, no node
	register           int
	takesYes, takesNo  int // in frame.masks
}

func (n *chooseNode) eval(f *frame, active *mask) *vector {
	c := n.condition.eval(f, active)
	takesYes, takesNo := &f.masks[n.takesYes], &f.masks[n.takesNo]
	for w := range active {
		known := active[w]
		if c.nulls {
			known &= c.valid[w]
		}
		takesYes[w] = known & c.bits[w]
		takesNo[w] = known &^ c.bits[w]
	}
	// Both before out is touched: a branch may work in the register of out.
	var yes, no *vector
	if n.yes != nil && !takesYes.empty() {
		yes = n.yes.eval(f, takesYes)
	}
	if n.no != nil && !takesNo.empty() {
		no = n.no.eval(f, takesNo)
	}
	out := &f.registers[n.register]
	*out.valid, out.nulls = mask{}, true
	if n.kind.storage() == storeStrings {
		clear(out.strs[:f.n])
	}
	if yes != nil {
		out.merge(n.kind, yes, takesYes)
	}
	if no != nil {
		out.merge(n.kind, no, takesNo)
	}
	return out
}

// coalesceNode is coalesce(a, b): b is evaluated in the rows in which a is null.
type coalesceNode struct {
	kind     kind
	a, b     node
	register int
	missing  int // in frame.masks
}

func (n *coalesceNode) eval(f *frame, active *mask) *vector {
	a := n.a.eval(f, active)
	var b *vector
	missing := &f.masks[n.missing]
	if a.nulls {
		for w := range missing {
			missing[w] = active[w] &^ a.valid[w]
		}
		if !missing.empty() {
			b = n.b.eval(f, missing)
		}
	}
	out := &f.registers[n.register]
	out.copy(n.kind, a, f.n)
	if b != nil {
		out.merge(n.kind, b, missing)
	}
	return out
}

// nullIfNode is nullIf(a, b): a, but null where a equals b.
type nullIfNode struct {
	kind     kind
	equal    kernel
	a, b     node
	register int
	same     int // register of the comparison
}

func (n *nullIfNode) eval(f *frame, active *mask) *vector {
	a := n.a.eval(f, active)
	b := n.b.eval(f, active)
	out, same := &f.registers[n.register], &f.registers[n.same]
	base := len(f.args)
	f.args = append(f.args, a, b)
	n.equal(f, same, active, f.args[base:])
	f.args = f.args[:base]
	out.copy(n.kind, a, f.n)
	if !out.nulls {
		out.valid.first(chunkRows)
	}
	for w := range out.valid {
		differs := ^same.bits[w]
		if b.nulls {
			differs |= ^b.valid[w]
		}
		out.valid[w] &= differs
	}
	out.nulls = true
	return out
}

// isNullNode is isNull(x).
type isNullNode struct {
	of       node
	register int
}

func (n *isNullNode) eval(f *frame, active *mask) *vector {
	v := n.of.eval(f, active)
	out := &f.registers[n.register]
	out.nulls = false
	*out.bits = mask{}
	if v.nulls {
		for w := range out.bits {
			out.bits[w] = ^v.valid[w]
		}
	}
	return out
}
