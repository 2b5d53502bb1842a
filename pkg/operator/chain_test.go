package operator_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/operator"
	"github.com/levada-data/levada/pkg/operator/operatortest"
)

var schema = arrow.NewSchema([]arrow.Field{
	{Name: "id", Type: arrow.PrimitiveTypes.Int64},
	{Name: "v", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	{Name: "s", Type: arrow.BinaryTypes.String, Nullable: true},
	{Name: "f", Type: arrow.PrimitiveTypes.Float64, Nullable: true},
	{Name: "list", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
	{Name: "dec", Type: &arrow.Decimal128Type{Precision: 10, Scale: 2}, Nullable: true},
	{Name: "st", Type: arrow.StructOf(
		arrow.Field{Name: "city", Type: arrow.BinaryTypes.String, Nullable: true},
		arrow.Field{Name: "at", Type: arrow.StructOf(
			arrow.Field{Name: "lat", Type: arrow.PrimitiveTypes.Float64},
			arrow.Field{Name: "ok", Type: arrow.FixedWidthTypes.Boolean, Nullable: true},
			arrow.Field{Name: "tags", Type: arrow.ListOf(arrow.PrimitiveTypes.Int32), Nullable: true},
		), Nullable: true},
	), Nullable: true},
}, nil)

func compile(t testing.TB, in *arrow.Schema, src string) *expr.Program {
	t.Helper()
	p, err := expr.Compile(src, in)
	require.NoError(t, err)
	return p
}

func filter(t testing.TB, in *arrow.Schema, src string) operator.Operator {
	t.Helper()
	op, err := operator.Filter(in, compile(t, in, src))
	require.NoError(t, err)
	return op
}

func with(t testing.TB, in *arrow.Schema, name, src string) operator.Operator {
	t.Helper()
	op, err := operator.With(in, []operator.Computed{{Name: name, Program: compile(t, in, src)}})
	require.NoError(t, err)
	return op
}

// Every operator keeps the contract.
func TestConformance(t *testing.T) {
	must := func(op operator.Operator, err error) operator.Operator {
		require.NoError(t, err)
		return op
	}
	for name, op := range map[string]operator.Operator{
		"select":        must(operator.Select(schema, []string{"dec", "id", "list"})),
		"drop":          must(operator.Remove(schema, []string{"f", "s"})),
		"rename":        must(operator.Rename(schema, map[string]string{"id": "v", "v": "id"})),
		"filter":        filter(t, schema, "v > 10 && id % 3 != 0"),
		"filter/all":    filter(t, schema, "id >= 0"),
		"filter/none":   filter(t, schema, "id < 0"),
		"filter/fails":  filter(t, schema, "100 % (v - 4) >= 0"),
		"with":          with(t, schema, "twice", "v + v"),
		"with/replaces": with(t, schema, "v", "f / 2"),
		"with/fails":    with(t, schema, "x", "100 % (v - 4)"),
		"mask":          mask(t, schema, "s", operator.SHA256{}),
		"cast": must(operator.Cast(schema, []operator.CastColumn{
			{Name: "id", To: arrow.BinaryTypes.String}, {Name: "f", To: &arrow.Decimal128Type{Precision: 20, Scale: 3}}, {Name: "dec", To: arrow.PrimitiveTypes.Float32},
		})),
		"cast/same":    must(operator.Cast(schema, []operator.CastColumn{{Name: "id", To: arrow.PrimitiveTypes.Int64}})),
		"cast/fails":   must(operator.Cast(schema, []operator.CastColumn{{Name: "v", To: arrow.PrimitiveTypes.Int8}, {Name: "f", To: arrow.PrimitiveTypes.Uint8}})),
		"cast/null":    must(operator.Cast(schema, []operator.CastColumn{{Name: "id", To: arrow.PrimitiveTypes.Int8, Null: true}, {Name: "s", To: arrow.FixedWidthTypes.Date32, Null: true}})),
		"fill_null":    must(operator.FillNull(schema, []operator.Fill{{Column: "v", Value: "-1"}, {Column: "s", Value: ""}, {Column: "dec", Value: "1.25"}, {Column: "id", Value: "7"}})),
		"unnest":       must(operator.Unnest(schema, []string{"st"})),
		"flatten":      must(operator.Flatten(schema, []string{"st"}, "_")),
		"sample":       must(operator.Sample(schema, 0.3, 7)),
		"sample/all":   must(operator.Sample(schema, 1, 0)),
		"sample/none":  must(operator.Sample(schema, 0, 0)),
		"limit":        must(operator.Limit(schema, 120)),
		"limit/none":   must(operator.Limit(schema, 0)),
		"limit/all":    must(operator.Limit(schema, 1000)),
		"assert/holds": must(operator.Assert(schema, compile(t, schema, "id >= 0"), operator.OnFailFail)),
		"assert/drop":  must(operator.Assert(schema, compile(t, schema, "100 % (v - 4) >= 0 && v > 50"), operator.OnFailDrop)),
		"assert/dead":  must(operator.Assert(schema, compile(t, schema, "100 % (v - 4) >= 0 && v > 50"), operator.OnFailDeadLetter)),
	} {
		t.Run(name, func(t *testing.T) { operatortest.Run(t, schema, op) })
	}
}

// Rows are known by their place in the chain's input, however many operators drop or
// fail some before.
func TestChainKeepsAccountOfEveryRow(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil)
	chain := operator.NewChain(
		filter(t, in, "id % 2 == 0"),       // 0 2 4 .. 18
		with(t, in, "x", "100 / 5"),        // all
		with(t, in, "id", "id % (id - 6)"), // 6 fails
	)
	second := operator.NewChain(append(slices.Clone(chain.Operators()), filter(t, chain.Operators()[2].Out(), "id != 2"))...)
	b := array.NewInt64Builder(mem)
	for i := range int64(20) {
		b.Append(i)
	}
	col := b.NewInt64Array()
	b.Release()
	batch := array.NewRecordBatch(in, []arrow.Array{col}, 20)
	col.Release()
	defer batch.Release()

	out, err := second.Run(t.Context(), mem, batch)
	require.NoError(t, err)
	defer out.Batch.Release()
	require.Len(t, out.Failed, 1)
	require.Equal(t, 6, out.Failed[0].Row)
	require.Equal(t, "with[2]", out.Failed[0].Operator)
	require.Equal(t, "id", out.Failed[0].Column)
	require.ErrorIs(t, out.Failed[0].Err, expr.ErrDivideByZero)
	dropped := int64(0)
	for _, d := range out.Dropped {
		dropped += d.Rows
	}
	require.Equal(t, operator.Drop{Operator: "filter[0]", Rows: 10}, out.Dropped[0])
	require.Equal(t, int64(20), out.Batch.NumRows()+dropped+int64(len(out.Failed)))
	require.Len(t, out.Kept, int(out.Batch.NumRows()))
	require.True(t, slices.IsSorted(out.Kept))
	for _, k := range out.Kept {
		require.Zero(t, k%2)
		require.NotEqual(t, uint32(6), k)
	}
}

// panics is an operator that is broken.
type panics struct{ out *arrow.Schema }

func (p panics) Kind() string       { return "panics" }
func (p panics) From() []int        { return []int{0} }
func (p panics) Out() *arrow.Schema { return p.out }
func (p panics) Apply(context.Context, memory.Allocator, arrow.RecordBatch) (operator.Result, error) {
	panic("a value that nobody may see")
}

func TestPanicIsAnErrorWithoutTheValue(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	batch := operatortest.Batch(mem, schema, 10)
	defer batch.Release()
	_, err := operator.NewChain(filter(t, schema, "id > 3"), panics{schema}).Run(t.Context(), mem, batch)
	var p *operator.PanicError
	require.ErrorAs(t, err, &p)
	require.Equal(t, "panics[1]", p.Operator)
	require.NotContains(t, err.Error(), "nobody may see")
	require.NotEmpty(t, p.Stack)
}

func TestColumnErrorsSayWhatToDo(t *testing.T) {
	for want, build := range map[string]func() (operator.Operator, error){
		`column "x" does not exist here`: func() (operator.Operator, error) { return operator.Select(schema, []string{"x"}) },
		`column "id" is selected twice`:  func() (operator.Operator, error) { return operator.Select(schema, []string{"id", "id"}) },
		`no column is left`: func() (operator.Operator, error) {
			return operator.Remove(schema, []string{"id", "v", "s", "f", "list", "dec", "st"})
		},
		`column "v" would be there twice`: func() (operator.Operator, error) { return operator.Rename(schema, map[string]string{"id": "v"}) },
		`a filter needs true or false`:    func() (operator.Operator, error) { return operator.Filter(schema, compile(t, schema, "id + 1")) },
		`column "x" is computed twice`: func() (operator.Operator, error) {
			p := compile(t, schema, "1")
			return operator.With(schema, []operator.Computed{{Name: "x", Program: p}, {Name: "x", Program: p}})
		},
	} {
		_, err := build()
		require.ErrorContains(t, err, want)
	}
}

func ExampleChain() {
	in := arrow.NewSchema([]arrow.Field{{Name: "amount", Type: arrow.PrimitiveTypes.Float64}}, nil)
	large, _ := expr.Compile("amount > 20.0", in)
	euros, _ := expr.Compile("amount * 0.5", in)
	keep, _ := operator.Filter(in, large)
	add, _ := operator.With(in, []operator.Computed{{Name: "eur", Program: euros}})
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	b.AppendValues([]float64{10, 30, 50}, nil)
	batch := array.NewRecordBatch(in, []arrow.Array{b.NewArray()}, 3)

	out, err := operator.NewChain(keep, add).Run(context.Background(), memory.DefaultAllocator, batch)
	fmt.Println(out.Kept, out.Dropped, out.Batch.Column(1), err)
	// Output: [1 2] [{filter[0] 1}] [15 25] <nil>
}

func benchmark(b *testing.B, op operator.Operator) {
	b.Helper()
	const rows = 65536
	batch := operatortest.Batch(memory.DefaultAllocator, schema, rows)
	b.ReportAllocs()
	for b.Loop() {
		res, err := op.Apply(b.Context(), memory.DefaultAllocator, batch)
		if err != nil {
			b.Fatal(err)
		}
		res.Batch.Release()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rows, "ns/row")
}

func BenchmarkFilter(b *testing.B) { benchmark(b, filter(b, schema, "v > 300")) }
func BenchmarkWith(b *testing.B)   { benchmark(b, with(b, schema, "x", "f * 0.92")) }
func BenchmarkSelect(b *testing.B) {
	op, err := operator.Select(schema, []string{"id", "f"})
	require.NoError(b, err)
	benchmark(b, op)
}
