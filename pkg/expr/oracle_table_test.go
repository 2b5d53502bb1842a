package expr_test

import (
	"crypto/md5"
	"crypto/sha256"
	"fmt"
	"hash/crc32"
	"math"
	"math/big"
	"math/bits"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/levada-data/levada/pkg/expr"
)

// meaning is what a function means for one row: the kinds of its operands, where one in
// quotes is a constant to be drawn from, and a naive evaluator. The values of rows are
// never null here: all of these functions are strict.
type meaning struct {
	form   string // for Sprintf: a verb for each operand that is not constant
	args   []string
	result string
	eval   func(v []any) (any, error)
}

// constants are operands that a function wants constant.
var (
	unitNames  = []string{"microsecond", "millisecond", "second", "minute", "hour", "day", "week", "month", "quarter", "year"}
	zoneNames  = []string{"UTC", "Europe/Lisbon", "America/New_York", "Asia/Kolkata", "Pacific/Apia", "Australia/Lord_Howe", "+05:45", "-0330"}
	layoutList = []string{"%Y-%m-%d", "%Y-%m-%d %H:%M:%S.%f", "%d/%m/%y", "%b %d %Y", "%A, %-d %B %Y %I:%M %p", "%Y%j", "%FT%T%z", "all %% %Y", "%-m/%-d/%Y %-H:%-M:%-S"}
)

var (
	minute = int64(time.Minute / time.Microsecond)
	day    = 24 * 60 * minute
)

func micros(unit string) int64 {
	return map[string]int64{"microsecond": 1, "millisecond": 1000, "second": 1e6, "minute": minute, "hour": 60 * minute, "day": day, "week": 7 * day}[unit]
}

var locations sync.Map

func location(name string) *time.Location {
	l, ok := locations.Load(name)
	if !ok {
		l, _ = locations.LoadOrStore(name, loadLocation(name))
	}
	return l.(*time.Location)
}

func loadLocation(name string) *time.Location {
	if name[0] == '+' || name[0] == '-' {
		t, err := time.Parse("-0700", strings.ReplaceAll(name, ":", ""))
		if err != nil {
			panic(err)
		}
		_, seconds := t.Zone()
		return time.FixedZone(name, seconds)
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		panic(err)
	}
	return l
}

// inZone is the time there; an error where its clocks do not fit.
func inZone(t int64, zone string) (time.Time, error) {
	there := time.UnixMicro(t).In(location(zone))
	_, seconds := there.Zone()
	_, err := exact((*big.Int).Add, t, int64(seconds)*1_000_000)
	return there, err
}

// wall is the instant at which clocks show so: the earlier of two, and in a gap as if it
// were not there. Searched among all instants of a day before and after.
func wall(year int, month time.Month, dayOf, h, m, s, nanos int, zone string) (int64, error) {
	l := location(zone)
	utc := time.Date(year, month, dayOf, h, m, s, nanos, time.UTC)
	if zone == "UTC" {
		return micro(utc)
	}
	// A day and more before, the clocks' offset is that before the change, if there is one.
	_, before := utc.Add(-24 * time.Hour).In(l).Zone()
	_, after := utc.Add(24 * time.Hour).In(l).Zone()
	for _, offset := range []int{before, after} {
		at := utc.Add(-time.Duration(offset) * time.Second)
		if _, here := at.In(l).Zone(); here == offset {
			return micro(at)
		}
	}
	return micro(utc.Add(-time.Duration(before) * time.Second))
}

// micro is a time in microseconds, if it fits.
func micro(t time.Time) (int64, error) {
	x := new(big.Int).Mul(big.NewInt(t.Unix()), big.NewInt(1_000_000))
	return fits(x.Add(x, big.NewInt(int64(t.Nanosecond()/1000))))
}

