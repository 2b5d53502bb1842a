package flow_test

import (
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/flow"
)

// looker lets the user "looker" do what a read-only connection needs, and nothing else;
// a connection without a name may do everything.
func looker(o *server.Options) {
	allow := func(subjects ...string) *server.SubjectPermission { return &server.SubjectPermission{Allow: subjects} }
	o.Users = []*server.User{
		{Username: "all", Password: "all"},
		{Username: "looker", Password: "looker", Permissions: &server.Permissions{
			Publish:   allow("$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.STREAM.MSG.GET.*"),
			Subscribe: allow("_INBOX.>", "levada.stats.>"),
		}},
	}
	o.NoAuthUser = "all"
}

func lookAt(t *testing.T, srv *natstest.Server) *flow.Conn {
	t.Helper()
	cfg := config()
	cfg.ReadOnly, cfg.Replicas = true, 3 // what it is told about replicas it does not act on
	conn, err := flow.Connect(t.Context(), func(opts ...nats.Option) (*nats.Conn, error) {
		return srv.Dial(append(opts, nats.UserInfo("looker", "looker"))...)
	}, cfg, nil)
	require.NoError(t, err)
	t.Cleanup(conn.Close)
	return conn
}

func streams(t *testing.T, srv *natstest.Server) []string {
	t.Helper()
	var names []string
	list := srv.JetStream(t).StreamNames(t.Context())
	for name := range list.Name() {
		names = append(names, name)
	}
	require.NoError(t, list.Err())
	return names
}

func TestRosterKeepsUpWithTheRuns(t *testing.T) {
	srv := natstest.New(t, natstest.Configure(looker))
	roster := lookAt(t, srv).Roster()
	recs, err := roster.Look(t.Context())
	require.NoError(t, err)
	require.Empty(t, recs)
	require.Empty(t, streams(t, srv), "who looks makes nothing, not even the bucket")

	k := newKit(t, srv.Dial, 1<<20)
	for range 2 {
		recs, err = roster.Look(t.Context())
		require.NoError(t, err)
		require.Len(t, recs, 1)
		require.Equal(t, k.run.Run, recs[0].Run)
		require.Equal(t, flow.StatusActive, recs[0].Status)
	}
	second := newKit(t, srv.Dial, 1<<20)
	_, err = srv.JetStream(t).Publish(t.Context(), "$KV.levada-runs.foreign", []byte(`{"v":2}`))
	require.NoError(t, err)
	recs, err = roster.Look(t.Context())
	require.ErrorContains(t, err, "run foreign: decode run record: unknown version: 2")
	require.Len(t, recs, 2)
	require.Equal(t, second.run.Run, recs[1].Run, "the oldest first")
}

func TestReadOnlyConnectionFoldsALedgerAndMakesNone(t *testing.T) {
	srv := natstest.New(t, natstest.Configure(looker))
	k := newKit(t, srv.Dial, 1<<20)
	before := streams(t, srv)
	conn := lookAt(t, srv)
	run, err := conn.Attach(t.Context(), k.run.Run)
	require.NoError(t, err)
	require.Equal(t, k.run.PlanHash(), run.PlanHash())
	depth, err := conn.Depth(t.Context(), run.Run, "next")
	require.NoError(t, err)
	require.Equal(t, int64(1<<20), depth.MaxBytes)
	require.Equal(t, before, streams(t, srv))

	require.NoError(t, srv.JetStream(t).DeleteStream(t.Context(), "levada-ledger-"+string(k.run.Run)))
	require.NoError(t, run.Ledger.Sync(t.Context()))
	require.Equal(t, k.run.PlanHash(), run.PlanHash(), "what it knew stays")
	require.NotContains(t, streams(t, srv), "levada-ledger-"+string(k.run.Run))
}
