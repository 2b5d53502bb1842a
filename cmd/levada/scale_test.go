package main

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/suggest"
	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// slowStage takes long for each block, until it is told to hurry.
func slowStage(hurry <-chan struct{}) *flow.Stage {
	return &flow.Stage{Stage: "slow", Workers: 1, Process: func(ctx context.Context, in *blocks.Block) (flow.Output, error) {
		timer := time.NewTimer(20 * time.Millisecond)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-hurry:
		case <-ctx.Done():
			return flow.Output{}, context.Cause(ctx)
		}
		in.Batch.Retain()
		return flow.Output{Batch: in.Batch}, nil
	}}
}

// scaled returns what 'levada scale --suggest' says.
func scaled(t *testing.T, url string, id flow.RunID, flags ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args := append([]string{"scale", "--suggest", string(id), "--nats", url, "--for", "1s"}, flags...)
	require.NoError(t, run(t.Context(), args, func(string) string { return "" }, &stdout, &stderr), stderr.String())
	return stdout.Bytes()
}

// suggestion is scaled, as JSON.
func suggestion(t *testing.T, url string, id flow.RunID) suggest.Suggestion {
	t.Helper()
	var s suggest.Suggestion
	require.NoError(t, json.Unmarshal(scaled(t, url, id, "--json"), &s))
	return s
}

// A real run in which one stage is slow: the suggestion names it, with its figures.
func TestScaleSuggestsMoreOfTheSlowStage(t *testing.T) {
	s := stack.New(t, natstest.Listen())
	out := filepath.Join(t.TempDir(), "out")
	id := s.Submit(t, `apiVersion: levada/v1
name: scale
source: { range: { rows: 200_000 } }
stages: [{ name: slow, external: { columns: { id: int64 } } }]
sink: { parquet: { uri: "`+out+`" } }
`, func(rec *flow.Record) { rec.BlockBytes = 1 << 10 })
	missing := suggestion(t, s.Server.URL(), id)
	require.Equal(t, suggest.VerdictMissing, missing.Verdict, missing.Text)
	require.Equal(t, "source", missing.Bottleneck)

	hurry := make(chan struct{})
	s.Start(t, reader.New(reader.Config{Tasks: 1}), writer.New(writer.Config{}))
	s.Start(t, slowStage(hurry))
	s.Start(t, slowStage(hurry))
	board, err := s.Connect(t).Watch(id)
	require.NoError(t, err)
	defer board.Close()
	require.Eventually(t, func() bool {
		passed := int64(0)
		for _, r := range board.All() {
			if r.Stage == "slow" {
				passed += r.BlocksOut
			}
		}
		return board.Live("slow") == 2 && passed > 10
	}, stack.Limit, 10*time.Millisecond)

	got := suggestion(t, s.Server.URL(), id)
	require.Equal(t, suggest.VerdictScale, got.Verdict, got.Text)
	require.Equal(t, "slow", got.Bottleneck)
	require.Equal(t, 2, got.Instances)
	require.Greater(t, got.Suggested, 2)
	require.Greater(t, got.Expected, got.Pace)
	require.Regexp(t, `^slow is the bottleneck: its input holds [\d,]+ blocks \(\d+% of the edge\), each block takes \d+ ms, 2 instances work \d+ % of the time; \d+ instances would `, got.Text)
	text := string(scaled(t, s.Server.URL(), id))
	require.Contains(t, text, "slow is the bottleneck")
	require.Contains(t, text, "processes of your own that serve slow")
	require.Regexp(t, `slow +2 +2 +\d+\.\d +\S+ms +\d+%`, text)

	close(hurry)
	rec := s.Await(t, id)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	over := suggestion(t, s.Server.URL(), id)
	require.Equal(t, suggest.VerdictOver, over.Verdict)
	require.Equal(t, "slow", over.Bottleneck)
	require.Empty(t, over.Do)
}
