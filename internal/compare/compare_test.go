package compare_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/internal/compare"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// row is one of a test's tables.
type row struct {
	id   int64
	name string // "" is null
	v    float64
}

func fields() []arrow.Field {
	return []arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "name", Type: arrow.BinaryTypes.String, Nullable: true},
		{Name: "v", Type: arrow.PrimitiveTypes.Float64},
	}
}

func write(t testing.TB, file string, group int64, rows []row) {
	t.Helper()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields(), nil))
	defer b.Release()
	for _, r := range rows {
		b.Field(0).(*array.Int64Builder).Append(r.id)
		if r.name == "" {
			b.Field(1).AppendNull()
		} else {
			b.Field(1).(*array.StringBuilder).Append(r.name)
		}
		b.Field(2).(*array.Float64Builder).Append(r.v)
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	writeBatch(t, file, group, batch)
}

func writeBatch(t testing.TB, file string, group int64, batch arrow.RecordBatch) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	f, err := os.Create(file)
	require.NoError(t, err)
	w, err := parquet.NewWriter(f, batch.Schema(), parquet.WriteOptions{RowsPerGroup: group})
	require.NoError(t, err)
	require.NoError(t, w.Write(batch))
	_, err = w.Close()
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// spread writes rows into some files of a new directory.
func spread(t testing.TB, rows []row, files int, group int64) string {
	t.Helper()
	dir := t.TempDir()
	for i := range files {
		write(t, filepath.Join(dir, fmt.Sprintf("%d.parquet", i)), group, rows[len(rows)*i/files:len(rows)*(i+1)/files])
	}
	return dir
}

func open(t testing.TB, uri string) *compare.Set {
	t.Helper()
	s, err := compare.Open(t.Context(), uri, storage.S3Options{})
	require.NoError(t, err)
	return s
}

func sets(t testing.TB, a, b string, o compare.Options) *compare.Result {
	t.Helper()
	r, err := compare.Sets(t.Context(), open(t, a), open(t, b), o)
	require.NoError(t, err)
	return r
}

func some(n int) []row {
	rows := make([]row, n)
	for i := range rows {
		rows[i] = row{id: int64(i), name: []string{"", "ana", "rui"}[i%3], v: float64(i) / 4}
	}
	return rows
}

func TestOrderFilesAndRowGroupsDoNotCount(t *testing.T) {
	rows := some(1000)
	a := spread(t, rows, 1, 100)
	turned := slices.Clone(rows)
	slices.Reverse(turned)
	r := sets(t, a, spread(t, turned, 7, 33), compare.Options{Rows: 5})
	require.True(t, r.Equal)
	require.Empty(t, r.Schema)
	require.Empty(t, r.Rows.First)
	require.Equal(t, int64(334), r.Columns[1].A.Nulls)
	require.Equal(t, 7, r.B.Files)
}

// The result is that of comparing multisets of rows, whatever the layout and however few
// keys are remembered.
func TestAgreesWithMultisets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		one := rapid.Custom(func(t *rapid.T) row {
			return row{int64(rapid.IntRange(0, 5).Draw(t, "id")), rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "name"), float64(rapid.IntRange(0, 2).Draw(t, "v"))}
		})
		left := rapid.SliceOfN(one, 1, 30).Draw(rt, "left")
		right := slices.Clone(left)
		for range rapid.IntRange(0, 3).Draw(rt, "changes") {
			i := rapid.IntRange(0, len(right)).Draw(rt, "at")
			if rapid.Bool().Draw(rt, "insert") || len(right) == 1 {
				right = slices.Insert(right, i, one.Draw(rt, "row"))
			} else {
				right = slices.Delete(right, min(i, len(right)-1), min(i, len(right)-1)+1)
			}
		}
		right = rapid.Permutation(right).Draw(rt, "order")
		a := spread(t, left, rapid.IntRange(1, 3).Draw(rt, "files"), int64(rapid.IntRange(1, 9).Draw(rt, "group")))
		b := spread(t, right, rapid.IntRange(1, 3).Draw(rt, "files"), int64(rapid.IntRange(1, 9).Draw(rt, "group")))

		count := map[row]int64{}
		for _, r := range left {
			count[r]++
		}
		for _, r := range right {
			count[r]--
		}
		var onlyA, onlyB int64
		for _, n := range count {
			onlyA += max(n, 0)
			onlyB += max(-n, 0)
		}
		r := sets(t, a, b, compare.Options{Rows: 1000})
		if r.Equal != (onlyA+onlyB == 0) || r.Rows.OnlyA != onlyA || r.Rows.OnlyB != onlyB || !r.Rows.All {
			rt.Fatalf("only in A %d, only in B %d; got %+v", onlyA, onlyB, r.Rows)
		}
		var shown int64
		for _, d := range r.Rows.First {
			shown += d.Count
		}
		if shown != onlyA+onlyB {
			rt.Fatalf("%d rows are shown, %d differ", shown, onlyA+onlyB)
		}
		few := sets(t, a, b, compare.Options{Rows: 1, Remembered: 1})
		if few.Equal != r.Equal || len(few.Rows.First) != min(len(r.Rows.First), 1) {
			rt.Fatalf("with little memory: %+v", few.Rows)
		}
	})
}

