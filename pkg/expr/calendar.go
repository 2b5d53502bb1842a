package expr

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // zones on machines, and in images, that have none

	"github.com/levada-data/levada/pkg/nearest"
)

// unit is a unit of time or of the calendar.
type unit struct {
	name   string
	micros int64 // of fixed length; 0 for those counted in months
	months int64
}

var units = []unit{
	{"microsecond", 1, 0},
	{"millisecond", 1000, 0},
	{"second", second, 0},
	{"minute", minute, 0},
	{"hour", hour, 0},
	{"day", day, 0},
	{"week", 7 * day, 0},
	{"month", 0, 1},
	{"quarter", 0, 3},
	{"year", 0, 12},
}

// timeFunctions are the functions of timestamps and durations beyond the parts.
func timeFunctions() []function {
	overflow := []error{ErrOverflow}
	const unitDoc = " The unit is a constant: microsecond, millisecond, second, minute, hour, day, week, month, quarter or year."
	const zoneDoc = " With a zone, a constant as Europe/Lisbon or +01:00, by the clocks there, else in UTC."
	t, i, s, d := kindTimestamp, kindInt, kindString, kindDuration
	// zoned makes the signatures of a function with and without a zone as its last operand.
	zoned := func(result kind, errs []error, prepare func(u unit, z zone) kernel, args ...kind) []signature {
		p := prepareUnit(prepare)
		return []signature{
			{args: args, result: result, prepare: p, errs: errs},
			{args: append(slices.Clip(args), s), result: result, prepare: p, errs: errs},
		}
	}
	return []function{
		{
			name: "truncate", form: "truncate(a, unit, zone)", in: inTime, method: true,
			doc:        "The begin of the unit in which a lies; a week begins on Monday." + unitDoc + zoneDoc,
			fails:      "when the begin does not fit 64 bits",
			signatures: zoned(t, overflow, truncateKernel, t, s),
			examples: []example{
				{`truncate(at, "month")`, `timestamp("2024-02-01T00:00:00Z")`},
				{`at.truncate("week")`, `timestamp("2024-02-26T00:00:00Z")`},
				{`truncate(at, "day", "America/New_York")`, `timestamp("2024-02-29T05:00:00Z")`},
			},
		},
		{
			name: "add", form: "add(a, n, unit, zone)", in: inTime, method: true,
			doc:        "a moved by n units. A month ends where it ends: January 31 and a month is the last day of February." + unitDoc + zoneDoc,
			fails:      "when the result does not fit 64 bits",
			signatures: zoned(t, overflow, addUnitsKernel, t, i, s),
			examples: []example{
				{`add(at, 1, "year")`, `timestamp("2025-02-28T10:30:00Z")`},
				{`at.add(-1, "month")`, `timestamp("2024-01-29T10:30:00Z")`},
				{`add(at, 40, "day", "Europe/Lisbon")`, `timestamp("2024-04-09T09:30:00Z")`},
			},
		},
		{
			name: "difference", form: "difference(a, b, unit, zone)", in: inTime,
			doc:        "How many whole units lie between a and b; negative if b comes before a." + unitDoc + zoneDoc,
			fails:      "when the time between them does not fit 64 bits",
			signatures: zoned(i, overflow, differenceKernel, t, t, s),
			examples: []example{
				{`difference(at, timestamp("2024-03-28T23:00:00Z"), "month")`, "0"},
				{`difference(timestamp("2024-01-01T00:00:00Z"), at, "day")`, "59"},
			},
		},
		{
			name: "total", form: "total(a, unit)", in: inTime, method: true,
			doc:        "The duration in units, with the fraction. The unit is a constant, and not longer than a week.",
			signatures: []signature{{args: []kind{d, s}, result: kindDouble, prepare: prepareFixed(totalKernel)}},
			examples:   []example{{`total(duration("90m"), "hour")`, "1.5"}},
		},
		{
			name: "toUnix", form: "toUnix(a, unit)", in: inTime, method: true,
			doc:        "How many whole units since 1970-01-01T00:00:00Z, rounded down. The unit is a constant, and not longer than a week.",
			signatures: []signature{{args: []kind{t, s}, result: i, prepare: prepareFixed(toUnixKernel)}},
			examples:   []example{{`toUnix(at, "millisecond")`, "1709202600000"}},
		},
		{
			name: "fromUnix", form: "fromUnix(n, unit)", in: inTime,
			doc:        "The timestamp n units after 1970-01-01T00:00:00Z. The unit is a constant, and not longer than a week.",
			fails:      "when it does not fit 64 bits",
			signatures: []signature{{args: []kind{i, s}, result: t, prepare: prepareFixed(fromUnixKernel), errs: overflow}},
			examples:   []example{{`fromUnix(1709202600000, "millisecond")`, "at"}},
		},
		formatFunction(zoneDoc), parseFunction(false, zoneDoc), parseFunction(true, zoneDoc),
	}
}

