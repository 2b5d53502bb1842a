package rules

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// W1 holds s; the reader crashes and publishes s again; W1 gets s and must not append
// it a second time.
func TestRule01Once_HeldCountsLikeCovered(t *testing.T) {
	h := byHand(t, options{spans: 2})
	h.publish(0, 0)
	h.publish(0, 0)
	h.publish(0, 1)
	h.publish(0, 0)
	h.extent(0)
	h.writer()
	h.exact()
}

// The commit is stored and its answer lost: the writer must find its own commit, and
// not take its spans for covered by somebody else.
func TestRule02Answer_StoredButUnanswered(t *testing.T) {
	h := byHand(t, options{spans: 2, server: []natstest.Option{natstest.Listen()}})
	proxy := natstest.NewProxy(t, h.Server.URL())
	lost := 0
	proxy.Filter(natstest.ToClient, func(f *natstest.Frame) natstest.Verdict {
		if f.Answers == flow.LedgerSubject(h.run.Run) && lost == 0 {
			lost++
			return natstest.Drop
		}
		return natstest.Pass
	})
	h.publish(0, 0)
	h.publish(0, 1)
	h.startOn(flow.DialURL(proxy.URL()), writer.New(writer.Config{}))
	h.committed(2)
	require.Eventually(t, func() bool { // the writer has made up its mind: its blocks are settled
		d, err := h.conn.Depth(t.Context(), h.run.Run, flow.SourceStage)
		return err == nil && d.Blocks == 0
	}, stack.Limit, 5*time.Millisecond)
	h.extent(0)
	m := h.exact()
	require.Equal(t, 1, lost)
	// The file of the unanswered commit is the one that counts: it was not dropped and
	// written again.
	h.wait("one commit", func(s *ledger.State) bool {
		n := 0
		for range s.Commits() {
			n++
		}
		return n == len(m.Files)
	})
	require.Zero(t, h.entries(ledger.KindLost), "a committed file was dropped")
}

// The commit has no answer because it is late: it arrives when the blocks have been
// given back and committed again. It must not count, and its file must not show.
func TestRule02Answer_LateRequest(t *testing.T) {
	h := byHand(t, options{spans: 1, server: []natstest.Option{natstest.Listen()}})
	proxy := natstest.NewProxy(t, h.Server.URL())
	held := 0
	proxy.Filter(natstest.ToServer, func(f *natstest.Frame) natstest.Verdict {
		if f.IsMessage() && f.Subject == flow.LedgerSubject(h.run.Run) && held == 0 {
			held++
			return natstest.Hold
		}
		return natstest.Pass
	})
	h.publish(0, 0)
	h.startOn(flow.DialURL(proxy.URL()), writer.New(writer.Config{}))
	proxy.AwaitHeld(t, 1, stack.Limit)
	h.committed(1) // by a second request for the same span
	proxy.ReleaseHeld()
	h.extent(0)
	h.exact()
}

// W1's commit is on its way at sequence n; a power loss cuts the ledger to n-1; W2
// commits the same span there; W1's request now fits by number. It is void.
func TestRule04Fold_LateCommitFitsByNumber(t *testing.T) {
	h := byHand(t, options{tasks: 2, spans: 1, server: []natstest.Option{natstest.Listen()}})
	h.extent(1) // the entry that the power loss takes
	proxy := natstest.NewProxy(t, h.Server.URL())
	proxy.Filter(natstest.ToServer, func(f *natstest.Frame) natstest.Verdict {
		if f.IsMessage() && f.Subject == flow.LedgerSubject(h.run.Run) {
			return natstest.Hold
		}
		return natstest.Pass
	})
	h.publish(0, 0)
	w1 := h.startOn(flow.DialURL(proxy.URL()), writer.New(writer.Config{}))
	proxy.AwaitHeld(t, 1, stack.Limit)
	w1.Kill() // what it sent still arrives
	h.Server.LosePower(t, "levada-ledger-"+string(h.run.Run), 1)
	h.publish(0, 0) // the reconciler's work
	h.writer()
	h.committed(1)
	proxy.ReleaseHeld()
	h.publish(1, 0)
	h.extent(0)
	h.extent(1)
	h.exact()
}

// A run is cancelled and ended while a writer holds a block; it wakes up and commits.
func TestRule06Cancel_LateCommitIsVoid(t *testing.T) {
	h := byHand(t, options{spans: 2})
	g := h.stopAt(fault.WriterCommitAppendBefore)
	h.publish(0, 0)
	h.writer()
	g.await(t)
	ok, err := h.conn.Cancel(t.Context(), h.run.Run, "by the test")
	require.NoError(t, err)
	require.True(t, ok)
	rec := h.Await(t, h.run.Run) // its keeper, or another's, ends the run
	require.Equal(t, flow.StatusCancelled, rec.Status)
	g.release()
	m := stack.Clean(t, h.out, h.run.Run)
	require.Equal(t, sink.StatusCancelled, m.Status)
	h.requireIDs(0)
}

