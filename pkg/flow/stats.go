package flow

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

// Stats is what one instance of a stage has done for a run since it started.
// Counters only grow; durations are nanoseconds of all workers together.
type Stats struct {
	V        int       `json:"v"` // 1
	Run      RunID     `json:"run"`
	Stage    string    `json:"stage"`
	Instance string    `json:"instance"`
	At       time.Time `json:"at"`
	Started  time.Time `json:"started"`

	RowsIn    int64            `json:"rows_in"`
	RowsOut   int64            `json:"rows_out"`
	BytesIn   int64            `json:"bytes_in"`
	BytesOut  int64            `json:"bytes_out"`
	BlocksIn  int64            `json:"blocks_in"`
	BlocksOut int64            `json:"blocks_out"`
	Dropped   map[string]int64 `json:"dropped,omitempty"` // rows by operator
	Dead      int64            `json:"dead"`

	WaitIn      time.Duration `json:"wait_in_ns"`  // for input
	Working     time.Duration `json:"working_ns"`  // decoding, operating, encoding, writing
	WaitOut     time.Duration `json:"wait_out_ns"` // for stored output: backpressure
	CPU         time.Duration `json:"cpu_ns"`      // of the working threads; 0 where the system cannot tell
	Redelivered int64         `json:"redelivered"`
	Errors      int64         `json:"errors"`

	// Requests to a store over a network: each attempt, those of them that repeat an earlier
	// one, and those that the store refused for being too many.
	StoreRequests  int64 `json:"store_requests,omitempty"`
	StoreRetries   int64 `json:"store_retries,omitempty"`
	StoreThrottled int64 `json:"store_throttled,omitempty"`

	// Workers is how many blocks the instance works on at once: the workers of a stage now,
	// the tasks of a reader, the lanes of a writer. Scaling has the last changes of it.
	Workers int       `json:"workers,omitempty"`
	Scaling []Scaling `json:"scaling,omitempty"`

	Process *ProcessStats `json:"process,omitempty"` // that the instance runs in; nil in a sum

	State    string        `json:"state"`                 // what it is doing, in one word
	FirstRow time.Duration `json:"first_row_ns,omitzero"` // from the start of the instance to its first row out
}

// Scaling is a change of the number of workers, and why.
type Scaling struct {
	At     time.Time `json:"at"`
	From   int       `json:"from"`
	To     int       `json:"to"`
	Reason string    `json:"reason"` // "37 blocks waited, output did not"
}

// mostScalings bounds the changes that a report carries.
const mostScalings = 8

// lastScalings returns the last changes of all, in order of time.
func lastScalings(all []Scaling) []Scaling {
	slices.SortStableFunc(all, func(a, b Scaling) int { return a.At.Compare(b.At) })
	return all[max(0, len(all)-mostScalings):]
}

// Add adds the counters of another instance; the times of start and report
// become the earliest and the latest of both.
func (s *Stats) Add(o Stats) {
	s.RowsIn += o.RowsIn
	s.RowsOut += o.RowsOut
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.BlocksIn += o.BlocksIn
	s.BlocksOut += o.BlocksOut
	s.Dead += o.Dead
	s.WaitIn += o.WaitIn
	s.Working += o.Working
	s.WaitOut += o.WaitOut
	s.CPU += o.CPU
	s.Redelivered += o.Redelivered
	s.Errors += o.Errors
	s.StoreRequests += o.StoreRequests
	s.StoreRetries += o.StoreRetries
	s.StoreThrottled += o.StoreThrottled
	s.Workers += o.Workers
	s.Scaling = lastScalings(slices.Concat(s.Scaling, o.Scaling))
	for op, n := range o.Dropped {
		if s.Dropped == nil {
			s.Dropped = map[string]int64{}
		}
		s.Dropped[op] += n
	}
	if s.Started.IsZero() || !o.Started.IsZero() && o.Started.Before(s.Started) {
		s.Started = o.Started
	}
	if o.At.After(s.At) {
		s.At = o.At
	}
	if s.FirstRow == 0 || o.FirstRow > 0 && o.FirstRow < s.FirstRow {
		s.FirstRow = o.FirstRow
	}
}

// Meter counts what an instance of a stage does. Safe for concurrent use; its
// methods cost an atomic addition. A nil Meter counts nothing.
type Meter struct {
	run      RunID
	stage    string
	instance string
	started  time.Time

	rowsIn, rowsOut, bytesIn, bytesOut, blocksIn, blocksOut, dead atomic.Int64
	waitIn, working, waitOut, cpu, redelivered, errors, firstRow  atomic.Int64
	storeRequests, storeRetries, storeThrottled                   atomic.Int64
	state                                                         atomic.Pointer[string]

	workers atomic.Int64

	mu       sync.Mutex
	dropped  map[string]int64
	scalings []Scaling
}