// part is the entry of a part of a timestamp.
func part(name, doc string, fn func(int64) int64, b func([]bounds) bounds, result string) function {
	return function{
		name: name, form: name + "(a, zone)", in: inTime, method: true,
		doc:   doc + " With a zone, a constant as Europe/Lisbon or +01:00, by the clocks there, else in UTC.",
		fails: "with a zone, when its clocks do not fit 64 bits",
		signatures: []signature{
			{args: []kind{kindTimestamp}, result: kindInt, kernel: partOf(fn), bounds: b},
			{args: []kind{kindTimestamp, kindString}, result: kindInt, errs: []error{ErrOverflow}, prepare: func(s *signature, args []operand) (prepared, *problem) {
				z, p := zoneOf(args[1])
				return prepared{kernel: zonedPart(fn, z), args: args[:1], errs: s.errs}, p
			}},
		},
		examples: []example{{name + "(at)", result}},
	}
}

// moreParts are the parts that other functions of the calendar need less often.
func moreParts() []function {
	return []function{
		part("millisecond", "The millisecond within the second, from 0 to 999.", func(t int64) int64 { return floorMod(t, second) / 1000 }, within(0, 999), "0"),
		part("microsecond", "The microsecond within the second, from 0 to 999999.", func(t int64) int64 { return floorMod(t, second) }, within(0, 999_999), "0"),
		part("quarter", "The quarter of the year, from 1 to 4.", func(t int64) int64 { return (monthOf(t) + 2) / 3 }, within(1, 4), "1"),
		part("dayOfWeek", "The day of the week, from 1 for Monday to 7 for Sunday.", dayOfWeek, within(1, 7), "4"),
		part("dayOfYear", "The day of the year, from 1 to 366.", dayOfYear, within(1, 366), "60"),
		part("week", "The week of the year by ISO 8601, from 1 to 53: week 1 has the first Thursday.", isoWeek, within(1, 53), "9"),
	}
}

func dayOfWeek(t int64) int64 { return floorMod(floorDiv(t, day)+3, 7) + 1 } // 1970-01-01 was a Thursday

func dayOfYear(t int64) int64 {
	days := floorDiv(t, day)
	y, _, _ := civil(days)
	return days - daysTo(y, 1, 1) + 1
}

func isoWeek(t int64) int64 {
	thursday := floorDiv(t, day) + 4 - dayOfWeek(t) // of the same week
	y, _, _ := civil(thursday)
	return (thursday-daysTo(y, 1, 1))/7 + 1
}

func isoYear(t int64) int64 {
	y, _, _ := civil(floorDiv(t, day) + 4 - dayOfWeek(t))
	return y
}

// daysTo is the number of days from 1970-01-01 to a date: days_from_civil of Howard
// Hinnant, the inverse of civil.
func daysTo(year, month, dayOfMonth int64) int64 {
	if month <= 2 {
		year--
	}
	era := floorDiv(year, 400)
	yearOfEra := year - era*400
	dayOfYear := (153*floorMod(month-3, 12)+2)/5 + dayOfMonth - 1
	dayOfEra := yearOfEra*365 + yearOfEra/4 - yearOfEra/100 + dayOfYear
	return era*146_097 + dayOfEra - 719_468
}

// lastDay is the number of days of a month.
func lastDay(year, month int64) int64 {
	next := month + 1
	if month == 12 {
		return 31
	}
	return daysTo(year, next, 1) - daysTo(year, month, 1)
}

// zone is a time zone; the zero zone is UTC.
type zone struct{ location *time.Location }

// zoneOf reads a zone, which must be constant.
func zoneOf(a operand) (zone, *problem) {
	const hint = `as in "Europe/Lisbon", "UTC" or "+01:00"`
	if a.constant == nil {
		return zone{}, &problem{at: a.at, msg: "the zone must be a constant", hint: hint}
	}
	name := a.constant.vector.strs[0]
	if seconds, ok := parseOffset(name); ok {
		return zone{time.FixedZone(name, int(seconds))}, nil
	}
	location, err := time.LoadLocation(name)
	if err != nil || name == "" || name == "Local" { // Local is another zone on each machine
		return zone{}, &problem{at: a.at, msg: fmt.Sprintf("there is no time zone %q", name), hint: hint}
	}
	if location == time.UTC {
		return zone{}, nil
	}
	return zone{location}, nil
}

