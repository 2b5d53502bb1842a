package rules

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/test/stack"
)

var update = flag.Bool("update", false, "add the golden run if it is missing; one that is there is never changed")

// goldenRun is a run that a levada of the first formats has left half done: its record,
// its streams with what is in them, and its sink, beside this file in a directory. The
// sink's place stands as OUT.
type goldenRun struct {
	Run     flow.RunID      `json:"run"`
	Rows    int             `json:"rows"`
	Record  json.RawMessage `json:"record"`
	Streams []goldenStream  `json:"streams"`
}

type goldenStream struct {
	Config   jetstream.StreamConfig `json:"config"`
	Messages []goldenMessage        `json:"messages"`
}

type goldenMessage struct {
	Subject string      `json:"subject"`
	Header  nats.Header `json:"header,omitempty"`
	Data    []byte      `json:"data"`
}

// The whole of an older build's work, taken over by today's processes: the plan and what
// is covered by its ledger, the files that its writer has staged and committed, the
// blocks and the task that were on their way. Every row is in the output, once.
func TestVersion_RunOfTheFirstFormatsIsFinished(t *testing.T) {
	dir := filepath.Join("testdata", "golden", "run-v1")
	if _, err := os.Stat(dir); *update && os.IsNotExist(err) {
		halfDone(t, dir)
	}
	data, err := os.ReadFile(filepath.Join(dir, "run.json"))
	require.NoError(t, err)
	h := &hand{Stack: stack.New(t), t: t, out: filepath.Join(t.TempDir(), "out"), tasks: 1, spans: 1}
	var golden goldenRun
	require.NoError(t, json.Unmarshal([]byte(strings.ReplaceAll(string(data), "OUT", h.out)), &golden))
	require.NoError(t, os.CopyFS(h.out, os.DirFS(filepath.Join(dir, "sink"))))

	js := h.Server.JetStream(t)
	for _, s := range golden.Streams {
		_, err := js.CreateStream(t.Context(), s.Config)
		require.NoError(t, err)
		for _, m := range s.Messages {
			_, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: m.Subject, Header: m.Header, Data: m.Data})
			require.NoError(t, err)
		}
	}
	h.conn = h.Connect(t)
	_, err = h.conn.Records(t.Context()) // makes the bucket
	require.NoError(t, err)
	kv, err := js.KeyValue(t.Context(), "levada-runs")
	require.NoError(t, err)
	_, err = kv.Put(t.Context(), string(golden.Run), golden.Record)
	require.NoError(t, err)
	h.run, err = h.conn.Attach(t.Context(), golden.Run)
	require.NoError(t, err)
	require.EqualValues(t, 2*spanRows, flow.Look(h.run.Ledger, (*ledger.State).Progress).Covered, "by the old writer's commit")

	h.start(read(), flow.Map("same", keep), write())
	rec := h.Await(t, golden.Run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, h.out, golden.Run)
	require.EqualValues(t, golden.Rows, m.Books.Written)
	h.requireIDs(golden.Rows)
}

// halfDone runs such a run half, and writes down what it leaves.
func halfDone(t *testing.T, dir string) {
	t.Helper()
	h := byHand(t, options{tasks: 2, spans: 3, external: "same", edge: 1 << 20, policies: "  visibility: run"})
	h.drainTasks()
	h.publish(0, 0)
	h.publish(0, 1)
	stage, w := h.start(flow.Map("same", keep)), h.writer()
	h.committed(2)
	require.NoError(t, w.Drain())
	h.publish(0, 2)
	h.extent(0)
	require.Eventually(t, func() bool { // through the stage, not through the writer
		d, err := h.conn.Depth(t.Context(), h.run.Run, "same")
		return err == nil && d.Blocks == 1
	}, stack.Limit, 5*time.Millisecond)
	require.NoError(t, stage.Drain())
	js := h.Server.JetStream(t)
	_, err := js.Publish(t.Context(), flow.TasksSubject(h.run.Run), fmt.Appendf(nil, `{"kind":"read","task":1,"epoch":%q}`, h.run.PlanHash()))
	require.NoError(t, err)

	kv, err := js.KeyValue(t.Context(), "levada-runs")
	require.NoError(t, err)
	rec, err := kv.Get(t.Context(), string(h.run.Run))
	require.NoError(t, err)
	golden := goldenRun{Run: h.run.Run, Rows: 6 * spanRows, Record: rec.Value()}
	for _, name := range []string{"levada-ledger-", "levada-tasks-", "levada-blocks-", "levada-dead-"} {
		names := js.StreamNames(t.Context())
		for n := range names.Name() {
			if !strings.HasPrefix(n, name+string(h.run.Run)) {
				continue
			}
			s := stream(t, js, n)
			info := s.CachedInfo()
			g := goldenStream{Config: info.Config, Messages: []goldenMessage{}}
			for seq := info.State.FirstSeq; seq <= info.State.LastSeq; seq++ {
				if msg, err := s.GetMsg(t.Context(), seq); err == nil { // else it has been settled
					g.Messages = append(g.Messages, goldenMessage{msg.Subject, msg.Header, msg.Data})
				}
			}
			golden.Streams = append(golden.Streams, g)
		}
		require.NoError(t, names.Err())
	}
	data, err := json.MarshalIndent(golden, "", "  ")
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.CopyFS(filepath.Join(dir, "sink"), os.DirFS(h.out)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run.json"), []byte(strings.ReplaceAll(string(data), h.out, "OUT")+"\n"), 0o600))
}
