//go:build !linux

package flow

import "time"

// threadTime is not known here; CPU seconds are reported as zero.
func threadTime() time.Duration { return 0 }
