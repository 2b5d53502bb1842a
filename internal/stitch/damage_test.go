package stitch_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/rounds"
	"github.com/levada-data/levada/internal/stitch"
)

func damageFields() []arrow.Field {
	return fields([]arrow.DataType{arrow.PrimitiveTypes.Int64, arrow.BinaryTypes.String, arrow.FixedWidthTypes.Boolean, &arrow.Decimal128Type{Precision: 20, Scale: 2}})
}

// attempt takes over what it can of a file, whatever data is: each column of each row
// group by itself, copied or gathered. The result has a row group for each that was
// taken, named by taken. Errors must be refusals, or name the file.
func attempt(t testing.TB, data []byte, fs []arrow.Field, column int, manner string) (taken []int, out []byte) {
	t.Helper()
	s, err := stitch.OpenSource("dir/test.parquet", bytes.NewReader(data), int64(len(data)))
	if err != nil {
		known(t, err)
		return nil, nil
	}
	// 1,000 rows are what the files of these tests have.
	l := layout(t, stitch.Options{Codec: "snappy"}, fs[column])
	var file bytes.Buffer
	w := stitch.NewWriter(&file, l)
	defer w.Abandon()
	rows := int64(0)
	for g := range min(s.Groups(), 10) {
		group := all(s, g, fs[column:column+1])
		if s.Rows(g) > 1000 {
			continue
		}
		if manner != "" {
			group.Keep = kept(int(s.Rows(g)), manner)
			group.Rows = int64(len(group.Keep))
		}
		if err := w.Append(t.Context(), group); err != nil {
			if _, ok := errors.AsType[*stitch.RefusedError](err); !ok {
				known(t, err)
			}
			if strings.HasPrefix(err.Error(), "the file is not whole") || w.Append(t.Context(), stitch.Group{Columns: group.Columns}) != nil {
				return nil, nil // found while it was being copied
			}
			continue
		}
		rows += group.Rows
		if group.Rows > 0 {
			taken = append(taken, g)
		}
	}
	require.Equal(t, rows, w.Rows())
	_, err = w.Close()
	require.NoError(t, err)
	got := open(t, file.Bytes())
	require.Equal(t, len(taken), got.Groups())
	return taken, file.Bytes()
}

func known(t testing.TB, err error) {
	t.Helper()
	var fe *parquet.FileError
	require.ErrorAs(t, err, &fe)
	require.Equal(t, "dir/test.parquet", fe.File)
	require.True(t, parquet.IsDamaged(err), "%v", err)
}

// A flipped byte never ends the process. Where arrow-go still reads the whole file, and
// rows are gathered, they are the rows that it reads.
func TestFlippedBytes(t *testing.T) {
	fs := damageFields()
	rng := rand.New(rand.NewPCG(3, 3))
	outcomes := map[string]int{}
	for i, f := range forms() {
		sound := write(t, form{codec: f.codec, v2: f.v2, dict: f.dict, limit: f.limit, page: f.page, group: 150}, batch(t, fs, 300, uint64(i), 50))
		for range rounds.Of(120) {
			d := slices.Clone(sound)
			d[rng.IntN(len(d))] ^= byte(1 + rng.IntN(255))
			column := rng.IntN(len(fs))
			attempt(t, d, fs, column, "")
			taken, out := attempt(t, d, fs, column, "most")
			if len(taken) != 2 {
				outcomes["refused"]++
				continue
			}
			want, err := tryRead(d)
			if err != nil || want.NumRows() != 300 {
				outcomes["gathered, though arrow-go does not read it"]++
				continue
			}
			outcomes["gathered"]++
			keep := kept(150, "most")
			for _, k := range slices.Clone(keep) {
				keep = append(keep, k+150)
			}
			at := want.Schema().FieldIndices(fs[column].Name)
			require.Len(t, at, 1)
			equal(t, take(t, whole(t, want.Column(at[0]).Data()), keep), whole(t, read(t, out).Column(0).Data()), fs[column].Name)
		}
	}
	t.Log("counted:", t.Name(), outcomes)
	require.Positive(t, outcomes["gathered"])
	require.Positive(t, outcomes["refused"])
}

func TestTruncated(t *testing.T) {
	fs := damageFields()
	data := write(t, form{codec: compress.Codecs.Snappy}, batch(t, fs, 50, 1, 50))
	for n := range data {
		_, err := stitch.OpenSource("dir/test.parquet", bytes.NewReader(data[:n]), int64(n))
		require.Error(t, err, "%d of %d bytes", n, len(data))
		known(t, err)
	}
	// The file is shorter than it was said to be.
	_, err := stitch.OpenSource("dir/test.parquet", bytes.NewReader(data[:len(data)-9]), int64(len(data)))
	known(t, err)
}

// broken fails where it is told to.
type broken struct {
	*bytes.Reader
	from int64
}

func (b *broken) ReadAt(p []byte, at int64) (int, error) {
	if at < b.from {
		return 0, errDisk
	}
	return b.Reader.ReadAt(p, at)
}

// What cannot be read is not damaged, and says where it is.
func TestSourceFails(t *testing.T) {
	fs := damageFields()
	data := write(t, form{codec: compress.Codecs.Snappy, page: 500}, batch(t, fs, 5000, 1, 50))
	r := &broken{bytes.NewReader(data), 0}
	s, err := stitch.OpenSource("dir/test.parquet", r, int64(len(data)))
	require.NoError(t, err)
	r.from = int64(len(data)) / 2
	w := stitch.NewWriter(&bytes.Buffer{}, layout(t, stitch.Options{}, fs...))
	g := all(s, 0, fs)
	g.Keep = []uint32{7}
	g.Rows = 1
	for range 2 {
		err = w.Append(t.Context(), g)
		require.ErrorIs(t, err, errDisk)
		require.ErrorContains(t, err, `dir/test.parquet: row group 0: column "r0": `)
		require.False(t, parquet.IsDamaged(err))
	}
	r.from = 0
	require.NoError(t, w.Append(t.Context(), g))
}

// Whatever the bytes are, taking columns over ends: in rows, or in an error that names the
// file.
func FuzzSource(f *testing.F) {
	fs := damageFields()
	for i, form := range forms() {
		form.group = 20
		f.Add(write(f, form, batch(f, fs, 40, uint64(i), 9)), uint8(i))
	}
	for _, data := range writers(f) {
		f.Add(data, uint8(0))
	}
	f.Fuzz(func(t *testing.T, data []byte, column uint8) {
		if len(data) > 1<<20 {
			return
		}
		takeAll(t, data)
		for _, manner := range []string{"", "most"} {
			attempt(t, data, fs, int(column)%len(fs), manner)
		}
	})
}