func truncated(t int64, unit, zone string) (any, error) {
	there, err := inZone(t, zone)
	if err != nil {
		return nil, err
	}
	y, m, d := there.Date()
	var at int64
	switch unit {
	case "year":
		at, err = wall(y, 1, 1, 0, 0, 0, 0, zone)
	case "quarter":
		at, err = wall(y, (m-1)/3*3+1, 1, 0, 0, 0, 0, zone)
	case "month":
		at, err = wall(y, m, 1, 0, 0, 0, 0, zone)
	case "week":
		at, err = wall(y, m, d-(int(there.Weekday())+6)%7, 0, 0, 0, 0, zone)
	case "day":
		at, err = wall(y, m, d, 0, 0, 0, 0, zone)
	default:
		within := int64(there.Hour())*60*minute + int64(there.Minute())*minute + int64(there.Second())*1e6 + int64(there.Nanosecond()/1000)
		at, err = exact((*big.Int).Sub, t, within%micros(unit))
	}
	return instant(at), err
}

func added(t, n int64, unit, zone string) (any, error) {
	if unit != "month" && unit != "quarter" && unit != "year" {
		move, err := exact((*big.Int).Mul, n, micros(unit))
		if err != nil {
			return nil, err
		}
		if micros(unit) < day {
			x, err := exact((*big.Int).Add, t, move)
			return instant(x), err
		}
	}
	there, err := inZone(t, zone)
	if err != nil {
		return nil, err
	}
	y, m, d := there.Date()
	h, mi, s := there.Clock()
	var at int64
	if micros(unit) > 0 {
		days := n * micros(unit) / day
		if days > 4e8 || days < -4e8 {
			return nil, expr.ErrOverflow
		}
		at, err = wall(y, m, d+int(days), h, mi, s, there.Nanosecond(), zone)
	} else {
		months := map[string]int64{"month": 1, "quarter": 3, "year": 12}[unit]
		if n > 1e8 || n < -1e8 {
			return nil, expr.ErrOverflow
		}
		first := time.Date(y, m+time.Month(n*months), 1, 0, 0, 0, 0, time.UTC)
		last := first.AddDate(0, 1, -1).Day()
		at, err = wall(first.Year(), first.Month(), min(d, last), h, mi, s, there.Nanosecond(), zone)
	}
	return instant(at), err
}

func differing(a, b int64, unit, zone string) (any, error) {
	between, err := exact((*big.Int).Sub, b, a)
	if err != nil {
		return nil, err
	}
	if micros(unit) > 0 && micros(unit) < day {
		return between / micros(unit), nil
	}
	from, err := inZone(a, zone)
	if err != nil {
		return nil, err
	}
	to, err := inZone(b, zone)
	if err != nil {
		return nil, err
	}
	local := func(t time.Time) int64 {
		_, seconds := t.Zone()
		return t.UnixMicro() + int64(seconds)*1_000_000
	}
	between, err = exact((*big.Int).Sub, local(to), local(from))
	if err != nil {
		return nil, err
	}
	if micros(unit) > 0 {
		return between / micros(unit), nil
	}
	sign := int64(1)
	if between < 0 {
		from, to, sign = to, from, -1
	}
	// The most months that can be added to from, one by one from a safe distance.
	months := int64(to.Year()-from.Year())*12 + int64(to.Month()) - int64(from.Month()) + 1
	end := time.UnixMicro(local(to)).UTC()
	for {
		y, m, d := from.Date()
		first := time.Date(y, m+time.Month(months), 1, 0, 0, 0, 0, time.UTC)
		h, mi, s := from.Clock()
		reached := time.Date(first.Year(), first.Month(), min(d, first.AddDate(0, 1, -1).Day()), h, mi, s, from.Nanosecond(), time.UTC)
		if !reached.After(end) {
			break
		}
		months--
	}
	return sign * (months / map[string]int64{"month": 1, "quarter": 3, "year": 12}[unit]), nil
}

// goLayout is a layout of ours as one of package time.
var goLayout = strings.NewReplacer("%F", "2006-01-02", "%T", "15:04:05", "%Y", "2006", "%y", "06", "%m", "01", "%d", "02", "%b", "Jan", "%B", "January", "%A", "Monday",
	"%a", "Mon", "%H", "15", "%I", "03", "%p", "PM", "%M", "04", "%S.%f", "05.000000", "%S", "05", "%z", "\x02", "%j", "002", "%-m", "1", "%-d", "2", "%-M", "4", "%-S", "5", "%-H", "\x01", "%%", "%")

