package flow

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Status is where a run stands, as its record says. While it is active the
// ledger knows more; once it has ended the record stays for ever (rule 19).
type Status string

// The statuses of a record.
const (
	StatusActive    Status = "active"
	StatusDone      Status = "done"
	StatusFailed    Status = "failed"
	StatusCancelled Status = "cancelled"
)

// Record is the entry of a run in the bucket of runs: all that a process needs
// to join it. It changes once, at the end.
type Record struct {
	V         int       `json:"v"` // 1
	Run       RunID     `json:"run"`
	Pipeline  string    `json:"pipeline"`
	SpecHash  string    `json:"spec_hash"`
	Spec      string    `json:"spec"` // the YAML as it was submitted
	Sink      string    `json:"sink"` // the sink's location, for lists and for resuming
	Submitted time.Time `json:"submitted"`
	// Edges in the order of the flow; the first is [SourceStage].
	Edges       []Edge `json:"edges"`
	LedgerBytes int64  `json:"ledger_bytes,omitzero"` // bound of the ledger's stream; 256 MiB when 0
	// Replicas of each stream of the run; when 0, Submit takes [Config.Replicas].
	Replicas int `json:"replicas,omitzero"`
	// BlockBytes bounds a block's payload, for all stages alike.
	BlockBytes int64 `json:"block_bytes"`
	// RequeueAfter is how long the ledger may stand still, with nothing on its way,
	// before owed tasks are queued again.
	RequeueAfter time.Duration   `json:"requeue_after_ns"`
	Status       Status          `json:"status"`
	Reason       string          `json:"reason,omitempty"` // of a failure or a cancellation
	Ended        time.Time       `json:"ended,omitzero"`
	Summary      json.RawMessage `json:"summary,omitempty"` // statistics at the end, as the keeper saw them
}

// recordVersion is the version of Record this package reads and writes.
const recordVersion = 1

func (r *Record) replicas() int { return max(r.Replicas, 1) }

// Upstream returns the stage whose edge the given stage (or [SinkStage]) reads,
// and "" for an unknown one.
func (r *Record) Upstream(stage string) string {
	if stage == SinkStage {
		return r.Edges[len(r.Edges)-1].Stage
	}
	for i, e := range r.Edges {
		if e.Stage == stage && i > 0 {
			return r.Edges[i-1].Stage
		}
	}
	return ""
}

// bucket returns a KV bucket, made if it is absent. Buckets are cached; one that
// vanished is made again by the caller's next try after forget.
func (c *Conn) bucket(ctx context.Context, name string) (jetstream.KeyValue, error) {
	c.mu.Lock()
	kv := c.buckets[name]
	c.mu.Unlock()
	if kv != nil {
		return kv, nil
	}
	cfg := c.bucketConfig(name)
	if err := c.ensureStream(ctx, cfg); err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	}
	if err := c.replicate(ctx, cfg.Name); err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	}
	kv, err := c.ctl.js.KeyValue(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open bucket %s: %w", name, err)
	}
	c.mu.Lock()
	c.buckets[name] = kv
	c.mu.Unlock()
	return kv, nil
}

func (c *Conn) forget(bucket string) {
	c.mu.Lock()
	delete(c.buckets, bucket)
	c.mu.Unlock()
}

// withBucket calls f with the bucket, once more when it turned out to be gone.
func (c *Conn) withBucket(ctx context.Context, name string, f func(jetstream.KeyValue) error) error {
	for try := 0; ; try++ {
		kv, err := c.bucket(ctx, name)
		if err != nil {
			return err
		}
		if err = f(kv); try > 0 || !isMissing(err) {
			return err
		}
		c.forget(name)
	}
}

// Submit stores the run's record, makes its streams and queues the plan task.
// It may be repeated with the same record: each step is idempotent, and a
// process that died in between left a run which the next Submit or the
// reconciler completes. A store too small for the edges is a [*StoreError], and
// nothing of the run stays.
func (c *Conn) Submit(ctx context.Context, r Record) error {
	r.V, r.Status = recordVersion, StatusActive
	if !r.Run.Valid() {
		return fmt.Errorf("submit run %q: the id is not a lower-case ULID", r.Run)
	}
	r.Replicas = cmp.Or(r.Replicas, c.cfg.Replicas)
	if len(r.Edges) == 0 || r.BlockBytes <= 0 || r.RequeueAfter <= 0 {
		return fmt.Errorf("submit run %s: edges, block bytes and requeue time must be set", r.Run)
	}
	for _, cfg := range c.streamsOf(&r) {
		if err := c.ensureStream(ctx, cfg); err != nil {
			if se := (*StoreError)(nil); errors.As(err, &se) {
				_ = c.dropStreams(ctx, &r) // best effort: the error that matters is the first
				_ = c.ctl.js.DeleteStream(ctx, ledgerStream(r.Run))
			}
			return fmt.Errorf("submit run %s: %w", r.Run, err)
		}
	}
	if err := c.withBucket(ctx, pipelinesBucket, func(kv jetstream.KeyValue) error {
		_, err := kv.PutString(ctx, r.Pipeline, r.Spec)
		return err
	}); err != nil {
		return fmt.Errorf("submit run %s: store pipeline %s: %w", r.Run, r.Pipeline, err)
	}
	if err := c.createRecord(ctx, &r); err != nil {
		return fmt.Errorf("submit run %s: %w", r.Run, err)
	}
	if err := c.enqueue(ctx, &r, []Task{{Kind: TaskPlan}}); err != nil {
		return fmt.Errorf("submit run %s: %w", r.Run, err)
	}
	return nil
}

