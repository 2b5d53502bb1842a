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
func longLedger(b testing.TB, commits int, scattered bool) [][]byte {
	b.Helper()
	const spans, rows, perTask = 1000, 1000, 1000
	tasks := commits * spans / perTask
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
		a.say(&Commit{
			Plan: a.PlanID(), Spans: set, Counts: Counts{Read: n, Written: n / 2, Dropped: map[string]int64{"s/filter[0]": n / 2}, Bytes: n},
			Files: []File{{Name: fmt.Sprintf("part-%d.parquet", i), Staged: "t", Bytes: n, Rows: n / 2, BLAKE3: "5a", Spans: set}},
		})
	}
	return a.log
}

// BenchmarkFold folds commits of 1000 spans each. Near is what writers do; scattered is
// the worst that a coverage can meet.
func BenchmarkFold(b *testing.B) {
	for _, c := range []struct {
		name      string
		commits   int
		scattered bool
	}{{"10000_near", 10_000, false}, {"1000_near", 1_000, false}, {"1000_scattered", 1_000, true}} {
		b.Run(c.name, func(b *testing.B) {
			entries := longLedger(b, c.commits, c.scattered)
			bytes := 0
			for _, e := range entries {
				bytes += len(e)
			}
			b.SetBytes(int64(bytes))
			for b.Loop() {
				s := New("run")
				for i, e := range entries {
					if v := s.Apply(uint64(i+1), e); !v.Standing {
						b.Fatal(v.Reason)
					}
				}
				if p := s.Progress(); p.Covered != p.Planned {
					b.Fatalf("%d rows of %d", p.Covered, p.Planned)
				}
			}
			b.ReportMetric(float64(bytes)/float64(len(entries)), "B/entry")
		})
	}
}

func BenchmarkCovered(b *testing.B) {
	s := New("run")
	entries := longLedger(b, 1_001, true)
	for i, e := range entries[:500] { // half done: as many gaps as there can be
		s.Apply(uint64(i+1), e)
	}
	tasks := uint32(len(s.Plan().Tasks))
	b.ReportMetric(float64(s.Coverage().Len()), "spans")
	i := uint32(0)
	for b.Loop() {
		i++
		s.Covered(blocks.Span{Task: i * 7919 % tasks, From: int64(i%1000) * 1000, To: int64(i%1000)*1000 + 1000})
	}
}

func BenchmarkSnapshot(b *testing.B) {
	s := New("run")
	for i, e := range longLedger(b, 1_000, false) {
		s.Apply(uint64(i+1), e)
	}
	data, err := s.Snapshot()
	require.NoError(b, err)
	b.Run("Take", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Snapshot(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(data)), "B")
	})
	b.Run("Restore", func(b *testing.B) {
		for b.Loop() {
			if _, err := Restore("run", data); err != nil {
				b.Fatal(err)
			}
		}
	})
}
