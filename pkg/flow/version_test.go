package flow_test

import (
	"encoding/json"
	"log/slog"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// keep puts bytes into the bucket of runs, as another levada would.
func keep(t testing.TB, s *natstest.Server, conn *flow.Conn, run flow.RunID, data []byte) jetstream.KeyValue {
	t.Helper()
	_, _ = conn.Records(t.Context()) // makes the bucket
	kv, err := s.JetStream(t).KeyValue(t.Context(), "levada-runs")
	require.NoError(t, err)
	_, err = kv.Put(t.Context(), string(run), data)
	require.NoError(t, err)
	return kv
}

// A record of the first format is read for ever.
func TestGoldenRecordIsRead(t *testing.T) {
	s := natstest.New(t)
	conn := connect(t, s.Dial)
	data, err := os.ReadFile("testdata/golden/record-v1.json")
	require.NoError(t, err)
	const run = flow.RunID("01jd0000000000000000000000")
	keep(t, s, conn, run, data)
	rec, err := conn.Lookup(t.Context(), run)
	require.NoError(t, err)
	require.Equal(t, &flow.Record{
		V: 1, Run: run, Pipeline: "customers", SpecHash: "5a5a5a5a", Spec: "apiVersion: levada/v1\nname: customers\n", Sink: "/data/out",
		Submitted: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Ended: time.Date(2026, 1, 2, 3, 5, 5, 0, time.UTC),
		Edges:       []flow.Edge{{Stage: "source", MaxBytes: 1 << 20}, {Stage: "refine", MaxBytes: 2 << 20}},
		LedgerBytes: 1 << 20, Replicas: 1, BlockBytes: 256 << 10, RequeueAfter: 5 * time.Second, Status: flow.StatusDone,
		Summary: json.RawMessage(`{"planned":10}`),
	}, rec)
}

// Records that a newer levada wrote: they are refused by name, whatever their form, and
// the others are listed all the same.
func TestNewerRecordIsRefusedByName(t *testing.T) {
	s := natstest.New(t)
	k := newKit(t, s.Dial, 1<<20)
	newer := flow.NewRunID()
	kv := keep(t, s, k.conn, newer, []byte(`{"v":2,"run":{"id":"another form"},"edges":"none"}`))
	const says = "decode run record: unknown version: 2, this levada knows 1: use the levada that wrote it, or a newer one"
	put, err := kv.Get(t.Context(), string(newer))
	require.NoError(t, err)
	_, err = k.conn.Lookup(t.Context(), newer)
	require.ErrorIs(t, err, flow.ErrVersion)
	require.EqualError(t, err, says)
	recs, err := k.conn.Records(t.Context())
	require.EqualError(t, err, "run "+string(newer)+": "+says)
	require.ErrorIs(t, err, flow.ErrVersion)
	require.Len(t, recs, 1)
	require.Equal(t, k.run.Run, recs[0].Run)
	require.ErrorIs(t, k.conn.Collect(t.Context(), newer), flow.ErrVersion, "nothing of it is removed")
	_, err = k.conn.Cancel(t.Context(), newer, "wanted")
	require.ErrorIs(t, err, flow.ErrVersion)
	entry, err := kv.Get(t.Context(), string(newer))
	require.NoError(t, err)
	require.Equal(t, put.Revision(), entry.Revision(), "it stands as it was put")
}

// Tasks of the first format are read for ever; one of a kind that is not known is named.
func TestTasksCarryTheirKind(t *testing.T) {
	for text, want := range map[string]flow.Task{
		`{"kind":"plan"}`: {Kind: flow.TaskPlan},
		`{"kind":"read","task":12,"epoch":"60303ae22b998861"}`: {Kind: flow.TaskRead, Task: 12, Epoch: "60303ae22b998861"},
	} {
		got, err := flow.DecodeTask([]byte(text))
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	_, err := flow.DecodeTask([]byte(`{"kind":"join","left":1}`))
	require.ErrorIs(t, err, flow.ErrVersion)
	require.EqualError(t, err, `decode task: unknown version: kind "join", this levada knows "plan" and "read": use the levada that queued it, or a newer one`)
	_, err = flow.DecodeTask([]byte(`{`))
	require.Error(t, err)
	require.NotErrorIs(t, err, flow.ErrVersion)
}

// A snapshot is a cache: one of a newer levada is passed over, and the ledger is folded
// from its beginning.
func TestNewerSnapshotIsPassedOver(t *testing.T) {
	s := natstest.New(t)
	k := newKit(t, s.Dial, 1<<20)
	store, err := s.JetStream(t).CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "levada-snapshots"})
	require.NoError(t, err)
	_, err = store.PutBytes(t.Context(), string(k.run.Run), append([]byte("LVSN\x02"), make([]byte, 64)...))
	require.NoError(t, err)
	log := said{line: "snapshot not used", c: make(chan struct{}, 1)}
	conn, err := flow.Connect(t.Context(), s.Dial, config(), slog.New(log))
	require.NoError(t, err)
	defer conn.Close()
	run, err := conn.Attach(t.Context(), k.run.Run)
	require.NoError(t, err)
	require.Len(t, log.c, 1)
	require.Equal(t, k.run.PlanHash(), run.PlanHash())
	require.Equal(t, k.run.Ledger.Seq(), flow.Look(run.Ledger, (*ledger.State).Seq))
}
