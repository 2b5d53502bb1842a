package expr

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// layout is a compiled layout in the manner of strftime: texts, and fields.
type layout []layoutItem

type layoutItem struct {
	field  byte   // as in %Y; 0 for a text
	bare   bool   // %-m: without leading zeros
	text   string // of field 0
	digits int    // of a number, at most
}

// The fields, and how many digits they have.
var layoutFields = map[byte]int{
	'Y': 4, 'y': 2, 'm': 2, 'd': 2, 'H': 2, 'I': 2, 'M': 2, 'S': 2, 'f': 6, 'j': 3, 'u': 1, 'G': 4, 'V': 2,
	'p': 0, 'a': 0, 'A': 0, 'b': 0, 'B': 0, 'z': 0, 'Z': 0,
}

const layoutDoc = " The layout is a constant text in which %Y is the year, %y its last two digits, %m the month, %b and %B its name, %d the day, " +
	"%j the day of the year, %a and %A the weekday, %u its number from 1 for Monday, %G and %V the year and the week of ISO 8601, %H the hour, %I the hour from 1 to 12, %p AM or PM, " +
	"%M the minute, %S the second, %f the microsecond in six digits, %z the offset as +01:00, %Z the zone's name; %F is %Y-%m-%d, %T is %H:%M:%S, %% is a percent sign, and %-m, %-d, %-H, %-I, %-M, %-S leave zeros out."

// compileLayout reads a layout, which must be constant.
func compileLayout(a operand, parsing bool) (layout, *problem) {
	if a.constant == nil {
		return nil, &problem{at: a.at, msg: "the layout must be a constant", hint: `as in "%Y-%m-%d"`}
	}
	text := strings.NewReplacer("%%", "%%", "%F", "%Y-%m-%d", "%T", "%H:%M:%S").Replace(a.constant.vector.strs[0])
	var l layout
	var plain strings.Builder
	flush := func() {
		if plain.Len() > 0 {
			l = append(l, layoutItem{text: plain.String()})
			plain.Reset()
		}
	}
	dated := false
	for text != "" {
		if text[0] != '%' {
			plain.WriteByte(text[0])
			text = text[1:]
			continue
		}
		text = text[1:]
		if strings.HasPrefix(text, "%") {
			plain.WriteByte('%')
			text = text[1:]
			continue
		}
		rest := strings.TrimPrefix(text, "-")
		if rest == "" {
			return nil, &problem{at: a.at, msg: "the layout ends within a field", hint: "write %% for a percent sign"}
		}
		c := rest[0]
		digits, known := layoutFields[c]
		bare := len(rest) < len(text)
		switch {
		case !known, bare && !strings.ContainsRune("mdHIMS", rune(c)):
			return nil, &problem{at: a.at, msg: fmt.Sprintf("there is no field %%%s in layouts", text[:len(text)-len(rest)+1]), hint: "write %% for a percent sign; the fields stand in docs/expressions.md"}
		case parsing && strings.ContainsRune("GVuZ", rune(c)):
			return nil, &problem{at: a.at, msg: fmt.Sprintf("%%%c cannot be read, only written", c), hint: "a date is read by %Y, %m and %d, or by %Y and %j; a zone by %z"}
		}
		flush()
		dated = dated || c == 'Y' || c == 'y'
		l = append(l, layoutItem{field: c, bare: bare, digits: digits})
		text = rest[1:]
	}
	flush()
	if parsing && !dated {
		return nil, &problem{at: a.at, msg: "the layout has no year", hint: "write %Y, as in \"%Y-%m-%d\""}
	}
	return l, nil
}

// withLayout makes a kernel of the constants of format and parse: a layout, and perhaps a
// zone.
func withLayout(parsing bool, of func(l layout, z zone) kernel) func(*signature, []operand) (prepared, *problem) {
	return func(s *signature, args []operand) (prepared, *problem) {
		l, p := compileLayout(args[1], parsing)
		if p != nil {
			return prepared{}, p
		}
		var z zone
		if len(args) > 2 {
			if z, p = zoneOf(args[2]); p != nil {
				return prepared{}, p
			}
		}
		return prepared{kernel: of(l, z), args: args[:1], errs: s.errs}, nil
	}
}

func formatFunction(zoneDoc string) function {
	prepare := withLayout(false, formatKernel)
	errs := []error{ErrCast, ErrOverflow}
	return function{
		name: "format", form: "format(a, layout, zone)", in: inTime, method: true,
		doc:   "The timestamp as text." + layoutDoc + zoneDoc,
		fails: "for a year outside of 0 to 9999",
		signatures: []signature{
			{args: []kind{kindTimestamp, kindString}, result: kindString, prepare: prepare, errs: errs},
			{args: []kind{kindTimestamp, kindString, kindString}, result: kindString, prepare: prepare, errs: errs},
		},
		examples: []example{
			{`format(at, "%d.%m.%Y")`, `"29.02.2024"`},
			{`at.format("%a %-d %b %Y, %H:%M %z", "Asia/Kolkata")`, `"Thu 29 Feb 2024, 16:00 +05:30"`},
		},
	}
}

