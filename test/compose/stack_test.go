//go:build compose

package compose

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/test/oracle"
)

const (
	root = "../.."
	// customers is how many rows the source has.
	customers = 600_000
	// limit bounds every wait.
	limit = 3 * time.Minute
)

// stack is one project of Compose. Its containers and volumes end with the test.
type stack struct {
	t     *testing.T
	name  string
	files []string
	env   []string
	nats  string // where its server listens, for the levada of this machine
	// elsewhere is the bucket instead of the stack's own; nil for that.
	elsewhere *s3test.Server
}

// up starts the stack of docker-compose.yml and overlays.
func up(t *testing.T, overlays ...string) *stack {
	t.Helper()
	s := project(t, overlays...)
	s.compose("up", "--detach")
	return s
}

// project is that stack before it is started.
func project(t *testing.T, overlays ...string) *stack {
	t.Helper()
	ports := natstest.FreePorts(t, 2)
	nats, s3 := strconv.Itoa(ports[0]), strconv.Itoa(ports[1])
	s := &stack{
		t: t, name: strings.ToLower(t.Name()), files: append([]string{"docker-compose.yml"}, overlays...),
		env:  append(os.Environ(), "NATS_PORT="+nats, "S3_PORT="+s3, "CUSTOMERS="+strconv.Itoa(customers)),
		nats: "nats://127.0.0.1:" + nats,
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the logs:\n%s", s.compose("logs", "--tail", "30", "--no-color"))
		}
		s.compose("down", "--volumes", "--timeout", "5")
	})
	return s
}

// bucket is the name of the bucket.
func (s *stack) bucket() string {
	if s.elsewhere != nil {
		return s3test.Bucket
	}
	return "levada"
}

// fetch returns a directory of this machine with what the bucket has below a key.
func (s *stack) fetch(key string) string {
	s.t.Helper()
	if s.elsewhere != nil {
		return filepath.Join(s.elsewhere.Dir, s.bucket(), key)
	}
	dir := filepath.Join(s.t.TempDir(), filepath.Base(key))
	s.compose("cp", "s3:/data/"+s.bucket()+"/"+key, dir)
	return dir
}

// compose runs docker compose and returns what it printed on its standard output.
func (s *stack) compose(args ...string) string {
	s.t.Helper()
	all := []string{"compose", "--project-name", s.name}
	for _, f := range s.files {
		all = append(all, "--file", f)
	}
	out, err := s.command(exec.Command("docker", append(all, args...)...))
	require.NoError(s.t, err)
	return out
}

// types types a command of a document as it stands, at the root of the repository: that it
// is this project is in the environment. It returns what was printed.
func (s *stack) types(text string) string {
	s.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", text)
	typist := *s
	typist.env = append(slices.Clone(s.env), "COMPOSE_PROJECT_NAME="+s.name)
	out, err := typist.command(cmd)
	require.NoError(s.t, err)
	return out
}

// environment is what a service's containers get to know.
func (s *stack) environment(service string) map[string]string {
	s.t.Helper()
	var config struct {
		Services map[string]struct{ Environment map[string]string }
	}
	require.NoError(s.t, json.Unmarshal([]byte(s.compose("--profile", "tools", "config", "--format", "json")), &config))
	require.Contains(s.t, config.Services, service)
	return config.Services[service].Environment
}

// levada runs the levada of this machine.
func (s *stack) levada(args ...string) (string, error) {
	s.t.Helper()
	bin := os.Getenv("LEVADA_BIN")
	require.NotEmpty(s.t, bin, "LEVADA_BIN is not set: make compose builds the binary and sets it")
	return s.command(exec.Command(bin, args...))
}

func (s *stack) command(cmd *exec.Cmd) (string, error) {
	cmd.Dir, cmd.Env = root, s.env
	out, err := cmd.Output()
	if ee, ok := err.(*exec.ExitError); ok { //nolint:errorlint // it is what Output returns
		err = fmt.Errorf("%v: %w: %s%s", cmd.Args, err, out, ee.Stderr)
	}
	return string(out), err
}

