package expr_test

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"hash/crc32"
	"math"
	"math/bits"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
)

// A plain loop does for the columns of the batch what a function does, as one would write
// it by hand, without nulls and errors.
type plainLoop func(c *benchColumns)

// benchColumns are the columns of the batch, and room for results.
type benchColumns struct {
	visits, at    []int64
	amount        []float64
	active        []bool
	email, digits []string
	list          *array.List
	labels        *array.Map
	ints          []int64
	floats        []float64
	bools         []bool
	texts         []string
	decimals      []decimal128.Num
}

func ofInts(fn func(x int64) int64) plainLoop {
	return func(c *benchColumns) {
		for i, x := range c.visits {
			c.ints[i] = fn(x)
		}
	}
}

func ofFloats(fn func(x float64) float64) plainLoop {
	return func(c *benchColumns) {
		for i, x := range c.amount {
			c.floats[i] = fn(x)
		}
	}
}

func ofTimes(fn func(t time.Time) int64) plainLoop {
	return func(c *benchColumns) {
		for i, x := range c.at {
			c.ints[i] = fn(time.UnixMicro(x).UTC())
		}
	}
}

func ofTexts(fn func(s string) string) plainLoop {
	return func(c *benchColumns) {
		for i, s := range c.email {
			c.texts[i] = fn(s)
		}
	}
}

func toInts(fn func(s string) int64) plainLoop {
	return func(c *benchColumns) {
		for i, s := range c.digits {
			c.ints[i] = fn(s)
		}
	}
}

func asks(fn func(s string) bool) plainLoop {
	return func(c *benchColumns) {
		for i, s := range c.email {
			c.bools[i] = fn(s)
		}
	}
}

func compares(fn func(x float64) bool) plainLoop {
	return func(c *benchColumns) {
		for i, x := range c.amount {
			c.bools[i] = fn(x)
		}
	}
}

var (
	benchPattern = regexp.MustCompile("^[a-zA-Z.]+([0-9]+)@")
	lisbon, _    = time.LoadLocation("Europe/Lisbon")
)

