package rules

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/generate"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/internal/storage"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// An attempt publishes its block and dies before the ack; the next attempt fails a row
// of it. The row is in the output; its dead letter does not count.
func TestRule07Dead_LetterOfAnOutrunAttempt(t *testing.T) {
	h := byHand(t, options{spans: 1, external: "flaky", policies: "  max_dead_rows: 10"})
	var attempts atomic.Int32
	flaky := func() *flow.Stage {
		return &flow.Stage{Stage: "flaky", Workers: 1, Process: func(_ context.Context, in *blocks.Block) (flow.Output, error) {
			in.Batch.Retain()
			if attempts.Add(1) == 1 {
				return flow.Output{Batch: in.Batch}, nil
			}
			defer in.Batch.Release()
			kept := make([]uint32, 0, spanRows-1)
			for i := range uint32(spanRows - 1) {
				kept = append(kept, i)
			}
			return flow.Output{Batch: in.Batch.NewSlice(0, spanRows-1), Kept: kept, Failed: []flow.Failure{{Row: spanRows - 1, Operator: "flaky", Reason: "now and then"}}}, nil
		}}
	}
	g := h.stopAt(fault.TransformAckBefore)
	h.publish(0, 0)
	p1 := h.start(flaky())
	g.await(t)      // published, not acked
	p1.Conn.Close() // it cannot ack
	g.release()
	p1.Kill()
	h.start(flaky()) // gets the block again when the ack wait is over
	require.Eventually(t, func() bool { return attempts.Load() == 2 }, stack.Limit, 5*time.Millisecond)
	dead := "levada-dead-" + string(h.run.Run)
	js := h.Server.JetStream(t)
	require.Eventually(t, func() bool {
		s, err := js.Stream(t.Context(), dead)
		return err == nil && s.CachedInfo().State.Msgs == 1
	}, stack.Limit, 5*time.Millisecond, "the second attempt leaves a letter")
	letter, err := stream(t, js, dead).GetMsg(t.Context(), 1)
	require.NoError(t, err)
	head, err := blocks.ParseHeader(letter.Header)
	require.NoError(t, err)
	h.extent(0)
	h.writer()
	m := h.exact() // every row, the failed one of the second attempt too
	require.Zero(t, m.Books.Dead)
	require.NoError(t, h.run.Ledger.Sync(t.Context()))
	require.False(t, flow.Look(h.run.Ledger, func(s *ledger.State) bool {
		return s.DeadRowCounts(head.Span.Task, head.Span.From+spanRows-1, head.Stage, head.Attempt)
	}))
}

// A block that a stage makes is halved, one half is committed, and the block comes to the
// stage again: what is owed of it goes on, and nothing else.
func TestRule01Once_HalfOfABlockIsSettled(t *testing.T) {
	h := halfSettled(t)
	h.start(flow.Map("wide", keep))
	h.publish(0, 0)
	h.extent(0)
	h.exact()
	require.Equal(t, 2, h.entries(ledger.KindCommit), "one for each half")
}

// Likewise, but now the stage cannot make the block any more: no dead entry can stand for
// half of it, so the run fails.
func TestRule07Dead_HalfOfABlockIsSettled(t *testing.T) {
	h := halfSettled(t)
	h.start(&flow.Stage{Stage: "wide", Workers: 1, Process: func(context.Context, *blocks.Block) (flow.Output, error) {
		return flow.Output{}, flow.Permanent(errors.New("not this time"))
	}})
	h.publish(0, 0)
	rec := h.Await(t, h.run.Run)
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Contains(t, rec.Reason, "block 0:[0,10)")
	require.Contains(t, rec.Reason, "not this time")
	require.Contains(t, rec.Reason, "not deterministic")
}

// halfSettled is a run of one block, which its stage "wide" halves; the second half is
// lost, the first one committed, and a writer waits.
func halfSettled(t *testing.T) *hand {
	t.Helper()
	h := byHand(t, options{spans: 1, external: "wide", block: 64})
	h.publish(0, 0)
	p := h.start(flow.Map("wide", keep))
	js, edge := h.Server.JetStream(t), "levada-blocks-"+string(h.run.Run)+"-wide"
	require.Eventually(t, func() bool {
		s, err := js.Stream(t.Context(), edge)
		return err == nil && s.CachedInfo().State.Msgs == 2
	}, stack.Limit, 5*time.Millisecond)
	require.NoError(t, p.Drain())
	require.NoError(t, stream(t, js, edge).DeleteMsg(t.Context(), 2))
	h.writer()
	h.wait("half of a span", func(s *ledger.State) bool { return s.Progress().Covered == spanRows/2 })
	return h
}

