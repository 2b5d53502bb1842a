// Package chaos is the proof that no row is lost or doubled, whoever dies when.
//
// It runs real processes, two readers, two transforms and two writers, against a real
// nats-server, and injures them while a job is on its way. What it does:
//
//	kill        SIGKILL of a random service, and a restart
//	point       the same at a named moment of the protocol (internal/fault): at once, or
//	            when all that the process had said before has been heard
//	terminate   SIGTERM: the process must drain and exit with 0
//	stop        SIGSTOP for longer than the ack wait, or beyond the run's end, then SIGCONT
//	broker      SIGKILL of nats-server, and a restart on the same store
//	delete      of the stream between two stages, of the task queue, or of a consumer
//
// Each round is a run of its own on a server of its own. The jobs of the rounds have other
// shapes, in turn: every column travels, or only the touched ones and the writer takes the
// others from the source, row groups as a whole, or those rows that a filter has kept; with
// partitions or without, in the source's order or in none. Every third reads and writes a
// bucket of a real S3 server, whose answers are late, wrong, cut off or lost now and then,
// beside all of the above. What must hold:
//
//   - The run ends as done, and who follows it exits with 0.
//   - The rows of the output, with their computed columns, are as a multiset those that
//     DuckDB computes from the input.
//   - The manifest names exactly the files that are there, with their lengths, hashes and
//     rows; no temporary file and no unfinished upload is left; the books balance.
//   - At every moment, nothing is visible that no standing commit (visibility: file) or no
//     manifest (visibility: run) names; and an old output that is being replaced is whole
//     until the manifest of the new one is there.
//   - No row is dead, no file is lost, and where nobody deleted a stream, in every second
//     round, nothing had to be queued again: the stages alone lose no block, so that a
//     mistake in the order of publish and ack is seen although the ledger would heal it.
//   - Who is asked to stop exits with 0, nobody else exits, and the run is never without
//     progress for long.
//
// A second test does the same to `levada run`, which has the server and all services in
// one process, with edges that are streams and with those that are fused. A third copies a table of 2 GiB and sees that no process grows beyond its
// budget of memory. A fourth has no writer for a minute: the edges fill to their bound, the
// reader waits, and nothing is delivered twice.
//
// `make chaos N=1000 SEED=7` runs it. The faults of a round are drawn from the seed and
// the round's number, and a failure says how to run that round alone. The same faults
// come at the same points of time, not at the same instructions, so a failure may need
// several tries to come back. CHAOS_KEEP=dir keeps the logs and the stores of all processes;
// after a failure they are kept anyway.
package chaos
