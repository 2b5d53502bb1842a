package expr_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
)

// customers is a schema with every sort of name and a few types that expressions cannot use.
func customers() *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
		{Name: "email", Type: arrow.BinaryTypes.String},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "active", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_ns},
		{Name: "took", Type: arrow.FixedWidthTypes.Duration_ms},
		{Name: "timestamp", Type: arrow.FixedWidthTypes.Timestamp_us},
		{Name: "package", Type: arrow.PrimitiveTypes.Int8},
		{Name: "unit price", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
		{Name: "a.b", Type: arrow.PrimitiveTypes.Int64},
		{Name: "2nd", Type: arrow.PrimitiveTypes.Int64},
		{Name: "", Type: arrow.PrimitiveTypes.Int64},
		{Name: "preço", Type: arrow.PrimitiveTypes.Float64},
		{Name: "total", Type: &arrow.Decimal256Type{Precision: 50, Scale: 2}},
		{Name: "tags", Type: arrow.ListOf(arrow.BinaryTypes.String)},
		{Name: "view", Type: arrow.BinaryTypes.StringView},
		{Name: "twice", Type: arrow.PrimitiveTypes.Int8},
		{Name: "twice", Type: arrow.PrimitiveTypes.Int8},
	}, nil)
}

func TestCompileInfersTypeNullabilityAndColumns(t *testing.T) {
	for _, c := range []struct {
		src      string
		typ      arrow.DataType
		nullable bool
		columns  []string
	}{
		{"id + 1", arrow.PrimitiveTypes.Int64, false, []string{"id"}},
		{"id * 2.5", arrow.PrimitiveTypes.Float64, false, []string{"id"}},
		{"id / id", arrow.PrimitiveTypes.Float64, false, []string{"id"}},
		{"amount > 1 && id == 2 || id in [1]", arrow.FixedWidthTypes.Boolean, false, []string{"amount", "id"}},
		{"id in [1, amount, id + 1]", arrow.FixedWidthTypes.Boolean, false, []string{"amount", "id"}},
		{"email in ['x', note]", arrow.FixedWidthTypes.Boolean, true, []string{"email", "note"}},
		{"note + email", arrow.BinaryTypes.String, true, []string{"email", "note"}},
		{"isNull(note)", arrow.FixedWidthTypes.Boolean, false, []string{"note"}},
		{"coalesce(note, email)", arrow.BinaryTypes.String, false, []string{"email", "note"}},
		{"coalesce(note, note)", arrow.BinaryTypes.String, true, []string{"note"}},
		{"nullIf(id, 0)", arrow.PrimitiveTypes.Int64, true, []string{"id"}},
		{"active ? id : null", arrow.PrimitiveTypes.Int64, true, []string{"active", "id"}},
		{"active ? id : 0.5", arrow.PrimitiveTypes.Float64, false, []string{"active", "id"}},
		{"note == 'x' ? 1 : 2", arrow.PrimitiveTypes.Int64, true, []string{"note"}},
		{"at", arrow.FixedWidthTypes.Timestamp_us, false, []string{"at"}},
		{"at - timestamp", arrow.FixedWidthTypes.Duration_us, false, []string{"at", "timestamp"}},
		{"timestamp + took", arrow.FixedWidthTypes.Timestamp_us, false, []string{"timestamp", "took"}},
		{`col("unit price") * col("package")`, arrow.PrimitiveTypes.Float64, true, []string{"package", "unit price"}},
		{`col("a.b") + col("2nd") + col("") + col("id")`, arrow.PrimitiveTypes.Int64, false, []string{"", "2nd", "a.b", "id"}},
		{`col("preço")`, arrow.PrimitiveTypes.Float64, false, []string{"preço"}},
		{"1 + 1", arrow.PrimitiveTypes.Int64, false, nil},
		{"email.trim().lower().endsWith('.org') // a comment", arrow.FixedWidthTypes.Boolean, false, []string{"email"}},
		{"-9223372036854775808", arrow.PrimitiveTypes.Int64, false, nil},
	} {
		t.Run(c.src, func(t *testing.T) {
			p, err := expr.Compile(c.src, customers())
			require.NoError(t, err)
			require.True(t, arrow.TypeEqual(c.typ, p.Type()), "%s", p.Type())
			require.Equal(t, c.nullable, p.Nullable())
			require.Equal(t, c.columns, p.Columns())
			require.Equal(t, c.src, p.String())
		})
	}
}

