//go:build chaos

package chaos

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// process is one process of the operating system.
type process struct {
	name string
	cmd  *exec.Cmd
	log  string
	from int64         // where its lines begin in log
	done chan struct{} // closed when it has exited
}

// launch starts a process. What it prints is added to a log file.
func launch(name, log string, env []string, bin string, args ...string) (*process, error) {
	f, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fmt.Fprintf(f, "=== %s %v %v\n", time.Now().UTC().Format(time.RFC3339Nano), env, args)
	from, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(bin, args...)
	cmd.Stdout, cmd.Stderr = f, f
	cmd.Env = append(os.Environ(), env...)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, log: log, from: from, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait() // its error is in ProcessState
	}()
	return p, nil
}

func (p *process) signal(s syscall.Signal) { _ = p.cmd.Process.Signal(s) } // it may be gone: done tells

// kill ends the process as a power cut would, and waits until it is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// exited reports that the process is gone.
func (p *process) exited() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// killed reports that a process which has exited died of SIGKILL.
func (p *process) killed() bool { return p.diedOf(syscall.SIGKILL) }

func (p *process) diedOf(s syscall.Signal) bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == s
}

// unborn reports that a process which has exited died of SIGTERM before its main ran,
// so that nobody caught the signal: it has not printed a line.
func (p *process) unborn() bool {
	info, err := os.Stat(p.log)
	return err == nil && info.Size() == p.from && p.diedOf(syscall.SIGTERM)
}

// code is the exit code of a process that has exited, -1 after a signal.
func (p *process) code() int { return p.cmd.ProcessState.ExitCode() }

// how says how a process ended that has exited.
func (p *process) how() string { return p.cmd.ProcessState.String() }

// terminate asks the process to stop, and waits until it has. It must exit with 0, if
// it had begun.
func (p *process) terminate() error {
	p.signal(syscall.SIGTERM)
	t := time.NewTimer(drain)
	defer t.Stop()
	select {
	case <-p.done:
	case <-t.C:
		return fmt.Errorf("%s has not exited %v after SIGTERM", p.name, drain)
	}
	if p.code() != 0 && !p.unborn() {
		return fmt.Errorf("%s after SIGTERM: %s", p.name, p.how())
	}
	return nil
}
