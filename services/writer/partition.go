package writer

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
)

// Errors of partitioning. Each is met again with the same input, so a retry is
// of no use.
var (
	// ErrPartitionColumn is wrapped when the spec's partition_by cannot be followed:
	// a column that is not there, of a type that makes no directory name, named
	// twice, or none left to store.
	ErrPartitionColumn error = partitionError("not a partition column")
	// ErrPartitionValue is wrapped when a value makes no directory name: it is too
	// long for the file system, or it is spelled as null is.
	ErrPartitionValue error = partitionError("not a partition value")
)

type partitionError string

func (e partitionError) Error() string { return string(e) }

// Permanent tells [sink.IsPermanent] that a retry will not help.
func (partitionError) Permanent() bool { return true }

// valueError is [ErrPartitionValue] with its place.
type valueError struct {
	column string
	row    int    // of the batch
	what   string // is wrong with it, and the remedy
}

func (e *valueError) Error() string {
	return fmt.Sprintf("partition by %q: %v: %s", e.column, ErrPartitionValue, e.what)
}

func (e *valueError) Unwrap() error { return ErrPartitionValue }

// maxPartitions bounds what a partitioner remembers between two batches.
const maxPartitions = 1 << 14

// A partition is one combination of values of the partition columns: one
// directory of the output.
type partition struct {
	dir    string            // "country=PT/year=2024", with slashes; "" when nothing partitions
	values map[string]string // column to its text, not encoded; a null is nullPartition
}

// A piece is the rows of a batch that belong to one partition, without the
// partition columns, in the batch's order.
type piece struct {
	partition *partition
	batch     arrow.RecordBatch
}

func releaseAll(pieces []piece) {
	for _, p := range pieces {
		p.batch.Release()
	}
}

// partitioner splits batches by the values of some columns:
//
//	batch ──one pass a column──▶ partition of each row ──gather, once a column──▶ batch in their order ──slices──▶ pieces
//
// The whole batch is brought into the order of its partitions at once and the
// pieces are slices of that, so the cost does not grow with their number. A batch
// of one partition is not copied at all. A partitioner serves one goroutine.
type partitioner struct {
	mem     memory.Allocator
	in, out *arrow.Schema // of batches, and of the pieces
	keys    []*keyColumn
	pairs   []*keyPairs // pairs[i] joins keys[i+1] to the keys before it
	kept    []int       // columns of the batch that pieces keep
	known   []*partition

	// Scratch, reused from batch to batch.
	ids, codes, rows []uint32
	ends             []int // of each partition's rows
}

// newPartitioner prepares to split batches of the schema by the named columns.
// Without any, each batch is one piece. Its errors wrap [ErrPartitionColumn].
func newPartitioner(mem memory.Allocator, schema *arrow.Schema, by []string) (*partitioner, error) {
	p := &partitioner{mem: mem, in: schema}
	isKey := make([]bool, schema.NumFields())
	for _, name := range by {
		at := schema.FieldIndices(name)
		switch {
		case len(at) == 0:
			return nil, fmt.Errorf("partition by %q: %w: the output has no such column", name, ErrPartitionColumn)
		case len(at) > 1 || isKey[at[0]]:
			return nil, fmt.Errorf("partition by %q: %w: it is there twice", name, ErrPartitionColumn)
		case strings.HasPrefix(name, "_") || strings.HasPrefix(name, "."):
			return nil, fmt.Errorf("partition by %q: %w: readers skip directories that begin with %q", name, ErrPartitionColumn, name[:1])
		}
		key, err := newKeyColumn(schema.Field(at[0]), at[0])
		if err != nil {
			return nil, err
		}
		isKey[at[0]] = true
		p.keys = append(p.keys, key)
	}
	fields := make([]arrow.Field, 0, schema.NumFields())
	for i, f := range schema.Fields() {
		if !isKey[i] {
			fields = append(fields, f)
			p.kept = append(p.kept, i)
		}
	}
	if len(fields) == 0 {
		return nil, fmt.Errorf("partition by %q: %w: no column is left for the files", by, ErrPartitionColumn)
	}
	meta := schema.Metadata()
	p.out = arrow.NewSchema(fields, &meta)
	p.pairs = make([]*keyPairs, max(0, len(p.keys)-1))
	p.forget()
	return p, nil
}

// forget drops what is remembered about values. Partitions handed out stay valid.
func (p *partitioner) forget() {
	p.known = nil
	for _, k := range p.keys {
		k.forget()
	}
	for i := range p.pairs {
		p.pairs[i] = newKeyPairs()
	}
	if len(p.keys) == 0 {
		p.known = []*partition{{}}
	}
}

