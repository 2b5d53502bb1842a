package expr_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/levada-data/levada/pkg/expr"
)

// The oracle: random expressions as text, each with a naive evaluator of one
// row, written without a look at the kernels. A value is nil (null), int64,
// float64, string, bool, instant or span.

type (
	instant int64  // microseconds since 1970
	span    int64  // microseconds
	blob    string // bytes
	row     map[string]any
)

// term is an expression and what it means.
type term struct {
	src  string
	eval func(row) (any, error)
	// constant terms are folded when they are compiled; one that fails is refused then.
	constant, refused bool
	value             any
}

func literal(src string, v any) term {
	return term{src: src, value: v, constant: true, eval: func(row) (any, error) { return v, nil }}
}

// badInput is a column value that cannot be read; the oracle reads it as the error.
type badInput struct{ err error }

func column(name string) term {
	src := name
	if strings.Contains(name, " ") {
		src = fmt.Sprintf("col(%q)", name)
	}
	return term{src: src, eval: func(r row) (any, error) {
		if bad, ok := r[name].(badInput); ok {
			return nil, bad.err
		}
		return r[name], nil
	}}
}

// apply makes a strict operation: operands from left to right, the first error
// stands, a null operand gives null.
func apply(format string, op func(args []any) (any, error), args ...term) term {
	return lazy(format, func(r row) (any, error) {
		values := make([]any, len(args))
		null := false
		for i, a := range args {
			v, err := a.eval(r)
			if err != nil {
				return nil, err
			}
			values[i], null = v, null || v == nil
		}
		if null {
			return nil, nil
		}
		return op(values)
	}, args...)
}

// lazy makes an operation that evaluates its operands itself.
func lazy(format string, eval func(row) (any, error), args ...term) term {
	src := make([]any, len(args))
	t := term{eval: eval, constant: true}
	for i, a := range args {
		src[i] = a.src
		t.constant = t.constant && a.constant
		t.refused = t.refused || a.refused
	}
	t.src = fmt.Sprintf(format, src...)
	if t.constant && !t.refused {
		v, err := eval(nil)
		t.refused, t.value = err != nil, v
		t.constant = v != nil // a null is not folded
	}
	return t
}

// generator draws terms by kind.
type generator struct {
	t       *rapid.T
	table   map[string][]meaning // by kind
	nested  map[string][]nestedMeaning
	columns map[string][]string // by kind
}

func (g *generator) pick(label string, n int) int { return rapid.IntRange(0, n-1).Draw(g.t, label) }

func (g *generator) column(kind string) term {
	return column(rapid.SampledFrom(g.columns[kind]).Draw(g.t, "column"))
}

func (g *generator) leaf(kind string) term {
	if g.pick("leaf", 3) > 0 {
		return g.column(kind)
	}
	switch kind {
	case "int":
		return intLiteral(drawInt(g.t))
	case "double":
		return doubleLiteral(drawDouble(g.t))
	case "string":
		s := rapid.SampledFrom(texts).Draw(g.t, "text")
		return literal(strconv.Quote(s), s)
	case "bool":
		b := rapid.Bool().Draw(g.t, "bool")
		return literal(strconv.FormatBool(b), b)
	case "timestamp":
		at := time.UnixMicro(rapid.Int64Range(-5e16, 2e17).Draw(g.t, "at")).UTC()
		return literal(fmt.Sprintf("timestamp(%q)", at.Format(time.RFC3339Nano)), instant(at.UnixMicro()))
	case "bytes":
		s := rapid.SampledFrom(texts).Draw(g.t, "text")
		return literal("b"+strconv.Quote(s), blob(s))
	default:
		d := time.Duration(rapid.Int64Range(-1e15, 1e15).Draw(g.t, "span")) * time.Microsecond
		return literal(fmt.Sprintf("duration(%q)", d.String()), span(d.Microseconds()))
	}
}

func intLiteral(v int64) term { return literal(strconv.FormatInt(v, 10), v) }

func doubleLiteral(v float64) term {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		name := map[bool]string{true: "NaN", false: "Infinity"}[math.IsNaN(v)]
		if v < 0 {
			name = "-" + name
		}
		return literal(fmt.Sprintf("double(%q)", name), v)
	}
	s := strconv.FormatFloat(v, 'g', -1, 64)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return literal(s, v)
}

