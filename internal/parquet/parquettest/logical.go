package parquettest

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/schema"
)

// leaf is a column whose values are made of a row's number.
type leaf struct {
	name     string
	physical parquet.Type
	length   int
	logical  schema.LogicalType
	value    func(i int) []byte // plain, as Parquet holds it; without its length
	rare     bool
}

func number32(i int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(i)) } //nolint:gosec // its bits
func number64(i int) []byte { return binary.LittleEndian.AppendUint64(nil, uint64(i)) } //nolint:gosec // its bits

// unscaled is a negative decimal in two's complement.
func unscaled(width int) func(i int) []byte {
	return func(i int) []byte {
		b := make([]byte, width)
		for k := range b {
			b[k] = 0xff
		}
		binary.BigEndian.PutUint32(b[width-4:], uint32(-i-1)) //nolint:gosec // its bits
		return b
	}
}

func text(format string, of int) func(i int) []byte {
	return func(i int) []byte { return fmt.Appendf(nil, format, i%of) }
}

// leaves are all logical types on all physical types that may have them.
func leaves() []leaf {
	bytes, fixed, i32, i64 := parquet.Types.ByteArray, parquet.Types.FixedLenByteArray, parquet.Types.Int32, parquet.Types.Int64
	point := func(i int) []byte { // in well-known binary
		return append(append([]byte{1, 1, 0, 0, 0}, number64(i%50)...), number64(i%40)...)
	}
	all := []leaf{
		{"string", bytes, -1, schema.StringLogicalType{}, text("text %d", 900), false},
		{"enum", bytes, -1, schema.EnumLogicalType{}, text("E%d", 5), false},
		{"enum_many", bytes, -1, schema.EnumLogicalType{}, text("an enum of many words: %d", 1<<20), false},
		{"json", bytes, -1, schema.JSONLogicalType{}, text(`{"a": %d}`, 700), false},
		{"bson", bytes, -1, schema.BSONLogicalType{}, func(i int) []byte {
			return append(append([]byte{12, 0, 0, 0, 0x10, 'a', 0}, number32(i)...), 0)
		}, true},
		{"interval", fixed, 12, schema.IntervalLogicalType{}, func(i int) []byte {
			return append(append(number32(i%12), number32(i%30)...), number32(i)...)
		}, false},
		{"uuid", fixed, 16, schema.UUIDLogicalType{}, func(i int) []byte { return append(make([]byte, 8), number64(i)...) }, false},
		{"f16", fixed, 2, schema.Float16LogicalType{}, func(i int) []byte { return []byte{byte(i), 0x3c} }, false}, //nolint:gosec // cut on purpose
		{"date", i32, -1, schema.DateLogicalType{}, func(i int) []byte { return number32(i - 5000) }, false},
		{"geometry", bytes, -1, schema.GeometryLogicalType{}, point, true},
		{"geometry_crs", bytes, -1, schema.GeometryLogicalType{Crs: "EPSG:25829"}, point, true},
		{"geography", bytes, -1, schema.GeographyLogicalType{Crs: "OGC:CRS84", Algorithm: schema.GeographyEdgeVincenty}, point, true},
		{"dec_i32", i32, -1, schema.NewDecimalLogicalType(9, 2), func(i int) []byte { return number32(-i) }, false},
		{"dec_i64", i64, -1, schema.NewDecimalLogicalType(18, 4), func(i int) []byte { return number64(-i) }, false},
		{"dec_bytes", bytes, -1, schema.NewDecimalLogicalType(20, 2), unscaled(6), false},
		{"dec_fixed", fixed, 9, schema.NewDecimalLogicalType(20, 2), unscaled(9), false},
		{"dec_wide", fixed, 20, schema.NewDecimalLogicalType(46, 0), unscaled(20), false},
	}
	for _, utc := range []bool{true, false} {
		for _, unit := range []schema.TimeUnitType{schema.TimeUnitMillis, schema.TimeUnitMicros, schema.TimeUnitNanos} {
			suffix := map[schema.TimeUnitType]string{schema.TimeUnitMillis: "ms", schema.TimeUnitMicros: "us", schema.TimeUnitNanos: "ns"}[unit] + map[bool]string{true: "_utc"}[utc]
			day := leaf{"time_" + suffix, i64, -1, schema.NewTimeLogicalType(utc, unit), func(i int) []byte { return number64(i * 1000) }, false}
			if unit == schema.TimeUnitMillis {
				day.physical, day.value = i32, func(i int) []byte { return number32(i * 1000) }
			}
			all = append(all, day, leaf{"ts_" + suffix, i64, -1, schema.NewTimestampLogicalType(utc, unit), func(i int) []byte { return number64((i - 300) * 1_000_000) }, false})
		}
	}
	for _, signed := range []bool{true, false} {
		for _, bits := range []int8{8, 16, 32, 64} {
			name := map[bool]string{true: "i", false: "u"}[signed] + fmt.Sprint(bits)
			n := leaf{name, i32, -1, schema.NewIntLogicalType(bits, signed), func(i int) []byte { return number32(i % 100) }, false}
			if bits == 64 {
				n.physical, n.value = i64, number64
			}
			all = append(all, n)
		}
	}
	return all
}

