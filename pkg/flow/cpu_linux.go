package flow

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"strings"
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

// processTime is the CPU time of all threads of this process.
func processTime() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// machineName tells machines apart, for processes in containers too, whose host names
// are their own. It is a hash of the id that the kernel makes at each boot.
func machineName() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte("levada/machine/" + strings.TrimSpace(string(id))))
	return hex.EncodeToString(sum[:4])
}
