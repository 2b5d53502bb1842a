package expr

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/operators"
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// A decimal is a number of up to 38 digits, of which so many stand behind the point: its
// scale, which is fixed when an expression is compiled: the compiler works out precision and
// scale from those of the operands. To the table of functions all decimals are of one kind.

// digits is the precision and the scale of a decimal.
type digits struct{ precision, scale int32 }

const maxDigits = 38

// digitsOf is those of a column type, for one that the language takes.
func digitsOf(dt arrow.DataType) (digits, bool) {
	d, ok := dt.(arrow.DecimalType)
	if !ok || d.GetPrecision() > maxDigits || d.GetScale() < 0 || d.GetScale() > d.GetPrecision() {
		return digits{}, false
	}
	return digits{d.GetPrecision(), d.GetScale()}, true
}

func (d digits) arrowType() arrow.DataType {
	return &arrow.Decimal128Type{Precision: d.precision, Scale: d.scale}
}

// whole is how many digits stand before the point.
func (d digits) whole() int32 { return d.precision - d.scale }

// with is the digits of a number that has so many before and behind the point; at most 38.
func with(whole, scale int32) digits {
	scale = min(scale, maxDigits)
	return digits{max(1, min(whole+scale, maxDigits)), scale}
}

// digitsOfOperand is those of an operand: an int has 19.
func digitsOfOperand(a operand) digits {
	if a.kind == kindInt {
		return digits{19, 0}
	}
	return a.digits
}

// fewestDigits is the same, but a constant int has those that it has: coalesce(price, 0)
// is of the type of price.
func fewestDigits(a operand) digits {
	if a.kind == kindInt && a.constant != nil {
		return digits{int32(len(strings.TrimPrefix(strconv.FormatInt(a.constant.vector.ints[0], 10), "-"))), 0} //nolint:gosec // at most 19
	}
	return digitsOfOperand(a)
}

var powers = func() (p [maxDigits + 1]decimal128.Num) {
	for i := range p {
		p[i] = decimal128.GetScaleMultiplier(i)
	}
	return p
}()

// fits38 says whether a number has at most 38 digits. What the sum of two such has become
// by wrapping has more.
func fits38(n decimal128.Num) bool { return n.FitsInPrecision(maxDigits) }

// raise multiplies by 10 to the power of n; false if that takes more than 38 digits.
func raise(x decimal128.Num, n int32) (decimal128.Num, bool) {
	if n == 0 || x == (decimal128.Num{}) {
		return x, true
	}
	if n > maxDigits || x.Abs().GreaterEqual(powers[maxDigits-n]) {
		return x, false
	}
	return x.Mul(powers[n]), true
}

// lower divides by 10 to the power of n: 0 rounds half away from zero, -1 down, 1 up, and 2
// towards zero.
func lowerScale(x decimal128.Num, n int32, towards int) decimal128.Num {
	if n == 0 {
		return x
	}
	if v, ok := asInt(x); ok && n <= 18 {
		p := int64(powers[n].LowBits()) //nolint:gosec // it fits
		q, r := v/p, v%p
		if towards == 0 && (2*r >= p || 2*r <= -p) || towards == -1 && r < 0 || towards == 1 && r > 0 {
			q += int64(x.Sign())
		}
		return decimal128.FromI64(q)
	}
	q, r := new(big.Int).QuoRem(x.BigInt(), powers[n].BigInt(), new(big.Int))
	away := false
	switch towards {
	case 0:
		away = new(big.Int).Lsh(r.Abs(r), 1).Cmp(powers[n].BigInt()) >= 0
	case -1:
		away = r.Sign() < 0
	case 1:
		away = r.Sign() > 0
	}
	if away {
		q.Add(q, big.NewInt(int64(x.Sign())))
	}
	return decimal128.FromBigInt(q)
}