// node is a leaf's place in the schema.
func (l *leaf) node(name string, r parquet.Repetition) schema.Node {
	return schema.Must(schema.NewPrimitiveNodeLogical(name, r, l.logical, l.physical, l.length, -1))
}

// column is a top-level column: its node, and how each of its leaves is filled.
type column struct {
	node   schema.Node
	leaves []*leaf
	kind   kind
}

type kind int

const (
	flat   kind = iota
	list        // of i%3 elements, of which the second is null
	pairs       // a map of i%3 pairs; keys are not null
	fields      // a struct
)

// columns are those of [Logical]: every leaf flat; some in lists, maps and structs.
func columns(rare bool) []column {
	opt, req := parquet.Repetitions.Optional, parquet.Repetitions.Required
	var all []column
	named := map[string]*leaf{}
	for _, l := range leaves() {
		named[l.name] = &l
		if l.rare == rare {
			all = append(all, column{l.node(l.name, opt), []*leaf{&l}, flat})
		}
	}
	lists := func(names ...string) {
		for _, name := range names {
			l := named[name]
			all = append(all, column{schema.Must(schema.ListOfWithName("list_"+name, l.node("element", opt), opt, -1)), []*leaf{l}, list})
		}
	}
	record := func(name string, of ...*leaf) {
		var nodes schema.FieldList
		for _, l := range of {
			nodes = append(nodes, l.node(l.name, opt))
		}
		all = append(all, column{schema.Must(schema.NewGroupNode(name, opt, nodes, -1)), of, fields})
	}
	if rare {
		lists("bson", "geometry_crs")
		record("documents", named["bson"], named["geography"])
		metadata := &leaf{name: "metadata", physical: parquet.Types.ByteArray, length: -1, logical: schema.NoLogicalType{}, value: func(int) []byte { return []byte{1, 0, 0} }} // no names
		value := *metadata
		value.name, value.value = "value", func(i int) []byte { return []byte{0xc, byte(i)} } //nolint:gosec // cut on purpose
		all = append(all, column{schema.Must(schema.NewGroupNodeLogical("variant", req, schema.FieldList{metadata.node("metadata", req), value.node("value", req)}, schema.VariantLogicalType{}, -1)), []*leaf{metadata, &value}, flat})
	} else {
		lists("enum", "json", "interval", "uuid", "time_us_utc")
		record("record", named["interval"], named["enum"], named["dec_i32"])
		all = append(all, column{
			schema.Must(schema.MapOf("map", named["enum"].node("key", req), named["time_us_utc"].node("value", opt), opt, -1)),
			[]*leaf{named["enum"], named["time_us_utc"]},
			pairs,
		})
	}
	row := &leaf{name: "row", physical: parquet.Types.Int64, length: -1, logical: schema.NewIntLogicalType(64, true), value: number64}
	return append(all, column{row.node("row", req), []*leaf{row}, flat})
}

// Options say what [Logical] writes.
type Options struct {
	Rows, Group int  // in all, and in a row group
	Dictionary  bool // values that repeat have one
	Rare        bool // the types that hardly a reader knows: BSON, GEOMETRY, GEOGRAPHY, VARIANT; else all others
}

