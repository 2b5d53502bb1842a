package figure_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/levada-data/levada/internal/cli/figure"
)

func TestRate(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0/s", 7.4: "7/s", 999: "999/s", 999.6: "1.00k/s", 1234: "1.23k/s", 45_678: "45.7k/s", 456_789: "457k/s",
		999_600: "1.00M/s", 9_996_000: "10.0M/s", 1.5e9: "1.50G/s", math.Inf(1): "-", math.NaN(): "-",
	} {
		assert.Equal(t, want, figure.Rate(v), "%g", v)
	}
}

func TestTime(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 350 * time.Millisecond: "0.35s", 9994 * time.Millisecond: "9.99s", 9996 * time.Millisecond: "10.0s",
		12_440 * time.Millisecond: "12.4s", 59_970 * time.Millisecond: "1m00s", 185 * time.Second: "3m05s", 130 * time.Minute: "2h10m",
		59*time.Minute + 59*time.Second + 700*time.Millisecond: "1h00m",
	} {
		assert.Equal(t, want, figure.Time(d), "%v", d)
	}
}

func TestAbout(t *testing.T) {
	for d, want := range map[time.Duration]string{-1: "0s", 1400 * time.Millisecond: "1s", 59_600 * time.Millisecond: "1m00s", 3 * time.Hour: "3h00m"} {
		assert.Equal(t, want, figure.About(d), "%v", d)
	}
}

func TestPercentNeverPromisesTheEnd(t *testing.T) {
	assert.Equal(t, "99%", figure.Percent(999_999_999, 1_000_000_000))
	assert.Equal(t, "100%", figure.Percent(5, 5))
	assert.Equal(t, "0%", figure.Percent(0, 5))
	assert.Equal(t, "-", figure.Percent(0, 0))
}

func TestCounts(t *testing.T) {
	assert.Equal(t, "1,234,567", figure.Rows(1_234_567))
	assert.Equal(t, "1 file", figure.Plural(1, "file"))
	assert.Equal(t, "1,200 files", figure.Plural(1200, "file"))
	assert.Equal(t, "12 MiB", figure.Bytes(12<<20))
	assert.Equal(t, "0 B", figure.Bytes(-1))
}

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1.00k", 12_345: "12.3k", 999_600: "1.00M", 20_000_000_000_000: "20.0T"} {
		assert.Equal(t, want, figure.Count(n), "%d", n)
	}
}
