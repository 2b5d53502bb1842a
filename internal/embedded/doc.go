// Package embedded is the NATS server that `levada run` brings along.
//
// [Start] runs a nats-server with JetStream in the process, on a state directory:
//
//	<dir>/lock         held, exclusively, for as long as the server lives
//	<dir>/server.json  where it listens, with the token to get in; mode 0600
//	<dir>/jetstream/   the file store: streams, ledgers, buckets
//
// The process itself connects through memory ([Server.Connect]). Other processes of
// the same user, `levada status` in another terminal, find it with [Attach]: the
// server listens on a random port of 127.0.0.1 and takes only who knows the token.
//
// Guarantees: at most one server runs on a state directory, whatever its processes
// do or however they die, because the operating system gives the lock back with the
// process; what a killed process left in server.json is therefore known to be stale
// and never trusted; a server that started again on the directory finds everything
// that the one before had stored.
package embedded