// createRecord puts the record if the bucket has none for the run.
func (c *Conn) createRecord(ctx context.Context, r *Record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return c.withBucket(ctx, runsBucket, func(kv jetstream.KeyValue) error {
		_, err := kv.Create(ctx, string(r.Run), data)
		if errors.Is(err, jetstream.ErrKeyExists) {
			return nil
		}
		return err
	})
}

// finishRecord writes the end of a run into its record: the tombstone that stays
// for ever. The first end wins.
func (c *Conn) finishRecord(ctx context.Context, r Record) error {
	return c.withBucket(ctx, runsBucket, func(kv jetstream.KeyValue) error {
		entry, err := kv.Get(ctx, string(r.Run))
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			return c.createRecord(ctx, &r)
		}
		if err != nil {
			return err
		}
		old, err := decodeRecord(entry.Value())
		if errors.Is(err, ErrVersion) {
			return nil // a newer process was faster, and its record is not ours to write over
		}
		if err != nil || old.Status != StatusActive {
			return err
		}
		data, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if _, err = kv.Update(ctx, string(r.Run), data, entry.Revision()); isWrongSequence(err) {
			return nil // another process wrote the same end
		}
		return err
	})
}

// decodeRecord reads a record. The error wraps [ErrVersion] when it is of another
// version, whose other fields may have other forms.
func decodeRecord(data []byte) (*Record, error) {
	var head struct {
		V int `json:"v"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("decode run record: %w", err)
	}
	if head.V != recordVersion {
		return nil, fmt.Errorf("decode run record: %w: %d, this levada knows %d: use the levada that wrote it, or a newer one", ErrVersion, head.V, recordVersion)
	}
	var r Record
	if err := json.Unmarshal(data, &r); err != nil {
		return nil, fmt.Errorf("decode run record: %w", err)
	}
	if !r.Run.Valid() || len(r.Edges) == 0 {
		return nil, errors.New("decode run record: no run id or no edges")
	}
	return &r, nil
}

// Lookup returns the record of a run, or [ErrNoRun].
func (c *Conn) Lookup(ctx context.Context, run RunID) (*Record, error) {
	var rec *Record
	err := c.withBucket(ctx, runsBucket, func(kv jetstream.KeyValue) error {
		entry, err := kv.Get(ctx, string(run))
		if errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrInvalidKey) {
			return fmt.Errorf("%w: %s (levada runs lists them)", ErrNoRun, run)
		}
		if err != nil {
			return err
		}
		rec, err = decodeRecord(entry.Value())
		return err
	})
	return rec, err
}

// Records returns all runs the server knows, the oldest first. One that cannot
// be read (a newer version wrote it) is left out and named in the error, which then
// wraps [ErrVersion].
func (c *Conn) Records(ctx context.Context) ([]*Record, error) {
	recs, strange, err := c.records(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, run := range slices.Sorted(maps.Keys(strange)) {
		errs = append(errs, fmt.Errorf("run %s: %w", run, strange[run]))
	}
	return recs, errors.Join(errs...)
}

// records returns the runs that can be read, the oldest first, and why the others
// cannot.
func (c *Conn) records(ctx context.Context) (recs []*Record, strange map[RunID]error, err error) {
	err = c.withBucket(ctx, runsBucket, func(kv jetstream.KeyValue) error {
		recs, strange = nil, map[RunID]error{}
		keys, err := kv.Keys(ctx)
		if errors.Is(err, jetstream.ErrNoKeysFound) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, key := range keys {
			entry, err := kv.Get(ctx, key)
			if errors.Is(err, jetstream.ErrKeyNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			rec, err := decodeRecord(entry.Value())
			if err != nil {
				strange[RunID(key)] = err
				continue
			}
			recs = append(recs, rec)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list runs: %w", err)
	}
	slices.SortFunc(recs, func(a, b *Record) int { return strings.Compare(string(a.Run), string(b.Run)) })
	return recs, strange, nil
}
