package operator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/operator"
	"github.com/levada-data/levada/pkg/operator/operatortest"
)

// one is the schema of one nullable column "c".
func one(t arrow.DataType) *arrow.Schema {
	return arrow.NewSchema([]arrow.Field{{Name: "c", Type: t, Nullable: true}}, nil)
}

func mask(t testing.TB, in *arrow.Schema, column string, m operator.MaskMethod) operator.Operator {
	t.Helper()
	op, err := operator.Mask(in, column, m)
	require.NoError(t, err)
	return op
}

// Every method keeps the contract, for every type that it takes.
func TestMaskConformance(t *testing.T) {
	for _, c := range []struct {
		method operator.MaskMethod
		types  []arrow.DataType
	}{
		{operator.SHA256{}, []arrow.DataType{arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString, arrow.BinaryTypes.Binary, arrow.BinaryTypes.LargeBinary}},
		{operator.KeepLast{N: 3, With: '#'}, []arrow.DataType{arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString}},
	} {
		for _, dt := range c.types {
			t.Run(fmt.Sprintf("%T/%s", c.method, dt), func(t *testing.T) {
				in := one(dt)
				op := mask(t, in, "c", c.method)
				operatortest.Run(t, in, op)
				require.True(t, one(arrow.BinaryTypes.String).Equal(op.Out()))
			})
		}
	}
}

func TestMaskKeepsPlaceNameAndNullability(t *testing.T) {
	in := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: arrow.PrimitiveTypes.Int64},
		{Name: "s", Type: arrow.BinaryTypes.LargeString},
		{Name: "v", Type: arrow.PrimitiveTypes.Int64, Nullable: true},
	}, nil)
	op := mask(t, in, "s", operator.KeepLast{N: 1})
	require.Equal(t, "mask", op.Kind())
	require.Equal(t, []arrow.Field{in.Field(0), {Name: "s", Type: arrow.BinaryTypes.String}, in.Field(2)}, op.Out().Fields())
	reader, ok := op.(operator.Reader)
	require.True(t, ok)
	require.Equal(t, []string{"s"}, reader.Reads())
}

// apply masks the values of one column of strings; nil is null.
func apply(t *testing.T, method operator.MaskMethod, values ...any) []any {
	t.Helper()
	mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
	defer mem.AssertSize(t, 0)
	in := one(arrow.BinaryTypes.String)
	batch := textBatch(mem, in, len(values), func(b *array.StringBuilder, row int) { appendText(b, values[row]) })
	defer batch.Release()
	res, err := mask(t, in, "c", method).Apply(t.Context(), mem, batch)
	require.NoError(t, err)
	defer res.Batch.Release()
	require.Nil(t, res.Kept)
	require.Empty(t, res.Failed)
	return texts(t, res.Batch.Column(0))
}

func appendText(b *array.StringBuilder, value any) {
	if s, ok := value.(string); ok {
		b.Append(s)
		return
	}
	b.AppendNull()
}

// texts are the values of a column that a mask made.
func texts(t *testing.T, col arrow.Array) []any {
	t.Helper()
	s, ok := col.(*array.String)
	require.True(t, ok)
	out := make([]any, s.Len())
	nulls := 0
	for i := range out {
		if s.IsNull(i) {
			nulls++
			continue
		}
		out[i] = strings.Clone(s.Value(i))
	}
	require.Equal(t, nulls, s.NullN())
	return out
}

// The first two are the examples of FIPS 180-2, appendix B.
func TestSHA256KnownAnswers(t *testing.T) {
	require.Equal(t, []any{
		"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
		"248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		nil,
	}, apply(t, operator.SHA256{}, "abc", "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "", nil))
}

func TestKeepLast(t *testing.T) {
	for _, c := range []struct {
		n        int
		with     byte
		in, want string
	}{
		{4, 0, "+351 912345678", "**********5678"},
		{4, '#', "+351 912345678", "##########5678"},
		{0, 0, "secret", "******"},
		{3, 0, "", ""},
		{0, 0, "", ""},
		// Never whole: a value of n characters or fewer keeps none.
		{4, 0, "12345", "*2345"},
		{4, 0, "1234", "****"},
		{4, 0, "1", "*"},
		// Characters, not bytes.
		{2, 0, "João", "**ão"},
		{4, 0, "João", "****"},
		{0, 0, "João", "****"},
		{1, 0, "日本語", "**語"},
		{1, 0, "a👍", "*👍"},
		{2, 0, "a\xff\xfe\xfd", "**\xfe\xfd"}, // no UTF-8: a byte is a character
	} {
		want := []any{c.want, nil, c.want}
		method := operator.KeepLast{N: c.n, With: c.with}
		require.Equal(t, want, apply(t, method, c.in, nil, c.in), "%+v", c)
		// Beside a value that is not ASCII the whole column goes the slow way.
		require.Equal(t, []any{apply(t, method, "é")[0], c.want}, apply(t, method, "é", c.in), "%+v", c)
	}
}

// naive is what each method says, in the plainest way.
var naive = map[string]func(s string) string{
	"sha256": func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) },
	"keep_last": func(s string) string {
		r := []rune(s)
		keep := 3
		if len(r) <= keep {
			keep = 0
		}
		return strings.Repeat("*", len(r)-keep) + string(r[len(r)-keep:])
	},
}

