package pipeline

import (
	"encoding/json"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
)

// StoredAs returns what the files of the output call their columns, given what those of
// the source call theirs (with the source's key-value metadata): a column that reaches the
// output as it was keeps its type (a dictionary, a view, UUID, a time zone) and its
// metadata, under whichever name; one that an operator makes has none. nil when nothing is
// known of the source's, or nobody knows what a stage does.
//
// Key-value metadata is kept where it stays true: what describes the columns of a file
// (see describes) only if the output has those of the source, all and unchanged.
func (p *Pipeline) StoredAs(original *arrow.Schema) *arrow.Schema {
	if original == nil || slices.ContainsFunc(p.Stages, func(s *Stage) bool { return s.Chain == nil }) {
		return nil
	}
	origin, _ := p.provenance()
	fields := make([]arrow.Field, p.Out.NumFields())
	same := len(fields) == original.NumFields()
	for i, f := range p.Out.Fields() {
		fields[i] = f
		if origin[i] < 0 {
			same = false
			continue
		}
		name := p.Needed.Field(origin[i]).Name
		if at := original.FieldIndices(name); len(at) == 1 {
			o := original.Field(at[0])
			fields[i].Type, fields[i].Metadata = o.Type, o.Metadata
			same = same && name == f.Name && at[0] == i
		} else {
			same = false
		}
	}
	same = same && len(p.Spec.Sink.Parquet.PartitionBy) == 0
	var keys, values []string
	for i, key := range original.Metadata().Keys() {
		value := original.Metadata().Values()[i]
		if describes[key] {
			if !same {
				continue
			}
			if value = withoutRange(key, value); value == "" {
				continue
			}
		}
		keys, values = append(keys, key), append(values, value)
	}
	meta := arrow.NewMetadata(keys, values)
	return arrow.NewSchema(fields, &meta)
}

// describes are the keys of metadata that says what columns a file has.
var describes = map[string]bool{
	"pandas": true, "geo": true,
	"org.apache.spark.sql.parquet.row.metadata": true, "org.apache.spark.sql.parquet.row.attributes": true,
	"parquet.avro.schema": true, "avro.schema": true, "iceberg.schema": true, "iceberg-schema": true,
	"parquet.proto.class": true, "parquet.proto.descriptor": true, "hoodie_bloom_filter_type_code": true,
}

// withoutRange takes out of pandas' metadata the index that is a range of row numbers: the
// files of the output have other numbers of rows.
func withoutRange(key, value string) string {
	if key != "pandas" {
		return value
	}
	var all map[string]json.RawMessage
	var index []json.RawMessage
	if json.Unmarshal([]byte(value), &all) != nil || json.Unmarshal(all["index_columns"], &index) != nil {
		return ""
	}
	left := slices.DeleteFunc(index, func(m json.RawMessage) bool { return len(m) > 0 && m[0] == '{' })
	if left == nil {
		left = []json.RawMessage{}
	}
	data, err := json.Marshal(left)
	if err != nil {
		return ""
	}
	all["index_columns"] = data
	if data, err = json.Marshal(all); err != nil {
		return ""
	}
	return string(data)
}
