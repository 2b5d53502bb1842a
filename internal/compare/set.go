package compare

import (
	"context"
	"fmt"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
)

// Set is a Parquet data set: the files of a location, in the order of their names.
type Set struct {
	URI   string
	Rows  int64
	Bytes int64 // of the files

	files   []file
	columns []column
	places  map[string]int // of each name in them
	s3      storage.S3Options
}

// column is one that some file of the set has, or that its directories name.
type column struct {
	name string
	typ  arrow.DataType // nil for a directory's, before it is known what it is compared with
	file string         // that has it first
}

// file is what is kept of a file: no footer.
type file struct {
	uri    string
	name   string // below the set's location
	base   int64  // rows of the files before it
	groups []int64
	row    int64             // bytes of a row, unpacked, at most
	hive   map[string]string // column to the value that a directory says, still in text
	schema *arrow.Schema
}

// opening bounds how many footers are read at once.
const opening = 16

// Open reads the footers of the files of a location: a file, a directory or a glob, here
// or in a bucket. A column may be missing in some of the files, where it is null; two types
// of one name are an error. Directories such as country=PT give a column to files that have
// none of that name.
func Open(ctx context.Context, uri string, o storage.S3Options) (*Set, error) {
	uris, err := storage.Expand(ctx, []string{uri}, ".parquet", o)
	if err != nil {
		return nil, err
	}
	s := &Set{URI: uri, s3: o, files: make([]file, len(uris))}
	root := rootOf(uri, uris)
	sizes := make([]int64, len(uris))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(opening)
	for i, at := range uris {
		g.Go(func() error {
			f, err := openFile(gctx, at, o)
			if err != nil {
				return err
			}
			defer func() { _ = f.Close() }() // it was only read
			s.files[i], err = describe(f, at, strings.TrimPrefix(at, root))
			sizes[i] = f.Identity().Size
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for i := range s.files {
		s.files[i].base = s.Rows
		for _, rows := range s.files[i].groups {
			s.Rows += rows
		}
		s.Bytes += sizes[i]
	}
	return s, s.unite()
}

// Files is how many files the set has.
func (s *Set) Files() int { return len(s.files) }

func openFile(ctx context.Context, uri string, o storage.S3Options) (*parquet.File, error) {
	src, err := storage.Open(ctx, uri, o)
	if err != nil {
		return nil, err
	}
	return parquet.Open(ctx, src, memory.DefaultAllocator)
}

// rootOf is what names of a set's files begin with: the directory that was asked for.
func rootOf(uri string, files []string) string {
	if len(files) == 1 && strings.HasSuffix(uri, path.Base(files[0])) {
		return files[0][:len(files[0])-len(path.Base(files[0]))]
	}
	fixed := uri
	if i := strings.IndexAny(uri, "*?[{"); i >= 0 {
		fixed = uri[:strings.LastIndex(uri[:i], "/")+1]
	}
	if !strings.Contains(fixed, "://") {
		if abs, err := filepath.Abs(fixed); err == nil {
			fixed = abs
		}
		if followed, err := filepath.EvalSymlinks(fixed); err == nil {
			fixed = followed
		}
	}
	return strings.TrimSuffix(fixed, "/") + "/"
}

func describe(f *parquet.File, uri, name string) (file, error) {
	d := file{uri: uri, name: name, schema: f.Schema(), hive: map[string]string{}, row: 1}
	seen := map[string]bool{}
	for _, fd := range f.Schema().Fields() {
		if seen[fd.Name] {
			return d, &parquet.FileError{File: f.Name(), RowGroup: -1, Column: fd.Name, Err: fmt.Errorf("there are two columns of this name")}
		}
		seen[fd.Name] = true
	}
	for g := range f.RowGroups() {
		rg, err := f.RowGroup(g, nil)
		if err != nil {
			return d, err
		}
		d.groups = append(d.groups, rg.Rows)
		if rg.Rows > 0 {
			d.row = max(d.row, rg.Unpacked/rg.Rows)
		}
	}
	for segment := range strings.SplitSeq(path.Dir(name), "/") {
		key, value, ok := strings.Cut(segment, "=")
		if !ok {
			continue
		}
		if k, err := url.PathUnescape(key); err == nil && !seen[k] {
			if v, err := url.PathUnescape(value); err == nil {
				d.hive[k] = v
			}
		}
	}
	return d, nil
}

// unite makes the columns of the set: those of the files, in the order in which they are
// met, then those of directories.
func (s *Set) unite() error {
	var dirs []column
	s.places = map[string]int{}
	for i := range s.files {
		f := &s.files[i]
		for _, fd := range f.schema.Fields() {
			at, known := s.places[fd.Name]
			if !known {
				s.places[fd.Name] = len(s.columns)
				s.columns = append(s.columns, column{fd.Name, fd.Type, f.uri})
				continue
			}
			if c := s.columns[at]; !arrow.TypeEqual(c.typ, fd.Type) {
				return fmt.Errorf("%s: column %q is %s in %s and %s in %s: compare files of one schema", s.URI, fd.Name, c.typ, c.file, fd.Type, f.uri)
			}
		}
		for name := range f.hive {
			if !slices.ContainsFunc(dirs, func(c column) bool { return c.name == name }) {
				dirs = append(dirs, column{name: name, file: f.uri})
			}
		}
	}
	slices.SortFunc(dirs, func(a, b column) int { return strings.Compare(a.name, b.name) })
	for _, d := range dirs {
		if s.column(d.name) == nil {
			s.places[d.name] = len(s.columns)
			s.columns = append(s.columns, d)
		}
	}
	return nil
}

func (s *Set) column(name string) *column {
	if i, ok := s.places[name]; ok {
		return &s.columns[i]
	}
	return nil
}

// at finds the file of a row of the set, and the row in it.
func (s *Set) at(row int64) (f *file, in int64) {
	i, found := slices.BinarySearchFunc(s.files, row, func(f file, row int64) int {
		switch {
		case f.base < row:
			return -1
		case f.base > row:
			return 1
		}
		return 0
	})
	if !found {
		i--
	}
	for s.files[i].rows() == 0 { // empty files have the base of the one behind them
		i++
	}
	return &s.files[i], row - s.files[i].base
}

func (f *file) rows() int64 {
	n := int64(0)
	for _, g := range f.groups {
		n += g
	}
	return n
}
