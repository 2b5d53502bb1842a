package parquet_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/generate"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/internal/storage"
)

const (
	groups    = 46
	groupRows = 4000
)

// distant puts a file of 46 row groups into a bucket behind a proxy.
func distant(t testing.TB) (*s3test.Proxy, string) {
	t.Helper()
	srv := s3test.New(t)
	_, err := generate.Customers(t.Context(), generate.Options{
		Rows: groups * groupRows, Files: 1, RowsPerGroup: groupRows, Seed: 1, Dir: filepath.Join(srv.Dir, s3test.Bucket),
	}, nil)
	require.NoError(t, err)
	return s3test.NewProxy(t, srv), srv.URI("customers-0000.parquet")
}

func readDistant(t testing.TB, uri string, columns []string, o parquet.ReadOptions) (rows int64) {
	t.Helper()
	src, err := storage.Open(t.Context(), uri, storage.S3Options{})
	require.NoError(t, err)
	f, err := parquet.Open(t.Context(), src, nil)
	require.NoError(t, err)
	defer func() { require.NoError(t, f.Close()) }()
	require.Equal(t, groups, f.RowGroups())
	o.Columns, o.BlockRows = f.Schema(), 2000
	if columns != nil {
		var fields []arrow.Field
		for _, name := range columns {
			fields = append(fields, f.Schema().Field(f.Schema().FieldIndices(name)[0]))
		}
		o.Columns = arrow.NewSchema(fields, nil)
	}
	require.NoError(t, f.ReadRowGroups(t.Context(), 0, groups, o, func(_, _ int64, b arrow.RecordBatch) error {
		if b != nil {
			rows += b.NumRows()
			b.Release()
		}
		return nil
	}))
	return rows
}

// A row group is one request, and the footer another.
func TestDistantFileIsReadWithFewRequests(t *testing.T) {
	p, uri := distant(t)
	require.EqualValues(t, groups*groupRows, readDistant(t, uri, nil, parquet.ReadOptions{}))
	requests, _ := p.Seen()
	require.LessOrEqual(t, len(requests), 60)
	for _, r := range requests {
		require.True(t, strings.HasPrefix(r, http.MethodGet), r)
	}

	// Two of eight columns are less than half of the bytes.
	readDistant(t, uri, nil, parquet.ReadOptions{})
	_, all := p.Seen()
	readDistant(t, uri, []string{"id", "amount"}, parquet.ReadOptions{})
	requests, few := p.Seen()
	require.Less(t, few, all)
	require.LessOrEqual(t, len(requests), 60)

	// What nobody wants is not asked for.
	require.EqualValues(t, groupRows, readDistant(t, uri, nil, parquet.ReadOptions{Want: func(from, _ int64) bool { return from/groupRows == 7 }}))
	requests, _ = p.Seen()
	require.LessOrEqual(t, len(requests), 3)
}

// A row group beyond the budget is read in parts, and gives the same rows.
func TestDistantRowGroupBeyondTheBudget(t *testing.T) {
	_, uri := distant(t)
	require.EqualValues(t, groups*groupRows, readDistant(t, uri, nil, parquet.ReadOptions{Budget: 200 << 10}))
}

// A store that breaks in the middle is no damage of the file.
func TestDistantFileThatCannotBeReadIsNotDamaged(t *testing.T) {
	p, uri := distant(t)
	src, err := storage.Open(t.Context(), uri, storage.S3Options{})
	require.NoError(t, err)
	f, err := parquet.Open(t.Context(), src, nil)
	require.NoError(t, err)
	p.Judge(func(*http.Request) s3test.Fault { return s3test.Denied })
	_, err = readAll(t.Context(), f, parquet.ReadOptions{})
	require.ErrorIs(t, err, storage.ErrDenied)
	require.False(t, parquet.IsDamaged(err))
	require.ErrorContains(t, err, "row group 0")
}

// BenchmarkDistant reads over a network with 20 ms to the store.
func BenchmarkDistant(b *testing.B) {
	p, uri := distant(b)
	p.Latency(20 * time.Millisecond)
	for name, columns := range map[string][]string{"all": nil, "two": {"id", "amount"}} {
		b.Run(name, func(b *testing.B) {
			p.Seen()
			for b.Loop() {
				readDistant(b, uri, columns, parquet.ReadOptions{})
			}
			requests, bytes := p.Seen()
			b.ReportMetric(float64(len(requests))/float64(b.N), "requests/op")
			b.ReportMetric(float64(bytes)/float64(b.N), "bytes/op")
		})
	}
}