var texts = []string{
	"", "a", "abc", "ABC", "Olá", "ÉCOLE", "ß", "  x ", "12", "-7", "1.5", "1e400", "true", "t", "2001-02-03T04:05:06Z",
	"2001-02-03T04:05:06.1234567+01:00", "2001-02-03", "1h30m", "-1ms", "x\n", "a.c", "(", "[a-c]+", "日本語", "NaN",
}

func drawInt(t *rapid.T) int64 {
	return rapid.OneOf(
		rapid.Int64Range(-3, 3), rapid.Int64Range(-1000, 1000), rapid.Int64(),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1, math.MaxInt32, math.MaxInt32 + 1, math.MinInt32, 1 << 53, 1<<53 + 1}),
	).Draw(t, "int")
}

func drawDouble(t *rapid.T) float64 {
	return rapid.OneOf(
		rapid.Float64Range(-10, 10), rapid.Float64(),
		rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, 0.5, -0.5, 1.5, 2.5, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 1 << 63, -1 << 63, 1e21, 1e-7, 123456.75, 1 << 53}),
	).Draw(t, "double")
}

// any draws a term of any kind.
func (g *generator) any(depth int) (string, term) {
	kind := rapid.SampledFrom([]string{"int", "double", "string", "bool", "timestamp", "duration", "bytes"}).Draw(g.t, "kind")
	return kind, g.of(kind, depth)
}

func (g *generator) of(kind string, depth int) term {
	if depth <= 0 {
		return g.leaf(kind)
	}
	d := depth - 1
	// What every kind has.
	switch g.pick("general", 12) {
	case 0:
		return g.leaf(kind)
	case 1:
		return g.choose(kind, d)
	case 2:
		a, b := g.of(kind, d), g.of(kind, d)
		c := g.of(kind, d)
		if kind == "double" && g.pick("mixed", 3) == 0 {
			b = g.of("int", d)
		}
		if g.pick("three", 3) == 0 {
			return lazy("coalesce(%s, %s)", first(kind, a, b, c), a, lazy("%s, %s", first(kind, b, c), b, c))
		}
		return lazy("coalesce(%s, %s)", first(kind, a, b), a, b)
	case 3:
		a, b := g.of(kind, d), g.of(kind, d)
		if kind == "double" && g.pick("mixed", 3) == 0 {
			b = g.of("int", d)
		}
		return lazy("nullIf(%s, %s)", func(r row) (any, error) {
			x, err := a.eval(r)
			if err != nil {
				return nil, err
			}
			y, err := b.eval(r)
			if err != nil {
				return nil, err
			}
			if x != nil && y != nil && as(kind, x) == as(kind, y) {
				return nil, nil
			}
			return x, nil
		}, a, b)
	}
	if of := g.nested[kind]; len(of) > 0 && g.pick("nested", 6) == 0 {
		return g.nestedTerm(rapid.SampledFrom(of).Draw(g.t, "access"), d)
	}
	if of := g.table[kind]; len(of) > 0 && (kind == "bytes" || g.pick("table", 3) == 0) {
		return g.meant(rapid.SampledFrom(of).Draw(g.t, "function"), d)
	}
	switch kind {
	case "int":
		return g.int(d)
	case "double":
		return g.double(d)
	case "string":
		return g.string(d)
	case "bool":
		return g.bool(d)
	case "timestamp":
		return g.timestamp(d)
	default:
		return g.duration(d)
	}
}

// meant draws the operands of a function of the table.
func (g *generator) meant(m meaning, d int) term {
	args := make([]term, len(m.args))
	for i, kind := range m.args {
		choose := func(from []string) term {
			s := rapid.SampledFrom(from).Draw(g.t, kind)
			return literal(strconv.Quote(s), s)
		}
		switch kind {
		case "unit":
			args[i] = choose(unitNames)
		case "fixed":
			args[i] = choose(unitNames[:7])
		case "zone":
			args[i] = choose(zoneNames)
		case "layout":
			args[i] = choose(layoutList)
		case "digits":
			args[i] = intLiteral(rapid.SampledFrom([]int64{math.MinInt64, -20, -19, -18, -3, -1, 0, 2}).Draw(g.t, "digits"))
		case "few": // a number that makes no texts too long for many rows
			args[i] = apply("(%s %% 7)", func(v []any) (any, error) { return v[0].(int64) % 7, nil }, g.of("int", d))
			if g.pick("many", 8) == 0 {
				args[i] = intLiteral(rapid.SampledFrom([]int64{-1, 0, 40, math.MinInt64, math.MaxInt64, 1 << 30}).Draw(g.t, "number"))
			}
		default:
			args[i] = g.of(kind, d)
		}
	}
	return apply(m.form, m.eval, args...)
}

