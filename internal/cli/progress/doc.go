// Package progress shows a run that is on its way.
//
//	ledger, reports ──Facts──► Tracker ──View──► Screen: bars on a terminal,
//	                                                     a line now and then elsewhere
//
// The [Tracker] is arithmetic: it smooths rates, guesses the time left, and lets the
// bar move before the first commit. The [Screen] knows the terminal: its width, which
// may change at any time, and the log, whose lines go above the bars.
package progress