func formattedAs(t int64, layout, zone string) (any, error) {
	there, err := inZone(t, zone)
	if err != nil {
		return nil, err
	}
	if there.Year() < 0 || there.Year() > 9999 {
		return nil, expr.ErrCast
	}
	s := strings.ReplaceAll(there.Format(goLayout.Replace(layout)), "\x01", strconv.Itoa(there.Hour()))
	offset := there.Format("-07:00:00")
	if seconds, none := strings.CutSuffix(offset, ":00"); none {
		offset = seconds
	}
	return strings.ReplaceAll(s, "\x02", offset), nil
}

func textOf(v any) string { return v.(string) }

func mathOf(fn func(float64) float64) func(v []any) (any, error) {
	return func(v []any) (any, error) { return fn(as("double", v[0]).(float64)), nil }
}

// lenient makes the meaning of a try_ form of that of a cast.
func lenient(m meaning) meaning {
	strict := m.eval
	m.form = "try_" + m.form
	m.eval = func(v []any) (any, error) {
		x, err := strict(v)
		if err != nil {
			return nil, nil //nolint:nilerr // that is what it is for
		}
		return x, nil
	}
	return m
}

func partMeaning(name string, of func(time.Time) int) meaning {
	return meaning{name + "(%s, %s)", []string{"timestamp", "zone"}, "int", func(v []any) (any, error) {
		t, err := inZone(int64(v[0].(instant)), textOf(v[1]))
		return int64(of(t)), err
	}}
}

// long fails texts that grow too long.
func long(s string) (any, error) {
	if len(s) > expr.MaxStringBytes {
		return nil, expr.ErrTooLong
	}
	return s, nil
}

func padded(s string, n int64, fill string, start bool) (any, error) {
	missing := n - int64(len(runesOf(s)))
	if missing <= 0 || fill == "" {
		return s, nil
	}
	if missing > expr.MaxStringBytes {
		return nil, expr.ErrTooLong
	}
	runes := runesOf(fill)
	var b strings.Builder
	for i := range missing {
		b.WriteString(runes[i%int64(len(runes))])
	}
	if start {
		return long(b.String() + s)
	}
	return long(s + b.String())
}

