package parquet

import (
	"fmt"
	"slices"

	arrowparquet "github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/metadata"

	"github.com/levada-data/levada/internal/pages"
)

// checkedChunk is a column chunk whose pages are checked as their bytes are read: arrow-go
// looks at no checksum, and believes a page header.
type checkedChunk struct {
	column string
	at     int64 // offset of its first byte
	pages  *pages.Walker
	err    error
}

// checked returns the chunks of columns of a row group, by offset. Old files of which the
// sizes of chunks are wrong (PARQUET-816) have none.
func (f *File) checked(g int, leaves []int) ([]*checkedChunk, error) {
	if f.meta.WriterVersion().LessThan(metadata.Parquet816FixedVersion) {
		return nil, nil
	}
	rg := f.meta.RowGroup(g)
	all := make([]*checkedChunk, 0, len(leaves))
	for _, leaf := range leaves {
		col, err := rg.ColumnChunk(leaf)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCorrupt, err)
		}
		descr := f.meta.Schema.Column(leaf)
		c := pages.Chunk{
			Bytes: col.TotalCompressedSize(), Values: col.NumValues(), Codec: int64(col.Compression()),
			Def: int(descr.MaxDefinitionLevel()), Rep: int(descr.MaxRepetitionLevel()),
		}
		switch t := descr.PhysicalType(); t {
		case arrowparquet.Types.Int32, arrowparquet.Types.Int64, arrowparquet.Types.Int96, arrowparquet.Types.Float, arrowparquet.Types.Double:
			c.Width = t.ByteSize()
		case arrowparquet.Types.FixedLenByteArray:
			c.Width = max(descr.TypeLength(), 0)
		}
		for _, e := range col.Encodings() {
			c.Encodings = append(c.Encodings, int64(e))
		}
		for _, s := range col.EncodingStats() {
			c.Kinds = append(c.Kinds, pages.Kind{Page: int64(s.PageType), Encoding: int64(s.Encoding)})
		}
		all = append(all, &checkedChunk{column: f.meta.Schema.ColumnRoot(leaf).Name(), at: chunkStart(col), pages: pages.NewWalker(c)})
	}
	slices.SortFunc(all, func(a, b *checkedChunk) int { return int(min(max(a.at-b.at, -1), 1)) })
	return all, nil
}

// check follows bytes that were read from an offset on. A chunk is read from its
// beginning to its end; what is not the next of its bytes is nobody's.
func (s *section) check(p []byte, at int64) error {
	i, found := slices.BinarySearchFunc(s.chunks, at, func(c *checkedChunk, at int64) int { return int(min(max(c.at-at, -1), 1)) })
	if !found {
		i--
	}
	if i < 0 || i >= len(s.chunks) {
		return nil
	}
	c := s.chunks[i]
	if c.err != nil {
		return c.err
	}
	if c.at+c.pages.At() != at {
		return nil
	}
	n := min(int64(len(p)), c.pages.Left())
	err := c.pages.Write(p[:n])
	if err == nil && n > 0 && c.pages.Left() == 0 {
		err = c.pages.Close()
	}
	if err != nil {
		c.err = err
		if s.damaged == nil {
			s.damaged = c
		}
	}
	return err
}
