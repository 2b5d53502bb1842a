package verify_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/internal/verify"
	"github.com/levada-data/levada/pkg/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const first, second = "01m86enwr5wc1xkz143anh7217", "01m86enwr5wc1xkz143anh7218"

// data is a Parquet file of n rows.
func data(t *testing.T, w interface{ Write([]byte) (int, error) }, n int, names ...string) {
	t.Helper()
	var fields []arrow.Field
	for _, name := range names {
		fields = append(fields, arrow.Field{Name: name, Type: arrow.PrimitiveTypes.Int64})
	}
	schema := arrow.NewSchema(fields, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for i := range n {
		for c := range names {
			b.Field(c).(*array.Int64Builder).Append(int64(i))
		}
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	out, err := parquet.NewWriter(w, schema, parquet.WriteOptions{})
	require.NoError(t, err)
	require.NoError(t, out.Write(batch))
	_, err = out.Close()
	require.NoError(t, err)
}

// write makes the output of a run: two commits of 60 and 40 of 110 source rows; 10 rows were
// dropped. change may spoil the manifest before it is created.
func write(t *testing.T, dir, run string, change func(m *sink.Manifest)) []string {
	t.Helper()
	s, err := sink.Open(t.Context(), dir, run, storage.S3Options{})
	require.NoError(t, err)
	m := sink.Manifest{Run: run, Pipeline: "p", Status: sink.StatusDone, Created: time.Date(2026, 3, 1, 12, 0, len(run)+int(run[len(run)-1]), 0, time.UTC)}
	m.Describe(arrow.NewSchema([]arrow.Field{{Name: "a", Type: arrow.PrimitiveTypes.Int64}}, nil), nil)
	m.Books = ledger.Books{Source: 110, Read: 110, Written: 100, Dropped: map[string]int64{"s/filter[0]": 10}}
	m.Sources = []sink.Source{{URI: "/src.parquet", Rows: 110}}
	var names []string
	for i, rows := range []int{60, 40} {
		staged, err := s.Create(t.Context(), sink.Place{})
		require.NoError(t, err)
		data(t, staged, rows, "a")
		f, err := staged.Finish()
		require.NoError(t, err)
		f.Rows = int64(rows)
		require.NoError(t, s.Reveal(t.Context(), f))
		m.AddFile([]string{"c1", "c2"}[i], f)
		span := [][2]int64{{0, 65}, {65, 110}}[i]
		m.Files[i].Lineage = []sink.Lineage{{Source: 0, RowGroups: [2]int{0, 1}, Rows: [][2]int64{span}}}
		names = append(names, f.Name)
	}
	if change != nil {
		change(&m)
	}
	_, _, err = s.CreateManifest(t.Context(), m)
	require.NoError(t, err)
	return names
}

func check(t *testing.T, dir string, o verify.Options) *verify.Report {
	t.Helper()
	r, err := verify.Output(t.Context(), dir, o)
	require.NoError(t, err)
	return r
}

// only is the one problem of a report.
func only(t *testing.T, dir string, o verify.Options) verify.Problem {
	t.Helper()
	r := check(t, dir, o)
	require.False(t, r.OK)
	require.Len(t, r.Problems, 1, "%+v", r.Problems)
	return r.Problems[0]
}

func TestAnOutputAsItWasWritten(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, first, nil)
	var read atomic.Int64
	seen := func(rows, all int64) {
		read.Add(rows)
		require.Equal(t, int64(100), all)
	}
	r := check(t, dir, verify.Options{Seen: seen})
	require.True(t, r.OK, "%+v", r.Problems)
	require.Equal(t, []verify.Run{{Run: first, Pipeline: "p", Status: sink.StatusDone, Files: 2, Rows: 100, Bytes: r.Runs[0].Bytes}}, r.Runs)
	require.Equal(t, int64(100), read.Swap(0))
	require.True(t, check(t, dir, verify.Options{Seen: seen, Quick: true}).OK)
	require.Equal(t, int64(100), read.Load())
}

func TestNothingToVerify(t *testing.T) {
	_, err := verify.Output(t.Context(), t.TempDir(), verify.Options{})
	require.ErrorIs(t, err, verify.ErrNothing)
	dir := t.TempDir()
	write(t, dir, first, nil)
	_, err = verify.Output(t.Context(), dir, verify.Options{Run: second})
	require.ErrorIs(t, err, verify.ErrNothing)
}

func TestWhatHasHappenedToFiles(t *testing.T) {
	for name, c := range map[string]struct {
		kind  verify.Kind
		spoil func(t *testing.T, file string)
		says  string
		quick bool // is seen without hashes
	}{
		"is missing": {verify.Missing, func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.Remove(file))
		}, "not there", true},
		"has one bit flipped": {verify.Changed, func(t *testing.T, file string) {
			t.Helper()
			text, err := os.ReadFile(file)
			require.NoError(t, err)
			text[6] ^= 1
			require.NoError(t, os.WriteFile(file, text, 0o600))
		}, "its hash is", false},
		"was cut": {verify.Changed, func(t *testing.T, file string) {
			t.Helper()
			require.NoError(t, os.Truncate(file, 20))
		}, "it has 20 bytes", true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			files := write(t, dir, first, nil)
			c.spoil(t, filepath.Join(dir, files[1]))
			p := only(t, dir, verify.Options{})
			require.Equal(t, c.kind, p.Kind)
			require.Equal(t, first, p.Run)
			require.Equal(t, files[1], p.File)
			require.Contains(t, p.Text, c.says)
			require.Equal(t, !c.quick, check(t, dir, verify.Options{Quick: true}).OK)
		})
	}
}

