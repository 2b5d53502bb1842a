package transform

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/operator"
)

var numbers = arrow.NewSchema([]arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Int64}}, nil)

// batch holds the numbers [0,n). The caller must Release it.
func batch(mem memory.Allocator, n int64) arrow.RecordBatch {
	b := array.NewInt64Builder(mem)
	defer b.Release()
	for v := range n {
		b.Append(v)
	}
	col := b.NewInt64Array()
	defer col.Release()
	return array.NewRecordBatch(numbers, []arrow.Array{col}, n)
}

func values(b arrow.RecordBatch) []int64 {
	if b == nil || b.NumRows() == 0 {
		return []int64{}
	}
	return slices.Clone(b.Column(0).(*array.Int64).Int64Values())
}

// moody drops odd numbers, and fails as a whole when it meets one that is not liked.
type moody struct {
	hates func(int64) bool
	how   func() error
	runs  int
}

func (*moody) Kind() string       { return "moody" }
func (*moody) From() []int        { return []int{0} }
func (*moody) Out() *arrow.Schema { return numbers }

func (m *moody) Apply(_ context.Context, mem memory.Allocator, in arrow.RecordBatch) (operator.Result, error) {
	m.runs++
	kept := []uint32{}
	b := array.NewInt64Builder(mem)
	defer b.Release()
	for i, v := range in.Column(0).(*array.Int64).Int64Values() {
		if m.hates(v) {
			if err := m.how(); err != nil {
				return operator.Result{}, err
			}
		}
		if v%2 == 0 {
			kept = append(kept, uint32(i))
			b.Append(v)
		}
	}
	col := b.NewInt64Array()
	defer col.Release()
	return operator.Result{Batch: array.NewRecordBatch(numbers, []arrow.Array{col}, int64(len(kept))), Kept: kept}, nil
}

// A block that panics an operator loses the rows that do it, and no other.
func TestPanicIsBisectedToTheRow(t *testing.T) {
	bad := []int64{0, 7, 8, 500, 999}
	for name, how := range map[string]func() error{
		"Panic": func() error { panic("value 4711 is bad") },
		"Error": func() error { return errors.New("cannot do this") },
	} {
		t.Run(name, func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			in := batch(mem, 1000)
			defer in.Release()
			op := &moody{hates: func(v int64) bool { return slices.Contains(bad, v) }, how: how}
			out, err := run(t.Context(), mem, operator.NewChain(op), in, operator.Rows{})
			require.NoError(t, err)
			defer out.Batch.Release()
			var failed []int64
			for _, f := range out.Failed {
				failed = append(failed, int64(f.Row))
				require.NotContains(t, reason(f.Err), "4711", "a panic's text may hold a value")
				if name == "Panic" {
					require.Equal(t, "moody[0]", f.Operator)
					require.Contains(t, reason(f.Err), "fault in the operator")
				}
			}
			require.Equal(t, bad, failed)
			var want []int64
			for v := int64(0); v < 1000; v += 2 {
				if !slices.Contains(bad, v) {
					want = append(want, v)
				}
			}
			require.Equal(t, want, values(out.Batch))
			kept := make([]int64, len(out.Kept))
			for i, k := range out.Kept {
				kept[i] = int64(k)
			}
			require.Equal(t, want, kept, "the rows that are kept are those of the input")
			require.Len(t, out.Dropped, 1)
			require.EqualValues(t, 1000-len(bad)-len(want), out.Dropped[0].Rows)
			require.Less(t, op.runs, 120, "by halves, not row by row")
		})
	}
}

func TestEveryRowFails(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := batch(mem, 9)
	defer in.Release()
	out, err := run(t.Context(), mem, operator.NewChain(&moody{hates: func(int64) bool { return true }, how: func() error { panic("no") }}), in, operator.Rows{})
	require.NoError(t, err)
	require.Len(t, out.Failed, 9)
	require.Empty(t, values(out.Batch))
	require.NotNil(t, out.Kept, "none, not all")
	require.Empty(t, out.Kept)
}

// A run that is being stopped is no failure of rows.
func TestBisectionStops(t *testing.T) {
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := batch(mem, 100)
	defer in.Release()
	ctx, cancel := context.WithCancel(t.Context())
	op := &moody{hates: func(v int64) bool { return v == 50 }}
	op.how = func() error {
		if op.runs == 3 {
			cancel()
		}
		return errors.New("no")
	}
	_, err := run(ctx, mem, operator.NewChain(op), in, operator.Rows{})
	require.ErrorIs(t, err, context.Canceled)
}
