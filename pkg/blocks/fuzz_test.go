package blocks_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/stretchr/testify/require"
	"github.com/zeebo/xxh3"

	"github.com/levada-data/levada/pkg/blocks"
)

func seeds(f *testing.F, add func(m blocks.Message)) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	require.NoError(f, err)
	for _, path := range files {
		add(readGolden(f, path))
	}
}

// Any headers are an error or a header that formats to what parses to itself.
func FuzzParseHeader(f *testing.F) {
	seeds(f, func(m blocks.Message) {
		data, err := json.Marshal(m.Header)
		require.NoError(f, err)
		f.Add(data)
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		var raw map[string][]string
		if json.Unmarshal(data, &raw) != nil {
			return
		}
		h, err := blocks.ParseHeader(raw)
		if err != nil {
			return
		}
		text, err := h.Format()
		require.NoError(t, err)
		again, err := blocks.ParseHeader(text)
		require.NoError(t, err)
		require.Equal(t, h, again)
	})
}

// Any payload under a right checksum is an error or a batch that can be used: every
// value is in bounds, and it encodes again.
func FuzzDecode(f *testing.F) {
	var header blocks.Message
	seeds(f, func(m blocks.Message) {
		if len(m.Data) > 0 {
			f.Add(m.Data)
			header = m
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := blocks.ParseHeader(header.Header)
		require.NoError(t, err)
		h.Checksum = xxh3.Hash(data)
		raw, err := h.Format()
		require.NoError(t, err)
		b, err := blocks.Decode(raw, data, blocks.DecodeOptions{MaxBytes: 1 << 20})
		if err != nil {
			return
		}
		defer b.Release()
		if b.Batch == nil {
			return
		}
		for i, col := range b.Batch.Columns() {
			if v, ok := col.(interface{ ValidateFull() error }); ok {
				if err := v.ValidateFull(); err != nil {
					// Text goes through as it came, UTF-8 or not: sources hold such text.
					require.ErrorContains(t, err, "not valid utf8", b.Batch.ColumnName(i))
				}
			}
			if _, nested := col.DataType().(arrow.NestedType); nested {
				continue // its text may be as long as its elements are many, and nulls cost nothing
			}
			for row := range col.Len() {
				_ = col.ValueStr(row)
			}
		}
		_, err = blocks.Encode(b)
		require.NoError(t, err)
	})
}
