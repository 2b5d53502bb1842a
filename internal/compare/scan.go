package compare

import (
	"context"
	"fmt"
	"runtime"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/parquet"
)

const (
	// blockBytes is how much of a file is decoded at once, and leastRows and mostRows
	// bound it for narrow and wide rows.
	blockBytes = 4 << 20
	leastRows  = 64
	mostRows   = 1 << 15
	// mostWorkers bounds what is decoded at once, on machines with many cores.
	mostWorkers = 8
	// partRows is how many rows one worker reads before it takes others.
	partRows = 1 << 20
)

// table is a set with the columns that are compared, in the order of both sides.
type table struct {
	*Set
	columns []string
	typed   map[string]arrow.DataType // of columns that are directories
}

// part is row groups of one file that a worker reads.
type part struct {
	file        *file
	first, last int
	base        int64 // row of the set that is its first
}

func (t *table) parts() []part {
	var parts []part
	for i := range t.files {
		f := &t.files[i]
		base := f.base
		for g := 0; g < len(f.groups); {
			p := part{file: f, first: g, base: base}
			for g < len(f.groups) && (g == p.first || base+f.groups[g]-p.base <= partRows) {
				base += f.groups[g]
				g++
			}
			p.last = g
			parts = append(parts, p)
		}
	}
	return parts
}

// chunk is rows of a set: of each compared column the hashes of its values.
type chunk struct {
	base    int64 // row of the set that is its first
	rows    int
	columns [][]uint64
	nulls   []int64
	row     []uint64 // hash of each row
	key     []uint64 // of its key
}

// scan calls visit with all rows of a table, from several goroutines. The chunk is
// valid for the call.
func (t *table) scan(ctx context.Context, keys []int, visit func(c *chunk) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(runtime.GOMAXPROCS(0), mostWorkers))
	for _, p := range t.parts() {
		g.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return t.scanPart(ctx, p, keys, visit)
		})
	}
	return g.Wait()
}

func (t *table) scanPart(ctx context.Context, p part, keys []int, visit func(c *chunk) error) error {
	f, err := openFile(ctx, p.file.uri, t.s3)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }() // it was only read
	if err := t.same(f, p.file); err != nil {
		return err
	}
	h := hasher{table: t, file: p.file, keys: keys}
	o := parquet.ReadOptions{Columns: h.physical(), BlockRows: min(max(blockBytes/p.file.row, leastRows), mostRows)}
	return f.ReadRowGroups(ctx, p.first, p.last, o, func(from, _ int64, b arrow.RecordBatch) error {
		defer b.Release()
		c, err := h.hash(b)
		if err != nil {
			return err
		}
		c.base = p.base + from
		return visit(c)
	})
}

// same checks that a file is still the one whose footer was read.
func (t *table) same(f *parquet.File, was *file) error {
	same := f.RowGroups() == len(was.groups) && f.Schema().Equal(was.schema)
	for g := 0; same && g < len(was.groups); g++ {
		rg, err := f.RowGroup(g, nil)
		if err != nil {
			return err
		}
		same = rg.Rows == was.groups[g]
	}
	if !same {
		return &parquet.FileError{File: f.Name(), RowGroup: -1, Err: parquet.ErrChanged}
	}
	return nil
}

// hasher makes chunks of batches of one file.
type hasher struct {
	*table
	file  *file
	keys  []int
	chunk chunk
}

// physical are the compared columns that the file has.
func (h *hasher) physical() *arrow.Schema {
	var fields []arrow.Field
	for _, name := range h.columns {
		if at := h.file.schema.FieldIndices(name); len(at) == 1 {
			fields = append(fields, h.file.schema.Field(at[0]))
		}
	}
	return arrow.NewSchema(fields, nil)
}

func (h *hasher) hash(b arrow.RecordBatch) (*chunk, error) {
	c := &h.chunk
	n := int(b.NumRows())
	c.rows = n
	if c.columns == nil {
		c.columns, c.nulls = make([][]uint64, len(h.columns)), make([]int64, len(h.columns))
	}
	for i, name := range h.columns {
		c.columns[i] = sized(c.columns[i], n)
		if at := b.Schema().FieldIndices(name); len(at) == 1 {
			col := b.Column(at[0])
			if err := hashes(col, c.columns[i]); err != nil {
				return nil, &parquet.FileError{File: h.file.uri, RowGroup: -1, Column: name, Err: err}
			}
			c.nulls[i] = int64(col.NullN())
			if col.DataType().ID() == arrow.NULL {
				c.nulls[i] = int64(n)
			}
			continue
		}
		one, err := h.constant(name)
		if err != nil {
			return nil, err
		}
		for j := range c.columns[i] {
			c.columns[i][j] = one
		}
		if c.nulls[i] = 0; one == nullHash {
			c.nulls[i] = int64(n)
		}
	}
	c.row, c.key = sized(c.row, n), sized(c.key, n)
	clear(c.row)
	for _, hs := range c.columns {
		for j, v := range hs {
			c.row[j] = combine(c.row[j], v)
		}
	}
	if len(h.keys) == 0 {
		copy(c.key, c.row)
		return c, nil
	}
	clear(c.key)
	for _, k := range h.keys {
		for j, v := range c.columns[k] {
			c.key[j] = combine(c.key[j], v)
		}
	}
	return c, nil
}

func sized(s []uint64, n int) []uint64 {
	if cap(s) < n {
		return make([]uint64, n)
	}
	return s[:n]
}

// nullDirectory is how a directory spells a null.
const nullDirectory = "__HIVE_DEFAULT_PARTITION__"

// constant is the hash of a column that all rows of the file have the same value of: a
// directory's, or null where the file has no such column.
func (h *hasher) constant(name string) (uint64, error) {
	a, err := h.directory(name)
	if err != nil {
		return 0, err
	}
	defer a.Release()
	var one [1]uint64
	err = hashes(a, one[:])
	return one[0], err
}

// directory is the one value that a file's directories say of a column; null when they say
// nothing. The caller must Release it.
func (h *hasher) directory(name string) (arrow.Array, error) {
	text, ok := h.file.hive[name]
	t := h.typed[name]
	if c := h.column(name); t == nil && c != nil {
		t = c.typ // other files have the column themselves
	}
	v, err := valueOf(text, ok && text != nullDirectory, t)
	if err != nil {
		return nil, &parquet.FileError{File: h.file.uri, RowGroup: -1, Column: name, Err: fmt.Errorf("its directory has no %s in its name", t)}
	}
	return v, nil
}

// valueOf makes an array of one value of a text, in a type; nil is text.
func valueOf(text string, valid bool, t arrow.DataType) (arrow.Array, error) {
	if t == nil {
		t = arrow.BinaryTypes.String
	}
	b := array.NewBuilder(memory.DefaultAllocator, t)
	defer b.Release()
	if !valid {
		b.AppendNull()
	} else if err := b.AppendValueFromString(text); err != nil {
		return nil, err
	}
	return b.NewArray(), nil
}
