package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/cli/home"
	"github.com/levada-data/levada/internal/cli/rows"
	"github.com/levada-data/levada/internal/embedded"
	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
)

// localFlags are what commands have that play all roles in one process.
type localFlags struct {
	state   stateFlag
	http    endpointFlags
	memory  string
	tasks   int
	workers workersFlag
	lanes   int
	quiet   bool
	fuse    string
	profile string
	asJSON  bool
	untold  bool // the command does not print how the run ended
}

func (l *localFlags) bind(cmd *cobra.Command) {
	l.state.bind(cmd)
	l.http.bind(cmd)
	f := cmd.Flags()
	f.StringVar(&l.memory, "memory", "", memoryUsage)
	f.IntVar(&l.tasks, "tasks", 0, "tasks read at once (default the cores)")
	f.Var(&l.workers, "workers", workersUsage)
	f.IntVar(&l.lanes, "lanes", 0, "files written at once, per partition (default 1; the cores when the edge before the sink is fused and no order is asked for)")
	f.BoolVar(&l.quiet, "no-progress", false, "show no progress")
	bindJSON(cmd, &l.asJSON)
}

// writeBuffer is what the lanes of a process together may hold in unwritten row groups.
const writeBuffer = 128 << 20

// roles are those of a run, whose writer is as wide as the rest of a fused process.
func (l *localFlags) roles(rec *flow.Record) []flow.Role {
	lanes := l.lanes
	if lanes == 0 && rec.Edges[len(rec.Edges)-1].Fused && !ordered(rec) {
		lanes = runtime.GOMAXPROCS(0)
	}
	return []flow.Role{
		reader.New(reader.Config{Tasks: l.tasks}),
		transform.New(transform.Config{Workers: l.workers.least, MaxWorkers: l.workers.most}),
		writer.New(writer.Config{Lanes: lanes, Buffer: writeBuffer / int64(max(lanes, 1))}),
	}
}

func (a *app) runCommand() *cobra.Command {
	var (
		local     localFlags
		remote    serverFlags
		store     string
		unchecked bool
		dry       dryFlags
	)
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Run a pipeline to its end",
		Long: `Runs a pipeline with a NATS server and all roles in this process, and needs nothing
else. Stopped by Ctrl-C, a kill or a power cut, the same command goes on where it
stopped. With --nats, --context or $NATS_URL, it submits the pipeline to a server whose
readers, transforms and writers do the work, and follows the run.

With --dry-run, nothing is run and nothing written: the first rows of the source go
through the operators, and what would come out is shown.`,
		Example: `  levada run pipeline.yaml
  levada run pipeline.yaml --dry-run --rows 20
  levada run pipeline.yaml --nats nats://127.0.0.1:4222`,
		Args: takes("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.limitMemory(local.memory); err != nil {
				return err
			}
			if dry.dry {
				return a.dryRun(cmd.Context(), args[0], &dry)
			}
			if dry.set(cmd) {
				return usagef("--rows and --format are for --dry-run: a run writes all rows")
			}
			if remote.named() || a.serverInEnvironment() {
				return a.runRemote(cmd.Context(), args[0], remote, unchecked, local.asJSON)
			}
			limit := int64(0)
			if store != "" {
				var err error
				if limit, err = sizeOf("store", store); err != nil {
					return err
				}
			}
			stop, err := profile(local.profile)
			if err != nil {
				return err
			}
			return errors.Join(a.runLocal(cmd.Context(), args[0], &local, limit), stop())
		},
	}
	local.bind(cmd)
	cmd.ValidArgsFunction = completeSpec
	a.bindSet(cmd)
	cmd.Flags().StringVar(&local.fuse, "fuse", "", "auto: blocks pass by reference between the stages in this process; never: through streams of the embedded server (default what the pipeline says)")
	complete(cmd, "fuse", string(pipeline.FuseAuto), string(pipeline.FuseNever))
	cmd.Flags().StringVar(&local.profile, "profile", "", "directory that gets CPU, allocation and blocking profiles and a trace of the run, for 'go tool pprof' and 'go tool trace'")
	cmd.Flags().StringVar(&store, "store", "", "what the embedded server may keep on disk, 20GiB for example (default 75% of the free space)")
	remote.bind(cmd)
	remote.bindStreams(cmd)
	bindUnchecked(cmd, &unchecked)
	dry.bind(cmd)
	complete(cmd, "format", rows.Formats()...)
	return cmd
}

// ordered reports that the output of a run has the order of its source, which only one
// lane can give to all files together (rule 24).
func ordered(rec *flow.Record) bool {
	spec, err := pipeline.Parse(rec.Pipeline, []byte(rec.Spec))
	return err != nil || spec.Sink.Parquet.PreserveOrder
}

