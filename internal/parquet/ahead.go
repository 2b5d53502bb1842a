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
// the next ones while the present one is decoded, as far as they fit the budget together.
// A file on a disk needs none of this: its bytes are read as they are decoded.
//
//	fetch     111122223333
//	               44445555
//	decode        1111 2222 3333 ..
type lookAhead struct {
	f      *File
	o      *ReadOptions
	fetch  storage.FetchOptions
	groups []groupRange // that are wanted, in order; nil: the file is at hand
	begun  []*fetching  // of the first of groups
}

// aheadGroups bounds the row groups that are on their way: enough to hide the latency of
// a store where they are small. Large ones are bounded by the budget.
const aheadGroups = 4

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
	leaves := f.leaves(o.Columns)
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
	for len(a.groups) > 0 && a.groups[0].group < g { // covered by others since it was planned
		a.stop()
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
	a.begin(ctx)
	mine := a.begun[0]
	a.begun, a.groups = a.begun[1:], a.groups[1:]
	defer mine.cancel()
	select {
	case <-mine.done:
	case <-ctx.Done():
		mine.cancel()
		<-mine.done
		return nil, 0, context.Cause(ctx)
	}
	return mine.data, streamBuffer, mine.err
}

func (a *lookAhead) buffer() int64 {
	if a.fetch.Parallel > 0 {
		return distantBuffer
	}
	return streamBuffer
}

// begin begins to fetch the next row groups.
func (a *lookAhead) begin(ctx context.Context) {
	bytes := int64(0)
	for i, r := range a.groups[:min(len(a.groups), aheadGroups)] {
		if bytes += r.bytes; bytes > a.o.Budget {
			return
		}
		if i < len(a.begun) {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		n := &fetching{cancel: cancel, done: make(chan struct{})}
		a.begun = append(a.begun, n)
		go func() {
			defer close(n.done)
			n.data, n.err = storage.Fetch(ctx, a.f.src, r.ranges, a.fetch)
		}()
	}
}

// stop ends what has begun and waits for it.
func (a *lookAhead) stop() {
	for _, n := range a.begun {
		n.cancel()
		<-n.done
	}
	a.begun = nil
}

// leaves are the columns of the file that top-level columns are made of.
func (f *File) leaves(columns *arrow.Schema) []int {
	names := make([]string, columns.NumFields())
	for i, fd := range columns.Fields() {
		names[i] = fd.Name
	}
	return f.leavesNamed(names)
}