func stream(t *testing.T, js jetstream.JetStream, name string) jetstream.Stream {
	t.Helper()
	s, err := js.Stream(t.Context(), name)
	require.NoError(t, err)
	return s
}

// Edge 2 is lost; the task is read again; edge 1 still remembers the ids of its
// blocks. The requeue's epoch makes new ones.
func TestRule12Epoch_WindowDoesNotSwallowWhatIsOwed(t *testing.T) {
	h := byHand(t, options{spans: 3, external: "same", requeue: 300 * time.Millisecond})
	same := flow.Map("same", keep)
	h.start(same, reader.New(reader.Config{}))
	js := h.Server.JetStream(t)
	edge := "levada-blocks-" + string(h.run.Run) + "-same"
	h.wait("read", (*ledger.State).AllExtents) // by the reader, asked by the reconciler
	require.Eventually(t, func() bool {
		s, err := js.Stream(t.Context(), edge)
		return err == nil && s.CachedInfo().State.Msgs > 0
	}, stack.Limit, 5*time.Millisecond)
	require.NoError(t, js.DeleteStream(t.Context(), edge))
	h.writer()
	h.exact()
}

// The edge has room for the holds and not for the next block: only time makes the
// writer cut. Without a finite max_age nobody would ever move.
func TestRule14Maxage_FullEdgeDoesNotDeadlock(t *testing.T) {
	in := stack.Customers(t, 60_000, 2, 8192)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	// An edge far smaller than target_file, and of a size that blocks do not divide.
	run := s.Submit(t, copySpec(in, out, "    target_file: 512MiB\n", ""), func(r *flow.Record) {
		for i := range r.Edges {
			r.Edges[i].MaxBytes = 700 << 10
		}
	})
	s.Start(t, stack.All()...)
	s.Start(t, writer.New(writer.Config{}))
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	stack.Clean(t, out, run)
	require.Len(t, stack.Rows(t, out), 60_000)
}

// A process whose fold stands on an entry that a power loss took, and that another has
// replaced, notices by the hash: the sequence number is the same.
func TestRule05Chain_ReaderNoticesAReplacedEntry(t *testing.T) {
	h := byHand(t, options{tasks: 3, spans: 1})
	h.extent(0)
	slow, err := h.Connect(t).Attach(t.Context(), h.run.Run)
	require.NoError(t, err)
	h.Server.LosePower(t, "levada-ledger-"+string(h.run.Run), 1)
	h.wait("the extent is gone", func(s *ledger.State) bool { return s.Extents() == 0 })
	h.extent(1)
	h.extent(2)
	require.Eventually(t, func() bool { return slow.Ledger.Sync(t.Context()) == nil }, stack.Limit, 5*time.Millisecond)
	slow.Ledger.View(func(s *ledger.State) {
		_, zero := s.Extent(0)
		_, one := s.Extent(1)
		require.False(t, zero, "an entry that is no more")
		require.True(t, one, "the entry that took its place")
	})
}

// Nothing else makes a writer cut here: the task is not read to its end, the file is
// small, the edge is empty.
func TestRule14Maxage_TimeAloneMakesACut(t *testing.T) {
	h := byHand(t, options{spans: 2})
	h.publish(0, 0)
	h.writer()
	h.committed(1)
	h.publish(0, 1)
	h.extent(0)
	h.exact()
}

// Forty partitions on one small edge end well, too.
func TestRule14Maxage_FortyPartitionsOnASmallEdge(t *testing.T) {
	in := stack.Customers(t, 40_000, 2, 8192)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	run := s.Submit(t, copySpec(in, out, "    target_file: 512MiB\n    partition_by: [country]\n", ""), func(r *flow.Record) {
		for i := range r.Edges {
			r.Edges[i].MaxBytes = 1 << 20
		}
	})
	s.Start(t, stack.All()...)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	stack.Clean(t, out, run)
	require.Len(t, stack.Rows(t, out), 40_000)
}

// A rejection by sequence says nothing about the entry: everybody's entry stands in
// the end, however many append at once.
func TestRule15Conflicts_EveryEntryIsOfferedAgain(t *testing.T) {
	h := byHand(t, options{tasks: 40, spans: 1})
	runs := make([]*flow.Run, h.tasks) // all stand on the same entry
	for task := range runs {
		var err error
		runs[task], err = h.Connect(t).Attach(t.Context(), h.run.Run)
		require.NoError(t, err)
	}
	var wg sync.WaitGroup
	for task, run := range runs {
		wg.Go(func() {
			o, err := run.Ledger.Append(t.Context(), flow.NewNonce(), func(s *ledger.State) *ledger.Entry {
				return &ledger.Entry{Kind: ledger.KindExtent, Extent: &ledger.Extent{Plan: s.PlanID(), Task: uint32(task), Rows: spanRows}}
			})
			if err != nil || o != flow.OutcomeStands {
				t.Errorf("task %d: %v, %v", task, o, err)
			}
		})
	}
	wg.Wait()
	require.NoError(t, h.run.Ledger.Sync(t.Context()))
	require.True(t, flow.Look(h.run.Ledger, (*ledger.State).AllExtents))
}