// nearestDouble is the double nearest to a decimal, which is the one that the same digits
// are in an expression: arrow's ToFloat64 is off by a bit for 0.0009.
func nearestDouble(x decimal128.Num, scale int32) float64 {
	const exact = 1 << 53 // up to here, and up to 10 to the 22nd, a double has every digit
	if v, ok := asInt(x); ok && v >= -exact && v <= exact && scale <= 22 {
		return float64(v) / math.Pow10(int(scale))
	}
	f, err := strconv.ParseFloat(x.ToString(scale), 64)
	if err != nil {
		return x.ToFloat64(scale) // 38 digits are no text that cannot be read
	}
	return f
}

// asInt is a number of 64 bits as one: big.Int takes over ten times as long.
func asInt(x decimal128.Num) (int64, bool) {
	v := int64(x.LowBits()) //nolint:gosec // compared beside
	return v, x.HighBits() == v>>63
}

// rescale brings a decimal to another scale, rounding half away from zero; false if it has
// too many digits for the precision.
func rescale(x decimal128.Num, from int32, to digits) (decimal128.Num, bool) {
	if to.scale >= from {
		x, ok := raise(x, to.scale-from)
		return x, ok && x.FitsInPrecision(to.precision)
	}
	x = lowerScale(x, from-to.scale, 0)
	return x, x.FitsInPrecision(to.precision)
}

func bigDecimal(x *big.Int) (decimal128.Num, bool) {
	if x.CmpAbs(powers[maxDigits].BigInt()) >= 0 {
		return decimal128.Num{}, false
	}
	return decimal128.FromBigInt(x), true
}

// multiply multiplies; false if the product has more than 38 digits.
func multiply(x, y decimal128.Num) (decimal128.Num, bool) {
	a, okX := asInt(x)
	b, okY := asInt(y)
	if okX && okY {
		hi, lo := bits.Mul64(uint64(a), uint64(b))         //nolint:gosec // two's complement
		p := decimal128.New(int64(hi)-a>>63&b-b>>63&a, lo) //nolint:gosec // of the product
		return p, fits38(p)
	}
	return bigDecimal(new(big.Int).Mul(x.BigInt(), y.BigInt()))
}

// divide divides, with a scale of its own; half away from zero.
func divide(x decimal128.Num, sx int32, y decimal128.Num, sy, scale int32) (decimal128.Num, bool) {
	a, okX := asInt(x.Abs())
	b, okY := asInt(y.Abs())
	if e := scale + sy - sx; okX && okY && e >= 0 && e <= 18 {
		hi, lo := bits.Mul64(uint64(a), powers[e].LowBits()) //nolint:gosec // positive
		d := uint64(b)                                       //nolint:gosec // positive
		if hi < d {
			q, r := bits.Div64(hi, lo, d)
			n := decimal128.FromU64(q)
			if r >= d-r {
				n = n.Add(decimal128.FromU64(1))
			}
			if x.Sign() != y.Sign() {
				n = n.Negate()
			}
			return n, true
		}
	}
	n := new(big.Int).Mul(x.BigInt(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(0, scale+sy-sx))), nil))
	d := new(big.Int).Mul(y.BigInt(), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(max(0, sx-sy-scale))), nil))
	q, r := new(big.Int).QuoRem(n, d, new(big.Int))
	if r.Lsh(r.Abs(r), 1).CmpAbs(d) >= 0 {
		q.Add(q, big.NewInt(int64(n.Sign()*d.Sign())))
	}
	return bigDecimal(q)
}

// compareDecimals compares, whatever the scales.
func compareDecimals(x decimal128.Num, sx int32, y decimal128.Num, sy int32) int {
	if sx == sy {
		return x.Cmp(y)
	}
	if sx > sy {
		return -compareDecimals(y, sy, x, sx)
	}
	if raised, ok := raise(x, sy-sx); ok {
		return raised.Cmp(y)
	}
	return x.Sign() // it has more digits than y can have
}

