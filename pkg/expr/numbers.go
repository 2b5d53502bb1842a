package expr

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// numberFunctions are the functions of doubles. Outside of where they are defined they
// give what IEEE 754 has: NaN or an infinity, and no error.
func numberFunctions() []function {
	one := func(name, doc string, fn func(float64) float64, examples ...example) function {
		return function{
			name: name, form: name + "(a)", in: inNumbers, doc: doc,
			signatures: []signature{{args: []kind{kindDouble}, widen: true, result: kindDouble, kernel: mapFloats(fn)}},
			examples:   examples,
		}
	}
	return []function{
		rounding("trunc", "The number without its fraction.", math.Trunc, []example{{"trunc(amount)", "12.0"}, {"trunc(-amount)", "-12.0"}}),
		one("sqrt", "The square root; of a negative number, NaN.", math.Sqrt, example{"sqrt(16)", "4.0"}, example{"sqrt(amount * 2)", "5.0"}),
		one("exp", "e to the power of a.", math.Exp, example{"exp(0)", "1.0"}),
		one("log", "The natural logarithm; of zero -Infinity, of a negative number NaN.", math.Log, example{"log(1)", "0.0"}, example{"log(0)", `double("-Infinity")`}),
		one("log2", "The logarithm to base 2.", math.Log2, example{"log2(8)", "3.0"}),
		one("log10", "The logarithm to base 10.", math.Log10, example{"log10(1000)", "3.0"}),
		{
			name: "pow", form: "pow(a, b)", in: inNumbers, doc: "a to the power of b: always a double.",
			signatures: []signature{{args: []kind{kindDouble, kindDouble}, widen: true, result: kindDouble, kernel: powFloats}},
			examples:   []example{{"pow(visits, 2)", "9.0"}, {"isNaN(pow(-1, 0.5))", "true"}},
		},
		{
			name: "sign", form: "sign(a)", in: inNumbers, doc: "1 if the number is positive, -1 if it is negative, 0 if it is zero: an int, but of a double a double; of NaN, NaN.",
			signatures: []signature{
				{args: []kind{kindInt}, result: kindInt, kernel: mapInts(signOf), bounds: within(-1, 1)},
				{args: []kind{kindDouble}, result: kindDouble, kernel: mapFloats(signOfFloat)},
			},
			examples: []example{{"sign(-visits)", "-1"}, {"sign(amount)", "1.0"}, {`sign(decimal("-0.5", 2, 1))`, "-1"}},
		},
		{
			name: "isNaN", form: "isNaN(a)", in: inNumbers, doc: "Whether a is NaN, which is not null.",
			signatures: []signature{{args: []kind{kindDouble}, widen: true, result: kindBool, kernel: areNaN}},
			examples:   []example{{"isNaN(amount)", "false"}, {"isNaN(sqrt(-1))", "true"}},
		},
	}
}

// roundingToDigits is the entry of round, which alone of its kind knows digits.
func roundingToDigits() function {
	f := rounding("round", "The nearest whole number, or a number of n digits behind the point; a negative n rounds before it. Halves go away from zero; but 1.005 is a double a little below. For a decimal n is a constant, and no more digits are left behind the point.",
		math.Round, []example{{"round(amount)", "13.0"}, {"round(-0.5)", "-1.0"}, {"round(amount / 7, 2)", "1.79"}, {"round(1234.5, -2)", "1200.0"}, {"round(1250 + visits, -2)", "1300"}, {`round(decimal("2.345", 9, 3), 2)`, `decimal("2.35", 9, 2)`}})
	f.form = "round(a, n)"
	f.fails = "when an int does not fit 64 bits any more; when a decimal takes more than 38 digits"
	f.signatures = append(f.signatures,
		signature{args: []kind{kindDouble, kindInt}, result: kindDouble, kernel: roundDigits},
		signature{args: []kind{kindInt, kindInt}, result: kindInt, kernel: roundInts, errs: []error{ErrOverflow}},
	)
	return f
}

func powFloats(f *frame, out *vector, _ *mask, args []*vector) {
	a, b := args[0].floats[:f.n], args[1].floats[:f.n]
	for i := range a {
		out.floats[i] = math.Pow(a[i], b[i])
	}
}

func signOf(x int64) int64 { return x>>63 | int64(uint64(-x)>>63) } //nolint:gosec // the sign bits

func signOfFloat(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	case x == 0:
		return 0
	}
	return x
}

func areNaN(f *frame, out *vector, _ *mask, args []*vector) {
	a := args[0].floats[:f.n]
	for w := 0; w*64 < len(a); w++ {
		var word uint64
		for i, x := range block(a, w) {
			word |= bit(x != x) << (i & 63)
		}
		out.bits[w] = word
	}
}

// roundDigits is round(a, n).
func roundDigits(f *frame, out *vector, live *mask, args []*vector) {
	last, factor := int64(0), 1.0
	for i, x := range args[0].floats[:f.n] {
		if !live.has(i) {
			continue
		}
		n := args[1].ints[i]
		if n != last {
			last, factor = n, math.Pow10(int(max(-400, min(400, n)))) // 0 or Inf beyond 323 digits
		}
		out.floats[i] = roundTo(x, n, factor)
	}
}

// roundInts is round(a, n) for ints, which only a negative n changes.
func roundInts(f *frame, out *vector, live *mask, args []*vector) {
	for i, x := range args[0].ints[:f.n] {
		n := args[1].ints[i]
		switch {
		case n >= 0 || !live.has(i):
			out.ints[i] = x
			continue
		case n < -19:
			out.ints[i] = 0
			continue
		}
		rounded, _ := raise(lowerScale(decimal128.FromI64(x), int32(-n), 0), int32(-n))
		out.ints[i] = int64(rounded.LowBits()) //nolint:gosec // it is looked at below
		if rounded != decimal128.FromI64(out.ints[i]) {
			f.fail(i, ErrOverflow)
		}
	}
}

// roundTo rounds to n digits; factor is 10 to the power of n. More digits than a double
// has, or a product too large for one, mean that nothing is to be rounded.
func roundTo(x float64, n int64, factor float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) || n > 323 {
		return x
	}
	if n < 0 {
		divisor := math.Pow10(int(min(400, -n)))
		if math.IsInf(divisor, 0) {
			return 0
		}
		return math.Round(x/divisor) * divisor
	}
	if scaled := x * factor; !math.IsInf(scaled, 0) && !math.IsNaN(scaled) {
		return math.Round(scaled) / factor
	}
	return x
}
