package trial

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/pipeline"
)

func TestTypes(t *testing.T) {
	for text, want := range map[string]string{
		"int64": "int64", "string": "utf8", " Bool ": "bool", "date": "date32", "timestamp": "timestamp[us, tz=UTC]",
		"timestamp[ms]": "timestamp[ms]", "timestamp[ns, Europe/Lisbon]": "timestamp[ns, tz=Europe/Lisbon]", "timestamp[s,+01:00]": "timestamp[s, tz=+01:00]",
		"time[ms]": "time32[ms]", "time[ns]": "time64[ns]", "duration[s]": "duration[s]",
		"decimal(10, 2)": "decimal(10, 2)", "decimal(50,0)": "decimal256(50, 0)",
		"list<int8>": "list<item: int8, nullable>", "list<string not null>": "list<item: utf8>",
		"struct<a: int64, b: list<struct<c: bool>>>": "struct<a: int64 nullable, b: list<item: struct<c: bool nullable>, nullable> nullable>",
	} {
		f, err := parseField("x", text)
		require.NoError(t, err, text)
		require.True(t, f.Nullable)
		require.Equal(t, want, f.Type.String(), text)
	}
	f, err := parseField("x", "int64 not null")
	require.NoError(t, err)
	require.False(t, f.Nullable)
	for _, text := range []string{
		"", "int65", "int64 null", "list", "list<", "list<int64", "list<int64>>", "struct<>", "struct<a>", "struct<a int64>", "decimal", "decimal(a,b)", "decimal(10)",
		"decimal(100, 2)", "timestamp[weeks]", "timestamp[ms, Nowhere/Land]", "timestamp[ms,]", "time[", "duration[ms, UTC]", "int64[ms]",
		"list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<list<int8>>>>>>>>>>>>>>>>>>>>>>",
	} {
		_, err := parseField("x", text)
		require.Error(t, err, text)
	}
}

const spec = `apiVersion: levada/v1
name: test
source: { range: { rows: 10 } }
stages:
  - name: one
    transform:
      - filter: "id % 2 == 0"
      - with: { x: "12 % (id - 4)" }
  - name: two
    transform:
      - filter: "id != 6"
      - with: { y: "12 % (id - 8)" }
sink: { parquet: { uri: out } }
`

func compiled(t *testing.T) *pipeline.Pipeline {
	t.Helper()
	s, err := pipeline.Parse("spec.yaml", []byte(spec))
	require.NoError(t, err)
	p, err := pipeline.Compile(s, arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil))
	require.NoError(t, err)
	return p
}

// Rows that fail are named by their place among those that came in, through any stages
// that drop others before them; and the books balance.
func TestRun(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	p := compiled(t)
	b := array.NewRecordBuilder(mem, p.Source)
	for id := range int64(10) {
		b.Field(0).(*array.Int64Builder).Append(id)
	}
	in := b.NewRecordBatch()
	b.Release()
	defer in.Release()
	o, err := Run(t.Context(), mem, p.Stages, expr.Rows{}, in)
	require.NoError(t, err)
	defer o.Batch.Release()
	require.Equal(t, []int64{0, 2}, o.Batch.Column(0).(*array.Int64).Int64Values())
	require.Len(t, o.Failed, 2)
	require.Equal(t, int64(4), o.Failed[0].Row)
	require.Equal(t, "one/with[1]", o.Failed[0].Operator)
	require.Equal(t, int64(8), o.Failed[1].Row)
	require.Equal(t, "two/with[1]", o.Failed[1].Operator)
	dropped := int64(0)
	for _, d := range o.Dropped {
		dropped += d.Rows
	}
	require.Equal(t, o.In, o.Batch.NumRows()+dropped+int64(len(o.Failed)))
}

// Every type that a case can name takes values and gives them back.
func TestValues(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	f, err := pipeline.ParseTest("x_test.yaml", []byte(`pipeline: spec.yaml
columns:
  id: int64
  i: int8
  u: uint64
  f: float32
  h: float16
  s: large_string
  b: binary
  o: bool
  d: date
  t: timestamp[ms, Europe/Lisbon]
  c: time[ms]
  r: duration[ms]
  m: decimal(10, 2)
  l: list<int64>
  n: "struct<a: string, b: list<float64>>"
cases:
  - name: all
    in: &rows
      - { id: 2, i: -128, u: 18446744073709551615, f: 1.5, h: .nan, s: "null", b: aGk=, o: true, d: 2024-02-29, t: 2024-01-31T10:00:00Z, c: "10:00:00", r: 1h30m, m: 12.50, l: [1, null], n: { a: x, b: [1.5] } }
      - { id: 0 }
    out: *rows
`))
	require.NoError(t, err)
	s, err := pipeline.Parse("spec.yaml", []byte(spec))
	require.NoError(t, err)
	schema, err := Schema(f, &f.Cases[0], nil)
	require.NoError(t, err)
	v, err := Case(t.Context(), mem, f, &f.Cases[0], s, schema)
	require.NoError(t, err)
	require.Empty(t, v.Wrong)

	for column, wrong := range map[string]string{"i": "128", "u": "-1", "f": "x", "o": "1", "d": "2024-02-30", "m": "x", "l": "1", "n": "[1]", "id": "1.5", "r": "later"} {
		f, err := pipeline.ParseTest("x_test.yaml", []byte("pipeline: spec.yaml\ncases: [{ name: one, in: [{ "+column+": "+wrong+" }], out: [] }]\n"))
		require.NoError(t, err)
		_, err = Case(t.Context(), mem, f, &f.Cases[0], s, schema)
		require.ErrorContains(t, err, "x_test.yaml:2:", column)
	}
}

// Aliases make no value without an end.
func TestValuesAreBounded(t *testing.T) {
	for _, value := range []string{"&a [*a]", "&a { b: *a }", "[&a [1,1,1,1,1,1,1,1], &b [*a,*a,*a,*a,*a,*a,*a,*a], &c [*b,*b,*b,*b,*b,*b,*b,*b], &d [*c,*c,*c,*c,*c,*c,*c,*c], &e [*d,*d,*d,*d,*d,*d,*d,*d], [*e,*e,*e,*e,*e,*e,*e,*e]]"} {
		_, err := pipeline.ParseTest("x_test.yaml", []byte("pipeline: spec.yaml\ncases: [{ name: one, in: [{ l: "+value+" }], out: [] }]\n"))
		require.ErrorContains(t, err, "parts")
	}
}

// The cases of the examples hold, as a user runs them.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("../../../examples/*_test.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		f, err := pipeline.ParseTest(file, data)
		require.NoError(t, err)
		text, err := os.ReadFile(filepath.Join(filepath.Dir(file), f.Pipeline))
		require.NoError(t, err)
		s, err := pipeline.Parse(f.Pipeline, text)
		require.NoError(t, err)
		for i := range f.Cases {
			schema, err := Schema(f, &f.Cases[i], nil)
			require.NoError(t, err)
			v, err := Case(t.Context(), mem, f, &f.Cases[i], s, schema)
			require.NoError(t, err)
			require.Empty(t, v.Wrong, "%s: %s", file, v.Name)
		}
		mem.AssertSize(t, 0)
	}
}
