package expr_test

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/pkg/expr"
)

// checked gives an allocator that must be empty at the end of the test.
func checked(t *testing.T) memory.Allocator {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.NewGoAllocator())
	t.Cleanup(func() { mem.AssertSize(t, 0) })
	return mem
}

func compile(t *testing.T, src string, schema *arrow.Schema) *expr.Program {
	t.Helper()
	p, err := expr.Compile(src, schema)
	require.NoError(t, err)
	return p
}

// jsonBatch makes a batch of rows written as JSON.
func jsonBatch(t *testing.T, mem memory.Allocator, rows string, fields ...arrow.Field) arrow.RecordBatch {
	t.Helper()
	b, _, err := array.RecordFromJSON(mem, arrow.NewSchema(fields, nil), strings.NewReader(rows))
	require.NoError(t, err)
	t.Cleanup(b.Release)
	return b
}

func field(name string, typ arrow.DataType) arrow.Field {
	return arrow.Field{Name: name, Type: typ, Nullable: true}
}

// evaluate gives the values and the row errors of src over b.
func evaluate(t *testing.T, mem memory.Allocator, src string, b arrow.RecordBatch) ([]any, []expr.RowError) {
	t.Helper()
	a, failed, err := compile(t, src, b.Schema()).Eval(t.Context(), mem, b)
	require.NoError(t, err)
	defer a.Release()
	values := make([]any, a.Len())
	for i := range values {
		values[i] = valueAt(a, i)
	}
	return values, failed
}

func TestThreeValuedLogic(t *testing.T) {
	mem := checked(t)
	b := jsonBatch(t, mem, `[
		{"a":true,"b":true}, {"a":true,"b":false}, {"a":true},
		{"a":false,"b":true}, {"a":false,"b":false}, {"a":false},
		{"b":true}, {"b":false}, {}]`, field("a", arrow.FixedWidthTypes.Boolean), field("b", arrow.FixedWidthTypes.Boolean))
	and, _ := evaluate(t, mem, "a && b", b)
	require.Equal(t, []any{true, false, nil, false, false, false, nil, false, nil}, and)
	or, _ := evaluate(t, mem, "a || b", b)
	require.Equal(t, []any{true, true, true, true, false, nil, true, nil, nil}, or)
	not, _ := evaluate(t, mem, "!a", b)
	require.Equal(t, []any{false, false, false, true, true, true, nil, nil, nil}, not)
	equal, _ := evaluate(t, mem, "a == b", b)
	require.Equal(t, []any{true, false, nil, false, true, nil, nil, nil, nil}, equal)
}

func TestErrorsOfWhatIsNotNeededDoNotCount(t *testing.T) {
	mem := checked(t)
	b := jsonBatch(t, mem, `[{"x":0,"y":0.0}, {"x":2,"y":4.0}, {"y":0.0}, {"x":5}]`, field("x", arrow.PrimitiveTypes.Int64), field("y", arrow.PrimitiveTypes.Float64))
	byZero := []expr.RowError{{Row: 0, Operation: "/", Err: expr.ErrDivideByZero}}

	values, failed := evaluate(t, mem, "10 / x", b)
	require.Equal(t, []any{nil, 5.0, nil, 2.0}, values)
	require.Equal(t, byZero, failed, "a null divisor does not fail")

	values, failed = evaluate(t, mem, "x != 0 ? 10 / x : -1.0", b)
	require.Equal(t, []any{-1.0, 5.0, nil, 2.0}, values)
	require.Empty(t, failed)

	values, failed = evaluate(t, mem, "x == 0 || 10 / x > 4.0", b)
	require.Equal(t, []any{true, true, nil, false}, values)
	require.Empty(t, failed)

	_, failed = evaluate(t, mem, "10 / x > 4.0 || x == 0", b)
	require.Equal(t, byZero, failed, "from left to right")

	values, failed = evaluate(t, mem, "coalesce(x, int(1 / y))", b)
	require.Equal(t, []any{int64(0), int64(2), nil, int64(5)}, values)
	require.Equal(t, []expr.RowError{{Row: 2, Operation: "/", Err: expr.ErrDivideByZero}}, failed)

	values, failed = evaluate(t, mem, "1 / y + x", b)
	require.Equal(t, []any{nil, 2.25, nil, nil}, values)
	require.Equal(t, []expr.RowError{{Row: 0, Operation: "/", Err: expr.ErrDivideByZero}, {Row: 2, Operation: "/", Err: expr.ErrDivideByZero}}, failed, "x is null in row 2: 1 / y fails there all the same")
}

