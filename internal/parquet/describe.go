package parquet

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/decimal256"
	"github.com/apache/arrow-go/v18/arrow/float16"
	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"github.com/levada-data/levada/internal/storage"
)

// Description is what the footer of a file says, whether or not levada can read its columns.
type Description struct {
	V         int                `json:"v"` // 1
	File      string             `json:"file"`
	Bytes     int64              `json:"bytes"`
	Rows      int64              `json:"rows"`
	Version   int                `json:"format_version"`
	CreatedBy string             `json:"created_by"`
	Footer    int64              `json:"footer_bytes"`
	Metadata  []KeyValue         `json:"metadata,omitempty"`
	Columns   []LeafDescription  `json:"columns"` // leaves of the schema, in its order
	RowGroups []GroupDescription `json:"row_groups"`
}

// KeyValue is an entry of the file's own metadata.
type KeyValue struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// LeafDescription is a leaf of the schema: a column, or what is at the bottom of a nested one.
type LeafDescription struct {
	Column     string `json:"column"` // path, joined by dots
	Type       string `json:"type"`   // physical
	Logical    string `json:"logical_type,omitempty"`
	Repetition string `json:"repetition"` // of the leaf itself: required, optional or repeated
	Definition int    `json:"max_definition_level"`
	Repeated   int    `json:"max_repetition_level"`
}

// GroupDescription is a row group.
type GroupDescription struct {
	Rows     int64              `json:"rows"`
	Bytes    int64              `json:"bytes"`
	Unpacked int64              `json:"unpacked_bytes"`
	Sorting  []string           `json:"sorting,omitempty"` // columns, "-" before a descending one
	Columns  []ChunkDescription `json:"columns"`           // in the order of the leaves
}

// ChunkDescription is a leaf in one row group.
type ChunkDescription struct {
	Codec      string   `json:"codec"`
	Encodings  []string `json:"encodings"` // of its pages
	Offset     int64    `json:"offset"`
	Bytes      int64    `json:"bytes"`
	Unpacked   int64    `json:"unpacked_bytes"`
	Values     int64    `json:"values"` // nulls included
	Dictionary bool     `json:"dictionary"`
	PageIndex  bool     `json:"page_index"`
	Bloom      bool     `json:"bloom_filter"`
	// What statistics say. Min and Max are numbers, booleans or text; binary that is no
	// UTF-8 is 0x and hexadecimal.
	Nulls    *int64 `json:"nulls,omitempty"`
	Distinct *int64 `json:"distinct,omitempty"`
	Min      any    `json:"min,omitempty"`
	Max      any    `json:"max,omitempty"`
}

// Describe reads the footer of a file, which it borrows. The error is a [*FileError].
func Describe(src storage.File) (d *Description, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
		if err != nil {
			d, err = nil, &FileError{File: src.Name(), RowGroup: -1, Err: err}
		}
	}()
	footer, err := ReadFooter(src, src.Size())
	if err != nil {
		return nil, err
	}
	meta, err := metadata.NewFileMetaData(footer, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: footer: %w", ErrCorrupt, err)
	}
	if meta.IsSetEncryptionAlgorithm() {
		return nil, ErrEncrypted
	}
	f := &File{name: src.Name(), src: src, meta: meta, id: Identity{Size: src.Size()}}
	if err := f.check(); err != nil {
		return nil, err
	}
	d = &Description{
		V: 1, File: src.Name(), Bytes: src.Size(), Rows: meta.NumRows, Version: int(meta.FileMetaData.Version), CreatedBy: meta.GetCreatedBy(),
		Footer: int64(len(footer)), Columns: []LeafDescription{}, RowGroups: []GroupDescription{},
	}
	for _, kv := range meta.KeyValueMetadata() {
		d.Metadata = append(d.Metadata, KeyValue{Key: kv.Key, Value: kv.GetValue()})
	}
	for i := range meta.Schema.NumColumns() {
		d.Columns = append(d.Columns, describeLeaf(meta.Schema.Column(i)))
	}
	for g := range meta.NumRowGroups() {
		rg, err := describeGroup(meta.RowGroup(g), d.Columns)
		if err != nil {
			return nil, fmt.Errorf("%w: row group %d: %w", ErrCorrupt, g, err)
		}
		d.RowGroups = append(d.RowGroups, rg)
	}
	return d, nil
}