// A filter that keeps little puts thousands of spans into one file; the entry that
// names them stays small, because the writer cuts in time.
func TestRule16EntrySize_WriterCutsBeforeTheCap(t *testing.T) {
	h := byHand(t, options{tasks: 1, spans: 4000, policies: "", sink: "    target_file: 512MiB"})
	for i := 0; i < h.spans; i += 2 { // every second one, so that neighbours cannot merge
		h.publish(0, i)
	}
	w := h.writer()
	h.committed(h.spans / 2)
	for i := 1; i < h.spans; i += 2 {
		h.publish(0, i)
	}
	h.extent(0)
	h.exact()
	require.NoError(t, w.Drain())
	s := stream(t, h.Server.JetStream(t), "levada-ledger-"+string(h.run.Run))
	for seq := uint64(1); seq <= s.CachedInfo().State.LastSeq; seq++ {
		msg, err := s.GetMsg(t.Context(), seq)
		require.NoError(t, err)
		require.Less(t, len(msg.Data), ledger.EntryCap)
	}
}

// A file that is replaced while the run is on its way is another file: the run fails
// and names it.
func TestRule17Determinism_ReplacedFileFailsTheRun(t *testing.T) {
	in := stack.Customers(t, 10_000, 2, 2048)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	h := &hand{Stack: s, t: t}
	g := h.stopAt(fault.PlannerPlanAppendAfter)
	run := s.Submit(t, copySpec(in, out, "", ""), nil)
	h.start(stack.All()...)
	g.await(t)
	// As many rows in as many row groups: only the footer tells the files apart.
	other := t.TempDir()
	_, err := generate.Customers(t.Context(), generate.Options{Rows: 10_000, Files: 2, RowsPerGroup: 2048, Seed: 8, Dir: other}, nil)
	require.NoError(t, err)
	name := "customers-0001.parquet"
	require.NoError(t, os.Rename(filepath.Join(other, name), filepath.Join(filepath.Dir(in), name)))
	g.release()
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Contains(t, rec.Reason, name)
	require.Contains(t, rec.Reason, "changed")
}

// Blocks of another plan are dropped, whatever their span says.
func TestRule17Determinism_ForeignBlocksAreDropped(t *testing.T) {
	h := byHand(t, options{spans: 1})
	foreign := h.block(0, 0, flow.NewNonce())
	foreign.Plan = "0123456789abcdef"
	require.NoError(t, h.pub.PublishBlock(t.Context(), h.run.Run, foreign, nil))
	foreign.Release()
	h.writer()
	require.Eventually(t, func() bool {
		d, err := h.conn.Depth(t.Context(), h.run.Run, flow.SourceStage)
		return err == nil && d.Blocks == 0
	}, stack.Limit, 5*time.Millisecond)
	h.wait("nothing covered", func(s *ledger.State) bool { return s.Progress().Covered == 0 })
	h.all()
	h.exact()
}

// A ledger that is deleted after the end fits expected sequence 0: the planner looks at
// the run's record, which stays for ever.
func TestRule19LateWriters_DeletedLedgerOfAnEndedRun(t *testing.T) {
	h := byHand(t, options{spans: 1})
	h.all()
	h.writer()
	h.exact()
	js := h.Server.JetStream(t)
	require.NoError(t, js.DeleteStream(t.Context(), "levada-ledger-"+string(h.run.Run)))
	rec, err := h.conn.Lookup(t.Context(), h.run.Run)
	require.NoError(t, err)
	// Somebody resumes it by hand: the tasks come back, the tombstone stays.
	require.NoError(t, h.conn.Submit(t.Context(), *rec))
	again, err := h.conn.Lookup(t.Context(), h.run.Run)
	require.NoError(t, err)
	require.Equal(t, flow.StatusDone, again.Status, "the end of a run stays")
	h.start(stack.All()...)
	h.exact()
}

