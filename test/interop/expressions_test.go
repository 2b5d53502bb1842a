//go:build interop

package interop

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
)

// sameInDuckDB are expressions of ours and what they are in DuckDB's SQL, for the functions
// that both have. A row in which one of the two fails has no value in both.
var sameInDuckDB = [][2]string{
	// arithmetic
	{"i + j", "i + j"},
	{"i - j", "i - j"},
	{"i * j", "i * j"},
	{"x / i", "CASE WHEN i = 0 THEN NULL ELSE x / i END"},
	{"i % j", "i % nullif(j, 0)"},
	{"-i", "-i"},
	{"x + y * 2", "x + y * 2"},
	{"i + x", "i + x"},
	// comparison and logic
	{"i < j || x >= y && !b", "i < j OR x >= y AND NOT b"},
	{"s == t", "s = t"},
	{"s < t", "s < t"},
	{"i in [1, 2, 3]", "i IN (1, 2, 3)"},
	{"s in ['abc', 'é']", "s IN ('abc', 'é')"},
	{"i in [j, 3]", "i IN (j, 3)"},
	{"i in [x, j, 2]", "i IN (x, j, 2)"},
	{"b ? i : j", "CASE WHEN b THEN i WHEN NOT b THEN j END"},
	// nulls
	{"isNull(s)", "s IS NULL"},
	{"coalesce(s, t, 'none')", "coalesce(s, t, 'none')"},
	{"nullIf(i, j)", "nullif(i, j)"},
	// numbers
	{"abs(i)", "abs(i)"},
	{"abs(w)", "abs(w)"},
	{"min(i, j)", "CASE WHEN i IS NOT NULL AND j IS NOT NULL THEN least(i, j) END"},
	{"max(x, y)", "CASE WHEN x IS NOT NULL AND y IS NOT NULL THEN greatest(x, y) END"},
	{"round(x)", "round(x)"},
	{"round(x * 3.14159265, 2)", "round(x * 3.14159265, 2)"},
	{"floor(w)", "floor(w)"},
	{"ceil(w)", "ceil(w)"},
	{"trunc(w)", "trunc(w)"},
	{"sqrt(abs(x))", "sqrt(abs(x))"},
	{"exp(x / 10)", "exp(x / 10)"},
	{"log(abs(x) + 1)", "ln(abs(x) + 1)"},
	{"log2(abs(x) + 1)", "log2(abs(x) + 1)"},
	{"log10(abs(x) + 1)", "log10(abs(x) + 1)"},
	{"pow(abs(x), 1.5)", "pow(abs(x), 1.5)"},
	{"sign(i)", "sign(i)"},
	{"isNaN(w)", "isnan(w)"},
	// decimals
	{"string(d + e)", "CAST(d + e AS VARCHAR)"},
	{"string(d - e)", "CAST(d - e AS VARCHAR)"},
	{"string(d * e)", "CAST(d * e AS VARCHAR)"},
	{"string(-d)", "CAST(-d AS VARCHAR)"},
	{"d < e", "d < e"},
	{"d == 5", "d = 5"},
	{"string(round(d))", "CAST(round(d) AS VARCHAR)"},
	{"string(floor(e))", "CAST(floor(e) AS VARCHAR)"},
	{"string(decimal(e, 9, 1))", "CAST(CAST(e AS DECIMAL(9, 1)) AS VARCHAR)"},
	{"string(coalesce(d, e))", "CAST(coalesce(d, e) AS VARCHAR)"},
	{"string(coalesce(d, 0))", "CAST(coalesce(d, CAST(0 AS DECIMAL(10, 2))) AS VARCHAR)"},
	{"string(round(d, 1))", "CAST(round(d, 1) AS VARCHAR)"},
	{"string(round(e, -1))", "CAST(round(e, -1) AS VARCHAR)"},
	{"string(trunc(e))", "CAST(CAST(trunc(CAST(e AS DOUBLE)) AS BIGINT) AS VARCHAR)"},
	{"sign(d)", "sign(d)"},
	{"string(d % e)", "CAST(CAST(d % nullif(e, 0) AS DECIMAL(12, 4)) AS VARCHAR)"},
	{"d in [1, -2.5, 7]", "d IN (1, -2.5, 7)"},
	{"d in [e, 5]", "d IN (e, 5)"},
	{"string(max(d, e))", "CASE WHEN d IS NOT NULL AND e IS NOT NULL THEN CAST(greatest(CAST(d AS DECIMAL(12, 4)), e) AS VARCHAR) END"},
	{"sqrt(abs(d))", "sqrt(abs(CAST(d AS DOUBLE)))"},
	{"double(d)", "CAST(d AS DOUBLE)"},
	// bits
	{"bitAnd(i, j)", "i & j"},
	{"bitOr(i, j)", "i | j"},
	{"bitXor(i, j)", "xor(i, j)"},
	{"bitNot(i)", "~i"},
	{"bitCount(i)", "bit_count(i)"},
	{"shiftRight(abs(i), 3)", "abs(i) >> 3"},
	// casts
	{"int(string(i))", "CAST(CAST(i AS VARCHAR) AS BIGINT)"},
	{"try_int(s)", "CASE WHEN regexp_full_match(s, '[-+]?[0-9]+') THEN TRY_CAST(s AS BIGINT) END"},
	{"double(i)", "CAST(i AS DOUBLE)"},
	{"string(b)", "CAST(b AS VARCHAR)"},
	{"try_bool(s)", "CASE WHEN s IN ('true', 't', '1', 'True', 'TRUE', 'T') THEN true WHEN s IN ('false', 'f', '0', 'False', 'FALSE', 'F') THEN false END"},
	// texts
	{"size(s)", "length(s)"},
	{"lower(s)", "lower(s)"},
	{"upper(t)", "upper(t)"},
	{"trim(s)", "trim(s)"},
	{"trimStart(s)", "ltrim(s)"},
	{"trimEnd(s)", "rtrim(s)"},
	{"s + t", "s || t"},
	{"concat(s, '-', t)", "s || '-' || t"},
	{"contains(s, 'b')", "contains(s, 'b')"},
	{"startsWith(s, 'a')", "starts_with(s, 'a')"},
	{"endsWith(s, t)", "ends_with(s, t)"},
	{"matches(s, '^[a-c]+$')", "regexp_matches(s, '^[a-c]+$')"},
	{"extract(s, '[0-9]+')", "nullif(regexp_extract(s, '[0-9]+'), '')"},
	{"replaceMatches(s, '[a-c]', '<$0>')", `regexp_replace(s, '[a-c]', '<\0>', 'g')`},
	{"replace(s, 'b', t)", "replace(s, 'b', t)"},
	{"substring(s, 1, 3)", "substring(s, 2, 2)"},
	{"repeat(s, 3)", "repeat(s, 3)"},
	{"indexOf(s, 'b') + 1", "strpos(s, 'b')"},
	{"padStart(s, 12, '*')", "CASE WHEN length(s) < 12 THEN lpad(s, 12, '*') ELSE s END"},
	{"padEnd(s, 12, 'ab')", "CASE WHEN length(s) < 12 THEN rpad(s, 12, 'ab') ELSE s END"},
	{"splitPart(s, 'b', 1)", "split_part(s, 'b', 2)"},
	{"splitPart(s, 'b', -1)", "split_part(s, 'b', -1)"},
	{"split(s, 'b')[0]", "string_split(s, 'b')[1]"},
	{"size(split(s, 'b'))", "len(string_split(s, 'b'))"},
	// hashes
	{"sha256(s)", "sha256(s)"},
	{"md5(s)", "md5(s)"},
	{"hex(s)", "lower(hex(s))"},
	// time
	{"year(ts)", "year(ts)"},
	{"month(ts)", "month(ts)"},
	{"day(ts)", "day(ts)"},
	{"hour(ts)", "hour(ts)"},
	{"minute(ts)", "minute(ts)"},
	{"second(ts)", "second(ts)"},
	{"quarter(ts)", "quarter(ts)"},
	{"dayOfWeek(ts)", "isodow(ts)"},
	{"dayOfYear(ts)", "dayofyear(ts)"},
	{"week(ts)", "weekofyear(ts)"},
	{"truncate(ts, 'year')", "date_trunc('year', ts)"},
	{"truncate(ts, 'quarter')", "date_trunc('quarter', ts)"},
	{"truncate(ts, 'month')", "date_trunc('month', ts)"},
	{"truncate(ts, 'week')", "date_trunc('week', ts)"},
	{"truncate(ts, 'day')", "date_trunc('day', ts)"},
	{"truncate(ts, 'hour')", "date_trunc('hour', ts)"},
	{"add(ts, i % 1000, 'month')", "ts + to_months(CAST(i % 1000 AS INTEGER))"},
	{"add(ts, i % 1000, 'day')", "ts + to_days(CAST(i % 1000 AS INTEGER))"},
	{"add(ts, i % 1000, 'hour')", "ts + to_hours(i % 1000)"},
	{"difference(ts, until, 'month')", "CASE WHEN day(ts) < 28 AND day(until) < 28 THEN date_sub('month', ts, until) END"},
	{"difference(ts, until, 'day')", "date_sub('day', ts, until)"},
	{"difference(ts, until, 'second')", "date_sub('second', ts, until)"},
	{"toUnix(ts, 'millisecond')", "(epoch_us(ts) - (epoch_us(ts) % 1000 + 1000) % 1000) // 1000"},
	{"fromUnix(i % 1000000000, 'second')", "make_timestamp((i % 1000000000) * 1000000)"},
	{"format(ts, '%Y-%m-%d %H:%M:%S.%f')", "strftime(ts, '%Y-%m-%d %H:%M:%S.%f')"},
	{"format(ts, '%a %-d %B %y %I:%M %p %j')", "strftime(ts, '%a %-d %B %y %I:%M %p %j')"},
	{"try_parse(format(ts, '%d/%m/%Y %H:%M'), '%d/%m/%Y %H:%M')", "strptime(strftime(ts, '%d/%m/%Y %H:%M'), '%d/%m/%Y %H:%M')"},
	{"ts < until", "ts < until"},
	// nested
	{"p.n", "p.n"},
	{"p.s", "p.s"},
	{"xs[0]", "xs[1]"},
	{"xs[-1]", "xs[-1]"},
	{"xs[i]", "CASE WHEN i >= 0 THEN xs[i + 1] ELSE xs[i] END"},
	{"size(xs)", "len(xs)"},
	{"m['a']", "m['a']"},
	{"'a' in m", "map_contains(m, 'a')"},
	{"m.exists(k, k == s)", "CASE WHEN m IS NULL THEN NULL WHEN s IS NOT NULL THEN map_contains(m, s) WHEN cardinality(m) = 0 THEN false END"},
	{"xs.exists(x, x == 3)", "CASE WHEN NOT list_contains(list_transform(xs, lambda x: x IS NULL), true) THEN list_contains(xs, 3) END"},
}

