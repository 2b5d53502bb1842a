package job

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/pkg/pipeline"
)

// Finish is how a sink's spec wants columns written.
func Finish(k *pipeline.ParquetSink) parquet.Finish {
	f := parquet.Finish{Delta: true}
	if len(k.Encodings) > 0 {
		f.Encodings = make(map[string]parquet.Encoding, len(k.Encodings))
		for _, e := range k.Encodings {
			f.Encodings[e.Column] = parquet.Encoding(e.Encoding)
		}
	}
	if k.BloomFilters != nil {
		f.Bloom, f.FPP = k.BloomFilters.Columns, k.BloomFilters.FPP
	}
	for _, s := range k.SortWithin {
		f.Sort = append(f.Sort, parquet.SortKey{Column: s.Column, Descending: s.Order == "desc", NullsFirst: s.Nulls == "first"})
	}
	return f
}

// StitchOptions are those of files that are put together for a sink, which call their
// columns as stored says; see [pipeline.Pipeline].
func StitchOptions(k *pipeline.ParquetSink, stored *arrow.Schema) stitch.Options {
	return stitch.Options{Codec: k.Compression.Codec, Level: k.Compression.Level, Stored: stored, Finish: Finish(k), Checksums: k.PageChecksums}
}
