package writer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

const (
	visibilityFile = pipeline.VisibilityFile
	visibilityRun  = pipeline.VisibilityRun
)

// keeper finishes what it finds unfinished (rule 8: anyone): files of commits
// whose writer died, and the end of the run. Every writer process has one, they
// do not know of each other, and every step may be done twice.
//
//	running ── complete ──► every file there? ──► manifest ──► reveal ──► seal ──► sweep ──► end
//	   │                        │ no: lost           ▲ if absent: the one in the sink outranks the ledger
//	   └─ cancelled ─────────────────────────────────┘
type keeper struct {
	run   *flow.Run
	meter *flow.Meter
	log   *slog.Logger

	job      *job.Job
	sink     *sink.Sink
	manifest *sink.Manifest
	looked   time.Time            // when the sink was last asked for a manifest
	finished map[string]bool      // commits whose files have all been seen visible
	seen     map[string]time.Time // when a commit that is not finished was first seen
	shown    map[string]bool      // files of the manifest that have been seen visible
}

func newKeeper(run *flow.Run, meter *flow.Meter) *keeper {
	return &keeper{run: run, meter: meter, log: run.Log(), finished: map[string]bool{}, seen: map[string]time.Time{}, shown: map[string]bool{}}
}

// keepEvery is how often a keeper looks without having been called.
const keepEvery = time.Second

// serve keeps until ctx ends or the run has ended. Its error says that this process must
// not go on with the run.
func (k *keeper) serve(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		changed := k.run.Ledger.Changed()
		done, err := k.step(ctx)
		switch {
		case done || ctx.Err() != nil:
			k.after(ctx)
			return nil
		case err != nil && notOurs(err):
			<-ctx.Done() // the writer has said so
			return nil
		case flow.IsLeave(err):
			return err
		case errors.Is(err, sink.ErrVersion): // a newer keeper's, and for one to finish
			return flow.Leave(fmt.Errorf("finish the run: %w", err))
		case err != nil && sink.IsPermanent(err):
			if err := k.run.Fail(ctx, "finish the run: "+err.Error()); err != nil {
				return err
			}
		case err != nil:
			k.log.WarnContext(ctx, "run not finished, will try again", slog.Any("error", err))
		}
		if err != nil { // not at once: what failed needs time
			changed = nil
		}
		select {
		case <-ctx.Done():
			k.after(ctx)
			return nil
		case <-changed:
		case <-tick.C:
		}
	}
}

// step does what the fold and the sink say is next; done when the run has ended.
func (k *keeper) step(ctx context.Context) (done bool, err error) {
	var (
		status   ledger.Status
		complete bool
		skip     bool
		planned  bool
	)
	k.run.Ledger.View(func(s *ledger.State) {
		status, complete, planned = s.Status(), s.Complete(), s.Plan() != nil
		skip = planned && s.Plan().Skip != ""
	})
	switch {
	case status == ledger.Ended:
		return true, nil
	case !planned && status == ledger.Running:
		return false, nil
	case !planned || skip:
		// Nothing was ever written: the sink is not ours to touch.
		if status == ledger.Running || status == ledger.Cancelled {
			return false, k.seal(ctx, "")
		}
		return false, k.end(ctx)
	}
	if err := k.open(ctx); err != nil {
		return false, err
	}
	// Rule 9 (manifest): it is written before anything is revealed or removed, and
	// once it is there it outranks the ledger, whatever the ledger has forgotten.
	if err := k.look(ctx, complete || status != ledger.Running); err != nil {
		return false, err
	}
	if k.manifest == nil {
		if status == ledger.Running && !complete {
			return false, k.tend(ctx)
		}
		if ok, err := k.decide(ctx, status); err != nil || !ok {
			return false, err
		}
	}
	if err := k.show(ctx); err != nil {
		return false, err
	}
	if status == ledger.Running || status == ledger.Cancelled {
		return false, k.seal(ctx, k.manifest.Hash())
	}
	return false, k.end(ctx)
}

// open compiles the pipeline and opens the sink, once.
func (k *keeper) open(ctx context.Context) error {
	if k.sink != nil {
		return nil
	}
	j, err := job.Wait(ctx, k.run)
	if err != nil {
		return err
	}
	out, err := sink.Open(ctx, j.Pipeline.Spec.Sink.Parquet.URI, string(k.run.Run), job.S3(j.Pipeline.Spec.Sink.Parquet.S3))
	if err != nil {
		return fmt.Errorf("open sink: %w", err)
	}
	// Rule 20 (who can finish): whoever finishes must reach the temporary files.
	if err := out.Holds(ctx, j.Plan.Lock); err != nil {
		return fmt.Errorf("open sink: %w", err)
	}
	k.job, k.sink = j, out
	return nil
}

