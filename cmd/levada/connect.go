package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/jsm.go/natscontext"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/flow"
)

// serverFlags say which NATS server, and who we are to it. What a flag does not say,
// the environment does, by the names that the nats command line uses.
type serverFlags struct {
	url, context, creds, nkey, user, password, token, ca, cert, key string
	replicas                                                        int
	ackWait                                                         time.Duration
}

func (s *serverFlags) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&s.url, "nats", "", "URL of the NATS server (or $NATS_URL)")
	f.StringVar(&s.context, "context", "", "context of the nats command line (or $NATS_CONTEXT)")
	f.StringVar(&s.creds, "creds", "", "credentials file (or $NATS_CREDS)")
	f.StringVar(&s.nkey, "nkey", "", "file of an nkey seed (or $NATS_NKEY)")
	f.StringVar(&s.user, "user", "", "user name (or $NATS_USER)")
	f.StringVar(&s.password, "password", "", "password; better in $NATS_PASSWORD, where others do not see it")
	f.StringVar(&s.token, "token", "", "token; better in $NATS_TOKEN, where others do not see it")
	f.StringVar(&s.ca, "tlsca", "", "file of certificates to trust (or $NATS_CA)")
	f.StringVar(&s.cert, "tlscert", "", "file of the certificate to show (or $NATS_CERT)")
	f.StringVar(&s.key, "tlskey", "", "file of its key (or $NATS_KEY)")
}

// bindStreams binds what processes say that make streams or consumers.
func (s *serverFlags) bindStreams(cmd *cobra.Command) {
	f := cmd.Flags()
	f.IntVar(&s.replicas, "replicas", 0, "copies of every stream and bucket in a cluster: 1, 3 or 5 (or $LEVADA_REPLICAS; 1 without either)")
	complete(cmd, "replicas", "1", "3", "5")
}

// named reports that the command line names a server.
func (s *serverFlags) named() bool { return s.url != "" || s.context != "" }

// inEnvironment reports that the environment names one.
func (a *app) serverInEnvironment() bool {
	return a.getenv("NATS_URL") != "" || a.getenv("NATS_CONTEXT") != ""
}

// withEnvironment fills in from the environment what flags leave open.
func (s serverFlags) withEnvironment(getenv func(string) string) serverFlags {
	for _, v := range []struct {
		to   *string
		name string
	}{
		{&s.creds, "NATS_CREDS"},
		{&s.nkey, "NATS_NKEY"},
		{&s.user, "NATS_USER"},
		{&s.password, "NATS_PASSWORD"},
		{&s.token, "NATS_TOKEN"},
		{&s.ca, "NATS_CA"},
		{&s.cert, "NATS_CERT"},
		{&s.key, "NATS_KEY"},
	} {
		if *v.to == "" {
			*v.to = getenv(v.name)
		}
	}
	if !s.named() {
		s.url, s.context = getenv("NATS_URL"), getenv("NATS_CONTEXT")
	}
	return s
}

// dialer returns how to reach the server, and its name for messages, without secrets.
func (a *app) dialer(flags serverFlags) (flow.Dialer, string, error) {
	s := flags.withEnvironment(a.getenv)
	if !s.named() {
		return nil, "", usagef("no NATS server is named: --nats URL, --context NAME or $NATS_URL")
	}
	var own []natscontext.Option
	for _, v := range []struct {
		value string
		set   func(string) natscontext.Option
	}{
		{s.url, natscontext.WithServerURL},
		{s.creds, natscontext.WithCreds},
		{s.nkey, natscontext.WithNKey},
		{s.user, natscontext.WithUser},
		{s.password, natscontext.WithPassword},
		{s.token, natscontext.WithToken},
		{s.ca, natscontext.WithCA},
		{s.cert, natscontext.WithCertificate},
		{s.key, natscontext.WithKey},
	} {
		if v.value != "" {
			own = append(own, v.set(v.value))
		}
	}
	nctx, err := natscontext.New(s.context, s.context != "", own...)
	if err != nil {
		return nil, "", usagef("--context %s: %w ('nats context ls' lists them)", s.context, err)
	}
	dial := func(opts ...nats.Option) (*nats.Conn, error) {
		all, err := nctx.NATSOptions(opts...)
		if err != nil {
			return nil, err
		}
		return nats.Connect(nctx.ServerURL(), all...)
	}
	return dial, redacted(nctx.ServerURL()), nil
}

