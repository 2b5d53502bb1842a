package flow

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/levada-data/levada/pkg/blocks"
)

// copies shows the blocks of a fused edge to whoever taps it, under the subject that
// they would have on a stream. While nobody listens, one block a second is published all
// the same, with a reply subject: the server answers that it has no responders when
// nobody got it.
type copies struct {
	c       *Conn
	run     RunID
	stage   string
	limit   int64 // bytes of a message: a fused block may be larger than the server takes
	next    atomic.Int64
	listens atomic.Bool
}

// tapInterval is how long it takes at most until who begins to listen is shown
// something, and until blocks are not encoded any more for who has gone.
const tapInterval = time.Second

func newCopies(c *Conn, run RunID, stage string) *copies {
	return &copies{c: c, run: run, stage: stage, limit: min(c.MaxPayload()/2, 4<<20) - 64<<10}
}

// show publishes a copy of b, borrowing it, when somebody listens or nobody has asked
// for a while. What cannot be sent is not shown.
func (t *copies) show(b *blocks.Block) {
	now, due := time.Now().UnixNano(), t.next.Load()
	asks := now >= due && t.next.CompareAndSwap(due, now+int64(tapInterval))
	if !asks && !t.listens.Load() {
		return
	}
	for i, m := range t.messages(b) {
		if i == 0 && asks {
			t.listens.Store(t.ask(m))
			if !t.listens.Load() {
				return
			}
			continue
		}
		if t.c.out.nc.PublishMsg(m) != nil {
			return
		}
	}
}

// messages encodes b in parts that the server takes; a row that is too large by itself
// is left out.
func (t *copies) messages(b *blocks.Block) []*nats.Msg {
	whole := share(b)
	defer whole.Release()
	parts, _ := blocks.Split(whole, t.limit)
	messages := make([]*nats.Msg, 0, len(parts))
	for _, p := range parts {
		if wire, err := blocks.Encode(p); err == nil {
			m := blockMsg(t.run, &p.Header, wire)
			blocks.Align(m.Header)
			messages = append(messages, m)
		}
		p.Release()
	}
	return messages
}

// ask publishes m and reports whether somebody got it.
func (t *copies) ask(m *nats.Msg) bool {
	nc := t.c.out.nc
	m.Reply = nc.NewInbox()
	sub, err := nc.SubscribeSync(m.Reply)
	if err != nil {
		return false
	}
	defer func() { _ = sub.Unsubscribe() }()
	if nc.PublishMsg(m) != nil || nc.FlushTimeout(t.c.cfg.Timeout) != nil {
		return false
	}
	// The server answers in order: had nobody got it, that would be here.
	_, err = sub.NextMsg(time.Millisecond)
	return !errors.Is(err, nats.ErrNoResponders)
}
