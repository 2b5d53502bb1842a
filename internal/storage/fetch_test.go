package storage

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCoalesce(t *testing.T) {
	o := FetchOptions{Gap: 10, Split: 100, Parallel: 2}
	for name, c := range map[string]struct{ in, want []Range }{
		"None":      {nil, nil},
		"Empty":     {[]Range{{5, 5}}, nil},
		"Apart":     {[]Range{{50, 60}, {0, 10}}, []Range{{0, 10}, {50, 60}}},
		"Gap":       {[]Range{{0, 10}, {20, 30}}, []Range{{0, 30}}},
		"Overlap":   {[]Range{{0, 40}, {20, 30}}, []Range{{0, 40}}},
		"Split":     {[]Range{{0, 250}}, []Range{{0, 83}, {83, 166}, {166, 250}}},
		"JoinSplit": {[]Range{{0, 99}, {100, 200}}, []Range{{0, 100}, {100, 200}}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, coalesce(c.in, o)) })
	}
}

// plain is a file in memory that counts its reads.
type plain struct {
	*bytes.Reader
	mu    sync.Mutex
	reads int
}

func (p *plain) Name() string { return "plain" }
func (p *plain) Close() error { return nil }
func (p *plain) ReadAt(b []byte, at int64) (int, error) {
	p.mu.Lock()
	p.reads++
	p.mu.Unlock()
	return p.Reader.ReadAt(b, at)
}

// Whatever was fetched, every read gives the file's bytes.
func TestFetchedReadsAsTheFile(t *testing.T) {
	data := make([]byte, 10_000)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		f := &plain{Reader: bytes.NewReader(data)}
		var ranges []Range
		for range rng.IntN(8) {
			from := rng.Int64N(9000)
			ranges = append(ranges, Range{from, from + rng.Int64N(1000)})
		}
		o := FetchOptions{Gap: rng.Int64N(500) + 1, Split: rng.Int64N(2000) + 1, Parallel: 3}
		got, err := Fetch(t.Context(), f, ranges, o)
		require.NoError(t, err)
		require.Equal(t, len(coalesce(ranges, o)), f.reads)
		for range 50 {
			from := rng.IntN(len(data))
			p := make([]byte, rng.IntN(2000))
			n, err := got.ReadAt(p, int64(from))
			want := data[from:min(from+len(p), len(data))]
			require.Equal(t, len(want), n)
			require.Equal(t, want, p[:n])
			if n < len(p) {
				require.ErrorIs(t, err, io.EOF)
			}
		}
		f.reads = 0
		for _, r := range ranges { // what was asked for is at hand
			_, err := got.ReadAt(make([]byte, r.To-r.From), r.From)
			require.NoError(t, err)
		}
		require.Zero(t, f.reads)
	}
}
