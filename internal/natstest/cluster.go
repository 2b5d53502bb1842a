package natstest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// account is the account that all clients of a test are in.
const account = server.DEFAULT_GLOBAL_ACCOUNT

// Cluster is several servers that share one JetStream: streams with replicas outlive
// the loss of a minority. They listen on 127.0.0.1. Safe for concurrent use.
type Cluster struct {
	t       testing.TB
	servers []*Server
}

// NewCluster starts n servers (3 or 5, for a majority to be left) and waits until they
// have a leader and know each other. They end with the test.
func NewCluster(t testing.TB, n int, opts ...Option) *Cluster {
	t.Helper()
	ports := FreePorts(t, n)
	var routes []*url.URL
	for _, port := range ports {
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", port)})
	}
	c := &Cluster{t: t}
	for i, port := range ports {
		own := append([]Option{Listen(), Configure(func(o *server.Options) {
			o.ServerName = fmt.Sprintf("natstest-%d", i+1)
			o.Cluster = server.ClusterOpts{Name: "natstest", Host: "127.0.0.1", Port: port}
			o.Routes = routes
		})}, opts...)
		c.servers = append(c.servers, New(t, own...))
	}
	c.Await()
	return c
}

// FreePorts returns ports of 127.0.0.1 that nobody listens on, for who must know a port
// before its listener has started: the servers of a cluster, another process. They are
// none of those which a system gives to whoever asks for any port, so that nobody takes
// them in the meantime by chance.
func FreePorts(t testing.TB, n int) []int {
	t.Helper()
	const from, to = 10_000, 30_000
	var (
		ports []int
		held  []net.Listener // all until the end, so that no two are the same
	)
	defer func() {
		for _, l := range held {
			_ = l.Close()
		}
	}()
	for range 100 * n {
		port := from + rand.N(to-from)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) //nolint:noctx // it does not wait
		if err != nil {
			continue // taken
		}
		held = append(held, l)
		if ports = append(ports, port); len(ports) == n {
			return ports
		}
	}
	t.Fatal("natstest: no free ports")
	return nil
}

// Servers are the cluster's servers.
func (c *Cluster) Servers() []*Server { return c.servers }

// URL lists where the servers listen, as a client takes it.
func (c *Cluster) URL() string {
	c.t.Helper()
	var urls []string
	for _, s := range c.servers {
		urls = append(urls, s.URL())
	}
	return strings.Join(urls, ",")
}

// Dial connects to one of the servers, and to another when that one goes. Its signature
// is that of a dialer; the caller closes the connection.
func (c *Cluster) Dial(opts ...nats.Option) (*nats.Conn, error) {
	return nats.Connect(c.URL(), append(defaults(), opts...)...)
}

// Await waits until the servers that run have a leader which knows all of them.
func (c *Cluster) Await() {
	c.t.Helper()
	c.await("the servers have no leader", func() bool {
		up, known := 0, 0
		for _, s := range c.servers {
			if srv := s.live(); srv != nil {
				up++
				known = max(known, len(srv.JetStreamClusterPeers())) // the leader's; others name none
			}
		}
		return up > 0 && known == up
	})
}

// Leader waits until a stream has a leader and returns its server.
func (c *Cluster) Leader(stream string) *Server {
	c.t.Helper()
	var leader *Server
	c.await("stream "+stream+" has no leader", func() bool {
		for _, s := range c.servers {
			if srv := s.live(); srv != nil && srv.JetStreamIsStreamLeader(account, stream) {
				leader = s
				return true
			}
		}
		return false
	})
	return leader
}

// StepDown makes the leader of a stream step down, and waits until another server leads.
func (c *Cluster) StepDown(stream string) {
	c.t.Helper()
	old := c.Leader(stream)
	c.await("the leader of "+stream+" stays", func() bool {
		if srv := old.live(); srv != nil && srv.JetStreamIsStreamLeader(account, stream) {
			_ = srv.JetStreamStepdownStream(account, stream) // asked again while it leads
			return false
		}
		return c.Leader(stream) != old
	})
}

// await waits for cond, or ends the test.
func (c *Cluster) await(what string, cond func() bool) {
	c.t.Helper()
	for end := time.Now().Add(startTimeout); !cond(); {
		if time.Now().After(end) {
			c.t.Fatalf("natstest: %s after %v", what, startTimeout)
		}
		<-time.After(10 * time.Millisecond) // a poll: servers do not tell of elections
	}
}

// live is the running server, nil while it is down.
func (s *Server) live() *server.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}
