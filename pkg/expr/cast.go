package expr

import (
	"math"
	"strconv"
	"unicode/utf8"
)

// castStrings makes a kernel of a strict reading of text: what does not parse
// as a whole fails the row.
func castStrings[T int64 | float64](values func(*vector) []T, parse func(string) (T, bool)) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		dst := values(out)
		for i, s := range args[0].strs[:f.n] {
			if !live.has(i) {
				continue
			}
			x, ok := parse(s)
			if !ok {
				f.fail(i, ErrCast)
			}
			dst[i] = x
		}
	}
}

// formatted makes a kernel of a function that writes a value as text.
func formatted[T int64 | float64](values func(*vector) []T, format func(dst []byte, x T) ([]byte, bool)) kernel {
	return func(f *frame, out *vector, live *mask, args []*vector) {
		var scratch [64]byte
		for i, x := range values(args[0])[:f.n] {
			out.strs[i] = ""
			if !live.has(i) {
				continue
			}
			b, ok := format(scratch[:0], x)
			if !ok {
				f.fail(i, ErrCast)
				continue
			}
			buf := f.text.alloc(len(b))
			copy(buf, b)
			out.strs[i] = stringOf(buf)
		}
	}
}

// parseInt reads decimal digits with an optional sign.
func parseInt(s string) (int64, bool) {
	x, err := strconv.ParseInt(s, 10, 64)
	return x, err == nil
}

// parseFloat reads decimal notation, with an optional exponent, and the three
// names that string(double) writes. strconv alone would also take hexadecimal
// and a dozen spellings of infinity.
func parseFloat(s string) (float64, bool) {
	switch s {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		return math.Inf(1), true
	case "-Infinity":
		return math.Inf(-1), true
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', c == '.', c == '-', c == '+', c == 'e', c == 'E':
		default:
			return 0, false
		}
	}
	x, err := strconv.ParseFloat(s, 64)
	return x, err == nil
}

func stringsToBools(f *frame, out *vector, live *mask, args []*vector) {
	*out.bits = mask{}
	for i, s := range args[0].strs[:f.n] {
		if !live.has(i) {
			continue
		}
		value, err := strconv.ParseBool(s) // what CEL reads
		switch {
		case err != nil:
			f.fail(i, ErrCast)
		case value:
			out.bits.set(i)
		}
	}
}

// bytesToStrings is string(bytes).
func bytesToStrings(f *frame, out *vector, live *mask, args []*vector) {
	for i, s := range args[0].strs[:f.n] {
		out.strs[i] = ""
		switch {
		case !live.has(i):
		case utf8.ValidString(s):
			out.strs[i] = s
		default:
			f.fail(i, ErrCast)
		}
	}
}

func boolsToStrings(f *frame, out *vector, _ *mask, args []*vector) {
	for i := range f.n {
		if args[0].bits.has(i) {
			out.strs[i] = "true"
		} else {
			out.strs[i] = "false"
		}
	}
}

func boolsToInts(f *frame, out *vector, _ *mask, args []*vector) {
	for i := range f.n {
		out.ints[i] = int64(args[0].bits[i>>6] >> (i & 63) & 1)
	}
}

// floatsToInts cuts the fraction off.
func floatsToInts(f *frame, out *vector, live *mask, args []*vector) {
	outside := false
	for i, x := range args[0].floats[:f.n] {
		// -2^63 is a float; 2^63 is the first one that does not fit.
		if x >= -1<<63 && x < 1<<63 {
			out.ints[i] = int64(x)
		} else {
			outside = true // also NaN
		}
	}
	if !outside {
		return
	}
	for i, x := range args[0].floats[:f.n] {
		if live.has(i) && !(x >= -1<<63 && x < 1<<63) {
			f.fail(i, ErrCast)
		}
	}
}

func formatInt(dst []byte, x int64) ([]byte, bool) { return strconv.AppendInt(dst, x, 10), true }

// formatFloat writes the shortest digits that read back as x, as JSON does:
// with an exponent only below 1e-6 and from 1e21 on.
func formatFloat(dst []byte, x float64) ([]byte, bool) {
	switch {
	case math.IsNaN(x):
		return append(dst, "NaN"...), true
	case math.IsInf(x, 1):
		return append(dst, "Infinity"...), true
	case math.IsInf(x, -1):
		return append(dst, "-Infinity"...), true
	}
	if a := math.Abs(x); a != 0 && (a < 1e-6 || a >= 1e21) {
		dst = strconv.AppendFloat(dst, x, 'e', -1, 64)
		if n := len(dst); dst[n-4] == 'e' && dst[n-2] == '0' { // e-07 is e-7
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst, true
	}
	return strconv.AppendFloat(dst, x, 'f', -1, 64), true
}

func formatDuration(dst []byte, d int64) ([]byte, bool) { return appendDuration(dst, d), true }

// lenientCasts makes a try_ form of every cast that can fail.
func lenientCasts(casts []function) (lenient []function) {
	examples := map[string][]example{
		"int":       {{`try_int("12")`, "12"}, {"try_int(country)", "null"}},
		"double":    {{`try_double("1.5")`, "1.5"}, {"try_double(country)", "null"}},
		"string":    {{"try_string(visits)", `"3"`}},
		"bool":      {{"try_bool(country)", "null"}},
		"timestamp": {{"try_timestamp(country)", "null"}},
		"decimal":   {{"try_decimal(country, 5, 2)", "null"}, {`try_decimal("1.005", 5, 2)`, `decimal("1.01", 5, 2)`}},
		"duration":  {{`try_duration("90s")`, `duration("1m30s")`}, {"try_duration(country)", "null"}},
	}
	for _, f := range casts {
		if f.fails == "" {
			continue
		}
		try := function{
			name: "try_" + f.name, form: "try_" + f.form, in: inCasts,
			doc:      "As " + f.name + ", but null where it fails.",
			nulls:    "null if a is null, and where " + f.name + " fails",
			examples: examples[f.name], slow: f.slow,
		}
		for _, s := range f.signatures {
			s.lenient = true
			try.signatures = append(try.signatures, s)
		}
		lenient = append(lenient, try)
	}
	return lenient
}
