package writer

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"golang.org/x/sync/errgroup"

	"github.com/levada-data/levada/internal/job"
	"github.com/levada-data/levada/internal/parquet"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/stitch"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/pkg/pipeline"
)

// fileSetOptions bound a fileSet.
type fileSetOptions struct {
	Buffer int64            // bytes of memory that it may take; 128 MiB when 0
	Memory memory.Allocator // memory.DefaultAllocator when nil
	Late   *late            // takes columns from the source; nil when all have travelled
	Stored *arrow.Schema    // what files call their columns; nil: as their schema does
}

// fileSet is the files of one lane between two cuts: one open file for each
// partition that the lane's blocks have rows of.
//
//	block ─► split by partition ─► encode into the partition's file ─► pages, row groups ─► staged file
//	                           └─► keep (preserve_order), and encode in source order when the cut comes
//
// It takes at most Buffer bytes of memory: when it would take more, the file that
// holds most writes its row group. It keeps at most max_open_files open: the one
// that was used longest ago is closed for another, and a cut is due.
//
// After an error the set takes nothing more: a block may be in some of its files and
// not in others. A fileSet serves one goroutine.
type fileSet struct {
	out     *sink.Sink
	spec    *pipeline.ParquetSink
	mem     memory.Allocator
	limit   int64
	split   *partitioner
	name    string         // how the names of files begin; "" as usual
	late    *late          // nil when all columns have travelled
	stored  *arrow.Schema  // what the files call their columns; see [pipeline.Pipeline]
	layout  *stitch.Layout // of files whose pages get checksums, then; nil: none do
	whole   *partition     // what nothing partitions
	columns int64          // leaves of the schema that files have

	err     error
	files   map[string]*outFile // open, by directory
	closed  []ledger.File       // before the cut, to open others
	held    int64               // what flushing all files would free
	clock   uint64              // orders the uses of files
	crowded bool                // a file had to be closed for another
}

// newFileSet returns an empty set. What is wrong with the spec, the first Append
// says.
func newFileSet(out *sink.Sink, p *pipeline.Pipeline, o fileSetOptions) *fileSet {
	o.Stored = p.Stored
	s := newFileSetOf(out, p.Out, p.Spec.Sink.Parquet, o)
	s.name = p.Spec.FileName(flow.RunID(out.Run()).Submitted())
	return s
}

func newFileSetOf(out *sink.Sink, schema *arrow.Schema, spec *pipeline.ParquetSink, o fileSetOptions) *fileSet {
	s := &fileSet{
		out: out, spec: spec, mem: cmp.Or[memory.Allocator](o.Memory, memory.DefaultAllocator),
		limit: cmp.Or(o.Buffer, 128<<20), files: make(map[string]*outFile), late: o.Late, stored: o.Stored, whole: &partition{},
	}
	s.split, s.err = newPartitioner(s.mem, schema, spec.PartitionBy)
	if s.err == nil {
		s.columns = leaves(s.split.out.Fields())
		if spec.PageChecksums && s.late == nil {
			paged := job.StitchOptions(spec, o.Stored)
			paged.Memory = s.mem
			s.layout, s.err = stitch.NewLayout(s.split.out, paged)
		}
	}
	return s
}

// leaves counts the columns that Parquet makes of fields.
func leaves(fields []arrow.Field) (n int64) {
	for _, f := range fields {
		if nested, ok := f.Type.(arrow.NestedType); ok {
			n += leaves(nested.Fields())
		} else {
			n++
		}
	}
	return n
}

// Append writes the rows of a block to the files of their partitions, and notes for
// each of these files that it has rows of the span. It borrows b. The caller appends
// a span once (rule 1), and nothing after an error.
func (s *fileSet) Append(ctx context.Context, b arrow.RecordBatch, span blocks.Span) error {
	if s.err != nil || b.NumRows() == 0 {
		return s.err
	}
	s.err = s.append(ctx, b, span)
	return s.err
}

func (s *fileSet) append(ctx context.Context, b arrow.RecordBatch, span blocks.Span) error {
	pieces, err := s.split.split(ctx, b)
	if err != nil {
		return fmt.Errorf("block %s: %w", span, err)
	}
	defer releaseAll(pieces)
	for _, p := range pieces {
		if err := s.appendPiece(ctx, p.partition, keptPiece{span: span, batch: p.batch}); err != nil {
			return err
		}
	}
	return nil
}