// fusedEdges says which edges of a pipeline do without a stream in this process.
func (l *localFlags) fusedEdges(spec *pipeline.Spec) ([]bool, error) {
	switch l.fuse {
	case "":
		return pipeline.FusedEdges(spec), nil
	case string(pipeline.FuseNever):
		return nil, nil
	case string(pipeline.FuseAuto):
		plain := *spec
		plain.Stages = slices.Clone(spec.Stages)
		plain.Policies.Fuse, plain.Sink.Fuse = "", ""
		for i := range plain.Stages {
			plain.Stages[i].Fuse = ""
		}
		return pipeline.FusedEdges(&plain), nil
	}
	return nil, usagef("--fuse %q: write auto or never", l.fuse)
}

// runLocal runs a pipeline with everything in this process.
//
//	spec ─► source's footers ─┐
//	home ─► embedded server ──┴─► unfinished run of it? else submit ─► serve all roles ─► end
//	                                                                      └► progress
func (a *app) runLocal(ctx context.Context, file string, local *localFlags, store int64) error {
	spec, text, err := a.readSpec(file)
	if err != nil {
		return a.everyError(ctx, file, err)
	}
	state, err := a.state(local.state)
	if err != nil {
		return err
	}
	fused, err := local.fusedEdges(spec)
	if err != nil {
		return err
	}
	h := state.Of(spec.Name, spec.Sink.Parquet.URI)
	// The source is looked at while the server starts: both take their time.
	var inspection errgroup.Group
	inspection.Go(func() error {
		_, err := inspect(ctx, spec, embeddedBlockBytes(spec))
		return err
	})
	srv, err := a.start(ctx, h, store, localConfig("levada-run"))
	checked := inspection.Wait()
	if err != nil {
		return busy(state, h, err)
	}
	rec, err := a.choose(ctx, srv, spec, text, fused, checked)
	if err != nil {
		return errors.Join(err, srv.close())
	}
	return a.toTheEnd(ctx, srv, rec, local)
}

// busy says which run has the home, when another process does.
func busy(state home.State, h home.Home, err error) error {
	locked := (*embedded.LockedError)(nil)
	if !errors.As(err, &locked) {
		return err
	}
	runs, _ := state.Runs() // a list that cannot be read makes the message shorter
	for _, r := range runs {
		if r.Home == h && r.Status == home.Active {
			return environmentf("process %d is running this pipeline into this sink, as run %s: 'levada status %s' shows it, 'levada resume %s' waits for its end",
				r.PID, r.Run, r.Run, r.Run)
		}
	}
	return err
}

// choose returns the home's unfinished run of the spec, or submits a new one. checked
// is what was found wrong with the source.
func (a *app) choose(ctx context.Context, srv *server, spec *pipeline.Spec, text string, fused []bool, checked error) (*flow.Record, error) {
	recs, err := srv.conn.Records(ctx)
	if err != nil {
		return nil, err
	}
	for _, r := range recs {
		if r.Status != flow.StatusActive {
			if r.SpecHash == spec.Hash() && srv.home.Last(string(r.Run)).Status == home.Active {
				return r, nil // it ended, and its process died before it could say so
			}
			continue
		}
		if r.SpecHash != spec.Hash() {
			return nil, usagef("the pipeline has changed, and run %s of its older version is not finished: "+
				"'levada resume %s' finishes it as it was submitted, 'levada cancel %s' gives it up", r.Run, r.Run, r.Run)
		}
		a.note("run %s goes on", r.Run)
		// A process may have died between the steps of its submission; each can be repeated.
		return r, srv.conn.Submit(ctx, *r)
	}
	if checked != nil {
		return nil, checked
	}
	rec, err := record(ctx, srv.conn, spec, text, fused, srv.own.StoreLimit())
	if err != nil {
		return nil, err
	}
	if err := tryOutput(ctx, spec, rec.Run); err != nil {
		return nil, err
	}
	return rec, srv.conn.Submit(ctx, *rec)
}

// tryOutput finds out before a run whether its output can be written: a run that
// fails for it would say the same, later.
func tryOutput(ctx context.Context, spec *pipeline.Spec, run flow.RunID) error {
	k := spec.Sink.Parquet
	out, err := sink.Open(ctx, k.URI, string(run), job.S3(k.S3))
	if err != nil {
		return usagef("%w", err)
	}
	if _, _, err := out.Prepare(ctx, string(k.Mode)); err != nil {
		return err
	}
	bucket, err := storage.NewBucket(ctx, k.URI, job.S3(k.S3))
	if err != nil {
		return usagef("%w", err)
	}
	f, err := bucket.Stage(ctx, string(run), string(run)+"-probe")
	if err != nil {
		return err
	}
	return errors.Join(f.Abort(), bucket.ForgetRun(ctx, string(run)))
}

