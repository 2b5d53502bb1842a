package sink

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
)

// TestRule09Manifest_TheFirstOneStands is the model's trace: one process sees the run
// complete and writes the manifest, the ledger loses its last entries, another one
// sees the run cancelled.
func TestRule09Manifest_TheFirstOneStands(t *testing.T) {
	dir := t.TempDir()
	first, second := sinkOf(t, dir, "run1"), sinkOf(t, dir, "run1")
	f := stage(t, first, "", "rows")
	_, err := first.ReadManifest(t.Context())
	require.ErrorIs(t, err, ErrNoManifest)
	done, created, err := first.CreateManifest(t.Context(), manifest("run1", StatusDone, f))
	require.NoError(t, err)
	assert.True(t, created)

	stands, created, err := second.CreateManifest(t.Context(), manifest("run1", StatusCancelled))
	require.NoError(t, err)
	assert.False(t, created)
	assert.Equal(t, StatusDone, stands.Status)
	assert.Equal(t, done, stands)
	read, err := second.ReadManifest(t.Context())
	require.NoError(t, err)
	assert.Equal(t, done, read)
	assert.Empty(t, tree(t, dir, false), "a manifest is no data")
}

func TestRule09Manifest_OfManyAtOnceOneStands(t *testing.T) {
	dir := t.TempDir()
	hashes := make([]string, 8)
	var all sync.WaitGroup
	for i := range hashes {
		s := sinkOf(t, dir, "run1")
		all.Go(func() {
			m := manifest("run1", StatusFailed)
			m.Reason = fmt.Sprint(i)
			stands, _, err := s.CreateManifest(t.Context(), m)
			if assert.NoError(t, err) {
				hashes[i] = stands.Hash()
			}
		})
	}
	all.Wait()
	for _, h := range hashes {
		assert.Equal(t, hashes[0], h)
	}
}

func TestManifestHash(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	m := manifest("run1", StatusDone)
	assert.Empty(t, m.Hash())
	stands, _, err := s.CreateManifest(t.Context(), m)
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(content(t, dir, "_levada/manifest-run1.json")))
	assert.Equal(t, hex.EncodeToString(sum[:]), stands.Hash())
}

// planned folds a ledger of two source files and a range, two commits and a dead
// span.
func planned(tb testing.TB, lock string, files ...ledger.File) *ledger.State {
	tb.Helper()
	state := ledger.New("run1")
	seq := uint64(0)
	apply := func(e *ledger.Entry) {
		tb.Helper()
		seq++
		e.V, e.ID, e.Prev = ledger.Version, fmt.Sprintf("entry%d", seq), state.Last()
		data, err := e.Encode()
		require.NoError(tb, err)
		v := state.Apply(seq, data)
		require.True(tb, v.Standing, "%+v", v)
	}
	plan := &ledger.Plan{
		Spec:  "spec",
		Files: []ledger.PlanFile{{URI: "/in/a.parquet", Size: 1000, Rows: 300, Footer: "f0"}, {URI: "/in/b.parquet", Size: 2000, Rows: 100, Footer: "f1"}},
		Tasks: []ledger.PlanTask{
			{File: 0, RowGroups: [2]int{1, 3}, Rows: 200, BlockRows: 50},
			{File: 1, RowGroups: [2]int{0, 1}, Rows: 100, BlockRows: 50},
			{File: -1, From: 1000, To: 1010, Rows: 10, BlockRows: 10},
		},
		PrunedRows: 100, PrunedBy: "a/filter[0]", Lock: lock, Old: []string{"old.parquet"},
	}
	parts, err := plan.Parts("nonce")
	require.NoError(tb, err)
	apply(&ledger.Entry{Kind: ledger.KindPlan, Plan: parts[0]})
	cover := func(spans ...blocks.Span) (c ledger.Coverage) {
		for _, s := range spans {
			require.NoError(tb, c.Add(s))
		}
		return c
	}
	a := []blocks.Span{{Task: 0, From: 0, To: 50}, {Task: 0, From: 100, To: 150}, {Task: 1, From: 0, To: 100}}
	for i := range files {
		files[i].Rows, files[i].Spans = 190/int64(len(files)), cover(a...)
	}
	apply(&ledger.Entry{Kind: ledger.KindCommit, Commit: &ledger.Commit{
		Plan: state.PlanID(), Files: files, Spans: cover(a...),
		Counts: ledger.Counts{Read: 200, Written: 190, Dead: 4, Dropped: map[string]int64{"a/filter[0]": 6}},
		Dead:   []ledger.DeadRows{{Span: a[1], Stage: "a", Attempt: "attempt1", Offsets: []uint32{0, 1, 2, 9}}},
	}})
	apply(&ledger.Entry{Kind: ledger.KindDead, Dead: &ledger.Dead{
		Plan: state.PlanID(), Span: blocks.Span{Task: 2, From: 2, To: 8}, Stage: "b", Attempt: "attempt2", Reason: "panic",
	}})
	return state
}

