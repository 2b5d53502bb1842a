package reader

import (
	"context"
	"time"

	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/pipeline"
)

// valuesFiles is how many footers are read for a guess.
const valuesFiles = 32

// Values is how many different values a column of the source may have at most, by the
// statistics of its first files: whole numbers, dates and days of timestamps between the
// least and the greatest, but no more than there are rows; 0 when they do not say.
func Values(ctx context.Context, spec *pipeline.Spec, f *Facts, column string) (int64, error) {
	if spec.Source.Parquet == nil {
		return f.Rows, nil // a range has each number once
	}
	var lo, hi int64
	known := false
	for _, planned := range f.Files[:min(len(f.Files), valuesFiles)] {
		src, err := storage.Open(ctx, planned.URI, job.S3(spec.Source.Parquet.S3))
		if err != nil {
			return 0, err
		}
		file, err := parquet.Open(ctx, src, memory.DefaultAllocator)
		if err != nil {
			return 0, err
		}
		for g := range file.RowGroups() {
			st, ok := file.Stats(g, column)
			from, isNumber := number(st.Min)
			to, _ := number(st.Max)
			if !ok || !isNumber {
				return 0, file.Close()
			}
			if !known {
				lo, hi, known = from, to, true
			}
			lo, hi = min(lo, from), max(hi, to)
		}
		if err := file.Close(); err != nil {
			return 0, err
		}
	}
	switch n := hi - lo + 1; {
	case !known:
		return 0, nil
	case n <= 0: // overflowed
		return f.Rows, nil
	default:
		return min(n, f.Rows), nil
	}
}

// number is a bound of a column as a whole number.
func number(v any) (int64, bool) {
	switch v := v.(type) {
	case int64:
		return v, true
	case time.Time:
		return v.Unix() / (24 * 60 * 60), true
	}
	return 0, false
}
