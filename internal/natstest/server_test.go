package natstest_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/levada-data/levada/internal/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func stream(t *testing.T, js jetstream.JetStream) jetstream.Stream {
	t.Helper()
	s, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "S", Subjects: []string{"s.>"}, Discard: jetstream.DiscardNew, MaxBytes: 1 << 20, DenyPurge: true, DenyDelete: true,
	})
	require.NoError(t, err)
	return s
}

func publish(t *testing.T, js jetstream.JetStream, bodies ...string) {
	t.Helper()
	for _, b := range bodies {
		_, err := js.Publish(t.Context(), "s.x", []byte(b))
		require.NoError(t, err)
	}
}

func bodies(t *testing.T, s jetstream.Stream) []string {
	t.Helper()
	info, err := s.Info(t.Context())
	require.NoError(t, err)
	var all []string
	for seq := max(1, info.State.FirstSeq); seq <= info.State.LastSeq; seq++ {
		m, err := s.GetMsg(t.Context(), seq)
		require.NoError(t, err)
		all = append(all, string(m.Data))
	}
	return all
}

func TestServerTakesInProcessConnections(t *testing.T) {
	s := natstest.New(t)
	nc := s.Connect(t)
	require.EqualValues(t, 8<<20, nc.MaxPayload())
	js := natstest.JetStream(t, nc)
	st := stream(t, js)
	publish(t, js, "a", "b")
	require.Equal(t, []string{"a", "b"}, bodies(t, st))
	_, err := os.Stat(s.StoreDir())
	require.NoError(t, err)
}

func TestServerListensWhenAsked(t *testing.T) {
	s := natstest.New(t, natstest.Listen(), natstest.MaxPayload(1<<20))
	nc := natstest.ConnectURL(t, s.URL())
	require.EqualValues(t, 1<<20, nc.MaxPayload())
}

func TestServerRefusesStreamsBeyondItsStore(t *testing.T) {
	s := natstest.New(t, natstest.StoreLimit(1<<20))
	_, err := s.JetStream(t).CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"s.>"}, MaxBytes: 2 << 20})
	var api *jetstream.APIError
	require.ErrorAs(t, err, &api)
	require.EqualValues(t, 10047, api.ErrorCode)
}

func TestRestartKeepsTheStreamsAndTheClients(t *testing.T) {
	s := natstest.New(t, natstest.Listen())
	url := s.URL()
	reconnected := make(chan string, 2)
	note := nats.ReconnectHandler(func(nc *nats.Conn) { reconnected <- nc.Opts.Name })
	inside := s.Connect(t, note, nats.Name("inside"))
	outside := natstest.ConnectURL(t, url, note, nats.Name("outside"))
	js := natstest.JetStream(t, outside)
	st := stream(t, js)
	publish(t, js, "a")

	s.Restart()
	require.ElementsMatch(t, []string{"inside", "outside"}, []string{<-reconnected, <-reconnected})
	require.Equal(t, url, s.URL())
	require.Equal(t, []string{"a"}, bodies(t, st))
	require.NoError(t, inside.Flush())
}

func TestShutdownCanBeUndone(t *testing.T) {
	s := natstest.New(t)
	js := s.JetStream(t)
	stream(t, js)
	s.Shutdown()
	s.Shutdown()
	_, err := s.InProcessConn()
	require.Error(t, err)
	s.Restart()
	publish(t, s.JetStream(t), "a")
}

func TestRewindStreamLosesTheLastMessages(t *testing.T) {
	s := natstest.New(t)
	js := s.JetStream(t)
	st := stream(t, js)
	publish(t, js, "a", "b")
	_, err := js.Publish(t.Context(), "s.x", []byte("c"), jetstream.WithExpectLastSequence(2))
	require.NoError(t, err)
	publish(t, js, "d", "e")
	before, err := st.GetMsg(t.Context(), 3)
	require.NoError(t, err)

	natstest.RewindStream(t, js, "S", 2)

	require.Equal(t, []string{"a", "b", "c"}, bodies(t, st))
	after, err := st.GetMsg(t.Context(), 3)
	require.NoError(t, err)
	require.Equal(t, before.Header, after.Header)
	ack, err := js.Publish(t.Context(), "s.x", []byte("D"), jetstream.WithExpectLastSequence(3))
	require.NoError(t, err)
	require.EqualValues(t, 4, ack.Sequence, "the sequence of a lost message is given out again")
	info, err := st.Info(t.Context())
	require.NoError(t, err)
	require.True(t, info.Config.DenyPurge)
	require.Equal(t, jetstream.DiscardNew, info.Config.Discard)

	natstest.RewindStream(t, js, "S", 4)
	require.Empty(t, bodies(t, st))
	natstest.RewindStream(t, js, "S", 0)
}

func TestLosePowerIsAnOutageToTheClients(t *testing.T) {
	s := natstest.New(t, natstest.Listen())
	reconnected := make(chan struct{}, 1)
	nc := natstest.ConnectURL(t, s.URL(), nats.ReconnectHandler(func(*nats.Conn) { reconnected <- struct{}{} }))
	js := natstest.JetStream(t, nc)
	st := stream(t, js)
	publish(t, js, "a", "b", "c")

	s.LosePower(t, "S", 1)
	<-reconnected
	require.Equal(t, []string{"a", "b"}, bodies(t, st))
}

func TestAConsumerGoesOnAfterARestart(t *testing.T) {
	s := natstest.New(t)
	js := s.JetStream(t)
	st := stream(t, js)
	cons, err := st.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "c", AckPolicy: jetstream.AckExplicitPolicy})
	require.NoError(t, err)
	publish(t, js, "a")
	s.Restart()
	publishRetried(t, js, "b")
	var got []string
	for len(got) < 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		m, err := cons.Next(jetstream.FetchContext(ctx))
		cancel()
		require.NoError(t, err)
		require.NoError(t, m.Ack())
		got = append(got, string(m.Data()))
	}
	require.Equal(t, []string{"a", "b"}, got)
}

// publishRetried publishes until the reconnected client may.
func publishRetried(t *testing.T, js jetstream.JetStream, body string) {
	t.Helper()
	for t.Context().Err() == nil {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		_, err := js.Publish(ctx, "s.x", []byte(body))
		cancel()
		if err == nil {
			return
		}
	}
	t.Fatal("the test ended first")
}
