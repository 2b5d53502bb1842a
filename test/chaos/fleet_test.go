//go:build chaos

package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/pkg/flow"
)

// fleet is a server and the services on it, for one round.
type fleet struct {
	rig    *rig
	dir    string
	broker *broker
	seats  []*seat
	conn   *flow.Conn // ours
	tally  *tally
	agenda *agenda

	ctx    context.Context // ends when the round fails
	cancel context.CancelCauseFunc
	over   chan struct{} // closed when the run has ended: no more faults
	wg     sync.WaitGroup

	mu      sync.Mutex
	began   time.Time
	counts  map[string]int // faults by kind
	unsure  bool           // a stream may have been deleted
	journal []string
}

// newFleet starts a server and six services.
func newFleet(ctx context.Context, g *rig, dir string, rng *rand.Rand, points []fault.Name, t *tally) (_ *fleet, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f := &fleet{rig: g, dir: dir, tally: t, agenda: newAgenda(points), over: make(chan struct{}), counts: map[string]int{}, began: time.Now()}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	defer func() {
		if err != nil {
			f.abandon()
		}
	}()
	if f.broker, err = newBroker(g, dir); err != nil {
		return nil, err
	}
	if err := f.broker.start(ctx); err != nil {
		return nil, err
	}
	for _, role := range []string{"reader", "transform", "writer"} {
		for i := range 2 {
			name := fmt.Sprintf("%s-%d", role, i)
			s := &seat{role: role, name: name, fleet: f, rng: rand.New(rand.NewPCG(rng.Uint64(), hash(name)))}
			f.seats = append(f.seats, s)
			if err := s.start(); err != nil {
				return nil, err
			}
		}
	}
	f.conn, err = flow.Connect(ctx, flow.DialURL(f.broker.url(), nats.Timeout(10*time.Second)), flow.Config{Name: "chaos", Timeout: time.Second}, slog.New(slog.DiscardHandler))
	return f, err
}

func hash(s string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s))
	return h.Sum64()
}

// fail ends the round; the first failure counts.
func (f *fleet) fail(err error) {
	f.note("", "FAILED: %v", err)
	f.cancel(err)
}

// pause waits for d, or returns why it was cut short: by a failure, or by the end of
// the run.
func (f *fleet) pause(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-f.over:
		return errOver
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	}
}

// closed reports that the run has ended.
func (f *fleet) closed() bool {
	select {
	case <-f.over:
		return true
	default:
		return false
	}
}

// note writes into the journal, and counts a fault if kind is not "".
func (f *fleet) note(kind, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if kind != "" {
		f.counts[kind]++
	}
	f.journal = append(f.journal, fmt.Sprintf("%7.3fs %-9s %s", time.Since(f.began).Seconds(), kind, fmt.Sprintf(format, args...)))
}

// faults is how many there have been.
func (f *fleet) faults() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.counts {
		n += c
	}
	return n
}

// count is how many faults of a kind there have been.
func (f *fleet) count(kind string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[kind]
}

// doubt notes that a stream may have been deleted: the answer was lost.
func (f *fleet) doubt() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unsure = true
}

func (f *fleet) doubtful() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unsure
}

// await waits for a process that must exit with 0 by itself.
func (f *fleet) await(p *process) error {
	t := time.NewTimer(drain)
	defer t.Stop()
	select {
	case <-p.done:
	case <-f.ctx.Done():
		return context.Cause(f.ctx)
	case <-t.C:
		return fmt.Errorf("%s has not exited %v after the end of the run", p.name, drain)
	}
	if p.code() != 0 {
		return fmt.Errorf("%s: %s", p.name, p.how())
	}
	return nil
}

// abandon ends everything at once.
func (f *fleet) abandon() {
	f.cancel(errOver)
	for _, s := range f.seats {
		s.abandon()
	}
	f.wg.Wait()
	if f.conn != nil {
		f.conn.Close()
	}
	if f.broker != nil {
		f.broker.kill()
	}
}

// leave asks all services to stop and waits until they have.
func (f *fleet) leave() error {
	errs := make([]error, len(f.seats), len(f.seats)+1)
	var wg sync.WaitGroup
	for i, s := range f.seats {
		wg.Go(func() { errs[i] = s.leave() })
	}
	wg.Wait()
	f.wg.Wait() // faults that were still going on
	errs = append(errs, context.Cause(f.ctx))
	return errors.Join(errs...)
}
