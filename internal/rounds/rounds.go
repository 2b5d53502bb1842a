package rounds

import "testing"

// Of returns n, or under -short a tenth of it and at least one: the race detector, which
// makes each round some ten times as slow, is after schedules, and other values do not
// make other schedules.
func Of(n int) int {
	if testing.Short() {
		return max(n/10, 1)
	}
	return n
}

// Some returns all, or under -short the first tenth of them and at least one.
func Some[T any](all []T) []T { return all[:Of(len(all))] }

// Alone skips a test under -short: it runs in one goroutine, where nothing can race.
func Alone(t testing.TB) {
	t.Helper()
	if testing.Short() {
		t.Skip("one goroutine: nothing here can race")
	}
}
