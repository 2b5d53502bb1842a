package flow

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/levada-data/levada/pkg/blocks"
)

// fusedEdge is an edge between two stages that run in one process: blocks pass by
// reference, without a stream, an encoding or a copy. It remembers nothing and settles
// nothing: a block that was handed over is a share of the delivery it was made from, and
// that is settled when all its shares are. So the reader's task is acked when the last of
// its blocks is committed, and given back when one of them is.
//
//	task ─► block ─► block ─► open file ─► commit
//	  ▲       │ share   │ share              │
//	  └───────┴─────────┴──── ack, nak ──────┘
type fusedEdge struct {
	stage string
	ready chan *Delivery
	tap   *copies

	inside atomic.Int64 // blocks that wait, or that the next stage has and is not done with

	mu     sync.Mutex
	takers int
	there  chan struct{} // closed while this process plays the next stage
	gone   chan struct{} // closed when it does not any more
}

func newFusedEdge(c *Conn, run RunID, stage string, window int) *fusedEdge {
	return &fusedEdge{stage: stage, ready: make(chan *Delivery, window), there: make(chan struct{}), tap: newCopies(c, run, stage)}
}

// Takes says that this process plays a stage (or [SinkStage]), until the returned function
// is called: whoever fills a fused edge before it begins when somebody will take what it
// hands over, and in a process that plays only one side of such an edge it never does.
func (r *Run) Takes(stage string) (stop func()) {
	if e := r.fused[r.Upstream(stage)]; e != nil {
		return e.take()
	}
	return func() {}
}

func (e *fusedEdge) take() (stop func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.takers++; e.takers == 1 {
		e.gone = make(chan struct{})
		close(e.there)
	}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if e.takers--; e.takers == 0 {
			e.there = make(chan struct{})
			close(e.gone)
		}
	}
}

func (e *fusedEdge) taker() (there, gone <-chan struct{}) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.there, e.gone
}

// await returns when this process plays the next stage, or with the error of ctx.
func (e *fusedEdge) await(ctx context.Context) error {
	there, _ := e.taker()
	select {
	case <-there:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hand gives b, of so many bytes, to the next stage, borrowing it, as a share of from. It waits while the
// next stage has enough; that is the backpressure. It fails when ctx or the intake of the
// run ends, and then b is no share of anything.
func (e *fusedEdge) hand(ctx, intake context.Context, b *blocks.Block, size int64, from *Delivery) error {
	d := &Delivery{edge: e, parent: from, times: 1, block: share(b)}
	d.bytes = size + 512
	d.shares.Store(1)
	from.share()
	e.inside.Add(1)
	for {
		there, gone := e.taker()
		select {
		case <-there:
		default:
			gone = nil // wait for one
		}
		ready := e.ready
		if gone == nil {
			ready = nil
		}
		select {
		case ready <- d:
			return nil
		case <-gone:
		case <-wake(there, gone):
		case <-ctx.Done():
			d.drop()
			return context.Cause(ctx)
		case <-intake.Done():
			d.drop()
			return context.Cause(intake)
		}
	}
}

// wake is there where nobody takes blocks yet, and nil, for ever, where somebody does.
func wake(there, gone <-chan struct{}) <-chan struct{} {
	if gone == nil {
		return there
	}
	return nil
}

// share is a block of its own of the same rows. A block without rows has no batch, as
// one that was decoded has none; its header says of which schema it is, as one that was
// encoded does: the next edge may have a stream.
func share(b *blocks.Block) *blocks.Block {
	s := *b
	if s.Batch != nil {
		s.Schema = blocks.FingerprintOf(s.Batch.Schema())
	}
	if s.Rows == 0 {
		s.Batch, s.Offsets = nil, nil
	}
	if s.Batch != nil {
		s.Batch.Retain()
	}
	return &s
}

// feed is what Serve does for the input of a fused edge: nothing has to be fetched.
func (in *Input) feed(intake context.Context) {
	<-intake.Done()
	in.giveBack()
}

// custody is what is still to be done before a delivery is settled: by its owner, and
// for the blocks that were made of it and handed over (see [fusedEdge]). The zero value
// is a delivery of which nothing was handed over.
type custody struct {
	shares  atomic.Int64 // the owner's, and one for each block
	settled atomic.Bool
}

// share adds a block to what d waits for. A nil d, of a block that was made of nothing,
// waits for nothing.
func (d *Delivery) share() {
	if d != nil {
		d.shares.Add(1)
	}
}

// unshare takes a share back: the last one acks.
func (d *Delivery) unshare() {
	if d != nil && d.shares.Add(-1) == 0 {
		d.settle(wordAck)
	}
}

// drop takes back a hand-over that did not happen.
func (d *Delivery) drop() {
	d.leave()
	if d.parent != nil {
		d.parent.shares.Add(-1) // its owner has one, and will settle
	}
}

// leave takes a block out of a fused edge: the stage is done with it, or lets go of it.
// Only the first call does something.
func (d *Delivery) leave() {
	if d.edge != nil && !d.left.Swap(true) {
		d.block.Release()
		d.edge.inside.Add(-1)
	}
}

// settle says the word that settles d, once: to the server, or to what d is a share of,
// which is acked by its last share and by any other word at once. What was made of it
// besides is then done again, and recognised by its span.
func (d *Delivery) settle(word string) {
	if d.settled.Swap(true) {
		return
	}
	switch {
	case d.edge == nil:
		d.in.forget(d)
		d.say(word)
	case word == wordAck:
		d.parent.unshare()
	case d.parent != nil:
		d.parent.settle(word)
	}
}
