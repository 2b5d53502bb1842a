package stack_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/jsm.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/test/stack"
)

// What docs/operations.md says of backups: the ledger and the bucket of runs are backed
// up in the middle of a run, which goes on for some commits; then everything on the server
// is lost, the older backup is restored, and the run ends with every row once. What was
// committed after the backup is visible in files that the restored ledger does not know:
// their rows are read again, and the files are swept.
func TestRestoredOlderBackupLosesNothing(t *testing.T) {
	stack.Places(t, func(t *testing.T, out func() string) {
		t.Helper()
		for name, policies := range map[string]string{"File": "  block_bytes: 64KiB", "Run": "  block_bytes: 64KiB\n  visibility: run"} {
			t.Run(name, func(t *testing.T) { restoreOlder(t, out(), policies) })
		}
	})
}

func restoreOlder(t *testing.T, out, policies string) {
	t.Helper()
	const rows = 40_000
	s := stack.New(t)
	passes := make(chan struct{})
	fault.Set(t, fault.TransformAckBefore, func() { <-passes })
	p := s.Start(t, stack.All()...)
	run := s.Submit(t, strings.ReplaceAll(spec(stack.Customers(t, rows, 2, 2048), out, "", policies), "max_age: 1s", "max_age: 100ms"), nil)
	conn := s.Connect(t)
	rec, err := conn.Lookup(t.Context(), run)
	require.NoError(t, err)
	l, err := conn.OpenLedger(t.Context(), rec)
	require.NoError(t, err)
	// commit lets one block go, and waits until it is committed.
	commit := func() {
		before := flow.Look(l, standing)
		passes <- struct{}{}
		require.Eventually(t, func() bool {
			return l.Sync(t.Context()) == nil && flow.Look(l, standing) > before
		}, stack.Limit, pollEvery)
	}
	kept := []string{"levada-ledger-" + string(run), "KV_levada-runs"}

	commit()
	commit()
	dir := t.TempDir()
	nc := s.Server.Connect(t)
	admin, err := jsm.New(nc)
	require.NoError(t, err)
	for _, name := range kept {
		st, err := admin.LoadStream(name)
		require.NoError(t, err)
		_, err = st.SnapshotToDirectory(t.Context(), filepath.Join(dir, name))
		require.NoError(t, err)
	}
	older := l.Seq()
	commit()
	commit()
	require.Greater(t, l.Seq(), older)

	close(passes)
	p.Kill()
	deleteAll(t, natstest.JetStream(t, nc))
	for _, name := range kept {
		_, _, err := admin.RestoreSnapshotFromDirectory(t.Context(), name, filepath.Join(dir, name))
		require.NoError(t, err)
	}

	s.Start(t, stack.All()...)
	rec = s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, out, run)
	require.Equal(t, int64(rows), m.Books.Source)
	require.Len(t, stack.Rows(t, out), int(m.Books.Written))
}

// standing counts the commits that stand.
func standing(s *ledger.State) int {
	n := 0
	for range s.Commits() {
		n++
	}
	return n
}

// deleteAll loses everything that the server keeps.
func deleteAll(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	names := js.StreamNames(t.Context())
	var all []string
	for name := range names.Name() {
		all = append(all, name)
	}
	require.NoError(t, names.Err())
	for _, name := range all {
		require.NoError(t, js.DeleteStream(t.Context(), name))
	}
}