// redacted takes the secrets out of a list of server URLs.
func redacted(urls string) string {
	parts := strings.Split(urls, ",")
	for i, p := range parts {
		if u, err := url.Parse(strings.TrimSpace(p)); err == nil {
			if _, secret := u.User.Password(); !secret && u.User != nil {
				u.User = url.User("xxxxx") // a token
			}
			parts[i] = u.Redacted()
		}
	}
	return strings.Join(parts, ",")
}

// copies is how many replicas streams get: as the flag says, or the environment.
func (a *app) copies(flag int) (int, error) {
	text := cmp.Or(a.getenv("LEVADA_REPLICAS"), "1")
	if flag != 0 {
		text = strconv.Itoa(flag)
	}
	switch text {
	case "1", "3", "5":
		return strconv.Atoi(text)
	}
	return 0, usagef("--replicas or $LEVADA_REPLICAS: must be 1, 3 or 5, not %q", text)
}

// connect opens a connection to the named server. While there is no server, it tries
// again until patience is over: services start in any order.
func (a *app) connect(ctx context.Context, flags serverFlags, cfg flow.Config, patience time.Duration) (*flow.Conn, error) {
	dial, name, err := a.dialer(flags)
	if err != nil {
		return nil, err
	}
	cfg.AckWait = flags.ackWait
	if cfg.Replicas, err = a.copies(flags.replicas); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(patience)
	for said := false; ; {
		conn, err := flow.Connect(ctx, dial, cfg, a.log)
		if err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if time.Now().After(deadline) || !unanswered(err) {
			return nil, environmentf("%s: %w: %s", name, err, remedy(err))
		}
		if !said {
			said = true
			a.log.WarnContext(ctx, "server does not answer, trying again", slog.String("server", name), slog.Any("error", err), slog.Duration("for", patience))
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return nil, err
		}
	}
}

// unanswered reports that nobody answered, or not to the end: a server that is not there
// yet, or that just went.
func unanswered(err error) bool {
	ne, network := errors.AsType[net.Error](err)
	return errors.Is(err, nats.ErrNoServers) || errors.Is(err, nats.ErrTimeout) || network && ne.Timeout() ||
		errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET)
}

// electionFor bounds how long a command that asks and ends bears servers which elect a
// leader; services bear it for as long as it takes.
const electionFor = 30 * time.Second

// patiently calls ask, and calls it again while the servers have no leader to answer it.
func (a *app) patiently(ctx context.Context, ask func() error) error {
	deadline := time.Now().Add(electionFor)
	for said := false; ; {
		err := ask()
		if err == nil || !leaderless(err) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		if !said {
			said = true
			a.note("the servers do not answer yet, as when they elect a leader: asking again for up to %v", electionFor)
		}
		if err := pause(ctx, 250*time.Millisecond); err != nil {
			return err
		}
	}
}

// leaderless reports that servers are there and do not answer, or say that they cannot now.
func leaderless(err error) bool {
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		// Cluster incomplete, JetStream temporarily unavailable, not the leader.
		return slices.Contains([]jetstream.ErrorCode{10004, 10008, 10009}, api.ErrorCode)
	}
	return errors.Is(err, nats.ErrTimeout) || errors.Is(err, context.DeadlineExceeded)
}

// remedy says what to do about a connection that failed.
func remedy(err error) string {
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return "name other credentials: --creds, --nkey, --user or --token"
	case errors.Is(err, flow.ErrNoJetStream):
		return "or name another server with --nats"
	case unanswered(err):
		return "start the server (nats-server -js), or name another one with --nats"
	default:
		return "check --nats, the credentials and the TLS files"
	}
}

// pause waits for d, or returns why ctx ended.
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

// instance is the default name of a process.
func instanceName(role string) string { return fmt.Sprintf("levada-%s", role) }