func TestARowFailsOnceAndRowsComeInOrder(t *testing.T) {
	mem := checked(t)
	b := jsonBatch(t, mem, `[{"x":0,"s":"a"}, {"x":1,"s":"b"}, {"x":0,"s":"3"}]`, field("x", arrow.PrimitiveTypes.Int64), field("s", arrow.BinaryTypes.String))
	_, failed := evaluate(t, mem, "int(s) + 1 % x", b)
	require.Equal(t, []expr.RowError{{Row: 0, Operation: "int", Err: expr.ErrCast}, {Row: 1, Operation: "int", Err: expr.ErrCast}, {Row: 2, Operation: "%", Err: expr.ErrDivideByZero}}, failed)
}

func TestNumbersBeyondTheRange(t *testing.T) {
	mem := checked(t)
	b := jsonBatch(t, mem, `[{"u":9223372036854775807,"t":"1970-01-01"}, {"u":9223372036854775808}, {"u":18446744073709551615}, {}]`,
		field("u", arrow.PrimitiveTypes.Uint64), field("t", arrow.FixedWidthTypes.Date32))
	values, failed := evaluate(t, mem, "u", b)
	require.Equal(t, []any{int64(math.MaxInt64), nil, nil, nil}, values)
	require.Equal(t, []expr.RowError{{Row: 1, Operation: `"u"`, Err: expr.ErrOverflow}, {Row: 2, Operation: `"u"`, Err: expr.ErrOverflow}}, failed)
	_, failed = evaluate(t, mem, "isNull(u)", b)
	require.Len(t, failed, 2)
	values, failed = evaluate(t, mem, "isNull(t) || u > 0", b)
	require.Equal(t, []any{true, true, true, true}, values)
	require.Empty(t, failed, "u is not read in rows without t")
}

func TestStringsAreBounded(t *testing.T) {
	rounds.Alone(t)
	mem := checked(t)
	long := strings.Repeat("é", 700<<10) // 1.4 MiB
	values := array.NewStringBuilder(mem)
	defer values.Release()
	values.Append(long)
	indices := array.NewInt32Builder(mem)
	defer indices.Release()
	indices.AppendValues(make([]int32, 1601), nil)
	dict, at := values.NewArray(), indices.NewArray()
	defer dict.Release()
	defer at.Release()
	column := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}, at, dict)
	defer column.Release()
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{{Name: "s", Type: column.DataType()}}, nil), []arrow.Array{column}, int64(column.Len()))
	defer batch.Release()

	_, _, err := compile(t, "s", batch.Schema()).Eval(t.Context(), mem, batch)
	require.ErrorIs(t, err, expr.ErrTooLarge, "2.2 GiB do not fit a utf8 array")
	_, _, err = compile(t, "size(lower(s))", batch.Schema()).Eval(t.Context(), mem, batch)
	require.ErrorIs(t, err, expr.ErrTooLarge, "nor the working memory of one chunk")

	few := batch.NewSlice(0, 2)
	defer few.Release()
	got, failed, err := compile(t, "s + s + s + s + s + s", batch.Schema()).Eval(t.Context(), mem, few)
	require.NoError(t, err)
	defer got.Release()
	require.Equal(t, []expr.RowError{{Row: 0, Operation: "+", Err: expr.ErrTooLong}, {Row: 1, Operation: "+", Err: expr.ErrTooLong}}, failed)
}