// decimalAt reads element i of a vector of decimals, or of ints.
func (v *vector) decimalAt(i int) decimal128.Num {
	if v.decimals != nil {
		return v.decimals[i]
	}
	return decimal128.FromI64(v.ints[i])
}

// doubleAt reads element i of a vector of decimals of the scale, or of ints, as a double.
func (v *vector) doubleAt(i int, scale int32) float64 {
	if v.decimals != nil {
		return nearestDouble(v.decimals[i], scale)
	}
	return float64(v.ints[i])
}

// decimalPairs are the signatures of two numbers of which one is a decimal at least, and
// the other can be an int. (With a double, both are doubles.)
func decimalPairs(result kind, errs []error, prepare func(a, b operand) (kernel, digits)) (all []signature) {
	d := kindDecimal
	for _, args := range [][]kind{{d, d}, {d, kindInt}, {kindInt, d}} {
		all = append(all, signature{args: args, result: result, errs: errs, prepare: func(_ *signature, args []operand) (prepared, *problem) {
			k, to := prepare(args[0], args[1])
			return prepared{kernel: k, args: args, errs: errs, digits: to}, nil
		}})
	}
	return all
}

// decimalKernel makes a kernel of a function of two decimals.
func decimalKernel(fn func(x, y decimal128.Num) (decimal128.Num, error)) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		for i := range f.n {
			if !live.has(i) {
				out.decimals[i] = decimal128.Num{}
				continue
			}
			x, err := fn(args[0].decimalAt(i), args[1].decimalAt(i))
			if err != nil {
				f.fail(i, err)
			}
			out.decimals[i] = x
		}
	}
}

