package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// The environment that [Enable] reads.
const (
	EnvFaults = "LEVADA_FAULTS"
	EnvSeed   = "LEVADA_FAULT_SEED"
)

// site is what waits at one point.
type site struct {
	actions []*action
	hook    func() error // nil without one
}

// active is nil as long as no fault was asked for. It belongs to the process, as the
// points do: they stand in code that must not carry a parameter for them. A map that
// it points to is never changed, only replaced under its mutex.
var active struct {
	sites atomic.Pointer[map[Name]site]
	sync.Mutex
}

// Enable asks for the faults of the environment. Main calls it, once, before anything
// that has points; without LEVADA_FAULTS it does nothing.
func Enable(getenv func(string) string) error {
	spec := getenv(EnvFaults)
	if spec == "" {
		return nil
	}
	var seed uint64
	if s := getenv(EnvSeed); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			return fmt.Errorf("%s: %w", EnvSeed, err)
		}
	}
	actions, err := parse(spec, seed)
	if err != nil {
		return fmt.Errorf("%s: %w", EnvFaults, err)
	}
	change(func(sites map[Name]site) {
		for name, a := range actions {
			s := sites[name]
			s.actions = slices.Concat(s.actions, a)
			sites[name] = s
		}
	})
	return nil
}

// Point is a moment at which the process may be made to die or to wait. At a point
// that takes no error, asking for one is a mistake of the test, and panics.
func Point(name Name) {
	sites := active.sites.Load()
	if sites == nil {
		return
	}
	if err := hit(*sites, name); err != nil {
		panic(fmt.Sprintf("fault: point %s takes no error", name))
	}
}

// Error is a [Point] that may also fail. Its errors are [ErrInjected], except those
// of a hook, which are its own.
func Error(name Name) error {
	sites := active.sites.Load()
	if sites == nil {
		return nil
	}
	return hit(*sites, name)
}

func hit(sites map[Name]site, name Name) error {
	s, ok := sites[name]
	if !ok {
		return nil
	}
	var failed error
	for _, a := range s.actions {
		if !a.due() {
			continue
		}
		switch a.verb {
		case "kill":
			kill()
		case "pause":
			pause(a.path)
		case "error":
			failed = injected(name)
		}
	}
	if s.hook != nil {
		failed = errors.Join(failed, s.hook())
	}
	return failed
}

// kill ends the process as kill -9 does: nothing deferred runs, nothing is flushed.
func kill() {
	if self, err := os.FindProcess(os.Getpid()); err == nil {
		_ = self.Kill() // it does not return from success
	}
	select {}
}

// pause waits until path exists, after telling that it does.
func pause(path string) {
	if err := os.WriteFile(path+".reached", nil, 0o600); err != nil {
		panic(fmt.Sprintf("fault: pause: %v", err)) // a test that waits for it must not wait for ever
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return
		}
		<-tick.C
	}
}

// TB is what [Set] needs of a testing.TB; the interface keeps package testing out of
// the binary.
type TB interface {
	Helper()
	Cleanup(f func())
	Fatalf(format string, args ...any)
}

// Set calls hook at each hit of a point, until the test ends. A hook may block, call
// t.FailNow, or panic: the code at the point meets it as its own. Hooks belong to the
// whole process, so tests that set one must not run in parallel with others of their
// package.
func Set(t TB, name Name, hook func()) {
	t.Helper()
	SetError(t, name, func() error {
		hook()
		return nil
	})
}

// SetError is [Set] for a hook whose error the point returns, where it takes one.
func SetError(t TB, name Name, hook func() error) {
	t.Helper()
	if !slices.Contains(names, name) {
		t.Fatalf("%q: %v", name, ErrUnknown)
	}
	var before func() error
	change(func(sites map[Name]site) {
		s := sites[name]
		before, s.hook = s.hook, hook
		sites[name] = s
	})
	t.Cleanup(func() {
		change(func(sites map[Name]site) {
			s := sites[name]
			s.hook = before
			sites[name] = s
		})
	})
}

// change replaces the sites by a changed copy; with none left, points cost nothing again.
func change(f func(map[Name]site)) {
	active.Lock()
	defer active.Unlock()
	sites := map[Name]site{}
	if old := active.sites.Load(); old != nil {
		sites = maps.Clone(*old)
	}
	f(sites)
	maps.DeleteFunc(sites, func(_ Name, s site) bool { return s.hook == nil && len(s.actions) == 0 })
	if len(sites) == 0 {
		active.sites.Store(nil)
		return
	}
	active.sites.Store(&sites)
}
