package expr

// ordered are the Go types in which comparable values are kept.
type ordered interface{ int64 | float64 | string }

// bit is 1 for true; the compiler makes it a single SETcc.
func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// compareKernel makes a kernel of a loop over two vectors, one over a vector and
// a scalar, and the same for a scalar on the left.
func compareKernel[T ordered](
	values func(*vector) []T,
	vv func(out *mask, a, b []T),
	vs func(out *mask, a []T, b T),
	sv func(out *mask, b []T, a T),
) kernel {
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		a, b := args[0], args[1]
		switch {
		case b.scalar:
			vs(out.bits, values(a)[:f.n], values(b)[0])
		case a.scalar:
			sv(out.bits, values(b)[:f.n], values(a)[0])
		default:
			vv(out.bits, values(a)[:f.n], values(b)[:f.n])
		}
	}
}

func intsOf(v *vector) []int64     { return v.ints }
func floatsOf(v *vector) []float64 { return v.floats }
func stringsOf(v *vector) []string { return v.strs }

func equalKernel[T ordered](values func(*vector) []T) kernel {
	return compareKernel(values, equal[T], equalScalar[T], equalScalar[T])
}

func unequalKernel[T ordered](values func(*vector) []T) kernel {
	return compareKernel(values, unequal[T], unequalScalar[T], unequalScalar[T])
}

func lessKernel[T ordered](values func(*vector) []T) kernel {
	return compareKernel(values, less[T], lessScalar[T], greaterScalar[T])
}

func lessEqualKernel[T ordered](values func(*vector) []T) kernel {
	return compareKernel(values, lessEqual[T], lessEqualScalar[T], greaterEqualScalar[T])
}

func greaterKernel[T ordered](values func(*vector) []T) kernel {
	return compareKernel(values, greater[T], greaterScalar[T], lessScalar[T])
}

func greaterEqualKernel[T ordered](values func(*vector) []T) kernel {
	return compareKernel(values, greaterEqual[T], greaterEqualScalar[T], lessEqualScalar[T])
}

// The loops fill whole words of 64 rows without a branch on the data. Each is
// written out: a function value for the operator would cost a call a row.

func equal[T ordered](out *mask, a, b []T) {
	for w := 0; w*64 < len(a); w++ {
		x, y := block(a, w), block(b, w)
		y = y[:len(x)]
		var word uint64
		for i := range x {
			word |= bit(x[i] == y[i]) << (i & 63)
		}
		out[w] = word
	}
}

func unequal[T ordered](out *mask, a, b []T) {
	for w := 0; w*64 < len(a); w++ {
		x, y := block(a, w), block(b, w)
		y = y[:len(x)]
		var word uint64
		for i := range x {
			word |= bit(x[i] != y[i]) << (i & 63)
		}
		out[w] = word
	}
}

func less[T ordered](out *mask, a, b []T) {
	for w := 0; w*64 < len(a); w++ {
		x, y := block(a, w), block(b, w)
		y = y[:len(x)]
		var word uint64
		for i := range x {
			word |= bit(x[i] < y[i]) << (i & 63)
		}
		out[w] = word
	}
}

func lessEqual[T ordered](out *mask, a, b []T) {
	for w := 0; w*64 < len(a); w++ {
		x, y := block(a, w), block(b, w)
		y = y[:len(x)]
		var word uint64
		for i := range x {
			word |= bit(x[i] <= y[i]) << (i & 63)
		}
		out[w] = word
	}
}

func greater[T ordered](out *mask, a, b []T)      { less(out, b, a) }
func greaterEqual[T ordered](out *mask, a, b []T) { lessEqual(out, b, a) }

func equalScalar[T ordered](out *mask, a []T, b T) {
	for w := 0; w*64 < len(a); w++ {
		var word uint64
		for i, x := range block(a, w) {
			word |= bit(x == b) << (i & 63)
		}
		out[w] = word
	}
}

func unequalScalar[T ordered](out *mask, a []T, b T) {
	for w := 0; w*64 < len(a); w++ {
		var word uint64
		for i, x := range block(a, w) {
			word |= bit(x != b) << (i & 63)
		}
		out[w] = word
	}
}

func lessScalar[T ordered](out *mask, a []T, b T) {
	for w := 0; w*64 < len(a); w++ {
		var word uint64
		for i, x := range block(a, w) {
			word |= bit(x < b) << (i & 63)
		}
		out[w] = word
	}
}

func lessEqualScalar[T ordered](out *mask, a []T, b T) {
	for w := 0; w*64 < len(a); w++ {
		var word uint64
		for i, x := range block(a, w) {
			word |= bit(x <= b) << (i & 63)
		}
		out[w] = word
	}
}

func greaterScalar[T ordered](out *mask, a []T, b T) {
	for w := 0; w*64 < len(a); w++ {
		var word uint64
		for i, x := range block(a, w) {
			word |= bit(x > b) << (i & 63)
		}
		out[w] = word
	}
}

func greaterEqualScalar[T ordered](out *mask, a []T, b T) {
	for w := 0; w*64 < len(a); w++ {
		var word uint64
		for i, x := range block(a, w) {
			word |= bit(x >= b) << (i & 63)
		}
		out[w] = word
	}
}

// block is the rows of word w.
func block[T any](a []T, w int) []T { return a[w*64 : min(w*64+64, len(a))] }

func equalBools(_ *frame, out *vector, _ *mask, args []*vector) {
	for w := range out.bits {
		out.bits[w] = ^(args[0].bits[w] ^ args[1].bits[w])
	}
}

func unequalBools(_ *frame, out *vector, _ *mask, args []*vector) {
	for w := range out.bits {
		out.bits[w] = args[0].bits[w] ^ args[1].bits[w]
	}
}

func not(_ *frame, out *vector, _ *mask, args []*vector) {
	for w := range out.bits {
		out.bits[w] = ^args[0].bits[w]
	}
}
