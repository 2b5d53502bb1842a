package expr_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
)

// However a batch is cut and filtered, its rows keep their numbers and their UUIDs.
func TestRowsAreWhereTheyAre(t *testing.T) {
	mem := checked(t)
	n := compile(t, "rowNumber()", testSchema())
	id := compile(t, "coalesce(ss.exists(x, uuid() == x), false) ? '' : uuid()", testSchema())
	require.True(t, n.NeedsRows())
	require.True(t, id.NeedsRows())
	require.Empty(t, n.Columns())
	require.Equal(t, arrow.PrimitiveTypes.Int64, n.Type())
	require.False(t, n.Nullable())
	batch := func(rows int) arrow.RecordBatch {
		b := array.NewRecordBatch(testSchema(), nullColumns(t, rows), int64(rows))
		t.Cleanup(b.Release)
		return b
	}
	uuids := func(rows *expr.Rows, count int) (all []string) {
		a, _, err := id.Eval(expr.WithRows(t.Context(), rows), mem, batch(count))
		require.NoError(t, err)
		defer a.Release()
		for i := range a.Len() {
			all = append(all, a.ValueStr(i))
		}
		return all
	}
	whole := uuids(&expr.Rows{File: "a", InFile: 0}, 3000)
	require.NotEqual(t, whole, uuids(&expr.Rows{File: "b"}, 3000))
	rows := &expr.Rows{File: "a", InFile: 100, Before: 7000, Offsets: make([]uint32, 2000)}
	for i := range rows.Offsets {
		rows.Offsets[i] = uint32(i)
	}
	rows = rows.Slice(10, 2000).Keep([]uint32{0, 5, 900, 1989}).Slice(1, 4).Keep(nil).Keep([]uint32{0, 2})
	want := []int64{115, 2099}
	require.Equal(t, []string{whole[want[0]], whole[want[1]]}, uuids(rows, 2))
	dense := (&expr.Rows{File: "a", InFile: 50}).Slice(20, 40).Keep([]uint32{19})
	require.Equal(t, []string{whole[89]}, uuids(dense, 1))

	a, _, err := n.Eval(expr.WithRows(t.Context(), rows), mem, batch(2))
	require.NoError(t, err)
	defer a.Release()
	require.Equal(t, []int64{7115, 9099}, a.(*array.Int64).Int64Values())

	_, _, err = n.Eval(t.Context(), mem, batch(2))
	require.ErrorIs(t, err, expr.ErrNoRows)
}

func nullColumns(t *testing.T, rows int) (columns []arrow.Array) {
	t.Helper()
	for _, c := range testColumns {
		a := array.MakeArrayOfNull(checked(t), c.typ, rows)
		t.Cleanup(a.Release)
		columns = append(columns, a)
	}
	return columns
}