// look reads the manifest from the sink: when the ledger says that there should be
// one, and now and then, for the ledger may have forgotten.
func (k *keeper) look(ctx context.Context, due bool) error {
	if k.manifest != nil || !due && time.Since(k.looked) < 10*keepEvery {
		return nil
	}
	m, err := k.sink.ReadManifest(ctx)
	if err != nil && !errors.Is(err, sink.ErrNoManifest) {
		return fmt.Errorf("read manifest: %w", err)
	}
	k.manifest, k.looked = m, time.Now()
	return nil
}

// grace is how long the writer of a commit is left alone with its files before
// others finish them. It decides only when to try.
const grace = 2 * time.Second

// tend watches over a run that is on its way: a run that must fail is made to, and
// files of commits that stand are revealed (visibility: file).
func (k *keeper) tend(ctx context.Context) error {
	if reason := k.hopeless(ctx); reason != "" {
		return k.run.Fail(ctx, reason)
	}
	if k.job.Pipeline.Spec.Policies.Visibility != visibilityFile {
		return nil
	}
	return k.each(ctx, func(id string, c *ledger.Commit) error {
		if at, ok := k.seen[id]; !ok {
			k.seen[id] = time.Now()
			return nil
		} else if time.Since(at) < grace {
			return nil
		}
		return k.finish(ctx, id, c)
	})
}

// each calls f for every standing commit that has not been finished.
func (k *keeper) each(ctx context.Context, f func(id string, c *ledger.Commit) error) error {
	commits := map[string]*ledger.Commit{}
	k.run.Ledger.View(func(s *ledger.State) {
		for id, c := range s.Commits() {
			if !k.finished[id] {
				commits[id] = c
			}
		}
	})
	var errs []error
	for id, c := range commits {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		errs = append(errs, f(id, c))
	}
	return errors.Join(errs...)
}

// finish reveals the files of a commit whose writer may be dead. One that is
// neither hidden nor visible is lost (rule 26).
func (k *keeper) finish(ctx context.Context, id string, c *ledger.Commit) error {
	for _, f := range c.Files {
		err := k.sink.Reveal(ctx, f)
		if errors.Is(err, sink.ErrLost) {
			return k.lost(ctx, id, f)
		}
		if err != nil {
			return fmt.Errorf("reveal %s: %w", f.Name, err)
		}
	}
	k.finished[id] = true
	delete(k.seen, id)
	return nil
}

// lost takes a commit out of the coverage whose file is gone: its spans are owed
// again. Rule 26 (lost).
func (k *keeper) lost(ctx context.Context, id string, f ledger.File) error {
	k.log.ErrorContext(ctx, "committed file is gone, its rows are read again", slog.String("file", f.Name), slog.String("commit", id))
	k.meter.Error()
	return k.run.Ledger.AppendUntil(ctx, func(s *ledger.State) *ledger.Entry {
		if s.Status() != ledger.Running || s.Commit(id) == nil {
			return nil
		}
		return &ledger.Entry{Kind: ledger.KindLost, Lost: &ledger.Lost{Commit: id}}
	})
}

// hopeless says why a run that is on its way can only fail, or "".
func (k *keeper) hopeless(ctx context.Context) string {
	var (
		conflict string
		dead     int64
		first    ledger.DeadRows
	)
	k.run.Ledger.View(func(s *ledger.State) {
		conflict, dead = s.Failure(), s.DeadRows()
		first, _ = s.FirstDead()
	})
	if conflict != "" {
		return conflict
	}
	limit := k.job.Pipeline.Spec.Policies.MaxDeadRows
	if dead <= limit {
		return ""
	}
	reason := fmt.Sprintf("%d rows could not be processed, policies.max_dead_rows allows %d", dead, limit)
	if l := k.run.FindLetter(ctx, first.Span, first.Stage, first.Attempt); l != nil {
		reason += "; the first: " + k.place(l)
	}
	return reason
}

