package stitch

import (
	"cmp"
	"slices"
	"sync"
)

// places are where pages begin, as far as they have been seen: rows of a large row group
// are taken in several pieces, and each should read its own pages only.
type places struct {
	mu  sync.Mutex
	all map[chunkOf][]place
}

// mostPlaces bounds the chunks whose pages are remembered.
const mostPlaces = 256

// chunkOf is a column chunk of a file.
type chunkOf struct{ group, leaf int }

// place is a page: the first row of it in its row group, and where in the file it begins.
type place struct {
	row int
	at  int64
}

// note remembers a page that lies behind those that are known.
func (p *places) note(of chunkOf, page place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.all[of]
	if n := len(known); n > 0 && known[n-1].at >= page.at {
		return
	}
	if known == nil && len(p.all) >= mostPlaces {
		clear(p.all)
	}
	if p.all == nil {
		p.all = map[chunkOf][]place{}
	}
	p.all[of] = append(known, page)
}

// before returns the last known page that does not begin behind a row; row 0 of the zero
// place when none is known.
func (p *places) before(of chunkOf, row int) place {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.all[of]
	i, found := slices.BinarySearchFunc(known, row, func(k place, row int) int { return cmp.Compare(k.row, row) })
	switch {
	case found:
		return known[i]
	case i == 0:
		return place{}
	}
	return known[i-1]
}
