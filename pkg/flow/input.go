package flow

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/levada-data/levada/pkg/blocks"
)

// Input is a process' share of one work queue: a durable pull consumer that all
// processes of a role have in common. It keeps a bounded window of messages, sends
// in-progress for every message that is not settled (also those that its reader
// holds for long), and makes the stream and the consumer again when someone
// deletes them. One reader; settling is safe from any goroutine.
type Input struct {
	c        *Conn
	stream   jetstream.StreamConfig
	consumer jetstream.ConsumerConfig
	window   int
	most     int            // messages of one pull; what arrives together must not make the connection slow
	ready    chan *Delivery // capacity: the window
	meter    *Meter
	alive    func(context.Context) error // an error once the run has ended: its streams stay deleted

	fused *fusedEdge // nil for a stream: then the fields above are unused, but for ready and meter

	behind atomic.Int64 // messages that waited in the stream when the last one was delivered

	mu     sync.Mutex
	credit int // messages that may still be asked for
	freed  chan struct{}
	live   map[*Delivery]struct{} // delivered and not settled
}

// Delivery is one message of a work queue, or one block of a fused edge, and the duty to
// settle it: exactly one of Ack, Nak and Term. What is never settled is delivered again.
//
// It settles by the acknowledgement protocol of JetStream itself, so that a message
// that is held for long is no more than its reply subject: the payload is let go of.
type Delivery struct {
	custody

	in     *Input
	reply  string
	header nats.Header
	data   []byte
	bytes  int64
	times  int
	held   bool

	// Of a fused edge:
	edge   *fusedEdge
	parent *Delivery     // that the block was made from; nil when of nothing that has to be settled
	block  *blocks.Block // until it has left
	left   atomic.Bool
}

// The words of the acknowledgement protocol.
const (
	wordAck      = "+ACK"
	wordNak      = "-NAK"
	wordProgress = "+WPI"
	wordTerm     = "+TERM"
)

// input opens a consumer named name on a stream. window is how many messages may
// be delivered and neither settled nor held.
func (r *Run) input(stream jetstream.StreamConfig, name string, window int, meter *Meter) *Input {
	c := r.c
	return &Input{
		c: c, alive: r.alive, stream: stream, window: window, most: window, meter: meter,
		consumer: jetstream.ConsumerConfig{
			Durable: name, AckPolicy: jetstream.AckExplicitPolicy, AckWait: c.cfg.AckWait,
			MaxDeliver: -1, MaxAckPending: 1 << 20, MaxWaiting: 1 << 16, // more than any hold (rule 16); never the default of 1000
			// Replicas: as many as the stream's.
		},
		ready: make(chan *Delivery, window), credit: window, freed: make(chan struct{}, 1), live: map[*Delivery]struct{}{},
	}
}

// Serve fetches until intake ends, and keeps what is held alive until work ends.
func (in *Input) Serve(intake, work context.Context) {
	if in.fused != nil {
		in.feed(intake)
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { in.keepAlive(work) })
	in.fetch(intake)
	in.giveBack()
	wg.Wait()
}

// giveBack returns what was fetched and that nobody took, so that others need
// not wait for the ack wait.
func (in *Input) giveBack() {
	for {
		select {
		case d := <-in.ready:
			d.Nak(0)
		default:
			return
		}
	}
}

func (in *Input) fetch(ctx context.Context) {
	var (
		cons  jetstream.Consumer
		quiet time.Time // since when the consumer does not answer, or cannot be opened, though it is there
	)
	// ill replaces a consumer that has been so for an ack wait.
	ill := func(is bool) {
		switch {
		case !is:
			quiet = time.Time{}
		case quiet.IsZero():
			quiet = time.Now()
		case time.Since(quiet) > in.c.cfg.AckWait:
			in.replace(ctx)
			quiet = time.Time{}
		}
	}
	for n := 0; ctx.Err() == nil; {
		want, err := in.wanted(ctx)
		if err != nil {
			return
		}
		if cons == nil {
			if cons, err = in.open(ctx); err != nil {
				level := slog.LevelDebug
				if n == warnAfter {
					level = slog.LevelWarn
				}
				in.c.log.Log(ctx, level, "input not open", slog.String("stream", in.stream.Name), slog.Any("error", err))
				cons = nil
				if isHollow(err) {
					ill(true)
				}
				if pause(ctx, backoff(n)) != nil {
					return
				}
				n++
				continue
			}
		}
		got, err := in.pull(ctx, cons, want)
		if got > 0 {
			n = 0
		}
		ill(errors.Is(err, nats.ErrNoResponders))
		if err != nil && ctx.Err() == nil {
			in.c.log.DebugContext(ctx, "fetch repeated", slog.String("stream", in.stream.Name), slog.Any("error", err))
			if !errors.Is(err, nats.ErrTimeout) {
				cons = nil // deleted, moved or unreachable: look again
			}
			if pause(ctx, backoff(n)) != nil {
				return
			}
			n++
		}
	}
}