// Any slice of any column gives what the plainest code gives row by row.
func TestMaskAgreesWithPlainCodeOnSlices(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	methods := map[string]operator.MaskMethod{"sha256": operator.SHA256{}, "keep_last": operator.KeepLast{N: 3}}
	alphabets := [][]rune{[]rune("abcdef 0123456789@.+"), []rune("abcdé日👍 ")}
	for n := range 300 {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		in := one([]arrow.DataType{arrow.BinaryTypes.String, arrow.BinaryTypes.LargeString}[n%2])
		letters, nulls := alphabets[rng.IntN(2)], []float64{0, 0.3, 1}[rng.IntN(3)]
		values := make([]any, rng.IntN(200))
		builder := array.NewBuilder(mem, in.Field(0).Type)
		for i := range values {
			if rng.Float64() < nulls {
				builder.AppendNull()
				continue
			}
			word := make([]rune, rng.IntN(90))
			for j := range word {
				word[j] = letters[rng.IntN(len(letters))]
			}
			values[i] = string(word)
			require.NoError(t, builder.AppendValueFromString(string(word)))
		}
		col := builder.NewArray()
		builder.Release()
		lo := rng.IntN(len(values) + 1)
		hi := lo + rng.IntN(len(values)+1-lo)
		slice := array.NewSlice(col, int64(lo), int64(hi))
		batch := array.NewRecordBatch(in, []arrow.Array{slice}, int64(hi-lo))
		for name, method := range methods {
			want := make([]any, hi-lo)
			for i, v := range values[lo:hi] {
				if s, ok := v.(string); ok {
					want[i] = naive[name](s)
				}
			}
			res, err := mask(t, in, "c", method).Apply(t.Context(), mem, batch)
			require.NoError(t, err)
			require.Equal(t, want, texts(t, res.Batch.Column(0)), "%s [%d,%d) of %q", name, lo, hi, values)
			require.NoError(t, res.Batch.Column(0).(*array.String).ValidateFull())
			res.Batch.Release()
		}
		batch.Release()
		slice.Release()
		col.Release()
		mem.AssertSize(t, 0)
	}
}

// An array may hold bytes under a null. They are nobody's value, and stay behind.
func TestMaskLeavesWhatIsUnderANullBehind(t *testing.T) {
	in := one(arrow.BinaryTypes.String)
	for _, text := range []string{"seen hidden more", "séen hidden more"} {
		data := []byte(text)
		first := int32(bytes.Index(data, []byte("hidden")))
		offsets := []int32{0, first, first + 6, int32(len(data))}
		d := array.NewData(in.Field(0).Type, 3, []*memory.Buffer{
			memory.NewBufferBytes([]byte{0b101}), memory.NewBufferBytes(arrow.Int32Traits.CastToBytes(offsets)), memory.NewBufferBytes(data),
		}, nil, 1, 0)
		col := array.NewStringData(d)
		batch := array.NewRecordBatch(in, []arrow.Array{col}, 3)
		for _, method := range []operator.MaskMethod{operator.SHA256{}, operator.KeepLast{N: 4}} {
			res, err := mask(t, in, "c", method).Apply(t.Context(), memory.DefaultAllocator, batch)
			require.NoError(t, err)
			out := res.Batch.Column(0)
			require.Nil(t, texts(t, out)[1])
			require.NotContains(t, string(out.Data().Buffers()[2].Buf()), "dden", "%T", method)
			res.Batch.Release()
		}
		batch.Release()
		col.Release()
		d.Release()
	}
}

// claims is an array that has more than it holds.
type claims struct {
	arrow.Array
	data arrow.ArrayData
}

func (c claims) Data() arrow.ArrayData    { return c.data }
func (c claims) DataType() arrow.DataType { return c.data.DataType() }
func (c claims) Len() int                 { return c.data.Len() }

