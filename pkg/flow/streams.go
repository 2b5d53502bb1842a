package flow

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Bounds of the streams that carry no blocks. Every stream has one: the server
// reserves the sum of them against its store.
const (
	tasksBytes  = 64 << 20
	ledgerBytes = 256 << 20
	deadBytes   = 256 << 20
	bucketBytes = 64 << 20
	dedupe      = 2 * time.Minute // saves work only; nothing rests on it
)

// Edge is what lies between the stage that fills it and the next: a bounded stream, or
// nothing, when one process plays both.
type Edge struct {
	Stage    string `json:"stage"`           // the producer
	MaxBytes int64  `json:"max_bytes"`       // of the stream, fixed when the run starts; 0 when fused
	Fused    bool   `json:"fused,omitempty"` // without a stream: blocks pass by reference
}

// streamsOf lists the streams of a run: what Submit makes, what is made again
// when someone deletes it, and what goes when the run has ended.
func (c *Conn) streamsOf(r *Record) []jetstream.StreamConfig {
	configs := []jetstream.StreamConfig{c.ledgerConfig(r), c.tasksConfig(r), c.deadConfig(r)}
	for _, e := range r.Edges {
		if !e.Fused {
			configs = append(configs, c.edgeConfig(r, e))
		}
	}
	return configs
}

func (c *Conn) ledgerConfig(r *Record) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: ledgerStream(r.Run), Subjects: []string{LedgerSubject(r.Run)},
		Description: "the ledger of one run: append-only, the truth about it",
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxBytes: cmp.Or(r.LedgerBytes, ledgerBytes),
		Storage: jetstream.FileStorage, Replicas: r.replicas(), DenyPurge: true, DenyDelete: true, Duplicates: time.Second,
	}
}

func (c *Conn) tasksConfig(r *Record) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: tasksStream(r.Run), Subjects: []string{TasksSubject(r.Run)},
		Description: "tasks that wait for a reader",
		Retention:   jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxBytes: tasksBytes,
		Storage: jetstream.FileStorage, Replicas: r.replicas(), Duplicates: dedupe,
	}
}

func (c *Conn) edgeConfig(r *Record, e Edge) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: blocksStream(r.Run, e.Stage), Subjects: []string{subjectRoot + ".blocks." + string(r.Run) + "." + e.Stage + ".>"},
		Description: "blocks between two stages: bounded, disposable",
		Retention:   jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxBytes: e.MaxBytes,
		Storage: jetstream.FileStorage, Replicas: r.replicas(), Duplicates: dedupe,
	}
}

func (c *Conn) deadConfig(r *Record) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: deadStream(r.Run), Subjects: []string{subjectRoot + ".dead." + string(r.Run) + ".>"},
		Description: "rows that a stage could not process: inspect, fix, replay",
		Retention:   jetstream.LimitsPolicy, Discard: jetstream.DiscardNew, MaxBytes: deadBytes,
		Storage: jetstream.FileStorage, Replicas: r.replicas(), Duplicates: dedupe,
	}
}

// bucketConfig is what nats.go makes of a KV bucket (ADR-8 of nats-architecture-and-design)
// but for one thing: a get is answered by the leader, never by a replica that may lag.
// What a run's record says decides who may write, and a process that has just submitted
// a run must find it.
func (c *Conn) bucketConfig(name string) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"},
		MaxMsgsPerSubject: 8, MaxBytes: bucketBytes, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true,
		Storage: jetstream.FileStorage, Replicas: c.cfg.Replicas, Duplicates: dedupe,
	}
}

// replicate raises the replicas of a stream that all runs share to what this process is
// told: who opened it first may have known less. They are never lowered.
func (c *Conn) replicate(ctx context.Context, name string) error {
	if c.cfg.ReadOnly {
		return nil
	}
	s, err := c.ctl.js.Stream(ctx, name)
	if err != nil {
		return err
	}
	cfg := s.CachedInfo().Config
	if cfg.Replicas >= c.cfg.Replicas {
		return nil
	}
	cfg.Replicas = c.cfg.Replicas
	if _, err := c.ctl.js.UpdateStream(ctx, cfg); err != nil {
		return fmt.Errorf("raise replicas of stream %s to %d: %w", name, cfg.Replicas, err)
	}
	return nil
}

