package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// mutant is a change of the code and the test that must notice it.
type mutant struct {
	rule  string
	edits []edit
	pkg   string
	test  string
	line  int // in the table
}

// edit replaces a text that stands in a file exactly once.
type edit struct {
	file, old, new string
	line           int
}

var unescape = strings.NewReplacer(`\n`, "\n", `\t`, "\t", `\\`, `\`)

// readTable reads all rows, and reports everything that is wrong with them at once.
func readTable(path string) ([]*mutant, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var all []*mutant
	var errs []error
	for i, line := range strings.Split(string(data), "\n") {
		if strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#") {
			continue
		}
		m, err := parseRow(line, i+1)
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s:%d: %w", path, i+1, err))
		case m.rule != "+":
			all = append(all, m)
		case len(all) == 0:
			errs = append(errs, fmt.Errorf("%s:%d: nothing stands above this +", path, i+1))
		default:
			last := all[len(all)-1]
			last.edits = append(last.edits, m.edits...)
		}
	}
	return all, errors.Join(errs...)
}

func parseRow(line string, n int) (*mutant, error) {
	cols := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
	for len(cols) < 6 && cols[0] == "+" {
		cols = append(cols, "")
	}
	if len(cols) != 6 {
		return nil, fmt.Errorf("%d columns, want 6: rule, file, old, new, pkg, test", len(cols))
	}
	m := &mutant{rule: cols[0], pkg: cols[4], test: cols[5], line: n}
	m.edits = []edit{{file: cols[1], old: unescape.Replace(cols[2]), new: unescape.Replace(cols[3]), line: n}}
	if cols[1] == "" || cols[2] == "" {
		return nil, errors.New("file and old must not be empty")
	}
	if cols[2] == cols[3] {
		return nil, errors.New("old and new are the same")
	}
	if m.rule == "+" {
		if m.pkg != "" || m.test != "" {
			return nil, errors.New("a + row has the pkg and test of the row above")
		}
		return m, nil
	}
	if m.rule == "" || m.pkg == "" || m.test == "" {
		return nil, errors.New("rule, pkg and test must not be empty")
	}
	if _, err := regexp.Compile(m.test); err != nil {
		return nil, err
	}
	return m, nil
}

// apply returns the changed files of a mutant by their path under root.
func (m *mutant) apply(root string) (map[string][]byte, error) {
	changed := map[string][]byte{}
	var errs []error
	for _, e := range m.edits {
		path := filepath.Join(root, filepath.FromSlash(e.file))
		data, ok := changed[path]
		if !ok {
			var err error
			if data, err = os.ReadFile(path); err != nil {
				errs = append(errs, fmt.Errorf("line %d: %w", e.line, err))
				continue
			}
		}
		if n := bytes.Count(data, []byte(e.old)); n != 1 {
			errs = append(errs, fmt.Errorf("line %d: old text stands %d times in %s, want once", e.line, n, e.file))
			continue
		}
		changed[path] = bytes.Replace(data, []byte(e.old), []byte(e.new), 1)
	}
	return changed, errors.Join(errs...)
}
