// Package home keeps the state of `levada run` on disk: one home for each pipeline
// and sink, so that different pipelines run at the same time, and the same one
// finds what it left behind.
//
//	<state>/<pipeline>-<8 hex of the sink>/   a home
//	    lock, server.json, jetstream/         of the embedded server, see package embedded
//	    runs/<run>.json                       one note a run: what `levada runs` lists
//
// Notes are for lists only: they are read without a server. What is true about a
// run, its ledger says. A note is replaced in one step, so that a reader sees the
// old one or the new, and a process that dies leaves its last.
package home
