package reader

import (
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/pkg/pipeline"
)

// columns are those of a source that may have many files, and what the files call them.
type columns struct {
	fields   []arrow.Field
	original []arrow.Field  // likewise, with what all files agree on
	at       map[string]int // the place of each in them
	from     []string       // the file that a column is known from
	keys     map[string]string
	files    int
}

// add takes in the columns of a file by the rule of union: those that are new come last,
// those that are there become wide enough for both. The error names both files.
func (c *columns) add(file *parquet.File) error {
	schema, original := file.Schema(), file.Original()
	c.merge(original.Metadata())
	seen := make([]bool, len(c.fields))
	if c.at == nil {
		c.at = map[string]int{}
	}
	for i, f := range schema.Fields() {
		at, known := c.at[f.Name]
		if !known {
			c.at[f.Name] = len(c.fields)
			f.Nullable = f.Nullable || c.files > 0 // the files before have none
			c.fields, c.original, c.from = append(c.fields, f), append(c.original, original.Field(i)), append(c.from, file.Name())
			continue
		}
		if at < len(seen) {
			seen[at] = true
		}
		t, ok := parquet.Common(c.fields[at].Type, f.Type)
		if !ok {
			return clash(file.Name(), c.from[at], f.Name, f.Type, c.fields[at].Type)
		}
		c.fields[at].Nullable = c.fields[at].Nullable || f.Nullable
		c.agree(at, t, original.Field(i))
	}
	for i, ok := range seen {
		if !ok {
			c.fields[i].Nullable = true
		}
	}
	c.files++
	return nil
}

// clash is the error of a column that cannot be read as one from two files.
func clash(file, other, column string, got, want arrow.DataType) error {
	if _, ok := parquet.Common(got, want); ok { // the rule is first, and the first one is too narrow
		return refused("schema", "write schema: union, or read the files in two runs", "%s: column %q is %s, which does not fit the %s of %s", file, column, got, want, other)
	}
	return refused("schema", "read the files in two runs, or leave the column out with source.parquet.columns",
		"%s: column %q is %s, and %s in %s: no type holds the values of both without loss", file, column, got, want, other)
}

// fits takes in a file by the rules of strict and first: the columns are those of the
// first file. It says what is different, or "".
func (c *columns) fits(file *parquet.File, rule pipeline.Schemas) (string, error) {
	schema, original := file.Schema(), file.Original()
	if rule != pipeline.SchemasFirst {
		if diff := schemaDiff(arrow.NewSchema(c.fields, nil), schema); diff != "" {
			return diff, nil
		}
	}
	c.merge(original.Metadata())
	for at, want := range c.fields {
		i := schema.FieldIndices(want.Name)
		switch {
		case len(i) == 0 && !want.Nullable:
			return fmt.Sprintf("column %q is missing, and cannot be null: that of the first file has no nulls", want.Name), nil
		case len(i) == 0:
			continue
		case len(i) > 1:
			return fmt.Sprintf("column %q is there %d times", want.Name, len(i)), nil
		}
		got := schema.Field(i[0])
		if !parquet.Widens(got.Type, want.Type) {
			return "", clash(file.Name(), c.from[at], want.Name, got.Type, want.Type)
		}
		if got.Nullable && !want.Nullable {
			return fmt.Sprintf("column %q may have nulls, and has none in the first file", want.Name), nil
		}
		c.agree(at, want.Type, original.Field(i[0]))
	}
	c.files++
	return "", nil
}

// agree sets the type of a column, and keeps of what the files call it that on which
// they agree.
func (c *columns) agree(at int, t arrow.DataType, o arrow.Field) {
	if !arrow.TypeEqual(c.original[at].Type, o.Type, arrow.CheckMetadata()) {
		c.original[at].Type = t
	}
	c.fields[at].Type = t
	mine, theirs := c.original[at].Metadata.ToMap(), o.Metadata.ToMap()
	for k, v := range mine {
		if w, ok := theirs[k]; !ok || w != v {
			delete(mine, k)
		}
	}
	c.original[at].Metadata = arrow.MetadataFrom(mine)
}

// merge keeps those keys of the files' metadata on which all agree.
func (c *columns) merge(m arrow.Metadata) {
	theirs := m.ToMap()
	if c.keys == nil {
		c.keys = theirs
		return
	}
	for k, v := range c.keys {
		if w, ok := theirs[k]; !ok || w != v {
			delete(c.keys, k)
		}
	}
}

// schema is the columns as the pipeline sees them, those of the directories last.
func (c *columns) schema(hive []arrow.Field) *arrow.Schema {
	return arrow.NewSchema(slices.Concat(c.fields, hive), nil)
}

// originals is what the files call them.
func (c *columns) originals(hive []arrow.Field) *arrow.Schema {
	meta := arrow.MetadataFrom(c.keys)
	return arrow.NewSchema(slices.Concat(c.original, hive), &meta)
}

// hive finds the columns in the files' locations: the same ones in all of them.
func hiveColumns(h *pipeline.Hive, names []string) ([]arrow.Field, error) {
	if h == nil {
		return nil, nil
	}
	var order []string
	values := map[string]map[string]bool{}
	for i, name := range names {
		pairs := job.HivePairs(name)
		here := map[string]bool{}
		for _, p := range pairs {
			if here[p.Column] {
				return nil, refused("hive", "rename one, or write hive: false", "%s: two of its directories are of column %q", name, p.Column)
			}
			here[p.Column] = true
			if i == 0 {
				order = append(order, p.Column)
				values[p.Column] = map[string]bool{}
			}
		}
		if len(pairs) != len(order) {
			return nil, refused("hive", "write hive: false, or read the files in two runs", "%s: its directories name %d columns, those of %s %d", name, len(pairs), names[0], len(order))
		}
		for _, p := range pairs {
			if values[p.Column] == nil {
				return nil, refused("hive", "write hive: false, or read the files in two runs", "%s: its directories name column %q, which those of %s do not", name, p.Column, names[0])
			}
			values[p.Column][p.Value] = true
		}
	}
	for _, c := range h.Types {
		if values[c.Name] == nil && len(names) > 0 {
			return nil, refused("hive."+c.Name, hiveRemedy(order), "source.parquet.hive declares column %q, and no directory is of it", c.Name)
		}
	}
	fields := make([]arrow.Field, len(order))
	for i, column := range order {
		t := job.HiveType(h.HiveType(column))
		if t == nil {
			t = job.InferHive(values[column])
		}
		for v := range values[column] {
			if _, err := job.HiveScalar(v, t); err != nil {
				return nil, refused("hive."+column, "declare another type for it in source.parquet.hive, for example string", "directory %s=%s is not %s", column, v, t)
			}
		}
		fields[i] = arrow.Field{Name: column, Type: t, Nullable: values[column][pipeline.HiveNull]}
	}
	return fields, nil
}

// hiveRemedy names the columns that there are.
func hiveRemedy(order []string) string {
	if len(order) == 0 {
		return "no directory in the files' locations is of the form name=value: leave hive out"
	}
	return "directories are of " + strings.Join(order, ", ")
}
