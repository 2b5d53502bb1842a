package expr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
)

var (
	pointType = arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, arrow.Field{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String), Nullable: true})
	placeType = arrow.ListOf(pointType)
)

// What is nested as a whole comes out as it is, across chunks, from a sliced batch, and
// with nulls in the rows that fail.
func TestNestedResults(t *testing.T) {
	mem := checked(t)
	fields := []arrow.Field{
		{Name: "p", Type: pointType, Nullable: true},
		{Name: "ps", Type: placeType, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "d", Type: arrow.PrimitiveTypes.Int64},
	}
	var rows []string
	for i := range 2500 {
		rows = append(rows, fmt.Sprintf(`{"p":{"x":%d,"tags":["a","%d"]},"ps":[{"x":1,"tags":[]},{"x":%d,"tags":["t"]}],"s":"%d,b","d":%d}`, i, i, i, i, i%3),
			`{"p":null,"ps":null,"s":null,"d":0}`)
	}
	whole := jsonBatch(t, mem, "["+strings.Join(rows, ",")+"]", fields...)
	batch := whole.NewSlice(7, whole.NumRows())
	defer batch.Release()
	for src, want := range map[string]struct {
		typ  arrow.DataType
		json func(i int) string // of row i of the whole batch, if i is even
		fail func(i int) bool
	}{
		"p":                  {pointType, func(i int) string { return fmt.Sprintf(`{"tags":["a","%d"],"x":%d}`, i, i) }, nil},
		"p.tags":             {pointType.Field(1).Type, func(i int) string { return fmt.Sprintf(`["a","%d"]`, i) }, nil},
		"ps[1]":              {pointType, func(i int) string { return fmt.Sprintf(`{"tags":["t"],"x":%d}`, i) }, nil},
		"ps[-1].tags":        {pointType.Field(1).Type, func(int) string { return `["t"]` }, nil},
		`split(s, ",")`:      {arrow.ListOfNonNullable(arrow.BinaryTypes.String), func(i int) string { return fmt.Sprintf(`["%d","b"]`, i) }, nil},
		"ps[6 % d - 6].tags": {pointType.Field(1).Type, func(int) string { return "null" }, func(i int) bool { return i%3 == 0 }},
	} {
		t.Run(src, func(t *testing.T) {
			p := compile(t, src, batch.Schema())
			require.True(t, arrow.TypeEqual(want.typ, p.Type()), "%s", p.Type())
			require.True(t, p.Nullable())
			got, failed, err := p.Eval(t.Context(), mem, batch)
			require.NoError(t, err)
			defer got.Release()
			require.True(t, arrow.TypeEqual(want.typ, got.DataType()))
			require.Equal(t, int(batch.NumRows()), got.Len())
			fails := map[int]bool{}
			for _, f := range failed {
				require.Equal(t, expr.RowError{Row: f.Row, Operation: "%", Err: expr.ErrDivideByZero}, f)
				fails[f.Row] = true
			}
			for row := range got.Len() {
				i, null := (row+7)/2, (row+7)%2 == 1
				if null {
					require.True(t, got.IsNull(row))
				} else {
					require.Equal(t, want.json(i), strings.ReplaceAll(got.ValueStr(row), "(null)", "null"), "row %d", row)
				}
				require.Equal(t, want.fail != nil && (null || want.fail(i)), fails[row], "row %d", row)
			}
		})
	}
	empty := batch.NewSlice(0, 0)
	defer empty.Release()
	for _, src := range []string{"p", "ps[0]", "p.tags", "p.tags[0]", "ps.exists(x, x.x > 1)"} {
		a, failed, err := compile(t, src, batch.Schema()).Eval(t.Context(), mem, empty)
		require.NoError(t, err)
		require.Empty(t, failed)
		require.Zero(t, a.Len())
		a.Release()
	}
}

func TestAnAccessTouchesItsColumn(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "p", Type: pointType},
		{Name: "ps", Type: placeType},
		{Name: "n", Type: arrow.PrimitiveTypes.Int64},
		{Name: "m", Type: arrow.MapOf(arrow.BinaryTypes.String, pointType)},
		{Name: "a b", Type: pointType},
		{Name: "x", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	for src, columns := range map[string][]string{
		"p":                       {"p"},
		"p.x + 1":                 {"p"},
		"ps[n].tags[0]":           {"n", "ps"},
		"size(p.tags) + size(ps)": {"p", "ps"},
		`m["k"].x`:                {"m"},
		`col("a b").x`:            {"a b"},
		"ps.exists(q, q.x > n)":   {"n", "ps"},
		"ps.exists(x, x.x > 1)":   {"ps"}, // x is the element, and not the column
		`ps.all(q, q.tags.exists(t, t == p.tags[0]))`: {"p", "ps"},
		"n in [1] && !isNull(m)":                      {"m", "n"},
	} {
		require.Equal(t, columns, compile(t, src, schema).Columns(), src)
	}
}

