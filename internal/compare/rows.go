package compare

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"
	"sync"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/levada-data/levada/internal/parquet"
)

// Row is a row of one side.
type Row struct {
	File string `json:"file"` // its location
	Row  int64  `json:"row"`  // in the file, from 0
	// Values are those of the compared columns, as a JSON object.
	Values json.RawMessage `json:"values"`
	Name   string          `json:"-"` // of the file, below the set's location
	Texts  []string        `json:"-"` // the same as text, in the order of the result's columns; a null is "·"
}

// rememberedKeys is how many keys are held in memory, about 100 bytes each.
const rememberedKeys = 1 << 19

// entry is a key of a bucket that differs: its rows on both sides.
type entry struct{ sides [2]hold }

type hold struct {
	rows  int64
	sum   uint64 // of the rows' hashes
	first int64  // row of the set
}

func (e *entry) equal() bool {
	return e.sides[0].rows == e.sides[1].rows && e.sides[0].sum == e.sides[1].sum
}

func (e *entry) first() int64 { return min(e.sides[0].first, e.sides[1].first) }

// rowSums is the second pass, over the buckets that differ, and the third.
func (c *comparison) rowSums(ctx context.Context, r *Result) error {
	a, b := c.rows[0].Load(), c.rows[1].Load()
	r.Rows = RowSums{A: hex(a), B: hex(b), All: true}
	buckets := c.differing()
	if r.Rows.Equal = len(buckets) == 0; r.Rows.Equal {
		return nil
	}
	chosen, all := c.within(buckets)
	r.Rows.All = all
	entries, err := c.remember(ctx, chosen)
	if err != nil {
		return err
	}
	var differ []*entry
	for _, e := range entries {
		if !e.equal() {
			differ = append(differ, e)
			c.count(&r.Rows, e)
		}
	}
	slices.SortFunc(differ, func(x, y *entry) int {
		return cmp.Or(cmp.Compare(x.first(), y.first()), cmp.Compare(x.sides[0].first, y.sides[0].first))
	})
	return c.show(ctx, r, differ[:min(len(differ), max(c.o.Rows, 0))])
}

// within takes as many buckets as may be remembered, and reports whether those are all.
func (c *comparison) within(buckets []*bucket) (map[*bucket]bool, bool) {
	limit := uint64(cmp.Or(max(c.o.Remembered, 0), rememberedKeys)) //nolint:gosec // not negative
	chosen := map[*bucket]bool{}
	rows := uint64(0)
	for _, b := range buckets {
		if rows += b.rows(); rows > limit && len(chosen) > 0 {
			return chosen, false
		}
		chosen[b] = true
	}
	return chosen, true
}

