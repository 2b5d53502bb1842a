package pipeline

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"go.yaml.in/yaml/v3"

	"github.com/levada-data/levada/pkg/nearest"
	"github.com/levada-data/levada/pkg/operator"
)

// Encoding is how the values of a column are written.
type Encoding string

// The encodings.
const (
	EncodingPlain      Encoding = "plain"
	EncodingDictionary Encoding = "dictionary"
	EncodingDelta      Encoding = "delta"
	EncodingSplit      Encoding = "byte_stream_split"
)

// ColumnEncoding is one entry of a sink's encodings.
type ColumnEncoding struct {
	Column   string   `json:"column"`
	Encoding Encoding `json:"encoding"`

	node *yaml.Node
}

// BloomFilters are the columns that have one, and how often it may be wrong.
type BloomFilters struct {
	Columns []string `json:"columns"`
	FPP     float64  `json:"fpp"` // 0.01 by default

	nodes []*yaml.Node
}

// SortColumn is a column by which the rows of each row group are sorted.
type SortColumn struct {
	Column string `json:"column"`
	Order  string `json:"order,omitempty"` // "desc"; ascending when empty
	Nulls  string `json:"nulls,omitempty"` // "first"; last when empty

	node *yaml.Node
}

// encodings reads `{ column: encoding }`.
func (p *parser) encodings(n *yaml.Node, path string, k *ParquetSink) {
	p.pairs(n, path, func(key, val *yaml.Node) {
		e := ColumnEncoding{node: key}
		p.column(key, join(path, key.Value), &e.Column)
		choose(p, val, join(path, key.Value), &e.Encoding, EncodingPlain, EncodingDictionary, EncodingDelta, EncodingSplit)
		k.Encodings = append(k.Encodings, e)
	})
}

// bloomFilters reads a list of columns, or `{ columns: [...], fpp: 0.01 }`.
func (p *parser) bloomFilters(n *yaml.Node, path string, k *ParquetSink) {
	b := &BloomFilters{FPP: 0.01}
	k.BloomFilters = b
	n = target(n)
	if n.Kind != yaml.MappingNode {
		b.Columns, b.nodes = p.texts(n, path)
		return
	}
	seen := p.fields(n, path, map[string]func(*yaml.Node, string){
		"columns": func(n *yaml.Node, path string) { b.Columns, b.nodes = p.texts(n, path) },
		"fpp": func(n *yaml.Node, path string) {
			p.float(n, path, 1e-9, 0.5, "write for example 0.01: one of a hundred lookups in vain", &b.FPP)
		},
	})
	p.need(n, path, seen, "columns", "name the columns that are looked up")
}

