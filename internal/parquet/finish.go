package parquet

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/bitutil"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
)

// Finish says how columns are written where the data shall not decide. The zero value
// leaves it to them: columns that repeat few values have a dictionary, and all others are
// plain. Columns are top-level ones, by name, and flat.
type Finish struct {
	Delta     bool // integers that ascend are delta-encoded
	Encodings map[string]Encoding
	Bloom     []string  // columns with bloom filters
	FPP       float64   // of bloom filters: how often they may be wrong; 0.01 when 0
	Sort      []SortKey // by which the rows of each row group are sorted
}

// Encoding is how the values of a column are written.
type Encoding string

// The encodings.
const (
	EncodingPlain      Encoding = "plain"
	EncodingDictionary Encoding = "dictionary"
	EncodingDelta      Encoding = "delta"             // DELTA_BINARY_PACKED: integers, dates, times
	EncodingSplit      Encoding = "byte_stream_split" // BYTE_STREAM_SPLIT: floats
)

// SortKey is a column by which rows are sorted. NaN is larger than all other numbers.
type SortKey struct {
	Column     string
	Descending bool
	NullsFirst bool
}

// Choose is the encoding of a column whose first values are at hand; col may be nil.
func (f *Finish) Choose(name string, col arrow.Array) Encoding {
	if e, ok := f.Encodings[name]; ok {
		return e
	}
	switch {
	case col == nil:
		return EncodingPlain
	case Repeats(col):
		return EncodingDictionary
	case f.Delta && ascends(col):
		return EncodingDelta
	}
	return EncodingPlain
}

// leastAscent is how many rows must ascend: a few do by chance.
const leastAscent = 64

// ascends reports that the integers of a column never become smaller, in the sampled
// rows, and are not all the same.
func ascends(col arrow.Array) bool {
	n := min(col.Len(), sampleRows)
	if n < leastAscent {
		return false
	}
	switch a := col.(type) {
	case *array.Int64:
		return ascending(a, a.Int64Values()[:n])
	case *array.Int32:
		return ascending(a, a.Int32Values()[:n])
	case *array.Date32:
		return ascending(a, a.Date32Values()[:n])
	case *array.Timestamp:
		return ascending(a, a.TimestampValues()[:n])
	}
	return false
}

func ascending[T arrow.Timestamp | arrow.Date32 | int64 | int32](col arrow.Array, values []T) bool {
	last, rows := T(0), 0
	var first T
	for i, v := range values {
		if col.IsNull(i) {
			continue
		}
		if rows > 0 && v < last {
			return false
		}
		if rows == 0 {
			first = v
		}
		last = v
		rows++
	}
	return rows >= leastAscent && first < last
}

// Bloom filters have as many bytes as their different values need, between these two. The
// writer fills one of each size in turn and keeps the smallest that is large enough.
const (
	leastFilter = 2 << 10
	mostFilter  = 8 << 20 // for 6.9 million values at 0.01
	filterSizes = 13      // powers of two
)

// filterBytes is the size of a bloom filter of n different values of which fpp of the
// lookups may be in vain, up to the next power of two: 8n / -ln(1 - fpp^(1/8)) bits, for
// the split blocks of Parquet's BloomFilter.md.
func filterBytes(n int64, fpp float64) int64 {
	least := 8 * float64(n) / -math.Log(1-math.Pow(fpp, 1.0/8)) / 8
	return int64(bitutil.NextPowerOf2(int(min(max(least, leastFilter), mostFilter))))
}

// properties are what a finish says to arrow-go. first are the first rows; it may be nil.
func (f *Finish) properties(schema *arrow.Schema, first arrow.RecordBatch, rows int64) ([]arrowparquet.WriterProperty, error) {
	fpp := cmp.Or(f.FPP, 0.01)
	props := []arrowparquet.WriterProperty{arrowparquet.WithMaxBloomFilterBytes(filterBytes(rows, fpp)), arrowparquet.WithBloomFilterCandidates(filterSizes)}
	for i, field := range schema.Fields() {
		var col arrow.Array
		if first != nil {
			col = first.Column(i)
		}
		switch f.Choose(field.Name, col) {
		case EncodingDictionary:
			props = append(props, arrowparquet.WithDictionaryFor(field.Name, true))
		case EncodingDelta:
			props = append(props, arrowparquet.WithEncodingFor(field.Name, arrowparquet.Encodings.DeltaBinaryPacked))
		case EncodingSplit:
			props = append(props, arrowparquet.WithEncodingFor(field.Name, arrowparquet.Encodings.ByteStreamSplit))
		case EncodingPlain:
		}
		if slices.Contains(f.Bloom, field.Name) {
			props = append(props, arrowparquet.WithBloomFilterEnabledFor(field.Name, true), arrowparquet.WithBloomFilterFPPFor(field.Name, fpp),
				arrowparquet.WithAdaptiveBloomFilterEnabledFor(field.Name, true))
		}
	}
	if len(f.Sort) > 0 {
		cols := make([]arrowparquet.SortingColumn, len(f.Sort))
		for i, k := range f.Sort {
			at := schema.FieldIndices(k.Column)
			if len(at) != 1 {
				return nil, fmt.Errorf("sort by column %q: it is not there", k.Column)
			}
			cols[i] = arrowparquet.SortingColumn{ColumnIdx: leavesBefore(schema, at[0]), Descending: k.Descending, NullsFirst: k.NullsFirst}
		}
		props = append(props, arrowparquet.WithSortingColumns(cols))
	}
	return props, nil
}

// leavesBefore counts the columns that Parquet makes of the fields before one.
func leavesBefore(schema *arrow.Schema, field int) int32 {
	var leaves func(fields []arrow.Field) int32
	leaves = func(fields []arrow.Field) (n int32) {
		for _, f := range fields {
			if t, ok := f.Type.(arrow.NestedType); ok {
				n += leaves(t.Fields())
			} else {
				n++
			}
		}
		return n
	}
	return leaves(schema.Fields()[:field])
}
