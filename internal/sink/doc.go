// Package sink is what a run does to its output: it locks it, stages files where
// readers do not look, reveals them, states what they are, and cleans up.
//
//	Acquire ─► Prepare ─► Create ─► Finish ─► [ commit ] ─► Reveal ─► [ manifest ] ─► Sweep ─► RemoveOld ─► Release
//	  lock      what is     temporary file,      the         link,       if absent,      temporaries,
//	            there       hashed, synced       ledger      never       the last word   then strangers
//
// On disk, with everything that is not data in one hidden directory:
//
//	<sink>/country=PT/part-<run>-<nonce>.parquet   visible: counts, or will be swept
//	<sink>/_levada/tmp/<run>/part-….parquet.tmp    staged: no reader sees it
//	<sink>/_levada/manifest-<run>.json             what the run's output is (docs/manifest.md)
//	<sink>/_levada/lock/000001.json                who writes here, by generation
//	<sink>/_levada/lock/000001.released            and that they are done
//
// Guarantees:
//   - A file is visible whole or not at all. It never replaces another, and its name
//     is never used twice.
//   - Every function may be called again, by several processes at once, in the state
//     that a crash at any moment leaves behind. What it states when it returns
//     survives a power cut.
//   - Nothing is deleted but temporaries of the run, data files whose name says that
//     the run wrote them, and files that the plan listed by name.
//
// The rules are those of docs/protocol; each is named at the line that keeps it. The
// package knows storage and the ledger's types, not NATS: who may end a run, and
// when, its callers know.
package sink
