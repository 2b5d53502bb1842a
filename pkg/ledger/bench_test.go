package ledger

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
)

// longLedger is a run of the given number of commits, each of 1000 spans of 1000 rows
// in one file. With scattered the spans of a commit are drawn from the whole source;
// otherwise they are those of eight tasks that four writers share, as in a real run.
func longLedger(b testing.TB, commits int, scattered bool) (entries [][]byte, tasks int) {
	b.Helper()
	const spans, rows, perTask = 1000, 1000, 1000
	tasks = commits * spans / perTask
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([]blocks.Span, 0, commits*spans)
	for t := range tasks {
		for i := range int64(perTask) {
			all = append(all, blocks.Span{Task: uint32(t), From: i * rows, To: (i + 1) * rows})
		}
	}
	window := 8 * perTask
	if scattered {
		window = len(all)
	}
	for lo := 0; lo < len(all); lo += window {
		part := all[lo:min(lo+window, len(all))]
		rng.Shuffle(len(part), func(i, j int) { part[i], part[j] = part[j], part[i] })
	}
	a := newAuthor(b)
	extents := make([]int64, tasks)
	for i := range extents {
		extents[i] = perTask * rows
	}
	a.plan(extents...)
	for i := range commits {
		var set Coverage
		for _, s := range all[i*spans : (i+1)*spans] {
			require.NoError(b, set.Add(s))
		}
		n := set.Rows()
		a.say(&Commit{Plan: a.PlanID(), Spans: set, Counts: Counts{Read: n, Written: n / 2, Dropped: map[string]int64{"s/filter[0]": n / 2}, Bytes: n},
			Files: []File{{Name: fmt.Sprintf("part-%d.parquet", i), Staged: "t", Bytes: n, Rows: n / 2, SHA256: "5a", Spans: set}}})
	}
	return a.log, tasks
}

func BenchmarkFold10000CommitsOf1000Spans(b *testing.B) {
	for _, scattered := range []bool{false, true} {
		b.Run(map[bool]string{false: "near", true: "scattered"}[scattered], func(b *testing.B) {
			entries, _ := longLedger(b, 10_000, scattered)
			bytes := 0
			for _, e := range entries {
				bytes += len(e)
			}
			b.SetBytes(int64(bytes))
			b.ReportMetric(float64(bytes)/float64(len(entries)), "B/entry")
			for b.Loop() {
				s := New("run")
				for i, e := range entries {
					if v := s.Apply(uint64(i+1), e); !v.Standing {
						b.Fatal(v.Reason)
					}
				}
				if s.Progress().Covered != s.Progress().Planned {
					b.Fatal("not covered")
				}
			}
		})
	}
}
