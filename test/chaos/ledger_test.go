//go:build chaos

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/levada-data/levada/pkg/ledger"
)

// line is an entry of a ledger, as the failure report has it.
type line struct {
	Seq    uint64      `json:"seq"`
	Kind   ledger.Kind `json:"kind"`
	By     string      `json:"by,omitempty"`
	At     string      `json:"at,omitempty"`
	Stands bool        `json:"stands"`
	Void   string      `json:"void,omitempty"`
	What   string      `json:"what,omitempty"`
}

// entries reads a run's ledger from the server, folds it, and returns it in short; the
// entries as they are go to a file.
func entries(ctx context.Context, f *fleet, run, file string) ([]line, error) {
	js, err := jetstream.New(f.conn.NATS())
	if err != nil {
		return nil, err
	}
	stream, err := js.Stream(ctx, "levada-ledger-"+run) // docs/format.md
	if err != nil {
		return nil, err
	}
	out, err := os.Create(file)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	state := ledger.New(run)
	var lines []line
	for seq := uint64(1); seq <= stream.CachedInfo().State.LastSeq; seq++ {
		msg, err := stream.GetMsg(ctx, seq)
		if err != nil {
			return lines, fmt.Errorf("entry %d: %w", seq, err)
		}
		fmt.Fprintf(out, "%s\n", msg.Data)
		v := state.Apply(seq, msg.Data)
		l := line{Seq: seq, Kind: v.Kind, Stands: v.Standing, Void: string(v.Reason)}
		if e, err := ledger.DecodeEntry(msg.Data); err == nil {
			l.By, l.At, l.What = e.By, e.At.Format("15:04:05.000"), gist(e)
		}
		if p := state.Plan(); l.Kind == ledger.KindPlan && p != nil && p.Late {
			l.What = lateGist
		}
		lines = append(lines, l)
	}
	return lines, nil
}

// gist is what an entry says, in short.
func gist(e *ledger.Entry) string {
	switch {
	case e.Extent != nil:
		return fmt.Sprintf("task %d: %d rows", e.Extent.Task, e.Extent.Rows)
	case e.Commit != nil:
		var spans []string
		for s := range e.Commit.Spans.Spans() {
			spans = append(spans, s.String())
		}
		return fmt.Sprintf("%d files, %d of %d rows, spans %v", len(e.Commit.Files), e.Commit.Counts.Written, e.Commit.Counts.Read, spans)
	case e.Requeue != nil:
		return "epoch " + e.Requeue.Epoch
	case e.Lost != nil:
		return "commit " + e.Lost.Commit
	case e.Cancel != nil:
		return e.Cancel.Reason
	case e.Dead != nil:
		return fmt.Sprintf("%s of stage %s: %s", e.Dead.Span, e.Dead.Stage, e.Dead.Reason)
	case e.End != nil:
		return e.End.Status
	default:
		return ""
	}
}

const lateGist = "the writer takes columns from the source"

// planned says whether the columns travelled as the job wants them to: what it carries
// may be refused, and then the round would prove something else.
func (j *job) planned(lines []line) error {
	for _, l := range lines {
		if l.Kind == ledger.KindPlan && l.Stands && (l.What == lateGist) != j.late() {
			return fmt.Errorf("entry %d: the plan of a job with %s: late %v", l.Seq, j.shape, l.What == lateGist)
		}
	}
	return nil
}

// unprovoked says which entries of a ledger must not be there, given what was done.
func unprovoked(lines []line, deleted bool) error {
	var errs []error
	for _, l := range lines {
		switch {
		case l.Kind == ledger.KindLost, l.Kind == ledger.KindDead, l.Kind == ledger.KindCancel:
			errs = append(errs, fmt.Errorf("entry %d: %s %s: nobody took a file away, and no row is bad", l.Seq, l.Kind, l.What))
		case l.Kind == ledger.KindRequeue && l.Stands && !deleted:
			errs = append(errs, fmt.Errorf("entry %d: requeue: blocks or tasks vanished, though nobody deleted a stream: something was acked too soon", l.Seq))
		}
	}
	return errors.Join(errs...)
}

// text returns lines as JSON, one each.
func text(lines []line) string {
	var b []byte
	for _, l := range lines {
		data, err := json.Marshal(l)
		if err != nil {
			return err.Error()
		}
		b = append(append(b, data...), '\n')
	}
	return string(b)
}
