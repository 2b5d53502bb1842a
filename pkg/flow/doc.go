// Package flow moves blocks between the stages of a run over NATS JetStream.
// It knows subjects, streams, consumers and the ledger; it does not know files.
//
// # The idea
//
// A run is a ledger (one stream, the truth) and a set of bounded work queues
// (transport, disposable). A process connects once, and for every active run
// serves the roles that it plays:
//
//	runs KV ──watch──► Conn.Serve ──► Role.Serve(run) ─┬─ Tasks   (reader)
//	                                                   ├─ Stage   (transform, yours)
//	                                                   └─ Input + Ledger.Append (writer)
//
// The rule that a stage lives by, in one line: publish the output under a
// message id made of its stage, span and epoch, wait for the publish ack, then
// ack the input. [Stage] does exactly that, for a bounded window of blocks, and
// sends in-progress for everything it holds, so nothing is delivered twice for
// no reason.
//
// # Guarantees
//
//   - A block is acked only after all that was made of it is stored. A crash, a
//     lost stream or a lost answer costs work, never data.
//   - A full edge refuses its publisher (error 10077), which waits and tries
//     again: that is the backpressure. Memory is bounded by the window.
//   - Streams, consumers and buckets that somebody deleted are made again; the
//     ledger decides what is still owed.
//   - Every decision is read from the fold of the ledger (package ledger), never
//     from a clock, an acknowledgement or the deduplication window.
package flow
