package generate_test

import (
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/generate"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
)

const rows = 20_000

func customers(t *testing.T, seed uint64) []string {
	t.Helper()
	files, err := generate.Customers(t.Context(), generate.Options{Rows: rows, Files: 3, RowsPerGroup: 2000, Seed: seed, Dir: t.TempDir()}, nil)
	require.NoError(t, err)
	return files
}

func hashes(t *testing.T, files []string) (sums [][32]byte) {
	t.Helper()
	for _, f := range files {
		data, err := os.ReadFile(f)
		require.NoError(t, err)
		sums = append(sums, sha256.Sum256(data))
	}
	return sums
}

func TestCustomersAreReproducible(t *testing.T) {
	a, b, other := hashes(t, customers(t, 1)), hashes(t, customers(t, 1)), hashes(t, customers(t, 2))
	require.Equal(t, a, b)
	for i := range a {
		require.NotEqual(t, a[i], other[i])
	}
}

func TestCustomersAreAsDescribed(t *testing.T) {
	files := customers(t, 1)
	require.Len(t, files, 3)
	emails, countries := map[string]bool{}, map[string]int{}
	next, nulls, length := int64(0), 0, 0
	for _, name := range files {
		src, err := storage.OpenLocal(name)
		require.NoError(t, err)
		f, err := parquet.Open(t.Context(), src, nil)
		require.NoError(t, err)
		require.True(t, f.Schema().Equal(generate.CustomersSchema), f.Schema())
		require.Equal(t, 4, f.RowGroups())
		err = f.ReadRowGroups(t.Context(), 0, f.RowGroups(), parquet.ReadOptions{Columns: f.Schema(), BlockRows: 4096}, func(_, _ int64, b arrow.RecordBatch) error {
			defer b.Release()
			ids, amounts := b.Column(0).(*array.Int64), b.Column(3).(*array.Float64)
			visits, places := b.Column(2).(*array.Int32), b.Column(4).(*array.String)
			mails, notes := b.Column(5).(*array.String), b.Column(7).(*array.String)
			for i := range int(b.NumRows()) {
				require.Equal(t, next, ids.Value(i))
				next++
				require.GreaterOrEqual(t, amounts.Value(i), 0.0)
				require.LessOrEqual(t, amounts.Value(i), 1000.0)
				require.GreaterOrEqual(t, visits.Value(i), int32(0))
				countries[places.Value(i)]++
				emails[mails.Value(i)] = true
				if notes.IsNull(i) {
					nulls++
				} else {
					length += len(notes.Value(i))
				}
			}
			return nil
		})
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	require.EqualValues(t, rows, next)
	require.Len(t, emails, rows, "e-mails are unique")
	require.Len(t, countries, 40)
	require.InDelta(t, 0.30, float64(nulls)/rows, 0.02)
	require.InDelta(t, 42, float64(length)/float64(rows-nulls), 5)
}

func TestCustomersTellsProgress(t *testing.T) {
	last := int64(0)
	_, err := generate.Customers(t.Context(), generate.Options{Rows: 1000, Files: 1, Dir: t.TempDir()}, func(n int64) {
		require.Greater(t, n, last)
		last = n
	})
	require.NoError(t, err)
	require.EqualValues(t, 1000, last)
}

// What is cut short leaves no file that looks whole.
func TestCustomersLeavesNoPartOfAFile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	dir := t.TempDir()
	_, err := generate.Customers(ctx, generate.Options{Rows: 100_000, Files: 1, Dir: dir}, func(int64) { cancel() })
	require.ErrorIs(t, err, context.Canceled)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Empty(t, left)
}

// What is there may be read by a run at this moment.
func TestCustomersKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	o := generate.Options{Rows: 100, Files: 2, Dir: dir, Keep: true}
	theirs := filepath.Join(dir, "customers-0001.parquet")
	require.NoError(t, os.WriteFile(theirs, []byte("theirs"), 0o600))
	var done atomic.Int64
	_, err := generate.Customers(t.Context(), o, func(rows int64) { done.Store(max(rows, done.Load())) })
	require.NoError(t, err)
	require.EqualValues(t, 100, done.Load())
	data, err := os.ReadFile(theirs)
	require.NoError(t, err)
	require.Equal(t, "theirs", string(data))
	require.FileExists(t, filepath.Join(dir, "customers-0000.parquet"))
}

func TestCustomersRefusesMoreFilesThanRows(t *testing.T) {
	_, err := generate.Customers(t.Context(), generate.Options{Rows: 2, Files: 3, Dir: t.TempDir()}, nil)
	require.ErrorContains(t, err, "2 rows cannot be spread over 3 files")
}
