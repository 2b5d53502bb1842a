package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	manualDir     = "man/man1/"
	completionDir = "completions/"
)

// completions are the shells that a release has completions for, with the names that their
// files have.
func completions() map[string]string {
	return map[string]string{"bash": "levada", "fish": "levada.fish", "zsh": "_levada"}
}

// manual makes what archives have beside the program: its pages for man, and completions for
// shells. They are the same for all platforms; the program of this one writes them.
func manual(ctx context.Context, work string, at time.Time) ([]packed, error) {
	program := filepath.Join(work, "this", "levada")
	if _, err := command(ctx, []string{"CGO_ENABLED=0"}, "go", "build", "-mod=readonly", "-o", program, "./cmd/levada"); err != nil {
		return nil, err
	}
	pages := filepath.Join(work, "man1")
	if _, err := command(ctx, []string{fmt.Sprintf("SOURCE_DATE_EPOCH=%d", at.Unix())}, program, "man", pages); err != nil {
		return nil, err
	}
	names, err := filepath.Glob(filepath.Join(pages, "*.1"))
	if err != nil {
		return nil, err
	}
	var files []packed
	for _, name := range names {
		files = append(files, packed{manualDir + filepath.Base(name), name, 0o644})
	}
	for shell, name := range completions() {
		text, err := command(ctx, nil, program, "completion", shell)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(work, "completion-"+shell)
		if err := os.WriteFile(file, text, 0o600); err != nil {
			return nil, err
		}
		files = append(files, packed{completionDir + shell + "/" + name, file, 0o644})
	}
	return files, nil
}

// checkManual takes the manual and the completions out of the names in an archive, and says
// what of them is missing.
func checkManual(dir string, names []string) ([]string, error) {
	missing := map[string]bool{dir + manualDir + "levada.1": true, dir + manualDir + "levada-run.1": true}
	for shell, name := range completions() {
		missing[dir+completionDir+shell+"/"+name] = true
	}
	var others []string
	for _, name := range names {
		page := strings.HasPrefix(name, dir+manualDir) && strings.HasSuffix(name, ".1")
		if !page && !missing[name] {
			others = append(others, name)
		}
		delete(missing, name)
	}
	for name := range missing {
		return nil, fmt.Errorf("the archive has no %s", name)
	}
	return others, nil
}