// warnAfter is how often a request is repeated before a person is told.
const warnAfter = 5

func (in *Input) open(ctx context.Context) (jetstream.Consumer, error) {
	if err := in.alive(ctx); err != nil {
		return nil, err
	}
	if err := in.c.ensureStream(ctx, in.stream); err != nil {
		return nil, err
	}
	// On the connection for blocks: a pull's replies arrive where it was asked.
	return in.c.in.js.CreateOrUpdateConsumer(ctx, in.stream.Name, in.consumer)
}

// replace removes a consumer that is there and of no use, so that the next open makes a
// new one. Two kinds stay so for ever (both seen with nats-server 2.15.2). Replicas of a
// consumer that was young when servers died have no leader: made, a server killed before
// the first election, another one as the first came back. And one that was made while the
// server removed its predecessor of the same name has lost its directory to that, so that
// no process can open it. Nothing is lost: what was delivered and not settled is delivered
// again, which an ack wait of silence would have done as well.
func (in *Input) replace(ctx context.Context) {
	err := in.c.ctl.js.DeleteConsumer(ctx, in.stream.Name, in.consumer.Durable)
	in.c.log.WarnContext(ctx, "consumer does not answer or open, made again", slog.String("stream", in.stream.Name),
		slog.String("consumer", in.consumer.Durable), slog.Any("error", err))
}

// fetchWait is how long one pull waits at the server; short, so that a consumer
// that vanished is noticed and a drain is quick.
const fetchWait = time.Second

func (in *Input) pull(ctx context.Context, cons jetstream.Consumer, want int) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchWait)
	defer cancel()
	batch, err := cons.Fetch(want, jetstream.FetchContext(ctx))
	if err != nil {
		return 0, err
	}
	got := 0
	for msg := range batch.Messages() {
		got++
		if m, err := msg.Metadata(); err == nil {
			in.behind.Store(int64(min(m.NumPending, 1<<31)))
		}
		d := delivery(in, msg)
		in.mu.Lock()
		in.credit--
		in.live[d] = struct{}{}
		in.mu.Unlock()
		in.meter.received(d)
		in.ready <- d // never blocks: capacity is the window, and so is the credit
	}
	if got == 0 {
		in.behind.Store(0)
	}
	if err := batch.Error(); err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrNoMessages) {
		return got, err
	}
	return got, nil
}

// waiting is how many messages wait for a reader, here and in the stream, as far as is
// known here.
func (in *Input) waiting() int { return len(in.ready) + int(in.behind.Load()) }

// wanted waits until something may be asked for.
func (in *Input) wanted(ctx context.Context) (int, error) {
	for {
		in.mu.Lock()
		n := in.credit
		in.mu.Unlock()
		if n > 0 {
			return min(n, in.most), nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-in.freed:
		}
	}
}