// as is v of the kind that it meets: an int among doubles is one.
func as(kind string, v any) any {
	if i, ok := v.(int64); ok && kind == "double" {
		return float64(i)
	}
	return v
}

// first is the meaning of coalesce.
func first(kind string, terms ...term) func(row) (any, error) {
	return func(r row) (any, error) {
		for _, t := range terms {
			v, err := t.eval(r)
			if v != nil || err != nil {
				return as(kind, v), err
			}
		}
		return nil, nil
	}
}

func (g *generator) choose(kind string, d int) term {
	c := g.of("bool", d)
	pick := func(yes, no func(row) (any, error)) func(row) (any, error) {
		return func(r row) (any, error) {
			v, err := c.eval(r)
			switch {
			case err != nil || v == nil:
				return nil, err
			case v.(bool):
				return yes(r)
			}
			return no(r)
		}
	}
	null := func(row) (any, error) { return nil, nil }
	a, b := g.of(kind, d), g.of(kind, d)
	switch g.pick("branch", 4) {
	case 0:
		return lazy("(%s ? %s : null)", pick(a.eval, null), c, a)
	case 1:
		return lazy("(%s ? null : %s)", pick(null, b.eval), c, b)
	case 2:
		if kind == "double" {
			i := g.of("int", d)
			return lazy("(%s ? %s : %s)", pick(a.eval, func(r row) (any, error) {
				v, err := i.eval(r)
				return as(kind, v), err
			}), c, a, i)
		}
	}
	return lazy("(%s ? %s : %s)", pick(a.eval, b.eval), c, a, b)
}

// fits makes an int64 of an exact result.
func fits(x *big.Int) (int64, error) {
	if !x.IsInt64() {
		return 0, expr.ErrOverflow
	}
	return x.Int64(), nil
}

func exact(op func(z, x, y *big.Int) *big.Int, x, y int64) (int64, error) {
	return fits(op(new(big.Int), big.NewInt(x), big.NewInt(y)))
}

func bigOp(sign string) func(z, x, y *big.Int) *big.Int {
	return map[string]func(z, x, y *big.Int) *big.Int{
		"+": (*big.Int).Add, "-": (*big.Int).Sub, "*": (*big.Int).Mul,
	}[sign]
}

