package traffic_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/traffic"
	"github.com/levada-data/levada/pkg/blocks"
)

func header(stage string, task uint32, from, to, rows int64) *blocks.Header {
	return &blocks.Header{Stage: stage, Span: blocks.Span{Task: task, From: from, To: to}, Rows: rows, Schema: "f00d"}
}

var began = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }

func TestMeterAddsUpByStage(t *testing.T) {
	m := traffic.NewMeter(began)
	m.Observe(header("source", 0, 0, 100, 100), at(10), 1000)
	m.Observe(header("source", 1, 0, 50, 50), at(20), 500)
	m.Observe(header("thin", 0, 0, 100, 30), at(210), 300)
	flows := m.Cut(at(1000))
	require.Len(t, flows, 2)
	require.Equal(t, traffic.Flow{
		V:     1,
		Stage: "source", At: at(1000), Elapsed: time.Second, Blocks: 2, Rows: 150, Covered: 150, Tasks: 2, Bytes: 1500,
		Smallest: 500, Largest: 1000, Schema: "f00d",
	}, flows[0])
	require.EqualValues(t, 30, flows[1].Rows)
	require.EqualValues(t, 100, flows[1].Covered)
	require.EqualValues(t, 1, flows[1].Latency.Blocks)
	require.InDelta(t, 200, flows[1].Latency.P50.Milliseconds(), 1)

	m.Observe(header("thin", 1, 0, 50, 20), at(1020), 200)
	flows = m.Cut(at(2000))
	require.Zero(t, flows[0].Blocks, "a stage that sent nothing is told")
	require.EqualValues(t, 1, flows[1].Blocks)
	require.Equal(t, time.Second, flows[1].Elapsed)
	require.InDelta(t, 1000, flows[1].Latency.Max.Milliseconds(), 1)

	total := m.Total(at(2000))
	require.EqualValues(t, 2, total[1].Blocks)
	require.Equal(t, 2*time.Second, total[1].Elapsed)
	require.InDelta(t, 200, total[1].Latency.P50.Milliseconds(), 1)
}

// A stage that halves a block sends two, and both come from the one.
func TestMeterFindsTheSourceOfAHalf(t *testing.T) {
	m := traffic.NewMeter(began)
	m.Observe(header("source", 0, 100, 200, 100), at(50), 1)
	m.Observe(header("source", 0, 0, 100, 100), at(60), 1) // read again, out of order
	m.Observe(header("thin", 0, 150, 200, 50), at(150), 1)
	m.Observe(header("thin", 0, 200, 300, 100), at(160), 1) // nobody has seen its source
	m.Observe(header("thin", 9, 0, 100, 100), at(160), 1)
	flows := m.Cut(at(1000))
	require.EqualValues(t, 1, flows[1].Latency.Blocks)
	require.InDelta(t, 100, flows[1].Latency.Max.Milliseconds(), 1)
}

func TestMeterOfALongTaskForgetsItsBeginning(t *testing.T) {
	m := traffic.NewMeter(began)
	const n = 20_000
	for i := range int64(n) {
		m.Observe(header("source", 0, i, i+1, 1), at(0), 1)
	}
	m.Observe(header("thin", 0, 0, 1, 1), at(1), 1)
	m.Observe(header("thin", 0, n-1, n, 1), at(1), 1)
	require.EqualValues(t, 1, m.Cut(at(1))[1].Latency.Blocks)
}

func TestPrinter(t *testing.T) {
	m := traffic.NewMeter(began)
	for i := range int64(40) {
		m.Observe(header("source", 0, i*1000, i*1000+1000, 1000), at(int(i)), 1<<20)
		m.Observe(header("refine", 0, i*1000, i*1000+1000, 600), at(int(i)+250), int(i+1)<<10)
	}
	var b strings.Builder
	p := traffic.NewPrinter(&b, false, []string{"source", "refine"})
	require.NoError(t, p.Print(m.Cut(at(2000))))
	require.NoError(t, p.Sum(m.Total(at(2000)), map[string]string{"refine": "id int64"}))
	local := at(2000).Local().Format("15:04:05")
	require.Equal(t, `time      stage    blocks     rows        bytes              a block  latency     99 %
`+local+`  source     20/s  20.0k/s     20 MiB/s              1.0 MiB        -        -
`+local+`  refine     20/s  12.0k/s    410 KiB/s     1.0 KiB – 40 KiB    0.25s    0.25s

source: 40 blocks, 40,000 rows in 40 MiB, for 40,000 source rows of 1 task in 2.00s
  schema f00d

refine: 40 blocks, 24,000 rows in 820 KiB, for 40,000 source rows of 1 task in 2.00s
  from the source to here: half within 0.25s, 99 % within 0.25s, the slowest 0.25s
  schema f00d: id int64
`, b.String())
	b.Reset()
	require.NoError(t, traffic.NewPrinter(&b, true, nil).Print(m.Total(at(2000))))
	require.Contains(t, b.String(), `{"v":1,"stage":"source","at":"2026-01-02T03:04:07Z","elapsed_ns":2000000000,"blocks":40,`)
}

// narrow is a terminal of some columns.
type narrow struct {
	bytes.Buffer
	columns int
}

func (n *narrow) Width() int { return n.columns }

func TestPrinterOnANarrowTerminal(t *testing.T) {
	for columns, heading := range map[int]string{
		120: "time      stage    blocks     rows        bytes              a block  latency     99 %",
		60:  "time      stage      rows        bytes  latency     99 %",
		50:  "time      stage      rows  latency     99 %",
	} {
		out := &narrow{columns: columns}
		require.NoError(t, traffic.NewPrinter(out, false, []string{"source"}).Print([]traffic.Flow{{Stage: "source", Elapsed: time.Second, Rows: 1000}}))
		lines := strings.Split(out.String(), "\n")
		require.Equal(t, heading, lines[0])
		require.LessOrEqual(t, len(lines[1]), columns)
	}
}