// functionBenches has for each function of the table, by its form, an expression and the
// plain loop that it is measured against.
var functionBenches = map[string]struct {
	src   string
	plain plainLoop
}{
	"a + b":       {"visits + 1", ofInts(func(x int64) int64 { return x + 1 })},
	"a - b":       {"visits - 1", ofInts(func(x int64) int64 { return x - 1 })},
	"a * b":       {"amount * 0.92", ofFloats(func(x float64) float64 { return x * 0.92 })},
	"a / b":       {"amount / 3.0", ofFloats(func(x float64) float64 { return x / 3 })},
	"a % b":       {"visits % 7", ofInts(func(x int64) int64 { return x % 7 })},
	"-a":          {"-amount", ofFloats(func(x float64) float64 { return -x })},
	"a == b":      {"amount == 20.0", compares(func(x float64) bool { return x == 20 })},
	"a != b":      {"amount != 20.0", compares(func(x float64) bool { return x != 20 })},
	"a < b":       {"amount < 20.0", compares(func(x float64) bool { return x < 20 })},
	"a <= b":      {"amount <= 20.0", compares(func(x float64) bool { return x <= 20 })},
	"a > b":       {"amount > 20.0", compares(func(x float64) bool { return x > 20 })},
	"a >= b":      {"amount >= 20.0", compares(func(x float64) bool { return x >= 20 })},
	"a in [x, y]": {"amount in [1.0, 2.0]", compares(func(x float64) bool { return x == 1 || x == 2 })},
	"a && b": {"active && amount > 20.0", func(c *benchColumns) {
		for i, x := range c.amount {
			c.bools[i] = c.active[i] && x > 20
		}
	}},
	"a || b": {"active || amount > 20.0", func(c *benchColumns) {
		for i, x := range c.amount {
			c.bools[i] = c.active[i] || x > 20
		}
	}},
	"!a": {"!active", func(c *benchColumns) {
		for i, x := range c.active {
			c.bools[i] = !x
		}
	}},
	"c ? a : b": {"active ? amount : 0.0", func(c *benchColumns) {
		for i, x := range c.amount {
			c.floats[i] = 0
			if c.active[i] {
				c.floats[i] = x
			}
		}
	}},
	"isNull(a)":           {"isNull(note)", compares(func(x float64) bool { return x == 0 })},
	"coalesce(a, b, ...)": {"coalesce(price, 0.0)", ofFloats(func(x float64) float64 { return x })},
	"nullIf(a, b)":        {"nullIf(visits, 7)", ofInts(func(x int64) int64 { return x })},
	"int(a)":              {"int(digits)", toInts(func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n })},
	"double(a)":           {"double(digits)", toInts(func(s string) int64 { f, _ := strconv.ParseFloat(s, 64); return int64(f) })},
	"string(a)": {"string(visits)", func(c *benchColumns) {
		for i, x := range c.visits {
			c.texts[i] = strconv.FormatInt(x, 10)
		}
	}},
	"bytes(a)":     {"bytes(email)", ofTexts(func(s string) string { return s })},
	"bool(a)":      {"bool(active ? 'true' : 'f')", asks(func(s string) bool { b, _ := strconv.ParseBool(s[:1]); return b })},
	"timestamp(a)": {"timestamp(visits)", ofInts(func(x int64) int64 { return x * 1_000_000 })},
	"duration(a)":  {"duration(digits + 's')", toInts(func(s string) int64 { d, _ := time.ParseDuration(s + "s"); return int64(d) })},
	"decimal(a, precision, scale)": {"decimal(visits, 10, 2)", func(c *benchColumns) {
		for i, x := range c.visits {
			c.decimals[i] = decimal128.FromI64(x * 100)
		}
	}},
	"try_int(a)":    {"try_int(digits)", toInts(func(s string) int64 { n, _ := strconv.ParseInt(s, 10, 64); return n })},
	"try_double(a)": {"try_double(digits)", toInts(func(s string) int64 { f, _ := strconv.ParseFloat(s, 64); return int64(f) })},
	"try_string(a)": {"try_string(at)", func(c *benchColumns) {
		for i, x := range c.at {
			c.texts[i] = time.UnixMicro(x).UTC().Format(time.RFC3339Nano)
		}
	}},
	"try_bool(a)":      {"try_bool(active ? 'true' : 'f')", asks(func(s string) bool { b, _ := strconv.ParseBool(s[:1]); return b })},
	"try_timestamp(a)": {"try_timestamp(visits)", ofInts(func(x int64) int64 { return x * 1_000_000 })},
	"try_duration(a)":  {"try_duration(digits + 's')", toInts(func(s string) int64 { d, _ := time.ParseDuration(s + "s"); return int64(d) })},
	"try_decimal(a, precision, scale)": {"try_decimal(visits, 10, 2)", func(c *benchColumns) {
		for i, x := range c.visits {
			c.decimals[i] = decimal128.FromI64(x * 100)
		}
	}},
	"abs(a)":                          {"abs(amount)", ofFloats(math.Abs)},
	"min(a, b, ...)":                  {"min(amount, 50.0)", ofFloats(func(x float64) float64 { return min(x, 50) })},
	"max(a, b, ...)":                  {"max(amount, 50.0)", ofFloats(func(x float64) float64 { return max(x, 50) })},
	"round(a, n)":                     {"round(amount, 2)", ofFloats(func(x float64) float64 { return math.Round(x*100) / 100 })},
	"floor(a)":                        {"floor(amount)", ofFloats(math.Floor)},
	"ceil(a)":                         {"ceil(amount)", ofFloats(math.Ceil)},
	"trunc(a)":                        {"trunc(amount)", ofFloats(math.Trunc)},
	"sqrt(a)":                         {"sqrt(amount)", ofFloats(math.Sqrt)},
	"exp(a)":                          {"exp(amount)", ofFloats(math.Exp)},
	"log(a)":                          {"log(amount)", ofFloats(math.Log)},
	"log2(a)":                         {"log2(amount)", ofFloats(math.Log2)},
	"log10(a)":                        {"log10(amount)", ofFloats(math.Log10)},
	"pow(a, b)":                       {"pow(amount, 1.5)", ofFloats(func(x float64) float64 { return math.Pow(x, 1.5) })},
	"sign(a)":                         {"sign(visits)", ofInts(func(x int64) int64 { return int64(bits.Len64(uint64(x))) })},
	"isNaN(a)":                        {"isNaN(amount)", compares(math.IsNaN)},
	"size(a)":                         {"size(email)", asks(func(s string) bool { return utf8.RuneCountInString(s) > 0 })},
	"lower(a)":                        {"lower(email)", ofTexts(strings.ToLower)},
	"upper(a)":                        {"upper(email)", ofTexts(strings.ToUpper)},
	"trim(a)":                         {"trim(email)", ofTexts(strings.TrimSpace)},
	"trimStart(a)":                    {"trimStart(email)", ofTexts(func(s string) string { return strings.TrimLeftFunc(s, unicode.IsSpace) })},
	"trimEnd(a)":                      {"trimEnd(email)", ofTexts(func(s string) string { return strings.TrimRightFunc(s, unicode.IsSpace) })},
	"contains(a, part)":               {"contains(email, '9@')", asks(func(s string) bool { return strings.Contains(s, "9@") })},
	"startsWith(a, part)":             {"startsWith(email, 'Cust')", asks(func(s string) bool { return strings.HasPrefix(s, "Cust") })},
	"endsWith(a, part)":               {"endsWith(email, '.org')", asks(func(s string) bool { return strings.HasSuffix(s, ".org") })},
	"matches(a, pattern)":             {"matches(email, '^[a-zA-Z.]+([0-9]+)@')", asks(benchPattern.MatchString)},
	"substring(a, start, end)":        {"substring(email, 0, 8)", ofTexts(func(s string) string { return string([]rune(s)[:8]) })},
	"concat(a, b, ...)":               {"concat(email, '-')", ofTexts(func(s string) string { return s + "-" })},
	"replace(a, old, new)":            {"replace(email, 'example', 'levada')", ofTexts(func(s string) string { return strings.ReplaceAll(s, "example", "levada") })},
	"replaceMatches(a, pattern, new)": {"replaceMatches(email, '^[a-zA-Z.]+([0-9]+)@', '$1:')", ofTexts(func(s string) string { return benchPattern.ReplaceAllString(s, "$1:") })},
	"extract(a, pattern)":             {"extract(email, '^[a-zA-Z.]+([0-9]+)@')", ofTexts(func(s string) string { return benchPattern.FindStringSubmatch(s)[1] })},
	"padStart(a, n, fill)":            {"padStart(digits, 8, '0')", ofTexts(func(s string) string { return strings.Repeat("0", 3) + s })},
	"padEnd(a, n, fill)":              {"padEnd(digits, 8, '0')", ofTexts(func(s string) string { return s + strings.Repeat("0", 3) })},
	"repeat(a, n)":                    {"repeat(digits, 3)", ofTexts(func(s string) string { return strings.Repeat(s, 3) })},
	"reverse(a)": {"reverse(email)", ofTexts(func(s string) string {
		r := []rune(s)
		for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
			r[i], r[j] = r[j], r[i]
		}
		return string(r)
	})},
	"indexOf(a, part)":           {"indexOf(email, '@')", toInts(func(s string) int64 { return int64(strings.Index(s, "9")) })},
	"splitPart(a, separator, n)": {"splitPart(email, '@', 1)", ofTexts(func(s string) string { return strings.Split(s, "@")[1] })},
	"hex(a)":                     {"hex(email)", ofTexts(func(s string) string { return hex.EncodeToString([]byte(s)) })},
	"year(a, zone)":              {"year(at)", ofTimes(func(t time.Time) int64 { return int64(t.Year()) })},
	"month(a, zone)":             {"month(at)", ofTimes(func(t time.Time) int64 { return int64(t.Month()) })},
	"day(a, zone)":               {"day(at)", ofTimes(func(t time.Time) int64 { return int64(t.Day()) })},
	"hour(a, zone)":              {"hour(at, 'Europe/Lisbon')", ofTimes(func(t time.Time) int64 { return int64(t.In(lisbon).Hour()) })},
	"minute(a, zone)":            {"minute(at)", ofTimes(func(t time.Time) int64 { return int64(t.Minute()) })},
	"second(a, zone)":            {"second(at)", ofTimes(func(t time.Time) int64 { return int64(t.Second()) })},
	"millisecond(a, zone)":       {"millisecond(at)", ofTimes(func(t time.Time) int64 { return int64(t.Nanosecond()) / 1_000_000 })},
	"microsecond(a, zone)":       {"microsecond(at)", ofTimes(func(t time.Time) int64 { return int64(t.Nanosecond()) / 1000 })},
	"quarter(a, zone)":           {"quarter(at)", ofTimes(func(t time.Time) int64 { return int64(t.Month()+2) / 3 })},
	"dayOfWeek(a, zone)":         {"dayOfWeek(at)", ofTimes(func(t time.Time) int64 { return int64(t.Weekday()) })},
	"dayOfYear(a, zone)":         {"dayOfYear(at)", ofTimes(func(t time.Time) int64 { return int64(t.YearDay()) })},
	"week(a, zone)":              {"week(at)", ofTimes(func(t time.Time) int64 { _, w := t.ISOWeek(); return int64(w) })},
	"truncate(a, unit, zone)": {"truncate(at, 'month')", ofTimes(func(t time.Time) int64 {
		return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC).UnixMicro()
	})},
	"add(a, n, unit, zone)":        {"add(at, 1, 'month')", ofTimes(func(t time.Time) int64 { return t.AddDate(0, 1, 0).UnixMicro() })},
	"difference(a, b, unit, zone)": {"difference(at, timestamp('2020-01-01T00:00:00Z'), 'day')", ofTimes(func(t time.Time) int64 { return int64(time.Until(t) / (24 * time.Hour)) })},
	"total(a, unit)":               {"total(at - timestamp('2020-01-01T00:00:00Z'), 'hour')", ofFloats(func(x float64) float64 { return (x - 5) / 3.6e9 })},
	"toUnix(a, unit)":              {"toUnix(at, 'second')", ofInts(func(x int64) int64 { return x / 1_000_000 })},
	"fromUnix(n, unit)":            {"fromUnix(visits, 'hour')", ofInts(func(x int64) int64 { return x * 3_600_000_000 })},
	"format(a, layout, zone)": {"format(at, '%Y-%m-%d')", func(c *benchColumns) {
		for i, x := range c.at {
			c.texts[i] = time.UnixMicro(x).UTC().Format("2006-01-02")
		}
	}},
	"parse(a, layout, zone)":     {"parse(format(at, '%Y-%m-%d'), '%Y-%m-%d')", toInts(func(string) int64 { t, _ := time.Parse("2006-01-02", "2001-02-03"); return t.UnixMicro() })},
	"try_parse(a, layout, zone)": {"try_parse(format(at, '%Y-%m-%d'), '%Y-%m-%d')", toInts(func(string) int64 { t, _ := time.Parse("2006-01-02", "2001-02-03"); return t.UnixMicro() })},
	"bitAnd(a, b)":               {"bitAnd(visits, 7)", ofInts(func(x int64) int64 { return x & 7 })},
	"bitOr(a, b)":                {"bitOr(visits, 7)", ofInts(func(x int64) int64 { return x | 7 })},
	"bitXor(a, b)":               {"bitXor(visits, 7)", ofInts(func(x int64) int64 { return x ^ 7 })},
	"bitNot(a)":                  {"bitNot(visits)", ofInts(func(x int64) int64 { return ^x })},
	"bitCount(a)":                {"bitCount(visits)", ofInts(func(x int64) int64 { return int64(bits.OnesCount64(uint64(x))) })},
	"shiftLeft(a, n)":            {"shiftLeft(visits, 3)", ofInts(func(x int64) int64 { return x << 3 })},
	"shiftRight(a, n)":           {"shiftRight(visits, 3)", ofInts(func(x int64) int64 { return x >> 3 })},
	"sha256(a)":                  {"sha256(email)", ofTexts(func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:]) })},
	"md5(a)":                     {"md5(email)", ofTexts(func(s string) string { h := md5.Sum([]byte(s)); return hex.EncodeToString(h[:]) })},
	"xxh64(a)":                   {"xxh64(email)", toInts(func(s string) int64 { return int64(xxhash.Sum64String(s)) })},
	"crc32(a)":                   {"crc32(email)", toInts(func(s string) int64 { return int64(crc32.ChecksumIEEE([]byte(s))) })},
	"a.b":                        {"place.n", ofInts(func(x int64) int64 { return x })},
	"a[i]":                       {"scores[1]", ofInts(func(x int64) int64 { return x })},
	"exists(a, x, p)": {"scores.exists(x, x > 900)", func(c *benchColumns) {
		values := c.list.ListValues().(*array.Int64)
		for i := range c.bools {
			from, to := c.list.ValueOffsets(i)
			c.bools[i] = false
			for _, x := range values.Int64Values()[from:to] {
				if x > 900 {
					c.bools[i] = true
					break
				}
			}
		}
	}},
	"all(a, x, p)": {"scores.all(x, x > 100)", func(c *benchColumns) {
		values := c.list.ListValues().(*array.Int64)
		for i := range c.bools {
			from, to := c.list.ValueOffsets(i)
			c.bools[i] = true
			for _, x := range values.Int64Values()[from:to] {
				if x <= 100 {
					c.bools[i] = false
					break
				}
			}
		}
	}},
	"split(a, separator)": {"size(split(email, '.'))", asks(func(s string) bool { return len(strings.Split(s, ".")) > 2 })},
	"rowNumber()":         {"rowNumber()", ofInts(func(x int64) int64 { return x })},
	"uuid()":              {"uuid()", ofTexts(func(s string) string { h := sha256.Sum256([]byte(s)); return hex.EncodeToString(h[:16]) })},
}