// A cancel that comes after the entry that completes the run does not count.
func TestRule06Cancel_CompleteStaysComplete(t *testing.T) {
	h := byHand(t, options{spans: 1})
	g := h.stopAt(fault.KeeperManifestBefore)
	h.all()
	h.writer()
	g.await(t)
	ok, err := h.conn.Cancel(t.Context(), h.run.Run, "too late")
	require.NoError(t, err)
	require.False(t, ok)
	g.release()
	h.exact()
}

// The process that completed the coverage dies; another one ends the run. The
// completing entry may be a reader's extent.
func TestRule08Anyone_EndsTheRun(t *testing.T) {
	h := byHand(t, options{spans: 1})
	g := h.stopAt(fault.KeeperManifestBefore)
	h.publish(0, 0)
	w1 := h.writer()
	h.committed(1)
	h.extent(0)
	g.await(t)
	w1.Conn.Close() // it can do nothing more
	g.release()     // its goroutine must end too
	w1.Kill()
	h.writer()
	h.exact()
}

// A writer dies between its commit and the reveal; another process finishes its
// files.
func TestRule08Anyone_RevealsTheFilesOfADeadWriter(t *testing.T) {
	h := byHand(t, options{spans: 2})
	g := h.stopAt(fault.WriterRevealBefore)
	h.publish(0, 0)
	w1 := h.writer()
	g.await(t)
	h.committed(1)
	w1.Conn.Close() // it can neither reveal again nor ack
	h.writer()
	require.Eventually(t, func() bool { return len(stack.Visible(t, h.out)) == 1 }, stack.Limit, 10*time.Millisecond)
	g.release()
	w1.Kill()
	h.publish(0, 1)
	h.extent(0)
	h.exact()
}

// Files are revealed after the manifest; a power loss then takes the completing commit.
// The manifest outranks what is left of the ledger.
func TestRule09Manifest_OutranksTheLedger(t *testing.T) {
	h := byHand(t, options{spans: 1, policies: "  visibility: run"})
	g := h.stopAt(fault.WriterRevealAfter)
	h.extent(0)
	h.publish(0, 0)
	w1 := h.writer()
	g.await(t)      // manifest written, a file revealed
	w1.Conn.Close() // it cannot seal: the commit is the ledger's last entry
	g.release()
	w1.Kill()
	h.Server.LosePower(t, "levada-ledger-"+string(h.run.Run), 1) // the commit
	h.writer()
	h.exact()
}

// The run does not end before every file of the manifest is visible.
func TestRule10Visible_EndWaitsForTheLastFile(t *testing.T) {
	h := byHand(t, options{spans: 1, policies: "  visibility: run"})
	g := h.stopAt(fault.WriterRevealBefore)
	h.all()
	h.writer()
	g.await(t)
	h.wait("still running", func(s *ledger.State) bool { return s.Complete() && s.Status() == ledger.Running })
	require.Empty(t, stack.Visible(t, h.out))
	g.release()
	h.exact()
}

// A crashed writer's temporary files are gone when the run has ended.
func TestRule11Sweep_TemporariesOfTheDead(t *testing.T) {
	h := byHand(t, options{spans: 2})
	g := h.stopAt(fault.WriterCommitAppendBefore)
	h.publish(0, 0)
	w1 := h.writer()
	g.await(t)
	w1.Conn.Close() // files finished, and nobody will ever name them
	h.publish(0, 0)
	h.publish(0, 1)
	h.extent(0)
	h.writer()
	rec := h.Await(t, h.run.Run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	h.exact()
	g.release()
	w1.Kill()
	h.exact() // also after the dead one woke up
}

// A sweeper reads the seal and pauses; the ledger loses its end and gets another one;
// its end entry fits by number but belongs to another past.
func TestRule05Chain_EndOfAnotherPastIsVoid(t *testing.T) {
	h := byHand(t, options{spans: 1})
	g := h.stopAt(fault.KeeperEndBefore)
	h.all()
	w1 := h.writer()
	g.await(t)
	stream := "levada-ledger-" + string(h.run.Run)
	h.Server.LosePower(t, stream, 1) // the seal
	h.wait("sealed again", func(s *ledger.State) bool { return s.Status() >= ledger.Running })
	g.release()
	_ = w1
	h.exact()
}

// Coverage is complete, and a power loss takes the extent: the task is owed, nothing
// of it is published again, and the run ends.
func TestRule13Extent_LostExtentIsOwed(t *testing.T) {
	h := byHand(t, options{tasks: 2, spans: 1, requeue: 300 * time.Millisecond})
	h.publish(0, 0)
	w := h.writer()
	h.committed(1)
	require.NoError(t, w.Drain())
	h.extent(0)
	h.Server.LosePower(t, "levada-ledger-"+string(h.run.Run), 1)
	h.wait("extent lost", func(s *ledger.State) bool { return s.Extents() == 0 })
	h.start(reader.New(reader.Config{}), writer.New(writer.Config{}))
	h.exact()
}