// decimalSignatures are those of a function that takes other numbers too, by its name in the
// syntax tree.
func decimalSignatures(tree string) []signature {
	tooLarge := []error{ErrDecimal}
	switch tree {
	case "int":
		return []signature{decimalToInt()}
	case "double":
		return []signature{decimalToDouble()}
	case "string":
		return []signature{decimalToString()}
	case operators.Negate:
		return []signature{oneDecimal(sameDigits, func(x decimal128.Num, _ digits) decimal128.Num { return x.Negate() })}
	case "abs":
		return []signature{oneDecimal(sameDigits, func(x decimal128.Num, _ digits) decimal128.Num { return x.Abs() })}
	case "min":
		return extremeDecimals(-1)
	case "max":
		return extremeDecimals(1)
	case "round":
		return []signature{wholeDecimal(0), roundedDecimal()}
	case "trunc":
		return []signature{wholeDecimal(2)}
	case "sign":
		return []signature{fromDecimal(kindInt, nil, func(_ *frame, out *vector, i int, x decimal128.Num, _ int32) error {
			out.ints[i] = int64(x.Sign())
			return nil
		})}
	case "floor":
		return []signature{wholeDecimal(-1)}
	case "ceil":
		return []signature{wholeDecimal(1)}
	case operators.Add, operators.Subtract:
		return decimalPairs(kindDecimal, tooLarge, func(l, r operand) (kernel, digits) {
			a, b := digitsOfOperand(l), digitsOfOperand(r)
			to := with(max(a.whole(), b.whole())+1, max(a.scale, b.scale))
			return decimalKernel(func(x, y decimal128.Num) (decimal128.Num, error) {
				x, okX := raise(x, to.scale-a.scale)
				y, okY := raise(y, to.scale-b.scale)
				if tree == operators.Subtract {
					y = y.Negate()
				}
				sum := x.Add(y)
				if !okX || !okY || !fits38(sum) {
					return sum, ErrDecimal
				}
				return sum, nil
			}), to
		})
	case operators.Multiply:
		return decimalPairs(kindDecimal, tooLarge, func(l, r operand) (kernel, digits) {
			a, b := digitsOfOperand(l), digitsOfOperand(r)
			exact := a.scale + b.scale
			return decimalKernel(func(x, y decimal128.Num) (decimal128.Num, error) {
				if exact > maxDigits {
					if p, ok := bigDecimal(roundedProduct(x, y, exact-maxDigits)); ok {
						return p, nil
					}
					return x, ErrDecimal
				}
				p, ok := multiply(x, y)
				if !ok {
					return p, ErrDecimal
				}
				return p, nil
			}), with(a.whole()+b.whole(), exact)
		})
	case operators.Divide:
		return decimalPairs(kindDecimal, []error{ErrDivideByZero, ErrDecimal}, func(l, r operand) (kernel, digits) {
			a, b := digitsOfOperand(l), digitsOfOperand(r)
			to := digits{maxDigits, max(6, a.scale, b.scale)}
			return decimalKernel(func(x, y decimal128.Num) (decimal128.Num, error) {
				if y.Sign() == 0 {
					return y, ErrDivideByZero
				}
				q, ok := divide(x, a.scale, y, b.scale, to.scale)
				if !ok {
					return q, ErrDecimal
				}
				return q, nil
			}), to
		})
	case operators.Modulo:
		return decimalPairs(kindDecimal, []error{ErrDivideByZero}, func(l, r operand) (kernel, digits) {
			a, b := digitsOfOperand(l), digitsOfOperand(r)
			// It is smaller than either, so that it always fits.
			to := with(min(a.whole(), b.whole()), max(a.scale, b.scale))
			return decimalKernel(func(x, y decimal128.Num) (decimal128.Num, error) {
				if y.Sign() == 0 {
					return y, ErrDivideByZero
				}
				return remainder(x, to.scale-a.scale, y, to.scale-b.scale), nil
			}), to
		})
	}
	holds := map[string]func(c int) bool{
		operators.Equals: func(c int) bool { return c == 0 }, operators.NotEquals: func(c int) bool { return c != 0 },
		operators.Less: func(c int) bool { return c < 0 }, operators.LessEquals: func(c int) bool { return c <= 0 },
		operators.Greater: func(c int) bool { return c > 0 }, operators.GreaterEquals: func(c int) bool { return c >= 0 },
	}[tree]
	if holds == nil {
		return nil
	}
	return decimalPairs(kindBool, nil, func(l, r operand) (kernel, digits) {
		a, b := digitsOfOperand(l), digitsOfOperand(r)
		return func(f *frame, out *vector, live *mask, args []*vector) {
			*out.bits = mask{}
			for i := range f.n {
				if live.has(i) && holds(compareDecimals(args[0].decimalAt(i), a.scale, args[1].decimalAt(i), b.scale)) {
					out.bits.set(i)
				}
			}
		}, digits{}
	})
}

// remainder is x % y, each of which is first multiplied by a power of ten. It has the sign
// of x.
func remainder(x decimal128.Num, raiseX int32, y decimal128.Num, raiseY int32) decimal128.Num {
	a, okX := raise(x, raiseX)
	b, okY := raise(y, raiseY)
	v, smallX := asInt(a)
	w, smallY := asInt(b)
	if okX && okY && smallX && smallY {
		return decimal128.FromI64(v % w)
	}
	m := new(big.Int).Mul(x.BigInt(), powers[raiseX].BigInt())
	return decimal128.FromBigInt(m.Rem(m, new(big.Int).Mul(y.BigInt(), powers[raiseY].BigInt())))
}

// roundedProduct is the product without its last digits, half away from zero.
func roundedProduct(x, y decimal128.Num, without int32) *big.Int {
	p := new(big.Int).Mul(x.BigInt(), y.BigInt())
	d := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(without)), nil)
	q, r := new(big.Int).QuoRem(p, d, new(big.Int))
	if r.Lsh(r.Abs(r), 1).CmpAbs(d) >= 0 {
		q.Add(q, big.NewInt(int64(p.Sign())))
	}
	return q
}

