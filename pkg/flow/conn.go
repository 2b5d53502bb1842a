package flow

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Dialer opens one connection to the server. It must apply the options that it
// is given after its own.
type Dialer func(opts ...nats.Option) (*nats.Conn, error)

// DialURL returns a [Dialer] for a server's URL, with the caller's own options
// (credentials, TLS) applied first.
func DialURL(url string, own ...nats.Option) Dialer {
	return func(opts ...nats.Option) (*nats.Conn, error) {
		all := make([]nats.Option, 0, len(own)+len(opts))
		return nats.Connect(url, append(append(all, own...), opts...)...)
	}
}

// Config says how a process talks to the server. Its zero value is the default.
type Config struct {
	Name     string        // of this process in the server's connection list; "levada" when empty
	Instance string        // unique name of this process; a random one when empty
	Replicas int           // of the buckets, and of the streams of the runs it submits; 1 when 0
	AckWait  time.Duration // after which an unsettled block is delivered again; 30 s when 0
	Window   int64         // bytes of blocks in flight per stage and direction; 8 MiB when 0
	Timeout  time.Duration // of one request to the server; 5 s when 0
	// Alone says that nobody else serves the runs of the server: what this process does
	// not know stops its service, for there is nobody to leave it to.
	Alone bool
	// ReadOnly is for who only looks, and may be all there is: nothing that is missing on
	// the server is made, nothing that is there is changed, no snapshot is stored.
	ReadOnly bool
}

func (c Config) withDefaults() Config {
	if c.Name == "" {
		c.Name = "levada"
	}
	if c.Instance == "" {
		c.Instance = NewNonce()
	}
	c.Replicas = max(c.Replicas, 1)
	if c.AckWait == 0 {
		c.AckWait = 30 * time.Second
	}
	if c.Window == 0 {
		c.Window = 8 << 20
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	return c
}

// Conn is a process' access to one server. It holds three connections, because a
// large write delays whatever shares its connection by tens of milliseconds:
// blocks come in on the first, go out on the second, and the ledger, the buckets
// and the administration use the third. Safe for concurrent use.
type Conn struct {
	cfg  Config
	log  *slog.Logger
	in   link
	out  link
	ctl  link
	life context.Context //nolint:containedctx // the connection's own lifetime: cancelled by Close
	stop context.CancelFunc

	mu      sync.Mutex
	buckets map[string]jetstream.KeyValue
}

// link is one connection. It is replaced by none: nats.go reconnects it.
type link struct {
	nc *nats.Conn
	js jetstream.JetStream

	mu   sync.Mutex
	up   context.Context //nolint:containedctx // ends when the connection is lost; the next one begins then
	lost context.CancelFunc
}

// lose ends all requests that wait for an answer over the link.
func (l *link) lose(life context.Context) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lost != nil {
		l.lost()
	}
	l.up, l.lost = context.WithCancel(life)
}

// request bounds a request over the link: by a time-out, and by the loss of the
// connection, for then its answer never comes. A request that was cut short may have been
// received all the same.
func (l *link) request(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	l.mu.Lock()
	defer l.mu.Unlock()
	stop := context.AfterFunc(l.up, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// Connect opens the three connections. Afterwards they reconnect by themselves,
// for ever; nothing is buffered while they are down, because every publish is
// repeated by the code that waits for its answer.
func Connect(ctx context.Context, dial Dialer, cfg Config, log *slog.Logger) (*Conn, error) {
	cfg = cfg.withDefaults()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	c := &Conn{cfg: cfg, log: log, life: life, stop: stop, buckets: map[string]jetstream.KeyValue{}}
	for _, part := range []struct {
		l    *link
		name string
	}{{&c.in, "blocks-in"}, {&c.out, "blocks-out"}, {&c.ctl, "control"}} {
		if err := c.open(dial, part.l, cfg.Name+"/"+part.name); err != nil {
			c.Close()
			return nil, fmt.Errorf("connect to nats: %w", err)
		}
	}
	if _, err := c.ctl.js.AccountInfo(ctx); err != nil {
		c.Close()
		if code, _ := apiCode(err); code != 0 || isMissing(err) {
			return nil, fmt.Errorf("%w: %w", ErrNoJetStream, err)
		}
		return nil, fmt.Errorf("connect to nats: account info: %w", err)
	}
	return c, nil
}

func (c *Conn) open(dial Dialer, l *link, name string) error {
	l.lose(c.life)
	nc, err := dial(
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectBufSize(-1), // a publish fails at once when down, and is repeated by whoever waits for it
		nats.CustomReconnectDelay(func(int) time.Duration {
			return 50*time.Millisecond + rand.N(200*time.Millisecond)
		}),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			l.lose(c.life)
			if err != nil && c.life.Err() == nil {
				c.log.WarnContext(c.life, "disconnected", slog.String("connection", name), slog.Any("error", err))
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			c.log.InfoContext(c.life, "reconnected", slog.String("connection", name), slog.String("server", nc.ConnectedServerName()))
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			c.log.WarnContext(c.life, "connection error", slog.String("connection", name), slog.Any("error", err))
		}),
	)
	if err != nil {
		return err
	}
	js, err := jetstream.New(nc, jetstream.WithDefaultTimeout(c.cfg.Timeout))
	if err != nil {
		nc.Close()
		return err
	}
	l.nc, l.js = nc, js
	return nil
}

// Close drops the connections. What was not settled is delivered again.
func (c *Conn) Close() {
	c.stop()
	for _, l := range []*link{&c.in, &c.out, &c.ctl} {
		if l.nc != nil {
			l.nc.Close()
		}
	}
}

// Ready reports whether all three connections are up: the readiness of a role.
func (c *Conn) Ready() bool {
	return c.in.nc.IsConnected() && c.out.nc.IsConnected() && c.ctl.nc.IsConnected()
}

// Instance is the unique name of this process.
func (c *Conn) Instance() string { return c.cfg.Instance }

// MaxPayload is the largest message, in bytes, that the server takes.
func (c *Conn) MaxPayload() int64 { return c.out.nc.MaxPayload() }

// NATS returns the control connection, for what this package does not cover
// (services, taps). The caller must not close it.
func (c *Conn) NATS() *nats.Conn { return c.ctl.nc }

// pause waits for d, or returns the context's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// backoff is the pause before attempt n (from 0): from 20 ms, doubled up to one
// second, with jitter, so that those who failed together do not return together.
func backoff(n int) time.Duration {
	d := min(20*time.Millisecond<<min(n, 6), time.Second)
	return d/2 + rand.N(d)
}

// persist calls f until it succeeds, ctx ends, or f returns an error that
// stop recognises. It is for requests that every later one depends on.
func (c *Conn) persist(ctx context.Context, what string, f func() error, stop func(error) bool) error {
	for n := 0; ; n++ {
		err := f()
		if err == nil || stop != nil && stop(err) {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		level := slog.LevelDebug
		if n == warnAfter {
			level = slog.LevelWarn
		}
		c.log.Log(ctx, level, "request repeated", slog.String("request", what), slog.Any("error", err))
		if perr := pause(ctx, backoff(n)); perr != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
}
