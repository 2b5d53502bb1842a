package flow

import (
	"os"
	"runtime"
	"time"
)

// ProcessStats is the process that an instance runs in, and the machine below it: how
// much of the cores it uses. Several instances may share one.
type ProcessStats struct {
	Machine      string        `json:"machine,omitempty"` // the same in all containers of a machine; "" where that is not known
	Host         string        `json:"host,omitempty"`
	PID          int           `json:"pid"`
	Cores        int           `json:"cores"`         // that the process may use
	MachineCores int           `json:"machine_cores"` // that the machine has for it
	CPU          time.Duration `json:"cpu_ns"`        // of the whole process since its start; 0 where the system cannot tell
}

func processStats() *ProcessStats {
	host, err := os.Hostname()
	if err != nil {
		host = "" // the PID alone must do
	}
	return &ProcessStats{
		Machine: machineName(), Host: host, PID: os.Getpid(), Cores: runtime.GOMAXPROCS(0), MachineCores: runtime.NumCPU(), CPU: processTime(),
	}
}
