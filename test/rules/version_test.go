package rules

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// Processes of two versions share a server while it is upgraded. What the newer ones
// write, the older ones here must leave as it is: not settled, not failed, not written
// over; they say so by name, and go on with all other runs.

// leaves waits until a process has said that it leaves the run, and why, and checks that
// it goes on: with the roles that it lacks it takes another run to its end.
func (h *hand) leaves(heard *log, p *stack.Process, why string, others ...flow.Role) {
	h.t.Helper()
	said := func() (lines []string) {
		for _, line := range heard.all() {
			if strings.Contains(line, "run left to newer processes") && strings.Contains(line, string(h.run.Run)) {
				lines = append(lines, line)
			}
		}
		return lines
	}
	require.Eventually(h.t, func() bool { return len(said()) > 0 }, stack.Limit, 5*time.Millisecond, "nobody says that the run is left")
	require.Contains(h.t, said()[0], why)
	require.Contains(h.t, said()[0], "newer one", "what to do")

	stages := ""
	if len(h.run.Edges) > 1 {
		stages = "stages: [{ name: " + h.run.Edges[1].Stage + ", external: { columns: { id: int64 } } }]\n"
	}
	out := filepath.Join(h.t.TempDir(), "other")
	other := h.Submit(h.t, fmt.Sprintf("apiVersion: levada/v1\nname: other\nsource: { range: { rows: 30 } }\n%ssink: { parquet: { uri: %q } }\npolicies: { max_age: 100ms }\n", stages, out), nil)
	if len(others) > 0 {
		helper := h.Start(h.t, others...)
		defer func() { require.NoError(h.t, helper.Drain()) }()
	}
	rec := h.Await(h.t, other)
	require.Equal(h.t, flow.StatusDone, rec.Status, rec.Reason)
	require.NoError(h.t, p.Drain(), "it serves until it is asked to stop")
	for _, line := range heard.all() {
		require.NotContains(h.t, line, "run fails")
	}
	mine, err := h.conn.Lookup(h.t.Context(), h.run.Run)
	if err == nil { // else it is the record that is newer
		require.Equal(h.t, flow.StatusActive, mine.Status)
	}
}

// A block of a newer format is not acked, not dropped, not buried: the next one who asks
// gets it as it was, and a writer that knows it takes the run to its end.
func TestVersion_NewerBlockIsGivenBack(t *testing.T) {
	for name, c := range map[string]struct {
		external string
		role     func() flow.Role
		consumer string
		others   []flow.Role
	}{
		"Writer": {"", func() flow.Role { return writer.New(writer.Config{Lanes: 2}) }, "to-sink", []flow.Role{read()}},
		"Stage":  {"same", func() flow.Role { return flow.Map("same", keep) }, "to-same", []flow.Role{read(), write()}},
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, options{spans: 3, external: c.external})
			heard := h.listen()
			h.drainTasks()
			h.publish(0, 0)
			js := h.Server.JetStream(t)
			h.publishNewer(js, 1)
			p := h.start(c.role())
			h.leaves(heard, p, `header Levada-Version is "2", this build reads "1"`, c.others...)

			edge := stream(t, js, "levada-blocks-"+string(h.run.Run)+"-source")
			consumer, err := edge.Consumer(t.Context(), c.consumer)
			require.NoError(t, err)
			msg := h.newest(consumer)
			require.Equal(t, "of another form", string(msg.Data()), "as it was")
			dead := stream(t, js, "levada-dead-"+string(h.run.Run))
			require.Zero(t, dead.CachedInfo().State.Msgs)

			// The one who knows it: here the test, which says the same in the old format.
			h.publish(0, 1)
			require.NoError(t, msg.DoubleAck(t.Context()))
			h.publish(0, 2)
			h.extent(0)
			if c.external != "" {
				h.start(c.role())
			}
			h.writer()
			h.exact()
		})
	}
}

// publishNewer stores span i of task 0 as a levada of format 2 would.
func (h *hand) publishNewer(js jetstream.JetStream, i int64) {
	h.t.Helper()
	b := h.block(0, int(i), flow.NewNonce())
	defer b.Release()
	wire, err := blocks.Encode(b)
	require.NoError(h.t, err)
	msg := &nats.Msg{Subject: flow.BlocksSubject(h.run.Run, flow.SourceStage), Header: nats.Header(wire.Header), Data: []byte("of another form")}
	msg.Header.Set(blocks.HeaderVersion, "2")
	_, err = js.PublishMsg(h.t.Context(), msg)
	require.NoError(h.t, err)
}

// newest takes messages until one is of another version, and gives back the others.
func (h *hand) newest(consumer jetstream.Consumer) jetstream.Msg {
	h.t.Helper()
	for deadline := time.Now().Add(stack.Limit); time.Now().Before(deadline); {
		batch, err := consumer.Fetch(1, jetstream.FetchMaxWait(time.Second))
		require.NoError(h.t, err)
		for msg := range batch.Messages() {
			if msg.Headers().Get(blocks.HeaderVersion) != blocks.Version {
				return msg
			}
			require.NoError(h.t, msg.NakWithDelay(time.Second))
		}
	}
	require.FailNow(h.t, "the newer block is gone")
	return nil
}

