package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/levada-data/levada/pkg/ledger"
)

// Outcome is what became of an entry that was offered to the ledger.
type Outcome int

// The outcomes of [Ledger.Append].
const (
	// OutcomeUnknown: no answer came, and the ledger does not hold the entry. It
	// may be stored at any later time (rule 2).
	OutcomeUnknown Outcome = iota
	// OutcomeStands: the entry is in the ledger and the fold accepted it.
	OutcomeStands
	// OutcomeVoid: the entry is in the ledger and the fold refused it, for
	// everybody and for ever.
	OutcomeVoid
	// OutcomeDeclined: nothing was sent, or all that was sent has been refused,
	// and the caller's own look at the fold said not to go on.
	OutcomeDeclined
)

func (o Outcome) String() string {
	return [...]string{"unknown", "stands", "void", "declined"}[o]
}

// Ledger is a process' view of one run's ledger: its fold, kept up with the
// stream, and the way to append to it. Safe for concurrent use.
//
// The fold may be older than the stream; [Ledger.Sync] catches up. It may also
// belong to a past that a power cut of the server undid: Sync notices that by
// the hash of the entry it stands on, and folds anew (rules 4 and 5).
type Ledger struct {
	c   *Conn
	rec *Record

	syncing sync.Mutex // one Sync at a time; taken before mu
	mu      sync.RWMutex
	state   *ledger.State
	changed chan struct{} // closed, and made anew, whenever the fold moved
	saved   uint64        // sequence of the last snapshot stored
	from    uint64        // sequence at which this process opened the ledger
}

// OpenLedger returns the ledger of a run, folded up to its present end.
func (c *Conn) OpenLedger(ctx context.Context, rec *Record) (*Ledger, error) {
	l := &Ledger{c: c, rec: rec, state: ledger.New(string(rec.Run)), changed: make(chan struct{})}
	l.restore(ctx)
	if err := l.Sync(ctx); err != nil {
		return nil, fmt.Errorf("open ledger of run %s: %w", rec.Run, err)
	}
	l.from = l.Seq()
	return l, nil
}

// View calls f with the fold. f must not keep the state, nor call the ledger.
func (l *Ledger) View(f func(*ledger.State)) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	f(l.state)
}

// Look returns one answer of the fold: Look(l, (*ledger.State).Complete).
func Look[T any](l *Ledger, f func(*ledger.State) T) T {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return f(l.state)
}

// Seq is the sequence of the last entry folded.
func (l *Ledger) Seq() uint64 { return Look(l, (*ledger.State).Seq) }

// Changed returns a channel that is closed when the fold has moved. Take it
// before looking at the fold, then wait for it.
func (l *Ledger) Changed() <-chan struct{} {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.changed
}

// Wait blocks until cond holds on the fold, or ctx ends.
func (l *Ledger) Wait(ctx context.Context, cond func(*ledger.State) bool) error {
	for {
		changed := l.Changed()
		if Look(l, cond) {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		}
	}
}

// Sync folds what the stream holds beyond the fold. The ledger stream of a live run that
// is gone is made again, empty: then all work is owed anew, and the manifest, if there
// is one, decides (rule 9). That of a run which has ended stays gone ([Conn.Collect]).
func (l *Ledger) Sync(ctx context.Context) error {
	l.syncing.Lock()
	defer l.syncing.Unlock()
	for range 2 {
		again, err := l.sync(ctx)
		if err != nil || !again {
			return err
		}
	}
	return errors.New("sync ledger: it changes its past while it is read")
}

