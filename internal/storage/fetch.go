package storage

import (
	"cmp"
	"context"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Distant is a file each read of which is a request over a network: who knows what it
// will read should [Fetch] it.
type Distant interface {
	File
	Distant() FetchOptions
}

// FetchOptions say how ranges become requests. The zero value of a field is its default.
type FetchOptions struct {
	Gap      int64 // bytes between two ranges that are read rather than asked for apart; 256 KiB
	Split    int64 // bytes of one request, at most; 8 MiB
	Parallel int   // requests at once; 8
}

func (o FetchOptions) withDefaults() FetchOptions {
	return FetchOptions{Gap: cmp.Or(o.Gap, 256<<10), Split: cmp.Or(o.Split, 8<<20), Parallel: cmp.Or(o.Parallel, 8)}
}

// Range is the bytes [From,To) of a file.
type Range struct{ From, To int64 }

// coalesce makes few ranges of many: neighbours with a small gap become one, large ones
// are split into nearly equal parts. The result is sorted.
func coalesce(ranges []Range, o FetchOptions) []Range {
	ranges = slices.DeleteFunc(slices.Clone(ranges), func(r Range) bool { return r.To <= r.From })
	slices.SortFunc(ranges, func(a, b Range) int { return cmp.Compare(a.From, b.From) })
	var joined []Range
	for _, r := range ranges {
		if n := len(joined); n > 0 && r.From-joined[n-1].To <= o.Gap {
			joined[n-1].To = max(joined[n-1].To, r.To)
			continue
		}
		joined = append(joined, r)
	}
	var out []Range
	for _, r := range joined {
		parts := (r.To - r.From + o.Split - 1) / o.Split
		for i := range parts {
			out = append(out, Range{r.From + (r.To-r.From)*i/parts, r.From + (r.To-r.From)*(i+1)/parts})
		}
	}
	return out
}

// Fetched is some ranges of a file in memory. What lies outside is read from the file.
type Fetched struct {
	file   File
	ranges []Range // as they were joined, sorted, apart
	data   [][]byte
}

// Bytes is how much memory fetching the ranges would take.
func (o FetchOptions) Bytes(ranges []Range) int64 {
	n := int64(0)
	for _, r := range coalesce(ranges, o) {
		n += r.To - r.From
	}
	return n
}

// Fetch reads ranges of a file into memory, with as few requests as the options allow,
// some at once.
func Fetch(ctx context.Context, file File, ranges []Range, o FetchOptions) (*Fetched, error) {
	o = o.withDefaults()
	requests := coalesce(ranges, o)
	f := &Fetched{file: file}
	for _, r := range requests {
		if n := len(f.ranges); n > 0 && f.ranges[n-1].To == r.From { // the parts of one range lie in one buffer
			f.ranges[n-1].To = r.To
			continue
		}
		f.ranges = append(f.ranges, r)
	}
	for _, r := range f.ranges {
		f.data = append(f.data, make([]byte, r.To-r.From))
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(o.Parallel)
	for _, r := range requests {
		i := f.find(r.From)
		into := f.data[i][r.From-f.ranges[i].From : r.To-f.ranges[i].From]
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			n, err := file.ReadAt(into, r.From)
			if n == len(into) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return f, nil
}

// find returns the range that holds an offset, -1 if none does.
func (f *Fetched) find(at int64) int {
	i, ok := slices.BinarySearchFunc(f.ranges, at, func(r Range, at int64) int { return cmp.Compare(r.From, at) })
	if !ok {
		i--
	}
	if i < 0 || at >= f.ranges[i].To {
		return -1
	}
	return i
}

// ReadAt implements [io.ReaderAt].
func (f *Fetched) ReadAt(p []byte, at int64) (int, error) {
	n := 0
	if i := f.find(at); i >= 0 {
		n = copy(p, f.data[i][at-f.ranges[i].From:])
	}
	if n == len(p) {
		return n, nil
	}
	m, err := f.file.ReadAt(p[n:], at+int64(n))
	return n + m, err
}
