package stack_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// put writes a file of n rows, each what row gives as JSON, in row groups of 10,000.
func put(t *testing.T, path string, fields []arrow.Field, n int, row func(i int) string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	rows := make([]string, n)
	for i := range rows {
		rows[i] = "{" + row(i) + "}"
	}
	schema := arrow.NewSchema(fields, nil)
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader("["+strings.Join(rows, ",")+"]"))
	require.NoError(t, err)
	defer batch.Release()
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, schema, parquet.WriteOptions{Codec: "snappy", RowsPerGroup: 10_000})
	require.NoError(t, err)
	require.NoError(t, w.Write(batch))
	_, err = w.Close()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, out.Bytes(), 0o644))
}

// roads are the ways that blocks can travel: by streams or by reference, with all columns
// or with those that are touched.
var roads = []struct {
	name, carry string
	tweak       func(*flow.Record)
}{
	{"durable, all", "all", nil}, {"durable, touched", "touched", nil}, {"fused, all", "all", fuse}, {"fused, touched", "touched", fuse},
}

// sinkRows is what is in an output, without the place.
func sinkRows(t *testing.T, out string) []string {
	t.Helper()
	rows := stack.Rows(t, out)
	for i, r := range rows {
		_, rows[i], _ = strings.Cut(r, "|")
	}
	slices.Sort(rows)
	return rows
}

// Files that differ come out as one table, whichever way their rows go.
func TestFilesThatDiffer(t *testing.T) {
	dir := t.TempDir()
	const n = 20_000
	nullable := func(name string, dt arrow.DataType) arrow.Field {
		return arrow.Field{Name: name, Type: dt, Nullable: true}
	}
	put(t, filepath.Join(dir, "year=2024", "city=Porto%2F1", "a.parquet"), []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int32}, nullable("x", arrow.PrimitiveTypes.Float32), nullable("s", arrow.BinaryTypes.String)}, n,
		func(i int) string { return fmt.Sprintf(`"id":%d,"x":%d.5,"s":"a%d"`, i, i%100, i) })
	put(t, filepath.Join(dir, "year=2025", "city=__HIVE_DEFAULT_PARTITION__", "b.parquet"), []arrow.Field{nullable("y", arrow.BinaryTypes.String), nullable("x", arrow.PrimitiveTypes.Int32), {Name: "id", Type: arrow.PrimitiveTypes.Int64}}, n,
		func(i int) string { return fmt.Sprintf(`"y":"y%d","x":%d,"id":%d`, i, i%100, n+i) })
	s := stack.New(t)
	s.Start(t, stack.All()...)
	for _, road := range roads {
		t.Run(road.name, func(t *testing.T) {
			for _, filter := range []string{"", "id % 10 != 3"} {
				out := filepath.Join(t.TempDir(), "out")
				stages := ""
				if filter != "" {
					stages = fmt.Sprintf("stages: [{ name: keep, transform: [{ filter: %q }] }]\n", filter)
				}
				run := s.Submit(t, fmt.Sprintf("apiVersion: levada/v1\nname: differ\nsource: { parquet: { uri: %q, schema: union, hive: { year: int32 } } }\n%ssink: { parquet: { uri: %q } }\npolicies: { carry: %s }\n",
					dir, stages, out, road.carry), road.tweak)
				rec := s.Await(t, run)
				require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
				m := stack.Clean(t, out, run)
				var columns []string
				for _, c := range m.Columns {
					columns = append(columns, fmt.Sprint(c.Name, " ", c.Type, " ", c.Nullable))
				}
				require.Equal(t, []string{"id int64 false", "x float64 true", "s utf8 true", "y utf8 true", "year int32 false", "city utf8 true"}, columns)
				var want []string
				for i := range 2 * n {
					switch {
					case filter != "" && i%10 == 3:
					case i < n:
						want = append(want, fmt.Sprintf("id=%d|x=%d.5|s=a%d|y=(null)|year=2024|city=Porto/1", i, i%100, i))
					default:
						want = append(want, fmt.Sprintf("id=%d|x=%d|s=(null)|y=y%d|year=2025|city=(null)", i, (i-n)%100, i-n))
					}
				}
				slices.Sort(want)
				require.Equal(t, stack.Digest(want), stack.Digest(sinkRows(t, out)))
			}
		})
	}
	t.Run("First", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		run := s.Submit(t, fmt.Sprintf("apiVersion: levada/v1\nname: first\nsource: { parquet: { uri: [%q, %q], schema: first } }\nsink: { parquet: { uri: %q } }\n",
			filepath.Join(dir, "year=2024", "**", "*.parquet"), filepath.Join(dir, "year=2025", "**", "*.parquet"), out), nil)
		rec := s.Await(t, run)
		require.Equal(t, flow.StatusFailed, rec.Status)
		require.Regexp(t, `b\.parquet: column "id" is int64, which does not fit the int32 of .*a\.parquet`, rec.Reason)
	})
}