// sync reports true when the fold stood on a past that is no more and has been
// reset, so that the caller reads again.
func (l *Ledger) sync(ctx context.Context) (bool, error) {
	ctx, cancel := l.c.ctl.request(ctx, 4*l.c.cfg.Timeout)
	defer cancel()
	stream, err := l.c.ctl.js.Stream(ctx, ledgerStream(l.rec.Run))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		if l.c.cfg.ReadOnly || l.rec.Status != StatusActive || Look(l, (*ledger.State).Status) == ledger.Ended {
			return false, nil // nothing more can be said about an ended run; a live one's is for those to make who serve it
		}
		l.c.log.WarnContext(ctx, "ledger is gone, made again", slog.String("run", string(l.rec.Run)))
		if err = l.c.ensureStream(ctx, l.c.ledgerConfig(l.rec)); err != nil {
			return false, err
		}
		stream, err = l.c.ctl.js.Stream(ctx, ledgerStream(l.rec.Run))
	}
	if err != nil {
		return false, fmt.Errorf("sync ledger: %w", err)
	}
	last := stream.CachedInfo().State.LastSeq
	seq := l.Seq()
	if seq > 0 {
		// Rule 5 (chain): sequence numbers come back after a power loss, hashes do
		// not. What follows is ours only if we still stand on the same entry.
		stands := last >= seq
		if stands {
			msg, err := stream.GetMsg(ctx, seq)
			if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
				return false, fmt.Errorf("sync ledger: entry %d: %w", seq, err)
			}
			stands = err == nil && ledger.HashOf(msg.Data) == Look(l, (*ledger.State).Last)
		}
		if !stands {
			l.c.log.WarnContext(ctx, "ledger went back to an older state, folding anew",
				slog.String("run", string(l.rec.Run)), slog.Uint64("from", seq), slog.Uint64("to", last))
			l.replace(ledger.New(string(l.rec.Run)))
			return true, nil
		}
	}
	for s := seq + 1; s <= last; s++ {
		msg, err := stream.GetMsg(ctx, s)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return false, fmt.Errorf("sync ledger: entry %d of %d is missing: somebody deleted it; "+
				"restore the stream from a backup, or delete it to start the run over", s, last)
		}
		if err != nil {
			return false, fmt.Errorf("sync ledger: entry %d: %w", s, err)
		}
		if err := l.apply(ctx, msg); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (l *Ledger) apply(ctx context.Context, msg *jetstream.RawStreamMsg) error {
	l.mu.Lock()
	v := l.state.Apply(msg.Sequence, msg.Data)
	close(l.changed)
	l.changed = make(chan struct{})
	l.mu.Unlock()
	if errors.Is(v.Fatal, ledger.ErrVersion) {
		return Leave(fmt.Errorf("sync ledger: entry %d: %w", msg.Sequence, v.Fatal))
	}
	if v.Fatal != nil {
		return Fatal(fmt.Errorf("sync ledger: entry %d: %w", msg.Sequence, v.Fatal))
	}
	l.c.log.DebugContext(ctx, "ledger entry", slog.String("run", string(l.rec.Run)), slog.Uint64("seq", msg.Sequence),
		slog.String("kind", string(v.Kind)), slog.Bool("stands", v.Standing), slog.String("void", string(v.Reason)))
	return nil
}

func (l *Ledger) replace(s *ledger.State) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.state = s
	close(l.changed)
	l.changed = make(chan struct{})
}

// Append offers one entry under the given id and says what became of it.
//
// build is called with the fold and returns the entry to append, or nil to
// decline; it runs again whenever another entry came between, so that it always
// decides on the ledger's present end. Prev, ID, V, At and By are filled in.
//
// A refusal by sequence says nothing about the entry, only that somebody was
// faster: the entry is offered again (rule 15), unless it was stored by an
// earlier request (rule 2). An answer that is lost ends in [OutcomeUnknown] when
// the ledger, read afterwards, does not hold the entry: the caller must treat
// it as possibly stored at any later time.
//
// The error is not nil when the ledger could not be read or is full
// ([ErrLedgerFull]); the outcome is then OutcomeUnknown if anything was sent
// without an answer, OutcomeDeclined otherwise.
func (l *Ledger) Append(ctx context.Context, id string, build func(*ledger.State) *ledger.Entry) (Outcome, error) {
	for n := 0; ; n++ {
		data, seq, err := l.prepare(id, build)
		if err != nil || data == nil {
			return OutcomeDeclined, err
		}
		ack, err := l.publish(ctx, data, seq)
		switch {
		case err == nil:
			return l.settled(ctx, id, ack.Sequence)
		case isFull(err):
			return OutcomeDeclined, fmt.Errorf("append to ledger: %w", ErrLedgerFull)
		case isTooLarge(err):
			return OutcomeDeclined, fmt.Errorf("append to ledger: %d bytes: %w", len(data), ErrTooLarge)
		case isWrongSequence(err), isMissing(err):
			// Definitely not stored by this request; every earlier one was refused too.
		default:
			return l.unanswered(ctx, id, err)
		}
		if n > 0 {
			if perr := pause(ctx, backoff(min(n, 4))); perr != nil {
				return OutcomeDeclined, perr
			}
		}
		if err := l.Sync(ctx); err != nil {
			return OutcomeDeclined, err
		}
	}
}

// prepare builds the entry on the present fold; nil data means declined.
func (l *Ledger) prepare(id string, build func(*ledger.State) *ledger.Entry) ([]byte, uint64, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	e := build(l.state)
	if e == nil {
		return nil, 0, nil
	}
	e.V, e.ID, e.Prev = ledger.Version, id, l.state.Last()
	e.At, e.By = time.Now().UTC(), l.c.cfg.Instance
	data, err := e.Encode()
	if err != nil {
		return nil, 0, fmt.Errorf("append to ledger: %w", err)
	}
	return data, l.state.Seq(), nil
}

