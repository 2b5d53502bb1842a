package fault_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
)

// childHits makes the test binary a process that passes one point that many times and
// prints each pass.
const childHits = "LEVADA_TEST_FAULT_HITS"

func TestMain(m *testing.M) {
	n, err := strconv.Atoi(os.Getenv(childHits))
	if err != nil {
		os.Exit(m.Run())
	}
	if err := fault.Enable(os.Getenv); err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
	for i := range n {
		if err := fault.Error(fault.WriterAckBefore); err != nil {
			fmt.Println("error", i+1)
			continue
		}
		fmt.Println("pass", i+1)
	}
}

func child(t *testing.T, hits int, faults string, env ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childHits+"="+strconv.Itoa(hits), fault.EnvFaults+"="+faults)
	cmd.Env = append(cmd.Env, env...)
	out, err := cmd.Output()
	return string(out), err
}

func TestWithoutTheEnvironmentNothingHappens(t *testing.T) {
	require.NoError(t, fault.Enable(func(string) string { return "" }))
	for _, name := range fault.Names() {
		fault.Point(name)
		require.NoError(t, fault.Error(name))
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { fault.Point(fault.WriterAckBefore) }))
}

func TestKillAtAHit(t *testing.T) {
	out, err := child(t, 5, "writer.ack.before=kill@3")
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	if runtime.GOOS != "windows" {
		require.Equal(t, -1, exit.ExitCode(), "a signal, no exit")
	}
	require.Equal(t, []string{"pass 1", "pass 2"}, strings.Split(strings.TrimSpace(out), "\n"))
}

func TestKillWithAProbabilityIsRepeatable(t *testing.T) {
	const faults = "writer.ack.before=kill%0.05"
	first, err := child(t, 10000, faults, fault.EnvSeed+"=7")
	require.Error(t, err)
	again, err := child(t, 10000, faults, fault.EnvSeed+"=7")
	require.Error(t, err)
	require.Equal(t, first, again)
	other, err := child(t, 10000, faults, fault.EnvSeed+"=8")
	require.Error(t, err)
	require.NotEqual(t, first, other)
	never, err := child(t, 100, "writer.ack.before=kill%0")
	require.NoError(t, err)
	require.Equal(t, 100, strings.Count(never, "pass"))
}

func TestErrorAtAHit(t *testing.T) {
	out, err := child(t, 3, "reader.task.ack.before=kill, writer.ack.before=error@2")
	require.NoError(t, err)
	require.Equal(t, "pass 1\nerror 2\npass 3\n", out)
	out, err = child(t, 2, "writer.ack.before=error%1")
	require.NoError(t, err)
	require.Equal(t, "error 1\nerror 2\n", out)
}

func TestPauseUntilAFileExists(t *testing.T) {
	path := filepath.Join(t.TempDir(), "go")
	type result struct {
		out string
		err error
	}
	done := make(chan result, 1)
	go func() {
		out, err := child(t, 2, "writer.ack.before=pause@2:"+path)
		done <- result{out, err}
	}()
	require.Eventually(t, func() bool {
		_, err := os.Stat(path + ".reached")
		return err == nil
	}, 20*time.Second, 5*time.Millisecond)
	require.Empty(t, done)
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	r := <-done
	require.NoError(t, r.err)
	require.Equal(t, "pass 1\npass 2\n", r.out)
}

func TestAnEnvironmentThatMakesNoSenseIsAnError(t *testing.T) {
	for spec, want := range map[string]error{
		"writer.ack":                       fault.ErrSyntax,
		"writer.ack.never=kill":            fault.ErrUnknown,
		"writer.ack.before=explode":        fault.ErrSyntax,
		"writer.ack.before=kill@0":         fault.ErrSyntax,
		"writer.ack.before=kill@x":         fault.ErrSyntax,
		"writer.ack.before=kill%2":         fault.ErrSyntax,
		"writer.ack.before=kill%NaN":       fault.ErrSyntax,
		"writer.ack.before=pause@1":        fault.ErrSyntax,
		"writer.ack.before=pause%0.5:/tmp": fault.ErrSyntax,
	} {
		err := fault.Enable(func(key string) string { return map[string]string{fault.EnvFaults: spec}[key] })
		require.ErrorIs(t, err, want, spec)
	}
	err := fault.Enable(func(key string) string {
		return map[string]string{fault.EnvFaults: "writer.ack.before=kill@9", fault.EnvSeed: "x"}[key]
	})
	require.ErrorContains(t, err, fault.EnvSeed)
}

func TestHooksAreTakenAwayAfterTheTest(t *testing.T) {
	hits := 0
	t.Run("with hooks", func(t *testing.T) {
		fault.Set(t, fault.KeeperSweepMid, func() { hits++ })
		fault.Point(fault.KeeperSweepMid)
		fault.Point(fault.KeeperEndBefore)
		require.Equal(t, 1, hits)
		t.Run("and another", func(t *testing.T) {
			boom := errors.New("boom")
			fault.SetError(t, fault.KeeperSweepMid, func() error { return boom })
			require.ErrorIs(t, fault.Error(fault.KeeperSweepMid), boom)
			require.Panics(t, func() { fault.Point(fault.KeeperSweepMid) })
			require.Equal(t, 1, hits)
		})
		fault.Point(fault.KeeperSweepMid)
		require.Equal(t, 2, hits)
	})
	fault.Point(fault.KeeperSweepMid)
	require.Equal(t, 2, hits)
}

func TestNamesAreDistinctAndOfOneForm(t *testing.T) {
	seen := map[fault.Name]bool{}
	for _, n := range fault.Names() {
		require.Regexp(t, `^[a-z]+(\.[a-z]+)+$`, string(n))
		require.False(t, seen[n], n)
		seen[n] = true
	}
	require.Len(t, seen, 21)
}

func BenchmarkPoint(b *testing.B) {
	for b.Loop() {
		fault.Point(fault.WriterAckBefore)
	}
}