// Next returns the next message. It waits at most d (for ever when d is 0) and
// returns nil without an error when nothing came.
func (in *Input) Next(ctx context.Context, d time.Duration) (*Delivery, error) {
	select { // what is there needs no timer
	case m := <-in.ready:
		return in.taken(m), nil
	default:
	}
	start := time.Now()
	defer func() { in.meter.waitedIn(time.Since(start)) }()
	var expired <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		expired = t.C
	}
	select {
	case m := <-in.ready:
		return in.taken(m), nil
	case <-expired:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// taken counts a block of a fused edge; what was fetched has been counted.
func (in *Input) taken(d *Delivery) *Delivery {
	if d.edge != nil {
		in.meter.received(d)
	}
	return d
}

// keepAlive tells the server every third of the ack wait that everything
// delivered is still being worked on (rule 15): waiting for a full edge, or for a
// cut, is no reason to deliver it to somebody else.
func (in *Input) keepAlive(ctx context.Context) {
	tick := time.NewTicker(in.c.cfg.AckWait / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		in.mu.Lock()
		held := make([]*Delivery, 0, len(in.live))
		for d := range in.live {
			held = append(held, d)
		}
		in.mu.Unlock()
		for _, d := range held {
			d.say(wordProgress) // settled meanwhile, or down: both heal themselves
		}
	}
}

// forget ends the care for a delivery that is settled.
func (in *Input) forget(d *Delivery) {
	in.mu.Lock()
	_, ok := in.live[d]
	delete(in.live, d)
	free := ok && !d.held
	if free {
		in.credit++
	}
	in.mu.Unlock()
	if free {
		in.ring()
	}
}

func (in *Input) ring() {
	select {
	case in.freed <- struct{}{}:
	default:
	}
}

func delivery(in *Input, msg jetstream.Msg) *Delivery {
	d := &Delivery{in: in, reply: msg.Reply(), header: msg.Headers(), data: msg.Data(), bytes: int64(len(msg.Data())) + 512, times: 1}
	d.shares.Store(1)
	if m, err := msg.Metadata(); err == nil {
		d.times = int(min(m.NumDelivered, 1<<30))
	}
	return d
}

// Hold says that the reader keeps the message for long (a writer until its cut): it
// stays alive, another one may be fetched in its place, and its payload and headers
// are let go of.
func (d *Delivery) Hold() {
	if d.edge != nil {
		d.leave()
		return
	}
	d.header, d.data = nil, nil
	d.in.mu.Lock()
	first := !d.held
	d.held = true
	if first {
		d.in.credit++
	}
	d.in.mu.Unlock()
	if first {
		d.in.ring()
	}
}

// Header returns what the block's headers say. The error wraps [blocks.ErrVersion] or
// says what is wrong with them; those of a fused edge are never wrong. Not after Hold.
func (d *Delivery) Header() (blocks.Header, error) {
	if d.edge != nil {
		return d.block.Header, nil
	}
	return blocks.ParseHeader(d.header)
}

// Block returns the block. The caller must Release it; that may be after the delivery
// was settled. The errors are those of [blocks.Decode]. Not after Hold.
func (d *Delivery) Block() (*blocks.Block, error) {
	if d.edge != nil {
		return share(d.block), nil
	}
	return blocks.Decode(d.header, d.data, blocks.DecodeOptions{})
}

// Data returns the payload of a message, nil after Hold and for a block of a fused edge.
// Treat as read-only; valid for as long as it is referenced.
func (d *Delivery) Data() []byte { return d.data }

// Bytes is what the block takes of the edge's bound, nearly.
func (d *Delivery) Bytes() int64 { return d.bytes }

// Deliveries is how often the server has delivered this message, from 1.
func (d *Delivery) Deliveries() int { return d.times }

// Ack settles the message: it is done with, and leaves the work queue. An ack that is
// lost costs a redelivery, which is recognised by its span. When blocks made from it
// were handed over to a fused edge, the message is held until the last of them is
// settled.
func (d *Delivery) Ack() {
	if d.shares.Load() > 1 {
		d.Hold()
	}
	d.leave()
	d.unshare()
}

// Nak gives the message back, to be delivered again after the delay.
func (d *Delivery) Nak(delay time.Duration) {
	word := wordNak
	if delay > 0 {
		word += ` {"delay":` + strconv.FormatInt(int64(delay), 10) + `}`
	}
	d.leave()
	d.settle(word)
}

// Term drops the message for good, for a reason that the server logs.
func (d *Delivery) Term(reason string) {
	d.leave()
	d.settle(wordTerm + " " + reason)
}

// say sends one word to the server. What is lost is said again by what follows from
// it: a redelivery.
func (d *Delivery) say(word string) {
	if err := d.in.c.in.nc.Publish(d.reply, []byte(word)); err != nil {
		d.in.c.log.DebugContext(d.in.c.life, "settling not sent", slog.String("word", word), slog.Any("error", err))
	}
}