func TestManifestStatesWhatTheLedgerKnows(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	lock := acquire(t, s)
	one, two := stage(t, s, "country=PT", "one"), stage(t, s, "country=ES", "two!")
	one.Partition, two.Partition = map[string]string{"country": "PT"}, map[string]string{"country": "ES"}
	state := planned(t, lock.Nonce, one, two)

	m := Manifest{Pipeline: "customers", SpecHash: "spec", Status: StatusDone, Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	m.Fill(state, true)
	m.Describe(arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "country", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil), []string{"country"})
	got, created, err := s.CreateManifest(t.Context(), m)
	require.NoError(t, err)
	require.True(t, created)

	whence := []Lineage{
		{Source: 0, RowGroups: [2]int{1, 3}, Rows: [][2]int64{{0, 50}, {100, 150}}},
		{Source: 1, RowGroups: [2]int{0, 1}, Rows: [][2]int64{{0, 100}}},
	}
	want := Manifest{
		Version: 1, Run: "run1", Pipeline: "customers", SpecHash: "spec", Plan: state.PlanID(), Lock: lock.Nonce, Generation: 1,
		Status: StatusDone, Created: m.Created,
		Columns:     []Column{{"id", "int64", false}, {"country", "utf8", true}},
		PartitionBy: []string{"country"}, Books: state.Books(),
		Sources: []Source{{URI: "/in/a.parquet", Bytes: 1000, Rows: 300, Footer: "f0"}, {URI: "/in/b.parquet", Bytes: 2000, Rows: 100, Footer: "f1"}},
		Files: []File{
			{Name: two.Name, Bytes: 4, Rows: 95, BLAKE3: two.BLAKE3, SHA256: two.SHA256, Partition: two.Partition, Commit: "entry2", Staged: two.Staged, Lineage: whence},
			{Name: one.Name, Bytes: 3, Rows: 95, BLAKE3: one.BLAKE3, SHA256: one.SHA256, Partition: one.Partition, Commit: "entry2", Staged: one.Staged, Lineage: whence},
		},
		Dead: []Dead{
			{"a", "attempt1", Lineage{Source: 0, RowGroups: [2]int{1, 3}, Rows: [][2]int64{{100, 103}, {109, 110}}}},
			{"b", "attempt2", Lineage{Source: -1, Rows: [][2]int64{{1002, 1008}}}},
		},
		Old:  []string{"old.parquet"},
		hash: got.Hash(),
	}
	assert.Equal(t, want, *got)

	// One item a line, for people and line tools.
	text := content(t, dir, "_levada/manifest-run1.json")
	for _, name := range []string{one.Name, two.Name, "/in/a.parquet", "attempt1"} {
		n := 0
		for line := range strings.Lines(text) {
			if strings.Contains(line, name) && strings.HasPrefix(line, "    {") {
				n++
			}
		}
		assert.Equal(t, 1, n, name)
	}

	var none Manifest
	none.Fill(state, false)
	assert.Empty(t, none.Files)
	assert.Len(t, none.Dead, 2)
}

func TestManifestOfARunWithoutPlan(t *testing.T) {
	dir := t.TempDir()
	s := sinkOf(t, dir, "run1")
	m := Manifest{Status: StatusCancelled, Reason: "on request"}
	m.Fill(ledger.New("run1"), true)
	stands, _, err := s.CreateManifest(t.Context(), m)
	require.NoError(t, err)
	assert.Equal(t, "on request", stands.Reason)
	assert.Contains(t, content(t, dir, "_levada/manifest-run1.json"), `"files": []`)
}

func TestManifestIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		err  error
	}{
		"newer":       {`{"version":2,"run":"run1"}`, ErrVersion},
		"no version":  {`{"run":"run1"}`, ErrVersion},
		"no json":     {`{"version":1,`, nil},
		"another run": {`{"version":1,"run":"run2"}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "_levada/manifest-run1.json", c.text)
			s := sinkOf(t, dir, "run1")
			_, err := s.ReadManifest(t.Context())
			require.ErrorContains(t, err, filepath.Join(dir, "_levada", "manifest-run1.json"))
			if c.err != nil {
				require.ErrorIs(t, err, c.err)
				require.ErrorContains(t, err, "this levada knows 1: use the levada that wrote it, or a newer one")
				assert.True(t, IsPermanent(err))
			}
			require.NotErrorIs(t, err, ErrNoManifest)
			_, _, err = s.CreateManifest(t.Context(), manifest("run1", StatusDone))
			require.Error(t, err, "the one that is there outranks any other")
		})
	}
	_, _, err := sinkOf(t, t.TempDir(), "run1").CreateManifest(t.Context(), manifest("run2", StatusDone))
	require.ErrorContains(t, err, "run2")
}

// TestManifestGolden: manifests are added, never changed, and each is read for ever.
func TestManifestGolden(t *testing.T) {
	names, err := filepath.Glob("testdata/golden/manifest-*.json")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		m, err := DecodeManifest(data)
		require.NoError(t, err, name)
		again, err := m.encode()
		require.NoError(t, err)
		assert.Equal(t, string(data), string(again), name)
	}
}

func FuzzDecodeManifest(f *testing.F) {
	names, err := filepath.Glob("testdata/golden/manifest-*.json")
	require.NoError(f, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeManifest(data)
		if err != nil {
			return
		}
		again, err := m.encode()
		if err != nil {
			return // a year that JSON cannot carry
		}
		_, err = DecodeManifest(again)
		require.NoError(t, err)
	})
}