// appendPiece writes those rows of a block that belong to one partition.
func (s *fileSet) appendPiece(ctx context.Context, to *partition, p keptPiece) error {
	f, err := s.file(ctx, to)
	if err != nil {
		return err
	}
	if err := f.spans.Add(p.span); err != nil {
		return fmt.Errorf("append block %s to a file of partition %q: %w", p.span, f.partition.dir, err)
	}
	s.clock++
	f.used = s.clock
	before := f.held
	if err := f.add(ctx, p); err != nil {
		return fmt.Errorf("block %s: %w", p.span, err)
	}
	s.held += f.held - before
	return s.shrink(ctx)
}

// AppendLate writes the rows of a block of which some columns have not travelled. As
// Append otherwise. The block's batch is what the sink receives.
func (s *fileSet) AppendLate(ctx context.Context, b *blocks.Block) error {
	if s.err != nil || b.Rows == 0 {
		return s.err
	}
	s.err = s.appendPiece(ctx, s.whole, keptPiece{b.Span, b.Batch, b.Offsets})
	return s.err
}

// Waiting lists the blocks that wait in the open files for the rest of their row groups.
func (s *fileSet) Waiting() []blocks.Span {
	var spans []blocks.Span
	for _, f := range s.files {
		if stitched, ok := f.parquet.(*stitchedFile); ok {
			spans = append(spans, stitched.parts.spans()...)
		}
	}
	return spans
}

// TakeWaiting takes them out of the set. The caller must release them.
func (s *fileSet) TakeWaiting() []keptPiece {
	var all []keptPiece
	for dir, f := range s.files {
		stitched, ok := f.parquet.(*stitchedFile)
		if !ok {
			continue
		}
		some := stitched.parts.takeAll()
		for _, k := range some {
			f.spans.Remove(k.span)
		}
		all = append(all, some...)
		s.held -= f.held
		if f.held = stitched.Buffered(); f.spans.Len() == 0 {
			f.abandon() // nothing else was in it
			delete(s.files, dir)
			continue
		}
		s.held += f.held
	}
	return all
}

// AppendWaiting puts blocks that were taken out into this set, borrowing them.
func (s *fileSet) AppendWaiting(ctx context.Context, all []keptPiece) error {
	for _, k := range all {
		if s.err == nil {
			s.err = s.appendPiece(ctx, s.whole, k)
		}
	}
	return s.err
}

// file returns the open file of a partition. When there are too many, another one is
// closed for it.
func (s *fileSet) file(ctx context.Context, p *partition) (*outFile, error) {
	if f := s.files[p.dir]; f != nil {
		return f, nil
	}
	f := &outFile{set: s, partition: p}
	if !s.spec.PreserveOrder { // otherwise it is opened when its rows are in order
		if len(s.files) >= max(s.spec.MaxOpenFiles, 1) {
			if err := s.closeOldest(ctx); err != nil {
				return nil, err
			}
		}
		if err := f.open(ctx, nil); err != nil {
			return nil, err
		}
	}
	s.files[p.dir] = f
	return f, nil
}

// closeOldest finishes the file that was used longest ago. A block with more
// partitions than may be open gives several files to one partition in this way; the
// cut that is due then keeps it at that.
func (s *fileSet) closeOldest(ctx context.Context) error {
	s.crowded = true
	oldest := slices.MinFunc(slices.Collect(maps.Values(s.files)), func(a, b *outFile) int { return cmp.Compare(a.used, b.used) })
	err := oldest.encodeEnd(ctx)
	if err == nil {
		err = oldest.finish()
	}
	if err != nil {
		return err
	}
	s.held -= oldest.held
	s.closed = append(s.closed, oldest.entry)
	delete(s.files, oldest.partition.dir)
	return nil
}

// shrink writes row groups, the largest first, until the set takes no more than its
// limit. Rows that wait for their order cannot be written.
func (s *fileSet) shrink(ctx context.Context) error {
	for !s.spec.PreserveOrder && s.held+int64(len(s.files))*fileBytes > s.limit {
		largest := slices.MaxFunc(slices.Collect(maps.Values(s.files)), func(a, b *outFile) int { return cmp.Compare(a.held, b.held) })
		if largest.held == 0 {
			return nil
		}
		before := largest.held
		if err := largest.flush(ctx); err != nil {
			return err
		}
		s.held += largest.held - before
	}
	return nil
}

