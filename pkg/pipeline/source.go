package pipeline

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Schemas says what becomes of files whose columns differ. Empty is strict.
type Schemas string

// The ways to treat them.
const (
	SchemasStrict Schemas = "strict" // all files have the same columns
	SchemasFirst  Schemas = "first"  // the columns are those of the first file
	SchemasUnion  Schemas = "union"  // the columns are those of all files
)

// OnBadFile says what becomes of a run that meets a file which cannot be read. Empty is
// fail.
type OnBadFile string

// The ways to treat it.
const (
	BadFileFail OnBadFile = "fail" // the run fails and names the file
	BadFileSkip OnBadFile = "skip" // its rows are left out and counted
)

// Hive says that directories of the form name=value are columns.
type Hive struct {
	Types []ColumnSpec `json:"types,omitempty"` // of these columns; the others' are inferred
}

// hiveTypes are the types that a directory's value may be read as.
var hiveTypes = []string{"bool", "date", "int32", "int64", "string"}

// hive reads source.parquet.hive: true, false, or the types of columns.
func (p *parser) hive(n *yaml.Node, path string) *Hive {
	n = target(n)
	if n.Kind == yaml.ScalarNode {
		on := false
		if p.boolean(n, path, &on); !on {
			return nil
		}
		return &Hive{}
	}
	h := &Hive{}
	p.pairs(n, path, func(key, val *yaml.Node) {
		c := ColumnSpec{node: val}
		p.column(key, join(path, key.Value), &c.Name)
		choose(p, val, join(path, key.Value), &c.Type, hiveTypes...)
		h.Types = append(h.Types, c)
	})
	return h
}

// HiveType is the type declared for a column of the directories; "" when it is to be
// inferred.
func (h *Hive) HiveType(column string) string {
	for _, c := range h.Types {
		if c.Name == column {
			return c.Type
		}
	}
	return ""
}

// combinations reports what of a source's policies excludes the rest of the spec.
func (p *parser) combinations() {
	q := p.spec.Source.Parquet
	if q == nil || q.OnBadFile != BadFileSkip || p.spec.Policies.Carry != CarryTouched {
		return
	}
	p.fail(p.spec.Policies.carry, "policies.carry", "write carry: all or leave it out",
		"on_bad_file: skip reads every column before a row goes on, and carry: touched leaves columns unread")
}

// HiveNull is the directory value that stands for null.
const HiveNull = "__HIVE_DEFAULT_PARTITION__"

// HiveTypes lists the types that a column of the directories may have.
func HiveTypes() string { return strings.Join(hiveTypes, ", ") }

// SourceError makes an error of the source at its place: that of a field of
// source.parquet ("uri", "hive.year"), or of the next one around it that the spec has.
func (s *Spec) SourceError(field, msg, hint string) *Error {
	path := "source.parquet"
	if field != "" {
		path += "." + field
	}
	for at := path; ; {
		if n := s.at(at); n != nil {
			return s.errorAt(n, path, hint, "%s", msg)
		}
		dot := strings.LastIndexByte(at, '.')
		if dot < 0 {
			return s.errorAt(nil, path, hint, "%s", msg)
		}
		at = at[:dot]
	}
}

// With is these errors and another one, in the order of the lines.
func (es Errors) With(e *Error) Errors { return append(slices.Clone(es), e).sorted() }
