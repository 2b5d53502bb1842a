package pipeline_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/pipeline"
)

const finished = `sink:
  parquet:
    uri: out
    encodings: { amount: byte_stream_split, id: delta, email: plain }
    bloom_filters: { columns: [email, country], fpp: 0.001 }
    sort_within: [country, { column: amount, order: desc, nulls: first }, { column: id, order: asc, nulls: last }]
    page_checksums: true
    file_name: "{pipeline}-{date}-{time}.{codec}"
`

func TestFinish_Forms(t *testing.T) {
	s := parse(t, head+finished)
	k := s.Sink.Parquet
	require.Len(t, k.Encodings, 3)
	require.Equal(t, pipeline.EncodingSplit, k.Encodings[0].Encoding)
	require.Equal(t, []string{"email", "country"}, k.BloomFilters.Columns)
	require.InDelta(t, 0.001, k.BloomFilters.FPP, 0)
	require.Equal(t, "desc", k.SortWithin[1].Order)
	require.Equal(t, "first", k.SortWithin[1].Nulls)
	require.Empty(t, k.SortWithin[2].Order, "the default says nothing")
	require.True(t, k.PageChecksums)
	require.Equal(t, "test-2024-02-29-20240229T010203Z.snappy", s.FileName(time.Date(2024, 2, 29, 1, 2, 3, 0, time.UTC)))
	require.Empty(t, parse(t, head+tail).FileName(time.Now()))
	short := parse(t, head+"sink: { parquet: { uri: out, bloom_filters: email, sort_within: id } }\n").Sink.Parquet
	require.Equal(t, []string{"email"}, short.BloomFilters.Columns)
	require.InDelta(t, 0.01, short.BloomFilters.FPP, 0)
	require.Equal(t, "id", short.SortWithin[0].Column)
}

// A finish that is not asked for leaves the hash of a spec as it was: runs go on.
func TestFinish_IsNotInOldSpecs(t *testing.T) {
	require.Equal(t, "ff701c4a", parse(t, head+tail).Hash()[:8])
}

func TestFinish_IsExplained(t *testing.T) {
	p, err := pipeline.Compile(parse(t, head+finished), customers)
	require.NoError(t, err)
	_, err = p.Touched()
	require.EqualError(t, err, "sort_within puts the rows of a row group into another order")
	var b bytes.Buffer
	require.NoError(t, pipeline.Explain(&b, p, pipeline.Facts{}))
	for _, line := range []string{
		"encodings: amount byte_stream_split, id delta, email plain; a column of the source in another one is decoded and encoded",
		"bloom filters: email, country, wrong once in 1000; a column of the source without one is decoded and encoded",
		"sorted within each row group by country, amount desc nulls first, id: every column travels, none is copied",
		"every page has a checksum; what is copied is copied page by page, and checked where it has one",
		"files are named {pipeline}-{date}-{time}.{codec}-<run>-<nonce>.parquet",
	} {
		require.Contains(t, b.String(), "        "+line+"\n")
	}
}
