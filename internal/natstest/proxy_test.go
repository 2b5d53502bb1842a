package natstest_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
)

// behind returns a server, a proxy before it, a JetStream context and the stream as
// seen through the proxy, and the stream as seen without it.
func behind(t *testing.T, opts ...nats.Option) (*natstest.Server, *natstest.Proxy, jetstream.JetStream, jetstream.Stream) {
	t.Helper()
	s := natstest.New(t, natstest.Listen())
	direct := stream(t, s.JetStream(t))
	p := natstest.NewProxy(t, s.URL())
	return s, p, natstest.JetStream(t, natstest.ConnectURL(t, p.URL(), opts...)), direct
}

// short returns a context that ends soon: for a request whose answer never comes.
func short(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

func answersTo(subject string, v natstest.Verdict) func(*natstest.Frame) natstest.Verdict {
	return func(f *natstest.Frame) natstest.Verdict {
		if f.Answers == subject {
			return v
		}
		return natstest.Pass
	}
}

func requestsTo(subject string, v natstest.Verdict) func(*natstest.Frame) natstest.Verdict {
	return func(f *natstest.Frame) natstest.Verdict {
		if f.IsMessage() && f.Subject == subject {
			return v
		}
		return natstest.Pass
	}
}

func TestProxyPassesEverything(t *testing.T) {
	_, p, js, direct := behind(t)
	big := make([]byte, 700<<10)
	_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "s.x", Header: nats.Header{"K": {"v"}}, Data: big})
	require.NoError(t, err)
	m, err := direct.GetMsg(t.Context(), 1)
	require.NoError(t, err)
	require.Equal(t, big, m.Data)
	require.Equal(t, "v", m.Header.Get("K"))
	require.Zero(t, p.Held())
}

func TestProxyLosesAnAnswer(t *testing.T) {
	_, p, js, direct := behind(t)
	p.Filter(natstest.ToClient, answersTo("s.x", natstest.Drop))
	_, err := js.Publish(short(t), "s.x", []byte("a"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, []string{"a"}, bodies(t, direct), "stored, the answer lost")

	p.Filter(natstest.ToClient, nil)
	publish(t, js, "b")
}

func TestProxyLosesARequest(t *testing.T) {
	_, p, js, direct := behind(t)
	p.Filter(natstest.ToServer, requestsTo("s.x", natstest.Drop))
	_, err := js.Publish(short(t), "s.x", []byte("a"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, bodies(t, direct))
}

func TestProxyHoldsOneAnswerWhileOthersOvertakeIt(t *testing.T) {
	_, p, js, _ := behind(t)
	var seen atomic.Int64
	p.Filter(natstest.ToClient, func(f *natstest.Frame) natstest.Verdict {
		if f.Answers == "s.x" && seen.Add(1) == 1 {
			return natstest.Hold
		}
		return natstest.Pass
	})
	first, err := js.PublishAsync("s.x", []byte("a"))
	require.NoError(t, err)
	held := p.AwaitHeld(t, 1, 10*time.Second)
	require.Contains(t, string(held[0].Payload), `"seq":1`)
	publish(t, js, "b")
	require.Empty(t, first.Ok())

	p.ReleaseHeld()
	require.EqualValues(t, 1, (<-first.Ok()).Sequence)
}

func TestProxyDeliversTheRequestOfADeadClientLate(t *testing.T) {
	_, p, js, direct := behind(t)
	p.Filter(natstest.ToServer, requestsTo("s.x", natstest.Hold))
	_, err := js.PublishAsync("s.x", []byte("late"))
	require.NoError(t, err)
	p.AwaitHeld(t, 1, 10*time.Second)
	js.Conn().Close()

	events, err := direct.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	require.NoError(t, err)
	p.ReleaseHeld()
	m, err := events.Next(jetstream.FetchMaxWait(10 * time.Second))
	require.NoError(t, err)
	require.Equal(t, "late", string(m.Data()))
	require.Zero(t, p.Held())
}

func TestProxyForgetsWhatIsDropped(t *testing.T) {
	_, p, js, direct := behind(t)
	p.Filter(natstest.ToServer, requestsTo("s.x", natstest.Hold))
	_, err := js.PublishAsync("s.x", []byte("a"))
	require.NoError(t, err)
	p.AwaitHeld(t, 1, 10*time.Second)
	p.DropHeld()
	p.Filter(natstest.ToServer, nil)
	publish(t, js, "b")
	require.Equal(t, []string{"b"}, bodies(t, direct))
}

func TestProxyHoldsADirection(t *testing.T) {
	_, p, js, direct := behind(t)
	p.HoldDirection(natstest.ToServer)
	_, err := js.Publish(short(t), "s.x", []byte("a"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Empty(t, bodies(t, direct))
	p.Release(natstest.ToServer)
	publish(t, js, "b")
	require.Equal(t, []string{"a", "b"}, bodies(t, direct))

	p.HoldDirection(natstest.ToClient)
	_, err = js.Publish(short(t), "s.x", []byte("c"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Equal(t, []string{"a", "b", "c"}, bodies(t, direct))
	p.Release(natstest.ToClient)
	publish(t, js, "d")
}

func TestProxyDelaysInOrder(t *testing.T) {
	_, p, js, direct := behind(t)
	p.Delay(natstest.ToServer, 30*time.Millisecond)
	start := time.Now()
	var last jetstream.PubAckFuture
	for _, b := range []string{"a", "b", "c", "d"} {
		f, err := js.PublishAsync("s.x", []byte(b))
		require.NoError(t, err)
		last = f
	}
	<-last.Ok()
	require.GreaterOrEqual(t, time.Since(start), 30*time.Millisecond)
	require.Equal(t, []string{"a", "b", "c", "d"}, bodies(t, direct))
}

func TestProxySeversAndRefuses(t *testing.T) {
	down, up := make(chan struct{}, 8), make(chan struct{}, 8)
	_, p, js, _ := behind(t,
		nats.DisconnectErrHandler(func(*nats.Conn, error) { down <- struct{}{} }),
		nats.ReconnectHandler(func(*nats.Conn) { up <- struct{}{} }))
	p.Sever()
	<-down
	<-up
	publish(t, js, "a")

	p.Refuse(true)
	p.Sever()
	<-down
	require.Empty(t, up)
	p.Refuse(false)
	<-up
	publish(t, js, "b")
}

func TestProxyCutsTheConnectionInsteadOfTheAnswer(t *testing.T) {
	down := make(chan struct{}, 8)
	_, p, js, direct := behind(t, nats.DisconnectErrHandler(func(*nats.Conn, error) { down <- struct{}{} }))
	var cut atomic.Bool
	p.Filter(natstest.ToClient, func(f *natstest.Frame) natstest.Verdict {
		if f.Answers == "s.x" && !cut.Swap(true) {
			return natstest.Cut
		}
		return natstest.Pass
	})
	_, err := js.PublishAsync("s.x", []byte("a"))
	require.NoError(t, err)
	<-down
	require.Equal(t, []string{"a"}, bodies(t, direct))
}

func TestProxySurvivesARestartOfTheServer(t *testing.T) {
	up := make(chan struct{}, 1)
	s, _, js, _ := behind(t, nats.ReconnectHandler(func(*nats.Conn) { up <- struct{}{} }))
	s.Restart()
	<-up
	publish(t, js, "a")
}