// Full reports that a cut is due: there are more partitions than may be open, or
// the rows that wait for their order fill the buffer.
func (s *fileSet) Full() bool {
	return s.crowded || s.spec.PreserveOrder && s.held >= s.limit/2
}

// LargestFile is how long the longest open file would be if it were closed now,
// nearly; with preserve_order, before compression.
func (s *fileSet) LargestFile() int64 {
	n := int64(0)
	for _, f := range s.files {
		n = max(n, f.size())
	}
	return n
}

// EntryBytes is how much of a ledger entry the files will take, nearly, and rather
// more than less.
func (s *fileSet) EntryBytes() int {
	n := 0
	for i := range s.closed {
		n += entryBytes(&s.closed[i])
	}
	for _, f := range s.files {
		n += 160 + entryBytes(&ledger.File{Name: f.partition.dir, Partition: f.partition.values, Spans: f.spans})
	}
	return n
}

// entryBytes estimates a file in a commit: names and hash, and the spans, of which
// each is two numbers in base64.
func entryBytes(f *ledger.File) int {
	n := 320 + 2*len(f.Name) + 12*f.Spans.Len()
	for column, value := range f.Partition {
		n += len(column) + len(value) + 8
	}
	return n
}

// finishers is how many files are synced at once.
const finishers = 8

// Finish closes all files and makes them durable, still unseen, and returns what a
// commit says of them, sorted by name. From then on they are the caller's, and the
// set is empty. After an error they are deleted; nothing has named them yet.
func (s *fileSet) Finish(ctx context.Context) ([]ledger.File, error) {
	entries, err := s.finish(ctx)
	if err != nil {
		s.Abandon(ctx)
		return nil, err
	}
	s.reset()
	return entries, nil
}

func (s *fileSet) finish(ctx context.Context) ([]ledger.File, error) {
	if s.err != nil {
		return nil, s.err
	}
	files := slices.SortedFunc(maps.Values(s.files), func(a, b *outFile) int { return cmp.Compare(a.partition.dir, b.partition.dir) })
	var g errgroup.Group
	g.SetLimit(finishers)
	var failed error
	for _, f := range files {
		if failed = ctx.Err(); failed != nil {
			break
		}
		if failed = f.sortKept(ctx); failed != nil {
			break
		}
		if failed = f.encodeEnd(ctx); failed != nil {
			break
		}
		g.Go(f.finish) // while the next one is encoded
	}
	if err := cmp.Or(failed, g.Wait()); err != nil {
		return nil, err
	}
	entries := s.closed
	for _, f := range files {
		entries = append(entries, f.entry)
	}
	slices.SortFunc(entries, func(a, b ledger.File) int { return cmp.Compare(a.Name, b.Name) })
	return entries, nil
}

// Abandon deletes the files of a set that will not be committed, and lets go of
// their memory. Files that Finish has returned are not the set's any more. What
// cannot be deleted now is left to the sweep.
func (s *fileSet) Abandon(ctx context.Context) {
	for _, f := range s.files {
		f.abandon()
	}
	for _, f := range s.closed {
		_ = s.out.Discard(ctx, f)
	}
	s.reset()
}

// reset empties the set; an error stays.
func (s *fileSet) reset() {
	s.files, s.closed, s.held, s.crowded = make(map[string]*outFile), nil, 0, false
}

// emptyFile writes and finishes the file of a run without rows: the schema, those
// columns included that would be directories.
func emptyFile(ctx context.Context, out *sink.Sink, p *pipeline.Pipeline) (ledger.File, error) {
	return emptyFileOf(ctx, out, p.Out, p.Stored, p.Spec.Sink.Parquet, p.Spec.FileName(flow.RunID(out.Run()).Submitted()))
}

func emptyFileOf(ctx context.Context, out *sink.Sink, schema, stored *arrow.Schema, spec *pipeline.ParquetSink, name string) (ledger.File, error) {
	staged, err := out.Create(ctx, sink.Place{Name: name})
	if err != nil {
		return ledger.File{}, fmt.Errorf("create file: %w", err)
	}
	f := outFile{staged: staged, partition: &partition{}}
	if f.parquet, err = parquet.NewWriter(staged, schema, writeOptions(spec, stored, nil)); err != nil {
		f.abandon()
		return ledger.File{}, f.encodeError(err)
	}
	if err = f.encodeEnd(ctx); err == nil {
		err = f.finish()
	}
	if err != nil {
		f.abandon()
		return ledger.File{}, err
	}
	return f.entry, nil
}
