// Package pool decides how many workers a stage has in one process. It is pure: what an
// interval has measured goes in, the new size and its reason come out, and the clock and
// the workers are somebody else's.
//
//	grow    all workers were busy, blocks waited, the output was taken: twice as many
//	shrink  fewer would have done for a while: as many as were needed
//
// The two are far apart, so that the size does not swing: it grows when the workers are
// busy for nine tenths of the time, and shrinks to a size that leaves them idle for a
// fifth of it.
package pool