func (g *generator) int(d int) term {
	one := func(format, of string, op func(v any) (any, error)) term {
		return apply(format, func(v []any) (any, error) { return op(v[0]) }, g.of(of, d))
	}
	part := func(name string, of func(time.Time) int) term {
		return one(name+"(%s)", "timestamp", func(v any) (any, error) {
			return int64(of(time.UnixMicro(int64(v.(instant))).UTC())), nil
		})
	}
	switch g.pick("int op", 16) {
	case 0, 1, 2, 3:
		sign := rapid.SampledFrom([]string{"+", "-", "*"}).Draw(g.t, "sign")
		return apply("(%s "+sign+" %s)", func(v []any) (any, error) {
			return exact(bigOp(sign), v[0].(int64), v[1].(int64))
		}, g.of("int", d), g.of("int", d))
	case 4, 5:
		return apply("(%s %% %s)", func(v []any) (any, error) {
			if v[1].(int64) == 0 {
				return nil, expr.ErrDivideByZero
			}
			return exact((*big.Int).Rem, v[0].(int64), v[1].(int64))
		}, g.of("int", d), g.of("int", d))
	case 6:
		return one("-(%s)", "int", func(v any) (any, error) { return exact((*big.Int).Sub, 0, v.(int64)) })
	case 7:
		return one("abs(%s)", "int", func(v any) (any, error) { return fits(new(big.Int).Abs(big.NewInt(v.(int64)))) })
	case 8:
		return apply("min(%s, %s)", func(v []any) (any, error) { return min(v[0].(int64), v[1].(int64)), nil }, g.of("int", d), g.of("int", d))
	case 9:
		return apply("max(%s, %s)", func(v []any) (any, error) { return max(v[0].(int64), v[1].(int64)), nil }, g.of("int", d), g.of("int", d))
	case 10:
		return one("size(%s)", "string", func(v any) (any, error) { return int64(len([]rune(v.(string)))), nil })
	case 11:
		return one("int(%s)", "double", func(v any) (any, error) {
			f := v.(float64)
			if math.IsNaN(f) || math.IsInf(f, 0) {
				return nil, expr.ErrCast
			}
			i, _ := big.NewFloat(f).Int(nil)
			if !i.IsInt64() {
				return nil, expr.ErrCast
			}
			return i.Int64(), nil
		})
	case 12:
		return one("int(%s)", "string", func(v any) (any, error) {
			if !regexp.MustCompile(`^[+-]?[0-9]+$`).MatchString(v.(string)) {
				return nil, expr.ErrCast
			}
			i, ok := new(big.Int).SetString(v.(string), 10)
			if !ok || !i.IsInt64() {
				return nil, expr.ErrCast
			}
			return i.Int64(), nil
		})
	case 13:
		return one("int(%s)", "bool", func(v any) (any, error) { return map[bool]int64{true: 1}[v.(bool)], nil })
	case 14:
		return one("int(%s)", "timestamp", func(v any) (any, error) { return time.UnixMicro(int64(v.(instant))).Unix(), nil })
	default:
		switch g.pick("part", 7) {
		case 0:
			return part("year", time.Time.Year)
		case 1:
			return part("month", func(t time.Time) int { return int(t.Month()) })
		case 2:
			return part("day", time.Time.Day)
		case 3:
			return part("hour", time.Time.Hour)
		case 4:
			return part("minute", time.Time.Minute)
		case 5:
			return part("second", time.Time.Second)
		}
		return one("round(%s)", "int", func(v any) (any, error) { return v, nil })
	}
}

