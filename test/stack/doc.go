// Package stack runs the whole of Levada inside a test: a real server, and any number
// of "processes", each with connections of its own, that serve real roles over real
// files. Tests of the protocol stop, kill and confuse them.
package stack
