package expr_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/pkg/expr"
)

// FuzzCompile: whatever the text, Compile gives a program or an *Error with a
// place inside of the text, and a program can be evaluated.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"i64 + 1 > 2.5 && !isNull(s)", `s.lower().matches(r"^a+$") ? 1 : null`, "coalesce(f64, i64, 0.0) / 3",
		"us - timestamp('2001-01-01T00:00:00Z') > duration('1h')", "i64 in [1, 2.5, -3]", `col("unit price") % 7`,
		"substring(dict, 1, i8) + string(d32)", "'olá' == 'x' || b", "1 / 0", "((((1))))", "a.b.c[0]{x:1}", "`a b`",
		"\"\\u00e9\" + '''x\ny'''", "min(1, 2, 3, i64)", "-(-(-9223372036854775808))", "// only\n", "\xff", "a\x00b", ".i64",
		"st.list[i64] + pair[-1]", "items.exists(e, e.far < us && s in split(e.name, ','))", "m[s] % size(xs)", "d1 * d2 / d3 - decimal(i64, 20, 2)",
		"xs.all(x, xs.exists(y, y == x + i64))", "truncate(us, 'month', 'Europe/Lisbon')", "parse(s, '%Y-%j %z')", "try_decimal(s, 38, 38)", "rowNumber() + size(uuid())",
	} {
		f.Add(seed)
	}
	schema := testSchema()
	rows := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer rows.Release()
	for i := range schema.NumFields() {
		rows.Field(i).AppendNull()
		rows.Field(i).AppendEmptyValue()
	}
	batch := rows.NewRecordBatch()
	f.Cleanup(batch.Release)
	f.Fuzz(func(t *testing.T, src string) {
		p, err := expr.Compile(src, schema)
		if err != nil {
			var e *expr.Error
			if !errors.As(err, &e) {
				t.Fatalf("%T", err)
			}
			if e.Msg == "" || e.Offset < 0 || e.Offset > utf8.RuneCountInString(src) || e.Line < 1 || e.Column < 1 {
				t.Fatalf("%+v", e)
			}
			return
		}
		a, _, err := p.Eval(t.Context(), memory.DefaultAllocator, batch)
		if err != nil {
			if errors.Is(err, expr.ErrTooLarge) || errors.Is(err, expr.ErrNoRows) {
				return
			}
			t.Fatal(err)
		}
		defer a.Release()
		if a.Len() != 2 {
			t.Fatal(a.Len())
		}
		p.CanSkip(func(string) (expr.Stats, bool) { return expr.Stats{}, false })
	})
}
