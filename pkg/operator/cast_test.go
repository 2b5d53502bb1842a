package operator_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/expr"
	"github.com/levada-data/levada/pkg/operator"
)

// column makes a column of a type; nil is null. The caller must Release it.
func column(t testing.TB, mem memory.Allocator, of arrow.DataType, values ...any) arrow.Array {
	t.Helper()
	b := array.NewBuilder(mem, of)
	defer b.Release()
	for _, v := range values {
		if v == nil {
			b.AppendNull()
			continue
		}
		switch b := b.(type) {
		case *array.Int8Builder:
			b.Append(int8(v.(int)))
		case *array.Int64Builder:
			b.Append(int64(v.(int)))
		case *array.Uint64Builder:
			b.Append(v.(uint64))
		case *array.Float32Builder:
			b.Append(v.(float32))
		case *array.Float64Builder:
			b.Append(v.(float64))
		case *array.BooleanBuilder:
			b.Append(v.(bool))
		case *array.StringBuilder:
			b.Append(v.(string))
		case *array.LargeStringBuilder:
			b.Append(v.(string))
		case *array.BinaryBuilder:
			b.AppendString(v.(string))
		case *array.Date32Builder:
			b.Append(arrow.Date32(v.(int)))
		case *array.TimestampBuilder:
			b.Append(arrow.Timestamp(v.(int)))
		case *array.Decimal128Builder:
			b.Append(decimal128.FromI64(int64(v.(int))))
		case *array.BinaryDictionaryBuilder:
			require.NoError(t, b.AppendString(v.(string)))
		default:
			require.Fail(t, "no values for "+of.String())
		}
	}
	return b.NewArray()
}