// An entry of a newer format: nobody acts on a ledger that he cannot read. What is held
// is given back, nothing is appended behind the entry.
func TestVersion_NewerEntryStopsTheRunHere(t *testing.T) {
	h := byHand(t, options{spans: 2, external: "same", policies: "  block_bytes: 256KiB"})
	heard := h.listen()
	h.drainTasks()
	h.publish(0, 0)
	js := h.Server.JetStream(t)
	p := h.start(flow.Map("same", keep), write(), read())
	h.committed(1)
	// Served and at work: now somebody newer appends.
	h.append(js, `"commit"`, `"commit":{"covers":[1,2,3]}`)
	h.publish(0, 1)
	h.leaves(heard, p, "entry of version 2, this build knows 1")
	s := stream(t, js, "levada-ledger-"+string(h.run.Run))
	last, err := s.GetLastMsgForSubject(t.Context(), flow.LedgerSubject(h.run.Run))
	require.NoError(t, err)
	require.Contains(t, string(last.Data), `{"v":2,`, "nothing is appended behind it")
	left := uint64(0)
	for _, stage := range []string{"source", "same"} {
		left += stream(t, js, "levada-blocks-"+string(h.run.Run)+"-"+stage).CachedInfo().State.Msgs
	}
	require.EqualValues(t, 1, left, "the second span waits in one of the edges")
	// Who comes later does not even begin.
	h.Log = slog.New(slog.DiscardHandler)
	_, err = h.conn.Attach(t.Context(), h.run.Run)
	require.ErrorIs(t, err, ledger.ErrVersion)
	require.True(t, flow.IsLeave(err))
}

// append stores a ledger entry of version 2 on the ledger's present end.
func (h *hand) append(js jetstream.JetStream, kind, payload string) {
	h.t.Helper()
	s := stream(h.t, js, "levada-ledger-"+string(h.run.Run))
	for {
		last, err := s.GetLastMsgForSubject(h.t.Context(), flow.LedgerSubject(h.run.Run))
		require.NoError(h.t, err)
		data := fmt.Appendf(nil, `{"v":2,"kind":%s,"id":"newer","prev":%q,"at":"2026-01-02T03:04:05Z","by":"newer",%s}`, kind, ledger.HashOf(last.Data), payload)
		_, err = js.Publish(h.t.Context(), flow.LedgerSubject(h.run.Run), data, jetstream.WithExpectLastSequence(last.Sequence))
		if err == nil {
			return
		}
		require.ErrorContains(h.t, err, "wrong last sequence")
	}
}

// A run whose record is newer is not joined and not written over.
func TestVersion_NewerRecordIsLeftAlone(t *testing.T) {
	h := byHand(t, options{spans: 1})
	heard := h.listen()
	h.drainTasks()
	h.all()
	js := h.Server.JetStream(t)
	kv, err := js.KeyValue(t.Context(), "levada-runs")
	require.NoError(t, err)
	newer := []byte(`{"v":2,"run":"` + string(h.run.Run) + `","edges":{"source":{"bytes":"1MiB"}},"status":{"active":true}}`)
	revision, err := kv.Put(t.Context(), string(h.run.Run), newer)
	require.NoError(t, err)
	p := h.start(write(), read())
	h.leaves(heard, p, "decode run record: unknown version: 2, this levada knows 1")
	entry, err := kv.Get(t.Context(), string(h.run.Run))
	require.NoError(t, err)
	require.Equal(t, revision, entry.Revision())
	require.Equal(t, newer, entry.Value())
	require.Equal(t, 1, h.entries(ledger.KindPlan)+h.entries(ledger.KindCommit)+h.entries(ledger.KindSeal), "nothing but its plan")
}

// The spec is of a version that the submitter knew and the services do not: they must
// not fail the run for what they cannot read.
func TestVersion_NewerSpecIsLeftAlone(t *testing.T) {
	s := stack.New(t)
	h := &hand{Stack: s, t: t}
	heard := h.listen()
	rec := stack.Record(t, fmt.Sprintf("apiVersion: levada/v1\nname: newer\nsource: { range: { rows: 10 } }\nsink: { parquet: { uri: %q } }\n", t.TempDir()))
	rec.Spec = "apiVersion: levada/v2\nname: newer\nfrom: [{ stream: x }]\n"
	h.conn = s.Connect(t)
	require.NoError(t, h.conn.Submit(t.Context(), rec))
	h.run = &flow.Run{Record: rec}
	p := h.start(read())
	h.leaves(heard, p, `version "levada/v2" is not known (this levada reads levada/v1`, write())
	tasks := stream(t, h.Server.JetStream(t), "levada-tasks-"+string(rec.Run))
	require.EqualValues(t, 1, tasks.CachedInfo().State.Msgs, "the plan task waits for a reader that knows more")
}