// job is a run that takes long enough to be in its middle for a while: many small blocks,
// and many small files.
type job struct {
	*stack
	name, run string
}

const jobSpec = `apiVersion: levada/v1
name: %[1]s
source: { parquet: { uri: "s3://%[2]s/customers/*.parquet" } }
stages:
  - name: refine
    transform:
      - filter: "amount > 20.0"
      - with: { eur: "amount * 0.92", twice: "visits + visits" }
      - select: [id, country, eur, twice, note]
sink:
  parquet: { uri: "s3://%[2]s/out/%[1]s", partition_by: [country], target_file: 256KiB }
policies: { max_age: 500ms, requeue_after: 2s, block_bytes: 64KiB, edge_bytes: 16MiB }
`

// submit submits a job from within the stack: paths and credentials are its own.
func (s *stack) submit(name string) *job {
	s.t.Helper()
	dir := s.t.TempDir()
	require.NoError(s.t, os.Chmod(dir, 0o755))
	require.NoError(s.t, os.WriteFile(filepath.Join(dir, "spec.yaml"), fmt.Appendf(nil, jobSpec, name, s.bucket()), 0o644))
	run := s.compose("run", "--rm", "--no-deps", "-T", "--volume", dir+":/spec:ro", "levada", "submit", "/spec/spec.yaml")
	return &job{stack: s, name: name, run: strings.TrimSpace(run)}
}

// progress is what the statistics of a run say.
type progress struct {
	Status  string
	Reason  string
	Planned int64 `json:"planned_rows"`
	Covered int64 `json:"covered_rows"`
	Stages  []struct {
		Stage     string
		Instances []struct {
			Instance string
			RowsOut  int64 `json:"rows_out"`
		}
	}
}

// workers is how many instances of a stage have done something.
func (p *progress) workers(stage string) int {
	n := 0
	for _, s := range p.Stages {
		for _, i := range s.Instances {
			if s.Stage == stage && i.RowsOut > 0 {
				n++
			}
		}
	}
	return n
}

// await waits until the run is as cond wants it. It must not end before that. Servers that
// have just lost one of theirs do not answer for some seconds.
func (j *job) await(what string, cond func(*progress) bool) {
	j.t.Helper()
	ctx, cancel := context.WithTimeout(j.t.Context(), limit)
	defer cancel()
	for {
		var p progress
		out, err := j.levada("stats", j.run, "--json", "--nats", j.nats)
		if err == nil {
			require.NoError(j.t, json.Unmarshal([]byte(out), &p))
			if cond(&p) {
				return
			}
			require.Equal(j.t, "active", p.Status, "%s: %s", what, p.Reason)
		}
		select {
		case <-ctx.Done():
			require.FailNow(j.t, "waited too long", "%s: %+v, %v", what, p, err)
		case <-time.After(100 * time.Millisecond): // a poll of the statistics
		}
	}
}

// middle waits until some rows are committed, and others are not.
func (j *job) middle() {
	j.t.Helper()
	j.await("the middle of the run", func(p *progress) bool { return p.Covered > 0 && p.Covered < p.Planned*3/4 })
}

// exact waits for the end, and compares the bucket with what DuckDB makes of the source.
func (j *job) exact() {
	j.t.Helper()
	j.await("the end of the run", func(p *progress) bool { return p.Status == "done" })
	out := j.fetch("out/" + j.name)
	expect := fmt.Sprintf(`SELECT id, country, amount * 0.92::DOUBLE AS eur, visits + visits AS twice, note
		FROM read_parquet('%s/*.parquet') WHERE amount > 20`, j.fetch("customers"))
	got := fmt.Sprintf(`SELECT id, country, eur, twice, note
		FROM read_parquet('%s/**/*.parquet', hive_partitioning = true, hive_types = {'country': VARCHAR})`, out)
	require.NoError(j.t, oracle.SameRows(j.t.Context(), expect, got, "id"))
	require.NoError(j.t, oracle.Whole(j.t.Context(), out, j.run))
}
