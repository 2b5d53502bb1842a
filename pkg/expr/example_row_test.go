package expr

import (
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
)

// sampleRow is the row of the reference page.
func sampleRow(t *testing.T, mem memory.Allocator) arrow.RecordBatch {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "visits", Type: arrow.PrimitiveTypes.Int64},
		{Name: "amount", Type: arrow.PrimitiveTypes.Float64},
		{Name: "country", Type: arrow.BinaryTypes.String},
		{Name: "email", Type: arrow.BinaryTypes.String},
		{Name: "active", Type: arrow.FixedWidthTypes.Boolean},
		{Name: "at", Type: arrow.FixedWidthTypes.Timestamp_us},
		{Name: "address", Type: arrow.StructOf(arrow.Field{Name: "city", Type: arrow.BinaryTypes.String}, arrow.Field{Name: "zip", Type: arrow.BinaryTypes.String, Nullable: true})},
		{Name: "scores", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)},
		{Name: "items", Type: arrow.ListOf(arrow.StructOf(arrow.Field{Name: "name", Type: arrow.BinaryTypes.String}, arrow.Field{Name: "price", Type: arrow.PrimitiveTypes.Float64}))},
		{Name: "labels", Type: arrow.MapOf(arrow.BinaryTypes.String, arrow.BinaryTypes.String)},
		{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true},
	}, nil)
	rows := `[{"visits":3,"amount":12.5,"country":"PT","email":"ana@example.org","active":true,"at":"2024-02-29 10:30:00Z","note":null,
		"address":{"city":"Lisboa","zip":null},"scores":[7,2,9],"items":[{"name":"pen","price":1.5},{"name":"book","price":20}],
		"labels":[{"key":"tier","value":"gold"}]}]`
	batch, _, err := array.RecordFromJSON(mem, schema, strings.NewReader(rows))
	require.NoError(t, err)
	return batch
}

func TestExamplesOfTheReferencePage(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	defer mem.AssertSize(t, 0)
	row := sampleRow(t, mem)
	defer row.Release()
	ctx := WithRows(t.Context(), &Rows{File: "customers.parquet", InFile: 1, Before: 40})
	for _, f := range functions() {
		for _, x := range f.examples {
			t.Run(x.expression, func(t *testing.T) {
				p, err := Compile(x.expression, row.Schema())
				require.NoError(t, err)
				got, failed, err := p.Eval(ctx, mem, row)
				require.NoError(t, err)
				defer got.Release()
				if reason, fails := strings.CutPrefix(x.result, "row error: "); fails {
					require.Len(t, failed, 1)
					require.EqualError(t, failed[0].Err, reason)
					require.True(t, got.IsNull(0))
					return
				}
				require.Empty(t, failed)
				if x.result == "null" {
					require.True(t, got.IsNull(0), "%v", got)
					require.True(t, p.Nullable())
					return
				}
				result, err := Compile(x.result, row.Schema())
				require.NoError(t, err)
				want, _, err := result.Eval(t.Context(), mem, row)
				require.NoError(t, err)
				defer want.Release()
				require.True(t, array.Equal(want, got), "got %v, want %v", got, want)
			})
		}
	}
}
