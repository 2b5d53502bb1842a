package parquet

import (
	"github.com/apache/arrow-go/v18/parquet/compress"
	"github.com/klauspost/compress/zstd"
)

// boundedZstd is arrow-go's zstd codec with a decoder that stops where the page's header
// says that it ends: arrow-go unpacks whatever comes, and a page of a few kilobytes can
// become gigabytes.
type boundedZstd struct {
	compress.Codec
	decoder *zstd.Decoder // safe for concurrent use
}

// DecodeWithError implements [compress.ErrorCodec].
func (c boundedZstd) DecodeWithError(dst, src []byte) ([]byte, error) {
	return c.decoder.DecodeAll(src, dst[:0:len(dst)])
}

// Decode implements [compress.Codec].
func (c boundedZstd) Decode(dst, src []byte) []byte {
	out, err := c.DecodeWithError(dst, src)
	if err != nil {
		panic(err) // as its contract has it; arrow-go calls DecodeWithError
	}
	return out
}

// See the other init: it is the process's table.
func init() {
	codec, err := compress.GetCodec(compress.Codecs.Zstd)
	if err != nil {
		panic(err) // arrow-go registers it in its own init
	}
	decoder, err := zstd.NewReader(nil, zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderConcurrency(0))
	if err != nil {
		panic(err) // the options are constants
	}
	compress.RegisterCodec(compress.Codecs.Zstd, boundedZstd{codec, decoder})
}
