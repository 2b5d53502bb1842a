package levada_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/levada-data/levada"

// layers says what a package must not need, directly or through others, and why. A
// pattern stands for the package and everything below it. The picture:
//
//	cmd/levada, internal/cli     wiring: may import everything
//	services/*                   roles: meet on subjects and in the ledger
//	pkg/flow   pkg/pipeline      NATS | the spec
//	pkg/ledger pkg/operator      the fold | what a stage does to a batch
//	pkg/blocks pkg/expr          the message | expressions
var layers = []struct {
	from   string
	never  []string
	except []string // of from
	reason string
}{
	{
		from: "./pkg", never: []string{"./services", "./cmd", "./internal/cli"},
		reason: "pkg is what services are made of, by us and by others",
	},
	{
		from: "./pkg", never: []string{"./internal/embedded", "./internal/natstest", "github.com/nats-io/nats-server"},
		reason: "who runs the server is not the business of a package: importing pkg/flow must not link one",
	},
	{
		from: "./pkg/blocks", never: []string{"./pkg/flow", "./pkg/ledger", "./pkg/operator", "./pkg/expr", "./pkg/pipeline", "./internal", "github.com/nats-io"},
		reason: "a block is written and read without a server, by a stage in any language or a tool",
	},
	{
		from: "./pkg/ledger", never: []string{"./pkg/flow", "./pkg/operator", "./pkg/expr", "./pkg/pipeline", "./internal", "github.com/nats-io"},
		reason: "the fold is pure: entries in, state out",
	},
	{
		from: "./pkg/operator", never: []string{"./pkg/flow", "./pkg/ledger", "./pkg/blocks", "./pkg/pipeline", "./internal", "github.com/nats-io"},
		reason: "an operator is tested with a batch and nothing else",
	},
	{
		from: "./pkg/expr", never: []string{"./pkg/flow", "./pkg/ledger", "./pkg/blocks", "./pkg/operator", "./pkg/pipeline", "./internal", "github.com/nats-io"},
		reason: "expressions serve operators, pruning and taps alike",
	},
	{
		from: "./pkg/flow", never: []string{"./pkg/pipeline", "./pkg/operator", "./pkg/expr", "./internal/sink", "./internal/storage", "./internal/parquet"},
		reason: "flow knows NATS, not files, and carries the blocks of any pipeline",
	},
	{
		from: "./pkg/pipeline", never: []string{"./pkg/flow", "./internal", "github.com/nats-io"},
		reason: "levada validate needs no server",
	},
	{
		from: "./services", never: []string{"./cmd", "./internal/cli", "./internal/embedded", "./internal/natstest", "github.com/nats-io/nats-server"},
		reason: "a service runs against any server",
	},
	{
		from: "./internal", never: []string{"./services", "./cmd"}, except: []string{"./internal/cli"},
		reason: "internal is below the services; internal/cli alone puts them together",
	},
	{
		from: "./cmd", never: []string{"./internal/natstest", "github.com/stretchr/testify"}, // arrow-go itself brings testing
		reason: "nothing that tests need is in the binary",
	},
}

type listed struct {
	ImportPath   string
	Name         string
	Dir          string
	Doc          string
	GoFiles      []string
	Imports      []string
	Deps         []string
	TestImports  []string
	XTestImports []string
}

// packages lists the module as it is built and tested without cgo.
var packages = sync.OnceValues(func() ([]listed, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Name,Dir,Doc,GoFiles,Imports,Deps,TestImports,XTestImports", "./...")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
})

func list(t *testing.T) []listed {
	t.Helper()
	all, err := packages()
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

// local names a package of this module by its path from the root, as in ./pkg/flow,
// and others as they are.
func local(pkg string) string {
	if rest, ok := strings.CutPrefix(pkg, module); ok && (rest == "" || rest[0] == '/') {
		return "." + rest
	}
	return pkg
}

// within reports whether pkg is root or below it.
func within(pkg, root string) bool { return pkg == root || strings.HasPrefix(pkg, root+"/") }

func TestLayersHold(t *testing.T) {
	for _, l := range layers {
		for _, p := range list(t) {
			from := local(p.ImportPath)
			if !within(from, l.from) || slices.ContainsFunc(l.except, func(e string) bool { return within(from, e) }) {
				continue
			}
			for _, dep := range p.Deps {
				for _, never := range l.never {
					if within(local(dep), never) && !within(from, never) {
						t.Errorf("%s needs %s: %s", from, local(dep), l.reason)
					}
				}
			}
		}
	}
}

func TestServicesNeverImportEachOther(t *testing.T) {
	role := func(pkg string) string {
		if rest, ok := strings.CutPrefix(local(pkg), "./services/"); ok {
			name, _, _ := strings.Cut(rest, "/")
			return name
		}
		return ""
	}
	for _, p := range list(t) {
		self := role(p.ImportPath)
		if self == "" {
			continue
		}
		// Their tests neither: what needs two roles is a test of the whole, under test/.
		for _, dep := range slices.Concat(p.Deps, p.TestImports, p.XTestImports) {
			if other := role(dep); other != "" && other != self {
				t.Errorf("services/%s needs services/%s: services meet on subjects and in the ledger only", self, other)
			}
		}
	}
}

func TestNothingNeedsCgo(t *testing.T) {
	for _, p := range list(t) {
		for _, dep := range p.Deps {
			if dep == "runtime/cgo" || dep == "C" {
				t.Errorf("%s needs cgo: everything builds without a C compiler", local(p.ImportPath))
			}
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range list(t) {
		if len(p.GoFiles) == 0 {
			continue // tests only: their names say it
		}
		from := local(p.ImportPath)
		if p.Doc == "" {
			t.Errorf("%s has no package comment", from)
		}
		if p.Name != "main" && !slices.Contains(p.GoFiles, "doc.go") {
			t.Errorf("%s has no doc.go", from)
		}
		switch path.Base(from) {
		case "util", "utils", "common", "types", "helpers", "misc":
			t.Errorf("%s: name a package for what it does", from)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]+)(#[^)]*)?\)`)

func TestLinksInDocumentsLeadSomewhere(t *testing.T) {
	var docs []string
	require.NoError(t, filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || p == "data" || p == "bin") {
			return filepath.SkipDir
		}
		if filepath.Ext(p) == ".md" {
			docs = append(docs, p)
		}
		return nil
	}))
	require.NotEmpty(t, docs)
	for _, doc := range docs {
		text, err := os.ReadFile(doc)
		require.NoError(t, err)
		for _, m := range link.FindAllSubmatch(text, -1) {
			target := string(m[1])
			if strings.Contains(target, "://") || target == "..." {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(doc), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s: link to %s: %v", doc, target, err)
			}
		}
	}
}
