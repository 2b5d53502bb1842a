package sink

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func claim(run string) Claim {
	return Claim{Run: run, Host: "host1", PID: 42, By: "planner-1", At: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func never(context.Context, string) (bool, error)  { return false, nil }
func always(context.Context, string) (bool, error) { return true, nil }

func acquire(tb testing.TB, s *Sink) Lock {
	tb.Helper()
	lock, err := s.Acquire(tb.Context(), claim(s.Run()), never)
	require.NoError(tb, err)
	return lock
}

func TestLockGenerations(t *testing.T) {
	dir := t.TempDir()
	one, two, three := sinkOf(t, dir, "run1"), sinkOf(t, dir, "run2"), sinkOf(t, dir, "run3")
	first := acquire(t, one)
	assert.Equal(t, 1, first.Generation)
	assert.Equal(t, first, acquire(t, sinkOf(t, dir, "run1")), "a planner that comes back has the lock already")

	var on disk
	on.read(t, dir, "000001.json")
	assert.Equal(t, disk{Version: 1, Nonce: first.Nonce, Run: "run1", Host: "host1", PID: 42, By: "planner-1", At: "2026-01-02T03:04:05Z"}, on)

	for range 2 {
		require.NoError(t, one.Release(t.Context(), first.Nonce))
	}
	second := acquire(t, two)
	assert.Equal(t, 2, second.Generation)
	assert.NotEqual(t, first.Nonce, second.Nonce)

	third, err := three.Acquire(t.Context(), claim("run3"), always)
	require.NoError(t, err)
	assert.Equal(t, 3, third.Generation)
	require.NoError(t, three.Holds(t.Context(), third.Nonce))

	// A run that let go and is planned once more begins a new generation.
	require.NoError(t, three.Release(t.Context(), third.Nonce))
	again := acquire(t, three)
	assert.Equal(t, 4, again.Generation)
	require.NoError(t, three.Holds(t.Context(), third.Nonce), "what it holds is still its own")
	require.NoError(t, three.Release(t.Context(), third.Nonce))
	assert.Equal(t, 5, acquire(t, one).Generation, "both were released")
	require.NoError(t, one.Release(t.Context(), "0123456789abcdef"), "a lock that was never there")
}

// disk is a lock as others read it.
type disk struct {
	Version int    `json:"version"`
	Nonce   string `json:"nonce"`
	Run     string `json:"run"`
	Host    string `json:"host"`
	PID     int    `json:"pid"`
	By      string `json:"by"`
	At      string `json:"at"`
}

func (d *disk) read(tb testing.TB, dir, name string) {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "_levada", "lock", name))
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(data, d))
}

func TestRule21Lock_KeepsTheOutputForARunThatMayStillWrite(t *testing.T) {
	dir := t.TempDir()
	acquire(t, sinkOf(t, dir, "run1"))
	other := sinkOf(t, dir, "run2")
	_, err := other.Acquire(t.Context(), claim("run2"), never)
	var locked *LockedError
	require.ErrorAs(t, err, &locked)
	assert.Equal(t, LockedError{
		Sink: dir, Run: "run1", Host: "host1", At: claim("run1").At, Path: dir + "/_levada/lock/000001.json",
	}, *locked)
	assert.True(t, IsPermanent(err))
	require.ErrorContains(t, err, "run run1 writes here since 2026-01-02T03:04:05Z (planned on host host1): "+
		"resume it or cancel it first; when that run is gone for good, remove "+dir+"/_levada/lock/000001.json")

	// What the error says works.
	require.NoError(t, os.Remove(locked.Path))
	assert.Equal(t, 1, acquire(t, other).Generation)
	require.ErrorAs(t, sinkOf(t, dir, "run1").Holds(t.Context(), "0123456789abcdef"), new(*NotThisSinkError))

	broken := errors.New("server does not answer")
	_, err = sinkOf(t, dir, "run3").Acquire(t.Context(), claim("run3"), func(context.Context, string) (bool, error) { return false, broken })
	require.ErrorIs(t, err, broken)
	assert.False(t, IsPermanent(err))
}

