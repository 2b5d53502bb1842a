package expr

import (
	"math"
	"math/bits"
)

// The kernels below come in the shapes vector-vector, vector-scalar and, where
// the operation is not symmetric, scalar-vector. They compute dead rows too:
// that is cheaper than to look, and what they find there is ignored.

// floatKernel makes a kernel of three plain loops.
func floatKernel(vv func(out, a, b []float64), vs func(out, a []float64, b float64), sv func(out []float64, a float64, b []float64)) kernel {
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		a, b := args[0], args[1]
		switch {
		case b.scalar:
			vs(out.floats[:f.n], a.floats[:f.n], b.floats[0])
		case a.scalar:
			sv(out.floats[:f.n], a.floats[0], b.floats[:f.n])
		default:
			vv(out.floats[:f.n], a.floats[:f.n], b.floats[:f.n])
		}
	}
}

func addFloats(out, a, b []float64) {
	for i := range out {
		out[i] = a[i] + b[i]
	}
}

func addFloatsScalar(out, a []float64, b float64) {
	for i := range out {
		out[i] = a[i] + b
	}
}

func addScalarFloats(out []float64, a float64, b []float64) {
	for i := range out {
		out[i] = a + b[i]
	}
}

func subFloats(out, a, b []float64) {
	for i := range out {
		out[i] = a[i] - b[i]
	}
}

func subFloatsScalar(out, a []float64, b float64) {
	for i := range out {
		out[i] = a[i] - b
	}
}

func subScalarFloats(out []float64, a float64, b []float64) {
	for i := range out {
		out[i] = a - b[i]
	}
}

func mulFloats(out, a, b []float64) {
	for i := range out {
		out[i] = a[i] * b[i]
	}
}

func mulFloatsScalar(out, a []float64, b float64) {
	for i := range out {
		out[i] = a[i] * b
	}
}

func mulScalarFloats(out []float64, a float64, b []float64) {
	for i := range out {
		out[i] = a * b[i]
	}
}

func divFloats(out, a, b []float64) {
	for i := range out {
		out[i] = a[i] / b[i]
	}
}

func divFloatsScalar(out, a []float64, b float64) {
	for i := range out {
		out[i] = a[i] / b
	}
}

func divScalarFloats(out []float64, a float64, b []float64) {
	for i := range out {
		out[i] = a / b[i]
	}
}

func modFloats(out, a, b []float64) {
	for i := range out {
		out[i] = math.Mod(a[i], b[i])
	}
}

func modFloatsScalar(out, a []float64, b float64) {
	for i := range out {
		out[i] = math.Mod(a[i], b)
	}
}

func modScalarFloats(out []float64, a float64, b []float64) {
	for i := range out {
		out[i] = math.Mod(a, b[i])
	}
}

// checkFloatDivisor fails the live rows whose divisor, the second argument, is zero.
func checkFloatDivisor(k kernel) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		k(f, out, live, args)
		b := args[1]
		if b.scalar {
			if b.floats[0] == 0 {
				f.failAll(live, ErrDivideByZero)
			}
			return
		}
		zeros := 0
		for _, x := range b.floats[:f.n] {
			if x == 0 {
				zeros++
			}
		}
		if zeros == 0 {
			return
		}
		for i, x := range b.floats[:f.n] {
			if x == 0 && live.has(i) {
				f.fail(i, ErrDivideByZero)
			}
		}
	}
}

// intKernel makes a kernel of three loops that say whether a row may have
// overflowed, in which case overflows decides row by row.
func intKernel(
	vv func(out, a, b []int64) bool,
	vs func(out, a []int64, b int64) bool,
	sv func(out []int64, a int64, b []int64) bool,
	overflows func(a, b int64) bool,
) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		a, b := args[0], args[1]
		var suspect bool
		switch {
		case b.scalar:
			suspect = vs(out.ints[:f.n], a.ints[:f.n], b.ints[0])
		case a.scalar:
			suspect = sv(out.ints[:f.n], a.ints[0], b.ints[:f.n])
		default:
			suspect = vv(out.ints[:f.n], a.ints[:f.n], b.ints[:f.n])
		}
		if !suspect {
			return
		}
		for i := range f.n {
			if live.has(i) && overflows(a.intAt(i), b.intAt(i)) {
				f.fail(i, ErrOverflow)
			}
		}
	}
}

func (v *vector) intAt(i int) int64 {
	if v.scalar {
		i = 0
	}
	return v.ints[i]
}

func addOverflows(a, b int64) bool {
	r := a + b
	return (a^r)&(b^r) < 0
}

func subOverflows(a, b int64) bool {
	r := a - b
	return (a^b)&(a^r) < 0
}

func mulOverflows(a, b int64) bool {
	hi, lo := bits.Mul64(uint64(a), uint64(b)) //nolint:gosec // two's complement is meant
	signed := int64(hi) - a>>63&b - b>>63&a    //nolint:gosec // of the 128-bit product, the upper half
	return signed != int64(lo)>>63             //nolint:gosec // fits when the upper half is the sign of the lower
}

func addInts(out, a, b []int64) bool {
	var bad int64
	for i := range out {
		x, y := a[i], b[i]
		r := x + y
		bad |= (x ^ r) & (y ^ r)
		out[i] = r
	}
	return bad < 0
}

