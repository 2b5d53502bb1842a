package stitch

import (
	"bytes"
	"context"
	"fmt"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/levada-data/levada/internal/parquet"
)

// encode makes the chunks of field i from arrays.
func (w *Writer) encode(ctx context.Context, i int, rows int64, values []arrow.Array, st *stage) error {
	if done, err := w.encodeFlat(i, values, st); done || err != nil {
		return err
	}
	st.buf.Reset()
	schema := arrow.NewSchema([]arrow.Field{w.l.schema.Field(i)}, nil)
	pw, err := parquet.NewWriter(&st.buf, schema, w.l.writeOptions(rows))
	if err != nil {
		return err
	}
	if err := writeAll(pw, schema, values); err != nil {
		pw.Abandon()
		return err
	}
	if _, err := pw.Close(); err != nil {
		return err
	}
	s, err := OpenSource("a column in memory", bytes.NewReader(st.buf.Bytes()), int64(st.buf.Len()))
	if err != nil {
		return err
	}
	if len(s.meta.groups) != 1 || s.Rows(0) != rows {
		return fmt.Errorf("a column of %d rows became %d row groups of %d", rows, len(s.meta.groups), s.meta.rows)
	}
	from, to := w.l.meta.leavesOf(i)
	if len(s.meta.leaves) != to-from {
		return fmt.Errorf("a column of %d leaves became one of %d", to-from, len(s.meta.leaves))
	}
	if w.l.o.Checksums {
		if s, err = OpenSource("a column in memory", bytes.NewReader(bytes.Clone(st.buf.Bytes())), int64(st.buf.Len())); err != nil {
			return err
		}
		return w.sum(ctx, s, 0, 0, to-from, schema.Field(0).Name, st)
	}
	if st.chunks, err = s.carry(0, leavesFrom(0, to-from)); err != nil {
		return err
	}
	end := int64(0)
	for k := range st.chunks {
		end = max(end, st.chunks[k].span().end())
	}
	st.buf.Truncate(int(end))
	return nil
}

func writeAll(w *parquet.Writer, schema *arrow.Schema, values []arrow.Array) error {
	for _, v := range values {
		batch := array.NewRecordBatch(schema, []arrow.Array{v}, int64(v.Len()))
		err := w.Write(batch)
		batch.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