// toTheEnd serves a run of an embedded server of this process until it has ended or
// ctx has, and closes the server. It returns how the run ended.
func (a *app) toTheEnd(ctx context.Context, srv *server, rec *flow.Record, local *localFlags) error {
	began := time.Now()
	note := srv.home.Last(string(rec.Run)) // how far it was
	note.Run, note.Pipeline, note.Sink, note.Status = string(rec.Run), rec.Pipeline, rec.Sink, home.Active
	note.Started, note.PID = rec.Submitted, os.Getpid()
	closeEndpoint, err := a.endpoint(ctx, local.http, srv.conn)
	if err != nil {
		return errors.Join(err, srv.close())
	}
	defer closeEndpoint()
	if err := srv.home.Put(note); err != nil {
		return errors.Join(environment(err), srv.close())
	}
	ended, at, err := a.serveAndFollow(ctx, srv, rec, local, &note)
	a.screen.Close()
	if ended != nil {
		note.Status, note.Reason, note.Ended = string(ended.Status), ended.Reason, ended.Ended
	}
	note.Planned, note.Covered = at.Planned, at.Covered
	var sum *flow.Summary
	if ended != nil {
		if sum, err = summaryOf(ended); err == nil {
			note.Planned, note.Covered, note.Written = sum.Planned, sum.Covered, sum.Books.Written
		}
	}
	err = errors.Join(err, srv.close())
	switch {
	case ended == nil && err == nil:
		err = &InterruptedError{Run: rec.Run, What: distance(at) + "; the same command goes on where it stopped, and so does 'levada resume " + string(rec.Run) + "'"}
	case err == nil:
		if !local.untold {
			err = a.tellEnd(ended, sum, time.Since(began), true, local.asJSON)
		}
		err = errors.Join(err, outcome(ended))
	}
	// Last: as long as the note does not say how the run ended, the same command says
	// it again. Were it said first, a kill here would make that a second run.
	return errors.Join(err, srv.home.Put(note))
}

// noteEvery is how old a run's note may get.
const noteEvery = 5 * time.Second

// serveAndFollow plays all roles until the run has ended, and returns its record; nil
// when ctx ended first. It also says how far the run is.
func (a *app) serveAndFollow(ctx context.Context, srv *server, rec *flow.Record, local *localFlags, note *home.Note) (*flow.Record, ledger.Progress, error) {
	intake, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	work, release := graced(intake, grace)
	defer release()
	quiet := context.AfterFunc(ctx, func() {
		a.note("stopping: finishing what is in flight; once more stops at once")
	})
	defer quiet()
	var serving errgroup.Group
	serving.Go(func() error {
		err := srv.conn.Serve(intake, work, local.roles(rec)...)
		stop(err) // a service that cannot go on ends the watching, too
		return err
	})
	var at ledger.Progress
	noted := time.Now()
	ended, err := a.follow(intake, srv, rec.Run, func(p ledger.Progress) {
		at = p
		if time.Since(noted) < noteEvery {
			return
		}
		noted = time.Now()
		note.Planned, note.Covered = p.Planned, p.Covered
		_ = srv.home.Put(*note) // for lists only; the next one may succeed
	})
	stop(nil)
	if serr := serving.Wait(); serr != nil {
		return nil, at, fmt.Errorf("run %s: %w", rec.Run, serr)
	}
	if ctx.Err() != nil && ended == nil {
		return a.lastLook(ctx, srv, rec.Run, at)
	}
	return ended, at, err
}

// lastLook says how a run stands that was drained: it may have ended with the last
// block.
func (a *app) lastLook(ctx context.Context, srv *server, id flow.RunID, at ledger.Progress) (*flow.Record, ledger.Progress, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	rec, err := srv.conn.Lookup(ctx, id)
	if err != nil {
		return nil, at, err
	}
	if rec.Status != flow.StatusActive {
		return rec, at, nil
	}
	if run, err := srv.conn.Attach(ctx, id); err == nil {
		at = flow.Look(run.Ledger, (*ledger.State).Progress)
	}
	return nil, at, nil
}

// runRemote submits a pipeline and follows it; the services of the server do the work.
func (a *app) runRemote(ctx context.Context, file string, flags serverFlags, unchecked, asJSON bool) error {
	conn, rec, err := a.submit(ctx, file, flags, unchecked)
	if err != nil {
		return err
	}
	a.note("run %s is submitted", rec.Run)
	return a.followToTheEnd(ctx, &server{conn: conn}, rec.Run, asJSON)
}

// followToTheEnd follows a run that others serve until it has ended, and closes the
// server.
func (a *app) followToTheEnd(ctx context.Context, srv *server, id flow.RunID, asJSON bool) error {
	defer srv.conn.Close()
	began := time.Now()
	var at ledger.Progress
	ended, err := a.follow(ctx, srv, id, func(p ledger.Progress) { at = p })
	a.screen.Close()
	switch {
	case errors.Is(err, errGone):
		return err
	case err != nil && ctx.Err() != nil:
		return &InterruptedError{Run: id, What: distance(at) + " and goes on without this command: 'levada status " + string(id) + "' shows it"}
	case err != nil:
		return err
	}
	sum, err := summaryOf(ended)
	if err != nil {
		return err
	}
	return errors.Join(a.tellEnd(ended, sum, time.Since(began), srv.home != "", asJSON), outcome(ended))
}