func TestCompileSaysWhatIsWrongAndWhere(t *testing.T) {
	for _, c := range []struct{ src, place, msg, hint string }{
		// names
		{"amuont > 2", "1:1", `there is no column "amuont"`, "did you mean amount?"},
		{"id > 0 &&\n  emial == 'x'", "2:3", `there is no column "emial"`, "did you mean email?"},
		{"UnitPrice", "1:1", `there is no column "UnitPrice"`, `did you mean col("unit price")?`},
		{"zzz", "1:1", `there is no column "zzz"`, "the columns are id, amount, email, note, active, at, took, timestamp, package, unit price, a.b, 2nd and 7 more"},
		{"lower", "1:1", `there is no column "lower"`, "write a text in quotes, and a call with its operands: lower(a)"},
		{"a.b + 1", "1:2", "values have no fields", `for the column, write col("a.b")`},
		{"email.size", "1:6", "values have no fields", "a function is called with parentheses, as in email.size()"},
		{"package", "1:1", `"package" is a reserved word`, `if it is a column, write col("package")`},
		{"дом > 1", "1:1", `"дом" has letters that a bare name cannot have`, `for the column, write col("дом"); a text stands in quotes`},
		{"id > 0 && straße == 'x'", "1:11", `"straße" has letters that a bare name cannot have`, `for the column, write col("straße"); a text stands in quotes`},
		{"`unit price`", "1:1", "names are not quoted with backquotes", `write col("a b")`},
		{"col(email)", "1:1", "col takes the name of a column in quotes", `as in col("unit price")`},
		{"col('emial')", "1:1", `there is no column "emial"`, "did you mean email?"},
		{"twice", "1:1", `2 columns are called "twice"`, "rename them where the data is written"},
		{"'1' + 'olá' + lowr(email)", "1:15", `there is no function "lowr"`, "did you mean lower?"},
		{"email . uper()", "1:9", `there is no function "uper"`, "did you mean upper?"},
		// columns of other types, and only if they are used
		{"total > 1", "1:1", `column "total" is of type decimal256(50, 2), which expressions cannot use`, "write the column with at most 38 digits, and a scale from 0 to their number"},
		{"size(total)", "1:6", `column "total" is of type decimal256(50, 2), which expressions cannot use`, "write the column with at most 38 digits, and a scale from 0 to their number"},
		// null
		{"note == null", "1:6", "a comparison with null is null in every row", "write isNull(note)"},
		{"null != note + 'x'", "1:6", "a comparison with null is null in every row", "write !isNull(x)"},
		{"null", "1:1", "null can only stand in a branch of ?:", "to ask for null, write isNull(x)"},
		{"coalesce(note, null)", "1:16", "null can only stand in a branch of ?:", "to ask for null, write isNull(x)"},
		{"active ? null : null", "1:8", "both branches of ?: are null", "one of them must have a value"},
		{"note in ['a', null]", "1:15", "a list cannot hold null", "write isNull(x) || x in [...]"},
		// kinds
		{"id +\n'x'", "1:4", "+ does not take int and string", "string(x) makes text of a number, double(x) and int(x) make a number of text"},
		{"amount > '20'", "1:8", "> does not take double and string", "string(x) makes text of a number, double(x) and int(x) make a number of text"},
		{"at > '2001-01-01'", "1:4", "> does not take timestamp and string", `a timestamp is written timestamp("2001-01-31T00:00:00Z")`},
		{"at + 3600", "1:4", "+ does not take timestamp and int", `a time span is written duration("1h30m")`},
		{"took == '1h'", "1:6", "== does not take duration and string", `a duration is written duration("1h30m")`},
		{"active < true", "1:8", "< does not take bool and bool", "it takes T < T -> bool    T: int, double, string, bytes, timestamp, duration; decimal < decimal -> bool; decimal < int -> bool; int < decimal -> bool"},
		{"id && active", "1:4", "&& does not take int and bool", "it takes bool && bool -> bool"},
		{"!id", "1:1", "! does not take int", "it takes !bool -> bool"},
		{"id ? 1 : 2", "1:4", "the condition of ?: is a bool, not a value of kind int", ""},
		{"active ? 1 : 'x'", "1:8", "the branches of ?: are of the kinds int and string", "they must be of one kind"},
		{"id in id", "1:4", "on the right of in stands a list or a map", `as in country in ["PT", "ES"]`},
		{"id in [email]", "1:8", "a value of kind string in a list to find a value of kind int in", ""},
		{"id in [1, 'x']", "1:11", "a value of kind string in a list to find a value of kind int in", ""},
		{"id + [1]", "1:6", "a list can only stand on the right of in", `as in country in ["PT", "ES"]`},
		{"size(id)", "1:1", "size does not take int", "it takes size(string) -> int; size(bytes) -> int; size(list(T)) -> int; size(map(K, V)) -> int"},
		{"substring(email)", "1:1", "substring takes 2 or 3 operands, not 1", "write substring(a, start, end)"},
		{"min(1)", "1:1", "min takes 2 or more operands, not 1", "write min(a, b, ...)"},
		{"id.abs()", "1:4", "abs is not called on a value", "write abs(a)"},
		{"round(decimal(id, 20, 2), id)", "1:27", "how many digits a decimal is rounded to is a constant", "as in round(price, 2); double(price) can be rounded to any"},
		// constants
		{"id + 1 / 0", "1:8", "/ fails in every row: division by zero", ""},
		{"at > timestamp('2001-01-01')", "1:6", "timestamp fails in every row: value cannot be cast", `it is written timestamp("2001-01-31T13:45:00Z")`},
		{"9223372036854775807 + 1 > id", "1:21", "+ fails in every row: integer overflow", ""},
		{"99999999999999999999", "1:1", "the number does not fit an int", "write it with a decimal point for a double"},
		{"email.matches('(')", "1:15", "malformed regular expression: missing closing ): (", `the syntax is RE2's; a raw string, r"\d+", keeps backslashes as they are`},
		// what CEL has and we have not
		{"1u + id", "1:1", "unsigned numbers are not supported", "write 1"},
		{"email[0]", "1:6", "values have no elements", "for a part of a text, write substring(a, 0, 1)"},
		{"{'a': 1}", "1:1", "maps and messages are not supported", ""},
		{"Foo{a: 1}", "1:4", "maps and messages are not supported", ""},
		{"[1, 2].exists(x, x > 1)", "1:8", "exists takes a list or a map", "write exists(a, x, p)"},
		{"zzz(1)", "1:1", `there is no function "zzz"`, "docs/expressions.md lists the functions"},
		{"at.getFullYear()", "1:4", `there is no function "getFullYear"`, "write year(a)"},
		{"has(note)", "1:1", `there is no function "has"`, "write !isNull(a)"},
		{"len(email)", "1:1", `there is no function "len"`, "write size(a)"},
		{"ifnull(note, 'x')", "1:1", `there is no function "ifnull"`, "write coalesce(a, b)"},
		// other languages
		{"id = 1", "1:4", `unexpected "="`, "write == to compare"},
		{"active and active", "1:8", `unexpected "and"`, "write && for and"},
		{"active OR active", "1:8", `unexpected "OR"`, "write || for or"},
		{"active & active", "1:8", `unexpected "&"`, "write && for and"},
		{"id <> 1", "1:5", `unexpected ">"`, "write != for unequal"},
		{"note is null", "1:6", `unexpected "is"`, "write isNull(x), or ==, or !="},
		{"email like '%x'", "1:7", `unexpected "like"`, "write contains(x, y), startsWith(x, y) or matches(x, pattern)"},
		{"id between 1 and 2", "1:4", `unexpected "between"`, "write x >= a && x <= b"},
		// syntax
		{"", "1:1", "the expression is empty", ""},
		{"  // nothing", "1:13", "the expression ends too early", ""},
		{"id +", "1:5", "the expression ends too early", ""},
		{"(id", "1:4", "the expression ends too early", "a closing parenthesis is missing"},
		{"id)", "1:3", `unexpected ")"`, ""},
		{"'abc", "1:1", "the text has no closing quote", ""},
		{`"\q"`, "1:1", "the text has a backslash that escapes nothing", `write \\ for a backslash, or a raw text: r"\d"`},
		{"active ? 1", "1:11", "the expression ends too early", ""},
		{"id\xff", "1:1", "the expression is not valid UTF-8", ""},
	} {
		t.Run(c.src, func(t *testing.T) {
			_, err := expr.Compile(c.src, customers())
			var e *expr.Error
			require.ErrorAs(t, err, &e)
			require.Len(t, err, 1, "one mistake is one error")
			require.Equal(t, c.place, fmt.Sprintf("%d:%d", e.Line, e.Column), e)
			require.Equal(t, c.msg, e.Msg)
			require.Equal(t, c.hint, e.Hint)
			require.Equal(t, c.src, e.Src)
			before := []rune(c.src)[:e.Offset]
			require.Equal(t, e.Line, 1+strings.Count(string(before), "\n"), "offset and line agree")
			text := fmt.Sprintf("expression %s: %s", c.place, c.msg)
			if c.hint != "" {
				text += " (" + c.hint + ")"
			}
			require.EqualError(t, err, text)
		})
	}
}

