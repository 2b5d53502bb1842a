// Package writer is the role that turns blocks into files, exactly once, and that
// brings a run to its end.
//
//	edge ─► lane: hold ─► open files ─► cut ─► commit ─► reveal ─► ack
//	                                            │ ledger
//	keeper: fold ──────────────────────────────►┴─► manifest ─► reveal ─► seal ─► sweep ─► end
//
// A lane holds blocks unacked until the files that took them are committed: a
// crash costs the files, the blocks come again. What a commit is worth, only the
// fold of the ledger says. The keeper finishes whatever it finds unfinished, its own
// process' or another's: nobody is a coordinator.
//
// The rules are those of docs/protocol; each is named where it is kept.
package writer
