//go:build chaos

package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
)

// embedded is one run of `levada run`, in as many processes as it takes.
type embedded struct {
	rig   *rig
	job   job
	dir   string
	spec  string
	state string
	log   string
	lives int
}

// ways is of how many rounds an embedded test has at least: fused and durable edges, with
// all columns and with the touched ones.
const ways = 4

// TestEmbeddedRunSurvivesKill kills `levada run` at random moments and at every named
// point, and goes on with the same command, or with `levada resume`, until one of them
// exits with 0.
func TestEmbeddedRunSurvivesKill(t *testing.T) {
	g := newRig(t, *rows)
	rng := rand.New(rand.NewPCG(*seed, hash(t.Name())))
	tally := &tally{}
	began := time.Now()
	lives := 0
	for n := 1; ; n++ {
		e := newEmbedded(t, g, n, rng)
		t.Logf("round %d: %s", n, e)
		e.play(t, rng, tally)
		lives += e.lives
		missed := tally.missed()
		if len(missed) == 0 && n >= ways {
			break
		}
		require.LessOrEqual(t, n, ways+patience, "nobody came to the points %v", missed)
	}
	t.Logf("%d processes in %v; deaths at points: %v", lives, time.Since(began).Round(time.Second), tally.hits)
}

func (e *embedded) String() string {
	return fmt.Sprintf("%s, %d stages, durable %v, mode %s", e.job.shape, e.job.stages, e.job.durable, e.job.mode)
}

func newEmbedded(t *testing.T, g *rig, n int, rng *rand.Rand) *embedded {
	t.Helper()
	e := &embedded{rig: g, dir: filepath.Join(g.dir, fmt.Sprintf("embedded-%d", n))}
	e.spec, e.state, e.log = filepath.Join(e.dir, "spec.yaml"), filepath.Join(e.dir, "state"), filepath.Join(e.dir, "levada.log")
	e.job = job{
		shape: shapeOf(n), name: "embedded", output: local(filepath.Join(e.dir, "out")), stages: 1 + n/2%2, above: 20, codec: "snappy",
		mode: "error", visibility: "file", maxAge: 500*time.Millisecond + time.Duration(rng.IntN(500))*time.Millisecond,
	}
	require.NoError(t, os.MkdirAll(e.dir, 0o755))
	e.job.input = g.tableOf(e.job.shape, false)
	e.job.durable = (n+int(*seed))%2 == 0
	if n%2 == 0 {
		e.job.mode, e.job.visibility = "overwrite", "run"
		require.NoError(t, os.CopyFS(e.job.output.dir, os.DirFS(g.old)))
	}
	require.NoError(t, os.WriteFile(e.spec, []byte(e.job.spec()), 0o644))
	return e
}

// play goes through the points in the order of a run, each time in a process that dies
// there, with a death at any moment between them; then it lets the run end. Where somebody
// has died already it goes now and then.
func (e *embedded) play(t *testing.T, rng *rand.Rand, tally *tally) {
	t.Helper()
	ended := false
	for _, point := range append([]fault.Name{fault.PlannerPlanAppendAfter}, fault.Names()...) { // declared from the source to the end
		if tally.of(point) > 0 && rng.IntN(4) > 0 {
			continue
		}
		if rng.IntN(3) == 0 {
			ended = e.live(t, rng, "", time.Duration(rng.Int64N(int64(time.Second))))
		}
		if !ended {
			ended = e.live(t, rng, point, longest)
		}
		if ended {
			break
		}
		tally.add(point)
	}
	if !ended {
		require.True(t, e.live(t, rng, "", longest), "levada was killed, and not by this test")
	}
	run := e.run(t)
	require.NotEmpty(t, run)
	require.NoError(t, e.job.check(t.Context(), run), "logs, store and output: %s", e.dir)
}

// live starts one process that dies at a point or after d, and reports whether it came
// to the end of the run before that.
func (e *embedded) live(t *testing.T, rng *rand.Rand, point fault.Name, d time.Duration) bool {
	t.Helper()
	e.lives++
	var env []string
	if point != "" {
		env = append(env, fmt.Sprintf("%s=%s=kill@%d", fault.EnvFaults, point, hitOf(point, rng)))
	}
	args := []string{"run", e.spec}
	if run := e.run(t); run != "" && rng.IntN(2) == 0 {
		args = []string{"resume", run}
	}
	p, err := launch("levada", e.log, env, e.rig.levada, append(args, "--state-dir", e.state, "--no-progress", "--log-level", "debug")...)
	require.NoError(t, err)
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		p.kill()
		require.Less(t, d, longest, "levada %v has neither ended nor died at %q within %v:\n%s", args, point, d, tail(e.log, 60))
	}
	if p.killed() {
		return false
	}
	require.Zero(t, p.code(), "levada %v: %s, with its state in %s:\n%s", args, p.how(), e.dir, tail(e.log, 60))
	return true
}

// run is the id of the run, "" before there is one.
func (e *embedded) run(t *testing.T) string {
	t.Helper()
	out, err := e.rig.ask(t.Context(), "runs", "--state-dir", e.state, "--json")
	require.NoError(t, err)
	if strings.TrimSpace(out) == "" {
		return ""
	}
	var runs []struct {
		Run string `json:"run"`
	}
	require.NoError(t, json.Unmarshal([]byte(out), &runs), out)
	require.LessOrEqual(t, len(runs), 1, "each process must go on with the same run")
	if len(runs) == 0 {
		return ""
	}
	return runs[0].Run
}
