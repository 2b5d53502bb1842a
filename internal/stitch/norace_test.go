//go:build !race

package stitch_test

// flips is how many bytes are changed for each codec.
const flips = 1000
