package blocks_test

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
)

var update = flag.Bool("update", false, "add golden messages that are missing; those that are there are never changed")

const goldenDir = "testdata/golden"

// goldens are messages of every shape. They are added, never edited: every old one
// must decode for ever.
func goldens() map[string]*blocks.Block {
	mem := memory.DefaultAllocator
	head := func(b *blocks.Block) *blocks.Block {
		b.Run, b.Stage, b.Attempt, b.Plan, b.Epoch = "01jd0000000000000000000000", "refine", "9f86d081884c7d65", "60303ae22b998861", "60303ae22b998861"
		return b
	}
	dense := head(block(customers(mem, 20)))
	dense.Span = blocks.Span{Task: 12, From: 4096, To: 4116}
	sparse := head(block(customers(mem, 3)))
	sparse.Span = blocks.Span{Task: 0, From: 0, To: 10}
	sparse.Offsets = []uint32{0, 4, 9}
	sparse.Dropped = []blocks.Drop{{Operator: "refine/filter[0]", Rows: 4}, {Operator: "refine/filter[2]", Rows: 1}}
	sparse.Dead = []blocks.Dead{{Stage: "refine", Attempt: "9f86d081884c7d65", Offsets: []uint32{5, 6}}}
	sparse.Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	empty := head(&blocks.Block{Header: blocks.Header{Span: blocks.Span{Task: 7, From: 5, To: 8}, Dropped: []blocks.Drop{{Operator: "refine/filter[0]", Rows: 3}}}})
	empty.Schema = blocks.FingerprintOf(arrow.NewSchema([]arrow.Field{{Name: "id", Type: arrow.PrimitiveTypes.Int64}}, nil))
	return map[string]*blocks.Block{"v1-dense": dense, "v1-sparse": sparse, "v1-empty": empty}
}

func TestGoldenMessagesDecode(t *testing.T) {
	if *update {
		require.NoError(t, os.MkdirAll(goldenDir, 0o755))
		for name, b := range goldens() {
			path := filepath.Join(goldenDir, name+".json")
			if _, err := os.Stat(path); err == nil {
				continue
			}
			m, err := blocks.Encode(b)
			require.NoError(t, err)
			data, err := json.MarshalIndent(m, "", "  ")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, append(data, '\n'), 0o600))
		}
	}
	files, err := filepath.Glob(filepath.Join(goldenDir, "*.json"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 3)
	want := goldens()
	for _, path := range files {
		m := readGolden(t, path)
		b, err := blocks.Decode(m.Header, m.Data, blocks.DecodeOptions{})
		require.NoError(t, err, path)
		name := filepath.Base(path[:len(path)-len(".json")])
		if w := want[name]; w != nil { // and what this build writes is what it wrote then
			again, err := blocks.Encode(w)
			require.NoError(t, err)
			require.Equal(t, m, again, path)
			require.Equal(t, w.Header, b.Header)
			if w.Rows > 0 { // and the rows are those that were written
				require.True(t, array.RecordEqual(w.Batch, b.Batch), path)
			}
			require.Equal(t, w.Offsets, b.Offsets, path)
		}
		b.Release()
	}
}

func readGolden(t testing.TB, path string) blocks.Message {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var m blocks.Message
	require.NoError(t, json.Unmarshal(data, &m))
	return m
}