func (g *generator) double(d int) term {
	one := func(name string, op func(float64) float64) term {
		return apply(name+"(%s)", func(v []any) (any, error) { return op(v[0].(float64)), nil }, g.of("double", d))
	}
	two := func(format string, op func(a, b float64) (any, error)) term {
		left, right := "double", "double"
		switch g.pick("mixed", 4) {
		case 0:
			left = "int"
		case 1:
			right = "int"
		}
		return apply(format, func(v []any) (any, error) {
			return op(as("double", v[0]).(float64), as("double", v[1]).(float64))
		}, g.of(left, d), g.of(right, d))
	}
	switch g.pick("double op", 13) {
	case 0, 1:
		return two("(%s + %s)", func(a, b float64) (any, error) { return a + b, nil })
	case 2:
		return two("(%s - %s)", func(a, b float64) (any, error) { return a - b, nil })
	case 3:
		return two("(%s * %s)", func(a, b float64) (any, error) { return a * b, nil })
	case 4:
		divide := func(a, b float64) (any, error) {
			if b == 0 {
				return nil, expr.ErrDivideByZero
			}
			return a / b, nil
		}
		if g.pick("ints", 3) == 0 {
			return apply("(%s / %s)", func(v []any) (any, error) {
				return divide(float64(v[0].(int64)), float64(v[1].(int64)))
			}, g.of("int", d), g.of("int", d))
		}
		return two("(%s / %s)", divide)
	case 5:
		return two("(%s %% %s)", func(a, b float64) (any, error) {
			if b == 0 {
				return nil, expr.ErrDivideByZero
			}
			return math.Mod(a, b), nil
		})
	case 6:
		return one("-", func(a float64) float64 { return -a })
	case 7:
		return one("abs", math.Abs)
	case 8:
		return one("floor", math.Floor)
	case 9:
		if g.pick("rounding", 2) == 0 {
			return one("ceil", math.Ceil)
		}
		return one("round", math.Round)
	case 10:
		return apply("double(%s)", func(v []any) (any, error) { return float64(v[0].(int64)), nil }, g.of("int", d))
	case 11:
		return apply("double(%s)", func(v []any) (any, error) {
			s := v[0].(string)
			if s == "NaN" {
				return math.NaN(), nil
			}
			if !regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`).MatchString(s) {
				if s == "Infinity" || s == "-Infinity" {
					return math.Inf(map[bool]int{true: 1, false: -1}[s == "Infinity"]), nil
				}
				return nil, expr.ErrCast
			}
			x, err := strconv.ParseFloat(s, 64)
			if err != nil {
				return nil, expr.ErrCast
			}
			return x, nil
		}, g.of("string", d))
	default:
		extreme := func(of func(a, b float64) float64) func(a, b float64) (any, error) {
			return func(a, b float64) (any, error) {
				if math.IsNaN(a) || math.IsNaN(b) { // math.Min knows exceptions
					return math.NaN(), nil
				}
				return of(a, b), nil
			}
		}
		if g.pick("extreme", 2) == 0 {
			return two("min(%s, %s)", extreme(math.Min))
		}
		return two("max(%s, %s)", extreme(math.Max))
	}
}

func (g *generator) string(d int) term {
	one := func(format, of string, op func(any) (any, error)) term {
		return apply(format, func(v []any) (any, error) { return op(v[0]) }, g.of(of, d))
	}
	switch g.pick("string op", 10) {
	case 0, 1:
		return apply("(%s + %s)", func(v []any) (any, error) { return v[0].(string) + v[1].(string), nil }, g.of("string", d), g.of("string", d))
	case 2:
		return one("lower(%s)", "string", func(v any) (any, error) { return strings.ToLower(v.(string)), nil })
	case 3:
		return one("%s.upper()", "string", func(v any) (any, error) { return strings.ToUpper(v.(string)), nil })
	case 4:
		return one("trim(%s)", "string", func(v any) (any, error) { return strings.TrimSpace(v.(string)), nil })
	case 5:
		return apply("substring(%s, %s)", func(v []any) (any, error) {
			return substring(v[0].(string), v[1].(int64), math.MaxInt64), nil
		}, g.of("string", d), g.of("int", d))
	case 6:
		return apply("substring(%s, %s, %s)", func(v []any) (any, error) {
			return substring(v[0].(string), v[1].(int64), v[2].(int64)), nil
		}, g.of("string", d), g.of("int", d), g.of("int", d))
	case 7:
		return apply("min(%s, %s)", func(v []any) (any, error) { return min(v[0].(string), v[1].(string)), nil }, g.of("string", d), g.of("string", d))
	default:
		kind, t := g.any(d)
		return apply("string(%s)", func(v []any) (any, error) {
			if kind == "double" {
				v[0] = as(kind, v[0])
			}
			return asText(v[0])
		}, t)
	}
}

func substring(s string, from, to int64) string {
	runes := runesOf(s)
	n := int64(len(runes))
	from, to = min(max(from, 0), n), min(max(to, 0), n)
	if from >= to {
		return ""
	}
	return strings.Join(runes[from:to], "")
}

// runesOf splits a text in characters, keeping bytes that are none as they are.
func runesOf(s string) (all []string) {
	for s != "" {
		_, n := utf8.DecodeRuneInString(s)
		all, s = append(all, s[:n]), s[n:]
	}
	return all
}

func asText(v any) (any, error) {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v).String(), nil
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN", nil
		case math.IsInf(v, 1):
			return "Infinity", nil
		case math.IsInf(v, -1):
			return "-Infinity", nil
		}
		b, err := json.Marshal(v)
		return string(b), err
	case bool:
		return strconv.FormatBool(v), nil
	case instant:
		t := time.UnixMicro(int64(v)).UTC()
		if t.Year() < 0 || t.Year() > 9999 {
			return nil, expr.ErrCast
		}
		return t.Format("2006-01-02T15:04:05.999999Z"), nil
	case span:
		s := new(big.Rat).SetFrac64(int64(v), 1_000_000).FloatString(6)
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".") + "s", nil
	}
	if b, ok := v.(blob); ok {
		if !utf8.ValidString(string(b)) {
			return nil, expr.ErrCast
		}
		return string(b), nil
	}
	return v, nil
}

func (g *generator) bool(d int) term {
	test := func(name string, op func(a, b string) bool) term {
		format := name + "(%s, %s)"
		if g.pick("method", 2) == 0 {
			format = "%s." + name + "(%s)"
		}
		return apply(format, func(v []any) (any, error) { return op(v[0].(string), v[1].(string)), nil }, g.of("string", d), g.of("string", d))
	}
	switch g.pick("bool op", 16) {
	case 0, 1, 2, 3, 4:
		return g.comparison(d)
	case 5, 6:
		return logic("(%s && %s)", false, g.of("bool", d), g.of("bool", d))
	case 7, 8:
		return logic("(%s || %s)", true, g.of("bool", d), g.of("bool", d))
	case 9:
		return apply("!(%s)", func(v []any) (any, error) { return !v[0].(bool), nil }, g.of("bool", d))
	case 10:
		_, t := g.any(d)
		return lazy("isNull(%s)", func(r row) (any, error) {
			v, err := t.eval(r)
			if err != nil {
				return nil, err
			}
			return v == nil, nil
		}, t)
	case 11:
		return g.member(d)
	case 12:
		return test("contains", strings.Contains)
	case 13:
		if g.pick("end", 2) == 0 {
			return test("endsWith", strings.HasSuffix)
		}
		return test("startsWith", strings.HasPrefix)
	case 14:
		return g.matches(d)
	default:
		return apply("bool(%s)", func(v []any) (any, error) {
			b, err := strconv.ParseBool(v[0].(string))
			if err != nil {
				return nil, expr.ErrCast
			}
			return b, nil
		}, g.of("string", d))
	}
}

func (g *generator) matches(d int) term {
	pattern := g.of("string", d)
	t := apply("matches(%s, %s)", func(v []any) (any, error) {
		p := v[1].(string)
		re, err := regexp.Compile(p)
		if err != nil || len(p) > 1000 {
			return nil, expr.ErrPattern
		}
		return re.MatchString(v[0].(string)), nil
	}, g.of("string", d), pattern)
	if pattern.constant && !pattern.refused {
		_, err := regexp.Compile(pattern.value.(string))
		t.refused = t.refused || err != nil
	}
	return t
}

// logic is the truth table of SQL, with errors of what is not needed left out.
func logic(format string, decisive bool, a, b term) term {
	return lazy(format, func(r row) (any, error) {
		x, err := a.eval(r)
		if err != nil || x == decisive {
			return x, err
		}
		y, err := b.eval(r)
		if err != nil || y == decisive {
			return y, err
		}
		if x == nil || y == nil {
			return nil, nil
		}
		return !decisive, nil
	}, a, b)
}

func (g *generator) comparison(d int) term {
	signs := []string{"==", "!=", "<", "<=", ">", ">="}
	kind := rapid.SampledFrom([]string{"int", "double", "string", "bool", "timestamp", "duration", "bytes"}).Draw(g.t, "compared")
	if kind == "bool" {
		signs = signs[:2]
	}
	sign := rapid.SampledFrom(signs).Draw(g.t, "sign")
	left, right := kind, kind
	if kind == "double" {
		switch g.pick("mixed", 4) {
		case 0:
			left = "int"
		case 1:
			right = "int"
		}
	}
	return apply("(%s "+sign+" %s)", func(v []any) (any, error) {
		return holds(sign, as(kind, v[0]), as(kind, v[1])), nil
	}, g.of(left, d), g.of(right, d))
}

// holds compares two values of one kind.
func holds(sign string, a, b any) bool {
	var less, equal bool
	switch a := a.(type) {
	case int64:
		less, equal = a < b.(int64), a == b.(int64)
	case float64:
		if math.IsNaN(a) || math.IsNaN(b.(float64)) {
			return sign == "!="
		}
		less, equal = a < b.(float64), a == b.(float64)
	case blob:
		less, equal = a < b.(blob), a == b.(blob)
	case string:
		less, equal = a < b.(string), a == b.(string)
	case bool:
		equal = a == b.(bool)
	case instant:
		less, equal = a < b.(instant), a == b.(instant)
	case span:
		less, equal = a < b.(span), a == b.(span)
	}
	switch sign {
	case "==":
		return equal
	case "!=":
		return !equal
	case "<":
		return less
	case "<=":
		return less || equal
	case ">":
		return !less && !equal
	}
	return !less
}

func (g *generator) member(d int) term {
	kind := rapid.SampledFrom([]string{"int", "double", "string", "bool", "timestamp", "duration"}).Draw(g.t, "of")
	n := rapid.SampledFrom([]int{0, 1, 2, 3, 9, 12}).Draw(g.t, "members")
	var members []term
	var src []string
	for range n {
		k := kind
		if (kind == "int" || kind == "double") && g.pick("mixed", 4) == 0 {
			k = map[string]string{"int": "double", "double": "int"}[kind]
		}
		var m term
		switch k { // literals only
		case "int":
			m = intLiteral(drawInt(g.t))
		case "double":
			m = doubleLiteral(drawDouble(g.t))
		default:
			for m.src == "" || !m.constant {
				m = g.leaf(k)
			}
		}
		if g.pick("computed", 4) == 0 {
			m = g.of(k, min(d, 1))
		}
		members, src = append(members, m), append(src, "%s")
	}
	x := g.of(kind, d)
	return lazy("(%s in ["+strings.Join(src, ", ")+"])", func(r row) (any, error) {
		v, err := x.eval(r)
		if v == nil || err != nil {
			return nil, err
		}
		unknown := false
		for _, constant := range []bool{true, false} {
			for _, m := range members {
				if m.constant != constant {
					continue
				}
				a := v
				b, err := m.eval(r)
				if err != nil {
					return nil, err
				}
				if b == nil {
					unknown = true
					continue
				}
				if _, isInt := a.(int64); !isInt {
					b = as(kind, b)
				} else if _, isDouble := b.(float64); isDouble {
					a = as("double", a)
				}
				if holds("==", a, b) {
					return true, nil
				}
			}
		}
		if unknown {
			return nil, nil
		}
		return false, nil
	}, append([]term{x}, members...)...)
}

func (g *generator) timestamp(d int) term {
	switch g.pick("timestamp op", 6) {
	case 0:
		return apply("(%s + %s)", func(v []any) (any, error) {
			x, err := exact((*big.Int).Add, int64(v[0].(instant)), int64(v[1].(span)))
			return instant(x), err
		}, g.of("timestamp", d), g.of("duration", d))
	case 1:
		return apply("(%s + %s)", func(v []any) (any, error) {
			x, err := exact((*big.Int).Add, int64(v[0].(span)), int64(v[1].(instant)))
			return instant(x), err
		}, g.of("duration", d), g.of("timestamp", d))
	case 2:
		return apply("(%s - %s)", func(v []any) (any, error) {
			x, err := exact((*big.Int).Sub, int64(v[0].(instant)), int64(v[1].(span)))
			return instant(x), err
		}, g.of("timestamp", d), g.of("duration", d))
	case 3:
		return apply("timestamp(%s)", func(v []any) (any, error) {
			x, err := exact((*big.Int).Mul, v[0].(int64), 1_000_000)
			return instant(x), err
		}, g.of("int", d))
	case 4:
		return apply("timestamp(%s)", func(v []any) (any, error) {
			s := v[0].(string)
			t, err := time.Parse(time.RFC3339Nano, s)
			if err != nil || !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$`).MatchString(s) {
				return nil, expr.ErrCast
			}
			return instant(t.UnixMicro()), nil
		}, g.of("string", d))
	default:
		return apply("max(%s, %s)", func(v []any) (any, error) { return max(v[0].(instant), v[1].(instant)), nil }, g.of("timestamp", d), g.of("timestamp", d))
	}
}

func (g *generator) duration(d int) term {
	switch g.pick("duration op", 4) {
	case 0:
		return apply("(%s - %s)", func(v []any) (any, error) {
			x, err := exact((*big.Int).Sub, int64(v[0].(instant)), int64(v[1].(instant)))
			return span(x), err
		}, g.of("timestamp", d), g.of("timestamp", d))
	case 1:
		sign := rapid.SampledFrom([]string{"+", "-"}).Draw(g.t, "sign")
		return apply("(%s "+sign+" %s)", func(v []any) (any, error) {
			x, err := exact(bigOp(sign), int64(v[0].(span)), int64(v[1].(span)))
			return span(x), err
		}, g.of("duration", d), g.of("duration", d))
	case 2:
		return apply("-(%s)", func(v []any) (any, error) {
			x, err := exact((*big.Int).Sub, 0, int64(v[0].(span)))
			return span(x), err
		}, g.of("duration", d))
	default:
		return apply("duration(%s)", func(v []any) (any, error) {
			d, err := time.ParseDuration(v[0].(string))
			if err != nil {
				return nil, expr.ErrCast
			}
			return span(math.Floor(float64(d.Nanoseconds()) / 1000)), nil
		}, g.of("string", d))
	}
}