// Logical writes a file with a column of each logical type on each physical type that may
// have it, some in lists, maps and structs too, with nulls. Column "row" is the row's number.
func Logical(w io.Writer, o Options) error {
	rows, group, dictionary := o.Rows, o.Group, o.Dictionary
	all := columns(o.Rare)
	nodes := make(schema.FieldList, len(all))
	for i, c := range all {
		nodes[i] = c.node
	}
	root, err := schema.NewGroupNode("schema", parquet.Repetitions.Required, nodes, -1)
	if err != nil {
		return err
	}
	out := file.NewParquetWriter(struct{ io.Writer }{w}, root, file.WithWriterProps(parquet.NewWriterProperties(
		parquet.WithCompression(compress.Codecs.Snappy), parquet.WithDictionaryDefault(dictionary), parquet.WithPageIndexEnabled(true), parquet.WithDataPageSize(16<<10), parquet.WithAllocator(memory.DefaultAllocator))))
	for from := 0; from < rows; from += group {
		rg, err := out.AppendRowGroupChecked()
		if err != nil {
			return err
		}
		for i := range all {
			if err := all[i].write(rg, from, min(from+group, rows)); err != nil {
				return err
			}
		}
		if err := rg.Close(); err != nil {
			return err
		}
	}
	return out.Close()
}

// write writes the rows [from,to) of a column.
func (c *column) write(rg file.SerialRowGroupWriter, from, to int) error {
	for at, l := range c.leaves {
		cw, err := rg.NextColumn()
		if err != nil {
			return err
		}
		var s shredded
		for i := from; i < to; i++ {
			s.row(c, at, l, i)
		}
		if err := s.write(cw, l); err != nil {
			return fmt.Errorf("%s: %w", c.node.Name(), err)
		}
		if err := cw.Close(); err != nil {
			return err
		}
	}
	return nil
}

// shredded is a leaf's values and levels.
type shredded struct {
	values   [][]byte
	def, rep []int16
}

func (s *shredded) add(def, rep int16, value []byte) {
	s.def, s.rep = append(s.def, def), append(s.rep, rep)
	if value != nil {
		s.values = append(s.values, value)
	}
}

func isNull(i int) bool { return i%7 == 3 }

func (s *shredded) row(c *column, at int, l *leaf, i int) {
	required := c.node.RepetitionType() == parquet.Repetitions.Required
	switch {
	case required:
		s.add(0, 0, l.value(i))
	case isNull(i):
		s.add(0, 0, nil)
	case c.kind == flat:
		s.add(1, 0, l.value(i))
	case c.kind == fields && i%5 == 1:
		s.add(1, 0, nil)
	case c.kind == fields:
		s.add(2, 0, l.value(i))
	case i%3 == 0:
		s.add(1, 0, nil) // empty
	default:
		for k := range i % 3 {
			rep := int16(min(k, 1))
			switch key := c.kind == pairs && at == 0; {
			case key:
				s.add(2, rep, l.value(i+k))
			case k == 1:
				s.add(2, rep, nil)
			default:
				s.add(3, rep, l.value(i))
			}
		}
	}
}

func (s *shredded) write(w file.ColumnChunkWriter, l *leaf) (err error) {
	switch w := w.(type) {
	case *file.Int32ColumnChunkWriter:
		_, err = w.WriteBatch(convert(s.values, func(b []byte) int32 { return int32(binary.LittleEndian.Uint32(b)) }), s.def, s.rep) //nolint:gosec // its bits
	case *file.Int64ColumnChunkWriter:
		_, err = w.WriteBatch(convert(s.values, func(b []byte) int64 { return int64(binary.LittleEndian.Uint64(b)) }), s.def, s.rep) //nolint:gosec // its bits
	case *file.ByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(convert(s.values, func(b []byte) parquet.ByteArray { return b }), s.def, s.rep)
	case *file.FixedLenByteArrayColumnChunkWriter:
		_, err = w.WriteBatch(convert(s.values, func(b []byte) parquet.FixedLenByteArray { return b }), s.def, s.rep)
	default:
		err = fmt.Errorf("%s is not written", l.physical)
	}
	return err
}

func convert[T any](values [][]byte, f func([]byte) T) []T {
	all := make([]T, len(values))
	for i, v := range values {
		all[i] = f(v)
	}
	return all
}