// parseOffset reads Z, and hours, minutes and seconds as +01, +01:30, -0330, -00:36:45.
func parseOffset(s string) (seconds int64, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) < 3 || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	sign, colons := s[0], len(s) > 3 && s[3] == ':'
	s = s[1:]
	for i, most := range []int64{23, 59, 59} {
		n := int64(0)
		if s != "" || i == 0 {
			if i > 0 && colons {
				if s[0] != ':' {
					return 0, false
				}
				s = s[1:]
			}
			if len(s) < 2 || s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9' {
				return 0, false
			}
			n, s = int64(s[0]-'0')*10+int64(s[1]-'0'), s[2:]
		}
		if n > most {
			return 0, false
		}
		seconds = seconds*60 + n
	}
	if sign == '-' {
		seconds = -seconds
	}
	return seconds, s == ""
}

// clock gives the offsets of a zone. It remembers the period of the last one, for
// the rows of a column are often near to each other; each evaluation has its own.
type clock struct {
	zone             zone
	from, to, offset int64 // microseconds; offset holds in [from, to)
}

// at is the offset of the zone from UTC at an instant.
func (c *clock) at(t int64) int64 {
	if c.zone.location == nil {
		return 0
	}
	if t >= c.from && t < c.to {
		return c.offset
	}
	there := time.UnixMicro(t).In(c.zone.location)
	_, seconds := there.Zone()
	c.from, c.to, c.offset = math.MinInt64, math.MaxInt64, int64(seconds)*second
	begin, end := there.ZoneBounds()
	if !begin.IsZero() {
		c.from = begin.UnixMicro()
	}
	if !end.IsZero() {
		c.to = end.UnixMicro()
	}
	return c.offset
}

// local is what the clocks of the zone show at an instant, as microseconds since
// they showed 1970-01-01T00:00:00.
func (c *clock) local(t int64) (int64, bool) {
	offset := c.at(t)
	return t + offset, !addOverflows(t, offset)
}

// instant is when the clocks show so. Where they show it twice, it is the first time;
// where they skip it, they go on as before.
func (c *clock) instant(local int64) (int64, bool) {
	if c.zone.location == nil {
		return local, true
	}
	if local > math.MaxInt64-2*day || local < math.MinInt64+2*day {
		return 0, false
	}
	before, after := c.at(local-day), c.at(local+day)
	t := local - before
	if before != after && c.at(t) != before {
		if u := local - after; c.at(u) == after {
			return u, true
		}
	}
	return t, true
}

// unitOperand reads a unit, which must be constant.
func unitOperand(a operand, fixed bool) (unit, *problem) {
	var names []string
	for _, u := range units {
		if !fixed || u.micros > 0 {
			names = append(names, u.name)
		}
	}
	hint := "the units are " + strings.Join(names, ", ")
	if a.constant == nil {
		return unit{}, &problem{at: a.at, msg: "the unit must be a constant", hint: hint}
	}
	name := a.constant.vector.strs[0]
	for _, u := range units {
		if u.name == name && (!fixed || u.micros > 0) {
			return u, nil
		}
	}
	if near := nearest.Of(name, names); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return unit{}, &problem{at: a.at, msg: fmt.Sprintf("there is no unit %q here", name), hint: hint}
}

// prepareUnit reads a unit and, if there is one more operand, a zone.
func prepareUnit(of func(u unit, z zone) kernel) func(*signature, []operand) (prepared, *problem) {
	return func(s *signature, args []operand) (prepared, *problem) {
		at, z := len(args)-1, zone{}
		// The unit comes behind the values, and the zone behind the unit.
		if args[at-1].kind == kindString && s.args[at-1] == kindString {
			var p *problem
			if z, p = zoneOf(args[at]); p != nil {
				return prepared{}, p
			}
			at--
		}
		u, p := unitOperand(args[at], false)
		if p != nil {
			return prepared{}, p
		}
		return prepared{kernel: of(u, z), args: args[:at], errs: s.errs}, nil
	}
}

// prepareFixed reads a unit of fixed length.
func prepareFixed(of func(micros int64) kernel) func(*signature, []operand) (prepared, *problem) {
	return func(s *signature, args []operand) (prepared, *problem) {
		u, p := unitOperand(args[1], true)
		if p != nil {
			return prepared{}, p
		}
		return prepared{kernel: of(u.micros), args: args[:1], errs: s.errs}, nil
	}
}

// timeKernel makes a kernel of a function that gives one int a row, or none, because it
// does not fit.
func timeKernel(z zone, fn func(c *clock, args []*vector, i int) (int64, bool)) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		c := clock{zone: z}
		for i := range f.n {
			if !live.has(i) {
				continue
			}
			x, ok := fn(&c, args, i)
			if !ok {
				f.fail(i, ErrOverflow)
			}
			out.ints[i] = x
		}
	}
}