// A late reveal fails after the sweep, because its temporary file is gone.
func TestRule19LateWriters_RevealAfterTheSweepFails(t *testing.T) {
	stack.Places(t, func(t *testing.T, out func() string) {
		t.Helper()
		h := byHand(t, options{spans: 1, out: out()})
		g := h.stopAt(fault.WriterCommitAppendBefore)
		h.publish(0, 0)
		slow := h.writer()
		g.await(t)
		output, err := sink.Open(t.Context(), h.out, string(h.run.Run), storage.S3Options{})
		require.NoError(t, err)
		b := stack.Bucket(t, h.out)
		staged, err := b.ListStaged(t.Context(), string(h.run.Run))
		require.NoError(t, err)
		require.Len(t, staged, 1)
		slow.Conn.Close()
		h.publish(0, 0)
		h.extent(0)
		h.writer()
		h.exact()
		name := staged[0].Name
		err = output.Reveal(t.Context(), ledger.File{Name: name, Staged: staged[0].Token})
		require.ErrorIs(t, err, sink.ErrLost)
		g.release()
		h.exact()
	})
}

// A writer that sees another directory under the sink's name keeps its hands off, and
// the run goes on without it.
func TestRule20WhoCanFinish_WriterOfAnotherHostIsRefused(t *testing.T) {
	h := byHand(t, options{spans: 2})
	elsewhere := h.out + "-of-another-host"
	require.NoError(t, os.Rename(h.out, elsewhere)) // the path now means something else here
	h.publish(0, 0)
	h.writer()
	sub, err := h.conn.NATS().SubscribeSync(flow.StatsSubject(h.run.Run, flow.SinkStage, "*"))
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), stack.Limit)
	defer cancel()
	for {
		msg, err := sub.NextMsgWithContext(ctx)
		require.NoError(t, err)
		if bytes.Contains(msg.Data, []byte(`"refused"`)) {
			break
		}
	}
	require.NoError(t, os.RemoveAll(h.out))
	require.NoError(t, os.Rename(elsewhere, h.out)) // and here is the right host
	h.publish(0, 1)
	h.extent(0)
	h.writer()
	h.exact()
}

// A second run on the same output is refused as long as the first may write there.
func TestRule21OneOutput_SecondRunIsRefused(t *testing.T) {
	h := byHand(t, options{spans: 1})
	in := stack.Customers(t, 100, 1, 100)
	h.alone()
	h.start(stack.All()...) // the first run is alive: its extents are missing
	second := h.Submit(t, copySpec(in, h.out, "    mode: append\n", ""), nil)
	rec := h.Await(t, second)
	require.Equal(t, flow.StatusFailed, rec.Status)
	require.Contains(t, rec.Reason, string(h.run.Run))
	h.all()
	h.exact()
	third := h.Submit(t, copySpec(in, h.out, "    mode: append\n", ""), nil)
	rec = h.Await(t, third)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
}

// Two processes that find the same work undone: one requeue stands, and the rows are
// there once.
func TestRule22TwoResumers_OneEpoch(t *testing.T) {
	h := byHand(t, options{tasks: 4, spans: 5, requeue: 200 * time.Millisecond})
	for range 3 {
		h.start(reader.New(reader.Config{}), transform.New(transform.Config{}), writer.New(writer.Config{}))
	}
	h.exact()
}

// Clocks decide only when to try: a temporary file that looks decades old is not
// cleaned up inside the run.
func TestRule23Clocks_OldTemporariesStay(t *testing.T) {
	h := byHand(t, options{spans: 2, policies: "  visibility: run"})
	h.publish(0, 0)
	h.writer()
	h.committed(1)
	b := stack.Bucket(t, h.out)
	staged, err := b.ListStaged(t.Context(), string(h.run.Run))
	require.NoError(t, err)
	require.Len(t, staged, 1)
	old := time.Unix(0, 0)
	require.NoError(t, os.Chtimes(filepath.Join(h.out, "_levada", "tmp", staged[0].Token+".tmp"), old, old))
	h.publish(0, 1)
	h.extent(0)
	h.exact()
}

// The ledger's stream refuses what it has no room for, keeps everything for ever, and
// says by name that it is full; enlarged, the run goes on.
func TestRule25LedgerStream_FullIsAnErrorWithAName(t *testing.T) {
	h := byHand(t, options{tasks: 2, spans: 1})
	js := h.Server.JetStream(t)
	s := stream(t, js, "levada-ledger-"+string(h.run.Run))
	cfg := s.CachedInfo().Config
	require.Equal(t, jetstream.DiscardNew, cfg.Discard)
	require.Zero(t, cfg.MaxAge)
	require.Equal(t, int64(-1), cfg.MaxMsgs)
	require.True(t, cfg.DenyPurge)
	require.True(t, cfg.DenyDelete)
	was := cfg.MaxBytes
	cfg.MaxBytes = int64(s.CachedInfo().State.Bytes) + 16
	_, err := js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	_, err = h.run.Ledger.Append(t.Context(), flow.NewNonce(), func(s *ledger.State) *ledger.Entry {
		return &ledger.Entry{Kind: ledger.KindExtent, Extent: &ledger.Extent{Plan: s.PlanID(), Task: 0, Rows: spanRows}}
	})
	require.ErrorIs(t, err, flow.ErrLedgerFull)
	cfg.MaxBytes = was
	_, err = js.UpdateStream(t.Context(), cfg)
	require.NoError(t, err)
	h.all()
	h.writer()
	h.exact()
}

