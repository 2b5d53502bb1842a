package flow

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime is the CPU time of the calling thread. Between two calls on a locked
// thread it is that goroutine's own; garbage collection on other threads is not in it.
func threadTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}
