// Package report writes what is known about runs as tables for people: how a run
// ended, where it stands, what its stages did, and which runs there are. It only
// writes; what it writes, others have found out.
package report
