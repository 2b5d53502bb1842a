package rows_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/ipc"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/rows"
)

// batch makes rows from JSON.
func batch(t *testing.T, text string, fields ...arrow.Field) arrow.RecordBatch {
	t.Helper()
	b, _, err := array.RecordFromJSON(memory.DefaultAllocator, arrow.NewSchema(fields, nil), strings.NewReader(text))
	require.NoError(t, err)
	t.Cleanup(b.Release)
	return b
}

func printed(t *testing.T, format string, batches ...arrow.RecordBatch) string {
	t.Helper()
	var out bytes.Buffer
	p, err := rows.New(&out, format)
	require.NoError(t, err)
	for _, b := range batches {
		require.NoError(t, p.Print(b))
	}
	require.NoError(t, p.Close())
	return out.String()
}

func samples(t *testing.T) []arrow.RecordBatch {
	t.Helper()
	id := arrow.Field{Name: "id", Type: arrow.PrimitiveTypes.Int64}
	note := arrow.Field{Name: "note", Type: arrow.BinaryTypes.String, Nullable: true}
	return []arrow.RecordBatch{
		batch(t, `[{"id":1,"note":"a,b"},{"id":20,"note":null}]`, id, note),
		batch(t, `[{"id":3,"note":"two\nlines"}]`, id, note),
		batch(t, `[]`, id, note),
		batch(t, `[{"id":4}]`, id),
	}
}

func TestFormats(t *testing.T) {
	all := samples(t)
	require.Equal(t, "id  note\n 1  a,b\n20  ·\nid  note\n 3  two lines\nid\n 4\n", printed(t, "table", all...))
	require.Equal(t, "{\"id\":1,\"note\":\"a,b\"}\n{\"id\":20,\"note\":null}\n{\"id\":3,\"note\":\"two\\nlines\"}\n{\"id\":4}\n", printed(t, "json", all...)) //nolint:testifylint // the lines as they stand
	require.Equal(t, "id,note\n1,\"a,b\"\n20,\n3,\"two\nlines\"\nid\n4\n", printed(t, "csv", all...))
}

func TestATableShortensWhatIsLong(t *testing.T) {
	text := printed(t, "table", batch(t, `[{"s":"`+strings.Repeat("x", 100)+`"}]`, arrow.Field{Name: "s", Type: arrow.BinaryTypes.String}))
	require.Equal(t, "s\n"+strings.Repeat("x", 39)+"…\n", text)
}

func TestAnArrowStreamIsOne(t *testing.T) {
	all := samples(t)
	r, err := ipc.NewReader(strings.NewReader(printed(t, "arrow", all[:2]...)))
	require.NoError(t, err)
	defer r.Release()
	n := int64(0)
	for r.Next() {
		n += r.RecordBatch().NumRows()
	}
	require.NoError(t, r.Err())
	require.EqualValues(t, 3, n)
	require.Empty(t, printed(t, "arrow"))
}

func TestAnUnknownFormatIsNamed(t *testing.T) {
	_, err := rows.New(nil, "xml")
	require.ErrorContains(t, err, `"xml"`)
}
