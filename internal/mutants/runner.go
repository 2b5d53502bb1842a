package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// verdict is what became of a mutant.
type verdict string

const (
	killed   verdict = "killed"   // a test failed, as it should
	survived verdict = "SURVIVED" // every test passed: the rule is not tested
	broken   verdict = "ERROR"    // the row is wrong: it proves nothing
)

// result is the outcome of one mutant.
type result struct {
	*mutant
	verdict verdict
	detail  string // the tests that failed, or what is wrong
	took    time.Duration
}

// runner runs mutants of the module at root.
type runner struct {
	root    string
	jobs    int
	timeout string // of one go test
	env     []string

	mu        sync.Mutex
	baselines map[string]func() error // by package and test: do the tests pass unchanged
}

// run returns one result for each mutant, in the order of the table, and tells each as
// it is known.
func (r *runner) run(ctx context.Context, all []*mutant, tell func(result)) []result {
	results := make([]result, len(all))
	next := make(chan int)
	var wg sync.WaitGroup
	var telling sync.Mutex
	for range max(1, r.jobs) {
		wg.Go(func() {
			for i := range next {
				start := time.Now()
				v, detail := r.one(ctx, all[i])
				results[i] = result{all[i], v, detail, time.Since(start)}
				telling.Lock()
				tell(results[i])
				telling.Unlock()
			}
		})
	}
	for i := range all {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

func (r *runner) one(ctx context.Context, m *mutant) (verdict, string) {
	changed, err := m.apply(r.root)
	if err != nil {
		return broken, err.Error()
	}
	if err := r.baseline(ctx, m.pkg, m.test); err != nil {
		return broken, err.Error()
	}
	dir, err := os.MkdirTemp("", "mutant-")
	if err != nil {
		return broken, err.Error()
	}
	defer func() { _ = os.RemoveAll(dir) }() // a temporary directory may stay behind
	overlay, err := writeOverlay(dir, changed)
	if err != nil {
		return broken, err.Error()
	}
	out, err := r.goTest(ctx, m.pkg, m.test, "-count=1", "-overlay="+overlay)
	switch {
	case err != nil:
		return broken, err.Error()
	case out.build != "":
		return broken, "does not compile: " + out.build
	case len(out.failed) > 0:
		return killed, strings.Join(out.failed, " ")
	case !out.ok:
		return killed, "the test process died" // a panic outside a test, a deadlock
	}
	return survived, "passed: " + m.test
}

// baseline checks once that the tests exist and pass as the code is.
func (r *runner) baseline(ctx context.Context, pkg, test string) error {
	r.mu.Lock()
	if r.baselines == nil {
		r.baselines = map[string]func() error{}
	}
	check, ok := r.baselines[pkg+" "+test]
	if !ok {
		check = sync.OnceValue(func() error {
			out, err := r.goTest(ctx, pkg, test)
			switch {
			case err != nil:
				return err
			case out.build != "":
				return fmt.Errorf("the unchanged code does not compile: %s", out.build)
			case !out.ok:
				return fmt.Errorf("the unchanged code fails: %s", strings.Join(out.failed, " "))
			case out.ran == 0:
				return fmt.Errorf("no test of %s matches %s", pkg, test)
			}
			return nil
		})
		r.baselines[pkg+" "+test] = check
	}
	r.mu.Unlock()
	return check()
}

// outcome is what a go test said.
type outcome struct {
	ok     bool
	ran    int      // tests
	failed []string // tests, without the parents of failed subtests
	build  string   // the first lines of a failed build
}

func (r *runner) goTest(ctx context.Context, pkg, test string, flags ...string) (outcome, error) {
	args := append([]string{"test", "-json", "-vet=off", "-timeout=" + r.timeout, "-run=" + test}, flags...)
	cmd := exec.CommandContext(ctx, "go", append(args, pkg)...) //nolint:gosec // the table is part of the repository
	cmd.Dir = r.root
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0"), r.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.Output()
	if ctx.Err() != nil {
		return outcome{}, context.Cause(ctx)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return outcome{}, err
	}
	out := parseEvents(stdout)
	out.ok = err == nil
	if !out.ok && out.ran == 0 && out.build == "" {
		out.build = firstLines(stderr.String()+string(stdout), 3)
	}
	return out, nil
}

// parseEvents reads the output of go test -json.
func parseEvents(data []byte) outcome {
	var out outcome
	var build strings.Builder
	scan := bufio.NewScanner(bytes.NewReader(data))
	scan.Buffer(nil, 4<<20)
	for scan.Scan() {
		var e struct{ Action, Test, Output string }
		if json.Unmarshal(scan.Bytes(), &e) != nil {
			continue // go itself wrote it
		}
		switch {
		case e.Action == "build-output":
			build.WriteString(e.Output)
		case e.Action == "run" && e.Test != "":
			out.ran++
		case e.Action == "fail" && e.Test != "":
			out.failed = append(out.failed, e.Test)
		}
	}
	out.build = firstLines(build.String(), 3)
	// A subtest fails before its parent; the parent says nothing more.
	out.failed = slices.DeleteFunc(out.failed, func(parent string) bool {
		return slices.ContainsFunc(out.failed, func(t string) bool { return strings.HasPrefix(t, parent+"/") })
	})
	return out
}

func firstLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[:min(n, len(lines))], " | ")
}

// writeOverlay stores the changed files and returns the path of their overlay.
func writeOverlay(dir string, changed map[string][]byte) (string, error) {
	replace := map[string]string{}
	for path, data := range changed {
		whole, err := filepath.Abs(path)
		if err != nil {
			return "", err
		}
		fake := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(fake, data, 0o600); err != nil {
			return "", err
		}
		replace[whole] = fake
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, data, 0o600)
}
