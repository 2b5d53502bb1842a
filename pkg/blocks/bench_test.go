package blocks_test

import (
	"testing"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
)

// A block of 1 MiB of the demo's customers.
func benchmarkBlock(b *testing.B) *blocks.Block {
	b.Helper()
	batch := customers(memory.DefaultAllocator, 9_000)
	b.Cleanup(batch.Release)
	return block(batch)
}

func BenchmarkEncode(b *testing.B) {
	block := benchmarkBlock(b)
	b.ReportAllocs()
	b.SetBytes(block.Size())
	for b.Loop() {
		_, err := blocks.Encode(block)
		require.NoError(b, err)
	}
}

func BenchmarkDecode(b *testing.B) {
	block := benchmarkBlock(b)
	message, err := blocks.Encode(block)
	require.NoError(b, err)
	unaligned := append(make([]byte, 3, 3+len(message.Data)), message.Data...)[3:]
	cache := new(blocks.SchemaCache)
	for _, bench := range []struct {
		name string
		data []byte
		o    blocks.DecodeOptions
	}{
		{"cached", message.Data, blocks.DecodeOptions{Schemas: cache}},
		{"expected", message.Data, blocks.DecodeOptions{Schemas: cache, Schema: block.Batch.Schema()}},
		{"uncached", message.Data, blocks.DecodeOptions{}},
		{"unaligned", unaligned, blocks.DecodeOptions{Schemas: cache}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(bench.data)))
			for b.Loop() {
				got, err := blocks.Decode(message.Header, bench.data, bench.o)
				require.NoError(b, err)
				got.Release()
			}
		})
	}
}

func BenchmarkDataSize(b *testing.B) {
	block := benchmarkBlock(b)
	b.ReportAllocs()
	for b.Loop() {
		_ = blocks.DataSize(block.Batch)
	}
}