func TestKeyTellsChangedRowsFromOthers(t *testing.T) {
	rows := some(500)
	other := slices.Clone(rows)
	other[17].v = 99
	other[18].name = "eva"
	other = slices.Delete(other, 400, 401)
	other = append(other, row{id: 9999})
	r := sets(t, spread(t, rows, 2, 50), spread(t, other, 3, 40), compare.Options{Key: []string{"id"}, Rows: 10})
	require.False(t, r.Equal)
	require.Equal(t, []int64{1, 1, 2}, []int64{r.Rows.OnlyA, r.Rows.OnlyB, r.Rows.Changed})
	require.Len(t, r.Rows.First, 4)
	first := r.Rows.First[0]
	require.Equal(t, compare.Changed, first.Kind)
	require.Equal(t, []string{"v"}, first.Columns)
	require.JSONEq(t, `{"id":17,"name":"rui","v":4.25}`, string(first.A.Values))
	require.JSONEq(t, `{"id":17,"name":"rui","v":99}`, string(first.B.Values))
	require.Equal(t, []string{"17", "rui", "99"}, first.B.Texts)
	require.Equal(t, int64(17), first.A.Row)
	require.Equal(t, "0.parquet", first.A.Name)
	require.Equal(t, []string{"name"}, r.Rows.First[1].Columns)
	require.Equal(t, compare.OnlyA, r.Rows.First[2].Kind)
	require.Equal(t, "400", r.Rows.First[2].A.Texts[0])
	require.Equal(t, "1.parquet", r.Rows.First[2].A.Name)
	require.Equal(t, int64(150), r.Rows.First[2].A.Row)
	require.Equal(t, compare.OnlyB, r.Rows.First[3].Kind)
}

// Values that have changed places leave the checksum of each column as it was.
func TestValuesThatHaveChangedPlacesAreSeen(t *testing.T) {
	rows := some(100)
	other := slices.Clone(rows)
	other[3].v, other[50].v = other[50].v, other[3].v
	r := sets(t, spread(t, rows, 1, 100), spread(t, other, 1, 100), compare.Options{Rows: 10})
	for _, c := range r.Columns {
		require.True(t, c.Equal, c.Column)
	}
	require.False(t, r.Equal)
	require.Equal(t, int64(2), r.Rows.OnlyA)
	require.Len(t, r.Rows.First, 4)
}

func TestManyDifferencesAreCountedWithinTheBound(t *testing.T) {
	rows := some(5000)
	other := slices.Clone(rows)
	for i := range other {
		other[i].v++
	}
	r := sets(t, spread(t, rows, 1, 1000), spread(t, other, 1, 1000), compare.Options{Rows: 3, Remembered: 200})
	require.False(t, r.Rows.All)
	require.Positive(t, r.Rows.OnlyA)
	require.Less(t, r.Rows.OnlyA, int64(300))
	require.Len(t, r.Rows.First, 3)
	require.Equal(t, int64(0), r.Rows.First[0].A.Row, "the first rows of all are among those that are looked at")
}

func TestColumnsOfDirectories(t *testing.T) {
	rows := some(90)
	plain := spread(t, rows, 1, 100)
	dir := t.TempDir()
	parts := map[string][]row{}
	for _, r := range rows {
		parts[r.name] = append(parts[r.name], r)
	}
	for name, rows := range parts {
		b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{fields()[0], fields()[2]}, nil))
		for _, r := range rows {
			b.Field(0).(*array.Int64Builder).Append(r.id)
			b.Field(1).(*array.Float64Builder).Append(r.v)
		}
		batch := b.NewRecordBatch()
		if name == "" {
			name = "__HIVE_DEFAULT_PARTITION__"
		}
		writeBatch(t, filepath.Join(dir, "name="+name, "part.parquet"), 10, batch)
		batch.Release()
		b.Release()
	}
	r := sets(t, plain, dir, compare.Options{Rows: 1})
	require.True(t, r.Equal, "%+v", r)
	require.Equal(t, int64(30), r.Columns[1].B.Nulls)

	// A number's directory is a number, where the other side says so.
	one := t.TempDir()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema(fields()[1:], nil))
	defer b.Release()
	b.Field(0).(*array.StringBuilder).Append("ana")
	b.Field(1).(*array.Float64Builder).Append(2)
	batch := b.NewRecordBatch()
	defer batch.Release()
	writeBatch(t, filepath.Join(one, "id=7", "x.parquet"), 10, batch)
	r = sets(t, spread(t, []row{{7, "ana", 2}}, 1, 1), one, compare.Options{Rows: 1})
	require.True(t, r.Equal, "%+v", r)
	r = sets(t, spread(t, []row{{8, "ana", 2}}, 1, 1), one, compare.Options{Rows: 2})
	require.False(t, r.Equal)
	require.Equal(t, "7", r.Rows.First[1].B.Texts[0])
}

