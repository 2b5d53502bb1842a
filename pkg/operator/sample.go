package operator

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/xxh3"
)

// sample keeps rows by a hash of their place in the source.
type sample struct {
	seed  uint64
	below uint64 // hashes that are kept; the largest number: all
	out   *arrow.Schema
}

// Sample returns the operator that keeps about the given fraction of the rows, from 0 to
// 1. Whether a row is kept depends on the seed and on its place in the source, and on
// nothing else: the first 8 bytes of the answer are XXH3-64, with the seed, of the row's
// number as 8 bytes, little endian. The sample of a smaller fraction is part of that of a
// larger one with the same seed.
func Sample(in *arrow.Schema, fraction float64, seed uint64) (Operator, error) {
	if !(fraction >= 0 && fraction <= 1) { // NaN is not
		return nil, fmt.Errorf("a fraction is from 0 to 1, for example 0.01 for one row of a hundred")
	}
	s := &sample{seed: seed, out: in, below: math.MaxUint64}
	if fraction < 1 {
		s.below = uint64(fraction * (1 << 63) * 2) // below 2^64, for fraction is at most 1-2^-53
	}
	return s, nil
}

func (s *sample) Kind() string       { return "sample" }
func (s *sample) Out() *arrow.Schema { return s.out }
func (s *sample) From() []int        { return identity(s.out.NumFields()) }

// Drops implements [Dropper].
func (s *sample) Drops() bool { return true }

func (s *sample) Apply(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch) (Result, error) {
	return s.ApplyAt(ctx, mem, in, Rows{})
}

// ApplyAt implements [Placed].
func (s *sample) ApplyAt(ctx context.Context, mem memory.Allocator, in arrow.RecordBatch, at Rows) (Result, error) {
	kept := make([]uint32, 0, in.NumRows())
	for i := range int(in.NumRows()) {
		if s.keeps(at.At(i)) {
			kept = append(kept, uint32(i))
		}
	}
	return gather(ctx, mem, s.out, in, kept, nil)
}

func (s *sample) keeps(row int64) bool {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(row)) //nolint:gosec // not negative
	return s.below == math.MaxUint64 || xxh3.HashSeed(b[:], s.seed) < s.below
}