// What becomes of a value, as docs/pipeline.md says; "fails" for one that has none.
func TestCast_Values(t *testing.T) {
	decimal := func(p, s int32) arrow.DataType { return &arrow.Decimal128Type{Precision: p, Scale: s} }
	dictionary := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int32, ValueType: arrow.BinaryTypes.String}
	naive := &arrow.TimestampType{Unit: arrow.Millisecond}
	i8, i64, u8, u64 := arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int64, arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint64
	f32, f64, b, s := arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.FixedWidthTypes.Boolean, arrow.BinaryTypes.String
	bin, date, us := arrow.BinaryTypes.Binary, arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Timestamp_us
	ns, ms := arrow.FixedWidthTypes.Timestamp_ns, arrow.FixedWidthTypes.Timestamp_ms
	const lots = math.MaxInt64
	for _, c := range []struct {
		from, to arrow.DataType
		pairs    []any // a value, and its text after the cast
	}{
		{i64, i8, []any{127, "127", -128, "-128", 128, "fails", -129, "fails", nil, "(null)"}},
		{i64, u8, []any{255, "255", 256, "fails", -1, "fails"}},
		{i64, u64, []any{lots, "9223372036854775807", -1, "fails"}},
		{u64, i64, []any{uint64(lots), "9223372036854775807", uint64(lots) + 1, "fails"}},
		{u64, u8, []any{uint64(255), "255", uint64(1 << 63), "fails"}},
		{f64, i64, []any{1.9, "1", -1.9, "-1", math.NaN(), "fails", math.Inf(1), "fails", 0x1p63, "fails", -0x1p63, "-9223372036854775808"}},
		{f64, u8, []any{-0.5, "0", -1.0, "fails", 255.9, "255", 256.0, "fails", math.NaN(), "fails"}},
		{f64, u64, []any{0x1p63, "9223372036854775808", 0x1p64, "fails"}},
		{f64, f32, []any{0.1, "0.1", 1e300, "fails", math.Inf(-1), "-Inf", math.NaN(), "NaN"}},
		{i64, f64, []any{lots, "9.223372036854776e+18", 3, "3"}},
		{u64, f32, []any{uint64(1<<24 + 1), "1.6777216e+07"}},
		{b, i64, []any{true, "1", false, "0"}},
		{i64, b, []any{1, "true", 0, "false", 2, "fails"}},
		{u64, b, []any{uint64(1), "true", uint64(2), "fails"}},
		{s, b, []any{"true", "true", "F", "false", "0", "false", "yes", "fails", "", "fails"}},
		{s, i64, []any{"12", "12", "-7", "-7", "+7", "7", "0x10", "fails", "1_000", "fails", " 1", "fails", "1.0", "fails", "", "fails", "9223372036854775808", "fails"}},
		{s, i8, []any{"127", "127", "128", "fails"}},
		{s, u64, []any{"18446744073709551615", "18446744073709551615", "+1", "1", "-1", "fails", "++1", "fails"}},
		{s, f64, []any{"1e3", "1000", "-.5", "-0.5", "NaN", "NaN", "Infinity", "+Inf", "inf", "fails", "0x1p3", "fails", "1_0", "fails", "1e999", "fails"}},
		{s, f32, []any{"0.1", "0.1", "1e39", "fails"}},
		{s, decimal(5, 2), []any{"1.005", "1.01", "-1.005", "-1.01", "999.99", "999.99", "999.995", "fails", "1e3", "fails", ".", "fails", "-", "fails", "+-1", "fails", "", "fails", "7.", "7"}},
		{i64, decimal(5, 2), []any{999, "999", 1000, "fails", -999, "-999"}},
		{u64, decimal(38, 0), []any{uint64(math.MaxUint64), "18446744073709551615"}},
		{f64, decimal(5, 2), []any{0.125, "0.13", math.NaN(), "fails", math.Inf(1), "fails", 1e6, "fails", 1e-300, "0"}},
		{f32, decimal(5, 1), []any{float32(0.1), "0.1"}},
		{decimal(5, 2), decimal(5, 1), []any{125, "1.3", -125, "-1.3", 124, "1.2"}},
		{decimal(5, 2), decimal(5, 3), []any{9999, "99.99", 10000, "fails"}},
		{decimal(5, 2), i64, []any{199, "1", -199, "-1"}},
		{decimal(5, 2), u8, []any{199, "1", -199, "fails"}},
		{decimal(5, 2), f64, []any{10, "0.1"}},
		{decimal(5, 2), f32, []any{10, "0.1"}},
		{decimal(5, 2), s, []any{5, "0.05", -5, "-0.05", 12345, "123.45", 0, "0.00"}},
		{decimal(5, -2), s, []any{5, "500"}},
		{i64, s, []any{-5, "-5"}},
		{u64, s, []any{uint64(math.MaxUint64), "18446744073709551615"}},
		{b, s, []any{true, "true"}},
		{f64, s, []any{0.1, "0.1", 1e21, "1e+21", 1e20, "100000000000000000000", 1e-7, "1e-07", math.NaN(), "NaN", math.Inf(-1), "-Infinity"}},
		{f32, s, []any{float32(0.1), "0.1"}},
		{bin, s, []any{"é", "é", "\xff", "fails"}},
		{s, bin, []any{"a", "YQ=="}},
		{date, s, []any{0, "1970-01-01", -1, "1969-12-31", math.MaxInt32, "fails"}},
		{us, s, []any{-1, "1969-12-31T23:59:59.999999Z", 0, "1970-01-01T00:00:00Z", lots, "fails"}},
		{s, date, []any{"2024-02-29", "2024-02-29", "2023-02-29", "fails", "2024-2-9", "fails", "2024-02-29T00:00:00Z", "fails"}},
		{s, us, []any{
			"2024-02-29T01:02:03.5+02:00", "2024-02-28T23:02:03.5Z", "2024-02-29 01:02:03", "2024-02-29T01:02:03Z", "2024-02-29T01:02:03", "2024-02-29T01:02:03Z",
			"2024-02-29 01:02:03Z", "2024-02-29T01:02:03Z", "2024-02-29", "2024-02-29T00:00:00Z", "0", "fails", "now", "fails", "1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999Z",
		}},
		{s, ns, []any{"1677-01-01", "fails", "2300-01-01", "fails", "2262-04-11", "2262-04-11T00:00:00Z"}},
		{us, date, []any{-1, "1969-12-31", 86400000000, "1970-01-02"}},
		{date, ns, []any{1, "1970-01-02T00:00:00Z", 200000, "fails"}},
		{us, ms, []any{-1, "1969-12-31T23:59:59.999Z", 1999, "1970-01-01T00:00:00.001Z"}},
		{us, ns, []any{1, "1970-01-01T00:00:00.000001Z", lots, "fails"}},
		{naive, us, []any{1, "1970-01-01T00:00:00.001Z"}},
		{i64, ms, []any{1, "1970-01-01T00:00:00.001Z"}},
		{us, i64, []any{-7, "-7"}},
		{dictionary, i64, []any{"12", "12", nil, "(null)", "x", "fails", "12", "12"}},
		{arrow.BinaryTypes.LargeString, s, []any{"a", "a"}},
	} {
		t.Run(fmt.Sprintf("%s/%s", c.from, c.to), func(t *testing.T) {
			mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
			defer mem.AssertSize(t, 0)
			var values []any
			var want, lenient []string
			var failed []int
			for i := 0; i < len(c.pairs); i += 2 {
				values = append(values, c.pairs[i])
				if text := c.pairs[i+1].(string); text == "fails" {
					failed, lenient = append(failed, i/2), append(lenient, array.NullValueStr)
				} else {
					want, lenient = append(want, text), append(lenient, text)
				}
			}
			col := column(t, mem, c.from, values...)
			defer col.Release()
			in := arrow.NewSchema([]arrow.Field{{Name: "x", Type: c.from, Nullable: true}}, nil)
			batch := array.NewRecordBatch(in, []arrow.Array{col}, int64(col.Len()))
			defer batch.Release()
			texts := func(b arrow.RecordBatch) (all []string) {
				for i := range int(b.NumRows()) {
					all = append(all, b.Column(0).ValueStr(i))
				}
				return all
			}

			op, err := operator.Cast(in, []operator.CastColumn{{Name: "x", To: c.to}})
			require.NoError(t, err)
			res, err := op.Apply(t.Context(), mem, batch)
			require.NoError(t, err)
			defer res.Batch.Release()
			require.Equal(t, want, texts(res.Batch))
			var rows []int
			for _, f := range res.Failed {
				rows = append(rows, f.Row)
				require.ErrorIs(t, f.Err, expr.ErrCast)
				require.Equal(t, "x", f.Column)
			}
			require.Equal(t, failed, rows)

			op, err = operator.Cast(in, []operator.CastColumn{{Name: "x", To: c.to, Null: true}})
			require.NoError(t, err)
			whole, err := op.Apply(t.Context(), mem, batch)
			require.NoError(t, err)
			defer whole.Batch.Release()
			require.Empty(t, whole.Failed)
			require.Equal(t, lenient, texts(whole.Batch))
		})
	}
}

