package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// put makes a file of a test's directory.
func put(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestArchiveDependsOnItsContentsOnly(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	archive := func() []byte {
		dir := t.TempDir()
		a, b := put(t, dir, "x", "one"), put(t, dir, "y", "two")
		require.NoError(t, os.Chtimes(a, time.Now(), time.Now())) // another time each time
		var buf bytes.Buffer
		require.NoError(t, writeArchive(&buf, "d/", []packed{{"a", a, 0o644}, {"b", b, 0o755}}, at))
		return buf.Bytes()
	}
	first := archive()
	require.Equal(t, first, archive())

	z, err := gzip.NewReader(bytes.NewReader(first))
	require.NoError(t, err)
	require.True(t, z.ModTime.IsZero())
	r := tar.NewReader(z)
	for _, want := range []struct {
		name, text string
		mode       int64
	}{{"d/", "", 0o755}, {"d/a", "one", 0o644}, {"d/b", "two", 0o755}} {
		h, err := r.Next()
		require.NoError(t, err)
		text, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, want.name, h.Name)
		require.Equal(t, want.text, string(text))
		require.Equal(t, want.mode, h.Mode)
		require.True(t, at.Equal(h.ModTime))
		require.Zero(t, h.Uid+h.Gid)
	}
	_, err = r.Next()
	require.ErrorIs(t, err, io.EOF)
}

func TestSumsAreOfEachFile(t *testing.T) {
	dir := t.TempDir()
	r := &release{dir: dir}
	put(t, dir, "b.json", "b")
	put(t, dir, "a.tar.gz", "a")
	require.NoError(t, r.sum())
	text, err := os.ReadFile(filepath.Join(dir, "SHA256SUMS"))
	require.NoError(t, err)
	require.Equal(t, "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a.tar.gz\n"+
		"3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d  b.json\n", string(text))
	require.NoError(t, r.checkSums())

	put(t, dir, "c", "c")
	require.EqualError(t, r.checkSums(), "c: not in SHA256SUMS")
	require.NoError(t, os.Remove(filepath.Join(dir, "c")))
	put(t, dir, "b.json", "B")
	require.ErrorContains(t, r.checkSums(), "b.json: its SHA-256 is")
	require.NoError(t, os.Remove(filepath.Join(dir, "b.json")))
	require.EqualError(t, r.checkSums(), "b.json: in SHA256SUMS, and not there")
}

func TestListsDoNotNameWhoMadeThem(t *testing.T) {
	text, err := withoutToolHash([]byte(`{"b":"<&>","metadata":{"tools":[{"name":"t","hashes":[{"alg":"MD5"}]}],"a":1}}`))
	require.NoError(t, err)
	require.JSONEq(t, `{"b":"<&>","metadata":{"tools":[{"name":"t"}],"a":1}}`, string(text))
}

// hello builds a small static program for this machine.
func hello(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "go.mod", "module hello\n\ngo 1.26\n")
	main := put(t, dir, "main.go", "package main\n\nfunc main() {}\n")
	program := filepath.Join(dir, "hello")
	_, err := command(t.Context(), []string{"CGO_ENABLED=0", "GOFLAGS="}, "go", "build", "-o", program, main)
	require.NoError(t, err)
	return program
}

func TestProgramsAreForTheirPlatform(t *testing.T) {
	program := hello(t)
	require.NoError(t, checkProgram(platform{runtime.GOOS, runtime.GOARCH}, program))
	for _, p := range platforms() {
		if p.os != runtime.GOOS || p.arch != runtime.GOARCH {
			require.Error(t, checkProgram(p, program), p)
		}
	}
}

func TestListsHaveWhatIsLinked(t *testing.T) {
	program := hello(t)
	p := platform{"linux", "amd64"}
	for text, says := range map[string]string{
		`{`: "list of modules",
		`{"bomFormat":"CycloneDX","metadata":{"timestamp":"2026-01-02"}}`:                                                                                   "without serial number and time",
		`{"bomFormat":"CycloneDX","metadata":{"component":{"version":"v2"}}}`:                                                                               "it is of  v2",
		`{"bomFormat":"CycloneDX","metadata":{"component":{"name":"","version":"v1"}},"components":[{"name":"other","version":"v1"}]}`:                      `other "v1" for ""`,
		`{"bomFormat":"CycloneDX","metadata":{"component":{"name":"","version":"v1"}},"components":[{"name":"std","version":"` + runtime.Version() + `"}]}`: "go.mod requires",
	} {
		r := &release{version: "v1", dir: t.TempDir()}
		put(t, r.dir, "levada-v1-linux-amd64.cdx.json", text)
		require.ErrorContains(t, r.checkList(p, program, map[string]string{"github.com/apache/arrow-go/v18": "v18.8.0"}), says, text)
	}
}

func TestArchivesHaveAManualAndCompletions(t *testing.T) {
	all := []string{
		"d/", "d/LICENSE", "d/completions/bash/levada", "d/completions/fish/levada.fish", "d/completions/zsh/_levada", "d/levada",
		"d/man/man1/levada-diff.1", "d/man/man1/levada-run.1", "d/man/man1/levada.1",
	}
	rest, err := checkManual("d/", all)
	require.NoError(t, err)
	require.Equal(t, []string{"d/", "d/LICENSE", "d/levada"}, rest)
	for _, i := range []int{2, 3, 4, 7, 8} {
		_, err := checkManual("d/", slices.Delete(slices.Clone(all), i, i+1))
		require.EqualError(t, err, "the archive has no "+all[i])
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{{}, {"build"}, {"build", "dir"}, {"check", "dir"}, {"sums"}, {"ship", "-version", "v1", "dir"}} {
		var stderr bytes.Buffer
		require.Equal(t, 2, run(t.Context(), args, io.Discard, &stderr), args)
		require.Contains(t, stderr.String(), "usage")
	}
}
