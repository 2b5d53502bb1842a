package expr

import (
	"math"
	"strconv"
	"time"
)

// floorDiv divides and rounds down; d is positive.
func floorDiv(x, d int64) int64 {
	q := x / d
	if x%d < 0 {
		q--
	}
	return q
}

// floorMod is what floorDiv leaves: from 0 to d-1.
func floorMod(x, d int64) int64 {
	r := x % d
	if r < 0 {
		r += d
	}
	return r
}

const (
	second = int64(time.Second / time.Microsecond)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// partOf makes a kernel of a part of a timestamp.
func partOf(part func(t int64) int64) kernel {
	return func(f *frame, out *vector, _ *mask, args []*vector) {
		for i, t := range args[0].ints[:f.n] {
			out.ints[i] = part(t)
		}
	}
}

func yearOf(t int64) int64  { y, _, _ := civil(floorDiv(t, day)); return y }
func monthOf(t int64) int64 { _, m, _ := civil(floorDiv(t, day)); return m }
func dayOf(t int64) int64   { _, _, d := civil(floorDiv(t, day)); return d }
func hourOf(t int64) int64  { return floorMod(t, day) / hour }

func minuteOf(t int64) int64 { return floorMod(t, hour) / minute }
func secondOf(t int64) int64 { return floorMod(t, minute) / second }

// civil gives the date of a number of days since 1970-01-01, in the proleptic
// Gregorian calendar: the algorithm civil_from_days of Howard Hinnant,
// https://howardhinnant.github.io/date_algorithms.html. Unlike time.Time it
// needs no branches and covers every timestamp of 64 bits.
func civil(days int64) (year, month, dayOfMonth int64) {
	z := days + 719_468 // since 0000-03-01: leap days come last in such a year
	era := floorDiv(z, 146_097)
	dayOfEra := z - era*146_097                                                        // 0 .. 146096
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365 // 0 .. 399
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)              // 0 .. 365
	m := (5*dayOfYear + 2) / 153                                                       // 0 .. 11, from March
	dayOfMonth = dayOfYear - (153*m+2)/5 + 1
	month = m + 3
	if month > 12 {
		month -= 12
	}
	year = yearOfEra + era*400
	if month <= 2 {
		year++
	}
	return year, month, dayOfMonth
}

// parseTimestamp reads RFC 3339 and nothing looser. Digits below a microsecond
// are dropped, towards the past.
func parseTimestamp(s string) (int64, bool) {
	if len(s) > len("2006-01-02T15:04:05.000000000+00:00")+30 {
		return 0, false
	}
	var t time.Time
	var buf [72]byte
	if t.UnmarshalText(append(buf[:0], s...)) != nil { // stricter than time.Parse
		return 0, false
	}
	return t.UnixMicro(), true // years 0 to 9999: always fits
}

// appendTimestamp writes RFC 3339 in UTC; years that it cannot write are refused.
func appendTimestamp(dst []byte, t int64) ([]byte, bool) {
	u := time.UnixMicro(t).UTC()
	if y := u.Year(); y < 0 || y > 9999 {
		return dst, false
	}
	return u.AppendFormat(dst, time.RFC3339Nano), true
}

// parseDuration reads Go's and CEL's form: "1h30m", "-1.5s".
func parseDuration(s string) (int64, bool) {
	if len(s) > 100 {
		return 0, false
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, false
	}
	return floorDiv(int64(d), 1000), true
}

// appendDuration writes seconds, as CEL does: "5400s", "-1.5s".
func appendDuration(dst []byte, d int64) []byte {
	magnitude := uint64(d) //nolint:gosec // two's complement is meant
	if d < 0 {
		dst = append(dst, '-')
		magnitude = -magnitude
	}
	dst = strconv.AppendUint(dst, magnitude/1_000_000, 10)
	if micros := magnitude % 1_000_000; micros != 0 {
		dst = append(dst, '.')
		for digit := uint64(100_000); micros != 0; digit /= 10 {
			dst = append(dst, byte('0'+micros/digit)) //nolint:gosec // one digit
			micros %= digit
		}
	}
	return append(dst, 's')
}

// secondsToTime is timestamp(int).
func secondsToTime(f *frame, out *vector, live *mask, args []*vector) {
	const limit = math.MaxInt64 / 1_000_000
	outside := false
	for i, x := range args[0].ints[:f.n] {
		out.ints[i] = x * second
		outside = outside || x > limit || x < -limit
	}
	if !outside {
		return
	}
	for i, x := range args[0].ints[:f.n] {
		if live.has(i) && (x > limit || x < -limit) {
			f.fail(i, ErrOverflow)
		}
	}
}

// timeToSeconds is int(timestamp).
func timeToSeconds(f *frame, out *vector, _ *mask, args []*vector) {
	for i, t := range args[0].ints[:f.n] {
		out.ints[i] = floorDiv(t, second)
	}
}
