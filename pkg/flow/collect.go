package flow

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// Leftover is a stream that a run which has ended has left on the server.
type Leftover struct {
	Stream string
	Bytes  int64
}

// Leftovers lists what is left of a run on the server, besides its record: the ledger,
// dead letters, and what processes that slept through the end have made again.
func (c *Conn) Leftovers(ctx context.Context, r *Record) ([]Leftover, error) {
	names := []string{tasksStream(r.Run)}
	for _, e := range r.Edges {
		names = append(names, blocksStream(r.Run, e.Stage))
	}
	var left []Leftover
	for _, name := range append(names, deadStream(r.Run), ledgerStream(r.Run)) {
		s, err := c.ctl.js.Stream(ctx, name)
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at stream %s: %w", name, err)
		}
		left = append(left, Leftover{Stream: name, Bytes: int64(min(s.CachedInfo().State.Bytes, 1<<62))})
	}
	return left, nil
}

// Collect deletes what is left of a run that has ended: [ErrRunActive] for one that has
// not. Its record stays for ever, and with it how it ended: rule 19 (late writers) rests
// on it, and so does whoever asks years later.
func (c *Conn) Collect(ctx context.Context, run RunID) error {
	rec, err := c.Lookup(ctx, run) // now, not when somebody listed it
	if err != nil {
		return err
	}
	if rec.Status == StatusActive {
		return fmt.Errorf("collect run %s: %w", run, ErrRunActive)
	}
	left, err := c.Leftovers(ctx, rec)
	if err != nil {
		return err
	}
	var errs []error
	for _, l := range left {
		if err := c.ctl.js.DeleteStream(ctx, l.Stream); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			errs = append(errs, fmt.Errorf("delete stream %s: %w", l.Stream, err))
		}
	}
	c.dropSnapshot(ctx, run)
	return errors.Join(errs...)
}