func meanings() []meaning {
	str, i, d, ts := "string", "int", "double", "timestamp"
	ints := func(form string, op func(a, b int64) (int64, error)) meaning {
		return meaning{form, []string{i, i}, i, func(v []any) (any, error) { return op(v[0].(int64), v[1].(int64)) }}
	}
	hash := func(form, kind string, result any, of func(s string) any) meaning {
		return meaning{form, []string{kind}, map[bool]string{true: str, false: i}[result == ""], func(v []any) (any, error) {
			if b, ok := v[0].(blob); ok {
				return of(string(b)), nil
			}
			return of(textOf(v[0])), nil
		}}
	}
	all := []meaning{
		{"trunc(%s)", []string{d}, d, mathOf(math.Trunc)},
		{"trunc(%s)", []string{i}, i, func(v []any) (any, error) { return v[0], nil }},
		{"floor(%s)", []string{i}, i, func(v []any) (any, error) { return v[0], nil }},
		{"ceil(%s)", []string{i}, i, func(v []any) (any, error) { return v[0], nil }},
		{"sqrt(%s)", []string{d}, d, mathOf(math.Sqrt)},
		{"sqrt(%s)", []string{i}, d, mathOf(math.Sqrt)},
		{"exp(%s)", []string{d}, d, mathOf(math.Exp)},
		{"log(%s)", []string{d}, d, mathOf(math.Log)},
		{"log2(%s)", []string{d}, d, mathOf(math.Log2)},
		{"log10(%s)", []string{d}, d, mathOf(math.Log10)},
		{"pow(%s, %s)", []string{d, i}, d, func(v []any) (any, error) { return math.Pow(v[0].(float64), as("double", v[1]).(float64)), nil }},
		{"pow(%s, %s)", []string{d, d}, d, func(v []any) (any, error) { return math.Pow(v[0].(float64), v[1].(float64)), nil }},
		{"sign(%s)", []string{i}, i, func(v []any) (any, error) { return int64(big.NewInt(v[0].(int64)).Sign()), nil }},
		{"sign(%s)", []string{d}, d, mathOf(func(x float64) float64 {
			if math.IsNaN(x) {
				return x
			}
			return float64(new(big.Float).SetFloat64(x).Sign())
		})},
		{"isNaN(%s)", []string{d}, "bool", func(v []any) (any, error) { return math.IsNaN(v[0].(float64)), nil }},
		{"round(%s, 0)", []string{d}, d, mathOf(math.Round)},
		{"round(%s, 2)", []string{d}, d, mathOf(func(x float64) float64 {
			if math.IsInf(x*100, 0) {
				return x
			}
			return math.Round(x*100) / 100
		})},
		{"round(%s, -1)", []string{d}, d, mathOf(func(x float64) float64 { return math.Round(x/10) * 10 })},
		{"round(%s, 5000000000)", []string{d}, d, mathOf(func(x float64) float64 { return x })},
		{"round(%s, %s)", []string{i, "digits"}, i, func(v []any) (any, error) {
			n := v[1].(int64)
			if n >= 0 {
				return v[0], nil
			}
			ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(-max(n, -100)), nil)
			x, _ := rounded(new(big.Rat).SetFrac(big.NewInt(v[0].(int64)), ten), 100, 0, nil)
			return fits(new(big.Int).Mul(x.(dec).rat().Num(), ten))
		}},
		{"round(%s, -400)", []string{d}, d, mathOf(func(x float64) float64 {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return x
			}
			return 0
		})},

		ints("bitAnd(%s, %s)", func(a, b int64) (int64, error) { return new(big.Int).And(big.NewInt(a), big.NewInt(b)).Int64(), nil }),
		ints("bitOr(%s, %s)", func(a, b int64) (int64, error) { return new(big.Int).Or(big.NewInt(a), big.NewInt(b)).Int64(), nil }),
		ints("bitXor(%s, %s)", func(a, b int64) (int64, error) { return new(big.Int).Xor(big.NewInt(a), big.NewInt(b)).Int64(), nil }),
		{"bitNot(%s)", []string{i}, i, func(v []any) (any, error) { return -1 - v[0].(int64), nil }},
		{"bitCount(%s)", []string{i}, i, func(v []any) (any, error) { return int64(bits.OnesCount64(uint64(v[0].(int64)))), nil }},
		ints("shiftLeft(%s, %s)", func(a, n int64) (int64, error) {
			if n < 0 {
				return 0, expr.ErrArgument
			}
			x := new(big.Int).Lsh(big.NewInt(a), uint(min(n, 64)))
			return int64(x.And(x, new(big.Int).SetUint64(math.MaxUint64)).Uint64()), nil
		}),
		ints("shiftRight(%s, %s)", func(a, n int64) (int64, error) {
			if n < 0 {
				return 0, expr.ErrArgument
			}
			return new(big.Int).Rsh(big.NewInt(a), uint(min(n, 64))).Int64(), nil
		}),

		{"trimStart(%s)", []string{str}, str, func(v []any) (any, error) { return strings.TrimLeftFunc(textOf(v[0]), unicode.IsSpace), nil }},
		{"trimEnd(%s)", []string{str}, str, func(v []any) (any, error) { return strings.TrimRightFunc(textOf(v[0]), unicode.IsSpace), nil }},
		{"concat(%s, %s)", []string{str, str}, str, func(v []any) (any, error) { return textOf(v[0]) + textOf(v[1]), nil }},
		{"replace(%s, %s, %s)", []string{str, str, str}, str, func(v []any) (any, error) {
			if v[1] == "" {
				return v[0], nil
			}
			return long(strings.ReplaceAll(textOf(v[0]), textOf(v[1]), textOf(v[2])))
		}},
		{"%s.replaceMatches('[a-c]+(.)?', %s)", []string{str, str}, str, func(v []any) (any, error) {
			return long(regexp.MustCompile("[a-c]+(.)?").ReplaceAllString(textOf(v[0]), textOf(v[1])))
		}},
		{"extract(%s, '[a-c]([A-Zx.])?')", []string{str}, str, func(v []any) (any, error) {
			m := regexp.MustCompile("[a-c]([A-Zx.])?").FindStringSubmatchIndex(textOf(v[0]))
			if m == nil || m[2] < 0 {
				return nil, nil
			}
			return textOf(v[0])[m[2]:m[3]], nil
		}},
		{"extract(%s, '[0-9]+')", []string{str}, str, func(v []any) (any, error) {
			if s := regexp.MustCompile("[0-9]+").FindString(textOf(v[0])); s != "" {
				return s, nil
			}
			return nil, nil
		}},
		{"padStart(%s, %s, %s)", []string{str, "few", str}, str, func(v []any) (any, error) { return padded(textOf(v[0]), v[1].(int64), textOf(v[2]), true) }},
		{"padEnd(%s, %s, %s)", []string{str, "few", str}, str, func(v []any) (any, error) { return padded(textOf(v[0]), v[1].(int64), textOf(v[2]), false) }},
		{"padStart(%s, %s)", []string{str, "few"}, str, func(v []any) (any, error) { return padded(textOf(v[0]), v[1].(int64), " ", true) }},
		{"%s.padEnd(%s)", []string{str, "few"}, str, func(v []any) (any, error) { return padded(textOf(v[0]), v[1].(int64), " ", false) }},
		{"repeat(%s, %s)", []string{str, "few"}, str, func(v []any) (any, error) {
			n := v[1].(int64)
			if n <= 0 || v[0] == "" {
				return "", nil
			}
			if n > expr.MaxStringBytes {
				return nil, expr.ErrTooLong
			}
			return long(strings.Repeat(textOf(v[0]), int(n)))
		}},
		{"reverse(%s)", []string{str}, str, func(v []any) (any, error) {
			var s string
			for _, r := range runesOf(textOf(v[0])) {
				s = r + s
			}
			return s, nil
		}},
		{"indexOf(%s, %s)", []string{str, str}, i, func(v []any) (any, error) {
			before, _, found := strings.Cut(textOf(v[0]), textOf(v[1]))
			if !found {
				return int64(-1), nil
			}
			return int64(utf8.RuneCountInString(before)), nil
		}},
		{"splitPart(%s, %s, %s)", []string{str, str, "few"}, str, func(v []any) (any, error) {
			parts := []string{textOf(v[0])}
			if v[1] != "" {
				parts = strings.Split(textOf(v[0]), textOf(v[1]))
			}
			n := v[2].(int64)
			if n < 0 {
				n += int64(len(parts))
			}
			if n < 0 || n >= int64(len(parts)) {
				return "", nil
			}
			return parts[n], nil
		}},

		{"difference(%s, %s, %s, %s)", []string{ts, ts, "unit", "zone"}, i, func(v []any) (any, error) {
			return differing(int64(v[0].(instant)), int64(v[1].(instant)), textOf(v[2]), textOf(v[3]))
		}},
		{"difference(%s, %s, %s)", []string{ts, ts, "unit"}, i, func(v []any) (any, error) {
			return differing(int64(v[0].(instant)), int64(v[1].(instant)), textOf(v[2]), "UTC")
		}},
		{"truncate(%s, %s, %s)", []string{ts, "unit", "zone"}, ts, func(v []any) (any, error) {
			return truncated(int64(v[0].(instant)), textOf(v[1]), textOf(v[2]))
		}},
		{"truncate(%s, %s)", []string{ts, "unit"}, ts, func(v []any) (any, error) {
			return truncated(int64(v[0].(instant)), textOf(v[1]), "UTC")
		}},
		{"add(%s, %s, %s, %s)", []string{ts, i, "unit", "zone"}, ts, func(v []any) (any, error) {
			return added(int64(v[0].(instant)), v[1].(int64), textOf(v[2]), textOf(v[3]))
		}},
		{"add(%s, %s, %s)", []string{ts, "few", "unit"}, ts, func(v []any) (any, error) {
			return added(int64(v[0].(instant)), v[1].(int64), textOf(v[2]), "UTC")
		}},
		{"total(%s, %s)", []string{"duration", "fixed"}, d, func(v []any) (any, error) {
			return float64(v[0].(span)) / float64(micros(textOf(v[1]))), nil
		}},
		{"toUnix(%s, %s)", []string{ts, "fixed"}, i, func(v []any) (any, error) {
			x := new(big.Int)
			x.Div(big.NewInt(int64(v[0].(instant))), big.NewInt(micros(textOf(v[1])))) // Euclid: down, for a positive divisor
			return x.Int64(), nil
		}},
		{"fromUnix(%s, %s)", []string{i, "fixed"}, ts, func(v []any) (any, error) {
			x, err := exact((*big.Int).Mul, v[0].(int64), micros(textOf(v[1])))
			return instant(x), err
		}},
		{"format(%s, %s, %s)", []string{ts, "layout", "zone"}, str, func(v []any) (any, error) {
			return formattedAs(int64(v[0].(instant)), textOf(v[1]), textOf(v[2]))
		}},
		{"format(%s, %s)", []string{ts, "layout"}, str, func(v []any) (any, error) {
			return formattedAs(int64(v[0].(instant)), textOf(v[1]), "UTC")
		}},
		// What has been written is read again: the two are each other's oracle, and format has one.
		{"parse(format(%s, '%%Y-%%m-%%d %%H:%%M:%%S.%%f %%z', %s), '%%Y-%%m-%%d %%H:%%M:%%S.%%f %%z')", []string{ts, "zone"}, ts, func(v []any) (any, error) {
			_, err := formattedAs(int64(v[0].(instant)), "%F", textOf(v[1]))
			return v[0], err
		}},
		{"try_parse(%s, '%%Y-%%m-%%d')", []string{str}, ts, func(v []any) (any, error) {
			var y, m, d int
			if !regexp.MustCompile(`^\d{1,4}-\d{1,2}-\d{1,2}$`).MatchString(textOf(v[0])) {
				return nil, nil
			}
			if _, err := fmt.Sscanf(textOf(v[0]), "%d-%d-%d", &y, &m, &d); err != nil {
				return nil, err
			}
			at := time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC)
			if int(at.Month()) != m || at.Day() != d {
				return nil, nil
			}
			return instant(at.UnixMicro()), nil
		}},
		{"try_parse(%s, '%%FT%%T%%z')", []string{str}, ts, func(v []any) (any, error) {
			t, err := time.Parse("2006-01-02T15:04:05Z07:00", textOf(v[0]))
			if err != nil || strings.ContainsAny(textOf(v[0]), ".,") {
				return nil, nil //nolint:nilerr // lenient
			}
			return instant(t.UnixMicro()), nil
		}},

		hash("sha256(%s)", str, "", func(s string) any { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }),
		hash("md5(%s)", str, "", func(s string) any { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }),
		hash("crc32(%s)", str, 0, func(s string) any { return int64(crc32.ChecksumIEEE([]byte(s))) }),
		hash("xxh64(%s)", str, 0, func(s string) any { return int64(naiveXXH64([]byte(s))) }),
		hash("hex(%s)", str, "", func(s string) any { return fmt.Sprintf("%x", s) }),
		hash("sha256(%s)", "bytes", "", func(s string) any { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }),
		hash("hex(%s)", "bytes", "", func(s string) any { return fmt.Sprintf("%x", s) }),
		hash("size(%s)", "bytes", 0, func(s string) any { return int64(len(s)) }),
		{"string(%s)", []string{"bytes"}, str, func(v []any) (any, error) {
			s := string(v[0].(blob))
			if !utf8.ValidString(s) {
				return nil, expr.ErrCast
			}
			return s, nil
		}},
		{"bytes(%s)", []string{str}, "bytes", func(v []any) (any, error) { return blob(textOf(v[0])), nil }},
		{"(%s == %s)", []string{"bytes", "bytes"}, "bool", func(v []any) (any, error) { return v[0] == v[1], nil }},
		{"max(%s, %s)", []string{"bytes", "bytes"}, "bytes", func(v []any) (any, error) { return max(v[0].(blob), v[1].(blob)), nil }},
	}
	all = append(all, partMeanings()...)
	for _, m := range castMeanings {
		all = append(all, lenient(m))
	}
	return all
}