// A member that works with bools of its own does not write into the answer, which grows
// while the members are evaluated.
func TestMembersLeaveTheAnswerAlone(t *testing.T) {
	mem := checked(t)
	number := arrow.PrimitiveTypes.Int64
	b := jsonBatch(t, mem, `[{"x":18,"a":0,"b":0}, {"x":18,"a":1,"b":0}, {"x":5,"a":0,"b":0}, {"x":1,"a":1,"b":0}, {"a":0,"b":0}]`, field("x", number), field("a", number), field("b", number))
	for _, member := range []string{"nullIf(a, b)", "a == b ? nullIf(a, b) : a", "coalesce(nullIf(a, b), nullIf(b, a))"} {
		values, failed := evaluate(t, mem, "x in [5, "+member+", 7]", b)
		require.Equal(t, []any{nil, false, true, true, nil}, values, member)
		require.Empty(t, failed)
	}
}

func TestPatternsFromAColumn(t *testing.T) {
	mem := checked(t)
	b := jsonBatch(t, mem, `[{"s":"abc","p":"b"}, {"s":"abc","p":"^b"}, {"s":"abc","p":"("}, {"s":"abc"}]`, field("s", arrow.BinaryTypes.String), field("p", arrow.BinaryTypes.String))
	values, failed := evaluate(t, mem, "s.matches(p)", b)
	require.Equal(t, []any{true, false, nil, nil}, values)
	require.Equal(t, []expr.RowError{{Row: 2, Operation: "matches", Err: expr.ErrPattern}}, failed)
}

func TestNullsInADictionaryAreNulls(t *testing.T) {
	mem := checked(t)
	words, _, err := array.FromJSON(mem, arrow.BinaryTypes.String, strings.NewReader(`["a", null, "c"]`))
	require.NoError(t, err)
	defer words.Release()
	indices, _, err := array.FromJSON(mem, arrow.PrimitiveTypes.Uint8, strings.NewReader(`[0, 1, 2, null]`))
	require.NoError(t, err)
	defer indices.Release()
	column := array.NewDictionaryArray(&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Uint8, ValueType: arrow.BinaryTypes.String}, indices, words)
	defer column.Release()
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{field("d", column.DataType())}, nil), []arrow.Array{column}, 4)
	defer batch.Release()
	values, _ := evaluate(t, mem, "d", batch)
	require.Equal(t, []any{"a", nil, "c", nil}, values)
}

func TestEvalOfAPlainColumnSharesIt(t *testing.T) {
	mem := checked(t)
	b := jsonBatch(t, mem, `[{"x":1},{"x":null}]`, field("x", arrow.PrimitiveTypes.Int64))
	a, _, err := compile(t, "x", b.Schema()).Eval(t.Context(), mem, b)
	require.NoError(t, err)
	defer a.Release()
	require.Same(t, b.Column(0), a)
}

func TestWhatLiesUnderANullDoesNotShow(t *testing.T) {
	mem := checked(t)
	values := memory.NewBufferBytes(arrow.Int64Traits.CastToBytes([]int64{math.MaxInt64, 7, math.MinInt64}))
	data := array.NewData(arrow.PrimitiveTypes.Int64, 3, []*memory.Buffer{memory.NewBufferBytes([]byte{0b010}), values}, nil, 2, 0)
	defer data.Release()
	column := array.MakeFromData(data)
	defer column.Release()
	batch := array.NewRecordBatch(arrow.NewSchema([]arrow.Field{field("x", arrow.PrimitiveTypes.Int64)}, nil), []arrow.Array{column}, 3)
	defer batch.Release()
	a, failed, err := compile(t, "x + x", batch.Schema()).Eval(t.Context(), mem, batch)
	require.NoError(t, err)
	defer a.Release()
	require.Empty(t, failed, "no overflow in rows that are null")
	require.Equal(t, []int64{0, 14, 0}, a.(*array.Int64).Int64Values())
}

