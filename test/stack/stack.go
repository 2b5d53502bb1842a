package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/blake3"

	"github.com/levada-data/levada/internal/generate"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/pipeline"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
)

// Limit bounds every wait of a test: far longer than what is waited for takes.
const Limit = 20 * time.Second

// Stack is a server, or a cluster of them, and what runs against it.
type Stack struct {
	Server  *natstest.Server  // nil with a cluster
	Cluster *natstest.Cluster // nil with a single server
	Log     *slog.Logger

	dial flow.Dialer
	// config is how the processes of a test talk to the server: short waits, so that
	// what is lost is found soon.
	config flow.Config
}

// New starts a server. It ends with the test.
func New(t testing.TB, opts ...natstest.Option) *Stack {
	t.Helper()
	s := fresh()
	s.Server = natstest.New(t, opts...)
	s.dial = s.Server.Dial
	return s
}

// NewCluster starts three servers; all streams have a replica on each. They end with
// the test.
func NewCluster(t testing.TB, opts ...natstest.Option) *Stack {
	t.Helper()
	const servers = 3
	s := fresh()
	s.Cluster = natstest.NewCluster(t, servers, opts...)
	s.dial = s.Cluster.Dial
	s.config.Replicas = servers
	return s
}

func fresh() *Stack {
	s := &Stack{Log: slog.New(slog.DiscardHandler), config: flow.Config{AckWait: 2 * time.Second, Timeout: time.Second}}
	if os.Getenv("LEVADA_TEST_LOG") != "" {
		s.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	return s
}

// Connect opens connections of a process that serves nothing. It closes with the test.
// Like a command of levada it is patient: servers that elect a leader do not answer.
func (s *Stack) Connect(t testing.TB) *flow.Conn {
	t.Helper()
	var c *flow.Conn
	require.Eventually(t, func() bool {
		var err error
		c, err = flow.Connect(t.Context(), s.dial, s.config, s.Log)
		return err == nil
	}, Limit, 10*time.Millisecond, "no server answers")
	t.Cleanup(c.Close)
	return c
}

// Process is a set of roles on connections of its own.
type Process struct {
	Conn *flow.Conn

	drain, kill context.CancelFunc
	done        chan error
	once        sync.Once
	err         error
}

// Start serves roles as one process would. It is killed with the test.
func (s *Stack) Start(t testing.TB, roles ...flow.Role) *Process {
	t.Helper()
	return s.StartOn(t, s.dial, roles...)
}

// StartOn is Start over another way to the server, a proxy for example.
func (s *Stack) StartOn(t testing.TB, dial flow.Dialer, roles ...flow.Role) *Process {
	t.Helper()
	conn, err := flow.Connect(t.Context(), dial, s.config, s.Log)
	require.NoError(t, err)
	intake, drain := context.WithCancel(context.WithoutCancel(t.Context()))
	work, kill := context.WithCancel(context.WithoutCancel(t.Context()))
	p := &Process{Conn: conn, drain: drain, kill: kill, done: make(chan error, 1)}
	go func() { p.done <- conn.Serve(intake, work, roles...) }()
	t.Cleanup(p.Kill)
	return p
}

// Drain asks the process to stop, waits until it has, and returns its error.
func (p *Process) Drain() error {
	p.once.Do(func() {
		p.drain()
		p.err = <-p.done
		p.kill()
		p.Conn.Close()
	})
	return p.err
}

// Kill drops the connections at once, so that nothing more of the process reaches the
// server, and waits for its goroutines. Files that it has open stay as they are only as
// far as an orderly abort leaves them: a real SIGKILL is for the chaos test.
func (p *Process) Kill() {
	p.once.Do(func() {
		p.Conn.Close()
		p.kill()
		p.drain()
		p.err = <-p.done
	})
}

// All returns one of each role, with small budgets.
func All() []flow.Role {
	return []flow.Role{reader.New(reader.Config{Tasks: 2}), transform.New(transform.Config{Workers: 2}), writer.New(writer.Config{})}
}

// Submit submits a spec and returns its run. tweak, which may be nil, changes the
// record before.
func (s *Stack) Submit(t testing.TB, spec string, tweak func(*flow.Record)) flow.RunID {
	t.Helper()
	rec := Record(t, spec)
	if tweak != nil {
		tweak(&rec)
	}
	require.NoError(t, s.Connect(t).Submit(t.Context(), rec))
	return rec.Run
}

// Record makes the record of a run, with small edges and blocks.
func Record(t testing.TB, spec string) flow.Record {
	t.Helper()
	parsed, err := pipeline.Parse("spec.yaml", []byte(spec))
	require.NoError(t, err)
	rec := flow.Record{
		Run: flow.NewRunID(), Pipeline: parsed.Name, SpecHash: parsed.Hash(), Spec: spec, Sink: parsed.Sink.Parquet.URI,
		Submitted: time.Now().UTC(), BlockBytes: 256 << 10, RequeueAfter: time.Second,
	}
	if b := parsed.Policies.BlockBytes; b > 0 {
		rec.BlockBytes = b
	}
	edge := int64(32 << 20)
	if b := parsed.Policies.EdgeBytes; b > 0 {
		edge = b
	}
	rec.Edges = []flow.Edge{{Stage: flow.SourceStage, MaxBytes: edge}}
	for _, st := range parsed.Stages {
		rec.Edges = append(rec.Edges, flow.Edge{Stage: st.Name, MaxBytes: edge})
	}
	return rec
}

// Await waits for the end of a run and returns its record.
func (s *Stack) Await(t testing.TB, run flow.RunID) *flow.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Limit)
	defer cancel()
	conn := s.Connect(t)
	for {
		rec, err := conn.Lookup(ctx, run)
		if err == nil && rec.Status != flow.StatusActive {
			return rec
		}
		select {
		case <-ctx.Done():
			require.FailNow(t, "run has not ended", "%s: %v", run, err)
		case <-time.After(20 * time.Millisecond): // a poll of the record: the evidence itself
		}
	}
}