func parseFunction(lenient bool, zoneDoc string) function {
	prepare := withLayout(true, parseKernel)
	f := function{
		name: "parse", form: "parse(a, layout, zone)", in: inTime,
		doc: "The timestamp that a text says, which must follow the layout from end to end. What the layout leaves out is the first: of January, at midnight." +
			" Numbers may have fewer digits than they could, %y from 69 on is of the 20th century, digits of %f below a microsecond are dropped, names of months and days are read in any case." + layoutDoc +
			" %G, %V, %u and %Z can be written only." + zoneDoc,
		fails: "when the text does not follow the layout, or says no date there is",
		signatures: []signature{
			{args: []kind{kindString, kindString}, result: kindTimestamp, prepare: prepare, errs: []error{ErrCast}},
			{args: []kind{kindString, kindString, kindString}, result: kindTimestamp, prepare: prepare, errs: []error{ErrCast}},
		},
		examples: []example{
			{`parse("29.02.2024", "%d.%m.%Y")`, `timestamp("2024-02-29T00:00:00Z")`},
			{`parse("Feb 29 2024 10:30 PM", "%b %d %Y %I:%M %p", "Europe/Lisbon")`, `timestamp("2024-02-29T22:30:00Z")`},
			{`parse(email, "%Y-%m-%d")`, "row error: value cannot be cast"},
		},
	}
	if lenient {
		f.name, f.form, f.fails = "try_parse", "try_parse(a, layout, zone)", ""
		f.doc, f.nulls = "As parse, but null where it fails.", "null if a is null, and where parse fails"
		f.examples = []example{{`try_parse("30.02.2024", "%d.%m.%Y")`, "null"}, {`try_parse("28.02.2024", "%d.%m.%Y")`, `timestamp("2024-02-28T00:00:00Z")`}}
		for i := range f.signatures {
			f.signatures[i].lenient = true
		}
	}
	return f
}

func formatKernel(l layout, z zone) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		c := clock{zone: z}
		var scratch [128]byte
		for i, t := range args[0].ints[:f.n] {
			out.strs[i] = ""
			if !live.has(i) {
				continue
			}
			local, ok := c.local(t)
			if !ok {
				f.fail(i, ErrOverflow)
				continue
			}
			b, ok := l.append(scratch[:0], local, &c)
			if !ok {
				f.fail(i, ErrCast)
				continue
			}
			buf := f.text.alloc(len(b))
			copy(buf, b)
			out.strs[i] = stringOf(buf)
			if f.textFull() {
				return
			}
		}
	}
}

// append writes a time of the clocks; c has just shown it.
func (l layout) append(dst []byte, local int64, c *clock) ([]byte, bool) {
	y, m, d := civil(floorDiv(local, day))
	if y < 0 || y > 9999 {
		return dst, false
	}
	for _, item := range l {
		var n int64
		switch item.field {
		case 0:
			dst = append(dst, item.text...)
			continue
		case 'Y':
			n = y
		case 'y':
			n = y % 100
		case 'm':
			n = m
		case 'd':
			n = d
		case 'H':
			n = hourOf(local)
		case 'I':
			n = (hourOf(local)+11)%12 + 1
		case 'M':
			n = minuteOf(local)
		case 'S':
			n = secondOf(local)
		case 'f':
			n = floorMod(local, second)
		case 'j':
			n = dayOfYear(local)
		case 'u':
			n = dayOfWeek(local)
		case 'G':
			n = isoYear(local)
		case 'V':
			n = isoWeek(local)
		case 'p':
			dst = append(dst, [...]string{"AM", "PM"}[hourOf(local)/12]...)
			continue
		case 'a':
			dst = append(dst, weekdayName(dayOfWeek(local))[:3]...)
			continue
		case 'A':
			dst = append(dst, weekdayName(dayOfWeek(local))...)
			continue
		case 'b':
			dst = append(dst, time.Month(m).String()[:3]...)
			continue
		case 'B':
			dst = append(dst, time.Month(m).String()...)
			continue
		case 'z':
			dst = appendOffset(dst, c.offset/second)
			continue
		case 'Z':
			name := "UTC"
			if c.zone.location != nil {
				name, _ = time.UnixMicro(local - c.offset).In(c.zone.location).Zone()
			}
			dst = append(dst, name...)
			continue
		}
		if item.bare {
			dst = strconv.AppendInt(dst, n, 10)
			continue
		}
		at := len(dst)
		dst = append(dst, "000000"[:item.digits]...)
		for p := at + item.digits - 1; p >= at; p-- {
			dst[p] = byte('0' + n%10)
			n /= 10
		}
	}
	return dst, true
}

func weekdayName(n int64) string { return time.Weekday(n % 7).String() }

// appendOffset writes +01:00, and seconds where there are some.
func appendOffset(dst []byte, seconds int64) []byte {
	sign := byte('+')
	if seconds < 0 {
		sign, seconds = '-', -seconds
	}
	two := func(n int64) { dst = append(dst, byte('0'+n/10), byte('0'+n%10)) } //nolint:gosec // two digits
	dst = append(dst, sign)
	two(seconds / 3600)
	dst = append(dst, ':')
	two(seconds / 60 % 60)
	if seconds%60 != 0 {
		dst = append(dst, ':')
		two(seconds % 60)
	}
	return dst
}