// A task of a kind that only newer readers know stays in the queue.
func TestVersion_NewerTaskIsGivenBack(t *testing.T) {
	h := byHand(t, options{spans: 1})
	heard := h.listen()
	h.drainTasks()
	js := h.Server.JetStream(t)
	_, err := js.Publish(t.Context(), flow.TasksSubject(h.run.Run), []byte(`{"kind":"join","left":1}`))
	require.NoError(t, err)
	p := h.start(read())
	h.leaves(heard, p, `decode task: unknown version: kind "join"`, write())
	tasks := stream(t, js, "levada-tasks-"+string(h.run.Run))
	require.EqualValues(t, 1, tasks.CachedInfo().State.Msgs)
}

func read() flow.Role  { return reader.New(reader.Config{}) }
func write() flow.Role { return writer.New(writer.Config{}) }

// drainTasks takes away the plan task that Submit has queued: the test is the reader.
func (h *hand) drainTasks() {
	h.t.Helper()
	s := stream(h.t, h.Server.JetStream(h.t), "levada-tasks-"+string(h.run.Run))
	require.NoError(h.t, s.Purge(h.t.Context()))
}

// A lock or a manifest of a newer levada in the sink: the run is its business.
func TestVersion_NewerStatementInTheSinkIsLeftAlone(t *testing.T) {
	for name, c := range map[string]struct {
		file func(h *hand) string
		why  string
	}{
		"Lock":     {func(*hand) string { return "lock/000002.json" }, "000002.json is unreadable: unknown version: 2, this levada knows 1"},
		"Manifest": {func(h *hand) string { return "manifest-" + string(h.run.Run) + ".json" }, "unknown version: 2, this levada knows 1"},
	} {
		t.Run(name, func(t *testing.T) {
			h := byHand(t, options{spans: 1})
			heard := h.listen()
			h.drainTasks()
			h.all()
			path := filepath.Join(h.out, "_levada", c.file(h))
			newer := []byte(`{"version":2,"of":"another form"}`)
			require.NoError(t, os.WriteFile(path, newer, 0o600))
			p := h.start(write())
			h.leaves(heard, p, c.why, read())
			data, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, newer, data)
			require.Zero(t, h.entries(ledger.KindSeal)+h.entries(ledger.KindCancel), "neither ended nor failed")
		})
	}
}

// A planner that finds a newer lock in the sink does not fail the run either: it may be
// its own run's, taken by a newer reader that died.
func TestVersion_NewerLockBeforeThePlan(t *testing.T) {
	s := stack.New(t)
	h := &hand{Stack: s, t: t, out: t.TempDir()}
	heard := h.listen()
	lock := filepath.Join(h.out, "_levada", "lock")
	require.NoError(t, os.MkdirAll(lock, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(lock, "000001.json"), []byte(`{"version":2}`), 0o600))
	rec := stack.Record(t, fmt.Sprintf("apiVersion: levada/v1\nname: locked\nsource: { range: { rows: 10 } }\nsink: { parquet: { uri: %q } }\n", h.out))
	h.conn = s.Connect(t)
	require.NoError(t, h.conn.Submit(t.Context(), rec))
	h.run = &flow.Run{Record: rec}
	p := h.start(read())
	h.leaves(heard, p, "000001.json is unreadable: unknown version: 2, this levada knows 1", write())
}

// Who is alone with a run has nobody to leave it to: his service ends, by name.
func TestVersion_AloneThereIsNobodyToLeaveItTo(t *testing.T) {
	h := byHand(t, options{spans: 1})
	h.publishNewer(h.Server.JetStream(t), 0)
	conn, err := flow.Connect(t.Context(), h.Server.Dial, flow.Config{AckWait: time.Second, Timeout: time.Second, Alone: true}, nil)
	require.NoError(t, err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), stack.Limit)
	defer cancel()
	err = conn.Serve(ctx, ctx, write())
	require.ErrorIs(t, err, blocks.ErrVersion)
	require.NoError(t, ctx.Err(), "at once")
	edge := stream(t, h.Server.JetStream(t), "levada-blocks-"+string(h.run.Run)+"-source")
	require.EqualValues(t, 1, edge.CachedInfo().State.Msgs)
}

// A record that a newer levada ended while this one was still at it.
func TestVersion_NewerEndIsNotWrittenOver(t *testing.T) {
	h := byHand(t, options{spans: 1})
	g := h.stopAt(fault.KeeperEndBefore)
	h.all()
	p := h.writer()
	g.await(t)
	kv, err := h.Server.JetStream(t).KeyValue(t.Context(), "levada-runs")
	require.NoError(t, err)
	newer := []byte(`{"v":2,"ended":true}`)
	_, err = kv.Put(t.Context(), string(h.run.Run), newer)
	require.NoError(t, err)
	g.release()
	h.wait("end", func(s *ledger.State) bool { return s.Status() == ledger.Ended })
	require.NoError(t, p.Drain())
	entry, err := kv.Get(t.Context(), string(h.run.Run))
	require.NoError(t, err)
	require.Equal(t, newer, entry.Value())
	h.requireIDs(spanRows)
}

// log keeps what processes say.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// listen makes the processes that are started from now on heard.
func (h *hand) listen() *log {
	l := &log{}
	h.Log = slog.New(slog.NewTextHandler(l, nil))
	return l
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.ReplaceAll(l.buf.String(), `\"`, `"`), "\n")
}
