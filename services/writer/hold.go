package writer

import (
	"maps"
	"slices"
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
	blocks map[blocks.Span]*held
	bytes  int64     // of the edge that these blocks pin
	since  time.Time // when the first of them came
}

// held is one block: what its headers say, and its deliveries.
type held struct {
	blocks.Header
	deliveries []*flow.Delivery
	bytes      int64 // of the first, which the edge counts
	at         time.Time
}

func newHold() *hold { return &hold{blocks: map[blocks.Span]*held{}} }

func (h *hold) empty() bool { return len(h.blocks) == 0 }

// joins reports that the span is held already, in which case the delivery only
// joins the list to settle, or that it is held in part, which cannot be.
func (h *hold) joins(d *flow.Delivery, span blocks.Span) (joined, torn bool) {
	switch h.spans.Overlap(span) {
	case ledger.OverlapNone:
		return false, false
	case ledger.OverlapAll:
		b, same := h.blocks[span]
		if !same {
			return false, true // other cuts of the same rows
		}
		d.Hold()
		b.deliveries = append(b.deliveries, d)
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
	at := time.Now()
	if h.empty() {
		h.since, h.plan = at, b.Plan
	}
	d.Hold()
	h.blocks[b.Span] = &held{Header: *b, deliveries: []*flow.Delivery{d}, bytes: d.Bytes(), at: at}
	h.bytes += d.Bytes()
	return nil
}

// part takes blocks out, to be held after a cut that is without them. It returns nil
// when nothing would be left to cut.
func (h *hold) part(spans []blocks.Span) *hold {
	if len(spans) == 0 || len(spans) == len(h.blocks) {
		return nil
	}
	rest := newHold()
	rest.plan = h.plan
	for _, span := range spans {
		b := h.blocks[span]
		delete(h.blocks, span)
		h.spans.Remove(span)
		h.bytes -= b.bytes
		rest.blocks[span] = b
		_ = rest.spans.Add(span) // it was of a coverage
		rest.bytes += b.bytes
		if rest.since.IsZero() || b.at.Before(rest.since) {
			rest.since = b.at
		}
	}
	return rest
}

// counts adds up what the blocks' headers say, and lists their dead rows in order.
func (h *hold) counts() (counts ledger.Counts, dead []ledger.DeadRows) {
	counts.Dropped = map[string]int64{}
	for _, span := range slices.SortedFunc(maps.Keys(h.blocks), blocks.Span.Compare) {
		b := h.blocks[span]
		counts.Read += b.Span.Rows()
		counts.Written += b.Rows
		for _, drop := range b.Dropped {
			counts.Dropped[drop.Operator] += drop.Rows
		}
		for _, d := range b.Dead {
			counts.Dead += int64(len(d.Offsets))
			dead = append(dead, ledger.DeadRows{Span: b.Span, Stage: d.Stage, Attempt: d.Attempt, Offsets: d.Offsets})
		}
	}
	return counts, dead
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
	for _, b := range h.blocks {
		for _, d := range b.deliveries {
			d.Ack()
		}
	}
}

// giveBack settles what others have covered and gives the rest back.
func (h *hold) giveBack(l *flow.Ledger, delay time.Duration) {
	live := flow.Look(l, func(s *ledger.State) bool { return s.Status() == ledger.Running })
	for span, b := range h.blocks {
		settled := !live || flow.Look(l, func(s *ledger.State) ledger.Overlap { return s.Covered(span) }) == ledger.OverlapAll
		for _, d := range b.deliveries {
			if settled {
				d.Ack()
			} else {
				d.Nak(delay)
			}
		}
	}
}
