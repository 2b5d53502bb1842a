package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/require"
)

// sampled makes a profile of stacks, each from its innermost function on; functions of one
// location are inlined into each other.
func sampled(t *testing.T, stacks map[int64][][]string) string {
	t.Helper()
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples", Unit: "count"}, {Type: "cpu", Unit: "nanoseconds"}},
		PeriodType: &profile.ValueType{Type: "cpu", Unit: "nanoseconds"}, Period: 1,
	}
	for ns, stack := range stacks {
		s := &profile.Sample{Value: []int64{1, ns}}
		for _, names := range stack {
			loc := &profile.Location{ID: uint64(len(p.Location) + 1)}
			for _, name := range names {
				f := &profile.Function{ID: uint64(len(p.Function) + 1), Name: name}
				p.Function = append(p.Function, f)
				loc.Line = append(loc.Line, profile.Line{Function: f})
			}
			p.Location = append(p.Location, loc)
			s.Location = append(s.Location, loc)
		}
		p.Sample = append(p.Sample, s)
	}
	name := filepath.Join(t.TempDir(), "cpu.pprof")
	f, err := os.Create(name)
	require.NoError(t, err)
	require.NoError(t, p.Write(f))
	require.NoError(t, f.Close())
	return name
}

// The innermost function that a step names has the time, inlined ones included.
func TestBudget(t *testing.T) {
	const levada = "github.com/levada-data/levada/"
	name := sampled(t, map[int64][][]string{
		1_000_000_000: {{"crypto/sha256.Sum256"}, {levada + "pkg/operator.SHA256.fill"}, {levada + "pkg/operator.(*mask).Apply"}, {levada + "pkg/operator.(*Chain).Run"}},
		2_000_000_000: {{"internal/runtime/syscall/linux.Syscall6"}, {levada + "internal/stitch.readAt"}, {levada + "internal/stitch.(*gatherer).column"}},
		500_000_000:   {{"runtime.memmove", levada + "internal/stitch.(*gatherer).page"}, {levada + "services/writer.(*late).stitch"}},
		250_000_000:   {{"runtime.memmove"}, {"github.com/nats-io/nats%2ego.(*Conn).readLoop"}},
		250_000_001:   {{"main.main"}},
	})
	var out bytes.Buffer
	require.NoError(t, run([]string{"-rows", "1000000", name}, &out))
	require.Equal(t, `| step | CPU s | share | ns a row |
|---|---|---|---|
| read | 2.00 | 50 % | 2000 |
| mask | 1.00 | 25 % | 1000 |
| publish and fetch | 0.25 | 6 % | 250 |
| gather | 0.50 | 12 % | 500 |
| everything else | 0.25 | 6 % | 250 |
| **all** | 4.00 | 100 % | 4000 |
`, out.String())
	require.ErrorContains(t, run([]string{sampled(t, nil)}, &out), "no samples")
	require.ErrorContains(t, run(nil, &out), "usage")
	require.Error(t, run([]string{"main.go"}, &out))
}
