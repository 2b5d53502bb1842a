// Package bench measures whole jobs; what a job is made of is measured beside its code.
// README.md has the figures, and says how they were taken.
package bench