func describeLeaf(c *schema.Column) LeafDescription {
	d := LeafDescription{
		Column: c.Path(), Type: c.PhysicalType().String(), Repetition: strings.ToLower(c.SchemaNode().RepetitionType().String()),
		Definition: int(c.MaxDefinitionLevel()), Repeated: int(c.MaxRepetitionLevel()),
	}
	if c.PhysicalType() == arrowparquet.Types.FixedLenByteArray {
		d.Type = fmt.Sprintf("%s(%d)", d.Type, c.TypeLength())
	}
	if l := c.LogicalType(); l != nil && l.IsValid() && !l.IsNone() {
		d.Logical = logicalName(l)
	}
	return d
}

// logicalName is short, and says what other people call a type.
func logicalName(l schema.LogicalType) string {
	adjusted := func(utc bool, unit schema.TimeUnitType) string {
		if utc {
			return "[" + logicalUnit(unit).String() + ", UTC]"
		}
		return "[" + logicalUnit(unit).String() + "]"
	}
	switch l := l.(type) {
	case schema.IntLogicalType:
		if l.IsSigned() {
			return fmt.Sprintf("int%d", l.BitWidth())
		}
		return fmt.Sprintf("uint%d", l.BitWidth())
	case schema.TimestampLogicalType:
		return "timestamp" + adjusted(l.IsAdjustedToUTC(), l.TimeUnit())
	case schema.TimeLogicalType:
		return "time" + adjusted(l.IsAdjustedToUTC(), l.TimeUnit())
	case schema.DecimalLogicalType:
		return fmt.Sprintf("decimal(%d, %d)", l.Precision(), l.Scale())
	}
	return strings.ToLower(l.String())
}

func describeGroup(rg *metadata.RowGroupMetaData, leaves []LeafDescription) (GroupDescription, error) {
	d := GroupDescription{Rows: rg.NumRows(), Columns: []ChunkDescription{}}
	for _, s := range rg.SortingColumns() {
		if int(s.ColumnIdx) >= len(leaves) || s.ColumnIdx < 0 {
			return d, errors.New("it is sorted by a column that is not there")
		}
		name := leaves[s.ColumnIdx].Column
		if s.Descending {
			name = "-" + name
		}
		d.Sorting = append(d.Sorting, name)
	}
	for i := range rg.NumColumns() {
		col, err := rg.ColumnChunk(i)
		if err != nil {
			return d, err
		}
		c := describeChunk(col, rg.Schema.Column(i))
		d.Bytes += c.Bytes
		d.Unpacked += c.Unpacked
		d.Columns = append(d.Columns, c)
	}
	return d, nil
}

func describeChunk(col *metadata.ColumnChunkMetaData, leaf *schema.Column) ChunkDescription {
	d := ChunkDescription{
		Codec: col.Compression().String(), Encodings: encodingNames(col), Offset: chunkStart(col), Bytes: col.TotalCompressedSize(),
		Unpacked: col.TotalUncompressedSize(), Values: col.NumValues(), Dictionary: col.HasDictionaryPage(),
		PageIndex: col.GetOffsetIndexLocation() != nil, Bloom: col.BloomFilterOffset() > 0,
	}
	if set, err := col.StatsSet(); err != nil || !set {
		return d
	}
	s, err := col.Statistics()
	if err != nil || s == nil {
		return d
	}
	if s.HasNullCount() {
		n := s.NullCount()
		d.Nulls = &n
	}
	if s.HasDistinctCount() {
		n := s.DistinctCount()
		d.Distinct = &n
	}
	if s.HasMinMax() {
		d.Min, d.Max = boundValue(leaf, s.EncodeMin()), boundValue(leaf, s.EncodeMax())
	}
	return d
}

