package natstest

import (
	"bufio"
	"net"
	"net/url"
	"sync"
	"testing"
	"time"
)

// Direction is a way through a [Proxy].
type Direction int

// The two directions.
const (
	ToServer Direction = iota // what clients send: PUB, HPUB, SUB, ...
	ToClient                  // what the server sends: MSG, HMSG, INFO, ...
)

// Verdict is what a filter decides about a frame.
type Verdict int

// The verdicts.
const (
	Pass Verdict = iota // sent on
	Drop                // lost, as if the network had eaten it
	Hold                // set aside until ReleaseHeld; what follows overtakes it
	Cut                 // lost, and its connection with it
)

// Proxy is a TCP proxy between clients and a nats-server, with the faults of a
// network. It understands the protocol without TLS. Connections made through it
// reconnect through it. Safe for concurrent use.
//
// What a client sent before it died still arrives, however long it is held: that is
// how the late request of a dead process is made.
type Proxy struct {
	target string
	l      net.Listener
	wg     sync.WaitGroup

	mu     sync.Mutex
	cond   *sync.Cond // signalled at every change of what follows
	closed bool
	refuse bool
	pairs  map[*pair]struct{}
	ways   [2]way
	held   []heldFrame
}

// way is the state of one direction, of all connections together.
type way struct {
	held   bool
	delay  time.Duration
	filter func(*Frame) Verdict
}

// pair is one connection of a client and the one to the server that belongs to it.
type pair struct {
	client, server net.Conn
	gone           chan struct{} // closed when both connections are
	once           sync.Once
	held           int           // frames to the server that a filter set aside; under the proxy's mutex
	write          [2]sync.Mutex // a frame is written whole

	mu       sync.Mutex
	requests map[string]string // reply subject -> subject of the request
}

type heldFrame struct {
	pair *pair
	dir  Direction
	f    *Frame
}

// NewProxy starts a proxy before the server at target, a nats:// URL. It ends with
// the test.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatalf("natstest: proxy: %v", err)
	}
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("natstest: proxy: %v", err)
	}
	p := &Proxy{target: u.Host, l: l, pairs: map[*pair]struct{}{}}
	p.cond = sync.NewCond(&p.mu)
	p.wg.Go(p.accept)
	t.Cleanup(p.Close)
	return p
}

// URL is where clients connect to.
func (p *Proxy) URL() string { return "nats://" + p.l.Addr().String() }

// Close ends the proxy and every connection through it, and waits for both.
func (p *Proxy) Close() {
	p.mu.Lock()
	p.closed = true
	p.cond.Broadcast()
	p.mu.Unlock()
	_ = p.l.Close()
	p.Sever()
	p.wg.Wait()
}

// HoldDirection stops everything that goes in direction d, until [Proxy.Release].
// Nothing is lost: senders fill their buffers and then wait.
func (p *Proxy) HoldDirection(d Direction) {
	p.change(func() { p.ways[d].held = true })
}

// Release lets direction d go on.
func (p *Proxy) Release(d Direction) {
	p.change(func() { p.ways[d].held = false })
}

// Delay adds latency to direction d: each frame is sent on that much after it came,
// in order. At most 64 frames of a connection are on the way at once.
func (p *Proxy) Delay(d Direction, by time.Duration) {
	p.change(func() { p.ways[d].delay = by })
}

// Filter asks f about each frame that goes in direction d; nil ends that. It is
// called from several goroutines, one for each connection.
func (p *Proxy) Filter(d Direction, f func(*Frame) Verdict) {
	p.change(func() { p.ways[d].filter = f })
}

// Refuse makes the proxy cut new connections at once, until it is called with
// false. Those that there are go on: see [Proxy.Sever].
func (p *Proxy) Refuse(refuse bool) {
	p.change(func() { p.refuse = refuse })
}

// Sever cuts every connection of the moment. Clients may reconnect.
func (p *Proxy) Sever() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.cut()
	}
	p.cond.Broadcast()
}

// Held is the number of frames that a filter has set aside.
func (p *Proxy) Held() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.held)
}

// AwaitHeld waits until n frames have been set aside by a filter and returns what
// is; it ends the test if that takes longer than limit.
func (p *Proxy) AwaitHeld(t testing.TB, n int, limit time.Duration) []*Frame {
	t.Helper()
	late := false
	timer := time.AfterFunc(limit, func() { p.change(func() { late = true }) })
	defer timer.Stop()
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.held) < n {
		if late {
			t.Fatalf("natstest: %d frames held after %v, want %d", len(p.held), limit, n)
		}
		p.cond.Wait()
	}
	frames := make([]*Frame, len(p.held))
	for i, h := range p.held {
		frames[i] = h.f
	}
	return frames
}