func TestCast_Refuses(t *testing.T) {
	in := arrow.NewSchema([]arrow.Field{
		{Name: "l", Type: arrow.ListOf(arrow.PrimitiveTypes.Int64)}, {Name: "f", Type: arrow.PrimitiveTypes.Float64}, {Name: "d", Type: arrow.FixedWidthTypes.Date32},
	}, nil)
	for want, c := range map[string][]operator.CastColumn{
		`column "l" is list<item: int64, nullable>, which cannot become int64`: {{Name: "l", To: arrow.PrimitiveTypes.Int64}},
		`column "f" is float64, which cannot become date32`:                    {{Name: "f", To: arrow.FixedWidthTypes.Date32}},
		`column "d" is date32, which cannot become bool`:                       {{Name: "d", To: arrow.FixedWidthTypes.Boolean}},
		`column "x" does not exist here`:                                       {{Name: "x", To: arrow.PrimitiveTypes.Int64}},
		`column "f" is cast twice`:                                             {{Name: "f", To: arrow.PrimitiveTypes.Int64}, {Name: "f", To: arrow.PrimitiveTypes.Int8}},
	} {
		_, err := operator.Cast(in, c)
		var ce *operator.ColumnError
		require.ErrorAs(t, err, &ce)
		require.ErrorContains(t, err, want)
	}
}

// Decimals of few digits are read in a shorter way, which gives the same.
func TestCast_ShortDecimalsAreThoseOfAnyLength(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.BinaryTypes.String}}, nil)
	for range 300 {
		to := &arrow.Decimal128Type{Precision: 1 + rng.Int32N(38)}
		to.Scale = rng.Int32N(to.Precision + 1)
		var short, long []any
		for range 50 {
			text := make([]byte, rng.IntN(14))
			for i := range text {
				text[i] = "0123456789012345678901234567890.-+ e"[rng.IntN(36)]
			}
			sign, rest := "", string(text)
			if rest != "" && (rest[0] == '-' || rest[0] == '+') {
				sign, rest = rest[:1], rest[1:]
			}
			padded := sign + strings.Repeat("0", 30) + rest // which says the same
			if rest == "" || rest == "." {
				padded = sign + rest
			}
			short, long = append(short, string(text)), append(long, padded)
		}
		op, err := operator.Cast(in, []operator.CastColumn{{Name: "x", To: to, Null: true}})
		require.NoError(t, err)
		var results [2][]string
		for i, values := range [][]any{short, long} {
			col := column(t, mem, arrow.BinaryTypes.String, values...)
			batch := array.NewRecordBatch(in, []arrow.Array{col}, int64(col.Len()))
			res, err := op.Apply(t.Context(), mem, batch)
			require.NoError(t, err)
			results[i] = shown(res.Batch.Column(0))
			for _, r := range []interface{ Release() }{res.Batch, batch, col} {
				r.Release()
			}
		}
		require.Equal(t, results[1], results[0], "%s: %q", to, short)
	}
}