// skipNulls are the expressions above which SQL can only say for lists without nulls.
var skipNulls = map[string]bool{"xs.exists(x, x == 3)": true, "difference(ts, until, 'month')": true}

func TestExpressionsAgreeWithDuckDB(t *testing.T) {
	batch := expressionRows(3000)
	defer batch.Release()
	programs := make([]*expr.Program, len(sameInDuckDB))
	var sql []string
	for i, pair := range sameInDuckDB {
		p, err := expr.Compile(pair[0], batch.Schema())
		require.NoError(t, err, pair[0])
		programs[i] = p
		sql = append(sql, fmt.Sprintf("CAST((%s) AS %s)", pair[1], duckType(t, p.Type())))
	}
	dir := t.TempDir()
	in, list, out := filepath.Join(dir, "in.arrow"), filepath.Join(dir, "sql.json"), filepath.Join(dir, "out.arrow")
	f, err := os.Create(in)
	require.NoError(t, err)
	w := ipc.NewWriter(f, ipc.WithSchema(batch.Schema()))
	require.NoError(t, w.Write(batch))
	require.NoError(t, w.Close())
	require.NoError(t, f.Close())
	text, err := json.Marshal(sql)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(list, text, 0o600))
	python(t, "expressions.py", in, list, out)

	f, err = os.Open(out)
	require.NoError(t, err)
	defer f.Close()
	r, err := ipc.NewReader(f)
	require.NoError(t, err)
	defer r.Release()
	require.True(t, r.Next())
	theirs := r.RecordBatch()
	require.Equal(t, batch.NumRows(), theirs.NumRows())
	for i, p := range programs {
		t.Run(sameInDuckDB[i][0], func(t *testing.T) {
			ours, _, err := p.Eval(context.Background(), memory.DefaultAllocator, batch)
			require.NoError(t, err)
			defer ours.Release()
			their := theirs.Column(i)
			values := 0
			for row := range ours.Len() {
				if skipNulls[sameInDuckDB[i][0]] && their.IsNull(row) {
					continue
				}
				require.Equal(t, their.IsNull(row), ours.IsNull(row), "row %d: DuckDB has %s, we have %s", row, their.ValueStr(row), ours.ValueStr(row))
				if ours.IsValid(row) {
					values++
					requireSame(t, their, ours, row)
				}
			}
			require.Greater(t, values, ours.Len()/50, "too few rows have values to say much")
		})
	}
}