// ReleaseHeld sends on what a filter has set aside, late, in the order it came. The
// filter is not asked again. A frame whose connection is gone meanwhile is lost.
func (p *Proxy) ReleaseHeld() {
	var held []heldFrame
	p.change(func() { held, p.held = p.held, nil })
	for _, h := range held {
		_ = h.pair.send(h.dir, h.f) // a gone connection loses it
	}
	p.change(func() { settle(held) })
}

// DropHeld forgets what a filter has set aside: it is lost.
func (p *Proxy) DropHeld() {
	p.change(func() {
		settle(p.held)
		p.held = nil
	})
}

// settle takes frames off the accounts of their connections.
func settle(held []heldFrame) {
	for _, h := range held {
		if h.dir == ToServer {
			h.pair.held--
		}
	}
}

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.cond.Broadcast()
}

func (p *Proxy) accept() {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() { p.serve(client) })
	}
}

// serve moves frames between one client and the server until either is gone.
//
//	client --> read, filter --> queue (64) --> delay, hold --> server
//	client <-- delay, hold <-- queue (64) <-- read, filter <-- server
func (p *Proxy) serve(client net.Conn) {
	defer func() { _ = client.Close() }() // cut may have done so
	server, err := (&net.Dialer{}).Dial("tcp", p.target)
	if err != nil {
		return // the server is down: the client sees its connection end
	}
	defer func() { _ = server.Close() }()
	c := &pair{client: client, server: server, gone: make(chan struct{}), requests: map[string]string{}}
	p.mu.Lock()
	if p.closed || p.refuse {
		p.mu.Unlock()
		return
	}
	p.pairs[c] = struct{}{}
	p.mu.Unlock()

	var wg sync.WaitGroup
	for _, d := range []Direction{ToServer, ToClient} {
		queue := make(chan timedFrame, 64)
		wg.Go(func() {
			defer close(queue)
			p.read(c, d, queue)
		})
		wg.Go(func() { p.forward(c, d, queue) })
	}
	wg.Wait()
	p.change(func() { delete(p.pairs, c) })
}

type timedFrame struct {
	f   *Frame
	due time.Time
}

func (p *Proxy) read(c *pair, d Direction, queue chan<- timedFrame) {
	r := bufio.NewReaderSize(c.source(d), 64<<10)
	for {
		f, err := readFrame(r)
		if err != nil {
			return
		}
		c.relate(d, f)
		p.mu.Lock()
		w := p.ways[d]
		p.mu.Unlock()
		verdict := Pass
		if w.filter != nil {
			verdict = w.filter(f)
		}
		switch verdict {
		case Drop:
			continue
		case Hold:
			p.change(func() {
				p.held = append(p.held, heldFrame{c, d, f})
				if d == ToServer {
					c.held++
				}
			})
			continue
		case Cut:
			p.change(c.cut)
			return
		case Pass:
		}
		select {
		case queue <- timedFrame{f, time.Now().Add(w.delay)}:
		case <-c.gone:
			return
		}
	}
}

func (p *Proxy) forward(c *pair, d Direction, queue <-chan timedFrame) {
	defer p.change(c.cut)
	lost := false // the client is gone, so what it would get is too
	for t := range queue {
		if !c.await(t.due) {
			return
		}
		p.mu.Lock()
		for p.ways[d].held && !p.closed && !c.isGone() {
			p.cond.Wait()
		}
		p.mu.Unlock()
		if lost {
			continue // the server must not find a slow consumer
		}
		if err := c.send(d, t.f); err != nil {
			if d == ToServer {
				return
			}
			lost = true
		}
	}
	if d == ToServer { // the client has ended, what it sent is still on its way
		p.mu.Lock()
		for c.held > 0 && !p.closed && !c.isGone() {
			p.cond.Wait()
		}
		p.mu.Unlock()
	}
}

// await waits until due, and reports false when the connections ended before.
func (c *pair) await(due time.Time) bool {
	wait := time.Until(due)
	if wait <= 0 {
		return true
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-c.gone:
		return false
	}
}

// source is where the frames of direction d come from.
func (c *pair) source(d Direction) net.Conn {
	if d == ToServer {
		return c.client
	}
	return c.server
}

func (c *pair) send(d Direction, f *Frame) error {
	c.write[d].Lock()
	defer c.write[d].Unlock()
	to := c.client
	if d == ToServer {
		to = c.server
	}
	_, err := to.Write(f.raw)
	return err
}

// relate notes the reply subject of a request, and tells an answer what it answers.
func (c *pair) relate(d Direction, f *Frame) {
	if !f.IsMessage() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if d == ToServer {
		if f.Reply != "" {
			c.requests[f.Reply] = f.Subject
		}
		return
	}
	f.Answers = c.requests[f.Subject]
}

func (c *pair) cut() {
	c.once.Do(func() {
		close(c.gone)
		_ = c.client.Close()
		_ = c.server.Close()
	})
}

func (c *pair) isGone() bool {
	select {
	case <-c.gone:
		return true
	default:
		return false
	}
}