func parseKernel(l layout, z zone) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		c := clock{zone: z}
		for i, s := range args[0].strs[:f.n] {
			if !live.has(i) {
				continue
			}
			t, ok := l.parse(s, &c)
			if !ok {
				f.fail(i, ErrCast)
			}
			out.ints[i] = t
		}
	}
}

// parse reads a time that follows the layout.
func (l layout) parse(s string, c *clock) (int64, bool) {
	year, month, dayOf, yearDay := int64(0), int64(1), int64(1), int64(0)
	var h, h12, m, sec, micros, offset int64
	afternoon, twelve, placed := false, false, false
	for _, item := range l {
		if item.field == 0 {
			var ok bool
			if s, ok = strings.CutPrefix(s, item.text); !ok {
				return 0, false
			}
			continue
		}
		ok := true
		switch item.field {
		case 'Y':
			year, s, ok = parseDigits(s, 4)
		case 'y':
			if year, s, ok = parseDigits(s, 2); year < 69 {
				year += 100
			}
			year += 1900
		case 'm':
			month, s, ok = parseDigits(s, 2)
		case 'd':
			dayOf, s, ok = parseDigits(s, 2)
		case 'j':
			yearDay, s, ok = parseDigits(s, 3)
			ok = ok && yearDay > 0
		case 'H':
			h, s, ok = parseDigits(s, 2)
		case 'I':
			h12, s, ok = parseDigits(s, 2)
			twelve, ok = true, ok && h12 >= 1 && h12 <= 12
		case 'M':
			m, s, ok = parseDigits(s, 2)
		case 'S':
			sec, s, ok = parseDigits(s, 2)
		case 'f':
			micros, s, ok = parseFraction(s)
		case 'p':
			var at int
			at, s = parseName(s, 2, []string{"AM", "PM"})
			afternoon, ok = at == 1, at >= 0
		case 'a', 'A':
			var at int
			at, s = parseName(s, shortened(item.field == 'a'), weekdayNames)
			ok = at >= 0
		case 'b', 'B':
			var at int
			at, s = parseName(s, shortened(item.field == 'b'), monthNames)
			month, ok = int64(at+1), at >= 0
		case 'z':
			n := offsetLength(s)
			offset, ok = parseOffset(s[:n])
			s, placed = s[n:], true
		}
		if !ok {
			return 0, false
		}
	}
	if twelve {
		if h = h12 % 12; afternoon {
			h += 12
		}
	}
	if s != "" || month < 1 || month > 12 || dayOf < 1 || dayOf > lastDay(year, month) || h > 23 || m > 59 || sec > 59 {
		return 0, false
	}
	days := daysTo(year, month, dayOf)
	if yearDay > 0 {
		if days = daysTo(year, 1, 1) + yearDay - 1; days >= daysTo(year+1, 1, 1) {
			return 0, false
		}
	}
	local := days*day + h*hour + m*minute + sec*second + micros // years 0 to 9999: it fits
	if placed {
		return local - offset*second, true
	}
	return c.instant(local)
}

// offsetLength is how much of s may be an offset.
func offsetLength(s string) int {
	if strings.HasPrefix(s, "Z") {
		return 1
	}
	n := 0
	for n < len(s) && n < len("+00:00:00") && (s[n] >= '0' && s[n] <= '9' || n == 0 || n%3 == 0 && s[n] == ':') {
		n++
	}
	return n
}

// parseDigits reads one to most digits.
func parseDigits(s string, most int) (n int64, rest string, ok bool) {
	i := 0
	for ; i < len(s) && i < most && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + int64(s[i]-'0')
	}
	return n, s[i:], i > 0
}

// parseFraction reads digits behind a point, as microseconds.
func parseFraction(s string) (micros int64, rest string, ok bool) {
	i, scale := 0, second
	for ; i < len(s) && i < 9 && s[i] >= '0' && s[i] <= '9'; i++ {
		scale /= 10
		micros += int64(s[i]-'0') * scale
	}
	return micros, s[i:], i > 0
}

var monthNames = func() (names []string) {
	for m := time.January; m <= time.December; m++ {
		names = append(names, m.String())
	}
	return names
}()

var weekdayNames = func() (names []string) {
	for d := time.Sunday; d <= time.Saturday; d++ {
		names = append(names, d.String())
	}
	return names
}()

// shortened is to how many letters names are cut; 0 means not at all.
func shortened(short bool) int {
	if short {
		return 3
	}
	return 0
}

// parseName reads one of the names, cut to so many letters, in any case; -1 is none.
func parseName(s string, letters int, names []string) (at int, rest string) {
	for i, name := range names {
		if letters > 0 {
			name = name[:letters]
		}
		if len(s) >= len(name) && strings.EqualFold(s[:len(name)], name) {
			return i, s[len(name):]
		}
	}
	return -1, s
}
