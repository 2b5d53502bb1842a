package report

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/levada-data/levada/internal/cli/figure"
	"github.com/levada-data/levada/internal/parquet"
)

// mostGroups is how many row groups a description lists.
const mostGroups = 20

// Description writes what the footer of a Parquet file says.
func Description(w io.Writer, d *parquet.Description) {
	fmt.Fprintf(w, "%s: %s in %s, %s, %s\n", d.File, figure.Plural(d.Rows, "row"), figure.Plural(int64(len(d.RowGroups)), "row group"),
		figure.Plural(int64(len(d.Columns)), "column"), figure.Bytes(d.Bytes))
	by := d.CreatedBy
	if by == "" {
		by = "nobody says"
	}
	fmt.Fprintf(w, "written by  %s (format version %d, footer of %s)\n", by, d.Version, figure.Bytes(d.Footer))
	for i, kv := range d.Metadata {
		name := "metadata"
		if i > 0 {
			name = ""
		}
		value := oneLine(kv.Value)
		if len(kv.Value) > widestValue {
			value = figure.Bytes(int64(len(kv.Value)))
		}
		fmt.Fprintf(w, "%-10s  %s: %s\n", name, oneLine(kv.Key), value)
	}
	fmt.Fprintln(w)
	schemaTable(w, d)
	fmt.Fprintln(w)
	storedTable(w, d)
	fmt.Fprintln(w)
	groupTable(w, d)
}

func schemaTable(w io.Writer, d *parquet.Description) {
	t := newTable("", "column", "type", "logical type", "", ">nulls", "least", "most")
	t.without("", "logical type", "nulls")
	for i, c := range d.Columns {
		s := totalOf(d, i)
		nulls := "-"
		if s.nullsKnown {
			nulls = figure.Rows(s.nulls)
		}
		t.add(c.Column, c.Type, c.Logical, c.Repetition, nulls, s.least, s.most)
	}
	t.write(w)
}

func storedTable(w io.Writer, d *parquet.Description) {
	t := newTable("", "column", "codec", "encodings", ">bytes", ">unpacked", ">ratio", "besides")
	t.without("besides", "ratio", "unpacked", "codec")
	for i, c := range d.Columns {
		s := totalOf(d, i)
		ratio := "-"
		if s.bytes > 0 {
			ratio = fmt.Sprintf("%.2f", float64(s.unpacked)/float64(s.bytes))
		}
		t.add(c.Column, strings.Join(s.codecs, ","), strings.Join(s.encodings, ","), figure.Bytes(s.bytes), figure.Bytes(s.unpacked), ratio,
			strings.Join(s.besides, ", "))
	}
	t.write(w)
}

func groupTable(w io.Writer, d *parquet.Description) {
	if len(d.RowGroups) == 0 {
		fmt.Fprintln(w, "no row groups")
		return
	}
	t := newTable("", ">row group", ">rows", ">bytes", ">unpacked", ">at byte", "sorted by")
	t.without("sorted by", "at byte", "unpacked")
	for i, g := range d.RowGroups[:min(len(d.RowGroups), mostGroups)] {
		at := "-"
		if len(g.Columns) > 0 {
			at = figure.Rows(g.Columns[0].Offset)
		}
		t.add(figure.Rows(int64(i)), figure.Rows(g.Rows), figure.Bytes(g.Bytes), figure.Bytes(g.Unpacked), at, strings.Join(g.Sorting, ", "))
	}
	t.write(w)
	if n := len(d.RowGroups) - mostGroups; n > 0 {
		fmt.Fprintf(w, "and %s more: --json lists all\n", figure.Rows(int64(n)))
	}
}

// total is one column over all row groups.
type total struct {
	codecs, encodings, besides []string
	bytes, unpacked, nulls     int64
	nullsKnown                 bool
	least, most                string
}

// totalOf adds up a column. Bounds are those of all row groups if every one of them has some.
func totalOf(d *parquet.Description, column int) total {
	s := total{nullsKnown: len(d.RowGroups) > 0, least: "-", most: "-"}
	var least, most any
	bounded := len(d.RowGroups) > 0
	index, bloom := len(d.RowGroups) > 0, len(d.RowGroups) > 0
	for _, g := range d.RowGroups {
		c := &g.Columns[column]
		s.bytes, s.unpacked = s.bytes+c.Bytes, s.unpacked+c.Unpacked
		if !slices.Contains(s.codecs, c.Codec) {
			s.codecs = append(s.codecs, c.Codec)
		}
		for _, e := range c.Encodings {
			if !slices.Contains(s.encodings, e) {
				s.encodings = append(s.encodings, e)
			}
		}
		index, bloom = index && c.PageIndex, bloom && c.Bloom
		if c.Nulls != nil {
			s.nulls += *c.Nulls
		}
		s.nullsKnown = s.nullsKnown && c.Nulls != nil
		if c.Nulls != nil && *c.Nulls == c.Values { // all of them: there are no bounds
			continue
		}
		if c.Min == nil || c.Max == nil {
			bounded = false
			continue
		}
		if least == nil || lessBound(c.Min, least) {
			least = c.Min
		}
		if most == nil || lessBound(most, c.Max) {
			most = c.Max
		}
	}
	if bounded && least != nil {
		if least == 0.0 {
			least = 0.0 // statistics spell the least zero -0
		}
		s.least, s.most = oneLine(fmt.Sprint(least)), oneLine(fmt.Sprint(most))
	}
	if index {
		s.besides = append(s.besides, "page index")
	}
	if bloom {
		s.besides = append(s.besides, "bloom filter")
	}
	return s
}

// lessBound orders two bounds of one column.
func lessBound(a, b any) bool {
	switch x := a.(type) {
	case int64:
		y, ok := b.(int64)
		return ok && x < y
	case uint64:
		y, ok := b.(uint64)
		return ok && x < y
	case float64:
		y, ok := b.(float64)
		return ok && x < y
	case bool:
		y, ok := b.(bool)
		return ok && !x && y
	case string:
		y, ok := b.(string)
		return ok && x < y
	}
	return false
}
