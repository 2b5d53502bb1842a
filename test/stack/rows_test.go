package stack_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// A row's number and its UUID say where it stands in the source: behind filters, in small
// blocks, in a second stage, and though row groups before it have been pruned.
func TestRowNumbersAreThoseOfTheSource(t *testing.T) {
	in := stack.Customers(t, 6000, 3, 500)
	keys := map[string]bool{}
	for _, carry := range []string{"all", "touched"} {
		s := stack.New(t)
		out := filepath.Join(t.TempDir(), "out")
		run := s.Submit(t, fmt.Sprintf(`apiVersion: levada/v1
name: rows
source: { parquet: { uri: %q } }
stages:
  - { name: a, transform: [{ filter: "id > 900 && id %% 3 != 0" }, { with: { first: "rowNumber()" } }] }
  - { name: b, transform: [{ filter: "visits %% 2 == 0" }, { with: { off: "rowNumber() - id", moved: "rowNumber() - first", key: "uuid()" } }, { select: [country, off, moved, key] }] }
sink: { parquet: { uri: %q } }
policies: { max_age: 300ms, carry: %s }
`, in, out, carry), func(r *flow.Record) { r.BlockBytes = 16 << 10 })
		s.Start(t, stack.All()...)
		rec := s.Await(t, run)
		require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
		require.Positive(t, stack.Clean(t, out, run).Books.Written)
		rows := stack.Rows(t, out)
		require.NotEmpty(t, rows)
		uuids := map[string]bool{}
		for _, row := range rows {
			_, key, exact := strings.Cut(row, "|off=0|moved=0|key=")
			require.True(t, exact, row)
			uuids[key] = true
		}
		require.Len(t, uuids, len(rows))
		if len(keys) > 0 {
			require.Equal(t, keys, uuids)
		}
		keys = uuids
	}
}
