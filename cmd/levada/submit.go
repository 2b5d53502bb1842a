package main

import (
	"context"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/pipeline"
)

const (
	// largestBlock is the most a block's payload has, whatever the server takes: more
	// gains nothing.
	largestBlock = 4 << 20
	// headerRoom is what a block's headers may need of it.
	headerRoom = 16 << 10
	// largestFused is the most a block has in a run of which no edge is a stream: what is
	// never encoded need not fit into a message. Larger than what travels only where
	// a row group should stay whole. Some ten blocks are in a process of two cores at a
	// time, in several stages of being read, changed and written.
	largestFused = 16 << 20
	// besideEdges is what the streams and buckets of a run reserve besides its edges:
	// ledger 256 MiB, dead letters 256 MiB, tasks 64 MiB, and three buckets of 64 MiB
	// with the first run.
	besideEdges = 768 << 20
)

// blockBytes bounds the blocks of a run on a server: under half of its max_payload, so
// that headers and a halved block always fit.
func blockBytes(spec *pipeline.Spec, maxPayload int64) int64 {
	most := min(largestBlock, maxPayload/2) - headerRoom
	if want := spec.Policies.BlockBytes; want > 0 {
		return min(want, most)
	}
	return most
}

// embeddedBlockBytes is blockBytes on the embedded server, for what is said without one.
func embeddedBlockBytes(spec *pipeline.Spec) int64 { return blockBytes(spec, 2*largestBlock) }

// record makes the record of a new run. fused says which edges need no stream, as
// [pipeline.FusedEdges] does; nil: none. limit is what the server's store may reserve in
// all, when the account does not say; 0 when nobody knows.
func record(ctx context.Context, conn *flow.Conn, spec *pipeline.Spec, text string, fused []bool, limit int64) (*flow.Record, error) {
	streams := len(spec.Stages) + 1
	for _, f := range fused {
		if f {
			streams--
		}
	}
	left := conn.StoreLeft(ctx)
	if left < 0 && limit > 0 {
		reserved, err := reservedBytes(ctx, conn)
		if err != nil {
			return nil, err
		}
		left = max(limit-reserved, 0)
	}
	if left >= 0 {
		left = max(left-besideEdges, 0)
	}
	edge, err := pipeline.EdgeBytes(spec, left, streams)
	if err != nil {
		return nil, fmt.Errorf("%w (besides, a run's ledger, tasks and dead letters reserve %d MiB)", err, besideEdges>>20)
	}
	r := &flow.Record{
		Run: flow.NewRunID(), Pipeline: spec.Name, SpecHash: spec.Hash(), Spec: text, Sink: spec.Sink.Parquet.URI,
		Submitted: time.Now().UTC(), BlockBytes: blockBytes(spec, conn.MaxPayload()), RequeueAfter: spec.Policies.RequeueAfter,
	}
	if streams == 0 && spec.Policies.BlockBytes == 0 {
		r.BlockBytes = largestFused
	}
	producer := flow.SourceStage
	for i := range len(spec.Stages) + 1 {
		e := flow.Edge{Stage: producer, MaxBytes: edge}
		if fused != nil && fused[i] {
			e = flow.Edge{Stage: producer, Fused: true}
		}
		r.Edges = append(r.Edges, e)
		if i < len(spec.Stages) {
			producer = spec.Stages[i].Name
		}
	}
	return r, nil
}

// reservedBytes is what all streams of the account reserve together.
func reservedBytes(ctx context.Context, conn *flow.Conn) (int64, error) {
	js, err := jetstream.New(conn.NATS())
	if err != nil {
		return 0, err
	}
	info, err := js.AccountInfo(ctx)
	if err != nil {
		return 0, fmt.Errorf("look at the server's store: %w", err)
	}
	return int64(min(info.ReservedStore, 1<<62)), nil
}

func (a *app) submitCommand() *cobra.Command {
	var (
		flags     serverFlags
		unchecked bool
		asJSON    bool
	)
	cmd := &cobra.Command{
		Use:   "submit FILE",
		Short: "Hand a pipeline to the services of a server, and print the run's id",
		Long: `Stores a run on a NATS server and returns; the readers, transforms and writers of
that server do the work. Local paths of the spec become absolute: services on other
machines must see the same files there.`,
		Example: `  levada submit pipeline.yaml --nats nats://127.0.0.1:4222
  levada status $(levada submit pipeline.yaml --nats $URL) --nats $URL`,
		Args: takes("FILE"),

		ValidArgsFunction: completeSpec,
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			conn, rec, err := a.submit(ctx, args[0], flags, unchecked)
			if err != nil {
				return err
			}
			conn.Close()
			if asJSON {
				return a.printJSON(submitted{1, rec.Run, rec.Pipeline, rec.Sink, flow.StatusActive})
			}
			fmt.Fprintln(a.stdout, rec.Run)
			return nil
		},
	}
	flags.bind(cmd)
	flags.bindStreams(cmd)
	a.bindSet(cmd)
	bindUnchecked(cmd, &unchecked)
	bindJSON(cmd, &asJSON)
	return cmd
}

func bindUnchecked(cmd *cobra.Command, unchecked *bool) {
	cmd.Flags().BoolVar(unchecked, "unchecked", false, "with --nats: submit without looking at the source, which only the services see")
}

// submit checks a spec and stores its run on the named server. The caller must close
// the connection.
func (a *app) submit(ctx context.Context, file string, flags serverFlags, unchecked bool) (*flow.Conn, *flow.Record, error) {
	spec, text, err := a.readSpec(file)
	if err != nil && !unchecked {
		err = a.everyError(ctx, file, err)
	}
	if err != nil {
		return nil, nil, err
	}
	conn, err := a.connect(ctx, flags, flow.Config{Name: "levada-submit"}, 0)
	if err != nil {
		return nil, nil, err
	}
	rec, err := func() (*flow.Record, error) {
		if !unchecked {
			if _, err := inspect(ctx, spec, blockBytes(spec, conn.MaxPayload())); err != nil {
				return nil, fmt.Errorf("%w (--unchecked leaves it to the services)", err)
			}
		}
		rec, err := record(ctx, conn, spec, text, nil, 0)
		if err != nil {
			return nil, err
		}
		return rec, conn.Submit(ctx, *rec)
	}()
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn, rec, nil
}
