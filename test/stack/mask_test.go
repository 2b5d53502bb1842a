package stack_test

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// Every row arrives with its e-mail hashed and its phone number starred. A dead letter
// holds its rows as they came into the stage that failed: raw where that is the stage
// that masks, masked in all stages after it.
func TestMaskedFromEndToEnd(t *testing.T) {
	const rows, early, late = 5000, 1234, 2345
	in := stack.Customers(t, rows, 2, 1000)
	out := filepath.Join(t.TempDir(), "out")
	s := stack.New(t)
	s.Start(t, stack.All()...)
	run := s.Submit(t, fmt.Sprintf(`apiVersion: levada/v1
name: mask
source: { parquet: { uri: %q, columns: [id, visits, email, phone] } }
stages:
  - name: protect
    transform:
      - mask: { column: email, method: sha256 }
      - mask: { column: phone, method: keep_last, n: 4 }
      - with: { x: "visits %% (id - %d)" }
  - name: later
    transform:
      - with: { x: "visits %% (id - %d)" }
      - drop: [x]
sink: { parquet: { uri: %q } }
policies: { max_dead_rows: 2, max_age: 300ms }
`, in, early, late, out), nil)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	require.Equal(t, int64(2), stack.Clean(t, out, run).Books.Dead)

	raw, masked := map[string][2]string{}, map[string][2]string{}
	for _, row := range stack.Rows(t, filepath.Dir(in)) {
		v := fields(row)
		email, phone := v["email"], v["phone"]
		raw[v["id"]] = [2]string{email, phone}
		masked[v["id"]] = [2]string{fmt.Sprintf("%x", sha256.Sum256([]byte(email))), strings.Repeat("*", len(phone)-4) + phone[len(phone)-4:]}
	}
	require.Len(t, raw, rows)
	got := map[string][2]string{}
	for _, row := range stack.Rows(t, out) {
		v := fields(row)
		require.NotContains(t, got, v["id"])
		got[v["id"]] = [2]string{v["email"], v["phone"]}
	}
	want := map[string][2]string{}
	for id, v := range masked {
		if !slices.Contains([]string{fmt.Sprint(early), fmt.Sprint(late)}, id) {
			want[id] = v
		}
	}
	require.Equal(t, want, got)

	require.Equal(t, raw[fmt.Sprint(early)], letter(t, s, run, "protect"))
	require.Equal(t, masked[fmt.Sprint(late)], letter(t, s, run, "later"))
}

// fields takes the text of a row of [stack.Rows] apart.
func fields(row string) map[string]string {
	values := map[string]string{}
	for _, f := range strings.Split(row, "|")[1:] {
		name, value, _ := strings.Cut(f, "=")
		values[name] = value
	}
	return values
}

// letter returns e-mail and phone number of the only row in the dead letters of a stage.
func letter(t *testing.T, s *stack.Stack, run flow.RunID, stage string) [2]string {
	t.Helper()
	js, err := jetstream.New(s.Connect(t).NATS())
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), "levada-dead-"+string(run))
	require.NoError(t, err)
	msg, err := stream.GetLastMsgForSubject(t.Context(), flow.DeadSubject(run, stage))
	require.NoError(t, err)
	b, err := blocks.Decode(msg.Header, msg.Data, blocks.DecodeOptions{})
	require.NoError(t, err)
	defer b.Release()
	require.Equal(t, int64(1), b.Batch.NumRows())
	value := func(name string) string {
		return strings.Clone(b.Batch.Column(b.Batch.Schema().FieldIndices(name)[0]).ValueStr(0))
	}
	return [2]string{value("email"), value("phone")}
}
