package expr

import "math/bits"

// bitFunctions is the chapter of bit operations, on the 64 bits of an int.
func bitFunctions() []function {
	pair := []kind{kindInt, kindInt}
	two := func(name, doc string, k kernel, examples ...example) function {
		return function{
			name: name, form: name + "(a, b)", in: inBits, doc: doc,
			signatures: []signature{{args: pair, result: kindInt, kernel: k}}, examples: examples,
		}
	}
	shift := func(name, doc string, by func(x int64, n uint64) int64, examples ...example) function {
		return function{
			name: name, form: name + "(a, n)", in: inBits, doc: doc, fails: "when n is negative",
			signatures: []signature{{args: pair, result: kindInt, kernel: shiftKernel(by), errs: []error{ErrArgument}}},
			examples:   examples,
		}
	}
	return []function{
		two("bitAnd", "The bits that are set in both.", bitAnd, example{"bitAnd(visits, 6)", "2"}),
		two("bitOr", "The bits that are set in one of them or in both.", bitOr, example{"bitOr(visits, 4)", "7"}),
		two("bitXor", "The bits that are set in one of them only.", bitXor, example{"bitXor(visits, 6)", "5"}),
		{
			name: "bitNot", form: "bitNot(a)", in: inBits, doc: "The bits that are not set.",
			signatures: []signature{{args: pair[:1], result: kindInt, kernel: mapInts(func(x int64) int64 { return ^x })}},
			examples:   []example{{"bitNot(visits)", "-4"}},
		},
		{
			name: "bitCount", form: "bitCount(a)", in: inBits, doc: "How many bits are set.",
			signatures: []signature{{
				args: pair[:1], result: kindInt, bounds: within(0, 64),
				kernel: mapInts(func(x int64) int64 { return int64(bits.OnesCount64(uint64(x))) }), //nolint:gosec // bits, not a number
			}},
			examples: []example{{"bitCount(visits)", "2"}},
		},
		shift("shiftLeft", "The bits moved n places up; those moved out are lost, and zeros follow. No error of overflow.",
			func(x int64, n uint64) int64 { return x << n }, example{"shiftLeft(visits, 2)", "12"}, example{"shiftLeft(visits, 64)", "0"}, example{"shiftLeft(visits, -1)", "row error: operand out of range"}),
		shift("shiftRight", "The bits moved n places down; the sign stays.",
			func(x int64, n uint64) int64 { return x >> n }, example{"shiftRight(visits, 1)", "1"}, example{"shiftRight(-visits, 70)", "-1"}),
	}
}

func bitAnd(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].ints[:f.n], args[1].ints[:f.n]
	for i := range a {
		out.ints[i] = a[i] & b[i]
	}
}

func bitOr(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].ints[:f.n], args[1].ints[:f.n]
	for i := range a {
		out.ints[i] = a[i] | b[i]
	}
}

func bitXor(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].ints[:f.n], args[1].ints[:f.n]
	for i := range a {
		out.ints[i] = a[i] ^ b[i]
	}
}

// shiftKernel makes a kernel of a shift by a number that is not negative.
func shiftKernel(by func(x int64, n uint64) int64) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		a, n := args[0].ints[:f.n], args[1].ints[:f.n]
		negative := int64(0)
		for i := range a {
			out.ints[i] = by(a[i], uint64(n[i])) //nolint:gosec // what is negative fails below
			negative |= n[i]
		}
		if negative >= 0 {
			return
		}
		for i, x := range n {
			if x < 0 && live.has(i) {
				f.fail(i, ErrArgument)
			}
		}
	}
}

// mapInts makes a kernel of a function of one int that cannot fail.
func mapInts(fn func(int64) int64) kernel {
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		for i, x := range args[0].ints[:f.n] {
			out.ints[i] = fn(x)
		}
	}
}
