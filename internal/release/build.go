package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// release is a version of levada and the directory that its files are in.
type release struct {
	version string
	dir     string
	out     io.Writer // what is done, a line each
}

// platform is one that programs are made for.
type platform struct{ os, arch string }

func (p platform) String() string { return p.os + "-" + p.arch }

func platforms() []platform {
	return []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}
}

// name is that of a platform's files, without an ending.
func (r *release) name(p platform) string { return "levada-" + r.version + "-" + p.String() }

func (r *release) archive(p platform) string { return filepath.Join(r.dir, r.name(p)+".tar.gz") }
func (r *release) bom(p platform) string     { return filepath.Join(r.dir, r.name(p)+".cdx.json") }

// build makes the files of all platforms. It runs in the root of the repository.
func (r *release) build(ctx context.Context) error {
	at, err := commitTime(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.dir, 0o755); err != nil { //nolint:gosec // for everybody to read
		return err
	}
	work, err := os.MkdirTemp("", "levada-release-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // a temporary directory
	beside, err := manual(ctx, work, at)
	if err != nil {
		return err
	}
	for _, p := range platforms() {
		program := filepath.Join(work, p.String(), "levada")
		if err := r.compile(ctx, p, program); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if err := r.list(ctx, p, program); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		if err := r.pack(p, program, beside, at); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
		fmt.Fprintln(r.out, "made", r.archive(p))
	}
	return nil
}

// commitTime is when the commit was made that is checked out.
func commitTime(ctx context.Context) (time.Time, error) {
	text, err := command(ctx, nil, "git", "log", "-1", "--format=%ct")
	if err != nil {
		return time.Time{}, err
	}
	seconds, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("time of the commit: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// compile builds the program. All that the environment could change is set.
func (r *release) compile(ctx context.Context, p platform, program string) error {
	env := []string{
		"CGO_ENABLED=0", "GOOS=" + p.os, "GOARCH=" + p.arch, "GOAMD64=v1", "GOARM64=v8.0",
		"GOFLAGS=", "GOEXPERIMENT=", "GOWORK=off",
	}
	_, err := command(ctx, env, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false",
		"-ldflags", "-s -w -X main.version="+r.version, "-o", program, "./cmd/levada")
	return err
}

// list writes the modules that are linked into the program, read from the program itself.
func (r *release) list(ctx context.Context, p platform, program string) error {
	text, err := command(ctx, nil, "go", "tool", "-modfile=tools.mod", "cyclonedx-gomod", "bin",
		"-json", "-noserial", "-notimestamp", "-std", "-version", r.version, program)
	if err != nil {
		return err
	}
	if text, err = withoutToolHash(text); err != nil {
		return fmt.Errorf("list of modules: %w", err)
	}
	return os.WriteFile(r.bom(p), text, 0o644) //nolint:gosec // for everybody to read
}

// withoutToolHash takes out the hashes of the tool that made a list: they depend on where
// and for which machine it was built, and the list must not.
func withoutToolHash(text []byte) ([]byte, error) {
	var bom map[string]any
	if err := json.Unmarshal(text, &bom); err != nil {
		return nil, err
	}
	if meta, ok := bom["metadata"].(map[string]any); ok {
		if tools, ok := meta["tools"].([]any); ok {
			for _, t := range tools {
				if tool, ok := t.(map[string]any); ok {
					delete(tool, "hashes")
				}
			}
		}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(bom) // sorted by key
	return out.Bytes(), err
}

// command runs a program of the path with more environment and returns what it prints.
func command(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // names and arguments are those above, and a program just built
	cmd.Env = append(os.Environ(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w\n%s", filepath.Base(name), strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return stdout.Bytes(), nil
}
