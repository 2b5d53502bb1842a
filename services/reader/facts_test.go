package reader

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/pkg/pipeline"
)

// writeFile writes rows of {id, v} with ids from first, v as text of that many bytes.
func writeFile(t *testing.T, dir, name string, fields []arrow.Field, rows, perGroup int, value func(i int) string) {
	t.Helper()
	var json strings.Builder
	for i := range rows {
		json.WriteString(value(i) + "\n")
	}
	schema := arrow.NewSchema(fields, nil)
	batch, _, err := array.RecordFromJSON(memory.DefaultAllocator, schema, strings.NewReader("["+strings.Join(strings.Fields(json.String()), ",")+"]"))
	require.NoError(t, err)
	defer batch.Release()
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, schema, parquet.WriteOptions{Codec: "none", RowsPerGroup: int64(perGroup)})
	require.NoError(t, err)
	require.NoError(t, w.Write(batch))
	_, err = w.Close()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), out.Bytes(), 0o644))
}

var idAndText = []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "v", Type: arrow.BinaryTypes.String, Nullable: true}}

func row(i int) string { return fmt.Sprintf(`{"id":%d,"v":"value-%d"}`, i, i) }

func inspect(t *testing.T, uri, stages string) (*Facts, error) {
	t.Helper()
	spec, err := pipeline.Parse("spec.yaml", fmt.Appendf(nil, "apiVersion: levada/v1\nname: test\nsource: { parquet: { uri: %q } }\n%ssink: { parquet: { uri: %q } }\n",
		uri, stages, filepath.Join(t.TempDir(), "out")))
	require.NoError(t, err)
	return Inspect(t.Context(), spec, 1<<20)
}

func TestInspectPlansEveryRowOnce(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "b.parquet", idAndText, 1000, 300, row)
	writeFile(t, dir, "a.parquet", idAndText, 500, 500, row)
	f, err := inspect(t, dir, "")
	require.NoError(t, err)
	require.EqualValues(t, 1500, f.Rows)
	require.Equal(t, 5, f.Groups)
	require.Len(t, f.Files, 2)
	require.True(t, strings.HasSuffix(f.Files[0].URI, "a.parquet"), "in the order of their names, whoever plans")
	rows := int64(0)
	for _, task := range f.Tasks {
		rows += task.Rows
		require.Positive(t, task.BlockRows)
	}
	require.EqualValues(t, 1500, rows)
	require.Len(t, f.Tasks, 2, "small row groups of a file make one task")
	require.Equal(t, [2]int{0, 4}, f.Tasks[1].RowGroups)
}

// What a filter shows to be of no use is not planned, and counted.
func TestInspectPrunesRowGroups(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a.parquet", idAndText, 1000, 100, row)
	f, err := inspect(t, dir, "stages: [{ name: keep, transform: [{ filter: \"id >= 250 && id < 420\" }] }]\n")
	require.NoError(t, err)
	require.EqualValues(t, 700, f.PrunedRows)
	require.EqualValues(t, 7, f.PrunedGroups)
	require.Contains(t, f.PrunedBy, "keep/filter[0]")
	require.Len(t, f.Tasks, 1)
	require.Equal(t, [2]int{2, 5}, f.Tasks[0].RowGroups)
	require.EqualValues(t, 300, f.Tasks[0].Rows)
}

// A hole in the row groups parts the tasks: a task is a run of neighbours.
func TestInspectPartsTasksAtHoles(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a.parquet", idAndText, 500, 100, row)
	f, err := inspect(t, dir, "stages: [{ name: keep, transform: [{ filter: \"id < 150 || id >= 420\" }] }]\n")
	require.NoError(t, err)
	require.Len(t, f.Tasks, 2)
	require.Equal(t, [2]int{0, 2}, f.Tasks[0].RowGroups)
	require.Equal(t, [2]int{4, 5}, f.Tasks[1].RowGroups)
}