// oneDecimal is the signature of a function of one decimal that gives one.
func oneDecimal(to func(d digits) digits, fn func(x decimal128.Num, d digits) decimal128.Num) signature {
	return signature{args: []kind{kindDecimal}, result: kindDecimal, prepare: func(_ *signature, args []operand) (prepared, *problem) {
		d := args[0].digits
		return prepared{args: args, digits: to(d), kernel: func(f *frame, out *vector, _ *mask, args []*vector) {
			for i, x := range args[0].decimals[:f.n] {
				out.decimals[i] = fn(x, d)
			}
		}}, nil
	}}
}

func sameDigits(d digits) digits { return d }

// wholeDecimal rounds to a whole number.
func wholeDecimal(towards int) signature {
	return oneDecimal(func(d digits) digits { return with(d.whole()+1, 0) }, func(x decimal128.Num, d digits) decimal128.Num { return lowerScale(x, d.scale, towards) })
}

// roundedDecimal is round(a, n): the digits of the result must be known, and so n is.
func roundedDecimal() signature {
	return signature{args: []kind{kindDecimal, kindInt}, result: kindDecimal, errs: []error{ErrDecimal}, prepare: func(s *signature, args []operand) (prepared, *problem) {
		if args[1].constant == nil {
			return prepared{}, &problem{at: args[1].at, msg: "how many digits a decimal is rounded to is a constant", hint: "as in round(price, 2); double(price) can be rounded to any"}
		}
		d, n := args[0].digits, args[1].constant.vector.ints[0]
		p := prepared{args: args[:1], errs: s.errs, digits: d}
		if n >= int64(d.scale) {
			p.errs = nil
			p.kernel = func(f *frame, out *vector, _ *mask, args []*vector) { copy(out.decimals, args[0].decimals[:f.n]) }
			return p, nil
		}
		scale := int32(max(n, 0)) //nolint:gosec // below that of the decimal
		zeros := int32(-max(min(n, 0), -maxDigits-1))
		lost := d.scale - scale + zeros
		p.digits = with(d.whole()+1, scale)
		p.kernel = func(f *frame, out *vector, live *mask, args []*vector) {
			for i, x := range args[0].decimals[:f.n] {
				out.decimals[i] = decimal128.Num{}
				if !live.has(i) || lost > maxDigits { // nothing is left then
					continue
				}
				var ok bool
				if out.decimals[i], ok = raise(lowerScale(x, lost, 0), zeros); !ok {
					f.fail(i, ErrDecimal)
				}
			}
		}
		return p, nil
	}}
}

// fromDecimal makes a signature of a cast of a decimal.
func fromDecimal(result kind, errs []error, write func(f *frame, out *vector, i int, x decimal128.Num, scale int32) error) signature {
	return signature{args: []kind{kindDecimal}, result: result, errs: errs, prepare: func(s *signature, args []operand) (prepared, *problem) {
		scale := args[0].digits.scale
		return prepared{args: args, errs: s.errs, kernel: func(f *frame, out *vector, live *mask, args []*vector) {
			for i, x := range args[0].decimals[:f.n] {
				if out.strs != nil {
					out.strs[i] = ""
				}
				if !live.has(i) {
					continue
				}
				if err := write(f, out, i, x, scale); err != nil {
					f.fail(i, err)
				}
			}
		}}, nil
	}}
}

func decimalToDouble() signature {
	return signature{args: []kind{kindDecimal}, result: kindDouble, prepare: func(_ *signature, args []operand) (prepared, *problem) {
		return prepared{args: args, kernel: widenDecimals(args[0].digits.scale)}, nil
	}}
}

func widenDecimals(scale int32) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		for i, x := range args[0].decimals[:f.n] {
			if live.has(i) {
				out.floats[i] = nearestDouble(x, scale)
			}
		}
	}
}

func decimalToInt() signature {
	return fromDecimal(kindInt, []error{ErrCast}, func(_ *frame, out *vector, i int, x decimal128.Num, scale int32) error {
		n := lowerScale(x, scale, 2)
		if n.HighBits() != int64(n.LowBits())>>63 { //nolint:gosec // the sign
			return ErrCast
		}
		out.ints[i] = int64(n.LowBits()) //nolint:gosec // it fits
		return nil
	})
}

