// Package figure writes numbers for people: rows, rates, bytes and times, the same
// everywhere on the command line.
package figure
