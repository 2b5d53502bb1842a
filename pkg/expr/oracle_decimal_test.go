package expr_test

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
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
		add("(%s %% %s)", args, "decimal", func(v []any) (any, error) {
			if rat(v[1]).Sign() == 0 {
				return nil, expr.ErrDivideByZero
			}
			q := new(big.Rat).Quo(rat(v[0]), rat(v[1]))
			whole := new(big.Rat).SetInt(new(big.Int).Quo(q.Num(), q.Denom()))
			return dec(q.Sub(rat(v[0]), whole.Mul(whole, rat(v[1]))).String()), nil
		})
		for sign, holds := range map[string]func(c int) bool{
			"==": func(c int) bool { return c == 0 }, "!=": func(c int) bool { return c != 0 }, "<": func(c int) bool { return c < 0 },
			"<=": func(c int) bool { return c <= 0 }, ">": func(c int) bool { return c > 0 }, ">=": func(c int) bool { return c >= 0 },
		} {
			add("(%s "+sign+" %s)", args, "bool", func(v []any) (any, error) { return holds(rat(v[0]).Cmp(rat(v[1]))), nil })
		}
		for name, sign := range map[string]int{"min": -1, "max": 1} {
			add(name+"(%s, %s)", args, "decimal", func(v []any) (any, error) {
				x := rat(v[0])
				if x.Cmp(rat(v[1]))*sign < 0 {
					x = rat(v[1])
				}
				return rounded(x, 38, more, expr.ErrDecimal)
			})
		}
		// What gives one of two brings both to the digits that they have together.
		together := func(x any) (any, error) {
			if x == nil {
				return nil, nil
			}
			return rounded(rat(x), 38, more, expr.ErrDecimal)
		}
		all = append(all,
			nestedMeaning{"coalesce(%s, %s)", args, "decimal", func(_ row, v []any) (any, error) {
				if v[0] != nil {
					return together(v[0])
				}
				return together(v[1])
			}},
			nestedMeaning{"nullIf(%s, %s)", args, "decimal", func(_ row, v []any) (any, error) {
				for _, x := range v {
					if _, err := together(x); err != nil {
						return nil, err
					}
				}
				if v[0] != nil && v[1] != nil && rat(v[0]).Cmp(rat(v[1])) == 0 {
					return nil, nil
				}
				return together(v[0])
			}},
			nestedMeaning{"(isNull(%[2]s) ? %[1]s : %[2]s)", args, "decimal", func(_ row, v []any) (any, error) {
				if v[1] == nil {
					return together(v[0])
				}
				return together(v[1])
			}},
			nestedMeaning{"coalesce(%s, -12, %s)", args, "decimal", func(_ row, v []any) (any, error) {
				if v[0] == nil {
					return dec("-12/1"), nil
				}
				return together(v[0])
			}},
		)
	}
	for _, d := range []string{"d1", "d2", "d3", "d4"} {
		one := func(form, result string, eval func(x *big.Rat) (any, error)) {
			add(form, []string{d}, result, func(v []any) (any, error) { return eval(rat(v[0])) })
		}
		fraction := func(x *big.Rat) (any, error) { return dec(x.String()), nil }
		one("-(%s)", "decimal", func(x *big.Rat) (any, error) { return fraction(new(big.Rat).Neg(x)) })
		one("abs(%s)", "decimal", func(x *big.Rat) (any, error) { return fraction(new(big.Rat).Abs(x)) })
		one("round(%s)", "decimal", func(x *big.Rat) (any, error) { return rounded(x, 40, 0, nil) })
		one("trunc(%s)", "decimal", func(x *big.Rat) (any, error) {
			return fraction(new(big.Rat).SetInt(new(big.Int).Quo(x.Num(), x.Denom())))
		})
		one("sign(%s)", "int", func(x *big.Rat) (any, error) { return int64(x.Sign()), nil })
		for _, n := range []int64{math.MinInt64, -40, -38, -37, -3, -1, 0, 1, 3, 29, 38, 40} {
			one(fmt.Sprintf("round(%%s, %d)", n), "decimal", func(x *big.Rat) (any, error) {
				ten := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(-min(max(n, -100), 0)), nil))
				v, err := rounded(new(big.Rat).Quo(x, ten), 80, max(0, min(n, scales[d])), nil)
				if err != nil {
					return nil, err
				}
				return rounded(new(big.Rat).Mul(v.(dec).rat(), ten), 38, max(0, min(n, scales[d])), expr.ErrDecimal)
			})
		}
		// A function of doubles takes it as one.
		one("sqrt(%s)", "double", func(x *big.Rat) (any, error) {
			f, _ := strconv.ParseFloat(x.FloatString(int(scales[d])), 64)
			return math.Sqrt(f), nil
		})
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
	in := func(v any, members ...any) (any, error) {
		unknown := false
		for _, m := range members {
			if m == nil {
				unknown = true
			} else if v != nil && rat(v).Cmp(rat(m)) == 0 {
				return true, nil
			}
		}
		if v == nil || unknown {
			return nil, nil
		}
		return false, nil
	}
	several := []any{}
	for n := range int64(30) {
		several = append(several, n-15)
	}
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(several), " ", ", "), "[]")
	for _, d := range []string{"d1", "d2", "d3", "d4"} {
		add("(%s in ["+list+"])", []string{d}, "bool", func(v []any) (any, error) { return in(v[0], several...) })
		add(`(%s in [1, decimal("-3.000", 9, 3), decimal("0.5", 2, 1)])`, []string{d}, "bool", func(v []any) (any, error) {
			return in(v[0], int64(1), dec("-3/1"), dec("1/2"))
		})
		add("(%s in [0.5, 2])", []string{d}, "bool", func(v []any) (any, error) {
			f, _ := rat(v[0]).Float64()
			return f == 0.5 || f == 2, nil
		})
	}
	add(`(%s in [decimal("2.00", 9, 2), decimal("2.50", 9, 2), 3])`, []string{"i8"}, "bool", func(v []any) (any, error) { return in(v[0], int64(2), int64(3)) })
	for _, args := range [][]string{{"d1", "d2", "i8"}, {"i8", "d2", "d1"}, {"d3", "d4", "d1"}} {
		all = append(all, nestedMeaning{"(%s in [7, %s, %s])", args, "bool", func(_ row, v []any) (any, error) { return in(v[0], int64(7), v[1], v[2]) }})
	}
	all = append(all, nestedMeaning{"(%s in [%s])", []string{"d2", "f64"}, "bool", func(_ row, v []any) (any, error) {
		if v[0] == nil || v[1] == nil {
			return nil, nil
		}
		x, _ := v[0].(dec).rat().Float64()
		return x == v[1].(float64), nil
	}})
	return append(all,
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