func newMeter(run RunID, stage, instance string) *Meter {
	m := &Meter{run: run, stage: stage, instance: instance, started: time.Now(), dropped: map[string]int64{}}
	m.SetState("starting")
	return m
}

// Rows counts rows that came in and went out.
func (m *Meter) Rows(in, out int64) {
	if m == nil {
		return
	}
	m.rowsIn.Add(in)
	if out > 0 && m.rowsOut.Add(out) == out {
		m.firstRow.CompareAndSwap(0, int64(time.Since(m.started)))
	}
}

// Wrote counts bytes and files or blocks that went out other than by a publish.
func (m *Meter) Wrote(n, bytes int64) {
	if m == nil {
		return
	}
	m.blocksOut.Add(n)
	m.bytesOut.Add(bytes)
}

// Read counts bytes that came in other than by a block.
func (m *Meter) Read(n, bytes int64) {
	if m == nil {
		return
	}
	m.blocksIn.Add(n)
	m.bytesIn.Add(bytes)
}

// Dropped counts rows that an operator filtered out.
func (m *Meter) Dropped(operator string, rows int64) {
	if m == nil || rows == 0 {
		return
	}
	m.mu.Lock()
	m.dropped[operator] += rows
	m.mu.Unlock()
}

// Dead counts rows that went to the dead letters.
func (m *Meter) Dead(rows int64) {
	if m != nil {
		m.dead.Add(rows)
	}
}

// Error counts an error that was retried or dead-lettered.
func (m *Meter) Error() {
	if m != nil {
		m.errors.Add(1)
	}
}

// SetState says in one word what the instance is doing: "reading", "waiting".
func (m *Meter) SetState(word string) {
	if m != nil {
		m.state.Store(&word)
	}
}

// SetWorkers says how many blocks, tasks or lanes the instance works on at once.
func (m *Meter) SetWorkers(n int) {
	if m != nil {
		m.workers.Store(int64(n))
	}
}

func (m *Meter) scaled(s Scaling) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.scalings = lastScalings(append(m.scalings, s))
}

// Work counts the time and the CPU of f, on the calling goroutine, as work.
func (m *Meter) Work(f func() error) error {
	start, cpu := time.Now(), StartThreadClock()
	defer func() { m.Worked(time.Since(start), cpu.Stop()) }()
	return f()
}

// Worked counts a stretch of work: its time, and its CPU time as a [ThreadClock]
// measured it.
func (m *Meter) Worked(d, cpu time.Duration) {
	if m != nil {
		m.working.Add(int64(d))
		m.cpu.Add(int64(cpu))
	}
}

// ThreadClock measures the CPU time of one goroutine between Start and Stop, by
// keeping it on its thread.
type ThreadClock struct{ from time.Duration }

// StartThreadClock locks the calling goroutine to its thread until Stop.
func StartThreadClock() ThreadClock {
	runtime.LockOSThread() // or the clock would be another thread's at the end
	return ThreadClock{threadTime()}
}

// Stop returns the CPU time since the start, 0 where the system cannot tell. It must
// be called once, by the goroutine that started the clock.
func (c ThreadClock) Stop() time.Duration {
	d := threadTime() - c.from
	runtime.UnlockOSThread()
	return d
}

func (m *Meter) waitedIn(d time.Duration) {
	if m != nil {
		m.waitIn.Add(int64(d))
	}
}

func (m *Meter) waitedOut(d time.Duration) {
	if m != nil {
		m.waitOut.Add(int64(d))
	}
}

// StoreRequest counts one attempt of a request to a store over a network.
func (m *Meter) StoreRequest(retry, throttled bool) {
	if m == nil {
		return
	}
	m.storeRequests.Add(1)
	if retry {
		m.storeRetries.Add(1)
	}
	if throttled {
		m.storeThrottled.Add(1)
	}
}

func (m *Meter) sent(bytes int64) {
	if m != nil {
		m.blocksOut.Add(1)
		m.bytesOut.Add(bytes)
	}
}

func (m *Meter) received(d *Delivery) {
	if m == nil {
		return
	}
	m.blocksIn.Add(1)
	m.bytesIn.Add(d.bytes)
	if d.times > 1 {
		m.redelivered.Add(1)
	}
}

