package verify

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/zeebo/blake3"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
)

// Options say how thoroughly an output is checked. The zero value checks everything.
type Options struct {
	Quick bool   // leave the hashes out: only footers are read
	Run   string // check this run only, and look for no foreign files; "" for all
	// Seen is told of rows whose bytes were read, and of how many there are in all, from
	// several goroutines; may be nil.
	Seen func(rows, all int64)
	S3   storage.S3Options // how a bucket is reached
}

// Report is what was found.
type Report struct {
	V        int       `json:"v"` // 1
	URI      string    `json:"uri"`
	OK       bool      `json:"ok"`
	Quick    bool      `json:"quick,omitempty"` // hashes were not checked
	Runs     []Run     `json:"runs"`            // the oldest first
	Problems []Problem `json:"problems,omitempty"`
	Staged   int       `json:"temporaries,omitempty"` // files of runs that nobody sees: of one on its way, or left behind
}

// Run is what was checked of one manifest.
type Run struct {
	Run      string      `json:"run"`
	Pipeline string      `json:"pipeline"`
	Status   sink.Status `json:"status"`
	Files    int         `json:"files"` // that it names
	Rows     int64       `json:"rows"`
	Bytes    int64       `json:"bytes"`
	Replaced int         `json:"replaced,omitempty"` // of the files, those that a later run has replaced
	Problems int         `json:"problems"`
}

// Problem is something that is not as a manifest says.
type Problem struct {
	Kind Kind   `json:"kind"`
	Run  string `json:"run,omitempty"`  // whose manifest says otherwise
	File string `json:"file,omitempty"` // relative to the output
	Text string `json:"text"`
}

// Kind is what sort of thing is wrong.
type Kind string

// The kinds of problems.
const (
	Missing  Kind = "missing"  // a file is not there
	Foreign  Kind = "foreign"  // a file is there that no manifest names
	Replaced Kind = "replaced" // a file is still there that a run has replaced
	Changed  Kind = "changed"  // a file has another length or hash
	Rows     Kind = "rows"     // a file has another number of rows
	Columns  Kind = "columns"  // a file has other columns
	Damaged  Kind = "damaged"  // a file cannot be read
	Spans    Kind = "spans"    // the spans of the source do not add up
	Books    Kind = "books"    // the books do not balance
	Manifest Kind = "manifest" // a manifest cannot be read
)

// ErrNothing is returned for a location at which no run has left a manifest.
var ErrNothing = errors.New("no run has left a manifest here")

// Output checks an output. The error says why it could not be: what is wrong with it stands
// in the report.
func Output(ctx context.Context, uri string, o Options) (*Report, error) {
	out, err := sink.Outputs(ctx, uri, o.S3)
	if out == nil {
		return nil, err
	}
	if len(out.Manifests) == 0 && err == nil {
		return nil, fmt.Errorf("%s: %w", out.Bucket.URI(), ErrNothing)
	}
	c := &check{o: o, out: out, r: &Report{V: 1, URI: out.Bucket.URI(), Quick: o.Quick, Runs: []Run{}, Staged: out.Staged}, there: map[string]int64{}}
	if err != nil {
		c.problem(Problem{Kind: Manifest, Text: err.Error()})
	}
	for _, f := range out.Files {
		c.there[f.Name] = f.Size
	}
	for _, m := range out.Manifests {
		for i := range m.Files {
			if _, ok := c.there[m.Files[i].Name]; ok && (o.Run == "" || m.Run == o.Run) {
				c.all += m.Files[i].Rows
			}
		}
	}
	found := false
	for i, m := range out.Manifests {
		if o.Run != "" && m.Run != o.Run {
			continue
		}
		found = true
		if err := c.manifest(ctx, m, out.Manifests[i+1:]); err != nil {
			return nil, err
		}
	}
	if !found && o.Run != "" {
		return nil, fmt.Errorf("%s: run %s: %w", out.Bucket.URI(), o.Run, ErrNothing)
	}
	if o.Run == "" {
		c.foreign()
	}
	slices.SortStableFunc(c.r.Problems, func(a, b Problem) int { return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.File, b.File)) })
	for i := range c.r.Runs {
		for _, p := range c.r.Problems {
			if p.Run == c.r.Runs[i].Run {
				c.r.Runs[i].Problems++
			}
		}
	}
	c.r.OK = len(c.r.Problems) == 0
	return c.r, nil
}

// check is an output that is being checked.
type check struct {
	o     Options
	out   *sink.Output
	there map[string]int64 // visible files and their lengths
	all   int64            // rows that are read

	mu sync.Mutex
	r  *Report
}

func (c *check) problem(p Problem) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r.Problems = append(c.r.Problems, p)
}

// atOnce bounds how many files are read at once.
const atOnce = 8