func TestSchemasThatDiffer(t *testing.T) {
	a := spread(t, some(10), 1, 10)
	dir := t.TempDir()
	b := array.NewRecordBuilder(memory.DefaultAllocator, arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int32}, {Name: "more", Type: arrow.FixedWidthTypes.Boolean}, fields()[2],
	}, nil))
	defer b.Release()
	for _, r := range some(10) {
		b.Field(0).(*array.Int32Builder).Append(int32(r.id))
		b.Field(1).(*array.BooleanBuilder).Append(true)
		b.Field(2).(*array.Float64Builder).Append(r.v)
	}
	batch := b.NewRecordBatch()
	defer batch.Release()
	writeBatch(t, filepath.Join(dir, "x.parquet"), 10, batch)
	r := sets(t, a, dir, compare.Options{})
	require.False(t, r.Equal)
	require.Equal(t, []compare.SchemaDifference{{"id", "int64", "int32"}, {"name", "utf8", ""}, {"more", "", "bool"}}, r.Schema)
	require.True(t, r.Rows.Equal, "a number is the same in any width")

	// Asked for the columns of both sides only, the types still count, what is missing does not.
	r = sets(t, a, dir, compare.Options{Columns: []string{"v"}})
	require.True(t, r.Equal)
	r = sets(t, a, dir, compare.Options{Columns: []string{"v", "id"}})
	require.False(t, r.Equal)

	_, err := compare.Sets(t.Context(), open(t, a), open(t, dir), compare.Options{Columns: []string{"name"}})
	require.ErrorContains(t, err, `column "name" is not on both sides: they have id, v`)

	// One name has one type within a set.
	write(t, filepath.Join(dir, "y.parquet"), 10, some(2))
	_, err = compare.Open(t.Context(), dir, storage.S3Options{})
	require.ErrorContains(t, err, `column "id" is int32 in`)
	require.ErrorContains(t, err, "y.parquet")
}

func TestEmptySets(t *testing.T) {
	r := sets(t, spread(t, nil, 1, 10), spread(t, nil, 3, 10), compare.Options{Rows: 1})
	require.True(t, r.Equal)
	r = sets(t, spread(t, nil, 2, 10), spread(t, some(3), 3, 10), compare.Options{Rows: 9})
	require.Equal(t, int64(3), r.Rows.OnlyB)
}

