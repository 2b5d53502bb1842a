package operator

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
)

// castFrom reads the values of a column that are cast: the field of its family is set.
type castFrom struct {
	whole    func(i int) int64 // signed integers, and unsigned ones that fit
	unsigned func(i int) uint64
	float    func(i int) float64
	short    bool // the float is of 32 bits
	truth    func(i int) bool
	text     func(i int) string
	bytes    func(i int) []byte
	date     func(i int) int64 // days
	time     func(i int) int64
	unit     time.Duration // of time
	decimal  func(i int) decimal128.Num
	scale    int32 // of decimal
}

// castSource looks into a column; false when its values cannot be cast.
func castSource(col arrow.Array) (*castFrom, bool) {
	switch a := col.(type) {
	case *array.Int8:
		return &castFrom{whole: func(i int) int64 { return int64(a.Value(i)) }}, true
	case *array.Int16:
		return &castFrom{whole: func(i int) int64 { return int64(a.Value(i)) }}, true
	case *array.Int32:
		return &castFrom{whole: func(i int) int64 { return int64(a.Value(i)) }}, true
	case *array.Int64:
		return &castFrom{whole: a.Value}, true
	case *array.Uint8:
		return &castFrom{whole: func(i int) int64 { return int64(a.Value(i)) }}, true
	case *array.Uint16:
		return &castFrom{whole: func(i int) int64 { return int64(a.Value(i)) }}, true
	case *array.Uint32:
		return &castFrom{whole: func(i int) int64 { return int64(a.Value(i)) }}, true
	case *array.Uint64:
		return &castFrom{unsigned: a.Value}, true
	case *array.Float32:
		return &castFrom{float: func(i int) float64 { return float64(a.Value(i)) }, short: true}, true
	case *array.Float64:
		return &castFrom{float: a.Value}, true
	case *array.Boolean:
		return &castFrom{truth: a.Value}, true
	case *array.String:
		return &castFrom{text: a.Value}, true
	case *array.LargeString:
		return &castFrom{text: a.Value}, true
	case *array.Binary:
		return &castFrom{bytes: a.Value}, true
	case *array.LargeBinary:
		return &castFrom{bytes: a.Value}, true
	case *array.Date32:
		return &castFrom{date: func(i int) int64 { return int64(a.Value(i)) }}, true
	case *array.Timestamp:
		t, ok := a.DataType().(*arrow.TimestampType)
		if !ok {
			return nil, false
		}
		return &castFrom{time: func(i int) int64 { return int64(a.Value(i)) }, unit: t.Unit.Multiplier()}, true
	case *array.Decimal128:
		t, ok := a.DataType().(*arrow.Decimal128Type)
		if !ok {
			return nil, false
		}
		return &castFrom{decimal: a.Value, scale: t.Scale}, true
	case *array.Dictionary: // its values, one for each row
		in, ok := castSource(a.Dictionary())
		if !ok {
			return nil, false
		}
		return in.through(a.GetValueIndex), true
	}
	return nil, false
}

// through reads the value at another place.
func (c *castFrom) through(at func(i int) int) *castFrom {
	return &castFrom{
		whole: chained(c.whole, at), unsigned: chained(c.unsigned, at), float: chained(c.float, at), short: c.short, truth: chained(c.truth, at),
		text: chained(c.text, at), bytes: chained(c.bytes, at), date: chained(c.date, at), time: chained(c.time, at), unit: c.unit,
		decimal: chained(c.decimal, at), scale: c.scale,
	}
}

func chained[T any](f func(i int) T, at func(i int) int) func(i int) T {
	if f == nil {
		return nil
	}
	return func(i int) T { return f(at(i)) }
}

// toWhole is the integer of a value; what is behind the point is cut off.
func toWhole(c *castFrom) func(i int) (int64, bool) {
	switch {
	case c.whole != nil:
		return func(i int) (int64, bool) { return c.whole(i), true }
	case c.unsigned != nil:
		return func(i int) (int64, bool) {
			v := c.unsigned(i)
			return int64(v), v <= math.MaxInt64 //nolint:gosec // checked
		}
	case c.float != nil:
		return func(i int) (int64, bool) {
			v := c.float(i)
			if !(v >= -1<<63 && v < 1<<63) { // NaN is not
				return 0, false
			}
			return int64(v), true
		}
	case c.truth != nil:
		return func(i int) (int64, bool) {
			if c.truth(i) {
				return 1, true
			}
			return 0, true
		}
	case c.text != nil:
		return func(i int) (int64, bool) {
			v, err := strconv.ParseInt(c.text(i), 10, 64)
			return v, err == nil
		}
	case c.decimal != nil:
		return func(i int) (int64, bool) {
			v := c.decimal(i).ReduceScaleBy(max(c.scale, 0), false).BigInt()
			return v.Int64(), v.IsInt64()
		}
	}
	return nil
}