// manifest checks one; later are those of the runs after it.
func (c *check) manifest(ctx context.Context, m *sink.Manifest, later []*sink.Manifest) error {
	run := Run{Run: m.Run, Pipeline: m.Pipeline, Status: m.Status, Files: len(m.Files)}
	replaced := map[string]string{}
	for _, l := range later {
		if l.Status == sink.StatusDone {
			for _, name := range l.Old {
				replaced[name] = l.Run
			}
		}
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(min(runtime.GOMAXPROCS(0), atOnce))
	for i := range m.Files {
		f := &m.Files[i]
		run.Rows, run.Bytes = run.Rows+f.Rows, run.Bytes+f.Bytes
		size, ok := c.there[f.Name]
		if _, gone := replaced[f.Name]; gone {
			run.Replaced++
			if !ok {
				continue // as it should be
			}
		}
		switch {
		case !ok:
			c.problem(Problem{Missing, m.Run, f.Name, "it is not there"})
		case size != f.Bytes:
			c.problem(Problem{Changed, m.Run, f.Name, fmt.Sprintf("it has %d bytes, the manifest says %d: it was changed", size, f.Bytes)})
		default:
			g.Go(func() error { return c.file(gctx, m, f) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, text := range books(m) {
		c.problem(Problem{Books, m.Run, "", text})
	}
	for _, text := range spans(m) {
		c.problem(Problem{Spans, m.Run, "", text})
	}
	if m.Status == sink.StatusDone {
		for _, name := range m.Old {
			if _, ok := c.there[name]; ok {
				c.problem(Problem{Replaced, m.Run, name, "it is still there, and the run has replaced it: the run's end was interrupted, resume it"})
			}
		}
	}
	c.r.Runs = append(c.r.Runs, run)
	return nil
}

// file reads a file and compares. Its error is one of reading that says nothing about the file.
func (c *check) file(ctx context.Context, m *sink.Manifest, f *sink.File) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	src, err := c.out.Bucket.Open(ctx, f.Name)
	if errors.Is(err, storage.ErrNotExist) {
		c.problem(Problem{Missing, m.Run, f.Name, "it is not there any more"})
		return nil
	}
	if err != nil {
		return err
	}
	if c.o.Quick {
		c.seen(f.Rows)
	} else {
		sum, err := c.hash(ctx, src, f)
		if err != nil {
			return errors.Join(err, src.Close())
		}
		if want := cmp.Or(f.BLAKE3, f.SHA256); sum != want {
			c.problem(Problem{Changed, m.Run, f.Name, fmt.Sprintf("its hash is %s, the manifest says %s: it was changed", sum, want)})
			return src.Close()
		}
	}
	p, err := parquet.Open(ctx, src, memory.DefaultAllocator)
	switch {
	case parquet.IsDamaged(err):
		c.problem(Problem{Damaged, m.Run, f.Name, errors.Unwrap(err).Error()})
		return nil
	case err != nil:
		return err
	}
	defer func() { _ = p.Close() }() // it was only read
	if p.Rows() != f.Rows {
		c.problem(Problem{Rows, m.Run, f.Name, fmt.Sprintf("it has %d rows, the manifest says %d", p.Rows(), f.Rows)})
	}
	if have, want := names(p), columns(m); len(want) > 0 && !slices.Equal(have, want) {
		c.problem(Problem{Columns, m.Run, f.Name, fmt.Sprintf("its columns are %s, the manifest says %s", strings.Join(have, ", "), strings.Join(want, ", "))})
	}
	return nil
}

func names(p *parquet.File) []string {
	var all []string
	for _, f := range p.Schema().Fields() {
		all = append(all, f.Name)
	}
	return all
}

// columns are those that files have: not those that are directories.
func columns(m *sink.Manifest) []string {
	var all []string
	for _, c := range m.Columns {
		if !slices.Contains(m.PartitionBy, c.Name) {
			all = append(all, c.Name)
		}
	}
	return all
}

func (c *check) seen(rows int64) {
	if c.o.Seen != nil && rows > 0 {
		c.o.Seen(rows, c.all)
	}
}

// hash is the file's, in the way that the manifest has it.
func (c *check) hash(ctx context.Context, src storage.File, f *sink.File) (string, error) {
	h := sha256.New()
	if f.BLAKE3 != "" {
		h = blake3.New()
	}
	in := io.NewSectionReader(src, 0, src.Size())
	buf := make([]byte, 1<<20)
	read, told := int64(0), int64(0)
	for ctx.Err() == nil {
		n, err := in.Read(buf)
		_, _ = h.Write(buf[:n]) // a hash takes everything
		read += int64(n)
		if errors.Is(err, io.EOF) {
			c.seen(f.Rows - told)
			return hex.EncodeToString(h.Sum(nil)), nil
		}
		if err != nil {
			return "", fmt.Errorf("read %s: %w", src.Name(), err)
		}
		rows := int64(float64(f.Rows) * float64(read) / float64(src.Size())) // as if all rows were alike
		c.seen(rows - told)
		told = rows
	}
	return "", context.Cause(ctx)
}

// foreign names the visible files that are nobody's.
func (c *check) foreign() {
	known := map[string]bool{}
	manifest := map[string]bool{}
	for _, m := range c.out.Manifests {
		manifest[m.Run] = true
		for i := range m.Files {
			known[m.Files[i].Name] = true
		}
		for _, name := range m.Old { // reported where they were replaced
			known[name] = true
		}
	}
	for _, f := range c.out.Files {
		if known[f.Name] {
			continue
		}
		text := "no manifest names it: readers of the directory read it with the rest"
		switch run := sink.RunOf(f.Name); {
		case run != "" && manifest[run]:
			text = "run " + run + " wrote it, and its manifest does not name it: a sweep was interrupted, or somebody put it back"
		case run != "":
			text = "run " + run + " wrote it and has no manifest yet: it is on its way, or was stopped"
		}
		c.problem(Problem{Foreign, "", f.Name, text})
	}
}
