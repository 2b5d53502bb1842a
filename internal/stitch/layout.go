package stitch

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/internal/parquet"
)

// Codecs, as the format numbers them.
const (
	codecNone   = 0
	codecSnappy = 1
	codecZstd   = 6
)

// Encodings, as the format numbers them.
const (
	encPlain     = 0
	encPlainDict = 2
	encRLE       = 3
	encRLEDict   = 8
	encDelta     = 5
	encSplit     = 9
)

// Options say how files are written. The zero value is the default.
type Options struct {
	Codec  string // "none", "snappy", "zstd"; snappy when empty
	Level  int    // of zstd; 1 when 0
	Memory memory.Allocator
	Stored *arrow.Schema // see [parquet.WriteOptions]

	// Finish is what shall not be decided by the data. Rows are not sorted here.
	Finish parquet.Finish
	// Checksums gives each page a checksum. What is copied is then copied page by page.
	Checksums bool
}

// Layout is what the files of a [Writer] look like: those that internal/parquet writes
// for the same schema. It does not change and is safe for concurrent use.
type Layout struct {
	schema *arrow.Schema
	o      Options
	codec  int64
	meta   *footer // of a file without rows
}

// NewLayout returns the layout of files of a schema. The error is that of
// [parquet.NewWriter], or of a schema that Parquet cannot hold.
func NewLayout(schema *arrow.Schema, o Options) (*Layout, error) {
	if o.Memory == nil {
		o.Memory = memory.DefaultAllocator
	}
	l := &Layout{schema: schema, o: o}
	switch o.Codec {
	case "none":
		l.codec = codecNone
	case "zstd":
		l.codec = codecZstd
	default:
		l.codec = codecSnappy
	}
	var file bytes.Buffer
	w, err := parquet.NewWriter(&file, schema, l.writeOptions(0))
	if err != nil {
		return nil, err
	}
	if _, err := w.Close(); err != nil {
		return nil, err
	}
	raw, err := parquet.ReadFooter(bytes.NewReader(file.Bytes()), int64(file.Len()))
	if err != nil {
		return nil, err
	}
	if l.meta, err = parseFooter(raw); err != nil {
		return nil, err
	}
	if len(l.meta.tops) != schema.NumFields() {
		return nil, fmt.Errorf("a schema of %d fields became %d columns", schema.NumFields(), len(l.meta.tops))
	}
	return l, nil
}

func (l *Layout) writeOptions(rows int64) parquet.WriteOptions {
	o := parquet.WriteOptions{Codec: l.o.Codec, Level: l.o.Level, RowsPerGroup: rows, Memory: l.o.Memory, Stored: l.o.Stored, Finish: l.o.Finish}
	o.Finish.Sort = nil
	return o
}

// Schema is the schema that the layout was made of.
func (l *Layout) Schema() *arrow.Schema { return l.schema }

// Passes says whether the top-level column of a source may stand as a field of the
// layout, in row group g, byte for byte: nil, or a [*RefusedError]. It must be of the
// field's types, logical ones too, nullable and nested in the same way; names inside
// lists and maps, and field ids, do not count. All its chunks must be in the file, not
// encrypted, and in the layout's codec.
func (l *Layout) Passes(field int, s *Source, g int, column string) error {
	_, err := l.passes(field, s, g, column)
	return err
}

// passes is Passes; it returns the source's top-level field.
func (l *Layout) passes(field int, s *Source, g int, column string) (top int, err error) {
	if top, err = l.fits(field, s, g, column); err != nil {
		return 0, err
	}
	if s.old {
		return 0, refused(column, "its writer, %q, may have left the dictionary page out of the sizes", s.meta.createdBy)
	}
	from, to := s.meta.leavesOf(top)
	for _, c := range s.meta.groups[g].chunks[from:to] {
		if c.codec != l.codec && (l.codec != codecSnappy || c.codec != codecNone || !s.shrunk(g)) {
			return 0, refused(column, "it is compressed with another codec")
		}
	}
	if why := l.unfinished(field, s.meta.groups[g].chunks[from]); why != "" {
		return 0, refused(column, "%s", why)
	}
	return top, nil
}

// shrunk reports that a row group was written here under snappy, so that a chunk which is
// not packed is one that snappy does not make smaller (see [pageWriter.shrinks]).
func (s *Source) shrunk(g int) bool {
	return strings.HasPrefix(s.meta.createdBy, "levada") && s.meta.groups[g].snappy
}

