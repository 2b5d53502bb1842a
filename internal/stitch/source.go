package stitch

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/storage"
)

// Source is a Parquet file whose column chunks may be taken over. It is safe for
// concurrent use if its reader is.
type Source struct {
	name string
	r    io.ReaderAt
	end  int64 // where the footer begins
	sum  string
	meta *footer
	step int64          // bytes that are read at once, at most: of copies
	some int64          // and of pages
	old  bool           // sizes of chunks may be wrong: PARQUET-816
	tops map[string]int // the top-level field of each name; twice, when there are two

	places places
}

// OpenSource reads and checks the footer of a file of size bytes; name stands in
// errors. It borrows r, which must stay open as long as the Source is used. The error
// is a [*parquet.FileError].
func OpenSource(name string, r io.ReaderAt, size int64) (s *Source, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = caught(v)
		}
		if err != nil {
			s, err = nil, &parquet.FileError{File: name, RowGroup: -1, Err: err}
		}
	}()
	raw, err := parquet.ReadFooter(r, size)
	if err != nil {
		return nil, err
	}
	meta, err := parseFooter(raw)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	s = &Source{name: name, r: r, end: size - parquet.FooterTail - int64(len(raw)), sum: hex.EncodeToString(sum[:]), meta: meta, step: copyBytes, some: pageBytes, old: shortSizes(meta.createdBy)}
	if far, ok := r.(storage.Distant); ok {
		s.step = max(s.step, far.Distant().Split, distantBytes)
		s.some = s.step
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	s.tops = meta.names()
	return s, nil
}

// check compares what the footer says with the file, so that no later read is for a
// range that is not there, or for one that is another chunk's.
func (s *Source) check() error {
	rows := int64(0)
	var spans []span
	for g := range s.meta.groups {
		rg := &s.meta.groups[g]
		if len(rg.chunks) != len(s.meta.leaves) {
			return corrupt("row group %d has %d columns of %d", g, len(rg.chunks), len(s.meta.leaves))
		}
		if rg.rows > s.meta.rows-rows {
			return corrupt("its row groups have more rows than the %d that its footer says", s.meta.rows)
		}
		rows += rg.rows
		for l, c := range rg.chunks {
			if c == nil || c.elsewhere || c.encrypted {
				continue // refused when asked for
			}
			sp := c.span()
			if c.unpacked < 0 || c.values < 0 || sp.n < 0 || (sp.n > 0 && !s.holds(sp)) {
				return corrupt("row group %d, column %q: bytes [%d,%d) are outside the data, which ends at %d", g, strings.Join(s.meta.leaves[l].path, "."), sp.at, sp.end(), s.end)
			}
			if sp.n > 0 {
				spans = append(spans, sp)
			}
		}
	}
	if rows != s.meta.rows {
		return corrupt("its row groups have %d rows, its footer says %d", rows, s.meta.rows)
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Compare(a.at, b.at) })
	for i := 1; i < len(spans); i++ {
		if spans[i].at < spans[i-1].end() {
			return corrupt("two column chunks overlap at byte %d", spans[i].at)
		}
	}
	return nil
}

// holds reports that a range is between the magic and the footer.
func (s *Source) holds(sp span) bool {
	return sp.n >= 0 && sp.at >= 4 && sp.at <= s.end && sp.n <= s.end-sp.at
}

// shortSizes reports that a file's writer may have left the header of the dictionary
// page out of the sizes of chunks (PARQUET-816): parquet-mr before 1.2.9.
func shortSizes(createdBy string) bool {
	version, ok := strings.CutPrefix(createdBy, "parquet-mr")
	if !ok {
		return false
	}
	version = strings.TrimPrefix(strings.TrimSpace(version), "version ")
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return true // as old as can be, or unknown
	}
	patch := strings.FieldsFunc(parts[2], func(r rune) bool { return r < '0' || r > '9' })
	if len(patch) == 0 {
		return true
	}
	for i, since := range []int{1, 2, 9} {
		text := parts[min(i, 1)]
		if i == 2 {
			text = patch[0]
		}
		n, err := strconv.Atoi(text)
		if err != nil || n != since {
			return err != nil || n < since
		}
	}
	return false
}

// FooterHash is the SHA-256 of the footer's bytes, hex: what internal/parquet calls
// [parquet.Identity]'s Footer.
func (s *Source) FooterHash() string { return s.sum }

// Groups is the number of row groups.
func (s *Source) Groups() int { return len(s.meta.groups) }

// Rows is the number of rows of a row group.
func (s *Source) Rows(group int) int64 { return s.meta.groups[group].rows }

// wrap names the file, the row group and the column in an error that is not a refusal.
func (s *Source) wrap(group int, column string, err error) error {
	var no *RefusedError
	var named *parquet.FileError
	if err == nil || errors.As(err, &no) || errors.As(err, &named) {
		return err
	}
	return &parquet.FileError{File: s.name, RowGroup: group, Column: column, Err: err}
}

// top finds a top-level column by its name. The error is a [*RefusedError].
func (s *Source) top(column string) (int, error) {
	switch i, ok := s.tops[column]; {
	case !ok:
		return 0, refused(column, "the file has no such column")
	case i == twice:
		return 0, refused(column, "the file has two columns of this name")
	default:
		return i, nil
	}
}

// twice stands for a name that says nothing: two top-level fields have it.
const twice = -1

// names finds the top-level fields by their names.
func (f *footer) names() map[string]int {
	tops := make(map[string]int, len(f.tops))
	for i, e := range f.tops {
		name := f.elements[e].name
		if _, known := tops[name]; known {
			i = twice
		}
		tops[name] = i
	}
	return tops
}

// leavesOf returns the range [from,to) of the leaves of a top-level field.
func (f *footer) leavesOf(top int) (from, to int) {
	from, _ = slices.BinarySearchFunc(f.leaves, top, func(l leaf, top int) int { return cmp.Compare(l.top, top) })
	to = from
	for to < len(f.leaves) && f.leaves[to].top == top {
		to++
	}
	return from, to
}