func toSigned[T int8 | int16 | int32 | int64](c *castFrom) func(i int) (T, bool) {
	whole := toWhole(c)
	if c.time != nil { // in its own unit, since 1970
		whole = func(i int) (int64, bool) { return c.time(i), true }
	}
	if whole == nil {
		return nil
	}
	return func(i int) (T, bool) {
		v, ok := whole(i)
		return T(v), ok && int64(T(v)) == v
	}
}

func toUnsigned[T uint8 | uint16 | uint32 | uint64](c *castFrom) func(i int) (T, bool) {
	fits := func(v uint64, ok bool) (T, bool) { return T(v), ok && uint64(T(v)) == v }
	switch {
	case c.unsigned != nil:
		return func(i int) (T, bool) { return fits(c.unsigned(i), true) }
	case c.float != nil:
		return func(i int) (T, bool) {
			v := c.float(i)
			if !(v > -1 && v < 1<<64) { // NaN is not
				return 0, false
			}
			return fits(uint64(v), true)
		}
	case c.text != nil:
		return func(i int) (T, bool) {
			v, err := strconv.ParseUint(strings.TrimPrefix(c.text(i), "+"), 10, 64)
			return fits(v, err == nil)
		}
	case c.decimal != nil:
		return func(i int) (T, bool) {
			v := c.decimal(i).ReduceScaleBy(max(c.scale, 0), false).BigInt()
			return fits(v.Uint64(), v.IsUint64())
		}
	}
	whole := toWhole(c)
	if whole == nil {
		return nil
	}
	return func(i int) (T, bool) {
		v, ok := whole(i)
		return fits(uint64(v), ok && v >= 0) //nolint:gosec // checked
	}
}

func toFloat64(c *castFrom) func(i int) (float64, bool) {
	switch {
	case c.float != nil:
		return func(i int) (float64, bool) { return c.float(i), true }
	case c.unsigned != nil:
		return func(i int) (float64, bool) { return float64(c.unsigned(i)), true }
	case c.text != nil:
		return func(i int) (float64, bool) { return parseFloat(c.text(i), 64) }
	case c.decimal != nil:
		return func(i int) (float64, bool) { return parseFloat(c.decimal(i).ToString(c.scale), 64) } // the nearest
	}
	if whole := toWhole(c); whole != nil {
		return func(i int) (float64, bool) { v, ok := whole(i); return float64(v), ok }
	}
	return nil
}

func toFloat32(c *castFrom) func(i int) (float32, bool) {
	switch {
	case c.text != nil:
		return func(i int) (float32, bool) { v, ok := parseFloat(c.text(i), 32); return float32(v), ok }
	case c.decimal != nil:
		return func(i int) (float32, bool) {
			v, ok := parseFloat(c.decimal(i).ToString(c.scale), 32)
			return float32(v), ok
		}
	case c.unsigned != nil: // not by way of 64 bits: it would be rounded twice
		return func(i int) (float32, bool) { return float32(c.unsigned(i)), true }
	case c.float != nil:
		return func(i int) (float32, bool) {
			v := c.float(i)
			return float32(v), !math.IsInf(float64(float32(v)), 0) || math.IsInf(v, 0)
		}
	}
	if whole := toWhole(c); whole != nil {
		return func(i int) (float32, bool) { v, ok := whole(i); return float32(v), ok }
	}
	return nil
}

// parseFloat reads decimal notation, with or without an exponent, and NaN, Infinity and
// -Infinity: what string makes of a float.
func parseFloat(s string, bits int) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	if strings.Trim(s, "0123456789.-+eE") != "" { // strconv knows more
		return 0, false
	}
	v, err := strconv.ParseFloat(s, bits)
	return v, err == nil
}

func toBool(c *castFrom) func(i int) (bool, bool) {
	if c.text != nil {
		return func(i int) (bool, bool) {
			switch c.text(i) {
			case "true", "True", "TRUE", "t", "T", "1":
				return true, true
			case "false", "False", "FALSE", "f", "F", "0":
				return false, true
			}
			return false, false
		}
	}
	if c.unsigned != nil {
		return func(i int) (bool, bool) { v := c.unsigned(i); return v == 1, v <= 1 }
	}
	if c.whole != nil {
		return func(i int) (bool, bool) { v := c.whole(i); return v == 1, v == 0 || v == 1 }
	}
	return nil
}

