package expr_test

import (
	"math/big"
	"strings"

	"github.com/levada-data/levada/pkg/expr"
)

// The oracle for structs, lists and maps: expressions over the nested columns, with
// plain operands to be drawn.

// element is list[i], as documented.
func element(list any, i int64) any {
	l, ok := list.([]any)
	if i < 0 {
		i += int64(len(l))
	}
	if !ok || i < 0 || i >= int64(len(l)) {
		return nil
	}
	return l[i]
}

func get(v any, name string) any {
	if r, ok := v.(row); ok {
		return r[name]
	}
	return nil
}

// read is what a value is where it is read.
func read(v any) (any, error) {
	if bad, ok := v.(badInput); ok {
		return nil, bad.err
	}
	return v, nil
}

// quantified is exists and all: p for the elements from the left, until one decides.
func quantified(list any, exists bool, p func(e any) (any, error)) (any, error) {
	l, ok := list.([]any)
	if !ok {
		return nil, nil
	}
	unknown := false
	for _, e := range l {
		v, err := p(e)
		if err != nil {
			return nil, err
		}
		if v == exists {
			return exists, nil
		}
		unknown = unknown || v == nil
	}
	if unknown {
		return nil, nil
	}
	return !exists, nil
}

// nestedMeaning is an expression over nested columns; eval gets the row, and the values of
// the operands, which may be null. An operand is of a kind, or a column that cannot fail.
type nestedMeaning struct {
	form   string
	args   []string
	result string
	eval   func(r row, v []any) (any, error)
}

