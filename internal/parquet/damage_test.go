package parquet_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/rounds"
)

// small is a file of 300 rows in three row groups.
func small(t testing.TB, codec string) []byte {
	t.Helper()
	batch := sample(t, memory.DefaultAllocator, 300)
	defer batch.Release()
	return write(t, parquet.WriteOptions{Codec: codec, RowsPerGroup: 100}, batch.Schema(), batch)
}

// try opens and reads whatever data is. Every error must be a FileError that names the
// file and wraps one of the sentinels.
func try(t testing.TB, data []byte) (rows []string, err error) {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	f, err := parquet.Open(t.Context(), source(data), mem)
	if err == nil {
		rows, err = readAll(t.Context(), f, parquet.ReadOptions{Budget: 1 << 20})
		require.NoError(t, f.Close())
	}
	if err != nil {
		named(t, err)
	}
	return rows, err
}

func named(t testing.TB, err error) {
	t.Helper()
	var fe *parquet.FileError
	require.ErrorAs(t, err, &fe)
	require.Equal(t, "dir/test.parquet", fe.File)
	known := slices.ContainsFunc([]error{parquet.ErrNotParquet, parquet.ErrCorrupt, parquet.ErrEncrypted, parquet.ErrTooLarge}, func(s error) bool { return errors.Is(err, s) })
	require.True(t, known, "%v", err)
}

func TestDamagedFiles(t *testing.T) {
	whole := small(t, "snappy")
	patch := func(at int, with string) []byte {
		d := slices.Clone(whole)
		copy(d[at:], with)
		return d
	}
	footer := len(whole) - 8
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"Empty":         {nil, parquet.ErrNotParquet},
		"Short":         {whole[:11], parquet.ErrNotParquet},
		"NoTail":        {whole[:len(whole)-1], parquet.ErrNotParquet},
		"Half":          {whole[:len(whole)/2], parquet.ErrNotParquet},
		"Text":          {[]byte("id,name\n1,a\n2,b\n3,c\n"), parquet.ErrNotParquet},
		"Encrypted":     {patch(len(whole)-4, "PARE"), parquet.ErrEncrypted},
		"FooterTooLong": {patch(footer, string(binary.LittleEndian.AppendUint32(nil, uint32(len(whole))))), parquet.ErrCorrupt},
		"FooterHuge":    {patch(footer, "\xff\xff\xff\xff"), parquet.ErrCorrupt},
		"FooterZero":    {patch(footer, "\x00\x00\x00\x00"), parquet.ErrCorrupt},
		"DataCutOut":    {append(slices.Clone(whole[:4]), whole[len(whole)-int(binary.LittleEndian.Uint32(whole[footer:]))-8:]...), parquet.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := try(t, c.data)
			require.ErrorIs(t, err, c.want)
		})
	}
}

// A damaged page names its row group.
func TestDamageNamesTheRowGroup(t *testing.T) {
	data := small(t, "zstd")
	col, err := raw(t, data).RowGroup(1).ColumnChunk(0)
	require.NoError(t, err)
	at := col.DataPageOffset()
	for i := range col.TotalCompressedSize() {
		data[at+i] = 0xff
	}
	_, err = try(t, data)
	require.ErrorIs(t, err, parquet.ErrCorrupt)
	require.ErrorContains(t, err, "dir/test.parquet: row group 1: ")
}

func TestTruncatedAtEveryLength(t *testing.T) {
	whole := small(t, "snappy")
	for n := 0; n < len(whole); n += 1 + n/200 {
		_, err := try(t, whole[:n])
		require.Error(t, err, "%d of %d bytes", n, len(whole))
	}
}

// One flipped byte anywhere never ends the process, and never changes how many rows come
// without an error. Values may change where the format has no checksum: pages of the
// codecs without one.
func TestFlippedBytes(t *testing.T) {
	for _, codec := range []string{"none", "snappy", "zstd"} {
		t.Run(codec, func(t *testing.T) {
			whole := small(t, codec)
			rng := rand.New(rand.NewPCG(7, 7))
			outcomes := map[string]int{}
			for range rounds.Of(150) {
				d := slices.Clone(whole)
				d[rng.IntN(len(d))] ^= byte(1 + rng.IntN(255))
				rows, err := try(t, d)
				if err != nil {
					outcomes["error"]++
					continue
				}
				outcomes["read"]++
				require.Len(t, rows, 300)
			}
			t.Log("counted:", t.Name(), outcomes)
			require.Positive(t, outcomes["error"])
		})
	}
}

// Whatever the bytes are, opening and reading them ends, in rows or in an error that names
// the file.
func FuzzOpen(f *testing.F) {
	for _, codec := range []string{"none", "snappy", "zstd"} {
		f.Add(small(f, codec))
	}
	writers, err := filepath.Glob("testdata/*/*.parquet") // of pyarrow, DuckDB and Polars
	require.NoError(f, err)
	require.NotEmpty(f, writers)
	for _, name := range writers {
		data, err := os.ReadFile(name)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<20 {
			return
		}
		_, _ = try(t, data)
	})
}

func ExampleFileError() {
	fmt.Println(&parquet.FileError{File: "a.parquet", RowGroup: 3, Column: "id", Err: parquet.ErrCorrupt})
	// Output: a.parquet: row group 3: column "id": the file is damaged
}