func decimalToString() signature {
	return fromDecimal(kindString, nil, func(f *frame, out *vector, i int, x decimal128.Num, scale int32) error {
		text := x.ToString(scale)
		out.strs[i] = f.text.count(text)
		return nil
	})
}

// decimalCast is decimal(a, precision, scale).
func decimalCast() function {
	f := function{
		name: "decimal", form: "decimal(a, precision, scale)", in: inCasts,
		doc:   "A decimal of so many digits, so many of them behind the point: constants, up to 38. An int; a double by its shortest digits; a text of digits with a point, as 12.50; another decimal. What has more digits behind the point is rounded, halves away from zero.",
		fails: "when the number has too many digits before the point, is NaN or infinite; when the text is anything else",
		examples: []example{
			{`decimal("12.345", 10, 2)`, `decimal("12.35", 10, 2)`},
			{"decimal(amount, 10, 1) * 2", `decimal("25.0", 29, 1)`},
			{`decimal("1.10", 5, 2) + decimal("2.205", 6, 3) == decimal("3.305", 9, 3)`, "true"},
			{`decimal(visits, 5, 2) / 7`, `decimal("0.428571", 38, 6)`},
			{"decimal(visits, 2, 2)", "row error: value cannot be cast"},
		},
		slow: "128 bits, of which Arrow's kernels for decimals take as many",
	}
	for _, from := range []kind{kindDecimal, kindInt, kindDouble, kindString} {
		f.signatures = append(f.signatures, signature{
			args: []kind{from, kindInt, kindInt}, result: kindDecimal, errs: []error{ErrCast},
			prepare: func(s *signature, args []operand) (prepared, *problem) {
				var n [2]int64
				for i, a := range args[1:] {
					if a.constant == nil {
						return prepared{}, &problem{at: a.at, msg: "precision and scale are constants", hint: "as in decimal(amount, 10, 2)"}
					}
					n[i] = a.constant.vector.ints[0]
				}
				if n[0] < 1 || n[0] > maxDigits || n[1] < 0 || n[1] > n[0] {
					return prepared{}, &problem{at: args[1].at, msg: fmt.Sprintf("there is no decimal of %d digits, %d of them behind the point", n[0], n[1]), hint: "the precision is from 1 to 38, and the scale from 0 to the precision"}
				}
				to := digits{int32(n[0]), int32(n[1])} //nolint:gosec // checked
				return prepared{kernel: toDecimal(digitsOfOperand(args[0]), to, ErrCast), args: args[:1], errs: s.errs, digits: to}, nil
			},
		})
	}
	return f
}

// toDecimal makes decimals of ints, doubles, texts and other decimals; what does not fit
// fails with the error.
func toDecimal(from, to digits, err error) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		a := args[0]
		var scratch [32]byte
		for i := range f.n {
			out.decimals[i] = decimal128.Num{}
			if !live.has(i) {
				continue
			}
			var x decimal128.Num
			ok := false
			switch {
			case a.strs != nil:
				x, ok = parseDecimal(a.strs[i], to)
			case a.floats != nil:
				if v := a.floats[i]; !math.IsNaN(v) && !math.IsInf(v, 0) {
					text, _ := formatFloat(scratch[:0], v)
					x, ok = parseDecimal(string(text), to)
				}
			default:
				x, ok = rescale(a.decimalAt(i), from.scale, to)
			}
			if !ok {
				f.fail(i, err)
				continue
			}
			out.decimals[i] = x
		}
	}
}

