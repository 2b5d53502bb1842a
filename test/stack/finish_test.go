package stack_test

import (
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// However files are written, the rows are the same: whichever columns travel, whoever is
// killed.
func TestFinish_ChangesNoRow(t *testing.T) {
	in := stack.Customers(t, 24_000, 2, 6000)
	const stages = "  - name: s\n    transform: [{ filter: 'visits % 4 != 0' }, { with: { eur: 'amount * 0.92' } }]\n"
	want := way{blockBytes: 256 << 10, edge: 32 << 20, readers: 1, transforms: 1, writers: 1, carry: "all"}.run(t, in, stages)
	durable := way{blockBytes: 64 << 10, edge: 4 << 20, readers: 1, transforms: 1, writers: 2, lanes: 2, kills: 3}
	fused := way{blockBytes: 128 << 10, edge: 4 << 20, readers: 1, lanes: 2, fused: math.MaxUint64, kills: 1}
	for name, extra := range map[string]string{
		"Sorted":    "    sort_within: [country, { column: eur, order: desc, nulls: first }]\n    rows_per_group: 3000\n",
		"Summed":    "    page_checksums: true\n",
		"SummedAll": "    page_checksums: true\n    sort_within: note\n    compression: zstd\n    target_file: 256KiB\n",
		"Encoded":   "    encodings: { amount: byte_stream_split, id: delta, country: dictionary, email: plain, signed_up: delta }\n    compression: zstd\n",
		"Filtered":  "    bloom_filters: [email, id]\n    page_checksums: true\n",
		"Named":     "    file_name: \"{pipeline}-{date}.{codec}\"\n    preserve_order: true\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			durable, fused := durable, fused
			durable.extra, fused.extra = extra, extra
			durable.carry, fused.carry = "all", "touched"
			if strings.Contains(extra, "sort_within") { // which refuses it
				fused.carry = "auto"
			} else if name == "Summed" || name == "Encoded" {
				durable.carry = "touched"
			}
			for _, w := range []way{durable, fused} {
				require.Equal(t, stack.Digest(want), stack.Digest(w.run(t, in, stages)), "%+v", w)
			}
		})
	}
}

// A file's name begins as the spec says, and ends as a name must that is never used twice.
func TestFinish_NamesFiles(t *testing.T) {
	in := stack.Customers(t, 3000, 1, 3000)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	s.Start(t, stack.All()...)
	text := fmt.Sprintf("apiVersion: levada/v1\nname: orders\nsource: { parquet: { uri: %q } }\nsink: { parquet: { uri: %q, partition_by: [country], file_name: \"{pipeline}_{date}\" } }\n", in, out)
	run := s.Submit(t, text, nil)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, out, run)
	require.NotEmpty(t, m.Files)
	for _, f := range m.Files {
		require.Regexp(t, `^country=[^/]+/orders_\d{4}-\d{2}-\d{2}-`+string(run)+`-[0-9a-f]{16}\.parquet$`, f.Name)
	}
}