func toText(c *castFrom) func(i int) (string, bool) {
	switch {
	case c.text != nil:
		return func(i int) (string, bool) { return c.text(i), true }
	case c.bytes != nil:
		return func(i int) (string, bool) { v := c.bytes(i); return string(v), utf8.Valid(v) }
	case c.whole != nil:
		return func(i int) (string, bool) { return strconv.FormatInt(c.whole(i), 10), true }
	case c.unsigned != nil:
		return func(i int) (string, bool) { return strconv.FormatUint(c.unsigned(i), 10), true }
	case c.float != nil:
		return func(i int) (string, bool) { return formatFloat(c.float(i), c.short), true }
	case c.truth != nil:
		return func(i int) (string, bool) { return strconv.FormatBool(c.truth(i)), true }
	case c.date != nil:
		return func(i int) (string, bool) {
			t := time.Unix(c.date(i)*secondsADay, 0).UTC()
			return t.Format(time.DateOnly), t.Year() >= 0 && t.Year() <= 9999
		}
	case c.time != nil:
		return func(i int) (string, bool) {
			t := instant(c.time(i), c.unit)
			return t.Format(time.RFC3339Nano), t.Year() >= 0 && t.Year() <= 9999
		}
	case c.decimal != nil:
		return func(i int) (string, bool) { return plainDecimal(c.decimal(i).BigInt(), c.scale), true }
	}
	return nil
}

// formatFloat writes the shortest digits that read back as v, as an expression's string()
// does: with an exponent only below 1e-6 and from 1e21 on.
func formatFloat(v float64, short bool) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	}
	bits := 64
	if short {
		bits = 32
	}
	if a := math.Abs(v); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(v, 'e', -1, bits)
	}
	return strconv.FormatFloat(v, 'f', -1, bits)
}

func toBytes(c *castFrom) func(i int) (string, bool) {
	switch {
	case c.bytes != nil:
		return func(i int) (string, bool) { return string(c.bytes(i)), true }
	case c.text != nil:
		return func(i int) (string, bool) { return c.text(i), true }
	}
	return nil
}

const secondsADay = 24 * 60 * 60

func toDate(c *castFrom) func(i int) (arrow.Date32, bool) {
	days := func(seconds int64) (arrow.Date32, bool) {
		d := floorDiv(seconds, secondsADay)
		return arrow.Date32(d), int64(int32(d)) == d //nolint:gosec // checked
	}
	switch {
	case c.date != nil:
		return func(i int) (arrow.Date32, bool) { return arrow.Date32(c.date(i)), true } //nolint:gosec // it was one
	case c.time != nil:
		return func(i int) (arrow.Date32, bool) { return days(instant(c.time(i), c.unit).Unix()) }
	case c.text != nil:
		return func(i int) (arrow.Date32, bool) {
			t, err := time.Parse(time.DateOnly, c.text(i))
			if err != nil {
				return 0, false
			}
			return days(t.Unix())
		}
	}
	return nil
}

// toTime gives moments in a unit; what is finer is cut off towards the past.
func toTime(c *castFrom, unit arrow.TimeUnit) func(i int) (arrow.Timestamp, bool) {
	per := unit.Multiplier()
	switch {
	case c.time != nil && c.unit <= per:
		return func(i int) (arrow.Timestamp, bool) {
			return arrow.Timestamp(floorDiv(c.time(i), int64(per/c.unit))), true
		}
	case c.time != nil:
		return func(i int) (arrow.Timestamp, bool) { return times(c.time(i), int64(c.unit/per)) }
	case c.date != nil:
		return func(i int) (arrow.Timestamp, bool) { return times(c.date(i), int64(secondsADay*time.Second/per)) }
	case c.whole != nil: // in the new unit, since 1970
		return func(i int) (arrow.Timestamp, bool) { return arrow.Timestamp(c.whole(i)), true }
	case c.text != nil:
		return func(i int) (arrow.Timestamp, bool) {
			t, ok := parseTime(c.text(i))
			if !ok {
				return 0, false
			}
			whole, ok := times(t.Unix(), int64(time.Second/per))
			sum := whole + arrow.Timestamp(t.Nanosecond()/int(per))
			return sum, ok && sum >= whole
		}
	}
	return nil
}

// parseTime reads RFC 3339, the same without a zone (UTC) and with a space in the middle,
// and a date.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02 15:04:05.999999999", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func times(v, n int64) (arrow.Timestamp, bool) {
	p := v * n
	return arrow.Timestamp(p), p/n == v
}