// What the offsets of a string column cannot say is an error, before anything is made.
func TestMaskRefusesWhatDoesNotFit(t *testing.T) {
	const rows = math.MaxInt32/64 + 1
	for _, c := range []struct {
		method  operator.MaskMethod
		from    arrow.DataType
		rows    int
		offsets []byte
	}{
		{operator.SHA256{}, arrow.BinaryTypes.String, rows, make([]byte, 4*(rows+1))},
		{operator.KeepLast{N: 4}, arrow.BinaryTypes.LargeString, 1, arrow.Int64Traits.CastToBytes([]int64{5, 5 + math.MaxInt32 + 1})},
	} {
		mem := memory.NewCheckedAllocator(memory.DefaultAllocator)
		in := one(c.from)
		empty := array.MakeArrayOfNull(memory.DefaultAllocator, c.from, 0)
		d := array.NewData(c.from, c.rows, []*memory.Buffer{nil, memory.NewBufferBytes(c.offsets), nil}, nil, 0, 0)
		batch := array.NewRecordBatch(in, []arrow.Array{claims{empty, d}}, int64(c.rows))
		_, err := mask(t, in, "c", c.method).Apply(t.Context(), mem, batch)
		require.ErrorContains(t, err, `column "c": masked values of 2147483648 bytes do not fit one batch`)
		mem.AssertSize(t, 0)
	}
}

func TestMaskRefusesAnotherBatch(t *testing.T) {
	op := mask(t, one(arrow.BinaryTypes.String), "c", operator.SHA256{})
	for _, other := range []*arrow.Schema{one(arrow.BinaryTypes.Binary), schema} {
		batch := operatortest.Batch(memory.DefaultAllocator, other, 3)
		_, err := op.Apply(t.Context(), memory.DefaultAllocator, batch)
		require.ErrorIs(t, err, operator.ErrSchema)
		batch.Release()
	}
}

func TestMaskErrorsSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		column string
		method operator.MaskMethod
		want   string
	}{
		{"x", operator.SHA256{}, `column "x" does not exist here`},
		{"id", operator.SHA256{}, `column "id" is int64, which sha256 does not take: it takes strings and binary; before it, write with: { id: "string(id)" }`},
		{"f", operator.KeepLast{}, `column "f" is float64, which keep_last does not take: it takes strings; before it, write with: { f: "string(f)" }`},
		{"list", operator.SHA256{}, `is list<item: int32, nullable>, which sha256 does not take: it takes strings and binary`},
		{"s", operator.KeepLast{N: -1}, `mask keep_last: n is -1, less than 0`},
		{"s", operator.KeepLast{With: '\n'}, `mask keep_last: with is '\n', not a printable ASCII character`},
		{"s", operator.KeepLast{With: 0xe9}, `not a printable ASCII character`},
	} {
		_, err := operator.Mask(schema, c.column, c.method)
		require.ErrorContains(t, err, c.want)
	}
	_, err := operator.Mask(one(arrow.BinaryTypes.Binary), "c", operator.KeepLast{})
	require.ErrorContains(t, err, `column "c" is binary, which keep_last does not take: it takes strings`)
}

// A block costs the same few allocations, however many rows it has.
func TestMaskAllocatesPerBlockOnly(t *testing.T) {
	in := one(arrow.BinaryTypes.String)
	for _, method := range []operator.MaskMethod{operator.SHA256{}, operator.KeepLast{N: 4}} {
		op := mask(t, in, "c", method)
		for _, rows := range []int{10, 10_000} {
			for _, some := range []string{"ana.almeida@example.com", "josé.almeida@example.com"} {
				batch := textBatch(memory.DefaultAllocator, in, rows, func(b *array.StringBuilder, _ int) { b.Append(some) })
				ctx := context.WithoutCancel(t.Context())
				per := testing.AllocsPerRun(10, func() {
					res, err := op.Apply(ctx, memory.DefaultAllocator, batch)
					if err == nil {
						res.Batch.Release()
					}
				})
				require.LessOrEqual(t, per, 12.0, "%T, %d rows", method, rows)
				batch.Release()
			}
		}
	}
}

func ExampleMask() {
	in := arrow.NewSchema([]arrow.Field{{Name: "phone", Type: arrow.BinaryTypes.String, Nullable: true}}, nil)
	op, _ := operator.Mask(in, "phone", operator.KeepLast{N: 4})
	b := array.NewStringBuilder(memory.DefaultAllocator)
	b.AppendValues([]string{"+351 912345678", "110", ""}, []bool{true, true, false})
	batch := array.NewRecordBatch(in, []arrow.Array{b.NewArray()}, 3)

	out, err := op.Apply(context.Background(), memory.DefaultAllocator, batch)
	fmt.Println(out.Batch.Column(0), err)
	// Output: ["**********5678" "***" (null)] <nil>
}