// Columns that nothing of the pipeline needs are not read.
func TestInspectPushesTheProjectionDown(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a.parquet", idAndText, 100, 100, row)
	f, err := inspect(t, dir, "stages: [{ name: s, transform: [{ filter: \"size(v) > 3\" }, { select: [id] }] }]\n")
	require.NoError(t, err)
	require.Equal(t, 2, f.Pipeline.Source.NumFields(), "a filter needs its column")
	f, err = inspect(t, dir, "stages: [{ name: s, transform: [{ with: { twice: id + id } }, { drop: [v] }] }]\n")
	require.NoError(t, err)
	require.Equal(t, "id", f.Pipeline.Source.Field(0).Name)
	require.Equal(t, 1, f.Pipeline.Source.NumFields())
}

func TestInspectRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		want []string
	}{
		"NoFiles": {func(*testing.T, string) {}, []string{"no *.parquet below this directory"}},
		"OtherType": {func(t *testing.T, dir string) {
			t.Helper()
			writeFile(t, dir, "a.parquet", idAndText, 10, 10, row)
			writeFile(t, dir, "b.parquet", []arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int32}, idAndText[1]}, 10, 10, row)
		}, []string{"a.parquet", "b.parquet", `column "id" is int32 where int64 was expected`}},
		"MissingColumn": {func(t *testing.T, dir string) {
			t.Helper()
			writeFile(t, dir, "a.parquet", idAndText, 10, 10, row)
			writeFile(t, dir, "b.parquet", idAndText[:1], 10, 10, func(i int) string { return fmt.Sprintf(`{"id":%d}`, i) })
		}, []string{"a.parquet", "b.parquet", `column "v" is missing`}},
		"NewColumn": {func(t *testing.T, dir string) {
			t.Helper()
			writeFile(t, dir, "a.parquet", idAndText[:1], 10, 10, func(i int) string { return fmt.Sprintf(`{"id":%d}`, i) })
			writeFile(t, dir, "b.parquet", idAndText, 10, 10, row)
		}, []string{`column "v" is new`}},
		"Truncated": {func(t *testing.T, dir string) {
			t.Helper()
			writeFile(t, dir, "a.parquet", idAndText, 10, 10, row)
			require.NoError(t, os.Truncate(filepath.Join(dir, "a.parquet"), 200))
		}, []string{"a.parquet", "it may be truncated"}},
		"Text": {func(t *testing.T, dir string) {
			t.Helper()
			require.NoError(t, os.WriteFile(filepath.Join(dir, "a.parquet"), []byte("id,v\n1,one\n2,two\n"), 0o644))
		}, []string{"a.parquet", "not a Parquet file"}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			_, err := inspect(t, dir, "")
			require.Error(t, err)
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
		})
	}
}

// Of columns that travel alone a row group comes whole if it fits, else in blocks all alike.
func TestRowGroupsAreCutEvenly(t *testing.T) {
	for _, c := range []struct{ rows, most, want int64 }{{100, 100, 100}, {101, 100, 51}, {1 << 20, 300_000, 1 << 18}, {7, 2, 2}, {1, 1 << 20, 1}} {
		require.Equal(t, c.want, evenly(c.rows, c.most), "%d rows, at most %d", c.rows, c.most)
	}
}

// inspectSource is inspect for a source with settings.
func inspectSource(t *testing.T, source, stages string) (*Facts, error) {
	t.Helper()
	spec, err := pipeline.Parse("spec.yaml", fmt.Appendf(nil, "apiVersion: levada/v1\nname: test\nsource: { parquet: { %s } }\n%ssink: { parquet: { uri: %q } }\n", source, stages, filepath.Join(t.TempDir(), "out")))
	require.NoError(t, err)
	return Inspect(t.Context(), spec, 1<<20)
}

// A filter on a column of the directories excludes files by their names.
func TestInspectPrunesByDirectory(t *testing.T) {
	dir := t.TempDir()
	for _, k := range []string{"k=1", "k=2", "k=" + pipeline.HiveNull} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, k), 0o755))
		writeFile(t, dir, k+"/a.parquet", idAndText, 100, 50, row)
	}
	for filter, pruned := range map[string]int64{"k == 2": 200, "k > 0": 100, "id < 50": 150, "k == 2 && id < 50": 250, "k == 7": 300} {
		f, err := inspectSource(t, fmt.Sprintf("uri: %q, hive: true", dir), fmt.Sprintf("stages: [{ name: keep, transform: [{ filter: %q }] }]\n", filter))
		require.NoError(t, err)
		require.Equal(t, pruned, f.PrunedRows, filter)
		require.Equal(t, "int64", f.Pipeline.Needed.Field(f.Pipeline.Needed.NumFields()-1).Type.String())
	}
}

