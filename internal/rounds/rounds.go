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
