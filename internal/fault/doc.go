// Package fault names the moments at which a process may die, so that a test can
// make it die there.
//
// The protocol is right only if it survives a crash between any two of its steps. The
// code says [Point] between them. That costs one atomic load and does nothing, unless
// somebody asked for a fault: the chaos test through the environment of a real
// process, or a unit test through a hook.
//
//	LEVADA_FAULTS="writer.commit.append.after=kill@3,reader.task.ack.before=kill%0.01"
//	LEVADA_FAULT_SEED=42
//
// Each entry is NAME=ACTION, entries are separated by commas:
//
//	kill@N        the process kills itself (SIGKILL) at the N-th hit
//	kill%P        at each hit with probability P, drawn from the seed and the name
//	pause@N:PATH  the N-th hit creates PATH.reached and waits until PATH exists
//	error@N       the N-th hit returns an error, where the point takes one
//	error%P       each hit does, with probability P
//
// @N counts from one, and an action without it means @1. The same environment gives
// the same faults at the same hits.
//
// Nothing is read from the environment until main calls [Enable]: importing the
// package changes nothing.
package fault
