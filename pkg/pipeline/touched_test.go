package pipeline

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/pkg/operator"
)

// outcome is what comes out of a pipeline without a server: rows, and of each its row of
// the source.
type outcome struct {
	batch arrow.RecordBatch
	rows  []uint32
	dead  []uint32 // rows of the source that failed
}

// through runs all stages over the columns of in that the source of p has. The caller must
// Release the outcome's batch.
func through(t *testing.T, mem memory.Allocator, p *Pipeline, in arrow.RecordBatch) (o outcome) {
	t.Helper()
	o.batch = project(in, p.Source)
	o.rows = make([]uint32, in.NumRows())
	for i := range o.rows {
		o.rows[i] = uint32(i)
	}
	for _, st := range p.Stages {
		if o.batch.NumRows() == 0 {
			break
		}
		out, err := st.Chain.RunAt(context.Background(), mem, o.batch, operator.Rows{Offsets: o.rows})
		o.batch.Release()
		require.NoError(t, err)
		for _, f := range out.Failed {
			o.dead = append(o.dead, o.rows[f.Row])
		}
		if out.Kept != nil {
			kept := make([]uint32, len(out.Kept))
			for i, k := range out.Kept {
				kept[i] = o.rows[k]
			}
			o.rows = kept
		}
		o.batch = out.Batch
	}
	slices.Sort(o.dead)
	return o
}

// project picks the columns of a schema by name. The caller must Release the result.
func project(in arrow.RecordBatch, schema *arrow.Schema) arrow.RecordBatch {
	cols := make([]arrow.Array, schema.NumFields())
	for i, f := range schema.Fields() {
		cols[i] = in.Column(in.Schema().FieldIndices(f.Name)[0])
	}
	return array.NewRecordBatch(schema, cols, in.NumRows())
}

// assemble does what the writer does with what reaches it: it adds the other columns from
// the rows of the source. The caller must Release the result.
func assemble(t *testing.T, mem memory.Allocator, p *Pipeline, o outcome, source arrow.RecordBatch) arrow.RecordBatch {
	t.Helper()
	rows, err := operator.Take(context.Background(), mem, source, o.rows)
	require.NoError(t, err)
	defer rows.Release()
	cols := make([]arrow.Array, len(p.Origins))
	for i, origin := range p.Origins {
		switch {
		case origin.Carried >= 0:
			cols[i] = o.batch.Column(origin.Carried)
		default:
			require.NotEmpty(t, origin.Source, "column %d comes from nowhere", i)
			cols[i] = rows.Column(source.Schema().FieldIndices(origin.Source)[0])
		}
		if origin.Carried >= 0 && origin.Source != "" { // both ways to it must be the same
			require.True(t, array.Equal(cols[i], rows.Column(source.Schema().FieldIndices(origin.Source)[0])), "column %d", i)
		}
	}
	return array.NewRecordBatch(p.Out, cols, int64(len(o.rows)))
}

// drawn draws operators over columns of numbers and of texts; what it makes may fail for
// some rows.
type drawn struct {
	rng   *rand.Rand
	cols  []string // of which those that begin with t hold text
	fresh int
}

func (d *drawn) pick(text bool) string {
	some := slices.DeleteFunc(slices.Clone(d.cols), func(c string) bool { return strings.HasPrefix(c, "t") != text })
	if len(some) == 0 {
		return ""
	}
	return some[d.rng.IntN(len(some))]
}

func (d *drawn) operator() string {
	n, s := d.pick(false), d.pick(true)
	switch k := d.rng.IntN(13); {
	case k == 0 && n != "":
		return fmt.Sprintf("filter: \"isNull(%s) || %s %% %d != 0\"", n, n, 2+d.rng.IntN(4))
	case k == 1 && s != "":
		return fmt.Sprintf("filter: \"!isNull(%s) && size(%s) > %d\"", s, s, d.rng.IntN(4))
	case k == 2 && n != "": // replaced, or new; a row may fail
		name := d.pick(false)
		if d.rng.IntN(2) == 0 {
			d.fresh++
			name = fmt.Sprintf("n%d", d.fresh)
			d.cols = append(d.cols, name)
		}
		return fmt.Sprintf("with: { %s: \"%s\" }", name, []string{n + " + 1", "coalesce(" + n + ", 7)", "100 / (" + n + " - 5)", "3"}[d.rng.IntN(4)])
	case k == 3 && s != "":
		return fmt.Sprintf("mask: { column: %s, method: %s }", s, []string{"sha256", "keep_last, n: 2"}[d.rng.IntN(2)])
	case k == 4:
		d.rng.Shuffle(len(d.cols), func(i, j int) { d.cols[i], d.cols[j] = d.cols[j], d.cols[i] })
		d.cols = slices.Clone(d.cols[:1+d.rng.IntN(len(d.cols))])
		return "select: [" + strings.Join(d.cols, ", ") + "]"
	case k == 5 && len(d.cols) > 1:
		gone := d.cols[0]
		d.cols = slices.Clone(d.cols[1:])
		return "drop: [" + gone + "]"
	case k == 6 && len(d.cols) > 1: // names change places
		i, j := d.rng.IntN(len(d.cols)), d.rng.IntN(len(d.cols))
		a, b := d.cols[i], d.cols[j]
		if i == j || a[0] != b[0] {
			return "rename: { " + d.renamed(i) + " }"
		}
		d.cols = slices.Clone(d.cols)
		d.cols[i], d.cols[j] = b, a
		return fmt.Sprintf("rename: { %s: %s, %s: %s }", a, b, b, a)
	case k == 8 && n != "": // changes nothing, or makes a text of a number and a number of a text again
		if d.rng.IntN(2) == 0 {
			return fmt.Sprintf("cast: { %s: int64 }", n)
		}
		return fmt.Sprintf("cast: { %s: { to: int8, on_fail: \"null\" } }\n      - cast: { %s: int64 }", n, n)
	case k == 9 && n != "":
		return fmt.Sprintf("fill_null: { %s: %d }", n, d.rng.IntN(9))
	case k == 10 && s != "":
		return fmt.Sprintf("fill_null: { %s: é }", s)
	case k == 11:
		return fmt.Sprintf("sample: { fraction: %.2f, seed: %d }", d.rng.Float64(), d.rng.IntN(99))
	case k == 12 && n != "":
		return fmt.Sprintf("assert: { expr: \"%s %% 3 != 0\", on_fail: %s }", n, []string{"drop", "dead_letter"}[d.rng.IntN(2)])
	default:
		return "rename: { " + d.renamed(d.rng.IntN(len(d.cols))) + " }"
	}
}

