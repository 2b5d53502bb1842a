package main

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/natstest"
	"github.com/levada-data/levada/internal/storage/storagetest"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// Uploads that a writer left behind which slept through the end of its run are aborted;
// those of a run that is on its way stay.
func TestGarbageOfSinks(t *testing.T) {
	stack.Places(t, func(t *testing.T, out func() string) {
		t.Helper()
		s := stack.New(t, natstest.Listen())
		p := s.Start(t, stack.All()...)
		in := stack.Customers(t, 1000, 1, 1000)
		spec := func(out string) string {
			return "apiVersion: levada/v1\nname: gc\nsource: { parquet: { uri: \"" + in + "\" } }\nsink: { parquet: { uri: \"" + out + "\" } }\n"
		}
		done := out()
		ended := s.Submit(t, spec(done), nil)
		require.Equal(t, flow.StatusDone, s.Await(t, ended).Status)
		require.NoError(t, p.Drain())
		alive := out()
		active := s.Submit(t, spec(alive), nil) // nobody serves it
		for _, left := range []struct {
			out string
			run flow.RunID
		}{{done, ended}, {alive, active}} {
			storagetest.Stage(t, stack.Bucket(t, left.out), string(left.run), "part-"+string(left.run)+"-0123456789abcdef.parquet", []byte("late"))
		}
		var stdout bytes.Buffer
		require.NoError(t, run(t.Context(), []string{"gc", "--nats", s.Server.URL(), "--older-than", "0s"}, func(string) string { return "" }, &stdout, t.Output()))
		require.Contains(t, stdout.String(), string(ended))
		require.NotContains(t, stdout.String(), string(active))
		files, err := stack.Bucket(t, done).ListStaged(t.Context(), string(ended))
		require.NoError(t, err)
		require.Empty(t, files)
		files, err = stack.Bucket(t, alive).ListStaged(t.Context(), string(active))
		require.NoError(t, err)
		require.Len(t, files, 1)
		require.Len(t, stack.Rows(t, done), 1000, "what is visible stays")
		rec, err := s.Connect(t).Lookup(t.Context(), ended)
		require.NoError(t, err)
		require.Equal(t, flow.StatusDone, rec.Status)
		require.ErrorIs(t, s.Connect(t).Collect(t.Context(), active), flow.ErrRunActive)
	})
}