func TestEvalRefusesOtherBatches(t *testing.T) {
	mem := checked(t)
	b := jsonBatch(t, mem, `[{"x":1,"y":2}]`, field("x", arrow.PrimitiveTypes.Int64), field("y", arrow.PrimitiveTypes.Int64))
	p := compile(t, "y + 1", b.Schema())
	for name, other := range map[string]arrow.RecordBatch{
		"a column less":   jsonBatch(t, mem, `[{"y":2}]`, field("y", arrow.PrimitiveTypes.Int64)),
		"another name":    jsonBatch(t, mem, `[{"x":1,"z":2}]`, field("x", arrow.PrimitiveTypes.Int64), field("z", arrow.PrimitiveTypes.Int64)),
		"another type":    jsonBatch(t, mem, `[{"x":1,"y":2}]`, field("x", arrow.PrimitiveTypes.Int64), field("y", arrow.PrimitiveTypes.Int32)),
		"columns swapped": jsonBatch(t, mem, `[{"x":1,"y":2}]`, field("y", arrow.PrimitiveTypes.Int64), field("x", arrow.PrimitiveTypes.Int64)),
	} {
		_, _, err := p.Eval(t.Context(), mem, other)
		require.ErrorIs(t, err, expr.ErrSchema, name)
		require.ErrorContains(t, err, `column "y"`, name)
	}
	other := jsonBatch(t, mem, `[{"x":"1","y":2,"z":3}]`, field("x", arrow.BinaryTypes.String), field("y", arrow.PrimitiveTypes.Int64), field("z", arrow.PrimitiveTypes.Int64))
	values, _ := evaluate(t, mem, "y + 1", other)
	require.Equal(t, []any{int64(3)}, values, "columns that are not read may be anything")
}

func TestEvalStopsWithItsContext(t *testing.T) {
	mem := checked(t)
	b := jsonBatch(t, mem, `[{"x":1}]`, field("x", arrow.PrimitiveTypes.Int64))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := compile(t, "x + 1", b.Schema()).Eval(ctx, mem, b)
	require.ErrorIs(t, err, context.Canceled)
}

func TestEvalOfNoRows(t *testing.T) {
	mem := checked(t)
	schema := testSchema()
	b := array.NewRecordBuilder(mem, schema)
	defer b.Release()
	batch := b.NewRecordBatch()
	defer batch.Release()
	for _, f := range schema.Fields() {
		a, failed, err := compile(t, `isNull(col("`+f.Name+`"))`, schema).Eval(t.Context(), mem, batch)
		require.NoError(t, err)
		require.Empty(t, failed)
		require.Zero(t, a.Len())
		a.Release()
	}
	for _, src := range []string{"1", "'x'", "s + s", "true", "us", "large"} {
		a, _, err := compile(t, src, schema).Eval(t.Context(), mem, batch)
		require.NoError(t, err)
		require.Zero(t, a.Len())
		a.Release()
	}
}

// A malformed batch panics, which the caller recovers; the program is as good as before.
func TestEvalAfterAPanic(t *testing.T) {
	mem := checked(t)
	offsets := memory.NewBufferBytes(arrow.Int32Traits.CastToBytes([]int32{0, 50, 2}))
	data := array.NewData(arrow.BinaryTypes.String, 2, []*memory.Buffer{nil, offsets, memory.NewBufferBytes([]byte("ab"))}, nil, 0, 0)
	defer data.Release()
	column := array.MakeFromData(data)
	defer column.Release()
	schema := arrow.NewSchema([]arrow.Field{field("s", arrow.BinaryTypes.String)}, nil)
	batch := array.NewRecordBatch(schema, []arrow.Array{column}, 2)
	defer batch.Release()
	p := compile(t, "lower(s) + 'x'", schema)
	require.Panics(t, func() { _, _, _ = p.Eval(t.Context(), mem, batch) })
	good := jsonBatch(t, mem, `[{"s":"A"}]`, schema.Field(0))
	a, _, err := p.Eval(t.Context(), mem, good)
	require.NoError(t, err)
	defer a.Release()
	require.Equal(t, "ax", a.(*array.String).Value(0))
}