func (d *drawn) renamed(i int) string {
	d.fresh++
	old, name := d.cols[i], fmt.Sprintf("%cr%d", d.cols[i][0], d.fresh)
	d.cols = slices.Clone(d.cols)
	d.cols[i] = name
	return old + ": " + name
}

// touchedTable has numbers and texts, with nulls and without.
func touchedTable(mem memory.Allocator, rng *rand.Rand, rows int) arrow.RecordBatch {
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "na", Type: arrow.PrimitiveTypes.Int64},
		{Name: "nb", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
		{Name: "nc", Type: arrow.PrimitiveTypes.Int64},
		{Name: "td", Type: arrow.BinaryTypes.String},
		{Name: "te", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "nf", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	for range rows {
		for i, f := range schema.Fields() {
			null := f.Nullable && rng.IntN(4) == 0
			switch col := b.Field(i).(type) {
			case *array.Int64Builder:
				col.Append(rng.Int64N(12))
			case *array.StringBuilder:
				col.Append(strings.Repeat("é", rng.IntN(6)))
			}
			if null {
				b.Field(i).SetNull(b.Field(i).Len() - 1)
			}
		}
	}
	return b.NewRecordBatch()
}

// However columns are read, made, renamed, dropped and masked: the writer, who adds those
// that have not travelled, has the same rows as one to whom all have come. A pipeline that
// has no such form says why.
func TestTouchedChangesNothingOfTheRows(t *testing.T) {
	rounds.Alone(t)
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	rng := rand.New(rand.NewPCG(3, 4))
	counts := map[string]int{}
	for range 3000 {
		source := touchedTable(mem, rng, 1+rng.IntN(40))
		d := &drawn{rng: rng, cols: names(source.Schema())}
		var b strings.Builder
		for i := range rng.IntN(4) {
			fmt.Fprintf(&b, "  - name: s%d\n    transform:\n", i)
			for range 1 + rng.IntN(3) {
				fmt.Fprintf(&b, "      - %s\n", d.operator())
			}
		}
		stages := b.String()
		if stages != "" {
			stages = "stages:\n" + stages
		}
		text := "apiVersion: levada/v1\nname: n\nsource: { parquet: { uri: in } }\n" + stages + "sink: { parquet: { uri: out } }\n"
		spec, err := Parse("spec.yaml", []byte(text))
		require.NoError(t, err, text)
		p, err := Compile(spec, source.Schema())
		require.NoError(t, err, text)
		counts[touchedIsWhole(t, mem, p, source, text)]++
		source.Release()
	}
	t.Log(counts)
	for _, what := range []string{"refused", "nothing travels", "rows are dropped", "no row is dropped", "rows fail"} {
		require.Greater(t, counts[what], 50, what)
	}
}

// touchedIsWhole runs a pipeline both ways and says what kind of case it was.
func touchedIsWhole(t *testing.T, mem memory.Allocator, p *Pipeline, source arrow.RecordBatch, text string) string {
	t.Helper()
	touched, err := p.Touched()
	if err != nil {
		require.ErrorContains(t, err, "every column", text)
		return "refused"
	}
	require.True(t, touched.Out.Equal(p.Out), text)
	require.Less(t, touched.Source.NumFields(), p.Source.NumFields()+1, text)
	whole, late := through(t, mem, p, source), through(t, mem, touched, source)
	defer whole.batch.Release()
	defer late.batch.Release()
	require.Equal(t, whole.rows, late.rows, text)
	require.Equal(t, whole.dead, late.dead, text)
	if late.batch.NumRows() > 0 { // else the block has no batch when it comes
		require.True(t, late.batch.Schema().Equal(touched.Carried), "%s%s\n%s", text, late.batch.Schema(), touched.Carried)
		got := assemble(t, mem, touched, late, source)
		defer got.Release()
		require.True(t, array.RecordEqual(whole.batch, got), "%s%s\n%s", text, whole.batch, got)
	}
	switch {
	case len(late.dead) > 0:
		return "rows fail"
	case touched.Carried.NumFields() == 0:
		return "nothing travels"
	case p.Drops():
		return "rows are dropped"
	}
	return "no row is dropped"
}
