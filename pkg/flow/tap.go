package flow

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
)

// TapConfig says what a [Tap] listens to. Its zero value is every block of every run.
type TapConfig struct {
	Run      RunID  // "" for all
	Stage    string // whose output; "" for all stages
	MaxBytes int    // of blocks that wait to be taken; 32 MiB when 0
}

// Tap shows the blocks that pass, to whoever wants to look. It is a plain subscription:
// it acks nothing and slows nobody. Who takes too slowly loses blocks of the tap, not of
// the run. Not for concurrent use, [Tap.Close] excepted.
type Tap struct {
	sub    *nats.Subscription
	shown  map[tapped]*ledger.Coverage
	spoilt int
	why    error // of the first of them
}

// tapped is an edge that a tap has seen blocks of.
type tapped struct{ run, stage string }

// Tapped is a block as it passed.
type Tapped struct {
	blocks.Header
	At   time.Time // when it was taken
	Size int       // bytes of the payload

	msg *nats.Msg
}

// Decode reads the block's rows, as [blocks.Decode] does. The caller must Release the
// result.
func (t *Tapped) Decode(o blocks.DecodeOptions) (*blocks.Block, error) {
	return blocks.Decode(t.msg.Header, t.msg.Data, o)
}

// Tap starts to listen. What passed before is not shown. The caller must Close it.
func (c *Conn) Tap(cfg TapConfig) (*Tap, error) {
	run, stage, limit := cfg.Run, cfg.Stage, cfg.MaxBytes
	if run == "" {
		run = "*"
	}
	if stage == "" {
		stage = "*"
	}
	if limit == 0 {
		limit = 32 << 20
	}
	sub, err := c.in.nc.SubscribeSync(BlocksSubject(run, stage))
	if err != nil {
		return nil, fmt.Errorf("tap: %w", err)
	}
	if err := sub.SetPendingLimits(-1, limit); err != nil {
		return nil, errors.Join(fmt.Errorf("tap: %w", err), sub.Unsubscribe())
	}
	// Blocks pass as soon as the server knows of the subscription.
	if err := c.in.nc.FlushTimeout(c.cfg.Timeout); err != nil {
		return nil, errors.Join(fmt.Errorf("tap: %w", err), sub.Unsubscribe())
	}
	return &Tap{sub: sub, shown: map[tapped]*ledger.Coverage{}}, nil
}

// Next waits for a block, or until ctx ends. A subscription also sees blocks that a full
// edge refused, that were published twice, or that are read again: each span of a stage
// is shown once, when it passes first.
func (t *Tap) Next(ctx context.Context) (*Tapped, error) {
	for {
		msg, err := t.sub.NextMsgWithContext(ctx)
		if errors.Is(err, nats.ErrSlowConsumer) {
			continue // said once for each time; Lost counts them
		}
		if err != nil {
			return nil, err
		}
		h, err := blocks.ParseHeader(msg.Header)
		if err != nil {
			t.spoilt++
			if t.why == nil {
				t.why = err
			}
			continue
		}
		if t.first(&h) {
			return &Tapped{Header: h, At: time.Now(), Size: len(msg.Data), msg: msg}, nil
		}
	}
}

// first reports that a span of a stage has not been shown, and that it is now.
func (t *Tap) first(h *blocks.Header) bool {
	edge := tapped{h.Run, h.Stage}
	seen := t.shown[edge]
	if seen == nil {
		seen = &ledger.Coverage{}
		t.shown[edge] = seen
	}
	return seen.Add(h.Span) == nil // else some of it has been
}

// Lost is how many messages came faster than they were taken, and were dropped.
func (t *Tap) Lost() int {
	n, err := t.sub.Dropped()
	if err != nil {
		return 0 // closed
	}
	return n
}

// Unreadable is how many messages were no blocks that this build knows, by their headers,
// and why the first of them was none.
func (t *Tap) Unreadable() (int, error) { return t.spoilt, t.why }

// Close stops listening.
func (t *Tap) Close() { _ = t.sub.Unsubscribe() }
