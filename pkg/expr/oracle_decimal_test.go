package expr_test

import (
	"math"
	"math/big"
	"strings"

	"github.com/levada-data/levada/pkg/expr"
)

// dec is a decimal as a fraction: without its digits, as text, so that == compares.
type dec string

func newDec(unscaled *big.Int, scale int32) dec {
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)
	return dec(new(big.Rat).SetFrac(unscaled, ten).String())
}

func (d dec) rat() *big.Rat {
	r, ok := new(big.Rat).SetString(string(d))
	if !ok {
		panic(d)
	}
	return r
}

// rounded is r with so many digits behind the point, halves away from zero, if it has no
// more than precision digits.
func rounded(r *big.Rat, precision, scale int64, err error) (any, error) {
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(scale), nil)
	twice := new(big.Rat).Mul(r, new(big.Rat).SetInt(new(big.Int).Lsh(ten, 1)))
	n := new(big.Int).Quo(twice.Num(), twice.Denom()) // towards zero, in halves
	n.Add(n, big.NewInt(int64(n.Sign())))
	n.Quo(n, big.NewInt(2))
	if n.CmpAbs(new(big.Int).Exp(big.NewInt(10), big.NewInt(precision), nil)) >= 0 {
		return nil, err
	}
	return newDec(n, int32(scale)), nil
}

