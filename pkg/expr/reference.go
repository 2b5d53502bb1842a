package expr

import (
	"fmt"
	"strings"
)

// Reference is the reference page of the language, in Markdown, made of the
// table of functions.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	table := theLanguage().functions
	for c := range chapters {
		fmt.Fprintf(&b, "\n## %s\n", c)
		for i := range table {
			if f := &table[i]; f.in == c {
				f.describe(&b)
			}
		}
	}
	b.WriteString(referenceTail)
	return b.String()
}

// describe writes the section of a function.
func (f *function) describe(b *strings.Builder) {
	fmt.Fprintf(b, "\n### `%s`\n\n%s\n\n```\n%s\n```\n\n", f.form, f.doc, strings.Join(f.shapes(), "\n"))
	if f.method {
		first, rest, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(f.form, f.name+"("), ")"), ", ")
		fmt.Fprintf(b, "- Also written: `%s.%s(%s)`\n", first, f.name, rest)
	}
	if f.folds {
		fmt.Fprintf(b, "- More operands: `%[1]s(a, b, c)` means `%[1]s(a, %[1]s(b, c))`\n", f.name)
	}
	nulls := f.nulls
	if nulls == "" {
		nulls = "null if an operand is null"
	}
	fmt.Fprintf(b, "- Null: %s\n", nulls)
	if f.fails != "" {
		fmt.Fprintf(b, "- Row error: %s\n", f.fails)
	}
	if f.slow != "" {
		fmt.Fprintf(b, "- Cost: over ten times that of a plain loop: %s\n", f.slow)
	}
	b.WriteString("\n| expression | result |\n| --- | --- |\n")
	for _, x := range f.examples {
		fmt.Fprintf(b, "| `%s` | `%s` |\n", cell(x.expression), cell(x.result))
	}
}

// cell escapes what would end the cell of a table.
func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }

const referenceHead = `# Expressions

<!-- Made from the table in pkg/expr/functions.go: go test ./pkg/expr -run TestReference -update -->

Filters and computed columns are expressions in the syntax of
[CEL](https://cel.dev), the Common Expression Language. They are checked when a
pipeline is, not when it runs, and they work on whole columns at a time.

` + "```yaml" + `
- filter: "amount > 20.0 && country in ['PT', 'ES']"
- with: { amount_eur: "amount * 0.92", domain_known: "email.endsWith('.org')" }
` + "```" + `

What differs from CEL, because columns have nulls and a job of a million rows
must not end at one of them:

- **Null in, null out.** An operation on null gives null. ` + "`&&` and `||`" + ` follow SQL's
  three-valued logic: ` + "`false && null`" + ` is false, ` + "`true && null`" + ` is null. A filter keeps the
  rows in which it is true. Write ` + "`isNull(x)`" + ` to ask for null; ` + "`x == null`" + ` is refused.
- **An int meets a double as a double**: ` + "`visits * 2.5`, `amount > 20`" + `. Above 2^53 that rounds to
  the nearest double. So does a decimal where a function takes doubles; an int meets a decimal as one. ` + "`/`" + ` always divides doubles: ` + "`3 / 2`" + ` is 1.5.
- **Row errors.** Overflow of an int, division by zero and a failing cast have no value.
  Such a row is a *dead row*: it goes to the dead letters with its place and the reason, and the
  others go on. Doubles overflow to infinity, as IEEE 754 has it; that is no error.
- **What is not needed does not fail.** In ` + "`x != 0 ? 1 / x : 0.0`" + `, in ` + "`x != 0 && 1 / x > 0.5`" + ` and in
  ` + "`coalesce(a, 1 / x)`" + ` the division is not made in the rows that do not use it. It goes from left to
  right: the left side of ` + "`&&`" + ` is always evaluated. An operation with a null operand does not fail
  either; but an operand that has failed is not forgiven because another one is null.
- **An expression that fails in every row**, such as ` + "`1 / 0`" + ` or ` + "`timestamp(\"2001\")`" + `, is refused.

## Columns

A column is written by its name. If the name is no identifier (letters, digits, ` + "`_`" + `), or a
word that CEL reserves, write ` + "`col(\"unit price\")`" + `.

| column type | in expressions | notes |
| --- | --- | --- |
| int8 to int64, uint8 to uint64 | int | a uint64 above the int64 range is a row error |
| float16, float32, float64 | double | |
| utf8, large_utf8, utf8_view, and dictionaries of utf8 and large_utf8 | string | |
| binary, large_binary, binary_view, fixed_size_binary | bytes | |
| bool | bool | |
| decimal32 to decimal256 | decimal | up to 38 digits, and a scale that is not negative |
| timestamp of any unit and zone | timestamp | microseconds in UTC; nanoseconds round down; without a zone, UTC is taken |
| date32, date64 | timestamp | its midnight in UTC |
| duration of any unit | duration | microseconds; nanoseconds round down |
| time32, time64 | duration | since midnight, in microseconds; nanoseconds round down |
| struct, list, large_list, fixed_size_list, map | none | their fields, elements and sizes: see *Structs, lists and maps* |

Seconds, milliseconds and days too far away for 64 bits of microseconds (about the year 294000)
are row errors. Other types can pass through a pipeline, but an expression that names one is refused.

The result of an expression is int64, float64, utf8, binary, bool, timestamp[us, UTC], duration[us] or decimal128;
or, where it is a struct, a list or a map as a whole, the type that it has.

## Literals

` + "`42`, `-1`, `0x1F`, `2.5`, `1e-3`, `true`, `b\"bytes\"`, `\"text\"`, `'text'`, `r\"raw \\d\"`, `\"\"\"several lines\"\"\"`" + `.
A time is written ` + "`timestamp(\"2001-01-31T13:45:00Z\")`" + `, a time span ` + "`duration(\"1h30m\")`" + `.
` + "`null`" + ` stands in a branch of ` + "`?:`" + ` only. ` + "`//`" + ` begins a comment.

## Precedence

From the tightest: calls; ` + "`-a !a`; `* / %`; `+ -`; `< <= > >= == != in`; `&&`; `||`; `?:`" + `.

The examples below are about this row:

| visits | amount | country | email | active | at | note |
| --- | --- | --- | --- | --- | --- | --- |
| ` + "`3` | `12.5` | `\"PT\"` | `\"ana@example.org\"` | `true` | `timestamp(\"2024-02-29T10:30:00Z\")`" + ` | null (a string) |

| address | scores | items | labels |
| --- | --- | --- | --- |
| ` + "`{city: \"Lisboa\", zip: null}` | `[7, 2, 9]` | `[{name: \"pen\", price: 1.5}, {name: \"book\", price: 20.0}]` | `{\"tier\": \"gold\"}`" + ` |
`

const referenceTail = `
## Limits

An expression has at most 16384 characters, and operations nested at most 250 deep. A string made
in a row is at most 8 MiB long (else a row error); the strings of a batch together stay below 2 GiB.

## Pruning

A filter also tells which row groups of a Parquet file need not be read. From the minimum, the
maximum and the number of nulls of each column follows what each part of the filter can be; a group
is skipped when the filter cannot be true in it **and** nothing in the filter can fail in it, for a
row that fails must be seen. Comparisons, ` + "`in`, `isNull`, `startsWith`, `&&`, `||`, `!`, `?:`" + `, arithmetic,
` + "`abs`, `min`, `max`, `round`, `floor`, `ceil` and `year`" + ` carry such ranges; the rest can be anything.
A cast of text, say, keeps a group from being skipped, since it might fail. Put what prunes to the left of it:
with ` + "`amount > 20.0 && int(code) > 7`" + `, a group in which no amount is null or above 20 is skipped, since
the cast is not made there.
`