// unfinished says what a chunk misses of what is asked for in a field, or "".
func (l *Layout) unfinished(field int, c *chunk) string {
	name := l.schema.Field(field).Name
	if slices.Contains(l.o.Finish.Bloom, name) && c.bloom.at == 0 {
		return "it has no bloom filter, and the sink asks for one"
	}
	want, asked := l.o.Finish.Encodings[name]
	if !asked {
		return ""
	}
	has := func(encodings ...int64) bool {
		return slices.ContainsFunc(c.encodings, func(e int64) bool { return slices.Contains(encodings, e) })
	}
	is := map[parquet.Encoding]bool{
		parquet.EncodingPlain: !has(encPlainDict, encRLEDict, encDelta, encSplit), parquet.EncodingDictionary: has(encPlainDict, encRLEDict),
		parquet.EncodingDelta: has(encDelta), parquet.EncodingSplit: has(encSplit),
	}
	if !is[want] {
		return "it is in another encoding, and the sink asks for " + string(want)
	}
	return ""
}

// Gathers says likewise whether kept rows of the column may be taken without decoding
// it. It must be flat, in a codec that this package reads, in the encodings PLAIN, RLE
// (of booleans), DELTA_BINARY_PACKED or of dictionaries. A page may turn out to be in another encoding than
// the metadata says: then [Writer.Append] refuses.
func (l *Layout) Gathers(field int, s *Source, g int, column string) error {
	_, err := l.gathers(field, s, g, column)
	return err
}

// gathers is Gathers; it returns the source's leaf.
func (l *Layout) gathers(field int, s *Source, g int, column string) (int, error) {
	top, err := l.fits(field, s, g, column)
	if err != nil {
		return 0, err
	}
	at, to := s.meta.leavesOf(top)
	if to != at+1 || s.meta.leaves[at].maxRep > 0 || s.meta.leaves[at].maxDef > 1 || s.meta.elements[s.meta.tops[top]].phys < 0 {
		return 0, refused(column, "it is nested")
	}
	c := s.meta.groups[g].chunks[at]
	name := l.schema.Field(field).Name
	if want, asked := l.o.Finish.Encodings[name]; asked && want != parquet.EncodingPlain || slices.Contains(l.o.Finish.Bloom, name) {
		return 0, refused(column, "the sink asks for an encoding or a bloom filter, which are made of its values")
	} else if asked && l.unfinished(field, c) != "" {
		return 0, refused(column, "%s", l.unfinished(field, c))
	}
	switch {
	case s.old:
		return 0, refused(column, "its writer, %q, may have left the dictionary page out of the sizes", s.meta.createdBy)
	case c.codec != codecNone && c.codec != codecSnappy && c.codec != codecZstd:
		return 0, refused(column, "it is compressed with a codec that rows are not gathered from")
	case c.phys == physInt96:
		return 0, refused(column, "rows of its physical type are not gathered")
	}
	for _, e := range c.encodings {
		if !gathered(e, c.phys) {
			return 0, refused(column, "encoding %d is not one that rows are gathered from", e)
		}
	}
	return at, nil
}

// gathered reports that rows can be gathered from pages of an encoding. RLE is that of
// levels, too.
func gathered(encoding, phys int64) bool {
	return encoding == encDelta && (phys == physInt32 || phys == physInt64) || slices.Contains([]int64{encPlain, encPlainDict, encRLE, encRLEDict}, encoding)
}

// fits checks what both ways need.
func (l *Layout) fits(field int, s *Source, g int, column string) (top int, err error) {
	if field < 0 || field >= len(l.meta.tops) || g < 0 || g >= len(s.meta.groups) {
		return 0, fmt.Errorf("field %d and row group %d are not there", field, g)
	}
	if top, err = s.top(column); err != nil {
		return 0, err
	}
	if why := same(l.meta, field, s.meta, top); why != "" {
		return 0, refused(column, "%s", why)
	}
	rg := &s.meta.groups[g]
	from, to := s.meta.leavesOf(top)
	for at := from; at < to; at++ {
		c := rg.chunks[at]
		switch lf := &s.meta.leaves[at]; {
		case c == nil:
			return 0, refused(column, "a chunk of it has no metadata")
		case c.encrypted:
			return 0, refused(column, "it is encrypted")
		case c.elsewhere:
			return 0, refused(column, "a chunk of it is in another file")
		case c.phys != s.meta.elements[lf.elem].phys:
			return 0, refused(column, "the metadata of a chunk of it contradicts the schema")
		case c.values < rg.rows, lf.maxRep == 0 && c.values != rg.rows:
			return 0, refused(column, "a chunk of it has %d values for %d rows", c.values, rg.rows)
		case rg.rows > 0 && (c.dataPage < c.start() || c.dataPage >= c.span().end() || c.dictPage >= c.dataPage):
			return 0, refused(column, "the pages of a chunk of it are not where they should be")
		}
	}
	return top, nil
}