// Customers generates a table in a directory of the test and returns its glob.
func Customers(t testing.TB, rows int64, files int, rowsPerGroup int64) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "customers")
	_, err := generate.Customers(t.Context(), generate.Options{Rows: rows, Files: files, RowsPerGroup: rowsPerGroup, Seed: 7, Dir: dir}, nil)
	require.NoError(t, err)
	return filepath.Join(dir, "*.parquet")
}

// Bucket opens a location.
func Bucket(t testing.TB, uri string) storage.Bucket {
	t.Helper()
	b, err := storage.NewBucket(t.Context(), uri, storage.S3Options{})
	require.NoError(t, err)
	return b
}

// Places runs a test on a directory and in a bucket of a real S3 server. out makes a
// location for the test's output.
func Places(t *testing.T, test func(t *testing.T, out func() string)) {
	t.Helper()
	t.Run("Directory", func(t *testing.T) {
		test(t, func() string { return filepath.Join(t.TempDir(), "out") })
	})
	t.Run("S3", func(t *testing.T) {
		srv := s3test.New(t)
		n := 0
		test(t, func() string {
			n++
			return srv.URI(fmt.Sprintf("outputs/%d", n))
		})
	})
}

// Rows reads all visible data files of a sink: for each row its text, sorted. Partition
// columns come from the directories.
func Rows(t testing.TB, dir string) []string {
	t.Helper()
	var rows []string
	for _, name := range Visible(t, dir) {
		rows = append(rows, FileRows(t, dir, name)...)
	}
	slices.Sort(rows)
	return rows
}

// Visible lists the data files of a sink, relative to it.
func Visible(t testing.TB, dir string) []string {
	t.Helper()
	objects, err := Bucket(t, dir).List(t.Context(), "")
	require.NoError(t, err)
	var names []string
	for _, o := range objects {
		if !strings.HasPrefix(o.Name, "_levada/") {
			names = append(names, o.Name)
		}
	}
	return names
}

// FileRows reads one file of a sink, in its order.
func FileRows(t testing.TB, dir, name string) []string {
	t.Helper()
	src, err := Bucket(t, dir).Open(t.Context(), name)
	require.NoError(t, err)
	f, err := parquet.Open(t.Context(), src, memory.DefaultAllocator)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	place := filepath.Dir(name)
	var rows []string
	err = f.ReadRowGroups(t.Context(), 0, f.RowGroups(), parquet.ReadOptions{Columns: f.Schema(), BlockRows: 8192}, func(_, _ int64, batch arrow.RecordBatch) error {
		defer batch.Release()
		var row []byte // appended to: under the race detector most of a test's time is spent here
		for i := range int(batch.NumRows()) {
			row = append(row[:0], place...)
			for c, col := range batch.Columns() {
				row = append(append(append(append(row, '|'), batch.ColumnName(c)...), '='), col.ValueStr(i)...)
			}
			rows = append(rows, string(row))
		}
		return nil
	})
	require.NoError(t, err)
	return rows
}

// Digest is a short name for a multiset of rows.
func Digest(rows []string) string {
	h := sha256.New()
	for _, r := range rows {
		h.Write([]byte(r))
		h.Write([]byte{0})
	}
	return fmt.Sprintf("%d rows %s", len(rows), hex.EncodeToString(h.Sum(nil)[:8]))
}

// Clean checks what every ended run leaves behind: no temporary file, a manifest
// that names exactly the visible files of the run, with their hashes, and books that
// balance.
func Clean(t testing.TB, dir string, run flow.RunID) *sink.Manifest {
	t.Helper()
	b := Bucket(t, dir)
	require.Eventually(t, func() bool { // whoever was late drops its own files after the end
		staged, err := b.ListStaged(t.Context(), string(run))
		return err == nil && len(staged) == 0
	}, Limit, 10*time.Millisecond, "temporary files are left")
	out, err := sink.Open(t.Context(), dir, string(run), storage.S3Options{})
	require.NoError(t, err)
	m, err := out.ReadManifest(t.Context())
	require.NoError(t, err)
	var named, visible []string
	for _, f := range m.Files {
		named = append(named, f.Name)
		requireHash(t, b, f)
	}
	for _, name := range Visible(t, dir) {
		if strings.Contains(name, string(run)) {
			visible = append(visible, name)
		}
	}
	slices.Sort(named)
	require.Equal(t, named, visible, "the manifest names what is visible")
	if m.Status == sink.StatusDone {
		require.NoError(t, m.Books.Check())
	}
	return m
}

// requireHash checks a visible file against the one hash that its manifest has of it.
func requireHash(t testing.TB, b storage.Bucket, f sink.File) {
	t.Helper()
	file, err := b.Open(t.Context(), f.Name)
	require.NoError(t, err)
	data, err := io.ReadAll(io.NewSectionReader(file, 0, file.Size()))
	require.NoError(t, errors.Join(err, file.Close()), f.Name)
	if f.SHA256 != "" { // of an older build, or where BLAKE3 has no vector code
		require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(data)), f.SHA256, f.Name)
		require.Empty(t, f.BLAKE3, f.Name)
		return
	}
	require.Equal(t, fmt.Sprintf("%x", blake3.Sum256(data)), f.BLAKE3, f.Name)
}