// place names a dead row by its source file and row.
func (k *keeper) place(l *flow.Letter) string {
	where := l.Where()
	plan := k.job.Plan
	if int(l.Span.Task) < len(plan.Tasks) {
		if t := plan.Tasks[l.Span.Task]; t.File >= 0 && t.File < len(plan.Files) {
			row := l.Span.From
			if len(l.Offsets) > 0 {
				row += int64(l.Offsets[0])
			}
			where = fmt.Sprintf("%s, row group %d, row %d of it and those after; %s", plan.Files[t.File].URI, t.RowGroups[0], row, where)
		}
	}
	return where
}

// decide writes the manifest of a run that is complete or cancelled. It reports
// false when the run turned out to be on its way again.
func (k *keeper) decide(ctx context.Context, status ledger.Status) (bool, error) {
	if status == ledger.Running {
		if ok, err := k.present(ctx); err != nil || !ok {
			return false, err
		}
	}
	m, ok := k.compose(ctx)
	if !ok {
		return false, nil
	}
	if m.Status == sink.StatusDone && len(m.Files) == 0 {
		if err := k.nothing(ctx, &m); err != nil {
			return false, err
		}
	}
	fault.Point(fault.KeeperManifestBefore)
	stands, created, err := k.sink.CreateManifest(ctx, m)
	if err != nil {
		return false, fmt.Errorf("create manifest: %w", err)
	}
	fault.Point(fault.KeeperManifestAfter)
	if created {
		k.log.InfoContext(ctx, "manifest written", slog.String("status", string(m.Status)), slog.Int("files", len(m.Files)))
	}
	k.manifest = stands
	return true, nil
}

// present makes sure that every committed file is still there, before a manifest
// promises them.
func (k *keeper) present(ctx context.Context) (bool, error) {
	all := true
	err := k.each(ctx, func(id string, c *ledger.Commit) error {
		for _, f := range c.Files {
			there, err := k.sink.Present(ctx, f)
			if err != nil {
				return err
			}
			if !there {
				all = false
				return k.lost(ctx, id, f)
			}
		}
		return nil
	})
	return all, err
}

// compose makes the manifest of the fold as it stands; false when the fold is
// neither complete nor cancelled any more.
func (k *keeper) compose(ctx context.Context) (sink.Manifest, bool) {
	hopeless := k.hopeless(ctx)
	m := sink.Manifest{Pipeline: k.run.Pipeline, SpecHash: k.run.SpecHash, Created: time.Now().UTC()}
	ok := true
	k.run.Ledger.View(func(s *ledger.State) {
		var files bool
		books := s.Books()
		switch {
		case s.Status() == ledger.Cancelled:
			m.Status, m.Reason = sink.StatusCancelled, s.Reason()
			if s.Failed() {
				m.Status = sink.StatusFailed
			}
			files = k.job.Pipeline.Spec.Policies.Visibility == visibilityFile
		case s.Status() != ledger.Running || !s.Complete():
			ok = false
			return
		default:
			m.Status = sink.StatusDone
			if err := books.Check(); err != nil { // a run whose books do not balance fails
				m.Status, m.Reason = sink.StatusFailed, err.Error()
			} else if hopeless != "" {
				m.Status, m.Reason = sink.StatusFailed, hopeless
			}
			files = m.Status == sink.StatusDone || k.job.Pipeline.Spec.Policies.Visibility == visibilityFile
		}
		m.Fill(s, files)
	})
	m.Describe(k.job.Pipeline.Out, k.job.Pipeline.Spec.Sink.Parquet.PartitionBy)
	return m, ok
}

// nothing gives a run without rows its empty file, or makes it fail, as the spec
// says.
func (k *keeper) nothing(ctx context.Context, m *sink.Manifest) error {
	if k.job.Pipeline.Spec.Sink.Parquet.Empty == pipeline.EmptyError {
		m.Status, m.Reason = sink.StatusFailed, "no row reached the sink, and sink.parquet.empty is error"
		return nil
	}
	f, err := emptyFile(ctx, k.sink, k.job.Pipeline)
	if err != nil {
		return fmt.Errorf("write an empty file: %w", err)
	}
	m.AddFile("", f)
	return nil
}