func TestWhatManifestsSayWrong(t *testing.T) {
	for name, c := range map[string]struct {
		kind  verify.Kind
		spoil func(m *sink.Manifest)
		says  string
	}{
		"rows":    {verify.Rows, func(m *sink.Manifest) { m.Files[0].Rows--; m.Files[1].Rows++ }, "rows, the manifest says"},
		"columns": {verify.Columns, func(m *sink.Manifest) { m.Columns[0].Name = "b" }, "its columns are a, the manifest says b"},
		"books":   {verify.Books, func(m *sink.Manifest) { m.Books.Dropped["s/filter[0]"]-- }, "not those written, dropped and dead"},
		"written": {verify.Books, func(m *sink.Manifest) {
			m.Books.Written--
			m.Books.Dead++
			m.Books.DeadByStage = map[string]int64{"s": 1}
		}, "its books say that 99 were written"},
		"sources":          {verify.Books, func(m *sink.Manifest) { m.Sources[0].Rows = 120 }, "its sources have 120 rows"},
		"rows from naught": {verify.Spans, func(m *sink.Manifest) { m.Files[0].Lineage[0].Rows[0] = [2]int64{0, 59} }, "has 60 rows and comes of 59"},
		"a row twice":      {verify.Spans, func(m *sink.Manifest) { m.Files[1].Lineage[0].Rows[0][0] = 60 }, "of two commits, both come of rows [60,65)"},
		"a row too far":    {verify.Spans, func(m *sink.Manifest) { m.Files[1].Lineage[0].Rows = [][2]int64{{65, 109}, {110, 111}} }, "rows [110,111) of source 0, which it does not have"},
		"no such source": {verify.Spans, func(m *sink.Manifest) {
			m.Dead = []sink.Dead{{Lineage: sink.Lineage{Source: 7, Rows: [][2]int64{{0, 1}}}}}
		}, "source 7"},
		"too little": {verify.Spans, func(m *sink.Manifest) {
			m.Files[1].Lineage[0].Rows[0][1] = 105
			m.Books.Dropped = map[string]int64{"s/filter[0]": 4}
			m.Books.Dead, m.Books.DeadByStage = 6, map[string]int64{"s": 6}
		}, "come of 105 rows of the source"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, first, c.spoil)
			r := check(t, dir, verify.Options{})
			require.False(t, r.OK)
			said := ""
			for _, p := range r.Problems {
				require.Equal(t, c.kind, p.Kind, "%s", p.Text)
				said += p.Text + "\n"
			}
			require.Contains(t, said, c.says)
		})
	}
}

func TestForeignFilesAreNamed(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, first, nil)
	f, err := os.Create(filepath.Join(dir, "mine.parquet"))
	require.NoError(t, err)
	data(t, f, 3, "a")
	require.NoError(t, f.Close())
	p := only(t, dir, verify.Options{})
	require.Equal(t, verify.Foreign, p.Kind)
	require.Equal(t, "mine.parquet", p.File)
	require.True(t, check(t, dir, verify.Options{Run: first}).OK, "who asks for one run asks for no others' files")

	// What readers skip is nobody's business; a run's own file says whose it is.
	require.NoError(t, os.Rename(filepath.Join(dir, "mine.parquet"), filepath.Join(dir, "_mine.parquet")))
	require.True(t, check(t, dir, verify.Options{}).OK)
	require.NoError(t, os.Rename(filepath.Join(dir, "_mine.parquet"), filepath.Join(dir, "part-"+second+"-0123456789abcdef.parquet")))
	require.Contains(t, only(t, dir, verify.Options{}).Text, "has no manifest yet")
}

func TestRunsThatReplaceOthers(t *testing.T) {
	dir := t.TempDir()
	old := write(t, dir, first, nil)
	write(t, dir, second, func(m *sink.Manifest) { m.Old = old; m.Generation = 2 })
	r := check(t, dir, verify.Options{})
	require.Len(t, r.Problems, 2, "%+v", r.Problems)
	for _, p := range r.Problems {
		require.Equal(t, verify.Replaced, p.Kind)
		require.Equal(t, second, p.Run)
	}
	for _, name := range old {
		require.NoError(t, os.Remove(filepath.Join(dir, name)))
	}
	r = check(t, dir, verify.Options{})
	require.True(t, r.OK, "%+v", r.Problems)
	require.Equal(t, 2, r.Runs[0].Replaced)
}

func TestManifestOfAnotherVersionIsAProblem(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, first, nil)
	name := filepath.Join(dir, "_levada", "manifest-"+second+".json")
	require.NoError(t, os.WriteFile(name, []byte(`{"version": 99, "run": "`+second+`"}`), 0o600))
	p := only(t, dir, verify.Options{})
	require.Equal(t, verify.Manifest, p.Kind)
	require.Contains(t, p.Text, "99")
}

// A damaged file whose length is right is seen without its hash, too.
func TestQuickReadsFooters(t *testing.T) {
	dir := t.TempDir()
	files := write(t, dir, first, nil)
	name := filepath.Join(dir, files[0])
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(name, []byte(strings.Repeat("x", int(info.Size()))), 0o600))
	require.Equal(t, verify.Damaged, only(t, dir, verify.Options{Quick: true}).Kind)
}