func TestCompileSaysWhatIsWrongWithAnAccess(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "p", Type: pointType},
		{Name: "ps", Type: placeType},
		{Name: "n", Type: arrow.PrimitiveTypes.Int64},
		{Name: "s", Type: arrow.BinaryTypes.String},
		{Name: "m", Type: arrow.MapOf(arrow.BinaryTypes.String, pointType)},
		{Name: "bad", Type: arrow.MapOf(arrow.FixedWidthTypes.Boolean, pointType)},
		{Name: "views", Type: arrow.ListOf(arrow.BinaryTypes.StringView)},
	}, nil)
	for _, c := range []struct{ src, place, msg, hint string }{
		{"p.y", "1:2", `there is no field "y"`, "the fields are x, tags"},
		{"p.tag[0]", "1:2", `there is no field "tag"`, "did you mean tags?"},
		{"p + 1", "1:1", "a value of type " + pointType.String() + " cannot be used here", "take one of its fields, as in a.b"},
		{"1 + ps", "1:5", "a value of type " + placeType.String() + " cannot be used here", "take an element, as in xs[0], its size, or ask xs.exists(x, ...)"},
		{"ps.x", "1:3", "a value of type " + placeType.String() + " has no fields", "an element is written xs[0]"},
		{"m.k", "1:2", "a value of type " + schema.Field(4).Type.String() + " has no fields", `the value of a key is written m["k"]`},
		{"p.x.y", "1:4", "a value of type int64 has no fields", "a function is called with parentheses, as in email.size()"},
		{"p[n]", "1:2", "a field of a struct is named by a constant", `as in a["x"]`},
		{"p.x[0]", "1:4", "a value of type int64 has no elements", "for a part of a text, write substring(a, 0, 1)"},
		{"ps['a'].x", "1:4", "[] takes a value of kind int here, not string", ""},
		{"m[1].x", "1:3", "[] takes a value of kind string here, not int", ""},
		{"bad[true].x", "1:4", "a map with keys of type bool cannot be looked into", "keys are utf8, int64 or int32"},
		{"views[0]", "1:6", "elements of type string_view cannot be picked", "write the column without views"},
		{"size(p)", "1:1", "a struct has no size", "it takes a text, bytes, a list or a map"},
		{"s.exists(x, x == 'a')", "1:3", "exists takes a list or a map", "write exists(a, x, p)"},
		{"ps.exists(x, x.x)", "1:15", "what exists asks of an element is true or false, this is of kind int", "compare it with something"},
		{"ps.exists(x, x.x + 'a' == 1)", "1:18", "+ does not take int and string", "string(x) makes text of a number, double(x) and int(x) make a number of text"},
		{"ps.exists(x, y > 1)", "1:14", `there is no column "y"`, "the columns are p, ps, n, s, m, bad, views"},
		{"ps.exists(1, true)", "1:11", "the second operand of exists is a name for the elements", "write exists(a, x, p)"},
		{"ps.exists(true)", "1:4", "exists takes 3 operands, not 2", "write exists(a, x, p)"},
		{"p.exists(x, true)", "1:3", "elements of a value of type " + pointType.String() + " cannot be looked at one by one", "a list has elements, and a map keys"},
		{"1 in m", "1:3", "== does not take string and int", "string(x) makes text of a number, double(x) and int(x) make a number of text"},
		{"n in p.tags", "1:3", "== does not take string and int", "string(x) makes text of a number, double(x) and int(x) make a number of text"},
		{"split(s)", "1:1", "split takes 2 operands, not 1", "write split(a, separator)"},
		{"split(n, ',')[0]", "1:7", "split takes a value of kind string here, not int", ""},
	} {
		t.Run(c.src, func(t *testing.T) {
			_, err := expr.Compile(c.src, schema)
			var e *expr.Error
			require.ErrorAs(t, err, &e)
			require.Len(t, err, 1)
			require.Equal(t, []string{c.place, c.msg, c.hint}, []string{fmt.Sprintf("%d:%d", e.Line, e.Column), e.Msg, e.Hint})
		})
	}
}
