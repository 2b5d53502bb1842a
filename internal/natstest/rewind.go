package natstest

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// RewindStream loses the last n messages of a stream, as a power loss does: the
// messages that stay keep their sequences, headers and bytes, and the sequences of
// the lost ones are given out again. The stream is deleted and filled anew, so its
// consumers go and timestamps change. For clients that must not see the stream
// missing in between, there is [Server.LosePower].
//
// It ends the test if the stream has gaps, or fewer than n messages.
func RewindStream(t testing.TB, js jetstream.JetStream, stream string, n int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	s, err := js.Stream(ctx, stream)
	if err != nil {
		t.Fatalf("natstest: rewind %s: %v", stream, err)
	}
	info, err := s.Info(ctx)
	if err != nil {
		t.Fatalf("natstest: rewind %s: %v", stream, err)
	}
	state := info.State
	if state.NumDeleted > 0 || uint64(n) > state.Msgs { //nolint:gosec // n is a small count of the test's own
		t.Fatalf("natstest: rewind %s by %d: it has %d messages and %d gaps", stream, n, state.Msgs, state.NumDeleted)
	}
	kept := make([]*jetstream.RawStreamMsg, 0, state.Msgs)
	for seq := max(1, state.FirstSeq); seq+uint64(n) <= state.LastSeq; seq++ { //nolint:gosec // as above
		m, err := s.GetMsg(ctx, seq)
		if err != nil {
			t.Fatalf("natstest: rewind %s: read %d: %v", stream, seq, err)
		}
		kept = append(kept, m)
	}

	cfg := info.Config
	cfg.FirstSeq = state.FirstSeq
	if s, err = recreate(ctx, js, cfg); err != nil {
		t.Fatalf("natstest: rewind %s: %v", stream, err)
	}
	for _, m := range kept {
		// An expected last sequence among the headers fits again: the past is the same.
		ack, err := js.PublishMsg(ctx, &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
		if err != nil {
			t.Fatalf("natstest: rewind %s: write %d: %v", stream, m.Sequence, err)
		}
		if ack.Sequence != m.Sequence || ack.Duplicate {
			t.Fatalf("natstest: rewind %s: message %d came back as %d: somebody else is writing", stream, m.Sequence, ack.Sequence)
		}
	}
	for _, want := range kept {
		got, err := s.GetMsg(ctx, want.Sequence)
		if err != nil {
			t.Fatalf("natstest: rewind %s: check %d: %v", stream, want.Sequence, err)
		}
		if got.Subject != want.Subject || !bytes.Equal(got.Data, want.Data) || !sameHeader(got.Header, want.Header) {
			t.Fatalf("natstest: rewind %s: message %d is not what it was", stream, want.Sequence)
		}
	}
}

// storeFailed is what the server says when files are in the way of a new stream.
const storeFailed = 10049

// recreate deletes a stream and makes it anew, empty. The server removes a deleted
// stream's files in the background, and until they are gone it cannot put away those of
// another stream of that name: the next stream would find its messages again.
func recreate(ctx context.Context, js jetstream.JetStream, cfg jetstream.StreamConfig) (jetstream.Stream, error) {
	for {
		if err := js.DeleteStream(ctx, cfg.Name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return nil, err
		}
		s, err := js.CreateStream(ctx, cfg)
		if err == nil && s.CachedInfo().State.Msgs == 0 {
			return s, nil
		}
		if api, ok := errors.AsType[*jetstream.APIError](err); err != nil && (!ok || api.ErrorCode != storeFailed) {
			return nil, err
		}
	}
}

func sameHeader(a, b nats.Header) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		w, ok := b[k]
		if !ok || len(v) != len(w) {
			return false
		}
		for i := range v {
			if v[i] != w[i] {
				return false
			}
		}
	}
	return true
}

// LosePower restarts the server with the last n messages of a stream lost, see
// [RewindStream]. Clients see an outage and reconnect, and nothing of what happens
// in between: the rewinding is done by a server that they cannot reach.
func (s *Server) LosePower(t testing.TB, stream string, n int) {
	t.Helper()
	s.mu.Lock() // held until the end: InProcessConn waits
	defer s.mu.Unlock()
	s.stop()

	opts := s.opts
	opts.DontListen = true
	s.running = s.start(opts)
	nc, err := nats.Connect("", nats.InProcessServer(s.running), nats.NoReconnect())
	if err != nil {
		t.Fatalf("natstest: connect: %v", err)
	}
	defer nc.Close()
	RewindStream(t, JetStream(t, nc), stream, n)

	s.stop()
	s.running = s.start(s.opts)
}