// Directories that do not name the same columns are refused by name.
func TestInspectRefusesOtherDirectories(t *testing.T) {
	dir := t.TempDir()
	for _, k := range []string{"k=1", "l=2"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, k), 0o755))
		writeFile(t, dir, k+"/a.parquet", idAndText, 10, 10, row)
	}
	_, err := inspectSource(t, fmt.Sprintf("uri: %q, hive: true", dir), "")
	require.ErrorContains(t, err, `l=2/a.parquet: its directories name column "l", which those of `)
	_, err = inspectSource(t, fmt.Sprintf("uri: %q, hive: { year: int32 }", filepath.Join(dir, "k=1")), "")
	require.ErrorContains(t, err, `declares column "year", and no directory is of it`)

	dir = t.TempDir()
	for _, k := range []string{"a=1/b=2", "b=3/b=4"} {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, k), 0o755))
		writeFile(t, dir, k+"/a.parquet", idAndText, 10, 10, row)
	}
	_, err = inspectSource(t, fmt.Sprintf("uri: %q, hive: true", dir), "")
	require.ErrorContains(t, err, `b=3/b=4/a.parquet: two of its directories are of column "b"`)
}

// What the rules for files that differ make of two files, in words.
func TestInspectFilesThatDiffer(t *testing.T) {
	field := func(name string, dt arrow.DataType, nullable bool) arrow.Field {
		return arrow.Field{Name: name, Type: dt, Nullable: nullable}
	}
	i32, i64, f64, text := arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String
	for name, c := range map[string]struct {
		rule string
		a, b []arrow.Field
		want string // the columns, or the error
	}{
		"StrictNew":       {"strict", []arrow.Field{field("id", i64, false)}, []arrow.Field{field("id", i64, false), field("x", i64, true)}, `b.parquet: its schema differs from that of .*a.parquet: column "x" is new: read the files in two runs, or write schema: union`},
		"UnionNew":        {"union", []arrow.Field{field("id", i64, false)}, []arrow.Field{field("id", i64, false), field("x", i64, false)}, "^id int64 false, x int64 true$"},
		"UnionMissing":    {"union", []arrow.Field{field("id", i64, false), field("x", text, false)}, []arrow.Field{field("id", i64, false)}, "^id int64 false, x utf8 true$"},
		"UnionWidens":     {"union", []arrow.Field{field("id", i32, false)}, []arrow.Field{field("id", f64, true)}, "^id float64 true$"},
		"UnionReordered":  {"union", []arrow.Field{field("id", i64, false), field("x", i64, true)}, []arrow.Field{field("x", i64, true), field("id", i64, false)}, "^id int64 false, x int64 true$"},
		"UnionClash":      {"union", []arrow.Field{field("id", i64, false)}, []arrow.Field{field("id", f64, false)}, `b.parquet: column "id" is float64, and int64 in .*a.parquet: no type holds the values of both without loss`},
		"FirstIgnoresNew": {"first", []arrow.Field{field("id", i64, false)}, []arrow.Field{field("x", i64, true), field("id", i32, false)}, "^id int64 false$"},
		"FirstNull":       {"first", []arrow.Field{field("id", i64, false), field("x", text, true)}, []arrow.Field{field("id", i64, false)}, "^id int64 false, x utf8 true$"},
		"FirstNotNull":    {"first", []arrow.Field{field("id", i64, false), field("x", text, false)}, []arrow.Field{field("id", i64, false)}, `b.parquet: .*column "x" is missing, and cannot be null`},
		"FirstNullable":   {"first", []arrow.Field{field("id", i64, false)}, []arrow.Field{field("id", i64, true)}, `column "id" may have nulls, and has none in the first file`},
		"FirstClash":      {"first", []arrow.Field{field("id", i32, false)}, []arrow.Field{field("id", i64, false)}, `b.parquet: column "id" is int64, which does not fit the int32 of .*a.parquet: write schema: union`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, fields := range map[string][]arrow.Field{"a.parquet": c.a, "b.parquet": c.b} {
				writeFile(t, dir, file, fields, 3, 10, func(i int) string {
					var values []string
					for _, f := range fields {
						v := fmt.Sprint(i)
						if f.Type.ID() == arrow.STRING {
							v = fmt.Sprintf("%q", v)
						}
						values = append(values, fmt.Sprintf("%q:%s", f.Name, v))
					}
					return "{" + strings.Join(values, ",") + "}"
				})
			}
			f, err := inspectSource(t, fmt.Sprintf("uri: %q, schema: %s", dir, c.rule), "")
			if err != nil {
				require.Regexp(t, c.want, err.Error())
				return
			}
			var columns []string
			for _, fd := range f.Pipeline.Needed.Fields() {
				columns = append(columns, fmt.Sprint(fd.Name, " ", fd.Type, " ", fd.Nullable))
			}
			require.Regexp(t, c.want, strings.Join(columns, ", "))
		})
	}
}