// All that is wrong is said at once, each with its own place, and what follows from another
// mistake is not.
func TestCompileSaysAllThatIsWrong(t *testing.T) {
	for src, want := range map[string][]string{
		"amuont > 2 && emial == 'x'": {
			`1:1: there is no column "amuont" (did you mean amount?)`,
			`1:15: there is no column "emial" (did you mean email?)`,
		},
		"lowr(emial).uper() == id + 'x'": {
			`1:1: there is no function "lowr" (did you mean lower?)`,
			`1:6: there is no column "emial" (did you mean email?)`,
			`1:13: there is no function "uper" (did you mean upper?)`,
			`1:26: + does not take int and string (string(x) makes text of a number, double(x) and int(x) make a number of text)`,
		},
		"zzz + 1 > 2 || zzz < 5 || !(id + zzz)": { // a name that is not there is one mistake
			`1:1: there is no column "zzz" (the columns are id, amount, email, note, active, at, took, timestamp, package, unit price, a.b, 2nd and 7 more)`,
		},
		"zzz > 1 && id || (zzz > 2) + 1 > 3 || (zzz ? 1 : 'x') == 1": { // whatever zzz is
			`1:1: there is no column "zzz" (the columns are id, amount, email, note, active, at, took, timestamp, package, unit price, a.b, 2nd and 7 more)`,
			`1:9: && does not take bool and int (it takes bool && bool -> bool)`,
			`1:28: + does not take bool and int (it takes int + int -> int; double + double -> double; string + string -> string; timestamp + duration -> timestamp; duration + timestamp -> timestamp; duration + duration -> duration; decimal + decimal -> decimal; decimal + int -> decimal; int + decimal -> decimal)`,
			`1:44: the branches of ?: are of the kinds int and string (they must be of one kind)`,
		},
		"id + 'a' > 1 &&\n  amount + 'a' > 2.0": { // and two that read alike are two
			`1:4: + does not take int and string (string(x) makes text of a number, double(x) and int(x) make a number of text)`,
			`2:10: + does not take double and string (string(x) makes text of a number, double(x) and int(x) make a number of text)`,
		},
		// What is found when names and kinds are right.
		"1 / 0 > amuont || email.matches('(') || at > timestamp('x') || substring(email) == format(at, '%Q')": {
			`1:3: / fails in every row: division by zero`,
			`1:9: there is no column "amuont" (did you mean amount?)`,
			"1:33: malformed regular expression: missing closing ): ( (the syntax is RE2's; a raw string, r\"\\d+\", keeps backslashes as they are)",
			`1:46: timestamp fails in every row: value cannot be cast (it is written timestamp("2001-01-31T13:45:00Z"))`,
			`1:64: substring takes 2 or 3 operands, not 1 (write substring(a, start, end))`,
			`1:95: there is no field %Q in layouts (write %% for a percent sign; the fields stand in docs/expressions.md)`,
		},
		"id in [1, 'x', null, true, zzy]": {
			`1:11: a value of kind string in a list to find a value of kind int in`,
			`1:16: a list cannot hold null (write isNull(x) || x in [...])`,
			`1:22: a value of kind bool in a list to find a value of kind int in`,
			`1:28: there is no column "zzy" (the columns are id, amount, email, note, active, at, took, timestamp, package, unit price, a.b, 2nd and 7 more)`,
		},
		"active ? emial : col('nothere') + 1u": {
			`1:10: there is no column "emial" (did you mean email?)`,
			`1:18: there is no column "nothere" (the columns are id, amount, email, note, active, at, took, timestamp, package, unit price, a.b, 2nd and 7 more)`,
			`1:35: unsigned numbers are not supported (write 1)`,
		},
		"id in [1, 1 / 0, note, 2 / 0]": {
			`1:13: / fails in every row: division by zero`,
			`1:18: a value of kind string in a list to find a value of kind int in`,
			`1:26: / fails in every row: division by zero`,
		},
		// Structs, lists and maps.
		"tgs[idd].sze > 1 && tags[iid] == 1": {
			`1:1: there is no column "tgs" (did you mean tags?)`,
			`1:5: there is no column "idd" (did you mean id?)`,
			`1:26: there is no column "iid" (did you mean id?)`,
			`1:31: == does not take string and int (string(x) makes text of a number, double(x) and int(x) make a number of text)`,
		},
		"tags.exists(x, x == amuont && x > 1 && size(x) > 'a') && tgs.all(y, y > 1)": {
			`1:21: there is no column "amuont" (did you mean amount?)`,
			`1:33: > does not take string and int (string(x) makes text of a number, double(x) and int(x) make a number of text)`,
			`1:48: > does not take int and string (string(x) makes text of a number, double(x) and int(x) make a number of text)`,
			`1:58: there is no column "tgs" (did you mean tags?)`,
		},
		"tags.filter(x, x == 'a')[0] == iid && amuont in tags": {
			`1:6: there is no function "filter" (ask a list with exists or all)`,
			`1:32: there is no column "iid" (did you mean id?)`,
			`1:39: there is no column "amuont" (did you mean amount?)`,
		},
		"amuont.exists(x, x > 1) || idd.sze || idd.lower() == 'x'": {
			`1:1: there is no column "amuont" (did you mean amount?)`,
			`1:28: there is no column "idd" (did you mean id?)`,
		},
		// Of what does not parse, what stands for itself.
		"(id +) * (amount -) > 1": {
			`1:6: unexpected ")"`,
			`1:19: unexpected ")"`,
		},
		"99999999999999999999 + import == `x`": {
			`1:1: the number does not fit an int (write it with a decimal point for a double)`,
			`1:24: "import" is a reserved word (if it is a column, write col("import"))`,
			"1:34: names are not quoted with backquotes (write col(\"a b\"))",
		},
		"min(id, , 2) and active": {
			`1:9: unexpected ","`,
		},
	} {
		t.Run(src, func(t *testing.T) {
			_, err := expr.Compile(src, customers())
			var errs expr.Errors
			require.ErrorAs(t, err, &errs)
			got := make([]string, len(errs))
			for i, e := range errs {
				got[i] = strings.TrimPrefix(e.Error(), "expression ")
			}
			require.Equal(t, want, got)
			require.Equal(t, "expression "+strings.Join(want, "\nexpression "), err.Error())
		})
	}
}

