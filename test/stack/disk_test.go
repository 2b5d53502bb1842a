//go:build linux

package stack_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/test/stack"
)

// inNamespace says that this process is the child that owns its mounts.
const inNamespace = "LEVADA_TEST_NAMESPACE"

// canMount reports that this process may mount what it likes. If it may not, canMount
// runs the test again, to its end, as root of a user and mount namespace of its own:
// also for users who are not root, and nothing is left behind.
func canMount(t *testing.T) bool {
	t.Helper()
	if os.Getenv(inNamespace) == t.Name() {
		return true
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run", "^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), inNamespace+"="+t.Name())
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil { // the kernel, or a container's profile, forbids it
		t.Skipf("needs user namespaces, which this machine does not give: %v", err)
	}
	require.NoError(t, err, "%s", out)
	return false
}

// disk mounts a small disk of its own.
func disk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size))
	t.Cleanup(func() { require.NoError(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	return dir
}

// A disk that fills up fails the run with what to do, and shows no part of a file.
func TestFullDiskFailsTheRunAndShowsNothing(t *testing.T) {
	if !canMount(t) {
		return
	}
	in := stack.Customers(t, 60_000, 2, 8192)
	out := filepath.Join(disk(t, "256k"), "out")
	s := stack.New(t)
	s.Start(t, stack.All()...)
	run := s.Submit(t, spec(in, out, "", ""), nil)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Contains(t, rec.Reason, "no space left")
	require.Contains(t, rec.Reason, "free some space")
	require.Contains(t, rec.Reason, out)
	stack.Clean(t, out, run)
	require.Empty(t, stack.Visible(t, out))
}

// A disk that others fill, to the last byte, in the middle of a run: not even the
// manifest fits. What is visible is whole, and the run ends when there is room again.
func TestFullDiskOfOthersEndsTheRunWhenThereIsRoom(t *testing.T) {
	if !canMount(t) {
		return
	}
	in := stack.Customers(t, 60_000, 2, 8192)
	mount := disk(t, "64m")
	out := filepath.Join(mount, "out")
	s := stack.New(t)
	s.Start(t, stack.All()[:2]...)
	id := s.Submit(t, spec(in, out, "", ""), nil)
	run, err := s.Connect(t).Attach(t.Context(), id)
	require.NoError(t, err)
	go func() { _ = run.Follow(t.Context()) }() // ends with the test
	require.Eventually(t, func() bool {         // so that the output is there
		return flow.Look(run.Ledger, func(s *ledger.State) bool { return s.Plan() != nil })
	}, stack.Limit, pollEvery)
	filler := fill(t, mount)
	s.Start(t, stack.All()[2])
	require.Eventually(t, func() bool {
		return flow.Look(run.Ledger, (*ledger.State).Failed)
	}, stack.Limit, pollEvery)
	require.Empty(t, stack.Visible(t, out))
	require.NoError(t, os.Remove(filler))
	rec := s.Await(t, id)
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Contains(t, rec.Reason, "no space left")
	stack.Clean(t, out, id)
}

// fill fills a disk to the last byte with a file, and returns its name.
func fill(t *testing.T, mount string) string {
	t.Helper()
	f, err := os.Create(filepath.Join(mount, "filler"))
	require.NoError(t, err)
	for chunk := make([]byte, 64<<10); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			require.ErrorIs(t, err, syscall.ENOSPC)
			chunk = chunk[:len(chunk)/2]
		}
	}
	require.NoError(t, f.Close())
	return f.Name()
}

// An output that cannot be written fails the run before a row has been read.
func TestReadOnlyOutputFailsTheRunAtOnce(t *testing.T) {
	if !canMount(t) {
		return
	}
	in := stack.Customers(t, 2_000, 1, 1024)
	mount := disk(t, "1m")
	require.NoError(t, syscall.Mount("", mount, "", syscall.MS_REMOUNT|syscall.MS_RDONLY, ""))
	out := filepath.Join(mount, "out")
	s := stack.New(t)
	s.Start(t, stack.All()...)
	run := s.Submit(t, spec(in, out, "", ""), nil)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Contains(t, rec.Reason, out)
	require.Contains(t, rec.Reason, "read-only")
	require.Contains(t, rec.Reason, "choose another directory")
	require.NoDirExists(t, out)
}