// What is named like a file and is none is refused by name, or left out: it is never
// waited for, as the opening of a pipe would.
func TestInspectOfWhatIsNoFile(t *testing.T) {
	for name, place := range map[string]func(path string) error{
		"not a regular file":        func(path string) error { return syscall.Mkfifo(path, 0o644) },
		"no such file or directory": func(path string) error { return os.Symlink("nowhere", path) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			writeFile(t, dir, "a.parquet", idAndText, 10, 10, row)
			path := filepath.Join(dir, "b.parquet")
			require.NoError(t, place(path))
			_, err := inspect(t, dir, "")
			require.ErrorContains(t, err, path+": "+name)
			spec, err := pipeline.Parse("spec.yaml", fmt.Appendf(nil, "apiVersion: levada/v1\nname: test\nsource: { parquet: { uri: %q, on_bad_file: skip } }\nsink: { parquet: { uri: out } }\n", dir))
			require.NoError(t, err)
			f, err := Inspect(t.Context(), spec, 1<<20)
			require.NoError(t, err)
			require.EqualValues(t, 10, f.Rows)
			require.Len(t, f.Skipped, 1)
			require.Equal(t, path, f.Skipped[0].URI)
			require.Contains(t, f.Skipped[0].Reason, name)
		})
	}
}

// Two columns of one name are no damage, which a policy could skip: nobody has said which
// of them is meant.
func TestInspectRefusesColumnsOfOneName(t *testing.T) {
	dir := t.TempDir()
	schema := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}, {Name: "x", Type: arrow.PrimitiveTypes.Int64}, {Name: "x", Type: arrow.PrimitiveTypes.Int64}}, nil)
	col, _, err := array.FromJSON(memory.DefaultAllocator, arrow.PrimitiveTypes.Int64, strings.NewReader("[1,2,3]"))
	require.NoError(t, err)
	defer col.Release()
	batch := array.NewRecordBatch(schema, []arrow.Array{col, col, col}, 3)
	defer batch.Release()
	var out bytes.Buffer
	w, err := parquet.NewWriter(&out, schema, parquet.WriteOptions{Codec: "none", RowsPerGroup: 10})
	require.NoError(t, err)
	require.NoError(t, w.Write(batch))
	_, err = w.Close()
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "b.parquet"), out.Bytes(), 0o644))
	for _, o := range []string{"", ", schema: union", ", on_bad_file: skip"} {
		_, err = inspectSource(t, fmt.Sprintf("uri: %q%s", dir, o), "")
		require.ErrorContains(t, err, `b.parquet: column "x" is there 2 times: leave it out with source.parquet.columns`)
	}
	f, err := inspectSource(t, fmt.Sprintf("uri: %q, columns: [id]", dir), "")
	require.NoError(t, err)
	require.EqualValues(t, 3, f.Rows)
}