// Who does not know all columns is told what is wrong whatever they are.
func TestCheckTakesUnknownColumnsForAnything(t *testing.T) {
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "made", Type: arrow.BinaryTypes.String}}, nil)
	for src, want := range map[string]string{
		"id > 1":     "",
		"made > 1":   "", // it may have become a number
		"gone.x > 1": "",
		"gone[0] + 'a' == gone.lower() && gone.exists(x, x > 'a' && zzz)": "",
		"id in gone && 1 in [gone, 'x']":                                  `expression 1:27: a value of kind string in a list to find a value of kind int in`,
		"gone + 1 > idd":                                                  `expression 1:12: there is no column "idd" (did you mean id?)`,
		"gone":                                                            "",
	} {
		err := expr.Check(src, schema, "made", "gone")
		if want == "" {
			require.NoError(t, err, src)
		} else {
			require.EqualError(t, err, want, src)
		}
	}
}

func TestCompileRefusesColumnsOfOtherTypes(t *testing.T) {
	for advice, types := range map[string][]arrow.DataType{
		"write the column with at most 38 digits, and a scale from 0 to their number":       {&arrow.Decimal128Type{Precision: 9, Scale: -1}, &arrow.Decimal256Type{Precision: 39}},
		"write the column without the dictionary":                                           {&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.PrimitiveTypes.Int64}},
		"write the column as one of int64, double, utf8, binary, bool, timestamp, duration": {arrow.Null, arrow.FixedWidthTypes.MonthInterval},
	} {
		for _, typ := range types {
			schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: typ}, {Name: "y", Type: arrow.PrimitiveTypes.Int64}}, nil)
			_, err := expr.Compile("y > 1 && isNull(x)", schema)
			var e *expr.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, 17, e.Column)
			require.Equal(t, fmt.Sprintf("column \"x\" is of type %s, which expressions cannot use", typ), e.Msg)
			require.Equal(t, advice, e.Hint)
			_, err = expr.Compile("y > 1", schema)
			require.NoError(t, err, "a column that is not used may be of any type")
		}
	}
}

