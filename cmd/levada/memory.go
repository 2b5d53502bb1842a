package main

import (
	"runtime/debug"

	"github.com/dustin/go-humanize"
)

const (
	// defaultMemory bounds the heap of a process that nobody gave a bound. The limit is
	// soft, and the program itself is mapped beside it: with 400 MiB the whole process
	// stays under 512 MiB, with 450 MiB it did not always.
	defaultMemory = 400 << 20
	// defaultGC trades memory for time: batches are large and live shortly, so the
	// usual 100 collects too often.
	defaultGC = 200
)

// limitMemory sets the collector for moving data: by the flag, else by GOMEMLIMIT and
// GOGC, which the runtime has read, else by default.
func (a *app) limitMemory(flag string) error {
	if a.getenv("GOGC") == "" {
		debug.SetGCPercent(defaultGC)
	}
	if flag == "" {
		if a.getenv("GOMEMLIMIT") == "" {
			debug.SetMemoryLimit(defaultMemory)
		}
		return nil
	}
	n, err := sizeOf("memory", flag)
	if err != nil {
		return err
	}
	debug.SetMemoryLimit(n)
	return nil
}

const memoryUsage = "soft limit of the process, 400MiB for example (default $GOMEMLIMIT or 400MiB)"

// sizeOf reads a flag like "400MiB".
func sizeOf(flag, value string) (int64, error) {
	n, err := humanize.ParseBytes(value)
	if err != nil || n == 0 || n > 1<<60 {
		return 0, usagef("--%s %q: not a size: write 64MiB, for example", flag, value)
	}
	return int64(n), nil
}
