//go:build race

package stitch_test

// flips is how many bytes are changed for each codec: fewer under the race detector,
// which has little to find in what one goroutine does.
const flips = 60
