package expr

import (
	"slices"
	"strings"
)

// function is one entry of the table of the language: everything there is to
// know about a function or an operator. The compiler, its messages and the reference
// page are made of it.
type function struct {
	name string // as it is written
	tree string // its name in CEL's syntax tree; empty: the same
	form string // how it is written, with names for its operands
	in   chapter
	// method says that x.name(y) means name(x, y).
	method bool
	// folds says that f(a, b, c) means f(a, f(b, c)).
	folds bool
	doc   string
	// nulls says what nulls do; empty: a null operand gives null.
	nulls string
	// fails says when a row fails; empty when none can.
	fails      string
	signatures []signature
	// forms is set for accesses, see access.go: how they are written, and what they give.
	// Their signatures say no more than how many operands there are.
	forms []string
	// nested lists the ways to call it with something nested, which access.go knows.
	nested   []string
	examples []example
	// slow says why a row costs over ten times that of a plain Go loop; empty when it
	// does not.
	slow string
}

// signature is one way to call a function.
type signature struct {
	args   []kind
	result kind
	// widen says that an int or a decimal will do where args has a double.
	widen bool
	// Exactly one of kernel, prepare, identity and build is set.
	kernel kernel
	// prepare makes the kernel when an expression is compiled, from what is
	// constant then.
	prepare func(s *signature, args []operand) (prepared, *problem)
	// identity says that the result is the operand.
	identity bool
	// build makes the node of an operation that has its own ways with nulls or
	// with the rows in which its operands are evaluated.
	build func(c *compiler, s *signature, args []operand) (operand, *problem)
	// scalars says that the kernel understands scalar operands (if not all of
	// them are). Else the compiler makes vectors of them.
	scalars bool
	// placed says that the result depends on where the row stands in the source.
	placed bool
	// errs are the row errors the operation itself can raise.
	errs []error
	// lenient says that the result is null where the operation would fail.
	lenient bool
	// bounds derives the bounds of the result; nil: anything, failing if errs has any.
	bounds func(args []bounds) bounds
	// family and of are set by familyOf: the kinds that the signature is one of,
	// and which one it is.
	family []kind
	of     kind
}

// prepared is what signature.prepare makes of a signature for one call.
type prepared struct {
	kernel kernel
	args   []operand // those left to be evaluated
	errs   []error
	bounds func(args []bounds) bounds
	digits digits // of a decimal
}

// familyOf makes a signature for each of the kinds. The first kind must not
// occur in the signatures as anything but the one that varies.
func familyOf(kinds []kind, signatureOf func(k kind) signature) []signature {
	family := []signature{}
	for _, k := range kinds {
		s := signatureOf(k)
		s.family, s.of = kinds, k
		family = append(family, s)
	}
	return family
}

// example is an expression over the sample row of the reference page.
type example struct{ expression, result string }

// chapter is where the reference page describes a function.
type chapter uint8

const (
	inArithmetic chapter = iota
	inComparison
	inLogic
	inNulls
	inCasts
	inNumbers
	inText
	inTime
	inBits
	inHashes
	inNested
	inRows
	chapters
)

func (c chapter) String() string {
	return [...]string{
		"Arithmetic", "Comparison", "Logic", "Nulls", "Casts", "Numbers", "Text", "Time", "Bits", "Hashes", "Structs, lists and maps", "Rows",
	}[c]
}

// treeName is the name of the function in CEL's syntax tree.
func (f *function) treeName() string {
	if f.tree != "" {
		return f.tree
	}
	return f.name
}

// operator says whether the function is written with signs.
func (f *function) operator() bool { return f.tree != "" }

// accepts says whether a call with operands of the kinds is this one: one that is not
// known may be any. exact leaves widening out.
func (s *signature) accepts(args []kind, exact bool) bool {
	if len(args) != len(s.args) {
		return false
	}
	for i, want := range s.args {
		if args[i] != want && args[i] != kindInvalid && (exact || !s.widen || want != kindDouble || args[i] != kindInt && args[i] != kindDecimal) {
			return false
		}
	}
	return true
}

// resolve finds the signature for operands of the kinds; nil when there is none.
func (f *function) resolve(args []kind) *signature {
	for _, exact := range []bool{true, false} {
		for i := range f.signatures {
			if s := &f.signatures[i]; s.accepts(args, exact) {
				return s
			}
		}
	}
	return nil
}

// resultOf is the kind of the result for operands of which some kinds are not known;
// invalid when it depends on them.
func (f *function) resultOf(args []kind) kind {
	result := kindInvalid
	for i := range f.signatures {
		s := &f.signatures[i]
		if !s.accepts(args, false) {
			continue
		}
		if result != kindInvalid && result != s.result {
			return kindInvalid
		}
		result = s.result
	}
	return result
}

// arities are the numbers of operands that the function takes, ascending.
func (f *function) arities() (all []int) {
	for i := range f.signatures {
		all = append(all, len(f.signatures[i].args))
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// shapes lists the signatures as the reference page and the errors show them. A
// family is one line.
func (f *function) shapes() (lines []string) {
	if len(f.forms) > 0 {
		return f.forms
	}
	for i := range f.signatures {
		s := &f.signatures[i]
		name := kind.String
		if len(s.family) > 0 {
			if s.of != s.family[0] {
				continue
			}
			name = func(k kind) string {
				if k == s.of {
					return "T"
				}
				return k.String()
			}
		}
		args := make([]string, len(s.args))
		for j, k := range s.args {
			args[j] = name(k)
		}
		line := f.shape(args, name(s.result))
		if len(s.family) > 0 {
			of := make([]string, len(s.family))
			for j, k := range s.family {
				of[j] = k.String()
			}
			line += "    T: " + strings.Join(of, ", ")
		}
		lines = append(lines, line)
	}
	return append(lines, f.nested...)
}

// shape writes one signature the way the function is written.
func (f *function) shape(args []string, result string) string {
	switch {
	case f.tree == "_?_:_":
		return args[0] + " ? " + args[1] + " : " + args[2] + " -> " + result
	case f.operator() && len(args) == 1:
		return f.name + args[0] + " -> " + result
	case f.operator():
		return args[0] + " " + f.name + " " + args[1] + " -> " + result
	}
	return f.name + "(" + strings.Join(args, ", ") + ") -> " + result
}
