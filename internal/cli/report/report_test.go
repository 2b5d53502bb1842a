package report

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/suggest"
	"github.com/levada-data/levada/internal/compare"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
)

// narrow is a terminal of some columns; of any number when 0.
type narrow struct {
	bytes.Buffer
	columns int
}

func (n *narrow) Width() int { return n.columns }

func ending() *Ending {
	stage := func(name string, in, out int64, waitIn, working, waitOut time.Duration) flow.StageSummary {
		return flow.StageSummary{Stage: name, Total: flow.Stats{
			RowsIn: in, RowsOut: out, BytesIn: in * 40, BytesOut: out * 40, Workers: 2, WaitIn: waitIn, Working: working, WaitOut: waitOut, CPU: working / 2,
		}}
	}
	return &Ending{
		Summary: &flow.Summary{
			Run: "01m8d1hj3rans7y0farmmf2rz3", Status: flow.StatusDone, Files: 3, Bytes: 3 << 20,
			Books: ledger.Books{Source: 250_000, Read: 250_000, Written: 200_000, Dropped: map[string]int64{"refine/filter[0]": 50_000}},
			Stages: []flow.StageSummary{
				stage("source", 250_000, 250_000, 0, 2*time.Second, 6*time.Second),
				stage("refine", 250_000, 200_000, time.Second, 7*time.Second, 0),
				stage("sink", 200_000, 200_000, 5*time.Second, 3*time.Second, 0),
			},
		},
		Sink: "/data/out", Took: 4 * time.Second,
		Advice: &suggest.Advice{Text: "refine is the bottleneck: each block takes 12 ms, 1 instance worked 93 % of the time; 3 workers would keep up", Do: []string{"levada run FILE --workers 3"}},
	}
}

func TestEndOfARun(t *testing.T) {
	var out narrow
	End(&out, ending())
	require.Equal(t, `run 01m8d1hj3rans7y0farmmf2rz3 done in 4.00s: 250,000 rows, 62.5k/s

  rows
  source    250,000
  read      250,000
  filtered   50,000  refine/filter[0]
  dead            0
  written   200,000

  stage   rows in  rows out  bytes in  bytes out  workers     working  waited for input  waited for output    cpu
  source  250,000   250,000   9.5 MiB    9.5 MiB        2  2.00s  25%           0s   0%         6.00s  75%  1.00s
  refine  250,000   200,000   9.5 MiB    7.6 MiB        2  7.00s  87%        1.00s  12%            0s   0%  3.50s
  sink    200,000   200,000   7.6 MiB    7.6 MiB        2  3.00s  37%        5.00s  62%            0s   0%  1.50s

  refine is the bottleneck: each block takes 12 ms, 1 instance worked 93 % of the time; 3 workers would keep up
    levada run FILE --workers 3

output  /data/out: 3 files, 3.0 MiB
`, out.String())
}

// On a narrow terminal the columns that say the least go first, and sentences are broken.
func TestEndOfARunOnANarrowTerminal(t *testing.T) {
	out := narrow{columns: 60}
	End(&out, ending())
	require.Contains(t, out.String(), `
  stage      working  waited for input  waited for output
  source  2.00s  25%           0s   0%         6.00s  75%
`)
	require.Contains(t, out.String(), "\n  refine is the bottleneck: each block takes 12 ms, 1\n  instance worked")
	widest(t, out.String(), 70) // but for the run's first line, which a terminal wraps
}

func TestEndOfARunOnATerminalOfFortyColumns(t *testing.T) {
	out := narrow{columns: 40}
	End(&out, ending())
	require.Contains(t, out.String(), `
  stage   working  waited in  waited out
  source      25%         0%         75%
`)
	stats := narrow{columns: 40}
	Stats(&stats, ending().Summary)
	widest(t, stats.String(), 40)
	_, rest, _ := strings.Cut(out.String(), "\n") // a terminal wraps the run's first line
	before, _, _ := strings.Cut(rest, "\noutput")
	widest(t, before, 40)
}

func widest(t *testing.T, text string, columns int) {
	t.Helper()
	for line := range strings.Lines(text) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), columns, line)
	}
}

func TestWhatFailedHasAColumnOnlyWhenSomethingDid(t *testing.T) {
	e := ending()
	e.Stages[1].Total.Errors = 7
	var out narrow
	End(&out, e)
	require.Contains(t, out.String(), "  errors\n")
	require.NotContains(t, out.String(), "redelivered")
}

func TestTablesFitTheirTerminal(t *testing.T) {
	lines := []Line{{Run: "01m8d1hj3rans7y0farmmf2rz3", Pipeline: "a-pipeline-of-some-length", Status: "interrupted", Planned: 1 << 40, Covered: 1 << 39, Sink: "s3://a-bucket-with-a-long-name/and/a/prefix"}}
	for width := 40; width < 160; width++ {
		out := narrow{columns: width}
		Runs(&out, lines, time.Now())
		widest(t, out.String(), width)
		require.Contains(t, out.String(), "rmmf2rz3  ", "the end of an id names a run")
		require.Equal(t, width >= 52, strings.Contains(out.String(), "01m8d1hj3rans7y0farmmf2rz3"), "the id is cut last")
	}
	var out narrow
	Runs(&out, lines, time.Now())
	require.Contains(t, out.String(), "s3://a-bucket-with-a-long-name/and/a/prefix", "a file gets everything")
}

func TestDifferenceShowsWhatFits(t *testing.T) {
	sums := func(name string, same bool) compare.ColumnSums {
		c := compare.ColumnSums{Column: name, Type: "utf8", Equal: same, A: compare.Sums{Checksum: "00000000000000aa"}, B: compare.Sums{Checksum: "00000000000000aa"}}
		if !same {
			c.B.Checksum = "00000000000000bb"
		}
		return c
	}
	texts := []string{"an-unchanged-value-that-is-long", "7", "the-old-value\nin two lines", "another-unchanged-value"}
	r := &compare.Result{
		A: compare.Side{URI: "a", Files: 1, Rows: 3}, B: compare.Side{URI: "b", Files: 1, Rows: 3},
		Columns: []compare.ColumnSums{sums("first", true), sums("id", true), sums("changed", false), sums("last", true)},
		Rows: compare.RowSums{A: "0", B: "1", Changed: 1, All: true, First: []compare.RowDifference{
			{Kind: compare.Changed, Count: 1, A: &compare.Row{Name: "x.parquet", Row: 4, Texts: texts}, B: &compare.Row{Name: "y.parquet", Row: 5, Texts: texts}},
		}},
	}
	out := narrow{columns: 64}
	Difference(&out, r, []string{"id"})
	widest(t, out.String(), 64)
	require.Contains(t, out.String(), "    file       row  id  changed")
	require.Contains(t, out.String(), "~A  x.parquet    4  7   the-old-value in two lines")
	require.NotContains(t, out.String(), "another-unchanged-value")
	require.True(t, strings.HasSuffix(out.String(), "\ndifferent\n"))
}