// A file that cannot be read is left out and counted, or fails the run by name; and the
// rows of the others are all there.
func TestBadFilesAreSkippedAndCounted(t *testing.T) {
	dir := t.TempDir()
	const n = 20_000
	fields := []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "s", Type: arrow.BinaryTypes.String}}
	for f := range 3 {
		put(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", f)), fields, n, func(i int) string { return fmt.Sprintf(`"id":%d,"s":"text %d"`, f*n+i, i) })
	}
	sound, err := os.ReadFile(filepath.Join(dir, "1.parquet"))
	require.NoError(t, err)
	bad := slices.Clone(sound)
	copy(bad[len(bad)/4:], bytes.Repeat([]byte{0xff}, 500)) // in the first row group
	require.NoError(t, os.WriteFile(filepath.Join(dir, "1.parquet"), bad, 0o644))
	for name, data := range map[string][]byte{
		"truncated": sound[:len(sound)/2], "empty": nil, "text": []byte("id,s\n1,a\n2,b\n3,c\n"),
		"encrypted": append(slices.Clone(sound[:len(sound)-4]), "PARE"...), "lying": append(slices.Clone(sound[:len(sound)-8]), "\xff\xff\xff\x7fPAR1"...),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+".parquet"), data, 0o644))
	}
	s := stack.New(t)
	s.Start(t, stack.All()...)
	for _, road := range roads {
		if road.carry == "touched" {
			continue // excluded by the spec
		}
		t.Run(road.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			run := s.Submit(t, fmt.Sprintf("apiVersion: levada/v1\nname: bad\nsource: { parquet: { uri: %q, on_bad_file: skip } }\nstages: [{ name: half, transform: [{ filter: \"id %% 2 == 0\" }] }]\nsink: { parquet: { uri: %q } }\n", dir, out), road.tweak)
			rec := s.Await(t, run)
			require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
			m := stack.Clean(t, out, run)
			require.Equal(t, 5, m.Books.Skipped)
			require.Len(t, m.Skipped, 5)
			for _, skipped := range m.Skipped {
				require.NotEmpty(t, skipped.Reason)
			}
			dropped := m.Books.Dropped["source/on_bad_file[1]"]
			require.Equal(t, "1.parquet", filepath.Base(m.Sources[1].URI))
			require.Positive(t, dropped)
			require.LessOrEqual(t, dropped, int64(10_000), "the second row group is sound")
			require.EqualValues(t, 3*n, m.Books.Source)
			require.Equal(t, (3*n-dropped)/2, m.Books.Written)
			require.Len(t, stack.Rows(t, out), int(m.Books.Written))
		})
	}
	t.Run("Fail", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		run := s.Submit(t, fmt.Sprintf("apiVersion: levada/v1\nname: bad\nsource: { parquet: { uri: %q } }\nsink: { parquet: { uri: %q } }\n", dir, out), nil)
		rec := s.Await(t, run)
		require.Equal(t, flow.StatusFailed, rec.Status)
		require.Contains(t, rec.Reason, ".parquet: ")
	})
	t.Run("None", func(t *testing.T) {
		out := filepath.Join(t.TempDir(), "out")
		run := s.Submit(t, fmt.Sprintf("apiVersion: levada/v1\nname: bad\nsource: { parquet: { uri: %q, on_bad_file: skip } }\nsink: { parquet: { uri: %q } }\n", filepath.Join(dir, "t*.parquet"), out), nil)
		rec := s.Await(t, run)
		require.Equal(t, flow.StatusFailed, rec.Status)
		require.Contains(t, rec.Reason, "none of the 2 files of the source can be read")
	})
}

