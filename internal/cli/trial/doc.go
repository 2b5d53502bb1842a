// Package trial runs the stages of a pipeline over rows at hand: without a server, and
// nothing is written. The operators are those of a run, and so are the books:
//
//	rows in ─► stage ─► stage ─► rows out
//	              └► dropped, by operator; failed, by row and operator
//
// An external stage cannot be tried: only its process knows what it does.
package trial