// decimalMeanings are over columns that are named in the forms: digits follow from types.
// The operands are columns, by name.
func decimalMeanings() []nestedMeaning {
	scales := map[string]int64{"d1": 2, "d2": 4, "d3": 0, "d4": 30, "i64": 0}
	rat := func(v any) *big.Rat {
		if d, ok := v.(dec); ok {
			return d.rat()
		}
		return new(big.Rat).SetInt64(v.(int64))
	}
	all := []nestedMeaning{}
	add := func(form string, args []string, result string, eval func(v []any) (any, error)) {
		all = append(all, nestedMeaning{form, args, result, func(_ row, v []any) (any, error) {
			for _, x := range v {
				if x == nil {
					return nil, nil
				}
			}
			return eval(v)
		}})
	}
	for _, pair := range []string{"d1 d1", "d1 d2", "d2 d3", "d3 d3", "d3 d4", "d4 d1", "d4 d4", "d1 i64", "i64 d3"} {
		args := strings.Fields(pair)
		more := max(scales[args[0]], scales[args[1]])
		for sign, op := range map[string]func(z, x, y *big.Rat) *big.Rat{"+": (*big.Rat).Add, "-": (*big.Rat).Sub} {
			add("(%s "+sign+" %s)", args, "decimal", func(v []any) (any, error) {
				// Each must be a number of the larger scale first.
				for _, x := range v {
					if _, err := rounded(rat(x), 38, more, expr.ErrDecimal); err != nil {
						return nil, err
					}
				}
				return rounded(op(new(big.Rat), rat(v[0]), rat(v[1])), 38, more, expr.ErrDecimal)
			})
		}
		add("(%s * %s)", args, "decimal", func(v []any) (any, error) {
			return rounded(new(big.Rat).Mul(rat(v[0]), rat(v[1])), 38, min(38, scales[args[0]]+scales[args[1]]), expr.ErrDecimal)
		})
		add("(%s / %s)", args, "decimal", func(v []any) (any, error) {
			if rat(v[1]).Sign() == 0 {
				return nil, expr.ErrDivideByZero
			}
			return rounded(new(big.Rat).Quo(rat(v[0]), rat(v[1])), 38, max(6, more), expr.ErrDecimal)
		})
		for sign, holds := range map[string]func(c int) bool{
			"==": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 }, "<": func(c int) bool { return c < 0 },
			"<=": func(c int) bool { return c <= 0 }, ">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
		} {
			add("(%s "+sign+" %s)", args, "bool", func(v []any) (any, error) { return holds(rat(v[0]).Cmp(rat(v[1]))), nil })
		}
		if args[0] != "i64" && args[1] != "i64" {
			for name, sign := range map[string]int{"min": -1, "max": 1} {
				add(name+"(%s, %s)", args, "decimal", func(v []any) (any, error) {
					x := rat(v[0])
					if x.Cmp(rat(v[1]))*sign < 0 {
						x = rat(v[1])
					}
					return rounded(x, 38, more, expr.ErrDecimal)
				})
			}
		}
	}
	for _, d := range []string{"d1", "d2", "d3", "d4"} {
		one := func(form, result string, eval func(x *big.Rat) (any, error)) {
			add(form, []string{d}, result, func(v []any) (any, error) { return eval(rat(v[0])) })
		}
		fraction := func(x *big.Rat) (any, error) { return dec(x.String()), nil }
		one("-(%s)", "decimal", func(x *big.Rat) (any, error) { return fraction(new(big.Rat).Neg(x)) })
		one("abs(%s)", "decimal", func(x *big.Rat) (any, error) { return fraction(new(big.Rat).Abs(x)) })
		one("round(%s)", "decimal", func(x *big.Rat) (any, error) { return rounded(x, 40, 0, nil) })
		floor := func(x *big.Rat) *big.Rat { // Div rounds down, for the denominator is positive
			return new(big.Rat).SetInt(new(big.Int).Div(x.Num(), x.Denom()))
		}
		one("floor(%s)", "decimal", func(x *big.Rat) (any, error) { return fraction(floor(x)) })
		one("ceil(%s)", "decimal", func(x *big.Rat) (any, error) { return fraction(new(big.Rat).Neg(floor(new(big.Rat).Neg(x)))) })
		one("int(%s)", "int", func(x *big.Rat) (any, error) {
			n := new(big.Int).Quo(x.Num(), x.Denom())
			if !n.IsInt64() {
				return nil, expr.ErrCast
			}
			return n.Int64(), nil
		})
		one("string(%s)", "string", func(x *big.Rat) (any, error) { return x.FloatString(int(scales[d])), nil })
		one("decimal(%s, 9, 1)", "decimal", func(x *big.Rat) (any, error) { return rounded(x, 9, 1, expr.ErrCast) })
		one("decimal(string(%s), 30, 3)", "decimal", func(x *big.Rat) (any, error) { return rounded(x, 30, 3, expr.ErrCast) })
		one("try_decimal(%s, 3, 0)", "decimal", func(x *big.Rat) (any, error) {
			v, err := rounded(x, 3, 0, expr.ErrCast)
			if err != nil {
				return nil, nil //nolint:nilerr // lenient
			}
			return v, nil
		})
	}
	same := func(a, b any) bool { return a != nil && b != nil && a.(dec).rat().Cmp(b.(dec).rat()) == 0 }
	return append(all,
		nestedMeaning{"coalesce(%s, %s)", []string{"d1", "d2"}, "decimal", func(_ row, v []any) (any, error) {
			if v[0] != nil {
				return v[0], nil
			}
			return v[1], nil
		}},
		nestedMeaning{"nullIf(%s, %s)", []string{"d1", "d2"}, "decimal", func(_ row, v []any) (any, error) {
			if same(v[0], v[1]) {
				return nil, nil
			}
			return v[0], nil
		}},
		nestedMeaning{"(isNull(%s) ? %s : %s)", []string{"d2", "d1", "d2"}, "decimal", func(_ row, v []any) (any, error) {
			if v[0] == nil {
				return v[1], nil
			}
			return v[2], nil
		}},
		nestedMeaning{"decimal(%s, 19, 0)", []string{"i64"}, "decimal", func(_ row, v []any) (any, error) {
			if v[0] == nil {
				return nil, nil
			}
			return newDec(big.NewInt(v[0].(int64)), 0), nil
		}},
		nestedMeaning{"(double(%s) - %s < 1e-6)", []string{"d1", "d1"}, "bool", func(_ row, v []any) (any, error) {
			if v[0] == nil {
				return nil, nil
			}
			return true, nil
		}},
		nestedMeaning{"(%s < %s)", []string{"d1", "f64"}, "bool", func(_ row, v []any) (any, error) {
			if v[0] == nil || v[1] == nil {
				return nil, nil
			}
			x, _ := v[0].(dec).rat().Float64()
			return x < v[1].(float64) && !math.IsNaN(v[1].(float64)), nil
		}},
	)
}