// A file that vanishes or changes after the plan gives no row that is not its own: the run
// fails and names it, or its rows are skipped and counted.
func TestFilesThatVanishOrChangeInMidRun(t *testing.T) {
	const n = 20_000
	fields := []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}
	for _, policy := range []string{"fail", "skip"} {
		for _, what := range []string{"vanish", "change"} {
			t.Run(policy+" "+what, func(t *testing.T) {
				dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
				for f := range 2 {
					put(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", f)), fields, n, func(i int) string { return fmt.Sprintf(`"id":%d`, f*n+i) })
				}
				s := stack.New(t)
				spec := fmt.Sprintf("apiVersion: levada/v1\nname: vanish\nsource: { parquet: { uri: %q, on_bad_file: %s } }\nsink: { parquet: { uri: %q } }\npolicies: { carry: all }\n", dir, policy, out)
				name := filepath.Join(dir, "1.parquet")
				other := filepath.Join(t.TempDir(), "other.parquet")
				put(t, other, fields, n+1, func(i int) string { return fmt.Sprintf(`"id":%d`, -i) })
				var once sync.Once
				fault.Set(t, fault.PlannerPlanAppendAfter, func() { // there is a plan, and nobody has read
					once.Do(func() {
						if what == "vanish" {
							_ = os.Remove(name)
						} else {
							_ = os.Rename(other, name)
						}
					})
				})
				run := s.Submit(t, spec, nil)
				s.Start(t, stack.All()...)
				rec := s.Await(t, run)
				m := stack.Clean(t, out, run)
				if policy == "fail" {
					require.Equal(t, flow.StatusFailed, rec.Status)
					require.Contains(t, rec.Reason, "1.parquet")
					return
				}
				require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
				require.Equal(t, sink.StatusDone, m.Status)
				require.Equal(t, map[string]int64{"source/on_bad_file[1]": n}, m.Books.Dropped)
				require.Len(t, stack.Rows(t, out), n)
			})
		}
	}
}

// A file that is written over while it is open gives no row that is not its own, though its
// pages lie where those of the planned one did; one that is only touched gives all its rows.
func TestFilesThatAreWrittenOverWhileTheyAreRead(t *testing.T) {
	const n = 200_000 // more blocks than wait for their publish at once
	fields := []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Float64}, {Name: "x", Type: arrow.PrimitiveTypes.Float64}}
	file := func(base int) []byte {
		schema := arrow.NewSchema(fields, nil)
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		for i := range n {
			for c := range fields {
				b.Field(c).(*array.Float64Builder).Append(float64(base + i))
			}
		}
		batch := b.NewRecordBatch()
		defer batch.Release()
		var out bytes.Buffer
		w, err := parquet.NewWriter(&out, schema, parquet.WriteOptions{Codec: "none", RowsPerGroup: 10_000})
		require.NoError(t, err)
		require.NoError(t, w.Write(batch))
		_, err = w.Close()
		require.NoError(t, err)
		return out.Bytes()
	}
	planned, other := file(1_000_000), file(5_000_000)
	ofPlanned := regexp.MustCompile(`\b1[0-9]{6}\b|1\.?[0-9]*e\+06`)
	require.Len(t, other, len(planned))
	for _, c := range []struct{ carry, policy, what string }{
		{"all", "fail", "written over"},
		{"all", "skip", "written over"},
		{"touched", "fail", "written over"},
		{"all", "fail", "touched"},
		{"touched", "fail", "touched"},
	} {
		t.Run(strings.Join([]string{c.carry, c.policy, c.what}, " "), func(t *testing.T) {
			name, out := filepath.Join(t.TempDir(), "1.parquet"), filepath.Join(t.TempDir(), "out")
			require.NoError(t, os.WriteFile(name, planned, 0o644))
			require.NoError(t, os.Chtimes(name, time.Time{}, time.Unix(1, 0))) // the clock of a file system has ticks
			var once sync.Once
			fault.Set(t, fault.ReaderBlockPublishBefore, func() { // which all that are published wait for
				once.Do(func() {
					if c.what == "touched" {
						_ = os.Chtimes(name, time.Time{}, time.Unix(2, 0))
						return
					}
					f, err := os.OpenFile(name, os.O_WRONLY, 0)
					if err != nil {
						return
					}
					_, _ = f.Write(other)
					_ = f.Close()
				})
			})
			s := stack.New(t)
			run := s.Submit(t, fmt.Sprintf("apiVersion: levada/v1\nname: over\nsource: { parquet: { uri: %q, on_bad_file: %s } }\nstages: [{ name: half, transform: [{ filter: \"id >= 0.0\" }] }]\nsink: { parquet: { uri: %q } }\npolicies: { carry: %s, block_bytes: 16KiB }\n", name, c.policy, out, c.carry), nil)
			s.Start(t, stack.All()...)
			rec := s.Await(t, run)
			m := stack.Clean(t, out, run)
			if c.policy == "fail" && c.what != "touched" {
				require.Equal(t, flow.StatusFailed, rec.Status)
				require.Contains(t, rec.Reason, "1.parquet: the file changed since the run was planned")
				return
			}
			require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
			rows := sinkRows(t, out)
			require.Len(t, slices.Compact(slices.Clone(rows)), len(rows))
			require.EqualValues(t, len(rows), m.Books.Written)
			require.EqualValues(t, n, m.Books.Written+m.Books.Dropped["source/on_bad_file[0]"])
			require.Empty(t, slices.DeleteFunc(rows, ofPlanned.MatchString))
		})
	}
}

