package stack_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// pollEvery is how often evidence is looked for.
const pollEvery = 10 * time.Millisecond

// spec is a pipeline over customers with a filter and computed columns.
func spec(uri, out, sinkExtra, policies string) string {
	return fmt.Sprintf(`apiVersion: levada/v1
name: test
source: { parquet: { uri: %q } }
stages:
  - name: refine
    transform:
      - filter: "amount > 50.0"
      - with: { eur: "amount * 0.92", twice: "visits + visits" }
      - select: [id, country, eur, twice, note]
sink:
  parquet:
    uri: %q
%s
policies:
  max_age: 1s
%s
`, uri, out, sinkExtra, policies)
}

func TestRunsFromEndToEnd(t *testing.T) {
	in := stack.Customers(t, 30_000, 3, 4096)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	s.Start(t, stack.All()...)
	run := s.Submit(t, spec(in, out, "", ""), nil)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, out, run)
	require.Equal(t, sink.StatusDone, m.Status)
	require.Len(t, stack.Rows(t, out), int(m.Books.Written))
	require.Equal(t, int64(30_000), m.Books.Source)
}