func duckType(t *testing.T, dt arrow.DataType) string {
	t.Helper()
	name, ok := map[arrow.Type]string{
		arrow.INT64: "BIGINT", arrow.FLOAT64: "DOUBLE", arrow.STRING: "VARCHAR", arrow.BOOL: "BOOLEAN", arrow.TIMESTAMP: "TIMESTAMP",
	}[dt.ID()]
	require.True(t, ok, "%s", dt)
	return name
}

// requireSame compares values; doubles may differ in the last digits, for libraries of
// mathematics do.
func requireSame(t *testing.T, theirs, ours arrow.Array, row int) {
	t.Helper()
	switch a := ours.(type) {
	case *array.Float64:
		x, y := a.Value(row), theirs.(*array.Float64).Value(row)
		same := x == y || math.IsNaN(x) && math.IsNaN(y) || math.Abs(x-y) <= 1e-14*math.Max(math.Abs(x), math.Abs(y))
		require.True(t, same, "row %d: DuckDB has %v, we have %v", row, y, x)
	case *array.Timestamp:
		require.Equal(t, theirs.(*array.Timestamp).Value(row), a.Value(row), "row %d", row)
	default:
		require.Equal(t, theirs.ValueStr(row), ours.ValueStr(row), "row %d", row)
	}
}