// float reads a number.
func (p *parser) float(n *yaml.Node, path string, lo, hi float64, remedy string, to *float64) {
	if p.draw != nil {
		p.draw.put(object{"anyOf": []any{object{"type": "number", "minimum": lo, "maximum": hi}, written(`^([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)}})
		return
	}
	n = target(n)
	v, err := strconv.ParseFloat(n.Value, 64)
	if n.Kind != yaml.ScalarNode || err != nil || !(v >= lo && v <= hi) {
		p.fail(n, path, remedy, "must be a number from %g to %g, this is %s", lo, hi, found(n))
		return
	}
	*to = v
}

// sortWithin reads a list of columns, each a name or `{ column: ..., order: desc, nulls: first }`.
func (p *parser) sortWithin(n *yaml.Node, path string, k *ParquetSink) {
	column := func(n *yaml.Node, path string) {
		n = target(n)
		s := SortColumn{node: n}
		if n.Kind != yaml.MappingNode {
			p.text(n, path, &s.Column)
			k.SortWithin = append(k.SortWithin, s)
			return
		}
		seen := p.fields(n, path, map[string]func(*yaml.Node, string){
			"column": func(n *yaml.Node, path string) { s.node = n; p.text(n, path, &s.Column) },
			"order":  func(n *yaml.Node, path string) { choose(p, n, path, &s.Order, "asc", "desc") },
			"nulls":  func(n *yaml.Node, path string) { choose(p, n, path, &s.Nulls, "first", "last") },
		})
		p.need(n, path, seen, "column", "name a column")
		if s.Order == "asc" {
			s.Order = ""
		}
		if s.Nulls == "last" {
			s.Nulls = ""
		}
		k.SortWithin = append(k.SortWithin, s)
	}
	if target(n).Kind == yaml.SequenceNode {
		p.list(n, path, 1, "name a column", "columns", column)
	} else {
		column(n, path)
	}
}

var (
	fileNameText = regexp.MustCompile(`^[A-Za-z0-9.=_{}-]+$`)
	placeholder  = regexp.MustCompile(`\{[^{}]*\}`)
)

// FileNamePlaceholders are what a file_name may hold in braces.
func FileNamePlaceholders() []string { return []string{"{pipeline}", "{date}", "{time}", "{codec}"} }

// maxFileName bounds the text of a file_name: the run's id and a nonce follow.
const maxFileName = 100

// fileName reads the beginning of the names of files.
func (p *parser) fileName(n *yaml.Node, path string, k *ParquetSink) {
	if p.draw != nil {
		p.draw.put(written(fmt.Sprintf(`^[A-Za-z0-9={][A-Za-z0-9.=_{}-]{0,%d}$`, maxFileName-1)))
		p.draw.put(object{"type": "number", "minimum": 0})
		p.draw.put(object{"type": "boolean"})
		return
	}
	p.text(n, path, &k.FileName)
	name := k.FileName
	if name == "" {
		return // reported
	}
	hint := "placeholders: " + strings.Join(FileNamePlaceholders(), ", ") + "; Levada puts the run, a nonce and .parquet behind it"
	for _, ph := range placeholder.FindAllString(name, -1) {
		if !slices.Contains(FileNamePlaceholders(), ph) {
			if near := nearest.Of(ph, FileNamePlaceholders()); near != "" {
				hint = fmt.Sprintf("did you mean %q? %s", near, hint)
			}
			p.fail(n, path, hint, "placeholder %q is not known", ph)
			return
		}
	}
	switch {
	case !fileNameText.MatchString(name) || strings.ContainsAny(placeholder.ReplaceAllString(name, ""), "{}"):
		p.fail(n, path, hint, "must be made of letters, digits, -, _, =, . and placeholders")
	case name[0] == '_' || name[0] == '.' || name[0] == '-':
		p.fail(n, path, "begin with a letter, a digit or a placeholder", "readers skip files whose names begin with %q", name[:1])
	case len(name) > maxFileName:
		p.fail(n, path, hint, "must have at most %d characters, this has %d", maxFileName, len(name))
	}
}

// FileName is how the names of the output's files begin, for a run that was submitted at a
// moment; "" when the spec does not say.
func (s *Spec) FileName(submitted time.Time) string {
	k := s.Sink.Parquet
	return strings.NewReplacer("{pipeline}", s.Name, "{date}", submitted.UTC().Format(time.DateOnly),
		"{time}", submitted.UTC().Format("20060102T150405Z"), "{codec}", k.Compression.Codec).Replace(k.FileName)
}

// finishFields are the parsers of the sink's fields in this file.
func (p *parser) finishFields(k *ParquetSink) map[string]func(*yaml.Node, string) {
	return map[string]func(*yaml.Node, string){
		"encodings":      func(n *yaml.Node, path string) { p.encodings(n, path, k) },
		"bloom_filters":  func(n *yaml.Node, path string) { p.bloomFilters(n, path, k) },
		"sort_within":    func(n *yaml.Node, path string) { k.sortNode = n; p.sortWithin(n, path, k) },
		"page_checksums": func(n *yaml.Node, path string) { p.boolean(n, path, &k.PageChecksums) },
		"file_name":      func(n *yaml.Node, path string) { p.fileName(n, path, k) },
	}
}

// checkFinish checks the columns that the sink's finish names.
func (c *compiler) checkFinish(out *arrow.Schema) {
	k := c.spec.Sink.Parquet
	seen := map[string]bool{}
	check := func(field string, n *yaml.Node, column string, refuse func(arrow.DataType) string) {
		if column == "" {
			return // the parser has said so
		}
		at := "sink.parquet." + field
		idx, err := operator.Column(out, column)
		switch {
		case err != nil:
			c.columnError(n, at, out, err)
		case slices.Contains(k.PartitionBy, column):
			c.fail(n, at, "partition columns are directories: leave it out", "column %q is not stored in the files", column)
		case seen[field+"/"+column]:
			c.fail(n, at, "name each column once", "column %q is there twice", column)
		default:
			if why := refuse(out.Field(idx).Type); why != "" {
				c.fail(n, at, "leave it out, or name another column", "column %q is %s: %s", column, out.Field(idx).Type, why)
			}
		}
		seen[field+"/"+column] = true
	}
	for _, e := range k.Encodings {
		check("encodings", e.node, e.Column, func(t arrow.DataType) string { return refuseEncoding(t, e.Encoding) })
	}
	if b := k.BloomFilters; b != nil {
		for i, column := range b.Columns {
			check("bloom_filters", b.nodes[min(i, len(b.nodes)-1)], column, refuseBloom)
		}
	}
	for _, s := range k.SortWithin {
		check("sort_within", s.node, s.Column, refuseSort)
	}
	if len(k.SortWithin) > 0 && k.PreserveOrder {
		c.fail(k.sortNode, "sink.parquet.sort_within", "leave one of them out", "preserve_order and sort_within exclude each other")
	}
}

// refuseEncoding says why a column of a type cannot be written in an encoding, or "".
func refuseEncoding(t arrow.DataType, e Encoding) string {
	switch {
	case isNested(t):
		return "it is nested"
	case e == EncodingDictionary && (t.ID() == arrow.BOOL || t.ID() == arrow.NULL):
		return "it has two values at most"
	case e == EncodingDelta && !packable(t):
		return "delta is for integers, dates and times"
	case e == EncodingSplit && t.ID() != arrow.FLOAT32 && t.ID() != arrow.FLOAT64:
		return "byte_stream_split is for floats"
	}
	return ""
}

// refuseBloom says why a column of a type cannot have a bloom filter, or "".
func refuseBloom(t arrow.DataType) string {
	switch {
	case isNested(t):
		return "it is nested"
	case t.ID() == arrow.BOOL || t.ID() == arrow.NULL:
		return "it has two values at most"
	}
	return ""
}

// refuseSort says why rows cannot be sorted by a column of a type, or "".
func refuseSort(t arrow.DataType) string {
	switch t.ID() { //nolint:exhaustive // all others
	case arrow.FLOAT32, arrow.FLOAT64, arrow.STRING, arrow.LARGE_STRING, arrow.BINARY, arrow.BOOL, arrow.DECIMAL128:
		return ""
	}
	if packable(t) {
		return ""
	}
	return "its values have no order here"
}

func isNested(t arrow.DataType) bool {
	_, ok := t.(arrow.NestedType)
	return ok
}

// packable reports that Parquet stores a type as INT32 or INT64.
func packable(t arrow.DataType) bool {
	switch t.ID() { //nolint:exhaustive // all others
	case arrow.INT8, arrow.INT16, arrow.INT32, arrow.INT64, arrow.UINT8, arrow.UINT16, arrow.UINT32, arrow.UINT64,
		arrow.DATE32, arrow.TIMESTAMP, arrow.TIME32, arrow.TIME64:
		return true
	}
	return false
}

// finishText says what the finish does, a line each, and what it costs columns that could
// be copied.
func finishText(k *ParquetSink) []string {
	var lines []string
	if len(k.Encodings) > 0 {
		parts := make([]string, len(k.Encodings))
		for i, e := range k.Encodings {
			parts[i] = fmt.Sprintf("%s %s", e.Column, e.Encoding)
		}
		lines = append(lines, "encodings: "+strings.Join(parts, ", ")+"; a column of the source in another one is decoded and encoded")
	}
	if b := k.BloomFilters; b != nil {
		lines = append(lines, fmt.Sprintf("bloom filters: %s, wrong once in %.0f; a column of the source without one is decoded and encoded", strings.Join(b.Columns, ", "), 1/b.FPP))
	}
	if len(k.SortWithin) > 0 {
		parts := make([]string, len(k.SortWithin))
		for i, s := range k.SortWithin {
			parts[i] = strings.TrimSpace(s.Column + " " + s.Order)
			if s.Nulls != "" {
				parts[i] += " nulls first"
			}
		}
		lines = append(lines, "sorted within each row group by "+strings.Join(parts, ", ")+": every column travels, none is copied")
	}
	if k.PageChecksums {
		lines = append(lines, "every page has a checksum; what is copied is copied page by page, and checked where it has one")
	}
	if k.FileName != "" {
		lines = append(lines, "files are named "+k.FileName+"-<run>-<nonce>.parquet")
	}
	return lines
}