// encodingNames are those of the pages where the footer says which they have, else all that
// were used, for levels too.
func encodingNames(col *metadata.ColumnChunkMetaData) []string {
	names := []string{}
	for _, s := range col.EncodingStats() {
		if name := s.Encoding.String(); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 0 {
		return names
	}
	for _, e := range col.Encodings() {
		names = append(names, e.String())
	}
	return names
}

// boundValue is a bound of statistics as a person reads it, nil when it cannot be read.
func boundValue(leaf *schema.Column, raw []byte) any {
	switch leaf.PhysicalType() {
	case arrowparquet.Types.Boolean:
		if len(raw) > 0 {
			return raw[0] != 0
		}
	case arrowparquet.Types.Int32:
		if len(raw) == 4 {
			return integerValue(leaf.LogicalType(), int64(int32(binary.LittleEndian.Uint32(raw)))) //nolint:gosec // its bits
		}
	case arrowparquet.Types.Int64:
		if len(raw) == 8 {
			return integerValue(leaf.LogicalType(), int64(binary.LittleEndian.Uint64(raw))) //nolint:gosec // its bits
		}
	case arrowparquet.Types.Float:
		if len(raw) == 4 {
			return jsonFloat(float64(math.Float32frombits(binary.LittleEndian.Uint32(raw))))
		}
	case arrowparquet.Types.Double:
		if len(raw) == 8 {
			return jsonFloat(math.Float64frombits(binary.LittleEndian.Uint64(raw)))
		}
	case arrowparquet.Types.ByteArray, arrowparquet.Types.FixedLenByteArray:
		return bytesValue(leaf.LogicalType(), raw)
	}
	return nil
}

// jsonFloat is a float as JSON can say it.
func jsonFloat(v float64) any {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return fmt.Sprint(v)
	}
	return v
}

func integerValue(l schema.LogicalType, v int64) any {
	switch l := l.(type) {
	case schema.IntLogicalType:
		if !l.IsSigned() {
			if l.BitWidth() <= 32 {
				return uint64(uint32(v)) //nolint:gosec // the bits of a uint32
			}
			return uint64(v) //nolint:gosec // the bits of a uint64
		}
	case schema.DateLogicalType:
		return time.Unix(v*86400, 0).UTC().Format(time.DateOnly)
	case schema.TimestampLogicalType:
		text := arrow.Timestamp(v).ToTime(logicalUnit(l.TimeUnit())).Format("2006-01-02T15:04:05.999999999")
		if l.IsAdjustedToUTC() {
			text += "Z"
		}
		return text
	case schema.TimeLogicalType:
		return arrow.Time64(v).ToTime(logicalUnit(l.TimeUnit())).Format("15:04:05.999999999")
	case schema.DecimalLogicalType:
		return decimalText(big.NewInt(v), l.Scale())
	}
	return v
}

func logicalUnit(u schema.TimeUnitType) arrow.TimeUnit {
	switch u {
	case schema.TimeUnitMillis:
		return arrow.Millisecond
	case schema.TimeUnitMicros:
		return arrow.Microsecond
	default:
		return arrow.Nanosecond
	}
}

func bytesValue(l schema.LogicalType, raw []byte) any {
	switch l := l.(type) {
	case schema.DecimalLogicalType:
		n := new(big.Int).SetBytes(raw)
		if len(raw) > 0 && raw[0]&0x80 != 0 { // two's complement
			n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(raw))))
		}
		return decimalText(n, l.Scale())
	case schema.Float16LogicalType:
		if len(raw) == 2 {
			return jsonFloat(float64(float16.FromLEBytes(raw).Float32()))
		}
	case schema.UUIDLogicalType:
		if len(raw) == 16 {
			return fmt.Sprintf("%x-%x-%x-%x-%x", raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:])
		}
	}
	if utf8.Valid(raw) {
		return string(raw)
	}
	return "0x" + hex.EncodeToString(raw)
}

func decimalText(n *big.Int, scale int32) string {
	if n.BitLen() > 255 {
		return n.String() + fmt.Sprintf("e-%d", scale)
	}
	return decimal256.FromBigInt(n).ToString(scale)
}