// expressionRows are rows with nulls; w alone has NaN and infinities, which SQL orders
// otherwise.
func expressionRows(rows int) arrow.RecordBatch {
	list := arrow.ListOf(arrow.PrimitiveTypes.Int64)
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "i", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "j", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "x", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "y", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "w", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
		{Name: "d", Type: &arrow.Decimal128Type{Precision: 10, Scale: 2}, Nullable: true},
		{Name: "e", Type: &arrow.Decimal128Type{Precision: 12, Scale: 4}, Nullable: true},
		{Name: "b", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
		{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "t", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "ts", Type: &arrow.TimestampType{Unit: arrow.Microsecond}, Nullable: true},
		{Name: "until", Type: &arrow.TimestampType{Unit: arrow.Microsecond}, Nullable: true},
		{Name: "p", Type: arrow.StructOf(arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, arrow.Field{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}), Nullable: true},
		{Name: "xs", Type: list, Nullable: true},
		{Name: "m", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64), Nullable: true},
	}, nil)
	r := rand.New(rand.NewPCG(3, 4))
	texts := []string{"", "a", "abc", "cab", "ABC", "é", "Olá mundo", "  b b ", "12", "-7", "+5", "true", "f", "babab", "日本語b", "x1y22", "b", "9223372036854775808"}
	ints := []int64{0, 1, -1, 2, 3, math.MaxInt64, math.MinInt64, math.MaxInt32}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for range rows {
		for c, f := range schema.Fields() {
			append1(b.Field(c), r, f.Name, texts, ints)
		}
	}
	return b.NewRecordBatch()
}

func append1(b array.Builder, r *rand.Rand, name string, texts []string, ints []int64) {
	if r.IntN(8) == 0 {
		b.AppendNull()
		return
	}
	number := func() int64 {
		if r.IntN(4) == 0 {
			return ints[r.IntN(len(ints))]
		}
		return r.Int64N(41) - 20
	}
	switch b := b.(type) {
	case *array.Int64Builder:
		b.Append(number())
	case *array.Float64Builder:
		x := math.Round((r.Float64()*200-100)*1000) / 1000
		if name == "w" && r.IntN(4) == 0 {
			x = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.Copysign(0, -1), 1e300, 0.5, -2.5}[r.IntN(7)]
		}
		b.Append(x)
	case *array.Decimal128Builder:
		b.Append(decimal128.FromI64(r.Int64N(200001) - 100000))
	case *array.BooleanBuilder:
		b.Append(r.IntN(2) == 0)
	case *array.StringBuilder:
		b.Append(strings.Repeat(texts[r.IntN(len(texts))], 1+r.IntN(2)))
	case *array.TimestampBuilder:
		b.Append(arrow.Timestamp(r.Int64N(8e15) - 4e15)) // the years 1843 to 2096
	case *array.StructBuilder:
		b.Append(true)
		append1(b.FieldBuilder(0), r, "", texts, ints)
		append1(b.FieldBuilder(1), r, "", texts, ints)
	case *array.MapBuilder:
		b.Append(true)
		for _, key := range []string{"a", "b"} {
			if r.IntN(2) == 0 {
				b.KeyBuilder().(*array.StringBuilder).Append(key)
				append1(b.ItemBuilder(), r, "", texts, ints)
			}
		}
	case *array.ListBuilder:
		b.Append(true)
		for range r.IntN(5) {
			append1(b.ValueBuilder(), r, "", texts, ints)
		}
	}
}
