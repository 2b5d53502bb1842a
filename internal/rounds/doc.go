// Package rounds says how much of the tests of values the race detector is shown.
package rounds
