package parquet

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"github.com/levada-data/levada/pkg/expr"
)

// Stats returns what the footer says of the values of a column in a row group, as
// far as it can be relied on; false when it says nothing of use. Left out: nested
// columns; statistics without a count of nulls; bounds of strings, which writers may
// truncate, unless they are in order; NaN bounds; types whose order differs between
// Parquet and Arrow.
func (f *File) Stats(g int, column string) (st expr.Stats, ok bool) {
	defer func() {
		if recover() != nil { // malformed statistics: unknown
			st, ok = expr.Stats{}, false
		}
	}()
	i := f.schema.FieldIndices(column)
	if len(i) != 1 || len(f.fields[i[0]].leaves) != 1 {
		return expr.Stats{}, false
	}
	rg := f.meta.RowGroup(g)
	col, err := rg.ColumnChunk(f.fields[i[0]].leaves[0])
	if err != nil {
		return expr.Stats{}, false
	}
	if set, err := col.StatsSet(); err != nil || !set {
		return expr.Stats{}, false
	}
	s, err := col.Statistics()
	if err != nil || s == nil || !s.HasNullCount() || s.NullCount() < 0 || s.NullCount() > rg.NumRows() || col.NumValues() != rg.NumRows() {
		return expr.Stats{}, false
	}
	st = expr.Stats{Nulls: s.NullCount(), Rows: rg.NumRows(), Exact: true}
	if s.HasMinMax() {
		st.Min, st.Max = bounds(f.schema.Field(i[0]).Type, s)
	}
	return st, true
}

// bounds converts the bounds of a column to the values that expressions see; nil
// when they cannot be.
func bounds(t arrow.DataType, s metadata.TypedStatistics) (lo, hi any) {
	switch s := s.(type) {
	case *metadata.Int32Statistics:
		return whole(t, int64(s.Min()), int64(s.Max()), uint64(uint32(s.Min())), uint64(uint32(s.Max()))) //nolint:gosec // the bits of a uint32
	case *metadata.Int64Statistics:
		return whole(t, s.Min(), s.Max(), uint64(s.Min()), uint64(s.Max())) //nolint:gosec // the bits of a uint64
	case *metadata.Float32Statistics:
		return float(float64(s.Min()), float64(s.Max()))
	case *metadata.Float64Statistics:
		return float(s.Min(), s.Max())
	case *metadata.BooleanStatistics:
		return s.Min(), s.Max()
	case *metadata.ByteArrayStatistics:
		a, b := string(s.Min()), string(s.Max())
		if (t.ID() != arrow.STRING && t.ID() != arrow.LARGE_STRING) || !utf8.ValidString(a) || a > b {
			return nil, nil
		}
		// A truncated upper bound that is not a bound would be below its own prefix's
		// values; writers that truncate round it up, and arrow-go drops it otherwise.
		return a, b
	}
	return nil, nil
}

func float(lo, hi float64) (any, any) {
	if math.IsNaN(lo) || math.IsNaN(hi) || lo > hi {
		return nil, nil
	}
	if lo == 0 {
		lo = math.Copysign(0, -1) // the sign of a zero bound means nothing
	}
	if hi == 0 {
		hi = 0
	}
	return lo, hi
}

func whole(t arrow.DataType, lo, hi int64, ulo, uhi uint64) (any, any) {
	switch t := t.(type) {
	case *arrow.Int8Type, *arrow.Int16Type, *arrow.Int32Type, *arrow.Int64Type:
	case *arrow.Uint8Type, *arrow.Uint16Type, *arrow.Uint32Type, *arrow.Uint64Type:
		if ulo > uhi || uhi > math.MaxInt64 {
			return nil, nil
		}
		return int64(ulo), int64(uhi) //nolint:gosec // bounded on the line above
	case *arrow.Date32Type:
		return time.Unix(lo*86400, 0).UTC(), time.Unix(hi*86400, 0).UTC()
	case *arrow.TimestampType:
		return arrow.Timestamp(lo).ToTime(t.Unit), arrow.Timestamp(hi).ToTime(t.Unit)
	default:
		return nil, nil
	}
	if lo > hi {
		return nil, nil
	}
	return lo, hi
}
