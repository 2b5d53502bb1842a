package flow

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
)

// Letters yields the dead letters of a run, in the order in which they were stored, with
// those of their rows that count: what another attempt has passed on is left out. Their
// rows together are the dead rows of the books. stage may be "" for all. The caller must
// Release the Rows of each letter; they are nil where the rows were too large to be kept.
// An error ends the sequence. It borrows nothing: the run may be on its way or over, until
// its streams are removed; then there are no letters.
func (r *Run) Letters(ctx context.Context, stage string) iter.Seq2[*Letter, error] {
	if stage == "" {
		stage = "*"
	}
	return func(yield func(*Letter, error) bool) {
		stream, err := r.c.ctl.js.Stream(ctx, deadStream(r.Run))
		if err != nil {
			if !errors.Is(err, jetstream.ErrStreamNotFound) {
				yield(nil, fmt.Errorf("dead letters of run %s: %w", r.Run, err))
			}
			return
		}
		for seq := uint64(1); ; {
			msg, err := stream.GetMsg(ctx, seq, jetstream.WithGetMsgSubject(DeadSubject(r.Run, stage)))
			if errors.Is(err, jetstream.ErrMsgNotFound) {
				return
			}
			if err != nil {
				yield(nil, fmt.Errorf("dead letters of run %s: %w", r.Run, err))
				return
			}
			seq = msg.Sequence + 1
			l, err := r.openLetter(ctx, msg)
			if err != nil {
				yield(nil, fmt.Errorf("dead letter %d of run %s: %w", msg.Sequence, r.Run, err))
				return
			}
			if l != nil && !yield(l, nil) {
				return
			}
		}
	}
}

// openLetter reads a dead letter and keeps the rows that count; nil when none does.
func (r *Run) openLetter(ctx context.Context, msg *jetstream.RawStreamMsg) (*Letter, error) {
	b, err := blocks.Decode(msg.Header, msg.Data, blocks.DecodeOptions{MaxBytes: r.c.MaxPayload()})
	if err != nil {
		return nil, err
	}
	defer b.Release()
	l := &Letter{
		Span: b.Span, Stage: b.Stage, Attempt: b.Attempt, Operator: msg.Header.Get(headerOperator),
		Column: msg.Header.Get(headerColumn), Reason: msg.Header.Get(headerReason),
	}
	offsets := b.Offsets
	switch {
	case b.Rows == 0: // they are only named
		for _, d := range b.Dead {
			offsets = append(offsets, d.Offsets...)
		}
	case offsets == nil:
		offsets = sequence(int(b.Rows))
	}
	var kept []uint32 // of the letter's rows
	r.Ledger.View(func(s *ledger.State) {
		for i, o := range offsets {
			if s.DeadRowCounts(l.Span.Task, l.Span.From+int64(o), l.Stage, l.Attempt) {
				kept = append(kept, uint32(i))
			}
		}
	})
	if len(kept) == 0 {
		return nil, nil
	}
	l.Offsets = slices.Clone(compose(offsets, kept))
	if b.Rows > 0 {
		if l.Rows, err = take(ctx, b.Batch, kept); err != nil {
			return nil, err
		}
	}
	return l, nil
}