func TestCompileNamesTheColumnsThereAre(t *testing.T) {
	for _, c := range []struct {
		hint   string
		fields []arrow.Field
	}{
		{"there are no columns", nil},
		{"the columns are id", []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}},
	} {
		_, err := expr.Compile("price > 1", arrow.NewSchema(c.fields, nil))
		var e *expr.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, c.hint, e.Hint)
	}
}

func TestCompileIsBounded(t *testing.T) {
	repeat := func(n int, before, middle, after string) string {
		return strings.Repeat(before, n) + middle + strings.Repeat(after, n)
	}
	for name, src := range map[string]string{
		"length":      "id" + strings.Repeat(" ", expr.MaxLength),
		"parentheses": repeat(7000, "(", "id", ")"),
		"calls":       repeat(2000, "abs(", "id", ")"),
		"minus":       repeat(400, "-(", "id", ")"),
		"sum":         "id" + strings.Repeat("+id", 4000),
		"choices":     repeat(1000, "active?1:", "2", ""),
		"lists":       repeat(5000, "[", "", "]"),
		"open":        strings.Repeat("(", 16000),
		"not":         repeat(500, "!(", "active", ")"),
		"folded":      "min(1" + strings.Repeat(",1", 1000) + ")",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := expr.Compile(src, customers())
			var e *expr.Error
			require.ErrorAs(t, err, &e)
		})
	}
	for name, src := range map[string]string{
		"length":     "id" + strings.Repeat(" ", expr.MaxLength-2),
		"sum":        "id" + strings.Repeat("+id", 200),
		"conditions": "active" + strings.Repeat("||active", 1500),
		"list":       "id in [0" + strings.Repeat(",1", 5000) + "]",
		"not":        repeat(100, "!(", "active", ")"),
		"folded":     "min(id" + strings.Repeat(",1", 100) + ")",
	} {
		t.Run(name+" that fits", func(t *testing.T) {
			_, err := expr.Compile(src, customers())
			require.NoError(t, err)
		})
	}
}
