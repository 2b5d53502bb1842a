//go:build chaos

package chaos

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/pkg/flow"
)

const (
	// drawn is how many faults of a round are drawn; those at named points come on top.
	drawn = 8
	// patience is after how many rounds more than the faults need, each point must have
	// been hit.
	patience = 8
	// enough is from how many faults on every named point must be among them.
	enough = 50
)

func TestChaos(t *testing.T) {
	g := newRig(t, *rows)
	tally := &tally{}
	counts := map[string]int{}
	faults, rounds, extra := 0, 0, 0
	began := time.Now()
	for n := 1; ; n++ {
		if *onlyRound > 0 {
			n = *onlyRound
		}
		r := newRound(g, n, tally)
		t.Logf("round %d: %s", n, r)
		err := r.play(t.Context())
		for kind, c := range r.fleet.counts {
			counts[kind] += c
		}
		faults += r.fleet.faults()
		rounds++
		if err != nil {
			r.report(t)
			t.Fatalf("round %d: %v\nrun it alone: make chaos, with -args -chaos.seed=%d -chaos.rows=%d -chaos.round=%d -chaos.points=%s\nlogs, store and output: %s",
				n, err, *seed, *rows, n, r.pointNames(), r.dir)
		}
		if r.store != nil {
			t.Logf("round %d: the store's faults: %v", n, r.store.faults())
		}
		t.Logf("round %d: done with %d faults in %v, %d looks at the output", n, r.fleet.faults(), r.took.Round(10*time.Millisecond), r.watcher.looks)
		if os.Getenv("CHAOS_KEEP") == "" {
			require.NoError(t, os.RemoveAll(r.dir))
		}
		if *onlyRound > 0 {
			break
		}
		if faults >= *wanted {
			missed := tally.missed()
			if len(missed) == 0 || *wanted < enough {
				break
			}
			extra++
			require.LessOrEqual(t, extra, patience, "nobody came to the points %v", missed)
		}
	}
	t.Logf("%d faults in %d rounds and %v: %v", faults, rounds, time.Since(began).Round(time.Second), counts)
	for _, name := range fault.Names() {
		t.Logf("%4d deaths at %s", tally.of(name), name)
	}
}

// round is one run, with its faults.
type round struct {
	rig    *rig
	n      int
	dir    string
	job    job
	points []fault.Name
	rng    *rand.Rand
	tally  *tally
	gentle bool   // see injector
	store  *store // where the data is; nil when it is in directories

	fleet   *fleet
	watcher *watcher
	run     string
	took    time.Duration
}

// newRound draws a round.
func newRound(g *rig, n int, t *tally) *round {
	rng := rand.New(rand.NewPCG(*seed, uint64(n)))
	r := &round{rig: g, n: n, dir: filepath.Join(g.dir, fmt.Sprintf("round-%04d", n)), rng: rng, tally: t, gentle: n%4 < 2}
	r.job = job{
		shape: shapeOf(n), name: "chaos", output: local(filepath.Join(r.dir, "out")), mode: "error", visibility: "file",
		stages: 1 + rng.IntN(2), above: []float64{20, 20, 120, 400}[rng.IntN(4)], codec: []string{"zstd", "snappy"}[rng.IntN(2)],
		maxAge: 500*time.Millisecond + time.Duration(rng.IntN(500))*time.Millisecond,
	}
	if n%2 == 0 {
		r.job.mode, r.job.visibility = "overwrite", "run"
	}
	if n%3 == 2 {
		r.store = g.store
		r.job.output = g.store.place(fmt.Sprintf("round-%04d", n))
	}
	r.job.input = g.tableOf(r.job.shape, r.store != nil)
	r.points = t.draw(rng)
	if *onlyPoints != "" {
		r.points = nil
		for p := range strings.SplitSeq(*onlyPoints, ",") {
			r.points = append(r.points, fault.Name(p))
		}
	}
	return r
}

func (r *round) pointNames() string {
	names := make([]string, len(r.points))
	for i, p := range r.points {
		names[i] = string(p)
	}
	return strings.Join(names, ",")
}

