// Package ledger is the memory of a run and what it means: entries, coverage, and
// the fold. It is pure: bytes in, state out; no I/O, no clock, no randomness.
//
//	entries ─► State.Apply ─► coverage, extents, commits, books, status
//
// Any number of processes append to a run's ledger, and each folds it by itself:
//
//	s := ledger.New(run)
//	for seq, data := range entries {
//		v := s.Apply(seq, data) // v.Standing, or v.Reason, or v.Fatal
//	}
//	if s.Complete() { err := s.Books().Check() }
//
// # Guarantees
//
// Because the fold is a pure function of the entries, all processes agree on what
// counts. An entry that breaks a rule is void for everybody and for ever, whoever
// wrote it and whatever it was told when it was stored; it changes nothing but Seq
// and Last. No source row is covered by two standing entries, and no entry that
// contradicts the plan or itself counts: it makes the run fail instead. An entry
// that this build does not understand is neither: it stops the process, because
// another one may understand it.
//
// The rules are those of docs/protocol. Each is one line or block that names it,
// here in fold.go, and has a test that bears its number.
//
// # Forms
//
// An entry is a JSON object; docs/format.md lists its fields. Sets of spans are
// [Coverage], in base64 of varint distances, so that a commit of some thousand
// spans stays far under [EntryCap]. A plan is compressed and travels in parts. A
// snapshot of the fold is a cache that any process may throw away.
package ledger
