package stitch_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/stitch"
)

// writers are small files of other implementations: 60 rows in up to two row groups.
// pyarrow's have page checksums, DuckDB's and Polars' have none.
func writers(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("../parquet/testdata/writers/*.parquet")
	require.NoError(t, err)
	require.NotEmpty(t, names)
	all := map[string][]byte{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		all[filepath.Base(name)] = data
	}
	return all
}

// memFile is a file in memory.
type memFile struct{ *bytes.Reader }

func (memFile) Name() string { return "dir/test.parquet" }
func (memFile) Close() error { return nil }

// decodedBy reads a file page by page, as one batch for each row group.
func decodedBy(ctx context.Context, data []byte) (*arrow.Schema, []arrow.RecordBatch, error) {
	f, err := parquet.Open(ctx, memFile{bytes.NewReader(data)}, memory.DefaultAllocator)
	if err != nil {
		return nil, nil, err
	}
	var all []arrow.RecordBatch
	err = f.ReadRowGroups(ctx, 0, f.RowGroups(), parquet.ReadOptions{Columns: f.Schema(), BlockRows: 1000, Budget: 1 << 20}, func(_, _ int64, b arrow.RecordBatch) error {
		all = append(all, b)
		return nil
	})
	return f.Schema(), all, err
}

// copied takes over what it can of a file, column by column, byte for byte; and with keep
// those rows of it. The others have no rows in what it returns.
func copiedBy(ctx context.Context, l *stitch.Layout, column string, data []byte, keep []uint32) ([]arrow.RecordBatch, error) {
	s, err := stitch.OpenSource("dir/test.parquet", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	w := stitch.NewWriter(&out, l)
	defer w.Abandon()
	for g := range s.Groups() {
		group := stitch.Group{Rows: s.Rows(g), Columns: []stitch.Column{{Source: s, Group: g, Name: column}}}
		if group.Rows > 1000 {
			return nil, errTooMany
		}
		if keep != nil {
			at, _ := slices.BinarySearch(keep, uint32(group.Rows))
			group.Keep = keep[:at]
			group.Rows = int64(at)
		}
		if err := w.Append(ctx, group); err != nil {
			return nil, err
		}
	}
	if _, err := w.Close(); err != nil {
		return nil, err
	}
	_, got, err := decodedBy(ctx, out.Bytes())
	if err != nil { // what was copied must be what can be read
		return nil, fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return got, nil
}

var (
	errTooMany    = errors.New("a row group of these files has 40 rows")
	errUnreadable = errors.New("what was taken over cannot be read")
)

// sameRows compares batches of one schema.
func sameRows(a, b []arrow.RecordBatch) bool {
	return slices.EqualFunc(a, b, func(x, y arrow.RecordBatch) bool {
		return x.NumCols() == y.NumCols() && array.RecordEqual(x, array.NewRecordBatch(x.Schema(), y.Columns(), y.NumRows()))
	})
}

// atLeastNamed fails unless an error is a refusal or names the file and says that it is to
// blame.
func atLeastNamed(t *testing.T, at int, err error) {
	t.Helper()
	if _, ok := errors.AsType[*stitch.RefusedError](err); ok || errors.Is(err, errTooMany) {
		return
	}
	var fe *parquet.FileError
	require.ErrorAs(t, err, &fe, "byte %d", at)
	require.Equal(t, "dir/test.parquet", fe.File)
	require.True(t, parquet.IsDamaged(err) || fe.RowGroup < 0, "byte %d: %v", at, err)
}

// A changed byte anywhere in a file with page checksums ends in the right rows or in an
// error that names the file: where its columns are decoded, copied or gathered. A changed
// footer, which has no checksum, may give the columns another name or type, and then it is
// another schema that everybody sees.
func TestFlipsOfEachCodec(t *testing.T) {
	all := writers(t)
	for _, codec := range []string{"none", "snappy", "gzip", "zstd", "brotli", "lz4"} {
		t.Run(codec, func(t *testing.T) {
			t.Parallel()
			for _, version := range []string{"v1", "v2"} {
				flip(t, all["pyarrow-"+codec+"-"+version+".parquet"], codec, rounds.Of(500))
			}
		})
	}
	t.Run("delta", func(t *testing.T) {
		t.Parallel()
		flip(t, all["pyarrow-delta.parquet"], "none", rounds.Of(500))
	})
}

func flip(t *testing.T, sound []byte, codec string, n int) {
	t.Helper()
	ctx := t.Context()
	schema, want, err := decodedBy(ctx, sound)
	require.NoError(t, err)
	footer := len(sound) - 8 - int(binary.LittleEndian.Uint32(sound[len(sound)-8:]))
	rng := rand.New(rand.NewPCG(11, uint64(len(sound))))
	keep := []uint32{0, 1, 2, 5, 7, 11, 12, 13, 14, 15, 17, 19, 22, 30, 31, 39}
	outcomes := map[string]int{}
	for range n {
		d := slices.Clone(sound)
		at := rng.IntN(len(d))
		d[at] ^= byte(1 + rng.IntN(255))

		got, rows, err := decodedBy(ctx, d)
		switch {
		case err != nil:
			atLeastNamed(t, at, err)
			outcomes["decoded: error"]++
		case !got.Equal(schema):
			require.GreaterOrEqual(t, at, footer, "a page does not change the schema")
			outcomes["decoded: another schema"]++
			continue
		default:
			require.True(t, sameRows(want, rows), "byte %d of %d, %x for %x, the footer begins at %d: rows differ without an error", at, len(d), d[at], sound[at], footer)
			outcomes["decoded: right"]++
		}

		i := rng.IntN(schema.NumFields())
		l, err := stitch.NewLayout(arrow.NewSchema(schema.Fields()[i:i+1], nil), stitch.Options{Codec: codec})
		if err != nil {
			require.NotContains(t, []string{"none", "snappy", "zstd"}, codec)
			continue // levada writes no such files: nothing is copied or gathered
		}
		kept := [][]uint32{nil}
		if schema.Field(i).Type.ID() != arrow.LIST && schema.Field(i).Type.ID() != arrow.STRUCT {
			kept = append(kept, keep)
		}
		for _, keep := range kept {
			way := map[bool]string{true: "copied", false: "gathered"}[keep == nil]
			rows, err := copiedBy(ctx, l, schema.Field(i).Name, d, keep)
			if err != nil {
				require.NotErrorIs(t, err, errUnreadable, "byte %d, %x for %x, column %d, %s", at, d[at], sound[at], i, way)
				atLeastNamed(t, at, err)
				outcomes[way+": error"]++
				continue
			}
			require.True(t, sameRows(columnOf(t, want, i, keep), rows), "byte %d of %d, %x for %x, column %d %s: rows differ without an error", at, len(d), d[at], sound[at], i, way)
			outcomes[way+": right"]++
		}
	}
	t.Log("counted:", t.Name(), n, "flips:", outcomes)
	require.Positive(t, outcomes["decoded: error"])
	require.Positive(t, outcomes["decoded: right"])
}

// columnOf is one column of batches, with the kept rows of each.
func columnOf(t *testing.T, all []arrow.RecordBatch, i int, keep []uint32) []arrow.RecordBatch {
	t.Helper()
	var out []arrow.RecordBatch
	for _, b := range all {
		col := b.Column(i)
		if keep != nil {
			at, _ := slices.BinarySearch(keep, uint32(b.NumRows()))
			col = take(t, col, keep[:at])
		}
		out = append(out, array.NewRecordBatch(arrow.NewSchema([]arrow.Field{b.Schema().Field(i)}, nil), []arrow.Array{col}, int64(col.Len())))
	}
	return out
}

// Files of other writers without a change: nothing that they say of their pages is taken
// for damage.
func TestSoundFilesOfOtherWriters(t *testing.T) {
	for name, data := range writers(t) {
		schema, want, err := decodedBy(t.Context(), data)
		require.NoError(t, err, name)
		s, err := stitch.OpenSource(name, bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err, name)
		var d stitch.Decoder
		taken := 0
		for i, f := range schema.Fields() {
			for g := range s.Groups() {
				if d.Decodes(s, g, f) != nil {
					continue
				}
				require.NoError(t, d.Begin(s, g, arrow.NewSchema([]arrow.Field{f}, nil)))
				got, err := d.Next(t.Context(), memory.DefaultAllocator, int(s.Rows(g)))
				require.NoError(t, err, "%s: %s", name, f.Name)
				require.True(t, array.Equal(want[g].Column(i), got.Column(0)), "%s: %s", name, f.Name)
				taken++
			}
			for _, codec := range []string{"none", "snappy", "zstd"} {
				l, err := stitch.NewLayout(arrow.NewSchema([]arrow.Field{f}, nil), stitch.Options{Codec: codec})
				require.NoError(t, err)
				if l.Passes(0, s, 0, f.Name) != nil {
					continue
				}
				got, err := copiedBy(t.Context(), l, f.Name, data, nil)
				require.NoError(t, err, "%s: %s", name, f.Name)
				require.True(t, sameRows(columnOf(t, want, i, nil), got), "%s: %s", name, f.Name)
				taken++
			}
		}
		d.Close()
		t.Log(name, "columns taken over:", taken)
	}
}

// takeAll takes over each column of a file as the file itself has it, whatever it is.
func takeAll(t *testing.T, data []byte) {
	t.Helper()
	f, err := parquet.Open(t.Context(), memFile{bytes.NewReader(data)}, memory.DefaultAllocator)
	if err != nil {
		known(t, err)
		return
	}
	for _, fd := range f.Schema().Fields()[:min(f.Schema().NumFields(), 12)] {
		l, err := stitch.NewLayout(arrow.NewSchema([]arrow.Field{fd}, nil), stitch.Options{Codec: "snappy"})
		if err != nil {
			continue // a type that levada does not write
		}
		if _, err := copiedBy(t.Context(), l, fd.Name, data, nil); err != nil && !errors.Is(err, errUnreadable) {
			atLeastNamed(t, 0, err)
		}
	}
}