// remember is the second pass: the keys of the chosen buckets.
func (c *comparison) remember(ctx context.Context, chosen map[*bucket]bool) (map[uint64]*entry, error) {
	var mu sync.Mutex
	entries := map[uint64]*entry{}
	for s, t := range c.sides {
		err := t.scan(ctx, c.keys, func(k *chunk) error {
			mu.Lock()
			defer mu.Unlock()
			for j, key := range k.key {
				if !chosen[c.bucket(key)] {
					continue
				}
				e := entries[key]
				if e == nil {
					e = &entry{sides: [2]hold{{first: math.MaxInt64}, {first: math.MaxInt64}}}
					entries[key] = e
				}
				h := &e.sides[s]
				h.rows++
				h.sum += k.row[j]
				h.first = min(h.first, k.base+int64(j))
			}
			c.seen(k)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// kind says how a key differs, and in how many rows.
func (c *comparison) kind(e *entry) (string, int64) {
	a, b := &e.sides[0], &e.sides[1]
	switch {
	case len(c.keys) > 0 && a.rows > 0 && b.rows > 0:
		return Changed, max(a.rows, b.rows)
	case a.rows > b.rows:
		return OnlyA, a.rows - b.rows
	default:
		return OnlyB, b.rows - a.rows
	}
}

func (c *comparison) count(r *RowSums, e *entry) {
	switch kind, n := c.kind(e); kind {
	case Changed:
		r.Changed++
	case OnlyA:
		r.OnlyA += n
	default:
		r.OnlyB += n
	}
}

// show is the third pass: the values of some rows.
func (c *comparison) show(ctx context.Context, r *Result, differ []*entry) error {
	var wanted [2][]int64
	for _, e := range differ {
		kind, _ := c.kind(e)
		if kind != OnlyB {
			wanted[0] = append(wanted[0], e.sides[0].first)
		}
		if kind != OnlyA {
			wanted[1] = append(wanted[1], e.sides[1].first)
		}
	}
	var rows [2]map[int64]*fetched
	for s, t := range c.sides {
		var err error
		if rows[s], err = t.fetch(ctx, wanted[s]); err != nil {
			return err
		}
	}
	for _, e := range differ {
		d := RowDifference{}
		d.Kind, d.Count = c.kind(e)
		a, b := rows[0][e.sides[0].first], rows[1][e.sides[1].first]
		if d.Kind != OnlyB {
			d.A = &a.Row
		}
		if d.Kind != OnlyA {
			d.B = &b.Row
		}
		if d.Kind == Changed {
			for i, name := range c.columns {
				if a.hashes[i] != b.hashes[i] {
					d.Columns = append(d.Columns, name)
				}
			}
		}
		r.Rows.First = append(r.Rows.First, d)
	}
	return nil
}

type fetched struct {
	Row
	hashes []uint64 // by column
}

// fetch reads rows of a set.
func (t *table) fetch(ctx context.Context, rows []int64) (map[int64]*fetched, error) {
	all := map[int64]*fetched{}
	slices.Sort(rows)
	for len(rows) > 0 {
		f, _ := t.at(rows[0])
		n := 0
		for n < len(rows) && rows[n] < f.base+f.rows() {
			n++
		}
		if err := t.fetchFrom(ctx, f, rows[:n], all); err != nil {
			return nil, err
		}
		rows = rows[n:]
	}
	return all, nil
}

func (t *table) fetchFrom(ctx context.Context, f *file, rows []int64, into map[int64]*fetched) error {
	in, err := openFile(ctx, f.uri, t.s3)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }() // it was only read
	if err := t.same(in, f); err != nil {
		return err
	}
	h := hasher{table: t, file: f}
	o := parquet.ReadOptions{Columns: h.physical(), BlockRows: min(max(blockBytes/f.row, leastRows), mostRows)}
	base := f.base
	for g, n := range f.groups {
		end := base + n
		some := rows[:0:0]
		for _, r := range rows {
			if base <= r && r < end {
				some = append(some, r-base)
			}
		}
		if len(some) > 0 {
			o.Want = func(from, to int64) bool {
				return slices.ContainsFunc(some, func(r int64) bool { return from <= r && r < to })
			}
			err := in.ReadRowGroups(ctx, g, g+1, o, func(from, to int64, b arrow.RecordBatch) error {
				if b == nil {
					return nil
				}
				defer b.Release()
				for _, r := range some {
					if r < from || r >= to {
						continue
					}
					one, err := h.row(b, r-from)
					if err != nil {
						return err
					}
					one.File, one.Name, one.Row.Row = f.uri, f.name, base+r-f.base
					into[base+r] = one
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		base = end
	}
	return nil
}

// row takes one row of a batch, with the columns of directories.
func (h *hasher) row(b arrow.RecordBatch, at int64) (*fetched, error) {
	one := b.NewSlice(at, at+1)
	defer one.Release()
	fields, cols := make([]arrow.Field, len(h.columns)), make([]arrow.Array, len(h.columns))
	out := &fetched{hashes: make([]uint64, len(h.columns))}
	var made []arrow.Array
	defer func() {
		for _, v := range made {
			v.Release()
		}
	}()
	for i, name := range h.columns {
		if at := one.Schema().FieldIndices(name); len(at) == 1 {
			cols[i] = one.Column(at[0])
		} else {
			v, err := h.directory(name)
			if err != nil {
				return nil, err
			}
			cols[i] = v
			made = append(made, v)
		}
		fields[i] = arrow.Field{Name: name, Type: cols[i].DataType(), Nullable: true}
		if err := hashes(cols[i], out.hashes[i:i+1]); err != nil {
			return nil, err
		}
		text := "·"
		if cols[i].IsValid(0) {
			text = cols[i].ValueStr(0)
		}
		out.Texts = append(out.Texts, text)
	}
	whole := array.NewRecordBatch(arrow.NewSchema(fields, nil), cols, 1)
	defer whole.Release()
	var buf bytes.Buffer
	if err := array.RecordToJSON(whole, &buf); err != nil {
		return nil, err
	}
	out.Values = json.RawMessage(bytes.TrimSpace(buf.Bytes()))
	return out, nil
}
