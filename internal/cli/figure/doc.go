// Package figure writes numbers for people: rows, rates, bytes and times, the same
// everywhere on the command line, and lines them up.
package figure