// show reveals every file of the manifest. Rule 10 (visible): the run ends only
// after that.
func (k *keeper) show(ctx context.Context) error {
	for _, f := range k.manifest.Files {
		if k.shown[f.Name] {
			continue
		}
		fault.Point(fault.WriterRevealBefore)
		err := k.sink.Reveal(ctx, f.Ledger())
		if errors.Is(err, sink.ErrLost) {
			return fmt.Errorf("the manifest names %s, and it is neither there nor among the temporary files: restore it, "+
				"or remove the output and run again: %w", f.Name, err)
		}
		if err != nil {
			return fmt.Errorf("reveal %s: %w", f.Name, err)
		}
		fault.Point(fault.WriterRevealAfter)
		k.shown[f.Name] = true
	}
	return nil
}

// seal closes the ledger for commits.
func (k *keeper) seal(ctx context.Context, manifest string) error {
	err := k.run.Ledger.AppendUntil(ctx, func(s *ledger.State) *ledger.Entry {
		if s.Status() == ledger.Sealed || s.Status() == ledger.Ended {
			return nil
		}
		return &ledger.Entry{Kind: ledger.KindSeal, Seal: &ledger.Seal{Manifest: manifest}}
	})
	fault.Point(fault.KeeperSealAfter)
	return err
}

// end sweeps and appends the last entry. The sweep belongs to one past: its end
// stands only if the ledger is still the one that it was swept for (rule 5).
func (k *keeper) end(ctx context.Context) error {
	var (
		swept ledger.Hash
		left  ledger.Status
	)
	k.run.Ledger.View(func(s *ledger.State) { swept, left = s.Last(), s.Status() })
	if left != ledger.Sealed {
		return nil // the next step looks again
	}
	if k.manifest != nil {
		if err := k.sink.Sweep(ctx, k.manifest, func() { fault.Point(fault.KeeperSweepMid) }); err != nil {
			return fmt.Errorf("sweep: %w", err)
		}
		if k.manifest.Status == sink.StatusDone {
			if err := k.sink.RemoveOld(ctx, k.manifest); err != nil {
				return fmt.Errorf("remove what the run replaces: %w", err)
			}
		}
	}
	end := k.summary(ctx)
	fault.Point(fault.KeeperEndBefore)
	return k.run.Ledger.AppendUntil(ctx, func(s *ledger.State) *ledger.Entry {
		// Rule 5 (chain): swept for another past, so not swept for this one.
		if s.Last() != swept || s.Status() != ledger.Sealed {
			return nil
		}
		return &ledger.Entry{Kind: ledger.KindEnd, End: end}
	})
}

// askTime is how long the end of a run waits for the last statistics.
const askTime = 300 * time.Millisecond

func (k *keeper) summary(ctx context.Context) *ledger.End {
	asking, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	k.run.Board.Ask(asking)
	end := &ledger.End{Status: string(flow.StatusDone)}
	var sum flow.Summary
	k.run.Ledger.View(func(s *ledger.State) {
		sum = flow.Summarise(s, k.run.Board.All())
		if k.manifest == nil { // a run without a plan, or one that had nothing to do
			end.Reason = s.Reason()
			if s.Cancelled() {
				end.Status = string(flow.StatusCancelled)
			}
			if s.Failed() {
				end.Status = string(flow.StatusFailed)
			}
			if s.Plan() != nil {
				end.Reason = s.Plan().Skip
			}
		}
	})
	if k.manifest != nil {
		end.Status, end.Reason = string(k.manifest.Status), k.manifest.Reason
	}
	sum.Status, sum.Reason = flow.Status(end.Status), end.Reason
	if data, err := json.Marshal(sum); err == nil {
		end.Stats = data
	}
	return end
}

// afterTime bounds what a keeper does after the end.
const afterTime = 10 * time.Second

// after sweeps once more when the run has ended, for what late writers left
// behind, and lets go of the sink. The run's end has stopped the keeper's own context.
func (k *keeper) after(ctx context.Context) {
	var over, ours bool
	k.run.Ledger.View(func(s *ledger.State) {
		over, ours = s.Status() == ledger.Ended, s.Plan() != nil && s.Plan().Skip == ""
	})
	if !over || !ours {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), afterTime)
	defer cancel()
	if err := k.open(ctx); err != nil {
		k.log.WarnContext(ctx, "sink of an ended run not swept", slog.Any("error", err))
		return
	}
	if err := k.sink.SweepEnded(ctx, string(k.run.Run)); err != nil {
		k.log.WarnContext(ctx, "temporary files of an ended run stay", slog.Any("error", err))
	}
	if err := k.sink.Release(ctx, k.job.Plan.Lock); err != nil {
		k.log.WarnContext(ctx, "lock of an ended run stays", slog.Any("error", err))
	}
}
