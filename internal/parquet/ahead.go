package parquet

import (
	"context"
	"io"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/levada-data/levada/internal/storage"
)

const (
	// streamBuffer is how many bytes of a column are read at once from a disk.
	streamBuffer = 256 << 10
	// distantBuffer is the same over a network, for a row group that is too large to be
	// held: each read is a request.
	distantBuffer = 4 << 20
)

// lookAhead reads the row groups of a file over a network, each with few requests, and
// the next one while the present one is decoded, as far as both fit the budget. A file on
// a disk needs none of this: its bytes are read as they are decoded.
//
//	row group    1        2        3
//	fetch     ██████▁▁██████▁▁██████
//	decode          ▔▔██████▔▔██████ ..
type lookAhead struct {
	f      *File
	o      *ReadOptions
	fetch  storage.FetchOptions
	groups []groupRange // that are wanted, in order; nil: the file is at hand
	next   *fetching    // of groups[0], when it has begun
}

// groupRange is what is needed of one row group.
type groupRange struct {
	group  int
	ranges []storage.Range
	bytes  int64
}

// fetching is a fetch that has begun.
type fetching struct {
	cancel context.CancelFunc
	done   chan struct{}
	data   *storage.Fetched
	err    error
}

// lookAhead plans the reading of the row groups [first,last). The caller must stop it.
func (f *File) lookAhead(first, last int, o *ReadOptions) (*lookAhead, error) {
	a := &lookAhead{f: f, o: o}
	src, distant := f.src.(storage.Distant)
	if !distant {
		return a, nil
	}
	a.fetch = src.Distant()
	leaves, err := f.leaves(o.Columns)
	if err != nil {
		return nil, err
	}
	at := int64(0)
	for g := first; g < last; g++ {
		rg := f.meta.RowGroup(g)
		if o.wants(at, rg.NumRows()) {
			r := groupRange{group: g}
			for _, leaf := range leaves {
				col, err := rg.ColumnChunk(leaf)
				if err != nil {
					return nil, &FileError{File: f.name, RowGroup: g, Err: err}
				}
				start := chunkStart(col)
				r.ranges = append(r.ranges, storage.Range{From: start, To: start + col.TotalCompressedSize()})
			}
			r.bytes = a.fetch.Bytes(r.ranges)
			a.groups = append(a.groups, r)
		}
		at += rg.NumRows()
	}
	return a, nil
}

// take returns where the bytes of a row group are, and how many of a column to read at
// once. Row groups are taken in order.
func (a *lookAhead) take(ctx context.Context, g int) (io.ReaderAt, int64, error) {
	for len(a.groups) > 0 && a.groups[0].group < g {
		a.stop() // wanted when it was planned, and covered by others since
		a.groups = a.groups[1:]
	}
	if len(a.groups) == 0 || a.groups[0].group != g {
		return a.f.src, a.buffer(), nil
	}
	now := a.groups[0]
	if now.bytes > a.o.Budget {
		a.groups = a.groups[1:]
		return a.f.src, distantBuffer, nil
	}
	if a.next == nil {
		a.next = a.begin(ctx, now)
	}
	mine := a.next
	a.next, a.groups = nil, a.groups[1:]
	select {
	case <-mine.done:
	case <-ctx.Done():
		mine.cancel()
		<-mine.done
		return nil, 0, context.Cause(ctx)
	}
	mine.cancel()
	if mine.err != nil {
		return nil, 0, mine.err
	}
	if len(a.groups) > 0 && now.bytes+a.groups[0].bytes <= a.o.Budget {
		a.next = a.begin(ctx, a.groups[0])
	}
	return mine.data, streamBuffer, nil
}

func (a *lookAhead) buffer() int64 {
	if a.fetch.Parallel > 0 {
		return distantBuffer
	}
	return streamBuffer
}

func (a *lookAhead) begin(ctx context.Context, r groupRange) *fetching {
	ctx, cancel := context.WithCancel(ctx)
	n := &fetching{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(n.done)
		n.data, n.err = storage.Fetch(ctx, a.f.src, r.ranges, a.fetch)
	}()
	return n
}

// stop ends what has begun and waits for it.
func (a *lookAhead) stop() {
	if a.next != nil {
		a.next.cancel()
		<-a.next.done
		a.next = nil
	}
}

// leaves are the columns of the file that top-level columns are made of.
func (f *File) leaves(columns *arrow.Schema) ([]int, error) {
	names := make([]string, columns.NumFields())
	for i, fd := range columns.Fields() {
		names[i] = fd.Name
	}
	idx, err := f.indices(names)
	if err != nil {
		return nil, err
	}
	var leaves []int
	for _, i := range idx {
		leaves = append(leaves, f.fields[i].leaves...)
	}
	return leaves, nil
}
