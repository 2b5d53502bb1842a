package writer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// cut closes the lane's files together and makes them count:
//
//	finish (fsync) ─► append commit ─► what does the fold say?
//	                                     stands    reveal, ack
//	                                     void      drop the files, ack what is covered, give the rest back
//	                                     declined  the same: no request was stored
//	                                     unknown   leave the files to the sweep, give back
//
// Whoever dies in between: before the commit the files are strangers that the
// sweep removes; after it they count, and any keeper finishes them (rule 8).
func (l *lane) cut(ctx context.Context, why string) error {
	if l.hold.empty() {
		return nil
	}
	l.meter.SetState("committing")
	// Blocks that wait for the rest of their row group may go on waiting, unless it is
	// time: written now, their rows would have to be decoded.
	var rest *hold
	var waiting []keptPiece
	if why == whyFull || why == whyTarget {
		if rest = l.hold.part(l.files.Waiting()); rest != nil {
			waiting = l.files.TakeWaiting()
		}
	}
	defer releaseKept(waiting)
	var files []ledger.File
	err := l.meter.Work(func() (err error) {
		files, err = l.files.Finish(ctx)
		return err
	})
	if err != nil {
		if rest != nil {
			rest.giveBack(l.run.Ledger, time.Second)
		}
		return l.broken(ctx, fmt.Errorf("finish files: %w", err))
	}
	fault.Point(fault.WriterFileFinishAfter)
	commit := &ledger.Commit{Plan: l.hold.plan, Files: files, Spans: l.hold.spans}
	commit.Counts, commit.Dead = l.hold.counts()
	for _, f := range files {
		commit.Counts.Bytes += f.Bytes
	}
	fault.Point(fault.WriterCommitAppendBefore)
	id := flow.NewNonce()
	outcome, err := l.run.Ledger.Append(ctx, id, func(s *ledger.State) *ledger.Entry {
		if l.hold.clashes(s) {
			return nil
		}
		return &ledger.Entry{Kind: ledger.KindCommit, Commit: commit}
	})
	fault.Point(fault.WriterCommitAppendAfter)
	l.log.DebugContext(ctx, "cut", slog.String("why", why), slog.String("outcome", outcome.String()),
		slog.Int("files", len(files)), slog.Int64("rows", commit.Counts.Written), slog.Int64("held_bytes", l.hold.bytes))
	switch outcome {
	case flow.OutcomeStands:
		l.reveal(ctx, files)
		fault.Point(fault.WriterAckBefore)
		l.hold.ack()
		fault.Point(fault.WriterAckAfter)
		l.meter.Wrote(int64(len(files)), commit.Counts.Bytes)
	case flow.OutcomeVoid, flow.OutcomeDeclined:
		// Every request for these files has been answered, so they may go.
		l.hold.giveBack(l.run.Ledger, retryDelay())
		l.discard(ctx, files)
	case flow.OutcomeUnknown:
		// Rule 2 (answer): a file named in an unanswered request may be committed at
		// any later time. It is left to the sweep.
		l.hold.giveBack(l.run.Ledger, retryDelay())
	}
	l.reopen()
	if rest != nil {
		l.hold = rest
		if err := l.files.AppendWaiting(ctx, waiting); err != nil {
			return l.broken(ctx, err)
		}
	}
	if err != nil && ctx.Err() == nil {
		if errors.Is(err, flow.ErrTooLarge) {
			return l.run.Fail(ctx, "commit: "+err.Error())
		}
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// reveal makes committed files visible, with visibility: file. What fails here is
// finished by a keeper: the commit stands.
func (l *lane) reveal(ctx context.Context, files []ledger.File) {
	if l.policy.Visibility != visibilityFile {
		return
	}
	for _, f := range files {
		fault.Point(fault.WriterRevealBefore)
		if err := l.sink.Reveal(ctx, f); err != nil && ctx.Err() == nil {
			l.log.WarnContext(ctx, "committed file not revealed, the keeper will", slog.String("file", f.Name), slog.Any("error", err))
		}
		fault.Point(fault.WriterRevealAfter)
	}
}

// discard removes files of which no request is open.
func (l *lane) discard(ctx context.Context, files []ledger.File) {
	for _, f := range files {
		if err := l.sink.Discard(ctx, f); err != nil && !errors.Is(err, sink.ErrLost) {
			l.log.DebugContext(ctx, "file left to the sweep", slog.String("file", f.Name), slog.Any("error", err))
		}
	}
}
