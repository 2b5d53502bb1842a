//go:build !linux

package flow

import "time"

// threadTime is not known here; CPU seconds are reported as zero.
func threadTime() time.Duration { return 0 }

// processTime is not known here.
func processTime() time.Duration { return 0 }

// machineName is not known here.
func machineName() string { return "" }