// A value that makes no directory fails the run with its row in the file, behind a filter
// too, and what to do; the value is not said.
func TestValueThatMakesNoPartitionIsNamedByItsRow(t *testing.T) {
	s := stack.New(t)
	s.Start(t, stack.All()...)
	const n, bad = 30_000, 21_001
	fields := []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "k", Type: arrow.BinaryTypes.String}}
	for _, road := range roads {
		if road.carry == "touched" {
			continue // partitions are made of all columns
		}
		t.Run(road.name, func(t *testing.T) {
			dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
			long := strings.Repeat("x", 300)
			for f := range 2 {
				put(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", f)), fields, n, func(i int) string {
					k := "a"
					if f == 1 && i == bad {
						k = long
					}
					return fmt.Sprintf(`"id":%d,"k":%q`, i, k)
				})
			}
			run := s.Submit(t, fmt.Sprintf("apiVersion: levada/v1\nname: k\nsource: { parquet: { uri: %q } }\nstages: [{ name: odd, transform: [{ filter: \"id %% 2 == 1\" }] }]\nsink: { parquet: { uri: %q, partition_by: [k] } }\n", dir, out), road.tweak)
			rec := s.Await(t, run)
			require.Equal(t, flow.StatusFailed, rec.Status)
			require.Contains(t, rec.Reason, fmt.Sprintf(`1.parquet: row %d: partition by "k": not a partition value: its directory's name would have 302 bytes`, bad))
			require.Contains(t, rec.Reason, "partition by something shorter")
			require.NotContains(t, rec.Reason, long)
		})
	}
}

// A row that no block can hold is dead, named by its place; it is not tried again for ever.
func TestRowLargerThanABlockIsDead(t *testing.T) {
	dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	fields := []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "s", Type: arrow.BinaryTypes.String}}
	large := strings.Repeat("x", 3<<20) // more than a message, in columns and as a letter
	put(t, filepath.Join(dir, "a.parquet"), fields, 20, func(i int) string {
		text := "text"
		if i == 7 {
			text = large
		}
		return fmt.Sprintf(`"id":%d,"s":%q`, i, text)
	})
	s := stack.New(t)
	s.Start(t, stack.All()...)
	run := s.Submit(t, fmt.Sprintf("apiVersion: levada/v1\nname: large\nsource: { parquet: { uri: %q } }\nsink: { parquet: { uri: %q } }\npolicies: { max_dead_rows: 1, fuse: never, carry: all }\n", dir, out), nil)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, out, run)
	require.EqualValues(t, 1, m.Books.Dead)
	require.Len(t, stack.Rows(t, out), 19)
}