func addIntsScalar(out, a []int64, b int64) bool {
	var bad int64
	for i := range out {
		x := a[i]
		r := x + b
		bad |= (x ^ r) & (b ^ r)
		out[i] = r
	}
	return bad < 0
}

func addScalarInts(out []int64, a int64, b []int64) bool { return addIntsScalar(out, b, a) }

func subInts(out, a, b []int64) bool {
	var bad int64
	for i := range out {
		x, y := a[i], b[i]
		r := x - y
		bad |= (x ^ y) & (x ^ r)
		out[i] = r
	}
	return bad < 0
}

func subIntsScalar(out, a []int64, b int64) bool {
	var bad int64
	for i := range out {
		x := a[i]
		r := x - b
		bad |= (x ^ b) & (x ^ r)
		out[i] = r
	}
	return bad < 0
}

func subScalarInts(out []int64, a int64, b []int64) bool {
	var bad int64
	for i := range out {
		x := b[i]
		r := a - x
		bad |= (a ^ x) & (a ^ r)
		out[i] = r
	}
	return bad < 0
}

// The product of two numbers of 32 bits cannot overflow. high collects the bits
// above; that costs less than the exact test.
func above32(x int64) uint64 { return uint64(x+math.MaxInt32+1) >> 32 } //nolint:gosec // bits, not a number

func mulInts(out, a, b []int64) bool {
	var high uint64
	for i := range out {
		x, y := a[i], b[i]
		high |= above32(x) | above32(y)
		out[i] = x * y
	}
	return high != 0
}

func mulIntsScalar(out, a []int64, b int64) bool {
	high := above32(b)
	for i := range out {
		x := a[i]
		high |= above32(x)
		out[i] = x * b
	}
	return high != 0
}

func mulScalarInts(out []int64, a int64, b []int64) bool { return mulIntsScalar(out, b, a) }

// modInts is a kernel: the remainder has the sign of a, as in CEL, Go and SQL.
func modInts(f *frame, out *vector, live *mask, args []*vector) {
	a, b := args[0], args[1]
	if b.scalar && b.ints[0] != 0 {
		d := b.ints[0]
		for i, x := range a.ints[:f.n] {
			out.ints[i] = x % d
		}
		return
	}
	for i := range f.n {
		d := b.intAt(i)
		if d != 0 {
			out.ints[i] = a.intAt(i) % d
		} else if live.has(i) {
			f.fail(i, ErrDivideByZero)
		}
	}
}

func negateInts(f *frame, out *vector, live *mask, args []*vector) {
	lowest := false
	for i, x := range args[0].ints[:f.n] {
		out.ints[i] = -x
		lowest = lowest || x == math.MinInt64
	}
	if lowest {
		failLowest(f, live, args[0])
	}
}

func absInts(f *frame, out *vector, live *mask, args []*vector) {
	lowest := false
	for i, x := range args[0].ints[:f.n] {
		out.ints[i] = max(x, -x)
		lowest = lowest || x == math.MinInt64
	}
	if lowest {
		failLowest(f, live, args[0])
	}
}

// failLowest fails the live rows that hold the one number without a negative.
func failLowest(f *frame, live *mask, v *vector) {
	for i, x := range v.ints[:f.n] {
		if x == math.MinInt64 && live.has(i) {
			f.fail(i, ErrOverflow)
		}
	}
}

// mapFloats makes a kernel of a function of one float that cannot fail.
func mapFloats(fn func(float64) float64) kernel {
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		for i, x := range args[0].floats[:f.n] {
			out.floats[i] = fn(x)
		}
	}
}

func negateFloats(f *frame, out *vector, _ *mask, args []*vector) {
	for i, x := range args[0].floats[:f.n] {
		out.floats[i] = -x
	}
}

func absFloats(f *frame, out *vector, _ *mask, args []*vector) {
	for i, x := range args[0].floats[:f.n] {
		out.floats[i] = math.Abs(x)
	}
}

func minInts(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].ints[:f.n], args[1].ints[:f.n]
	for i := range a {
		out.ints[i] = min(a[i], b[i])
	}
}

func maxInts(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].ints[:f.n], args[1].ints[:f.n]
	for i := range a {
		out.ints[i] = max(a[i], b[i])
	}
}

func minFloats(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].floats[:f.n], args[1].floats[:f.n]
	for i := range a {
		out.floats[i] = min(a[i], b[i])
	}
}

func maxFloats(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].floats[:f.n], args[1].floats[:f.n]
	for i := range a {
		out.floats[i] = max(a[i], b[i])
	}
}

func minStrings(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].strs[:f.n], args[1].strs[:f.n]
	for i := range a {
		out.strs[i] = min(a[i], b[i])
	}
}

func maxStrings(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].strs[:f.n], args[1].strs[:f.n]
	for i := range a {
		out.strs[i] = max(a[i], b[i])
	}
}

// widenInts makes doubles of ints; above 2^53 to the nearest.
func widenInts(f *frame, out *vector, _ *mask, args []*vector) {
	for i, x := range args[0].ints[:f.n] {
		out.floats[i] = float64(x)
	}
}
