package expr_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
)

func TestCanSkip(t *testing.T) {
	day := func(d int) time.Time { return time.Date(2001, 1, d, 0, 0, 0, 0, time.UTC) }
	group := map[string]expr.Stats{
		"i64":     {Min: int64(10), Max: int64(20), Rows: 100, Exact: true},
		"i8":      {Min: int64(0), Max: int64(0), Nulls: 40, Rows: 100, Exact: true},
		"f64":     {Min: 1.0, Max: 2.0, Rows: 100, Exact: true},
		"f32":     {Min: math.NaN(), Max: 2.0, Rows: 100, Exact: true},
		"s":       {Min: "b", Max: "d", Rows: 100, Exact: true},
		"large":   {Nulls: 100, Rows: 100, Exact: true},
		"b":       {Min: false, Max: false, Rows: 100, Exact: true},
		"us":      {Min: day(5), Max: day(9), Rows: 100, Exact: true},
		"ms":      {Min: day(5), Max: day(9), Rows: 100, Exact: true},
		"sec":     {Rows: 100, Exact: true},
		"u64":     {Min: uint64(1), Max: uint64(math.MaxUint64), Rows: 100, Exact: true},
		"u32":     {Min: "wrong", Max: "type", Rows: 100, Exact: true},
		"u16":     {Min: int64(5), Max: int64(5), Rows: 100},
		"u8":      {Min: int64(9), Max: int64(3), Rows: 100, Exact: true},
		"i16":     {Min: int64(1), Max: int64(3), Nulls: -1, Rows: 100, Exact: true},
		"span_us": {Min: time.Hour, Max: 2 * time.Hour, Rows: 100, Exact: true},
	}
	stats := func(column string) (expr.Stats, bool) { s, ok := group[column]; return s, ok }
	for _, c := range []struct {
		src  string
		skip bool
	}{
		{"i64 > 20", true},
		{"i64 >= 20", false},
		{"i64 < 10", true},
		{"i64 <= 10", false},
		{"i64 == 21", true},
		{"i64 == 15", false},
		{"i64 != 15", false},
		{"i8 != 0", true}, // one value, or null
		{"21 < i64", true},
		{"i64 > 20.5", true},
		{"i64 in [1, 2, 30]", true},
		{"i64 in [1, 15]", false},
		{"i64 in [9.5, 20.5]", true},
		{"!(i64 <= 20)", true},
		{"i64 > 20 && f64 > 1.5", true},
		{"f64 > 1.5 && i64 > 20", true},
		{"i64 > 20 || f64 > 1.5", false},
		{"i64 > 20 || f64 > 2.5", true},
		{"i64 > 20 ? true : f64 > 3.0", true},
		// nulls
		{"isNull(i64)", true},
		{"isNull(i8)", false},
		{"isNull(i16)", false}, // not known
		{"!isNull(large)", true},
		{"large == 'x'", true},
		{"large != 'x'", true},
		{"coalesce(i64, 99) > 50", true},
		{"coalesce(i8, 99) > 50", false},
		// NaN may be where the bounds do not say
		{"f64 > 2.0", true},
		{"f64 != 1.5", false},
		{"!(f64 <= 2.0)", false},
		{"f32 > 2.0", false},
		// text, bools, time
		{"s < 'b'", true},
		{"s == 'abc'", true},
		{"s.startsWith('a')", true},
		{"s.startsWith('da')", true},
		{"s.startsWith('c')", false},
		{"s.startsWith('d')", false},
		{"b", true},
		{"!b", false},
		{"us > timestamp('2001-01-09T00:00:00Z')", true},
		{"us >= timestamp('2001-01-09T00:00:00Z')", false},
		{"ms < timestamp('2001-01-05T00:00:00Z')", true},
		{"year(us) == 2002", true},
		{"year(us) == 2001", false},
		{"span_us > duration('3h')", true},
		// arithmetic
		{"i64 + 5 > 25", true},
		{"i64 * 2.0 > 40.0", true},
		{"abs(-i64) < 10", true},
		{"max(i64, 5) > 20", true},
		// what can fail must be seen
		{"i64 > 20 && 1 / i8 > 1.0", true}, // never made
		{"1 / i8 > 1.0 && i64 > 20", false},
		{"1 / i64 > 1.0 && i64 > 20", true}, // the divisor is not zero here
		{"i64 + 9223372036854775800 > 0 && i64 > 20", false},
		{"i8 > 5 && int(s) > 1", false}, // i8 is null in some rows: the cast is made there
		{"i64 > 20 && int(s) > 1", true},
		{"sec < timestamp('1900-01-01T00:00:00Z') && i64 > 20", false}, // seconds that may not fit
		{"u64 > 5 && i64 > 20", false},
		// statistics of no use
		{"d32 > timestamp('2100-01-01T00:00:00Z')", false},
		{"u32 > 100000", false},
		{"u16 > 100", false},
		{"u8 > 200", false},
		{"sec > timestamp('2100-01-01T00:00:00Z')", false},
		// always
		{"false", true},
		{"true", false},
	} {
		t.Run(c.src, func(t *testing.T) {
			require.Equal(t, c.skip, compile(t, c.src, testSchema()).CanSkip(stats))
		})
	}
	require.False(t, compile(t, "i64 + 1", testSchema()).CanSkip(stats), "not a filter")
	require.False(t, compile(t, "i64 > 20", testSchema()).CanSkip(func(string) (expr.Stats, bool) { return expr.Stats{}, false }))
}
