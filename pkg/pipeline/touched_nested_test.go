package pipeline

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

// An expression that looks into a struct or a list touches the column as a whole, and no
// other: that one travels, and what travels gives the same rows.
func TestTouchedOfNestedColumns(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	place := arrow.StructOf(arrow.Field{Name: "n", Type: arrow.PrimitiveTypes.Int64, Nullable: true}, arrow.Field{Name: "t", Type: arrow.BinaryTypes.String})
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "place", Type: place, Nullable: true},
		{Name: "xs", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64), Nullable: true},
		{Name: "note", Type: arrow.BinaryTypes.String},
	}, nil)
	rng := rand.New(rand.NewPCG(1, 2))
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	for i := range 300 {
		b.Field(0).(*array.Int64Builder).Append(int64(i))
		b.Field(3).(*array.StringBuilder).Append(fmt.Sprint("note ", i))
		s, xs := b.Field(1).(*array.StructBuilder), b.Field(2).(*array.ListBuilder)
		s.Append(rng.IntN(5) > 0)
		s.FieldBuilder(0).(*array.Int64Builder).Append(rng.Int64N(10))
		s.FieldBuilder(1).(*array.StringBuilder).Append("a,b")
		xs.Append(rng.IntN(5) > 0)
		for range rng.IntN(4) {
			xs.ValueBuilder().(*array.Int64Builder).Append(rng.Int64N(10))
		}
	}
	source := b.NewRecordBatch()
	defer source.Release()
	for _, c := range []struct {
		operators string
		travels   []string
		what      string
	}{
		{`with: { m: "place.n + 1" }`, []string{"place"}, "no row is dropped"},
		{`with: { place: "place.t" }`, []string{"place"}, "no row is dropped"},
		{`with: { all: "place", first: "xs[0]" }`, []string{"place", "xs"}, "no row is dropped"},
		{`filter: "xs.exists(x, x > place.n)"`, []string{"place", "xs"}, "rows are dropped"},
		{`with: { r: "100 / (xs[0] - 5)", parts: "split(place.t, ',')" }`, []string{"place", "xs"}, "rows fail"},
	} {
		text := "apiVersion: levada/v1\nname: n\nsource: { parquet: { uri: in } }\nstages: [{ name: s, transform: [{ " + c.operators + " }] }]\nsink: { parquet: { uri: out } }\n"
		spec, err := Parse("spec.yaml", []byte(text))
		require.NoError(t, err, text)
		p, err := Compile(spec, schema)
		require.NoError(t, err, text)
		touched, err := p.Touched()
		require.NoError(t, err, text)
		require.Equal(t, c.travels, names(touched.Source), text)
		require.Equal(t, c.what, touchedIsWhole(t, mem, p, source, text), text)
	}
}