// TestRule21Lock_OneOfManyGetsIt: all runs find the generation free before any of
// them creates it.
func TestRule21Lock_OneOfManyGetsIt(t *testing.T) {
	dir := t.TempDir()
	const runs = 4
	var arrived sync.WaitGroup
	arrived.Add(runs)
	var mu sync.Mutex
	var holders []string
	var refused int
	var all sync.WaitGroup
	for i := range runs {
		s := sinkOf(t, dir, "run"+string(rune('a'+i)))
		var once sync.Once
		hook(s, func(op, _ string) error {
			if op == "put" {
				once.Do(arrived.Done)
				arrived.Wait()
			}
			return nil
		})
		all.Go(func() {
			_, err := s.Acquire(t.Context(), claim(s.Run()), never)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				holders = append(holders, s.Run())
			} else if assert.ErrorAs(t, err, new(*LockedError)) {
				refused++
			}
		})
	}
	all.Wait()
	assert.Len(t, holders, 1)
	assert.Equal(t, runs-1, refused)
}

// TestPlannersOfOneRunShareTheLock: the same, of one run.
func TestPlannersOfOneRunShareTheLock(t *testing.T) {
	dir := t.TempDir()
	const planners = 4
	var arrived sync.WaitGroup
	arrived.Add(planners)
	nonces := make([]string, planners)
	var all sync.WaitGroup
	for i := range planners {
		s := sinkOf(t, dir, "run1")
		var once sync.Once
		hook(s, func(op, _ string) error {
			if op == "put" {
				once.Do(arrived.Done)
				arrived.Wait()
			}
			return nil
		})
		all.Go(func() {
			lock, err := s.Acquire(t.Context(), claim("run1"), never)
			assert.NoError(t, err)
			nonces[i] = lock.Nonce
		})
	}
	all.Wait()
	for _, nonce := range nonces {
		assert.Equal(t, nonces[0], nonce)
	}
}

func TestUnreadableLockLocks(t *testing.T) {
	for name, data := range map[string]string{
		"empty": "", "no json": "x", "no run": `{"version":1,"nonce":"n"}`, "newer": `{"version":2,"nonce":"n","run":"run1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write(t, dir, "_levada/lock/000001.json", data)
			_, err := sinkOf(t, dir, "run1").Acquire(t.Context(), claim("run1"), always)
			var locked *LockedError
			require.ErrorAs(t, err, &locked)
			require.ErrorContains(t, err, "000001.json is unreadable")
			assert.Equal(t, name == "newer", errors.Is(err, ErrVersion))
			if name == "newer" {
				assert.ErrorContains(t, err, "unknown version: 2, this levada knows 1: use the levada that wrote it, or a newer one")
			}
		})
	}
	dir := t.TempDir()
	write(t, dir, "_levada/lock/000001.json", strings.Repeat(" ", maxLockBytes+1))
	_, err := sinkOf(t, dir, "run1").Acquire(t.Context(), claim("run1"), always)
	require.ErrorContains(t, err, "expected at most")
}

// TestRule20Holds_RefusesADirectoryOfTheSameNameElsewhere: two hosts, one path, two
// directories.
func TestRule20Holds_RefusesADirectoryOfTheSameNameElsewhere(t *testing.T) {
	here, there := t.TempDir(), t.TempDir()
	lock := acquire(t, sinkOf(t, here, "run1"))
	require.NoError(t, sinkOf(t, here, "run1").Holds(t.Context(), lock.Nonce))

	for range 2 {
		err := sinkOf(t, there, "run1").Holds(t.Context(), lock.Nonce)
		var not *NotThisSinkError
		require.ErrorAs(t, err, &not)
		assert.Equal(t, lock.Nonce, not.Lock)
		assert.True(t, IsPermanent(err))
		require.ErrorContains(t, err, "storage that all of them share")
		// And when somebody else's lock is there.
		acquire(t, sinkOf(t, there, "run2"))
	}
	m := manifest("run1", StatusDone)
	m.Lock = lock.Nonce
	_, _, err := sinkOf(t, there, "run1").CreateManifest(t.Context(), m)
	require.ErrorAs(t, err, new(*NotThisSinkError))
}

func TestRule21Holds_RefusesAnOutputThatAnotherRunHasTaken(t *testing.T) {
	dir := t.TempDir()
	one, two := sinkOf(t, dir, "run1"), sinkOf(t, dir, "run2")
	lock := acquire(t, one)
	taken, err := two.Acquire(t.Context(), claim("run2"), always)
	require.NoError(t, err)
	var locked *LockedError
	require.ErrorAs(t, one.Holds(t.Context(), lock.Nonce), &locked)
	assert.Equal(t, "run2", locked.Run)
	require.NoError(t, two.Release(t.Context(), taken.Nonce))
	require.ErrorAs(t, one.Holds(t.Context(), lock.Nonce), &locked, "it may have changed what is there")
}
