package parquet_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
)

func TestCommon(t *testing.T) {
	i8, i16, i32, i64 := arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64
	u8, u32, u64 := arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64
	f16, f32, f64 := arrow.FixedWidthTypes.Float16, arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64
	text, large := arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString
	dec := func(p, s int32) arrow.DataType { return &arrow.Decimal128Type{Precision: p, Scale: s} }
	ts := func(u arrow.TimeUnit, zone string) arrow.DataType {
		return &arrow.TimestampType{Unit: u, TimeZone: zone}
	}
	for _, c := range []struct{ a, b, want arrow.DataType }{ // nil: none
		{i32, i32, i32},
		{i8, i64, i64},
		{u8, u32, u32},
		{u8, i8, i16},
		{u32, i8, i64},
		{u32, i64, i64},
		{u64, i64, nil},
		{u64, i8, nil},
		{f16, f32, f32},
		{f32, f64, f64},
		{i8, f16, f32},
		{i16, f32, f32},
		{i32, f32, f64},
		{u32, f16, f64},
		{i64, f64, nil},
		{u64, f32, nil},
		{arrow.Null, text, text},
		{i32, arrow.Null, i32},
		{text, large, large},
		{arrow.BinaryTypes.Binary, arrow.BinaryTypes.LargeBinary, arrow.BinaryTypes.LargeBinary},
		{text, arrow.BinaryTypes.Binary, nil},
		{i32, text, nil},
		{arrow.FixedWidthTypes.Boolean, i8, nil},
		{dec(10, 2), dec(12, 4), dec(12, 4)},
		{dec(10, 0), dec(10, 10), dec(20, 10)},
		{dec(38, 0), dec(38, 20), &arrow.Decimal256Type{Precision: 58, Scale: 20}},
		{dec(38, 0), &arrow.Decimal256Type{Precision: 76, Scale: 76}, nil},
		{dec(10, 2), i32, nil},
		{ts(arrow.Millisecond, "UTC"), ts(arrow.Nanosecond, "UTC"), ts(arrow.Nanosecond, "UTC")},
		{ts(arrow.Millisecond, "UTC"), ts(arrow.Millisecond, ""), nil},
		{arrow.ListOf(i32), arrow.ListOf(i32), arrow.ListOf(i32)},
		{arrow.ListOf(i32), arrow.ListOf(i64), nil},
	} {
		for _, pair := range [][2]arrow.DataType{{c.a, c.b}, {c.b, c.a}} {
			got, ok := parquet.Common(pair[0], pair[1])
			require.Equal(t, c.want != nil, ok, "%s, %s", pair[0], pair[1])
			if ok {
				require.True(t, arrow.TypeEqual(c.want, got), "%s, %s: %s", pair[0], pair[1], got)
				require.True(t, parquet.Widens(pair[0], got))
			}
		}
		require.Equal(t, c.want != nil && arrow.TypeEqual(c.want, c.b), parquet.Widens(c.a, c.b), "%s to %s", c.a, c.b)
	}
}
