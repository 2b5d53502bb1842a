package flow

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Roster is the runs that a server knows, for who looks again and again: a look after
// which nothing has changed costs one request, however many runs there are, and none
// makes anything on the server, not for a moment. It is not safe for concurrent use.
type Roster struct {
	c       *Conn
	version rosterVersion
	known   map[string]rosterEntry // by subject
}

// rosterVersion tells two states of the bucket of runs apart. The time is there for a
// bucket that was set back, by a power cut, and has grown again.
type rosterVersion struct {
	made, at time.Time
	seq      uint64
}

type rosterEntry struct {
	writes uint64 // of the record: it changes once, when its run ends
	rec    *Record
	err    error
}

// Roster returns a roster that has not looked yet.
func (c *Conn) Roster() *Roster { return &Roster{c: c, known: map[string]rosterEntry{}} }

// Look returns all runs, the oldest first. One that cannot be read (a newer version
// wrote it) is left out and named in the error, which is not nil and comes without runs
// when the server does not answer. The records are shared with later calls: they must
// not be changed.
func (r *Roster) Look(ctx context.Context) ([]*Record, error) {
	ctx, cancel := r.c.ctl.request(ctx, 4*r.c.cfg.Timeout)
	defer cancel()
	if err := r.look(ctx); err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	recs := make([]*Record, 0, len(r.known))
	var errs []error
	for subject, e := range r.known {
		if e.err != nil {
			errs = append(errs, fmt.Errorf("run %s: %w", strings.TrimPrefix(subject, runsSubjects), e.err))
			continue
		}
		recs = append(recs, e.rec)
	}
	slices.SortFunc(recs, func(a, b *Record) int { return strings.Compare(string(a.Run), string(b.Run)) })
	return recs, errors.Join(errs...)
}

// runsSubjects is what the subjects of the bucket of runs begin with (ADR-8).
const runsSubjects = "$KV." + runsBucket + "."

func (r *Roster) look(ctx context.Context) error {
	stream, err := r.c.ctl.js.Stream(ctx, "KV_"+runsBucket)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		clear(r.known) // nobody has submitted a run yet
		return nil
	}
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	version := rosterVersion{made: info.Created, at: info.State.LastTime, seq: info.State.LastSeq}
	if version == r.version {
		return nil
	}
	// What is written while it is read is read again by the next call: the version is
	// that from before.
	if info, err = stream.Info(ctx, jetstream.WithSubjectFilter(runsSubjects+">")); err != nil {
		return err
	}
	for subject := range r.known {
		if _, ok := info.State.Subjects[subject]; !ok {
			delete(r.known, subject)
		}
	}
	for subject, writes := range info.State.Subjects {
		if e, ok := r.known[subject]; ok && e.writes == writes && version.made.Equal(r.version.made) {
			continue
		}
		msg, err := stream.GetLastMsgForSubject(ctx, subject)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if msg.Header.Get("KV-Operation") != "" { // somebody deleted the key by hand
			delete(r.known, subject)
			continue
		}
		rec, err := decodeRecord(msg.Data)
		r.known[subject] = rosterEntry{writes: writes, rec: rec, err: err}
	}
	r.version = version
	return nil
}