// A committed file vanishes before it is visible: its spans are owed again, and the run
// goes on to the right answer.
func TestRule26Lost_CommittedFileIsReadAgain(t *testing.T) {
	stack.Places(t, func(t *testing.T, out func() string) {
		t.Helper()
		h := byHand(t, options{out: out(), tasks: 2, spans: 2, policies: "  visibility: run", requeue: 300 * time.Millisecond})
		h.publish(0, 0)
		h.publish(0, 1)
		h.extent(0)
		h.writer()
		h.committed(2)
		b := stack.Bucket(t, h.out)
		staged, err := b.ListStaged(t.Context(), string(h.run.Run))
		require.NoError(t, err)
		require.NotEmpty(t, staged)
		require.NoError(t, b.DropStaged(t.Context(), staged[0].Token))
		h.publish(1, 0)
		h.publish(1, 1)
		h.extent(1)
		h.start(reader.New(reader.Config{}))
		h.exact()
		require.NoError(t, h.run.Ledger.Sync(t.Context()))
	})
}

// A ledger stream that somebody deletes in mid-run is made again; everything is owed
// anew, what was visible and is unknown now is swept, and the answer is exact.
func TestRule09Manifest_DeletedLedgerStartsOver(t *testing.T) {
	in := stack.Customers(t, 30_000, 3, 4096)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	h := &hand{Stack: s, t: t}
	g := h.stopAt(fault.WriterAckBefore)
	run := s.Submit(t, copySpec(in, out, "", ""), nil)
	h.start(stack.All()...)
	g.await(t) // a commit stands, a file is visible
	require.NoError(t, s.Server.JetStream(t).DeleteStream(t.Context(), "levada-ledger-"+string(run)))
	g.release()
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	stack.Clean(t, out, run)
	require.Len(t, stack.Rows(t, out), 30_000)
}

// A store too small for the edges says so, with the numbers, and leaves nothing behind.
func TestStoreTooSmallSaysSo(t *testing.T) {
	s := stack.New(t, natstest.StoreLimit(1<<30))
	rec := stack.Record(t, copySpec("nowhere/*.parquet", t.TempDir(), "", ""))
	for i := range rec.Edges {
		rec.Edges[i].MaxBytes = 4 << 30
	}
	err := s.Connect(t).Submit(t.Context(), rec)
	var small *flow.StoreError
	require.ErrorAs(t, err, &small)
	require.Contains(t, err.Error(), "4096 MiB")
}

// A killed server may bring acked blocks back that nobody is given any more: below the
// floor of their consumer. They are no work on its way: what is owed is queued again, and
// the room that they take is freed.
func TestRule13Extent_AckedBlocksThatCameBackAreNoWork(t *testing.T) {
	h := byHand(t, options{tasks: 1, spans: 2, requeue: 200 * time.Millisecond})
	edge := "levada-blocks-" + string(h.run.Run) + "-source"
	in, err := h.run.Input(flow.SinkStage, nil)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { in.Serve(ctx, ctx) }) // makes the consumer
	h.alone()
	js := h.Server.JetStream(t)
	require.Eventually(t, func() bool {
		_, err := js.Consumer(t.Context(), edge, "to-sink")
		return err == nil
	}, stack.Limit, time.Millisecond)
	cancel()
	wg.Wait()
	h.publish(0, 0)
	h.publish(0, 1)
	answer, err := js.Conn().Request("$JS.API.CONSUMER.RESET."+edge+".to-sink", []byte(`{"seq":3}`), stack.Limit)
	require.NoError(t, err)
	require.NotContains(t, string(answer.Data), "error")
	s, err := js.Stream(t.Context(), edge)
	require.NoError(t, err)
	require.EqualValues(t, 2, s.CachedInfo().State.Msgs)

	h.start(reader.New(reader.Config{}), writer.New(writer.Config{}))
	rec := h.Await(t, h.run.Run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	stack.Clean(t, h.out, h.run.Run)
}
