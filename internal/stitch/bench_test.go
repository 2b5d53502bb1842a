package stitch_test

import (
	"io"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/stitch"
)

// benchRows is a row group of the benchmarks: four columns, about 65 bytes a row.
const benchRows = 120_000

func benchFields() []arrow.Field {
	return []arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "ts", Type: arrow.FixedWidthTypes.Timestamp_us, Nullable: true},
		{Name: "quantity", Type: arrow.PrimitiveTypes.Int32, Nullable: true},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
	}
}

type bench struct {
	rows   arrow.RecordBatch
	source *stitch.Source
	layout *stitch.Layout
	copied stitch.Group // all of it, byte for byte
}

func newBench(t testing.TB) *bench {
	t.Helper()
	fs := benchFields()
	b := &bench{rows: batch(t, fs, benchRows, 1, 1<<30), layout: layout(t, stitch.Options{}, fs...)}
	b.source = open(t, write(t, form{codec: compress.Codecs.Snappy}, b.rows))
	b.copied = all(b.source, 0, fs)
	return b
}

// gathered keeps 68 % of the rows.
func (b *bench) gathered() stitch.Group {
	g := b.copied
	rng := rand.New(rand.NewPCG(1, 1))
	for r := range uint32(benchRows) {
		if rng.Float64() < 0.68 {
			g.Keep = append(g.Keep, r)
		}
	}
	g.Rows = int64(len(g.Keep))
	return g
}

// encoded makes the columns of arrays.
func (b *bench) encoded() stitch.Group {
	g := stitch.Group{Rows: benchRows}
	for i := range benchFields() {
		g.Columns = append(g.Columns, stitch.Column{Values: []arrow.Array{b.rows.Column(i)}})
	}
	return g
}

func (b *bench) decode(t testing.TB, d *stitch.Decoder) {
	t.Helper()
	require.NoError(t, d.Begin(b.source, 0, arrow.NewSchema(benchFields(), nil)))
	rows, err := d.Next(t.Context(), memory.DefaultAllocator, benchRows)
	require.NoError(t, err)
	rows.Release()
}

func perRow(b *testing.B, f func()) {
	b.Helper()
	f() // buffers have their size
	b.ReportAllocs()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchRows, "ns/row")
}

func (b *bench) append(t testing.TB, g stitch.Group) func() {
	t.Helper()
	w := stitch.NewWriter(io.Discard, b.layout)
	return func() { require.NoError(t, w.Append(t.Context(), g)) }
}

func BenchmarkCopy(b *testing.B)   { k := newBench(b); perRow(b, k.append(b, k.copied)) }
func BenchmarkGather(b *testing.B) { k := newBench(b); perRow(b, k.append(b, k.gathered())) }
func BenchmarkEncode(b *testing.B) { k := newBench(b); perRow(b, k.append(b, k.encoded())) }

func BenchmarkDecode(b *testing.B) {
	k, d := newBench(b), &stitch.Decoder{}
	defer d.Close()
	perRow(b, func() { k.decode(b, d) })
}

// A row group costs a number of allocations that does not grow with its rows: what is
// said of each chunk and page, and the buffers of arrays.
func TestAllocations(t *testing.T) {
	k, d := newBench(t), &stitch.Decoder{}
	defer d.Close()
	for _, c := range []struct {
		name string
		most float64
		f    func()
	}{
		{"copy", 80, k.append(t, k.copied)},
		{"gather", 180, k.append(t, k.gathered())},
		{"encode", 220, k.append(t, k.encoded())},
		{"decode", 90, func() { k.decode(t, d) }},
	} {
		c.f()
		n := testing.AllocsPerRun(5, c.f)
		t.Logf("%s: %.0f allocations for %d rows", c.name, n, benchRows)
		require.LessOrEqual(t, n, c.most, c.name)
	}
}