// ensureStream creates a stream if it is absent. One that is there stays as it
// is: an operator may have enlarged it.
func (c *Conn) ensureStream(ctx context.Context, cfg jetstream.StreamConfig) error {
	if _, err := c.ctl.js.Stream(ctx, cfg.Name); err == nil {
		return nil
	} else if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return fmt.Errorf("look up stream %s: %w", cfg.Name, err)
	} else if c.cfg.ReadOnly {
		return fmt.Errorf("stream %s is not there: %w", cfg.Name, err)
	}
	_, err := c.ctl.js.CreateStream(ctx, cfg)
	switch {
	case err == nil, errors.Is(err, jetstream.ErrStreamNameAlreadyInUse):
		return nil // somebody else was faster
	case isNoSpace(err):
		return &StoreError{Stream: cfg.Name, Want: cfg.MaxBytes, Have: c.StoreLeft(ctx), Err: err}
	default:
		return fmt.Errorf("create stream %s: %w", cfg.Name, err)
	}
}

// StoreLeft is how many bytes of file store the account may still reserve; -1
// when the account has no limit of its own or the server does not tell.
func (c *Conn) StoreLeft(ctx context.Context) int64 {
	info, err := c.ctl.js.AccountInfo(ctx)
	if err != nil || info.Limits.MaxStore <= 0 {
		return -1
	}
	return max(info.Limits.MaxStore-int64(min(info.ReservedStore, 1<<62)), 0)
}

// dropStreams deletes a run's transport. The ledger stays, and the dead letters
// stay when there are any.
func (c *Conn) dropStreams(ctx context.Context, r *Record) error {
	names := []string{tasksStream(r.Run)}
	for _, e := range r.Edges {
		if !e.Fused {
			names = append(names, blocksStream(r.Run, e.Stage))
		}
	}
	if s, err := c.ctl.js.Stream(ctx, deadStream(r.Run)); err == nil && s.CachedInfo().State.Msgs == 0 {
		names = append(names, deadStream(r.Run))
	}
	var errs []error
	for _, name := range names {
		if err := c.ctl.js.DeleteStream(ctx, name); err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			errs = append(errs, fmt.Errorf("delete stream %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// Depth is what waits in one stream of a run.
type Depth struct {
	Blocks   uint64
	Bytes    int64
	MaxBytes int64
}

// Depth returns what waits in the edge that the given stage fills. An edge that
// does not exist is empty.
func (c *Conn) Depth(ctx context.Context, run RunID, stage string) (Depth, error) {
	return c.depth(ctx, blocksStream(run, stage))
}

func (c *Conn) depth(ctx context.Context, stream string) (Depth, error) {
	s, err := c.ctl.js.Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Depth{}, nil
	}
	if err != nil {
		return Depth{}, err
	}
	info := s.CachedInfo()
	return Depth{
		Blocks: info.State.Msgs, MaxBytes: info.Config.MaxBytes,
		Bytes: int64(min(info.State.Bytes, 1<<62)),
	}, nil
}

// Lag is what waits for a stage.
type Lag struct {
	Depth          // of its input
	Waiting uint64 // of these, the messages that nobody has taken; the others are worked on, or held until a commit
}

// Lag returns what waits in the edge that feeds the given stage (or [SinkStage]), and of
// [SourceStage] the tasks that wait for a reader.
func (r *Run) Lag(ctx context.Context, stage string) (Lag, error) {
	q := queue{tasksStream(r.Run), tasksConsumer}
	if stage != SourceStage {
		q = queue{blocksStream(r.Run, r.Upstream(stage)), edgeConsumer(stage)}
	}
	depth, err := r.c.depth(ctx, q.stream)
	if err != nil {
		return Lag{}, err
	}
	l := Lag{Depth: depth, Waiting: depth.Blocks}
	consumer, err := r.c.ctl.js.Consumer(ctx, q.stream, q.consumer)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound), errors.Is(err, jetstream.ErrStreamNotFound):
		return l, nil // nobody has come yet, or all is over
	case err != nil:
		return Lag{}, fmt.Errorf("look up consumer %s: %w", q.consumer, err)
	}
	l.Waiting = min(consumer.CachedInfo().NumPending, l.Blocks)
	return l, nil
}
