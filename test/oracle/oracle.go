package oracle

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

//go:embed oracle.py
var rowsScript string

//go:embed manifest.py
var manifestScript string

// EnvPython names the Python that has the modules of requirements.txt.
const EnvPython = "LEVADA_PYTHON"

// ErrNoPython is returned when the environment names no Python.
var ErrNoPython = errors.New(EnvPython + " is not set: make chaos and make interop install a Python and set it")

// SameRows compares the rows of two DuckDB queries as multisets. The error says how
// many rows are missing, and how many are there that should not be, with the first few
// values of the column key, if it is not "".
func SameRows(ctx context.Context, expect, got, key string) error {
	return Python(ctx, rowsScript, "--expect", expect, "--got", got, "--key", key)
}

// Whole checks what a run that is done leaves in its output: exactly the files that its
// manifest names, with their lengths, hashes and rows, no temporary files, and books that
// balance.
func Whole(ctx context.Context, dir, run string) error {
	return Python(ctx, manifestScript, dir, run)
}

// Python runs a script. Its error holds what the script printed.
func Python(ctx context.Context, script string, args ...string) error {
	python := os.Getenv(EnvPython)
	if python == "" {
		return ErrNoPython
	}
	cmd := exec.CommandContext(ctx, python, append([]string{"-"}, args...)...) //nolint:gosec // the caller's own Python
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, strings.TrimSpace(string(out)))
	}
	return nil
}