func partMeanings() []meaning {
	return []meaning{
		partMeaning("year", time.Time.Year),
		partMeaning("month", func(t time.Time) int { return int(t.Month()) }),
		partMeaning("day", time.Time.Day),
		partMeaning("hour", time.Time.Hour),
		partMeaning("minute", time.Time.Minute),
		partMeaning("second", time.Time.Second),
		partMeaning("millisecond", func(t time.Time) int { return t.Nanosecond() / 1_000_000 }),
		partMeaning("microsecond", func(t time.Time) int { return t.Nanosecond() / 1000 }),
		partMeaning("quarter", func(t time.Time) int { return (int(t.Month())-1)/3 + 1 }),
		partMeaning("dayOfWeek", func(t time.Time) int { return (int(t.Weekday())+6)%7 + 1 }),
		partMeaning("dayOfYear", time.Time.YearDay),
		partMeaning("week", func(t time.Time) int { _, w := t.ISOWeek(); return w }),
	}
}

// castMeanings are the casts that can fail, whose lenient forms are tested here and
// strict ones by the generator of their kind.
var castMeanings = []meaning{
	{"int(%s)", []string{"double"}, "int", func(v []any) (any, error) {
		f := v[0].(float64)
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, expr.ErrCast
		}
		i, _ := big.NewFloat(f).Int(nil)
		return fits(i)
	}},
	{"int(%s)", []string{"string"}, "int", func(v []any) (any, error) { return strconv.ParseInt(textOf(v[0]), 10, 64) }},
	{"double(%s)", []string{"string"}, "double", func(v []any) (any, error) {
		s := textOf(v[0])
		if special, ok := map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}[s]; ok {
			return special, nil
		}
		if !regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$`).MatchString(s) {
			return nil, expr.ErrCast
		}
		return strconv.ParseFloat(s, 64)
	}},
	{"bool(%s)", []string{"string"}, "bool", func(v []any) (any, error) { return strconv.ParseBool(textOf(v[0])) }},
	{"string(%s)", []string{"timestamp"}, "string", func(v []any) (any, error) { return asText(v[0]) }},
	{"timestamp(%s)", []string{"int"}, "timestamp", func(v []any) (any, error) {
		x, err := exact((*big.Int).Mul, v[0].(int64), 1_000_000)
		return instant(x), err
	}},
	{"duration(%s)", []string{"string"}, "duration", func(v []any) (any, error) {
		d, err := time.ParseDuration(textOf(v[0]))
		return span(math.Floor(float64(d.Nanoseconds()) / 1000)), err
	}},
}

// naiveXXH64 is the specification of XXH64, section by section, with seed 0.
func naiveXXH64(data []byte) uint64 {
	const p1, p2, p3, p4, p5 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
	lane := func(b []byte, n int) (x uint64) {
		for i := range n {
			x |= uint64(b[i]) << (8 * i)
		}
		return x
	}
	round := func(acc, in uint64) uint64 { return bits.RotateLeft64(acc+in*p2, 31) * p1 }
	var acc uint64
	b := data
	if len(b) >= 32 {
		one, two := uint64(p1), uint64(p2)
		v := [4]uint64{one + two, two, 0, -one}
		for ; len(b) >= 32; b = b[32:] {
			for i := range v {
				v[i] = round(v[i], lane(b[8*i:], 8))
			}
		}
		acc = bits.RotateLeft64(v[0], 1) + bits.RotateLeft64(v[1], 7) + bits.RotateLeft64(v[2], 12) + bits.RotateLeft64(v[3], 18)
		for i := range v {
			acc = (acc^round(0, v[i]))*p1 + p4
		}
	} else {
		acc = p5
	}
	acc += uint64(len(data))
	for ; len(b) >= 8; b = b[8:] {
		acc = bits.RotateLeft64(acc^round(0, lane(b, 8)), 27)*p1 + p4
	}
	if len(b) >= 4 {
		acc = bits.RotateLeft64(acc^lane(b, 4)*p1, 23)*p2 + p3
		b = b[4:]
	}
	for _, c := range b {
		acc = bits.RotateLeft64(acc^uint64(c)*p5, 11) * p1
	}
	acc ^= acc >> 33
	acc *= p2
	acc ^= acc >> 29
	acc *= p3
	return acc ^ acc>>32
}