func (l *Ledger) publish(ctx context.Context, data []byte, seq uint64) (*jetstream.PubAck, error) {
	ctx, cancel := l.c.ctl.request(ctx, l.c.cfg.Timeout)
	defer cancel()
	// No retries by the client: an unanswered request is never repeated under the
	// same sequence, because its author must learn about it (rule 2).
	return l.c.ctl.js.PublishMsg(ctx, &nats.Msg{Subject: LedgerSubject(l.rec.Run), Data: data},
		jetstream.WithExpectLastSequence(seq), jetstream.WithExpectStream(ledgerStream(l.rec.Run)), jetstream.WithRetryAttempts(0))
}

// settled reads the ledger up to the stored entry and asks the fold about it
// (rule 4): that it is stored does not mean that it stands.
func (l *Ledger) settled(ctx context.Context, id string, seq uint64) (Outcome, error) {
	err := l.c.persist(ctx, "read ledger after append", func() error { return l.Sync(ctx) }, isFinal)
	if err != nil {
		return OutcomeUnknown, err
	}
	if o, ok := l.verdict(id); ok {
		return o, nil
	}
	// The stream went back behind our entry between the ack and the read.
	l.c.log.WarnContext(ctx, "appended entry is gone again", slog.String("run", string(l.rec.Run)), slog.Uint64("seq", seq))
	return OutcomeUnknown, nil
}

// unanswered looks for the entry's own id after a request without an answer.
func (l *Ledger) unanswered(ctx context.Context, id string, cause error) (Outcome, error) {
	err := l.c.persist(ctx, "read ledger after an unanswered append", func() error { return l.Sync(ctx) }, isFinal)
	if err != nil {
		return OutcomeUnknown, err
	}
	if o, ok := l.verdict(id); ok {
		return o, nil
	}
	l.c.log.WarnContext(ctx, "append without an answer", slog.String("run", string(l.rec.Run)), slog.Any("error", cause))
	return OutcomeUnknown, nil
}

func (l *Ledger) verdict(id string) (Outcome, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	v, ok := l.state.Verdict(id)
	switch {
	case !ok:
		return OutcomeUnknown, false
	case v.Standing:
		return OutcomeStands, true
	default:
		return OutcomeVoid, true
	}
}

// AppendUntil offers an entry that anyone may append and that harms nobody when
// it is there twice (all kinds but commit): after an unanswered request it asks
// build again, under a new id. It returns nil when the entry stands, was void, or
// build declined: the fold then says the rest.
func (l *Ledger) AppendUntil(ctx context.Context, build func(*ledger.State) *ledger.Entry) error {
	return l.c.persist(ctx, "append to ledger", func() error {
		o, err := l.Append(ctx, NewNonce(), build)
		if err == nil && o == OutcomeUnknown {
			return errors.New("no answer")
		}
		return err
	}, func(err error) bool { return isFinal(err) || errors.Is(err, ErrTooLarge) })
}

// follow keeps the fold up with the stream until ctx ends: whoever appends is
// heard by a plain subscription at once, and a look every second finds what was
// missed, rewound or deleted.
func (l *Ledger) follow(ctx context.Context) error {
	bell := make(chan struct{}, 1) // one ring is as good as many: Sync reads to the end
	sub, err := l.c.ctl.nc.Subscribe(LedgerSubject(l.rec.Run), func(*nats.Msg) {
		select {
		case bell <- struct{}{}:
		default:
		}
	})
	if err != nil {
		return fmt.Errorf("follow ledger: %w", err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for early := 0; ; {
		was := l.Seq()
		if err := l.Sync(ctx); err != nil {
			if isFinal(err) {
				return err
			}
			if ctx.Err() == nil {
				l.c.log.DebugContext(ctx, "ledger not read", slog.String("run", string(l.rec.Run)), slog.Any("error", err))
			}
		}
		if l.Seq() != was {
			early = 1 // one bell may have been for two
		}
		l.snapshot(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-bell:
			early = 1
		case <-again(early):
			early++
		case <-tick.C:
		}
	}
}

// again is when to look once more for the entry that a bell was rung for: the server
// tells subscribers of a message before it has stored it. After some vain looks it was
// one that was refused: nil, for never.
func again(looks int) <-chan time.Time {
	if looks < 1 || looks > 6 {
		return nil
	}
	return time.After(time.Millisecond << looks)
}
