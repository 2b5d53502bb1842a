package compare

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/apache/arrow-go/v18/arrow"
)

// Options say how two sets are compared. The zero value compares all columns and shows no rows.
type Options struct {
	Columns []string // that both have; nil for all
	// Key names columns that tell rows apart: a row of the same key on both sides, and other
	// values, has changed. Without it such a row is only in A, and another only in B.
	Key  []string
	Rows int // how many differing rows to show, at most
	// Remembered bounds how many keys are held in memory; 524,288 when 0.
	Remembered int
	Seen       func(rows int64) // is told of rows read, from several goroutines; may be nil
}

// Result is in what two sets differ.
type Result struct {
	V     int  `json:"v"` // 1
	Equal bool `json:"equal"`
	A     Side `json:"a"`
	B     Side `json:"b"`

	Schema  []SchemaDifference `json:"schema,omitempty"` // columns that are not on both sides in one type
	Columns []ColumnSums       `json:"columns"`          // those on both sides
	Rows    RowSums            `json:"rows"`
}

// Side is one of the sets.
type Side struct {
	URI   string `json:"uri"`
	Files int    `json:"files"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
}

// SchemaDifference is a column that one side has in another type, or not at all.
type SchemaDifference struct {
	Column string `json:"column"`
	A      string `json:"a,omitempty"` // its type; "" when it is not there
	B      string `json:"b,omitempty"`
}

// Sums is what is known of a column of one side.
type Sums struct {
	Checksum string `json:"checksum"` // 16 hexadecimal characters
	Nulls    int64  `json:"nulls"`
}

// ColumnSums is a column of both sides.
type ColumnSums struct {
	Column string `json:"column"`
	Type   string `json:"type"` // in A
	Equal  bool   `json:"equal"`
	A      Sums   `json:"a"`
	B      Sums   `json:"b"`
}

// RowSums is what is known of the rows, over the columns of both sides.
type RowSums struct {
	Equal bool   `json:"equal"`
	A     string `json:"a"` // checksums
	B     string `json:"b"`
	// How many rows have no equal on the other side, and how many keys have other rows
	// there. When All is false, there are more of them than were remembered.
	OnlyA   int64           `json:"only_a"`
	OnlyB   int64           `json:"only_b"`
	Changed int64           `json:"changed"`
	All     bool            `json:"all"`
	First   []RowDifference `json:"first,omitempty"`
}

// RowDifference is a row that differs: one side's when Kind is only_a or only_b, both
// sides' when it is changed.
type RowDifference struct {
	Kind    string   `json:"kind"`
	Count   int64    `json:"count"`             // of rows like it, more than on the other side
	Columns []string `json:"columns,omitempty"` // that have changed
	A       *Row     `json:"a,omitempty"`
	B       *Row     `json:"b,omitempty"`
}

// The kinds of differences.
const (
	OnlyA   = "only_a"
	OnlyB   = "only_b"
	Changed = "changed"
)

// Sets compares two sets. The error is about the options or the files.
func Sets(ctx context.Context, a, b *Set, o Options) (*Result, error) {
	c := &comparison{o: o}
	r := &Result{V: 1, A: a.side(), B: b.side()}
	c.pair(a, b, r)
	if err := c.choose(o); err != nil {
		return nil, err
	}
	if o.Columns != nil { // nobody asked for the others
		r.Schema = slices.DeleteFunc(r.Schema, func(d SchemaDifference) bool { return !slices.Contains(c.columns, d.Column) })
	}
	if err := c.sum(ctx); err != nil {
		return nil, err
	}
	c.columnSums(r)
	if err := c.rowSums(ctx, r); err != nil {
		return nil, err
	}
	r.Equal = len(r.Schema) == 0 && r.Rows.Equal && a.Rows == b.Rows
	return r, nil
}

func (s *Set) side() Side { return Side{URI: s.URI, Files: len(s.files), Rows: s.Rows, Bytes: s.Bytes} }

// comparison is two tables on their way to a result.
type comparison struct {
	o       Options
	sides   [2]*table
	columns []string
	types   []string
	keys    []int

	sums    [2][]tally // by column
	rows    [2]atomic.Uint64
	buckets []bucket
}

type tally struct{ sum, nulls atomic.Uint64 }

// bucket is the rows of one part of all keys, on both sides.
type bucket struct{ sides [2]pile }

type pile struct {
	rows  atomic.Uint64
	sum   atomic.Uint64 // of the rows' hashes
	first atomic.Int64  // row of the set
}

// pair finds the columns of both sides. A directory's column takes the type that the other
// side has it in, if all its values can be read so.
func (c *comparison) pair(a, b *Set, r *Result) {
	c.sides = [2]*table{{Set: a, typed: map[string]arrow.DataType{}}, {Set: b, typed: map[string]arrow.DataType{}}}
	typeOf := func(side int, other, own *column) arrow.DataType {
		if own.typ != nil {
			return own.typ
		}
		t := arrow.DataType(arrow.BinaryTypes.String)
		if other != nil && other.typ != nil && c.sides[side].reads(own.name, other.typ) {
			t = other.typ
		}
		c.sides[side].typed[own.name] = t
		return t
	}
	for i := range a.columns {
		left := &a.columns[i]
		right := b.column(left.name)
		ta := typeOf(0, right, left)
		if right == nil {
			r.Schema = append(r.Schema, SchemaDifference{Column: left.name, A: ta.String()})
			continue
		}
		if tb := typeOf(1, left, right); !arrow.TypeEqual(ta, tb) {
			r.Schema = append(r.Schema, SchemaDifference{Column: left.name, A: ta.String(), B: tb.String()})
		}
		c.columns, c.types = append(c.columns, left.name), append(c.types, ta.String())
	}
	for i := range b.columns {
		if right := &b.columns[i]; a.column(right.name) == nil {
			r.Schema = append(r.Schema, SchemaDifference{Column: right.name, B: typeOf(1, nil, right).String()})
		}
	}
}

// reads reports that every value that directories have of a column is one of the type.
func (t *table) reads(name string, typ arrow.DataType) bool {
	for i := range t.files {
		text, ok := t.files[i].hive[name]
		if !ok || text == nullDirectory {
			continue
		}
		v, err := valueOf(text, true, typ)
		if err != nil {
			return false
		}
		v.Release()
	}
	return true
}

// choose takes the columns and the key of the options.
func (c *comparison) choose(o Options) error {
	if o.Columns != nil {
		var types []string
		for _, name := range o.Columns {
			at := slices.Index(c.columns, name)
			if at < 0 {
				return c.unknown(name)
			}
			types = append(types, c.types[at])
		}
		c.columns, c.types = o.Columns, types
	}
	for _, name := range o.Key {
		at := slices.Index(c.columns, name)
		if at < 0 {
			return c.unknown(name)
		}
		c.keys = append(c.keys, at)
	}
	for _, t := range c.sides {
		t.columns = c.columns
	}
	return nil
}

func (c *comparison) unknown(name string) error {
	return fmt.Errorf("column %q is not on both sides: they have %s", name, strings.Join(c.columns, ", "))
}

// bucketRows is how many rows a bucket has, about.
const bucketRows = 1 << 12

// sum is the first pass: checksums of everything.
func (c *comparison) sum(ctx context.Context) error {
	n := 1 << 8
	for ; n < 1<<20 && int64(n)*bucketRows < max(c.sides[0].Rows, c.sides[1].Rows); n *= 2 {
	}
	c.buckets = make([]bucket, n)
	for i := range c.buckets {
		for s := range c.sides {
			c.buckets[i].sides[s].first.Store(math.MaxInt64)
		}
	}
	for s, t := range c.sides {
		c.sums[s] = make([]tally, len(c.columns))
		err := t.scan(ctx, c.keys, func(k *chunk) error {
			c.add(s, k)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *comparison) add(side int, k *chunk) {
	for i, hs := range k.columns {
		sum := uint64(0)
		for _, h := range hs {
			sum += h
		}
		c.sums[side][i].sum.Add(sum)
		c.sums[side][i].nulls.Add(uint64(k.nulls[i])) //nolint:gosec // a count
	}
	all := uint64(0)
	for j, h := range k.row {
		all += h
		p := &c.bucket(k.key[j]).sides[side]
		p.rows.Add(1)
		p.sum.Add(h)
		at := k.base + int64(j)
		for was := p.first.Load(); at < was && !p.first.CompareAndSwap(was, at); was = p.first.Load() {
		}
	}
	c.rows[side].Add(all)
	c.seen(k)
}

func (c *comparison) seen(k *chunk) {
	if c.o.Seen != nil {
		c.o.Seen(int64(k.rows))
	}
}

func (c *comparison) bucket(key uint64) *bucket { return &c.buckets[key%uint64(len(c.buckets))] }

func (b *bucket) equal() bool {
	x, y := &b.sides[0], &b.sides[1]
	return x.rows.Load() == y.rows.Load() && x.sum.Load() == y.sum.Load()
}

func (b *bucket) first() int64 { return min(b.sides[0].first.Load(), b.sides[1].first.Load()) }
func (b *bucket) rows() uint64 { return b.sides[0].rows.Load() + b.sides[1].rows.Load() }

func (c *comparison) columnSums(r *Result) {
	r.Columns = []ColumnSums{} // not null in JSON
	for i, name := range c.columns {
		s := ColumnSums{Column: name, Type: c.types[i], A: c.sums[0][i].sums(), B: c.sums[1][i].sums()}
		s.Equal = s.A == s.B
		r.Columns = append(r.Columns, s)
	}
}

func (t *tally) sums() Sums {
	return Sums{Checksum: hex(t.sum.Load()), Nulls: int64(t.nulls.Load())} //nolint:gosec // a count
}

func hex(sum uint64) string { return fmt.Sprintf("%016x", sum) }

// differing returns the buckets that differ, those with the first rows first.
func (c *comparison) differing() []*bucket {
	var all []*bucket
	for i := range c.buckets {
		if b := &c.buckets[i]; !b.equal() {
			all = append(all, b)
		}
	}
	slices.SortFunc(all, func(a, b *bucket) int { return cmp.Compare(a.first(), b.first()) })
	return all
}