// Every type that is read has a hash of its values that does not depend on how they lie.
func TestEveryTypeIsHashed(t *testing.T) {
	mem := memory.DefaultAllocator
	types := []arrow.DataType{
		arrow.Null, arrow.FixedWidthTypes.Boolean, arrow.PrimitiveTypes.Int8, arrow.PrimitiveTypes.Int16, arrow.PrimitiveTypes.Int32, arrow.PrimitiveTypes.Int64,
		arrow.PrimitiveTypes.Uint8, arrow.PrimitiveTypes.Uint16, arrow.PrimitiveTypes.Uint32, arrow.PrimitiveTypes.Uint64, arrow.FixedWidthTypes.Float16,
		arrow.PrimitiveTypes.Float32, arrow.PrimitiveTypes.Float64, arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString, arrow.BinaryTypes.Binary,
		arrow.BinaryTypes.LargeBinary, arrow.BinaryTypes.StringView, arrow.BinaryTypes.BinaryView, arrow.FixedWidthTypes.Date32, arrow.FixedWidthTypes.Date64,
		arrow.FixedWidthTypes.Time32s, arrow.FixedWidthTypes.Time64us, arrow.FixedWidthTypes.Timestamp_ns, arrow.FixedWidthTypes.Duration_ms,
		arrow.FixedWidthTypes.MonthInterval, arrow.FixedWidthTypes.DayTimeInterval, arrow.FixedWidthTypes.MonthDayNanoInterval,
		&arrow.FixedSizeBinaryType{ByteWidth: 2}, &arrow.Decimal32Type{Precision: 5, Scale: 2}, &arrow.Decimal64Type{Precision: 12, Scale: 2},
		&arrow.Decimal128Type{Precision: 20, Scale: 2}, &arrow.Decimal256Type{Precision: 50, Scale: 2},
		arrow.ListOf(arrow.PrimitiveTypes.Int32), arrow.LargeListOf(arrow.BinaryTypes.String), arrow.FixedSizeListOf(2, arrow.PrimitiveTypes.Int32),
		arrow.StructOf(arrow.Field{Name: "x", Type: arrow.PrimitiveTypes.Int32, Nullable: true}), arrow.MapOf(arrow.BinaryTypes.String, arrow.PrimitiveTypes.Int64),
		&arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String},
	}
	values := map[arrow.Type][2]string{
		arrow.BOOL: {"true", "false"}, arrow.BINARY: {`"YQ=="`, `"Yg=="`}, arrow.LARGE_BINARY: {`"YQ=="`, `"Yg=="`}, arrow.BINARY_VIEW: {`"YQ=="`, `"Yg=="`},
		arrow.FIXED_SIZE_BINARY: {`"YWE="`, `"YmI="`}, arrow.STRING: {`"a"`, `"b"`}, arrow.LARGE_STRING: {`"a"`, `"b"`}, arrow.STRING_VIEW: {`"a"`, `"b"`},
		arrow.DICTIONARY: {`"a"`, `"b"`}, arrow.DATE32: {`"2020-01-01"`, `"2020-01-02"`}, arrow.DATE64: {`"2020-01-01"`, `"2020-01-02"`},
		arrow.TIME32: {`"01:02:03"`, `"01:02:04"`}, arrow.TIME64: {`"01:02:03"`, `"01:02:04"`}, arrow.TIMESTAMP: {`"2020-01-01T00:00:00Z"`, `"2020-01-02T00:00:00Z"`},
		arrow.DECIMAL32: {`"1.25"`, `"-1.25"`}, arrow.DECIMAL64: {`"1.25"`, `"-1.25"`}, arrow.DECIMAL128: {`"1.25"`, `"-1.25"`}, arrow.DECIMAL256: {`"1.25"`, `"-1.25"`},
		arrow.LIST: {"[1, null]", "[1]"}, arrow.LARGE_LIST: {`["a"]`, "[]"}, arrow.FIXED_SIZE_LIST: {"[1, 2]", "[2, 1]"},
		arrow.STRUCT: {`{"x": 1}`, `{"x": null}`}, arrow.MAP: {`[{"key": "a", "value": 1}]`, `[{"key": "a", "value": 2}]`},
		arrow.INTERVAL_MONTHS:         {`{"months": 1}`, `{"months": 2}`},
		arrow.INTERVAL_DAY_TIME:       {`{"days": 1, "milliseconds": 1}`, `{"days": 1, "milliseconds": 2}`},
		arrow.INTERVAL_MONTH_DAY_NANO: {`{"months": 1, "days": 2, "nanoseconds": 3}`, `{"months": 1, "days": 2, "nanoseconds": 4}`},
	}
	for _, typ := range types {
		t.Run(typ.String(), func(t *testing.T) {
			v, ok := values[typ.ID()]
			if !ok {
				v = [2]string{"1", "2"}
			}
			if typ.ID() == arrow.NULL {
				v = [2]string{"null", "null"}
			}
			a, _, err := array.FromJSON(mem, typ, strings.NewReader("["+v[0]+",null,"+v[1]+","+v[0]+"]"))
			require.NoError(t, err)
			defer a.Release()
			hs, err := compare.Hashes(a)
			require.NoError(t, err)
			require.Equal(t, hs[0], hs[3])
			if typ.ID() != arrow.NULL {
				require.NotEqual(t, hs[0], hs[1])
				require.NotEqual(t, hs[0], hs[2])
			}
			part := array.NewSlice(a, 2, 4)
			defer part.Release()
			sliced, err := compare.Hashes(part)
			require.NoError(t, err)
			require.Equal(t, hs[2:], sliced, "a slice has the hashes of its rows")
		})
	}
}

func TestFloatsAreTheirBitsAndNaNIsOne(t *testing.T) {
	b := array.NewFloat64Builder(memory.DefaultAllocator)
	defer b.Release()
	b.AppendValues([]float64{math.NaN(), math.Float64frombits(0x7ff8000000000123), 0, math.Copysign(0, -1)}, nil)
	a := b.NewArray()
	defer a.Release()
	hs, err := compare.Hashes(a)
	require.NoError(t, err)
	require.Equal(t, hs[0], hs[1])
	require.NotEqual(t, hs[2], hs[3])
}
