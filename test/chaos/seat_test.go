//go:build chaos

package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/levada-data/levada/internal/fault"
)

// seat is the place of one service: a process, and after its death another one.
//
//	        ┌──────────── a while ────────────┐
//	        ▼                                 │
//	empty ──► served ──► died at its point ───┤
//	              ├────► struck by us ────────┘
//	              └────► died otherwise: the round fails
type seat struct {
	role, name string
	fleet      *fleet

	mu    sync.Mutex
	rng   *rand.Rand
	life  *life // nil while empty
	busy  bool  // something is being done to it
	lives int
}

// life is one process of a seat.
type life struct {
	*process
	point  fault.Name // at which it will die, or ""
	struck bool       // we end it
}

// start fills the seat.
func (s *seat) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fleet.ctx.Err() != nil || s.fleet.closed() {
		return nil
	}
	s.lives++
	l := &life{point: s.fleet.agenda.take(s.role)}
	var env []string
	lingers := ""
	if l.point != "" {
		action := fmt.Sprintf("kill@%d", hitOf(l.point, s.rng))
		if s.rng.IntN(2) == 0 {
			lingers = filepath.Join(s.fleet.dir, fmt.Sprintf("%s-%d", s.name, s.lives))
			action = fmt.Sprintf("pause@%d:%s", hitOf(l.point, s.rng), lingers)
		}
		env = append(env, fmt.Sprintf("%s=%s=%s", fault.EnvFaults, l.point, action))
	}
	var err error
	l.process, err = launch(s.name, s.log(), env, s.fleet.rig.levada, s.role,
		"--nats", s.fleet.broker.url(), "--ack-wait", ackWait.String(), "--instance", s.name, "--log-level", "debug")
	if err != nil {
		return err
	}
	s.life = l
	s.fleet.wg.Go(func() { s.attend(l) })
	if lingers != "" {
		s.fleet.wg.Go(func() { l.linger(lingers + ".reached") })
	}
	return nil
}

// linger kills a process a moment after it has come to its point: what it had said until
// then has been heard, which a process that kills itself cuts off in its buffers.
func (l *life) linger(reached string) {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for heard := 0; heard < 5; {
		select {
		case <-l.done:
			return
		case <-t.C:
		}
		if _, err := os.Stat(reached); err == nil {
			heard++
		}
	}
	l.signal(syscall.SIGKILL)
}

func (s *seat) log() string { return filepath.Join(s.fleet.dir, s.name+".log") }

// attend waits for the death of a process that nobody struck.
func (s *seat) attend(l *life) {
	<-l.done
	s.mu.Lock()
	if l.struck {
		s.mu.Unlock()
		return
	}
	s.life = nil
	s.mu.Unlock()
	if l.point == "" || !l.killed() {
		s.fleet.fail(fmt.Errorf("%s exited by itself: %s", s.name, l.how()))
		return
	}
	s.died(l)
	s.refill()
}

// died notes that a process died at its point.
func (s *seat) died(l *life) {
	s.fleet.tally.add(l.point)
	s.fleet.note("point", "%s died at %s", s.name, l.point)
}

// refill starts the next process after a while.
func (s *seat) refill() {
	s.mu.Lock()
	d := time.Duration(s.rng.Int64N(int64(700 * time.Millisecond)))
	s.mu.Unlock()
	if s.fleet.pause(d) != nil {
		return
	}
	if err := s.start(); err != nil {
		s.fleet.fail(err)
	}
}

// claim takes the process of a seat for a fault, or returns nil when there is none to
// take. The caller must release the seat.
func (s *seat) claim() *life {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy || s.life == nil || s.life.exited() {
		return nil
	}
	s.busy = true
	return s.life
}

func (s *seat) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = false
}

// strike marks a process as ours to end; false when it died before.
func (s *seat) strike(l *life) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.exited() || s.life != l {
		return false
	}
	l.struck = true
	s.life = nil
	return true
}

// kill is a fault: SIGKILL, and a restart.
func (s *seat) kill(l *life) {
	defer s.release()
	if !s.strike(l) {
		return
	}
	l.kill()
	s.fleet.note("kill", "%s", s.name)
	s.fleet.agenda.giveBack(l.point)
	s.refill()
}

// terminate is a fault: SIGTERM, an orderly exit, and a restart.
func (s *seat) terminate(l *life) {
	defer s.release()
	if !s.strike(l) {
		return
	}
	s.fleet.note("terminate", "%s", s.name)
	err := l.terminate()
	switch {
	case l.exited() && l.killed() && l.point != "":
		s.died(l) // while it drained
	case err != nil:
		s.fleet.fail(err)
		return
	default:
		s.fleet.agenda.giveBack(l.point)
	}
	s.refill()
}

// stop is a fault: SIGSTOP for d, or until the run has ended when d is 0, then SIGCONT.
// What the process knows is old by then.
func (s *seat) stop(l *life, d time.Duration) {
	defer s.release()
	what := d.Round(time.Millisecond).String()
	if d == 0 {
		d, what = longest, "the end of the run"
	}
	l.signal(syscall.SIGSTOP)
	s.fleet.note("stop", "%s until %s", s.name, what)
	_ = s.fleet.pause(d) // the end of the run ends it too
	l.signal(syscall.SIGCONT)
}

// leave empties the seat at the end of a round, in order.
func (s *seat) leave() error {
	s.mu.Lock()
	l := s.life
	if l == nil || l.exited() {
		s.mu.Unlock()
		return nil // attend tells the rest
	}
	l.struck = true
	s.life = nil
	s.mu.Unlock()
	l.signal(syscall.SIGCONT)
	err := l.terminate()
	if l.exited() && l.killed() && l.point != "" {
		s.died(l)
		return nil
	}
	return err
}

// abandon ends the process at once: the round has failed.
func (s *seat) abandon() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life != nil {
		s.life.struck = true
		s.life.kill()
	}
}

var errOver = errors.New("the run has ended")
