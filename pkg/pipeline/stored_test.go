package pipeline

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/extensions"
	"github.com/stretchr/testify/require"
)

func meta(pairs ...string) arrow.Metadata {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return arrow.MetadataFrom(m)
}

// What reaches the output as it was keeps its type and metadata under whichever name; what
// an operator makes has none; and what describes the columns of a file stays with all of
// them only.
func TestStoredAs(t *testing.T) {
	dict := &arrow.DictionaryType{IndexType: arrow.PrimitiveTypes.Int8, ValueType: arrow.BinaryTypes.String}
	keys := meta("owner", "ana", "geo", "{}", "pandas", `{"index_columns":[{"kind":"range","stop":9},"id"],"columns":[]}`)
	original := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: extensions.NewUUIDType(), Metadata: meta("unit", "m")},
		{Name: "s", Type: dict, Nullable: true, Metadata: meta("PARQUET:field_id", "3")},
		{Name: "n", Type: arrow.PrimitiveTypes.Int64, Metadata: meta("a", "b")},
	}, &keys)
	source := arrow.NewSchema([]arrow.Field{
		{Name: "id", Type: &arrow.FixedSizeBinaryType{ByteWidth: 16}}, {Name: "s", Type: arrow.BinaryTypes.String, Nullable: true}, {Name: "n", Type: arrow.PrimitiveTypes.Int64},
	}, nil)
	stored := func(stages, sink string) *arrow.Schema {
		spec, err := Parse("spec.yaml", []byte("apiVersion: levada/v1\nname: stored\nsource: { parquet: { uri: in } }\n"+stages+"sink: { parquet: { uri: out"+sink+" } }\n"))
		require.NoError(t, err)
		p, err := Compile(spec, source)
		require.NoError(t, err)
		return p.StoredAs(original)
	}
	value := func(s *arrow.Schema, key string) string { v, _ := s.Metadata().GetValue(key); return v }

	all := stored("", "")
	require.True(t, all.Field(1).Equal(original.Field(1)))
	require.Equal(t, "{}", value(all, "geo"))
	require.JSONEq(t, `{"index_columns":["id"],"columns":[]}`, value(all, "pandas"), "files have other numbers of rows")

	filtered := stored("stages: [{ name: f, transform: [{ filter: \"n > 1\" }] }]\n", "")
	require.Equal(t, "{}", value(filtered, "geo"))

	some := stored("stages: [{ name: f, transform: [{ rename: { s: t } }, { with: { n: \"n + 1\" } }] }]\n", "")
	require.Equal(t, []string{"id", "t", "n"}, names(some))
	require.True(t, arrow.TypeEqual(dict, some.Field(1).Type))
	require.Equal(t, "3", value(arrow.NewSchema(nil, &some.Fields()[1].Metadata), "PARQUET:field_id"))
	require.Zero(t, some.Field(2).Metadata.Len(), "it was made")
	require.Equal(t, "ana", value(some, "owner"))
	require.Empty(t, value(some, "geo"))
	require.Empty(t, value(some, "pandas"))

	require.Empty(t, value(stored("", ", partition_by: [s]"), "geo"))
	require.Nil(t, stored("stages: [{ name: x, external: { columns: { y: int64 } } }]\n", ""), "nobody knows what it does")
}
