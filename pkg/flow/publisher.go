package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/semaphore"

	"github.com/levada-data/levada/pkg/blocks"
)

// Publisher puts messages into one stream and waits until each is stored. It
// holds at most a window of bytes in flight, whatever the number of callers: far
// below what makes the server call the connection slow. Safe for concurrent use.
//
//	Publish ──► window ──► gate ──► server ──► ack
//	               ▲                  │ refused: the edge is full
//	               └── one prober ◄───┘ (20 to 100 ms), all others wait at the gate
type Publisher struct {
	c       *Conn
	stream  jetstream.StreamConfig
	window  *semaphore.Weighted
	size    int64
	full    atomic.Bool
	refused atomic.Int64  // times that the edge was full
	gate    chan struct{} // holds one token: who has it may probe a full edge
	meter   *Meter
	alive   func(context.Context) error // an error once the run has ended: its streams stay deleted
	refuse  error                       // what a full stream means; nil: wait, that is the backpressure

	fused  *fusedEdge      // instead of the stream; then only the fields below and the meter are used
	intake context.Context //nolint:containedctx // of the run: nothing is handed over after it has ended
}

func (r *Run) publisher(stream jetstream.StreamConfig, meter *Meter) *Publisher {
	size := r.c.cfg.Window
	p := &Publisher{c: r.c, stream: stream, window: semaphore.NewWeighted(size), size: size, gate: make(chan struct{}, 1), meter: meter, alive: r.alive}
	p.gate <- struct{}{}
	return p
}

// Publish stores one message. It returns nil when the message is in the stream
// (or was, under the same id: rule 12 says what that is worth), and an error only
// when ctx or the run has ended ([ErrRunEnded]) or the message can never be stored
// ([ErrTooLarge]; a ledger that cannot be folded). In between it waits: for room in a full edge, for a server that restarts, for a
// stream that it has to make again.
func (p *Publisher) Publish(ctx context.Context, m *nats.Msg) error {
	weight := min(int64(len(m.Data)), p.size)
	start := time.Now()
	if err := p.window.Acquire(ctx, weight); err != nil {
		return context.Cause(ctx)
	}
	defer p.window.Release(weight)
	defer func() { p.meter.waitedOut(time.Since(start)) }()
	for n := 0; ; n++ {
		err := p.pass(ctx, func() error { return p.send(ctx, m) })
		if err == nil {
			p.meter.sent(int64(len(m.Data)))
			return nil
		}
		if isTooLarge(err) {
			return fmt.Errorf("publish %d bytes to %s: %w", len(m.Data), m.Subject, ErrTooLarge)
		}
		if p.refuse != nil && isFull(err) {
			return fmt.Errorf("publish %d bytes to %s: %w", len(m.Data), m.Subject, p.refuse)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if isMissing(err) {
			if err := p.repair(ctx); err != nil {
				return err
			}
		}
		if perr := pause(ctx, backoff(n)); perr != nil {
			return perr
		}
	}
}

// repair makes the stream again: somebody deleted it, or the server is still starting.
// What it held is owed, and the reconciler will see that. Its error says that the stream
// will never be there; what may pass is tried again with the next publish.
func (p *Publisher) repair(ctx context.Context) error {
	err := p.alive(ctx)
	if errors.Is(err, ErrRunEnded) || isFinal(err) {
		return err
	}
	if err == nil {
		err = p.c.ensureStream(ctx, p.stream)
	}
	if err != nil {
		p.c.log.DebugContext(ctx, "stream not made again", slog.String("stream", p.stream.Name), slog.Any("error", err))
	}
	return nil
}

// pass lets f through the gate: freely while the edge has room, one at a time
// while it is full. A refused block has crossed the wire for nothing, so only one
// of them is tried again and again.
func (p *Publisher) pass(ctx context.Context, f func() error) error {
	if !p.full.Load() {
		if err := f(); !isFull(err) || p.refuse != nil {
			return err
		}
		p.refused.Add(1)
	}
	select {
	case <-p.gate:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { p.gate <- struct{}{} }()
	for {
		err := f()
		if !isFull(err) {
			p.full.Store(false)
			return err
		}
		p.full.Store(true)
		p.refused.Add(1)
		if err := pause(ctx, 20*time.Millisecond+rand.N(80*time.Millisecond)); err != nil {
			return err
		}
	}
}

func (p *Publisher) send(ctx context.Context, m *nats.Msg) error {
	ctx, cancel := p.c.out.request(ctx, p.c.cfg.Timeout)
	defer cancel()
	_, err := p.c.out.js.PublishMsg(ctx, m, jetstream.WithExpectStream(p.stream.Name), jetstream.WithRetryAttempts(0))
	return err
}

// blockMsg makes the message of a block: its id is stage, span and epoch
// (rule 12), so that the same block in the same epoch is stored once while the
// server remembers, and a block that the reconciler asked for again never
// meets an id of before.
func blockMsg(run RunID, h *blocks.Header, wire blocks.Message) *nats.Msg {
	m := &nats.Msg{Subject: BlocksSubject(run, h.Stage), Header: nats.Header(wire.Header), Data: wire.Data}
	// Rule 12 (epoch).
	m.Header.Set(jetstream.MsgIDHeader, h.Stage+"/"+h.Span.String()+"/"+h.Epoch)
	return m
}

// PublishBlock encodes b, borrowing it, and stores it in the edge of its stage; on a
// fused edge it hands the block over instead. from is what the block was made from: the
// caller settles it afterwards, and it stays unsettled until a block that was handed
// over is. nil when that is nothing.
func (p *Publisher) PublishBlock(ctx context.Context, run RunID, b *blocks.Block, from *Delivery) error {
	if p.fused != nil {
		return p.hand(ctx, b, from)
	}
	wire, err := blocks.Encode(b)
	if err != nil {
		return Permanent(fmt.Errorf("encode block %s: %w", b.Span, err))
	}
	m := blockMsg(run, &b.Header, wire)
	m.Header.Set(jetstream.ExpectedStreamHeader, p.stream.Name) // as send does, but before the padding is measured
	blocks.Align(m.Header)
	if err := p.Publish(ctx, m); err != nil {
		if errors.Is(err, ErrTooLarge) {
			return Permanent(fmt.Errorf("block %s: %w", b.Span, err))
		}
		return err
	}
	return nil
}

func (p *Publisher) hand(ctx context.Context, b *blocks.Block, from *Delivery) error {
	start := time.Now()
	defer func() { p.meter.waitedOut(time.Since(start)) }()
	// All that looks at the rows comes before they are somebody else's: an array counts its
	// nulls when it is first asked, and no two goroutines may ask.
	size := b.Size()
	p.fused.tap.show(b)
	if err := p.fused.hand(ctx, p.intake, b, size, from); err != nil {
		return err
	}
	p.meter.sent(size)
	return nil
}

// Await returns when the next stage is there: at once, unless the edge is fused. Who
// begins before has blocks that nobody takes.
func (p *Publisher) Await(ctx context.Context) error {
	if p.fused == nil {
		return nil
	}
	return p.fused.await(ctx)
}

// crowded reports that the edge does not take what comes out.
func (p *Publisher) crowded() bool {
	if p.fused != nil {
		return len(p.fused.ready) == cap(p.fused.ready)
	}
	return p.full.Load()
}
