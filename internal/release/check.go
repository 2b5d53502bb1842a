package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"debug/buildinfo"
	"debug/elf"
	"debug/macho"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// check verifies the directory: sums, archives, programs and lists of all platforms. It
// runs in the root of the repository, whose go.mod is what the programs must be made of.
func (r *release) check(ctx context.Context) error {
	if err := r.checkSums(); err != nil {
		return err
	}
	required, err := requiredModules(ctx)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "levada-release-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // a temporary directory
	var errs []error
	for _, p := range platforms() {
		err := r.checkPlatform(ctx, p, filepath.Join(work, p.String()), required)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", r.name(p), err))
			continue
		}
		fmt.Fprintln(r.out, "good", r.archive(p))
	}
	return errors.Join(errs...)
}

func (r *release) checkPlatform(ctx context.Context, p platform, work string, required map[string]string) error {
	program, err := r.unpack(p, work)
	if err != nil {
		return err
	}
	if err := checkProgram(p, program); err != nil {
		return err
	}
	if err := r.checkList(p, program, required); err != nil {
		return err
	}
	if p.os != runtime.GOOS || p.arch != runtime.GOARCH {
		return nil
	}
	said, err := command(ctx, nil, program, "version")
	if err != nil {
		return err
	}
	if first, _, _ := strings.Cut(string(said), "\n"); first != "levada "+r.version {
		return fmt.Errorf("it says that it is %q", first)
	}
	return nil
}

// unpack reads an archive, checks what is in it, and writes its program to a directory.
func (r *release) unpack(p platform, work string) (program string, err error) {
	f, err := os.Open(r.archive(p))
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }() // only read
	z, err := gzip.NewReader(f)
	if err != nil {
		return "", err
	}
	var names []string
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		names = append(names, h.Name)
		if h.Uid != 0 || h.Gid != 0 || h.Uname != "" || h.Gname != "" {
			return "", fmt.Errorf("%s has an owner", h.Name)
		}
		if h.Name != r.name(p)+"/levada" {
			continue
		}
		data, err := io.ReadAll(t)
		if err != nil {
			return "", err
		}
		if err := os.MkdirAll(work, 0o700); err != nil {
			return "", err
		}
		program = filepath.Join(work, "levada")
		if err := os.WriteFile(program, data, os.FileMode(h.Mode).Perm()); err != nil { //nolint:gosec // a mode has few bits
			return "", err
		}
	}
	dir := r.name(p) + "/"
	if names, err = checkManual(dir, names); err != nil {
		return "", err
	}
	if want := []string{dir, dir + "LICENSE", dir + "README.md", dir + "levada"}; !slices.Equal(names, want) {
		return "", fmt.Errorf("the archive holds %q, want %q", names, want)
	}
	return program, nil
}

// checkProgram verifies that a program is one for the platform and needs no libraries but,
// on darwin, the system's own, which every program there goes through.
func checkProgram(p platform, program string) error {
	var (
		machine   string
		libraries []string
	)
	if p.os == "darwin" {
		f, err := macho.Open(program)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read
		machine = map[macho.Cpu]string{macho.CpuAmd64: "amd64", macho.CpuArm64: "arm64"}[f.Cpu]
		if libraries, err = f.ImportedLibraries(); err != nil {
			return err
		}
		libraries = slices.DeleteFunc(libraries, func(l string) bool {
			return strings.HasPrefix(l, "/usr/lib/") || strings.HasPrefix(l, "/System/")
		})
	} else {
		f, err := elf.Open(program)
		if err != nil {
			return err
		}
		defer func() { _ = f.Close() }() // only read
		machine = map[elf.Machine]string{elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64"}[f.Machine]
		for _, segment := range f.Progs {
			if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
				return errors.New("the program is not static")
			}
		}
	}
	if machine != p.arch {
		return fmt.Errorf("the program is for %q", machine)
	}
	if len(libraries) > 0 {
		return fmt.Errorf("the program needs %q", libraries)
	}
	return nil
}

// bomFile is what of a CycloneDX list is checked.
type bomFile struct {
	Format   string `json:"bomFormat"`
	Serial   string `json:"serialNumber"`
	Metadata struct {
		Time      string    `json:"timestamp"`
		Component component `json:"component"`
	} `json:"metadata"`
	Components []component `json:"components"`
}

type component struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

// checkList verifies that a list has exactly the modules that are linked into the program,
// and Go itself, in the versions that go.mod requires.
func (r *release) checkList(p platform, program string, required map[string]string) error {
	data, err := os.ReadFile(r.bom(p))
	if err != nil {
		return err
	}
	var bom bomFile
	if err := json.Unmarshal(data, &bom); err != nil {
		return fmt.Errorf("list of modules: %w", err)
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	want := map[string]string{"std": info.GoVersion}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		want[m.Path] = m.Version
	}
	got := map[string]string{}
	for _, c := range bom.Components {
		got[c.Name] = c.Version
	}
	switch main := bom.Metadata.Component; {
	case bom.Format != "CycloneDX" || bom.Serial != "" || bom.Metadata.Time != "":
		return errors.New("list of modules: it is no CycloneDX list without serial number and time")
	case main.Name != info.Main.Path || main.Version != r.version:
		return fmt.Errorf("list of modules: it is of %s %s", main.Name, main.Version)
	case !maps.Equal(got, want):
		return fmt.Errorf("list of modules: it has %d, and not the %d that are linked: %s", len(got), len(want), difference(got, want))
	}
	for _, must := range []string{"github.com/apache/arrow-go/v18", "github.com/nats-io/nats.go"} {
		if got[must] == "" || got[must] != required[must] {
			return fmt.Errorf("list of modules: %s %q, go.mod requires %q", must, got[must], required[must])
		}
	}
	return nil
}

// difference names what stands differently in two maps.
func difference(got, want map[string]string) string {
	var b strings.Builder
	all := maps.Clone(want)
	maps.Copy(all, got)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if got[name] != want[name] {
			fmt.Fprintf(&b, " %s %q for %q;", name, got[name], want[name])
		}
	}
	return b.String()
}

// requiredModules are those of go.mod, with their versions.
func requiredModules(ctx context.Context) (map[string]string, error) {
	text, err := command(ctx, nil, "go", "mod", "edit", "-json")
	if err != nil {
		return nil, err
	}
	var mod struct {
		Require []struct{ Path, Version string }
	}
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&mod); err != nil {
		return nil, fmt.Errorf("go.mod: %w", err)
	}
	required := map[string]string{}
	for _, m := range mod.Require {
		required[m.Path] = m.Version
	}
	return required, nil
}