func zonedPart(part func(int64) int64, z zone) kernel {
	return timeKernel(z, func(c *clock, args []*vector, i int) (int64, bool) {
		t, ok := c.local(args[0].ints[i])
		return part(t), ok
	})
}

func truncateKernel(u unit, z zone) kernel {
	return timeKernel(z, func(c *clock, args []*vector, i int) (int64, bool) {
		t := args[0].ints[i]
		local, ok := c.local(t)
		if !ok {
			return 0, false
		}
		var begin int64
		switch {
		case u.micros > 0 && u.micros < day:
			// Not by way of the clocks: an hour that they show twice is two hours.
			begin = t - floorMod(local, u.micros)
			return begin, begin <= t
		case u.name == "day":
			begin = local - floorMod(local, day)
		case u.name == "week":
			begin = local - floorMod(local, day) - (dayOfWeek(local)-1)*day
		default:
			y, m, _ := civil(floorDiv(local, day))
			m -= floorMod(m-1, u.months)
			days := daysTo(y, m, 1)
			if mulOverflows(days, day) {
				return 0, false
			}
			begin = days * day
		}
		if begin > local {
			return 0, false // it has wrapped
		}
		return c.instant(begin)
	})
}

func addUnitsKernel(u unit, z zone) kernel {
	return timeKernel(z, func(c *clock, args []*vector, i int) (int64, bool) {
		return addUnits(c, args[0].ints[i], args[1].ints[i], u)
	})
}

func addUnits(c *clock, t, n int64, u unit) (int64, bool) {
	if u.micros > 0 {
		if mulOverflows(n, u.micros) {
			return 0, false
		}
		move := n * u.micros
		if u.micros < day {
			return t + move, !addOverflows(t, move)
		}
		local, ok := c.local(t)
		if !ok || addOverflows(local, move) {
			return 0, false
		}
		return c.instant(local + move)
	}
	const most = 12 * 700_000 // months in 64 bits of microseconds, and more
	if n > most || n < -most {
		return 0, false
	}
	local, ok := c.local(t)
	if !ok {
		return 0, false
	}
	days := floorDiv(local, day)
	y, m, d := civil(days)
	months := y*12 + m - 1 + n*u.months
	y, m = floorDiv(months, 12), floorMod(months, 12)+1
	there := daysTo(y, m, min(d, lastDay(y, m)))
	timeOfDay := floorMod(local, day)
	if there < 0 { // counted from the other end of the day: the first of all begins before the first timestamp
		there, timeOfDay = there+1, timeOfDay-day
	}
	if mulOverflows(there, day) || addOverflows(there*day, timeOfDay) {
		return 0, false
	}
	return c.instant(there*day + timeOfDay)
}

func differenceKernel(u unit, z zone) kernel {
	return timeKernel(z, func(c *clock, args []*vector, i int) (int64, bool) {
		a, b := args[0].ints[i], args[1].ints[i]
		if subOverflows(b, a) {
			return 0, false
		}
		if u.micros > 0 && u.micros < day {
			return (b - a) / u.micros, true
		}
		from, okFrom := c.local(a)
		to, okTo := c.local(b)
		if !okFrom || !okTo || subOverflows(to, from) {
			return 0, false
		}
		if u.micros > 0 {
			return (to - from) / u.micros, true
		}
		if from > to {
			return -wholeMonths(to, from) / u.months, true
		}
		return wholeMonths(from, to) / u.months, true
	})
}

// wholeMonths is how many months one can add to from without passing to.
func wholeMonths(from, to int64) int64 {
	y1, m1, d1 := civil(floorDiv(from, day))
	y2, m2, d2 := civil(floorDiv(to, day))
	months := (y2*12 + m2) - (y1*12 + m1)
	d1 = min(d1, lastDay(y2, m2))
	if d1 > d2 || d1 == d2 && floorMod(from, day) > floorMod(to, day) {
		months--
	}
	return months
}

func totalKernel(micros int64) kernel {
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		for i, x := range args[0].ints[:f.n] {
			out.floats[i] = float64(x) / float64(micros)
		}
	}
}

func toUnixKernel(micros int64) kernel {
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		for i, x := range args[0].ints[:f.n] {
			out.ints[i] = floorDiv(x, micros)
		}
	}
}

func fromUnixKernel(micros int64) kernel {
	return timeKernel(zone{}, func(_ *clock, args []*vector, i int) (int64, bool) {
		n := args[0].ints[i]
		return n * micros, !mulOverflows(n, micros)
	})
}
