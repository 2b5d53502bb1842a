package flow

import (
	"context"
	"errors"
	"log/slog"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/levada-data/levada/pkg/ledger"
)

// snapshotEvery is how many entries a fold grows before it is stored again.
const snapshotEvery = 512

// A snapshot is the fold of a ledger's beginning, kept so that a process that
// joins a long run need not read all of it. It is a cache: it counts only if the
// entry it stands on still has the hash that the snapshot carries, which Sync
// checks like any other fold; losing it costs a longer read.

func (c *Conn) snapshots(ctx context.Context) (jetstream.ObjectStore, error) {
	os, err := c.ctl.js.ObjectStore(ctx, snapshotsBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		os, err = c.ctl.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
			Bucket: snapshotsBucket, Description: "folds of long ledgers: a cache", Storage: jetstream.FileStorage,
			Replicas: c.cfg.Replicas, MaxBytes: 256 << 20,
		})
	}
	return os, err
}

func (l *Ledger) restore(ctx context.Context) {
	os, err := l.c.ctl.js.ObjectStore(ctx, snapshotsBucket)
	if err != nil {
		return // no cache, or none yet
	}
	data, err := os.GetBytes(ctx, string(l.rec.Run))
	if err != nil {
		return
	}
	state, err := ledger.Restore(string(l.rec.Run), data)
	if err != nil {
		l.c.log.DebugContext(ctx, "snapshot not used", slog.String("run", string(l.rec.Run)), slog.Any("error", err))
		return
	}
	l.state, l.saved = state, state.Seq()
}

// snapshot stores the fold when it has grown enough. Failure is harmless.
func (l *Ledger) snapshot(ctx context.Context) {
	seq := l.Seq()
	if l.c.cfg.ReadOnly || seq < l.saved+snapshotEvery {
		return
	}
	l.saved = seq
	var (
		data []byte
		err  error
	)
	l.View(func(s *ledger.State) { data, err = s.Snapshot() })
	if err == nil {
		var os jetstream.ObjectStore
		if os, err = l.c.snapshots(ctx); err == nil {
			_, err = os.PutBytes(ctx, string(l.rec.Run), data)
		}
	}
	if err != nil && ctx.Err() == nil {
		l.c.log.DebugContext(ctx, "snapshot not stored", slog.String("run", string(l.rec.Run)), slog.Any("error", err))
	}
}

// dropSnapshot removes a run's snapshot when the run has ended.
func (c *Conn) dropSnapshot(ctx context.Context, run RunID) {
	if os, err := c.ctl.js.ObjectStore(ctx, snapshotsBucket); err == nil {
		_ = os.Delete(ctx, string(run)) // absent or unreachable: it is only a cache
	}
}
