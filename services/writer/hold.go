package writer

import (
	"time"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// hold is what a lane has taken and not settled: the blocks in its open files
// since the last cut, with every delivery of each.
type hold struct {
	plan   string // of all blocks held
	spans  ledger.Coverage
	blocks map[blocks.Span][]*flow.Delivery
	bytes  int64 // of the edge that these blocks pin
	since  time.Time
	counts ledger.Counts
	dead   []ledger.DeadRows
}

func newHold() *hold {
	return &hold{blocks: map[blocks.Span][]*flow.Delivery{}, counts: ledger.Counts{Dropped: map[string]int64{}}}
}

func (h *hold) empty() bool { return len(h.blocks) == 0 }

// joins reports that the span is held already, in which case the delivery only
// joins the list to settle, or that it is held in part, which cannot be.
func (h *hold) joins(d *flow.Delivery, span blocks.Span) (joined, torn bool) {
	switch h.spans.Overlap(span) {
	case ledger.OverlapNone:
		return false, false
	case ledger.OverlapAll:
		if _, same := h.blocks[span]; !same {
			return false, true // other cuts of the same rows
		}
		d.Hold()
		h.blocks[span] = append(h.blocks[span], d)
		return true, false
	default:
		return false, true
	}
}

// add takes a block whose rows are in the open files.
func (h *hold) add(d *flow.Delivery, b *blocks.Header) error {
	if err := h.spans.Add(b.Span); err != nil {
		return err
	}
	if h.empty() {
		h.since, h.plan = time.Now(), b.Plan
	}
	d.Hold()
	h.blocks[b.Span] = []*flow.Delivery{d}
	h.bytes += d.Bytes()
	h.counts.Read += b.Span.Rows()
	h.counts.Written += b.Rows
	for _, drop := range b.Dropped {
		h.counts.Dropped[drop.Operator] += drop.Rows
	}
	for _, dead := range b.Dead {
		h.counts.Dead += int64(len(dead.Offsets))
		h.dead = append(h.dead, ledger.DeadRows{Span: b.Span, Stage: dead.Stage, Attempt: dead.Attempt, Offsets: dead.Offsets})
	}
	return nil
}

// clashes reports that part of what is held is settled by others, or that the run
// takes no commit any more.
func (h *hold) clashes(s *ledger.State) bool {
	// Rule 6 (cancel): a rejected writer checks the status, not only its spans.
	if s.Status() != ledger.Running {
		return true
	}
	for span := range h.blocks {
		if s.Covered(span) != ledger.OverlapNone {
			return true
		}
	}
	return false
}

// ack settles everything: it is in a file that counts.
func (h *hold) ack() {
	for _, ds := range h.blocks {
		for _, d := range ds {
			d.Ack()
		}
	}
}

// giveBack settles what others have covered and gives the rest back.
func (h *hold) giveBack(l *flow.Ledger, delay time.Duration) {
	live := flow.Look(l, func(s *ledger.State) bool { return s.Status() == ledger.Running })
	for span, ds := range h.blocks {
		settled := !live || flow.Look(l, func(s *ledger.State) ledger.Overlap { return s.Covered(span) }) == ledger.OverlapAll
		for _, d := range ds {
			if settled {
				d.Ack()
			} else {
				d.Nak(delay)
			}
		}
	}
}