// instant is a count of units since 1970.
func instant(v int64, unit time.Duration) time.Time {
	per := int64(time.Second / unit)
	s := floorDiv(v, per)
	return time.Unix(s, (v-s*per)*int64(unit)).UTC()
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// toDecimal gives decimals; what has more digits behind the point is rounded, half away
// from zero.
func toDecimal(c *castFrom, precision, scale int32) func(i int) (decimal128.Num, bool) {
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(precision)), nil)
	// fit is unscaled * 10^-from.
	fit := func(unscaled *big.Int, from int32) (decimal128.Num, bool) {
		v := rescale(unscaled, from, scale)
		if v.CmpAbs(limit) >= 0 {
			return decimal128.Num{}, false
		}
		return decimal128.FromBigInt(v), true
	}
	// short is fit for what needs no big numbers: up to 18 digits that only get more.
	short := func(unscaled int64, from int32) (decimal128.Num, bool) {
		if from > scale || scale-from > 18 || unscaled > 1e18 || unscaled < -1e18 {
			return fit(big.NewInt(unscaled), from)
		}
		v := decimal128.FromI64(unscaled).IncreaseScaleBy(scale - from)
		return v, v.FitsInPrecision(precision)
	}
	switch {
	case c.decimal != nil && c.scale == scale:
		return func(i int) (decimal128.Num, bool) { v := c.decimal(i); return v, v.FitsInPrecision(precision) }
	case c.decimal != nil:
		return func(i int) (decimal128.Num, bool) { return fit(c.decimal(i).BigInt(), c.scale) }
	case c.unsigned != nil:
		return func(i int) (decimal128.Num, bool) { return fit(new(big.Int).SetUint64(c.unsigned(i)), 0) }
	case c.whole != nil:
		return func(i int) (decimal128.Num, bool) { return short(c.whole(i), 0) }
	case c.text != nil:
		return func(i int) (decimal128.Num, bool) {
			if v, from, ok := parseShort(c.text(i)); ok {
				return short(v, from)
			}
			v, from, ok := parseDecimal(c.text(i))
			if !ok {
				return decimal128.Num{}, false
			}
			return fit(v, from)
		}
	case c.float != nil: // the shortest digits that read back as it
		return func(i int) (decimal128.Num, bool) {
			f := c.float(i)
			if math.IsNaN(f) || math.Abs(f) >= 1e38 {
				return decimal128.Num{}, false
			}
			bits := 64
			if c.short {
				bits = 32
			}
			v, from, ok := parseDecimal(strconv.FormatFloat(f, 'f', -1, bits))
			if !ok {
				return decimal128.Num{}, false
			}
			return fit(v, from)
		}
	}
	return nil
}

// rescale moves the point, rounding half away from zero.
func rescale(v *big.Int, from, to int32) *big.Int {
	if from <= to {
		return new(big.Int).Mul(v, pow10(to-from))
	}
	by := pow10(from - to)
	q, r := new(big.Int).QuoRem(v, by, new(big.Int))
	if r.Abs(r).Lsh(r, 1).Cmp(by) >= 0 {
		q.Add(q, big.NewInt(int64(v.Sign())))
	}
	return q
}

func pow10(n int32) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// maxDigits bounds the text of a decimal: a float of 64 bits has fewer.
const maxDigits = 1100

// parseDecimal reads a sign, digits and a point: unscaled * 10^-scale.
func parseDecimal(s string) (unscaled *big.Int, scale int32, ok bool) {
	if len(s) > maxDigits {
		return nil, 0, false
	}
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 {
		return nil, 0, false
	}
	whole, part, _ := strings.Cut(digits, ".")
	if whole+part == "" || strings.Trim(whole+part, "0123456789") != "" {
		return nil, 0, false
	}
	v, ok := new(big.Int).SetString(whole+part, 10)
	if !ok {
		return nil, 0, false
	}
	if s[0] == '-' {
		v.Neg(v)
	}
	return v, int32(len(part)), true //nolint:gosec // at most maxDigits
}

// parseShort is parseDecimal for at most 18 digits; it also refuses what that refuses.
func parseShort(s string) (unscaled int64, scale int32, ok bool) {
	negative := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		negative, s = s[0] == '-', s[1:]
	}
	if len(s) > 18 {
		return 0, 0, false
	}
	digits, point := 0, -1
	for i := range len(s) {
		switch d := s[i]; {
		case d == '.' && point < 0:
			point = i
		case '0' <= d && d <= '9':
			unscaled = unscaled*10 + int64(d-'0')
			digits++
		default:
			return 0, 0, false
		}
	}
	if digits == 0 {
		return 0, 0, false
	}
	if point >= 0 {
		scale = int32(len(s) - 1 - point) //nolint:gosec // at most 18
	}
	if negative {
		unscaled = -unscaled
	}
	return unscaled, scale, true
}

// plainDecimal writes a decimal with all of its digits behind the point.
func plainDecimal(v *big.Int, scale int32) string {
	if scale <= 0 {
		return new(big.Int).Mul(v, pow10(-scale)).String()
	}
	s := new(big.Int).Abs(v).String()
	if missing := int(scale) + 1 - len(s); missing > 0 {
		s = strings.Repeat("0", missing) + s
	}
	s = s[:len(s)-int(scale)] + "." + s[len(s)-int(scale):]
	if v.Sign() < 0 {
		s = "-" + s
	}
	return s
}
