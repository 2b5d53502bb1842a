package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
)

// roleFlags are what all services have.
type roleFlags struct {
	server   serverFlags
	http     endpointFlags
	instance string
	memory   string
	patience time.Duration
}

func (r *roleFlags) bind(cmd *cobra.Command) {
	r.server.bind(cmd)
	r.server.bindStreams(cmd)
	r.http.bind(cmd)
	f := cmd.Flags()
	f.DurationVar(&r.server.ackWait, "ack-wait", 30*time.Second, "after which a block that nobody settles is delivered again")
	f.StringVar(&r.instance, "instance", "", "unique name of this process in statistics (default a random one)")
	f.StringVar(&r.memory, "memory", "", memoryUsage)
	f.DurationVar(&r.patience, "wait", 30*time.Second, "how long to try when the server is not there yet")
}

// serve plays one role for every run of the server, until it is asked to stop.
//
//	signal ──► intake ends ──► blocks in flight are finished ──► acks ──► exit
//	              └─ 20 s later work ends: what is left is delivered again
//
//	runs ──watch──► flow.Serve ──► role.Serve, a group of goroutines for each run
//	                    └────────► ledger, reconciler, statistics
func (a *app) serve(ctx context.Context, flags roleFlags, role flow.Role) error {
	if err := a.limitMemory(flags.memory); err != nil {
		return err
	}
	conn, err := a.connect(ctx, flags.server, flow.Config{Name: instanceName(role.Name()), Instance: flags.instance}, flags.patience)
	if ctx.Err() != nil {
		if conn != nil {
			conn.Close()
		}
		return nil // asked to stop before there was anything to drain
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	closeEndpoint, err := a.endpoint(ctx, flags.http, conn)
	if err != nil {
		return err
	}
	defer closeEndpoint()
	work, release := graced(ctx, grace)
	defer release()
	log := a.log.With(slog.String("role", role.Name()), slog.String("instance", conn.Instance()))
	log.InfoContext(ctx, "started", slog.String("version", build()))
	if err := conn.Serve(ctx, work, role); err != nil {
		return err
	}
	log.InfoContext(ctx, "drained")
	return nil
}

// readerCommand serves tasks.
//
//	task queue ─► plan: list, footers ─► ledger: plan ─► tasks
//	           └► read: row group ─► blocks ─► edge; then ledger: extent
func (a *app) readerCommand() *cobra.Command {
	var (
		flags roleFlags
		cfg   reader.Config
	)
	cmd := &cobra.Command{
		Use:   "reader",
		Short: "Read sources into blocks",
		Long: `Plans runs and reads their sources into blocks, for every run of the server, until
it is stopped. Start as many as you like, on any machines that see the sources.`,
		Example: "  levada reader --nats nats://127.0.0.1:4222 --http 127.0.0.1:8080",
		Args:    takes(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), flags, reader.New(cfg)) },
	}
	flags.bind(cmd)
	cmd.Flags().IntVar(&cfg.Tasks, "tasks", 0, "read at once (default the cores)")
	return cmd
}

// transformCommand serves stages.
//
//	edge ─► block ─► operators ─► block ─► next edge
//	                    └► failed rows ─► dead letters
func (a *app) transformCommand() *cobra.Command {
	var (
		flags   roleFlags
		cfg     transform.Config
		workers workersFlag
	)
	cmd := &cobra.Command{
		Use:   "transform",
		Short: "Run the operators of stages over blocks",
		Long: `Runs the operators of stages over blocks, for every run of the server, until it is
stopped. Start as many as you like.`,
		Example: `  levada transform --nats nats://127.0.0.1:4222 --workers 8
  levada transform --nats nats://127.0.0.1:4222 --workers 2-16`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg.Workers, cfg.MaxWorkers = workers.least, workers.most
			return a.serve(cmd.Context(), flags, transform.New(cfg))
		},
	}
	flags.bind(cmd)
	cmd.Flags().Var(&workers, "workers", workersUsage)
	cmd.Flags().StringArrayVar(&cfg.Stages, "stage", nil, "serve only this stage; may be repeated (default all)")
	completeWith(cmd, "stage", a.completeStagesOfRuns(&flags.server))
	return cmd
}

// writerCommand serves sinks.
//
//	edge ─► block ─► open files ─► cut: files on disk, unseen ─► ledger: commit ─► seen
//	                                                                 └► acks
func (a *app) writerCommand() *cobra.Command {
	var (
		flags roleFlags
		cfg   writer.Config
	)
	cmd := &cobra.Command{
		Use:   "writer",
		Short: "Write blocks into files, and end runs",
		Long: `Writes blocks into files and ends runs, for every run of the server, until it is
stopped. Start as many as you like, on machines that share the sinks' storage.`,
		Example: "  levada writer --nats nats://127.0.0.1:4222 --lanes 2",
		Args:    takes(),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), flags, writer.New(cfg)) },
	}
	flags.bind(cmd)
	cmd.Flags().IntVar(&cfg.Lanes, "lanes", 1, "files written at once, per partition")
	return cmd
}
