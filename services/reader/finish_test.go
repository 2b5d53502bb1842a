package reader

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// Tasks know where in the source they begin, whatever the plan leaves out.
func TestInspectCountsRowsOverTheWholeSource(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a.parquet", idAndText, 1000, 100, row)
	writeFile(t, dir, "b.parquet", idAndText, 500, 100, row)
	f, err := inspect(t, dir, "stages: [{ name: s, transform: [{ filter: \"id < 100 || id >= 300\" }] }]\n")
	require.NoError(t, err)
	var first []int64
	for i := range f.Tasks {
		rows := job.RowsOf(&ledger.Plan{Files: f.Files, Tasks: f.Tasks}, blocks.Span{Task: uint32(i)}, nil)
		first = append(first, rows.At(0))
	}
	require.Equal(t, []int64{0, 300, 1000, 1300}, first)
	require.EqualValues(t, 400, f.PrunedRows)

	f, err = inspect(t, dir, "stages: [{ name: s, transform: [{ limit: 1050 }] }]\n")
	require.NoError(t, err)
	require.EqualValues(t, 400, f.PrunedRows)
	require.Equal(t, "s/limit[0]", f.PrunedBy)
	require.Len(t, f.Tasks, 2)
	require.EqualValues(t, 100, f.Tasks[1].Rows, "the row group in which the limit lies is read")
}

// explain says of each column what the sink's finish does to its passing through.
func TestInspectSaysWhatTheFinishCosts(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir, "a.parquet", idAndText, 1000, 1000, row)
	explain := func(sink, carry string) string {
		spec, err := pipeline.Parse("spec.yaml", fmt.Appendf(nil, "apiVersion: levada/v1\nname: test\nsource: { parquet: { uri: %q } }\nsink: { parquet: { uri: %q, compression: none, %s } }\npolicies: { carry: %s }\n",
			dir, filepath.Join(t.TempDir(), "out"), sink, carry))
		require.NoError(t, err)
		f, err := Inspect(t.Context(), spec, 1<<20)
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, pipeline.Explain(&b, f.Pipeline, pipeline.Facts{Carried: f.Carried, AllWhy: f.AllWhy}))
		return b.String()
	}
	text := explain("bloom_filters: [v], encodings: { id: delta }", "touched")
	require.Regexp(t, `id +decoded and encoded: .*it is in another encoding, and the sink asks for delta`, text)
	require.Regexp(t, `v +decoded and encoded: .*it has no bloom filter, and the sink asks for one`, text)
	require.Regexp(t, `v +copied, a row group at a time`, explain("page_checksums: true", "touched"))
	require.Contains(t, explain("sort_within: [v]", "auto"), "every column travels: sort_within puts the rows of a row group into another order")
}
