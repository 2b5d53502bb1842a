// Package top is a live view of runs: all of them, the stages of the chosen one, and the
// instances of the chosen stage.
//
//	look ──Facts──► Model ──Frame──► Program: the whole terminal, and its keys
//	                   └────Lines──► a line for each run, for a file or a pipe
//	                   └─Snapshot──► tables, once
//
// The [Model] is pure: facts and keys go in, text comes out; it asks no clock and no
// server. Who finds the facts out is the caller, and the [Program] is all that knows
// the terminal.
package top
