package writer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/operator"
	"github.com/levada-data/levada/pkg/pipeline"
)

// late adds to the rows of a block the columns that did not travel (see
// [pipeline.Pipeline.Touched]), from the rows of the source that the block's span and
// offsets name:
//
//	a whole row group, no row missing    its column chunks are copied byte for byte
//	most of one                          the rows are gathered, page by page
//	little, or what neither can do       the rows are decoded, and encoded with the block's
//
// It serves one goroutine.
type late struct {
	pipeline *pipeline.Pipeline
	layout   *stitch.Layout
	sources  *sources
	mem      memory.Allocator
}

// A row group of the output has at least so many rows, and a gather is worth its reading
// of whole pages where one row of so many is kept; else rows are decoded, and share a row
// group with others.
const (
	leastGroup  = 8 << 10
	leastGather = 8
)

func newLate(j *job.Job, mem memory.Allocator) (*late, error) {
	o := job.StitchOptions(j.Pipeline.Spec.Sink.Parquet, j.Pipeline.Stored)
	o.Memory = mem
	layout, err := stitch.NewLayout(j.Pipeline.Out, o)
	if err != nil {
		return nil, err
	}
	return &late{pipeline: j.Pipeline, layout: layout, sources: newSources(j, mem), mem: mem}, nil
}

// close closes the source's files.
func (l *late) close() {
	if l != nil {
		l.sources.close()
	}
}

// extract is rows of one row group of the source.
type extract struct {
	src   *source
	group int
	rows  []uint32 // of the row group, ascending; nil: all of them
}

// complete appends the rows of blocks to a file.
func (l *late) complete(ctx context.Context, to *stitchedFile, j joined) error {
	if j.rows == 0 {
		return nil
	}
	x, err := l.extract(ctx, j.span, j.offsets)
	if err != nil {
		return err
	}
	if j.rows < leastGroup || j.rows*leastGather < j.span.Rows() {
		return l.loose(ctx, to, j, x)
	}
	for {
		err := l.stitch(ctx, to, j, x)
		no := (*stitch.RefusedError)(nil)
		if !errors.As(err, &no) || x.src.refused[no.Column] {
			return err
		}
		x.src.refused[no.Column] = true // its pages are not what the footer says of them
	}
}

// extract finds the rows of a block in the source.
func (l *late) extract(ctx context.Context, span blocks.Span, offsets []uint32) (x extract, err error) {
	src, group, at, err := l.sources.find(ctx, span)
	if err != nil {
		return extract{}, err
	}
	x = extract{src: src, group: group}
	switch {
	case offsets == nil && at == 0 && span.Rows() == src.stitch.Rows(group):
		return x, nil
	case offsets != nil && at == 0:
		x.rows = offsets
		return x, nil
	}
	if offsets == nil {
		x.rows = make([]uint32, span.Rows())
		for i := range x.rows {
			x.rows[i] = uint32(at) + uint32(i) //nolint:gosec // rows of a row group that the reader has read
		}
		return x, nil
	}
	x.rows = make([]uint32, len(offsets))
	for i, o := range offsets {
		x.rows[i] = uint32(at) + o //nolint:gosec // likewise
	}
	return x, nil
}

// stitch appends the rows as a row group of their own.
func (l *late) stitch(ctx context.Context, to *stitchedFile, j joined, x extract) error {
	g := stitch.Group{Rows: j.rows, Columns: make([]stitch.Column, len(l.pipeline.Origins)), Keep: x.rows}
	var decoded []int
	for i, o := range l.pipeline.Origins {
		switch {
		case l.takes(i, o, x):
			g.Columns[i] = stitch.Column{Source: x.src.stitch, Group: x.group, Name: o.Source}
		case o.Carried >= 0:
			g.Columns[i].Values = j.columns[o.Carried]
		default:
			decoded = append(decoded, i)
		}
	}
	defer func() {
		for _, i := range decoded {
			for _, v := range g.Columns[i].Values {
				v.Release()
			}
		}
	}()
	if len(decoded) > 0 {
		err := l.decode(ctx, x, decoded, func(_, _ int64, cols []arrow.Array) error {
			for n, i := range decoded {
				cols[n].Retain()
				g.Columns[i].Values = append(g.Columns[i].Values, cols[n])
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return to.stitch(ctx, g)
}

// takes reports that a column of the output is taken from the source's pages. What has
// travelled with the rows that were chosen is at hand, and need not be chosen again.
func (l *late) takes(field int, o pipeline.Origin, x extract) bool {
	switch {
	case o.Source == "" || x.src.refused[o.Source]:
		return false
	case x.rows == nil:
		return l.layout.Passes(field, x.src.stitch, x.group, o.Source) == nil
	default:
		return o.Carried < 0 && l.layout.Gathers(field, x.src.stitch, x.group, o.Source) == nil
	}
}

// loose appends the rows to those that share a row group.
func (l *late) loose(ctx context.Context, to *stitchedFile, j joined, x extract) error {
	batch, err := j.batch(l.pipeline.Carried, l.mem)
	if err != nil {
		return err
	}
	defer batch.Release()
	var decoded []int
	for i, o := range l.pipeline.Origins {
		if o.Carried < 0 {
			decoded = append(decoded, i)
		}
	}
	return l.decode(ctx, x, decoded, func(from, end int64, cols []arrow.Array) error {
		whole := make([]arrow.Array, len(l.pipeline.Origins))
		for n, i := range decoded {
			whole[i] = cols[n]
		}
		some := batch.NewSlice(from, end)
		defer some.Release()
		for i, o := range l.pipeline.Origins {
			if o.Carried >= 0 {
				whole[i] = some.Column(o.Carried)
			}
		}
		b := array.NewRecordBatch(l.pipeline.Out, whole, end-from)
		defer b.Release()
		return to.Write(b)
	})
}

// decode reads columns of the output, by their places, from the source. It calls f for
// the rows of x, some at a time and in their order, with arrays that f borrows.
func (l *late) decode(ctx context.Context, x extract, fields []int, f func(from, to int64, cols []arrow.Array) error) error {
	names := make([]string, len(fields))
	for n, i := range fields {
		names[n] = l.pipeline.Origins[i].Source
	}
	return x.src.decode(ctx, x.group, l.schemaOf(names), x.rows, f)
}

// schemaOf is the source's schema of some of its columns, each once, in this order.
func (l *late) schemaOf(names []string) *arrow.Schema {
	fields := make([]arrow.Field, len(names))
	for i, name := range names {
		fields[i] = l.pipeline.Needed.Field(l.pipeline.Needed.FieldIndices(name)[0])
	}
	return arrow.NewSchema(fields, nil)
}

// chosen calls f with those rows of a piece of a row group that are in rows, which begins
// at or after the piece's first; it returns the others. The piece is rows [from,to).
func chosen(ctx context.Context, mem memory.Allocator, batch arrow.RecordBatch, from, to int64, rows []uint32, f func(cols []arrow.Array, n int64) error) ([]uint32, error) {
	n, _ := slices.BinarySearch(rows, uint32(to)) //nolint:gosec // a row of a row group
	if n == 0 {
		return rows, nil
	}
	places := make([]uint32, n)
	for i, r := range rows[:n] {
		places[i] = r - uint32(from) //nolint:gosec // likewise
	}
	some, err := operator.Take(ctx, mem, batch, places)
	if err != nil {
		return nil, fmt.Errorf("rows of the source: %w", err)
	}
	defer some.Release()
	return rows[n:], f(some.Columns(), int64(n))
}