func (r *round) String() string {
	return fmt.Sprintf("-chaos.seed=%d -chaos.round=%d -chaos.points=%s: %s, %s, %d stages, amount > %v, %s, visibility %s, mode %s, streams deleted: %v",
		*seed, r.n, r.pointNames(), r.job.output.kind(), r.job.shape, r.job.stages, r.job.above, r.job.codec, r.job.visibility, r.job.mode, !r.gentle)
}

// play runs the round to its end and checks it.
//
//	server, services ─► submit ─► faults ┬ watch ─► end ─► all stop in order ─► checks
//	                                     └ a follower, who must exit with 0
func (r *round) play(ctx context.Context) (err error) {
	began := time.Now()
	defer func() { r.took = time.Since(began) }()
	if err := os.MkdirAll(r.dir, 0o755); err != nil {
		return err
	}
	if r.job.mode == "overwrite" {
		if err := os.CopyFS(r.job.output.dir, os.DirFS(r.rig.old)); err != nil {
			return err
		}
	}
	spec := filepath.Join(r.dir, "spec.yaml")
	if err := os.WriteFile(spec, []byte(r.job.spec()), 0o644); err != nil {
		return err
	}
	r.fleet = &fleet{} // empty, for who counts
	f, err := newFleet(ctx, r.rig, r.dir, r.rng, r.points, r.tally)
	if err != nil {
		return err
	}
	r.fleet = f
	defer func() {
		if err == nil {
			f.abandon()
		}
	}()
	if r.store != nil {
		r.store.trouble(r.rng.Uint64())
		defer r.store.Judge(nil)
	}
	run, err := r.rig.ask(ctx, "submit", spec, "--nats", f.broker.url())
	if err != nil {
		return err
	}
	r.run = strings.TrimSpace(run)
	f.note("", "run %s", r.run)
	follower, err := launch("follower", filepath.Join(r.dir, "follower.log"), nil, r.rig.levada, "resume", r.run, "--nats", f.broker.url(), "--no-progress")
	if err != nil {
		return err
	}
	defer follower.kill()

	old, err := dataFiles(r.job.output.dir)
	if err != nil {
		return err
	}
	r.watcher = &watcher{fleet: f, job: &r.job, run: flow.RunID(r.run)}
	if r.job.mode == "overwrite" {
		r.watcher.old = slices.Collect(maps.Keys(old))
	}
	in := &injector{fleet: f, job: &r.job, run: r.run, rng: r.rng, gentle: r.gentle}
	f.wg.Go(func() { in.inject(drawn) })
	err = r.watcher.watch()
	if err != nil {
		f.fail(err)
		return err
	}
	f.note("", "the run has ended")
	close(f.over)
	if err := f.await(follower); err != nil {
		return err
	}
	if err := f.leave(); err != nil {
		return err
	}
	return r.verdict(ctx)
}

// verdict checks what the run has left.
func (r *round) verdict(ctx context.Context) error {
	lines, err := entries(ctx, r.fleet, r.run, filepath.Join(r.dir, "ledger.jsonl"))
	if err != nil {
		return fmt.Errorf("read ledger: %w", err)
	}
	if _, err := r.rig.ask(ctx, "status", r.run, "--nats", r.fleet.broker.url(), "--json"); err != nil {
		return err
	}
	return errors.Join(r.job.check(ctx, r.run), r.job.planned(lines), unprovoked(lines, r.fleet.count("delete") > 0 || r.fleet.doubtful()))
}

// report prints what a failure is understood by.
func (r *round) report(t *testing.T) {
	t.Helper()
	f := r.fleet
	t.Logf("what was done:\n%s", strings.Join(f.journal, "\n"))
	if f.broker == nil || f.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	if !f.broker.up() {
		_ = f.broker.start(ctx) // to read the ledger
	}
	lines, err := entries(ctx, f, r.run, filepath.Join(r.dir, "ledger.jsonl"))
	t.Logf("ledger (%v):\n%s", err, text(lines))
	f.abandon()
	logs, _ := filepath.Glob(filepath.Join(r.dir, "*.log"))
	for _, log := range logs {
		t.Logf("the end of %s:\n%s", log, tail(log, 40))
	}
}

// tail returns the last lines of a file.
func tail(file string, n int) string {
	data, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
