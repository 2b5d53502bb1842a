package figure

import (
	"fmt"
	"math"
	"time"

	"github.com/dustin/go-humanize"
)

// Rows writes a whole number with separators: "1,234,567".
func Rows(n int64) string { return humanize.Comma(n) }

// Rate writes a number per second in three digits: "1.23M/s", "45.6k/s", "7/s".
func Rate(perSecond float64) string {
	if math.IsNaN(perSecond) || math.IsInf(perSecond, 0) {
		return "-"
	}
	return short(perSecond) + "/s"
}

// Count writes a whole number where there is little room, in three digits: "1.23M",
// "45.6k", "7".
func Count(n int64) string { return short(float64(n)) }

func short(n float64) string {
	for _, u := range []struct {
		size float64
		unit string
	}{{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		// 999,500 is a thousand of the next unit when it is rounded to three digits.
		if v := n / u.size; v >= 0.9995 {
			return digits(v) + u.unit
		}
	}
	return fmt.Sprintf("%.0f", n)
}

func digits(v float64) string {
	switch {
	case v < 9.995:
		return fmt.Sprintf("%.2f", v)
	case v < 99.95:
		return fmt.Sprintf("%.1f", v)
	default:
		return fmt.Sprintf("%.0f", v)
	}
}

// Bytes writes a size: "12 MiB".
func Bytes(n int64) string { return humanize.IBytes(uint64(max(n, 0))) }

// Time writes a duration in what the eye takes in: "0.35s", "12.4s", "3m05s",
// "2h10m".
func Time(d time.Duration) string {
	switch {
	case d <= 0:
		return "0s"
	case d < 10*time.Second-5*time.Millisecond:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case d < time.Minute-50*time.Millisecond:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour-500*time.Millisecond:
		s := int64(d.Round(time.Second) / time.Second)
		return fmt.Sprintf("%dm%02ds", s/60, s%60)
	default:
		m := int64(d.Round(time.Minute) / time.Minute)
		return fmt.Sprintf("%dh%02dm", m/60, m%60)
	}
}

// About writes a guessed duration, no finer than it can be known: "3s", "3m05s".
func About(d time.Duration) string {
	if d = d.Round(time.Second); d < time.Minute {
		return fmt.Sprintf("%ds", int64(max(d, 0)/time.Second))
	}
	return Time(d)
}

// Percent writes the share of part in whole, without ever rounding up to 100 %:
// "99%". A whole of nothing has no share: "-".
func Percent(part, whole int64) string {
	switch {
	case whole <= 0:
		return "-"
	case part >= whole:
		return "100%"
	default:
		return fmt.Sprintf("%d%%", int64(float64(part)/float64(whole)*100))
	}
}

// Plural writes a count and its word: "1 file", "2 files".
func Plural(n int64, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return Rows(n) + " " + word + "s"
}
