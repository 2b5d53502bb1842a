package flow

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"

	"github.com/levada-data/levada/internal/pool"
)

// crew is the workers of one stage in one process: as many as [pool.State] says, which
// looks at the meter's waiting times now and then.
//
//	         ┌──── every crewInterval: waited in, CPU, blocks that wait, edge refused? ────┐
//	Input ─► │ worker │ worker │ ... ─► Publisher                                    pool.Next
//	              ▲ starts one, or lets one leave between two blocks ◄─────────────────────┘
//
// Each worker takes one block after the other and settles it as if it were alone; a
// change of their number touches no block.
type crew struct {
	start pool.State // never written: the workers read its bounds
	in    *Input
	out   *Publisher
	meter *Meter
	log   *slog.Logger
	work  func() // of one worker, until it may leave or the intake has ended

	mu      sync.Mutex
	size    int // that there should be
	running int // that there are
	workers sync.WaitGroup
}

// crewInterval is how often the size is decided about. What it decides costs or saves
// time, never a block (rule 23).
const crewInterval = 250 * time.Millisecond

// bounds fills in what a stage leaves open.
func (s *Stage) bounds() (least, most int) {
	least = s.Workers
	if least <= 0 {
		least = runtime.GOMAXPROCS(0)
	}
	return least, max(least, s.MaxWorkers)
}

// serve runs the workers until intake has ended and the last of them has finished.
func (c *crew) serve(intake context.Context) {
	c.resize(c.start.Size)
	if c.elastic() {
		c.workers.Go(func() { c.adapt(intake) })
	}
	c.workers.Wait()
}

func (c *crew) elastic() bool { return c.start.Max > c.start.Min }

// patience is how long a worker waits for a block before it looks whether it should
// leave; for ever when nobody ever should. It also bounds how much of a wait the meter
// does not know yet.
func (c *crew) patience() time.Duration {
	if c.elastic() {
		return crewInterval / 2
	}
	return 0
}

func (c *crew) resize(to int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.size = to
	c.meter.SetWorkers(to)
	for ; c.running < c.size; c.running++ {
		c.workers.Go(c.work)
	}
}

// leave reports, between two blocks, that the worker which asks is one too many.
func (c *crew) leave() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running <= c.size {
		return false
	}
	c.running--
	return true
}

// adapt changes the size as the load asks for, until ctx ends.
func (c *crew) adapt(ctx context.Context) {
	tick := time.NewTicker(crewInterval)
	defer tick.Stop()
	state, last := c.start, c.measure()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := c.measure()
		next, d, changed := state.Next(pool.Load{
			Interval: now.at.Sub(last.at), WaitedIn: now.waitedIn - last.waitedIn, CPU: now.cpu - last.cpu, Cores: runtime.GOMAXPROCS(0),
			Waiting: c.in.waiting(), Full: now.refused > last.refused || c.out.crowded(),
		})
		state, last = next, now
		if !changed {
			continue
		}
		c.log.InfoContext(ctx, "workers changed", slog.Int("from", d.From), slog.Int("to", d.To), slog.String("reason", d.Reason))
		c.meter.scaled(Scaling{At: now.at.UTC(), From: d.From, To: d.To, Reason: d.Reason})
		c.resize(d.To)
	}
}

// measurement is what the meter and the edges have counted so far.
type measurement struct {
	at            time.Time
	waitedIn, cpu time.Duration
	refused       int64
}

func (c *crew) measure() measurement {
	return measurement{
		at: time.Now(), waitedIn: time.Duration(c.meter.waitIn.Load()), cpu: time.Duration(c.meter.cpu.Load()),
		refused: c.out.refused.Load(),
	}
}