// formsOf are the forms of all functions, from the headings of the reference page.
func formsOf() (forms []string) {
	for line := range strings.Lines(expr.Reference()) {
		if form, ok := strings.CutPrefix(line, "### `"); ok {
			forms = append(forms, strings.TrimSuffix(strings.TrimSpace(form), "`"))
		}
	}
	return forms
}

func TestEveryFunctionIsMeasured(t *testing.T) {
	batch := functionBatch()
	defer batch.Release()
	require.Len(t, functionBenches, len(formsOf()))
	for _, form := range formsOf() {
		b, ok := functionBenches[form]
		require.True(t, ok, "%s has no benchmark", form)
		compile(t, b.src, batch.Schema())
	}
}

// functionBatch is benchBatch with a struct, a list, a decimal and a map.
func functionBatch() arrow.RecordBatch {
	base := benchBatch(memory.DefaultAllocator)
	defer base.Release()
	place := arrow.StructOf(arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64})
	list := array.NewListBuilder(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64)
	defer list.Release()
	scores := list.ValueBuilder().(*array.Int64Builder)
	visits := base.Column(0).(*array.Int64)
	for i := range visits.Len() {
		list.Append(true)
		for j := range 4 {
			scores.Append(visits.Value((i + j) % visits.Len()))
		}
	}
	lists := list.NewArray()
	defer lists.Release()
	data := array.NewData(place, visits.Len(), []*memory.Buffer{nil}, []arrow.ArrayData{visits.Data()}, 0, 0)
	defer data.Release()
	structs := array.MakeFromData(data)
	defer structs.Release()
	money := &arrow.Decimal128Type{Precision: 10, Scale: 2}
	costs := array.NewDecimal128Builder(memory.DefaultAllocator, money)
	defer costs.Release()
	maps := array.NewMapBuilder(memory.DefaultAllocator, arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64, false)
	defer maps.Release()
	for i := range visits.Len() {
		costs.Append(decimal128.FromI64(visits.Value(i) * 101))
		maps.Append(true)
		for j := range 4 {
			maps.KeyBuilder().(*array.StringBuilder).Append(strconv.Itoa((i + j) % 8))
			maps.ItemBuilder().(*array.Int64Builder).Append(visits.Value(i))
		}
	}
	cost, labels := costs.NewArray(), maps.NewArray()
	defer cost.Release()
	defer labels.Release()
	fields := append(
		base.Schema().Fields(), arrow.Field{Name: "place", Type: place}, arrow.Field{Name: "scores", Type: lists.DataType()},
		arrow.Field{Name: "cost", Type: money}, arrow.Field{Name: "labels", Type: labels.DataType()},
	)
	return array.NewRecordBatch(arrow.NewSchema(fields, nil), append(base.Columns()[:base.NumCols():base.NumCols()], structs, lists, cost, labels), base.NumRows())
}

