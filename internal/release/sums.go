package main

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// sumsFile is in the form that sha256sum -c reads.
const sumsFile = "SHA256SUMS"

// sum writes the sums of all files of the directory.
func (r *release) sum() error {
	sums, err := sumsOf(r.dir)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&b, "%s  %s\n", sums[name], name)
	}
	return os.WriteFile(filepath.Join(r.dir, sumsFile), b.Bytes(), 0o644) //nolint:gosec // for everybody to read
}

// checkSums compares the directory with its sums: each file has one, and it is right.
func (r *release) checkSums() error {
	is, err := sumsOf(r.dir)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(r.dir, sumsFile))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // only read
	var errs []error
	said := map[string]bool{}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		sum, name, _ := strings.Cut(lines.Text(), "  ")
		said[name] = true
		switch got, there := is[name]; {
		case !there:
			errs = append(errs, fmt.Errorf("%s: in %s, and not there", name, sumsFile))
		case got != sum:
			errs = append(errs, fmt.Errorf("%s: its SHA-256 is %s, %s says %s", name, got, sumsFile, sum))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if !said[name] {
			errs = append(errs, fmt.Errorf("%s: not in %s", name, sumsFile))
		}
	}
	return errors.Join(errs...)
}

// sumsOf returns the SHA-256 of each file of a directory but the sums.
func sumsOf(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for _, e := range entries {
		if e.IsDir() || e.Name() == sumsFile {
			continue
		}
		if sums[e.Name()], err = sumOf(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return sums, nil
}

func sumOf(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(h, f)
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}