// Stats returns the counters as they stand.
func (m *Meter) Stats() Stats {
	s := Stats{
		V: 1, Run: m.run, Stage: m.stage, Instance: m.instance, At: time.Now().UTC(), Started: m.started.UTC(),
		RowsIn: m.rowsIn.Load(), RowsOut: m.rowsOut.Load(), BytesIn: m.bytesIn.Load(), BytesOut: m.bytesOut.Load(),
		BlocksIn: m.blocksIn.Load(), BlocksOut: m.blocksOut.Load(), Dead: m.dead.Load(),
		WaitIn: time.Duration(m.waitIn.Load()), Working: time.Duration(m.working.Load()), WaitOut: time.Duration(m.waitOut.Load()),
		CPU: time.Duration(m.cpu.Load()), Redelivered: m.redelivered.Load(), Errors: m.errors.Load(),
		StoreRequests: m.storeRequests.Load(), StoreRetries: m.storeRetries.Load(), StoreThrottled: m.storeThrottled.Load(),
		Workers: int(m.workers.Load()), Process: processStats(),
		State: *m.state.Load(), FirstRow: time.Duration(m.firstRow.Load()),
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.dropped) > 0 {
		s.Dropped = maps.Clone(m.dropped)
	}
	s.Scaling = slices.Clone(m.scalings)
	return s
}

// report publishes the counters once a second, and whenever somebody asks, until
// ctx ends; then once more. Nothing is stored: who does not listen misses them.
func (m *Meter) report(ctx context.Context, c *Conn) {
	subject := StatsSubject(m.run, m.stage, m.instance)
	send := func() {
		if data, err := json.Marshal(m.Stats()); err == nil {
			_ = c.ctl.nc.Publish(subject, data) // lost while down: the next one says more
		}
	}
	asked := make(chan struct{}, 1)
	sub, err := c.ctl.nc.Subscribe(statsAskSubject(m.run), func(*nats.Msg) {
		select {
		case asked <- struct{}{}:
		default:
		}
	})
	if err != nil {
		c.log.DebugContext(ctx, "statistics cannot be asked for", slog.Any("error", err))
	} else {
		defer func() { _ = sub.Unsubscribe() }()
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		send()
		select {
		case <-ctx.Done():
			send()
			return
		case <-tick.C:
		case <-asked:
		}
	}
}

// Board is the last report of every instance of a run, kept up by a plain
// subscription. Safe for concurrent use.
type Board struct {
	c       *Conn
	run     RunID
	sub     *nats.Subscription
	mu      sync.Mutex
	last    map[string]Stats
	heard   map[string]time.Time
	arrived chan struct{} // closed, and made anew, at each report
}

// Watch starts to listen to the reports of a run, and asks for one of every instance, so
// that a board which has just begun does not miss those that it has never heard. A
// connection that only looks does not ask: it hears all within a second. The caller must
// Close it.
func (c *Conn) Watch(run RunID) (*Board, error) {
	b := &Board{c: c, run: run, last: map[string]Stats{}, heard: map[string]time.Time{}, arrived: make(chan struct{})}
	sub, err := c.ctl.nc.Subscribe(StatsSubject(run, "*", "*"), func(msg *nats.Msg) {
		var s Stats
		if json.Unmarshal(msg.Data, &s) != nil || s.V != 1 {
			return // of another version: not ours to judge
		}
		key := s.Stage + "/" + s.Instance
		b.mu.Lock()
		b.last[key], b.heard[key] = s, time.Now()
		close(b.arrived)
		b.arrived = make(chan struct{})
		b.mu.Unlock()
	})
	if err != nil {
		return nil, err
	}
	b.sub = sub
	if !c.cfg.ReadOnly {
		_ = c.ctl.nc.Publish(statsAskSubject(run), nil) // down: the next reports will do
	}
	return b, nil
}

// Close stops listening.
func (b *Board) Close() { _ = b.sub.Unsubscribe() }

// Ask makes every instance report now, and waits until all those known have, or
// ctx ends.
func (b *Board) Ask(ctx context.Context) {
	asked := time.Now()
	_ = b.c.ctl.nc.Publish(statsAskSubject(b.run), nil) // down: the last reports must do
	for {
		b.mu.Lock()
		arrived, missing := b.arrived, false
		for _, at := range b.heard {
			// One that has been silent for long is dead, and would never answer.
			missing = missing || at.Before(asked) && asked.Sub(at) < liveFor
		}
		missing = missing || len(b.heard) == 0
		b.mu.Unlock()
		if !missing {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-arrived:
		}
	}
}

// liveFor is how long after its last report an instance counts as alive. It
// decides only when to try something, never what is true (rule 23).
const liveFor = 5 * time.Second

// All returns the last report of each instance, dead ones too.
func (b *Board) All() []Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := make([]Stats, 0, len(b.last))
	for _, s := range b.last {
		all = append(all, s)
	}
	return all
}

// Live is how many instances of a stage reported lately.
func (b *Board) Live(stage string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for key, s := range b.last {
		if s.Stage == stage && time.Since(b.heard[key]) < liveFor {
			n++
		}
	}
	return n
}