// parseDecimal reads digits with a sign and a point, and an exponent of small size.
func parseDecimal(s string, to digits) (decimal128.Num, bool) {
	if len(s) > 400 {
		return decimal128.Num{}, false
	}
	mantissa, digitsSeen, point, exponent, i := new(big.Int), 0, 0, 0, 0
	negative := false
	if i < len(s) && (s[i] == '-' || s[i] == '+') {
		negative = s[i] == '-'
		i++
	}
	plain := make([]byte, 0, len(s))
	behind := false
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			plain = append(plain, c)
			digitsSeen++
			if behind {
				point++
			}
		case c == '.' && !behind:
			behind = true
		case (c == 'e' || c == 'E') && digitsSeen > 0:
			n, ok := parseInt(s[i+1:])
			if !ok || n > 400 || n < -400 {
				return decimal128.Num{}, false
			}
			exponent, i = int(n), len(s)
		default:
			return decimal128.Num{}, false
		}
	}
	if digitsSeen == 0 {
		return decimal128.Num{}, false
	}
	mantissa.SetString(string(plain), 10)
	if negative {
		mantissa.Neg(mantissa)
	}
	move := int64(int(to.scale) - point + exponent)
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(max(move, -move)), nil)
	if move >= 0 {
		mantissa.Mul(mantissa, ten)
	} else {
		q, r := new(big.Int).QuoRem(mantissa, ten, new(big.Int))
		if r.Lsh(r.Abs(r), 1).CmpAbs(ten) >= 0 {
			q.Add(q, big.NewInt(int64(mantissa.Sign())))
		}
		mantissa = q
	}
	x, ok := bigDecimal(mantissa)
	return x, ok && x.FitsInPrecision(to.precision)
}

// alike brings decimals, and ints that meet them, to one precision and scale, for what
// gives one or the other.
func (c *compiler) alike(args []operand) digits {
	isDecimal := func(a operand) bool { return a.kind == kindDecimal }
	if !slices.ContainsFunc(args, isDecimal) {
		return digits{}
	}
	to, whole := digits{}, int32(0)
	for _, a := range args {
		if a.kind == kindDecimal || a.kind == kindInt {
			d := fewestDigits(a)
			whole, to.scale = max(whole, d.whole()), max(to.scale, d.scale)
		}
	}
	to = with(whole, to.scale)
	for i, a := range args {
		if a.kind != kindInt && (a.kind != kindDecimal || a.digits.scale == to.scale) {
			continue
		}
		n := &callNode{
			name: "decimal", kind: kindDecimal, kernel: toDecimal(digitsOfOperand(a), to, ErrDecimal), args: []node{a.node},
			register: c.fresh(kindDecimal), fallible: true,
		}
		c.release(a)
		args[i].node, args[i].register, args[i].digits, args[i].kind = n, n.register, to, kindDecimal
	}
	return to
}

func equalDecimals(f *frame, out *vector, _ *mask, args []*vector) {
	*out.bits = mask{}
	for i := range f.n {
		if args[0].decimals[i] == args[1].decimals[i] {
			out.bits.set(i)
		}
	}
}

// extremeDecimals are the signatures of min and max.
func extremeDecimals(sign int) []signature {
	return decimalPairs(kindDecimal, []error{ErrDecimal}, func(l, r operand) (kernel, digits) {
		a, b := fewestDigits(l), fewestDigits(r)
		to := with(max(a.whole(), b.whole()), max(a.scale, b.scale))
		return decimalKernel(func(x, y decimal128.Num) (decimal128.Num, error) {
			from := a.scale
			if compareDecimals(x, a.scale, y, b.scale)*sign < 0 {
				x, from = y, b.scale
			}
			x, ok := raise(x, to.scale-from)
			if !ok {
				return x, ErrDecimal
			}
			return x, nil
		}), to
	})
}

// withInts are the signatures of a function that gives one of its last two operands, of
// which one is a decimal and the other an int.
func withInts(first []kind, build func(*compiler, *signature, []operand) (operand, *problem)) []signature {
	of := func(a, b kind) signature {
		return signature{args: append(slices.Clone(first), a, b), result: kindDecimal, build: build}
	}
	return []signature{of(kindDecimal, kindInt), of(kindInt, kindDecimal)}
}
