// Package natstest gives tests a real nats-server with JetStream, and the faults
// of a real network and a real disk.
//
// [New] starts a server inside the test process. Its store is a directory of the
// test, and by default nothing listens: connections are in-process pipes, which is
// why hundreds of such tests take seconds. With [Listen] the server also takes TCP
// on 127.0.0.1, for other processes and for a [Proxy].
//
//	s := natstest.New(t)
//	nc := s.Connect(t)
//	...
//	s.Restart() // clients reconnect; streams, consumers and their state are kept
//
// [NewCluster] gives several servers with one JetStream, whose streams can have replicas
// and change their leaders.
//
// A [Proxy] sits between clients and a server and reads the NATS protocol frame by
// frame, so that a test can lose, hold back or delay just the message it means: the
// answer to one publish, a request, everything in one direction.
//
// [RewindStream] and [Server.LosePower] put a stream back to an older state, as a
// power loss does to a store that is not synced at each write: messages that were
// acknowledged are gone, and their sequences are given out again.
//
// Guarantees: whatever a function here starts has ended when the test's cleanup has
// run, and nothing leaves 127.0.0.1.
package natstest