// split returns the pieces of a batch with at least one row, in the order in
// which their partitions were first met. It borrows b; the caller must Release
// each piece's batch. Its errors wrap [ErrPartitionValue] or come from Arrow.
func (p *partitioner) split(ctx context.Context, b arrow.RecordBatch) ([]piece, error) {
	if b.NumCols() != int64(p.in.NumFields()) {
		return nil, fmt.Errorf("split batch: it has %d columns, the plan has %d", b.NumCols(), p.in.NumFields())
	}
	if len(p.keys) == 0 {
		return []piece{{partition: p.known[0], batch: p.strip(b)}}, nil
	}
	if len(p.known) > maxPartitions {
		p.forget()
	}
	if err := p.identify(b); err != nil {
		p.forget() // some values are known, their partitions are not
		return nil, err
	}
	present := p.order()
	if len(present) == 1 {
		return []piece{{partition: p.known[present[0]], batch: p.strip(b)}}, nil
	}
	sorted, err := p.reorder(ctx, b)
	if err != nil {
		return nil, err
	}
	defer sorted.Release()
	pieces := make([]piece, len(present))
	from := 0
	for i, id := range present {
		to := p.ends[id]
		pieces[i] = piece{partition: p.known[id], batch: sorted.NewSlice(int64(from), int64(to))}
		from = to
	}
	return pieces, nil
}

// identify sets p.ids to the partition of each row, an index of p.known.
func (p *partitioner) identify(b arrow.RecordBatch) error {
	p.ids = slices.Grow(p.ids[:0], int(b.NumRows()))[:b.NumRows()]
	p.codes = slices.Grow(p.codes[:0], int(b.NumRows()))[:b.NumRows()]
	fresh, err := p.keys[0].encode(b.Column(p.keys[0].at), p.ids)
	if err != nil {
		return err
	}
	for i, pairs := range p.pairs {
		key := p.keys[i+1]
		if _, err := key.encode(b.Column(key.at), p.codes); err != nil {
			return err
		}
		fresh = pairs.join(p.ids, p.codes)
	}
	for _, row := range fresh {
		named, err := p.name(b, row)
		if err != nil {
			return err
		}
		p.known = append(p.known, named)
	}
	return nil
}

// name makes the partition of one row of the batch.
func (p *partitioner) name(b arrow.RecordBatch, row int) (*partition, error) {
	segments := make([]string, len(p.keys))
	values := make(map[string]string, len(p.keys))
	for i, key := range p.keys {
		text, null := key.text(b.Column(key.at), row)
		if text == nullPartition && !null {
			return nil, &valueError{key.name, row, "it reads " + nullPartition + ", which stands for null: make it null, or another text"}
		}
		segments[i], values[key.name] = hiveSegment(key.name, text), text
		if len(segments[i]) > maxPathSegment {
			return nil, &valueError{key.name, row, fmt.Sprintf("its directory's name would have %d bytes, file systems take %d: partition by something shorter, its first letters or a hash",
				len(segments[i]), maxPathSegment)}
		}
	}
	return &partition{dir: strings.Join(segments, "/"), values: values}, nil
}

// order sets p.rows to the batch's rows by partition, in the batch's order inside
// each, and p.ends to where each partition's rows end there: a counting sort. It
// returns the partitions that have rows.
func (p *partitioner) order() (present []uint32) {
	p.ends = slices.Grow(p.ends[:0], len(p.known))[:len(p.known)]
	clear(p.ends)
	for _, id := range p.ids {
		p.ends[id]++
	}
	at := 0
	for id, n := range p.ends {
		if n > 0 {
			present = append(present, uint32(id))
		}
		p.ends[id], at = at, at+n // for now, where they start
	}
	if len(present) == 1 {
		return present
	}
	p.rows = slices.Grow(p.rows[:0], len(p.ids))[:len(p.ids)]
	for row, id := range p.ids {
		p.rows[p.ends[id]] = uint32(row)
		p.ends[id]++
	}
	return present
}

// strip returns the batch without its partition columns, nothing copied. It
// borrows b; the caller must Release the result.
func (p *partitioner) strip(b arrow.RecordBatch) arrow.RecordBatch {
	columns := make([]arrow.Array, len(p.kept))
	for i, at := range p.kept {
		columns[i] = b.Column(at)
	}
	return array.NewRecordBatch(p.out, columns, b.NumRows())
}

// reorder returns the batch without its partition columns, its rows in the order
// of p.rows. It borrows b; the caller must Release the result.
func (p *partitioner) reorder(ctx context.Context, b arrow.RecordBatch) (arrow.RecordBatch, error) {
	columns := make([]arrow.Array, 0, len(p.kept))
	defer func() {
		for _, c := range columns {
			c.Release()
		}
	}()
	for i, at := range p.kept {
		column, err := gather(ctx, p.mem, b.Column(at), p.rows)
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", p.out.Field(i).Name, err)
		}
		columns = append(columns, column)
	}
	return array.NewRecordBatch(p.out, columns, b.NumRows()), nil
}
