package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/levada-data/levada/pkg/blocks"
)

// Headers of a dead letter beyond those of a block; docs/format.md.
const (
	headerOperator = "Levada-Operator"
	headerColumn   = "Levada-Column"
	headerReason   = "Levada-Reason"
)

// notDead is the name under which a dead letter counts the rows of its span that
// are not in it, so that it is a valid block.
const notDead = "not-dead"

// Letter is one dead letter: rows of one block that failed in one operator for
// one reason. Values stand only in Rows, never in Reason.
type Letter struct {
	Span     blocks.Span
	Stage    string
	Attempt  string            // of the processing that failed; counts when a commit names it
	Operator string            // label, "protect/with[1]"
	Column   string            // "" when the failure concerns no single column
	Reason   string            // without any value
	Offsets  []uint32          // source rows, from Span.From, ascending
	Rows     arrow.RecordBatch // the rows as they came into the stage; nil when they are too large to be stored
}

// Where is the letter's first source row and operator, for an error message.
func (l *Letter) Where() string {
	row := l.Span.From
	if len(l.Offsets) > 0 {
		row += int64(l.Offsets[0])
	}
	s := fmt.Sprintf("task %d, row %d, operator %s", l.Span.Task, row, l.Operator)
	if l.Column != "" {
		s += fmt.Sprintf(", column %q", l.Column)
	}
	return s + ": " + l.Reason
}

// PublishLetter stores a dead letter, borrowing its rows. It must be stored
// before the block (or the dead entry) that counts its rows. A dead-letter stream
// that is full gives [ErrDeadFull]. A letter of more rows than the server takes in a
// message is stored in halves: a block that was handed over in one process may be larger
// than one that travels.
func (r *Run) PublishLetter(ctx context.Context, p *Publisher, l *Letter) error {
	if l.Rows == nil || blocks.DataSize(l.Rows) <= r.c.MaxPayload()/2 {
		return r.publishLetter(ctx, p, l, "")
	}
	return r.publishHalves(ctx, p, l)
}

// publishHalves stores a letter whose rows are too many, or whose only row is too large.
func (r *Run) publishHalves(ctx context.Context, p *Publisher, l *Letter) error {
	part := "/" + strconv.FormatUint(uint64(l.Offsets[0]), 10)
	if blocks.DataSize(l.Rows) <= r.c.MaxPayload()/2 {
		return r.publishLetter(ctx, p, l, part)
	}
	n := l.Rows.NumRows()
	if n == 1 {
		alone := *l
		alone.Rows = nil
		return r.publishLetter(ctx, p, &alone, part)
	}
	for _, half := range [][2]int64{{0, n / 2}, {n / 2, n}} {
		some := *l
		some.Offsets = l.Offsets[half[0]:half[1]]
		some.Rows = l.Rows.NewSlice(half[0], half[1])
		err := r.publishHalves(ctx, p, &some)
		some.Rows.Release()
		if err != nil {
			return err
		}
	}
	return nil
}

// noColumns stands in a letter without rows: a block always names its columns.
var noColumns = blocks.FingerprintOf(arrow.NewSchema(nil, nil))

// publishLetter stores one message; part tells it from the others of its letter.
func (r *Run) publishLetter(ctx context.Context, p *Publisher, l *Letter, part string) error {
	b := &blocks.Block{Header: blocks.Header{
		Run: string(r.Run), Stage: l.Stage, Span: l.Span, Attempt: l.Attempt, Rows: int64(len(l.Offsets)),
		Plan: r.PlanHash(), Epoch: l.Attempt,
	}, Batch: l.Rows, Offsets: l.Offsets}
	if rest := l.Span.Rows() - b.Rows; rest > 0 {
		b.Dropped = []blocks.Drop{{Operator: notDead, Rows: rest}}
	} else {
		b.Offsets = nil // dense
	}
	if l.Rows == nil { // only their places are known, or fit
		b.Rows, b.Offsets = 0, nil
		b.Schema = noColumns
		b.Dead = []blocks.Dead{{Stage: l.Stage, Attempt: l.Attempt, Offsets: l.Offsets}}
	}
	wire, err := blocks.Encode(b)
	if err != nil {
		return fmt.Errorf("encode dead letter of block %s: %w", l.Span, err)
	}
	m := &nats.Msg{Subject: DeadSubject(r.Run, l.Stage), Header: nats.Header(wire.Header), Data: wire.Data}
	m.Header.Set(headerOperator, clean(l.Operator))
	m.Header.Set(headerColumn, clean(l.Column))
	m.Header.Set(headerReason, clean(l.Reason))
	m.Header.Set(jetstream.MsgIDHeader, strings.Join([]string{l.Stage, l.Span.String(), l.Attempt, clean(l.Operator), clean(l.Column), clean(l.Reason)}, "/")+part)
	return p.Publish(ctx, m)
}

// clean keeps a header value on one line.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s[:min(len(s), 1024)])
}

// DeadLetters publishes to the dead-letter stream of the run.
func (r *Run) DeadLetters() *Publisher {
	p := r.publisher(r.c.deadConfig(&r.Record), nil)
	p.refuse = ErrDeadFull
	return p
}

// FindLetter returns the headers of a dead letter that the given attempt left
// for a span, or nil when there is none: what a failed run says about its cause.
func (r *Run) FindLetter(ctx context.Context, span blocks.Span, stage, attempt string) *Letter {
	stream, err := r.c.ctl.js.Stream(ctx, deadStream(r.Run))
	if err != nil {
		return nil
	}
	for seq := uint64(1); ; {
		msg, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(DeadSubject(r.Run, stage)))
		if err != nil {
			return nil
		}
		seq = msg.Sequence + 1
		h, err := blocks.ParseHeader(msg.Header)
		if err != nil || h.Attempt != attempt || !h.Span.Contains(span) && !span.Contains(h.Span) {
			continue
		}
		l := &Letter{
			Span: h.Span, Stage: stage, Attempt: attempt, Operator: msg.Header.Get(headerOperator),
			Column: msg.Header.Get(headerColumn), Reason: msg.Header.Get(headerReason),
		}
		for _, d := range h.Dead {
			l.Offsets = append(l.Offsets, d.Offsets...)
		}
		if b, err := blocks.Decode(msg.Header, msg.Data, blocks.DecodeOptions{}); err == nil && l.Offsets == nil {
			l.Offsets = slices.Clone(b.Offsets)
			b.Release()
		}
		return l
	}
}

// isDeadFull reports that a run must fail because its dead letters do not fit.
func isDeadFull(err error) bool { return errors.Is(err, ErrDeadFull) }