func nestedMeanings() []nestedMeaning {
	i, s := "int", "string"
	sizeOf := func(v any) (any, error) {
		switch v := v.(type) {
		case []any:
			return int64(len(v)), nil
		case map[string]any:
			return nil, nil // keys may be there twice: see entries
		}
		return nil, nil
	}
	less := func(a, b any) any {
		if a == nil || b == nil {
			return nil
		}
		return holds("<", a, b)
	}
	return []nestedMeaning{
		{"st.n", nil, i, func(r row, _ []any) (any, error) { return get(r["st"], "n"), nil }},
		{`st["name"]`, nil, s, func(r row, _ []any) (any, error) { return get(r["st"], "name"), nil }},
		{"st.far", nil, "timestamp", func(r row, _ []any) (any, error) { return read(get(r["st"], "far")) }},
		{"st.list[%s]", []string{i}, "double", func(r row, v []any) (any, error) {
			if v[0] == nil {
				return nil, nil
			}
			return element(get(r["st"], "list"), v[0].(int64)), nil
		}},
		{"xs[%s]", []string{i}, i, func(r row, v []any) (any, error) {
			if v[0] == nil {
				return nil, nil
			}
			return element(r["xs"], v[0].(int64)), nil
		}},
		{"ss[1]", nil, s, func(r row, _ []any) (any, error) { return element(r["ss"], 1), nil }},
		{"pair[-1]", nil, "double", func(r row, _ []any) (any, error) { return element(r["pair"], -1), nil }},
		{"items[0].far", nil, "timestamp", func(r row, _ []any) (any, error) { return read(get(element(r["items"], 0), "far")) }},
		{"items[-1].list[0]", nil, "double", func(r row, _ []any) (any, error) { return element(get(element(r["items"], -1), "list"), 0), nil }},
		{"m[%s]", []string{s}, i, func(r row, v []any) (any, error) {
			key, ok := v[0].(string)
			if m, there := r["m"].(map[string]any); ok && there {
				return m[key], nil
			}
			return nil, nil
		}},
		{"size(xs)", nil, i, func(r row, _ []any) (any, error) { return sizeOf(r["xs"]) }},
		{"size(pair)", nil, i, func(r row, _ []any) (any, error) { return sizeOf(r["pair"]) }},
		{"size(items[1].list)", nil, i, func(r row, _ []any) (any, error) { return sizeOf(get(element(r["items"], 1), "list")) }},
		{"isNull(st)", nil, "bool", func(r row, _ []any) (any, error) { return r["st"] == nil, nil }},
		{"isNull(st.list)", nil, "bool", func(r row, _ []any) (any, error) { return get(r["st"], "list") == nil, nil }},
		{"isNull(m)", nil, "bool", func(r row, _ []any) (any, error) { return r["m"] == nil, nil }},
		{"(%s in xs)", []string{"i64"}, "bool", func(r row, v []any) (any, error) {
			return quantified(r["xs"], true, func(e any) (any, error) {
				if e == nil || v[0] == nil {
					return nil, nil
				}
				return e == v[0], nil
			})
		}},
		{"(%s in st.list)", []string{"f64"}, "bool", func(r row, v []any) (any, error) {
			return quantified(get(r["st"], "list"), true, func(e any) (any, error) {
				if e == nil || v[0] == nil {
					return nil, nil
				}
				return holds("==", e, v[0]), nil
			})
		}},
		{"(%s in m)", []string{s}, "bool", func(r row, v []any) (any, error) {
			m, there := r["m"].(map[string]any)
			switch {
			case !there:
				return nil, nil
			case v[0] == nil && len(m) > 0:
				return nil, nil
			}
			key, _ := v[0].(string)
			_, found := m[key]
			return found && v[0] != nil, nil
		}},
		{"m.all(k, size(k) < %s)", []string{"i64"}, "bool", func(r row, v []any) (any, error) {
			m, there := r["m"].(map[string]any)
			if !there {
				return nil, nil
			}
			for k := range m {
				if v[0] == nil {
					return nil, nil
				}
				if int64(len(runesOf(k))) >= v[0].(int64) {
					return false, nil
				}
			}
			return true, nil
		}},
		// Decimals that are computed meet elements too.
		{"xs.exists(x, x == %[1]s + %[1]s)", []string{"d1"}, "bool", func(r row, v []any) (any, error) {
			return quantified(r["xs"], true, func(e any) (any, error) {
				if e == nil || v[0] == nil {
					return nil, nil
				}
				twice := v[0].(dec).rat()
				return twice.Add(twice, twice).Cmp(new(big.Rat).SetInt64(e.(int64))) == 0, nil
			})
		}},
		// Computed where it is needed only.
		{"xs.exists(x, %s != 0 && x < 6 %% i64 || size(ss) > 2)", []string{"i64"}, "bool", func(r row, v []any) (any, error) {
			return quantified(r["xs"], true, func(e any) (any, error) {
				var left any
				switch {
				case v[0] == int64(0):
					left = false
				case v[0] != nil:
					left = less(e, 6%v[0].(int64))
				case e == nil:
				}
				if left == true {
					return true, nil
				}
				l, ok := r["ss"].([]any)
				if ok && len(l) > 2 {
					return true, nil
				}
				if !ok {
					return nil, nil
				}
				return left, nil
			})
		}},
		{"xs.exists(x, x < %s)", []string{"i64"}, "bool", func(r row, v []any) (any, error) {
			return quantified(r["xs"], true, func(e any) (any, error) { return less(e, v[0]), nil })
		}},
		{"all(xs, x, 6 / (x - 1) < 3.0)", nil, "bool", func(r row, _ []any) (any, error) {
			return quantified(r["xs"], false, func(e any) (any, error) {
				switch e, ok := e.(int64); {
				case !ok:
					return nil, nil
				case e-1 > e:
					return nil, expr.ErrOverflow
				case e == 1:
					return nil, expr.ErrDivideByZero
				default:
					return 6/float64(e-1) < 3, nil
				}
			})
		}},
		{"items.exists(e, e.name == %s || e.far < %s)", []string{"s", "us"}, "bool", func(r row, v []any) (any, error) {
			return quantified(r["items"], true, func(e any) (any, error) {
				var same any
				if name := get(e, "name"); name != nil && v[0] != nil {
					same = name == v[0]
				}
				if same == true {
					return true, nil
				}
				far, err := read(get(e, "far"))
				if err != nil {
					return nil, err
				}
				if before := less(far, v[1]); before == true || before == nil {
					return before, nil
				}
				return same, nil
			})
		}},
		{"items.all(e, e.list.exists(x, x > f64 || isNull(e.n)))", nil, "bool", func(r row, _ []any) (any, error) {
			return quantified(r["items"], false, func(e any) (any, error) {
				return quantified(get(e, "list"), true, func(x any) (any, error) {
					if get(e, "n") == nil {
						return true, nil
					}
					return less(r["f64"], x), nil
				})
			})
		}},
		{"split(%s, %s)[%s]", []string{s, s, i}, s, func(_ row, v []any) (any, error) {
			if v[0] == nil || v[1] == nil || v[2] == nil {
				return nil, nil
			}
			parts := []any{v[0]}
			if v[1] != "" {
				parts = nil
				for p := range strings.SplitSeq(v[0].(string), v[1].(string)) {
					parts = append(parts, p)
				}
			}
			return element(parts, v[2].(int64)), nil
		}},
		{"size(%s.split('a'))", []string{s}, i, func(_ row, v []any) (any, error) {
			if v[0] == nil {
				return nil, nil
			}
			return int64(1 + strings.Count(v[0].(string), "a")), nil
		}},
	}
}

// unasked are the expressions that do not look at their operands in some rows: errors of
// those do not count there.
var unasked = map[string]func(r row) bool{
	"(%s in m)": func(r row) bool { m, _ := r["m"].(map[string]any); return len(m) == 0 },
}

// nestedTerm draws the operands of an expression over nested columns.
func (g *generator) nestedTerm(m nestedMeaning, d int) term {
	args := make([]term, len(m.args))
	for i, kind := range m.args {
		if args[i] = column(kind); len(g.columns[kind]) > 0 { // a kind, and not a column
			args[i] = g.of(kind, d)
		}
	}
	t := lazy(m.form, func(r row) (any, error) {
		values := make([]any, len(args))
		for i, a := range args {
			v, err := a.eval(r)
			if skips := unasked[m.form]; err != nil && (skips == nil || !skips(r)) {
				return nil, err
			}
			values[i] = v
		}
		return m.eval(r, values)
	}, args...)
	t.constant, t.value = false, nil
	t.refused = false
	for _, a := range args {
		t.refused = t.refused || a.refused
	}
	return t
}