// newBenchColumns are the columns of a functionBatch.
func newBenchColumns(batch arrow.RecordBatch) *benchColumns {
	n := int(batch.NumRows())
	c := &benchColumns{
		visits: batch.Column(0).(*array.Int64).Int64Values(), amount: batch.Column(2).(*array.Float64).Float64Values(),
		list: batch.Column(12).(*array.List), labels: batch.Column(14).(*array.Map),
		ints: make([]int64, n), floats: make([]float64, n), bools: make([]bool, n), texts: make([]string, n), decimals: make([]decimal128.Num, n),
	}
	for i := range n {
		c.at = append(c.at, int64(batch.Column(9).(*array.Timestamp).Value(i)))
		c.active = append(c.active, batch.Column(8).(*array.Boolean).Value(i))
		c.email = append(c.email, batch.Column(4).(*array.String).Value(i))
		c.digits = append(c.digits, batch.Column(7).(*array.String).Value(i))
	}
	return c
}

// beside reports how many nanoseconds an expression takes a row, and how many times those
// of a plain loop that is; nil: there is none.
func beside(b *testing.B, src string, batch arrow.RecordBatch, plain plainLoop, c *benchColumns) {
	b.Helper()
	p, err := expr.Compile(src, batch.Schema())
	require.NoError(b, err)
	ctx, rows := expr.WithRows(b.Context(), &expr.Rows{File: "file"}), float64(batch.NumRows())
	begin := time.Now()
	const rounds = 3
	for range rounds {
		if plain != nil {
			plain(c)
		}
	}
	loop := float64(time.Since(begin).Nanoseconds()) / rounds / rows
	for b.Loop() {
		a, _, err := p.Eval(ctx, memory.DefaultAllocator, batch)
		require.NoError(b, err)
		a.Release()
	}
	ours := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / rows
	b.ReportMetric(ours, "ns/row")
	if plain != nil {
		b.ReportMetric(ours/loop, "x-loop")
	}
}

// BenchmarkFunctions reports, for each function, nanoseconds a row and how many times those
// of the plain loop that is.
func BenchmarkFunctions(b *testing.B) {
	batch := functionBatch()
	defer batch.Release()
	c := newBenchColumns(batch)
	for _, form := range formsOf() {
		f := functionBenches[form]
		b.Run(form, func(b *testing.B) { beside(b, f.src, batch, f.plain, c) })
	}
}

// elementLoops are the plain loops of those of BenchmarkKinds that go through elements.
var elementLoops = map[string]plainLoop{
	"visits in scores": func(c *benchColumns) {
		scores := c.list.ListValues().(*array.Int64).Int64Values()
		for i, x := range c.visits {
			from, to := c.list.ValueOffsets(i)
			c.bools[i] = slices.Contains(scores[from:to], x)
		}
	},
	"'3' in labels": func(c *benchColumns) {
		for i := range c.visits {
			c.bools[i] = keyOf(c.labels, i, "3") >= 0
		}
	},
	"labels['3']": func(c *benchColumns) {
		values := c.labels.Items().(*array.Int64).Int64Values()
		for i := range c.visits {
			if at := keyOf(c.labels, i, "3"); at >= 0 {
				c.ints[i] = values[at]
			}
		}
	},
}

// keyOf is where a map of row i has its last entry of a key, -1 if nowhere.
func keyOf(m *array.Map, i int, key string) int {
	keys := m.Keys().(*array.String)
	from, to := m.ValueOffsets(i)
	for at := int(to) - 1; at >= int(from); at-- {
		if keys.Value(at) == key {
			return at
		}
	}
	return -1
}

// BenchmarkKinds is of functions with operands of other kinds than BenchmarkFunctions has:
// decimals, and lists and maps of which not all is constant.
func BenchmarkKinds(b *testing.B) {
	batch := functionBatch()
	defer batch.Release()
	c := newBenchColumns(batch)
	for _, src := range []string{
		"cost + 1", "cost * cost", "cost / 3", "cost % 7", "-cost", "cost > 20", "cost > 20.5", "round(cost, 1)", "round(cost, -1)", "trunc(cost)", "sign(cost)", "sqrt(cost)",
		"min(cost, 500)", "coalesce(cost, 0)", "active ? cost : 0", "cost in [1, 2, 3]", "cost in [cost, 3]",
		"visits in [7, visits, 3]", "visits in [amount, 3]", "visits in scores", "'3' in labels", "labels['3']", "round(visits, -2)",
	} {
		b.Run(src, func(b *testing.B) { beside(b, src, batch, elementLoops[src], c) })
	}
}
