package stack_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/generate"
	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// touched is a job of which only the touched columns travel.
func touched(uri, out, operators, sink string) string {
	return fmt.Sprintf("apiVersion: levada/v1\nname: late\nsource: { parquet: { uri: %q } }\nstages: [{ name: refine, transform: [%s] }]\nsink:\n  parquet:\n    uri: %q\n%spolicies: { carry: touched, max_age: 1s }\n",
		uri, operators, out, sink)
}

// waits submits a job and lets a reader read all of it, while there is no writer.
func waits(t *testing.T, s *stack.Stack, text string) flow.RunID {
	t.Helper()
	id := s.Submit(t, text, nil)
	s.Start(t, reader.New(reader.Config{Tasks: 2}), transform.New(transform.Config{Workers: 2}))
	run, err := s.Connect(t).Attach(t.Context(), id)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		return run.Ledger.Sync(t.Context()) == nil && flow.Look(run.Ledger, (*ledger.State).AllExtents)
	}, stack.Limit, 10*time.Millisecond)
	require.True(t, flow.Look(run.Ledger, func(s *ledger.State) bool { return s.Plan().Late }), "nothing is carried")
	return id
}

// The chunks of a row group that goes on as a whole are copied with one request when they
// lie side by side, and with two around one that is made anew.
func TestS3LateReadsAreFewRequests(t *testing.T) {
	srv := s3test.New(t)
	const groups = 6
	in := upload(t, srv, 60_000, 2, 10_000)
	p := s3test.NewProxy(t, srv)
	for name, c := range map[string]struct {
		operators string
		each      int // requests for a row group
	}{
		"AllSideBySide": {`{ with: { eur: "amount * 0.92" } }`, 1},
		"OneLeftOut":    {`{ drop: [amount] }`, 2},
		"OneReplaced":   {`{ with: { amount: "amount / 3" } }`, 2},
		"Nothing":       {`{ rename: { email: mail } }`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := stack.New(t)
			out := srv.URI("out/" + strings.ToLower(name))
			run := waits(t, s, touched(in, out, c.operators, ""))
			p.Seen()
			s.Start(t, writer.New(writer.Config{}))
			rec := s.Await(t, run)
			require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
			seen, _ := p.Seen()
			require.Len(t, stack.Rows(t, out), 60_000)
			stack.Clean(t, out, run)
			var gets []string
			for _, r := range seen {
				if strings.HasPrefix(r, "GET /data/in/customers") {
					gets = append(gets, r)
				}
			}
			require.Len(t, gets, 2+groups*c.each, "one to open each file: %s", strings.Join(gets, "\n"))
		})
	}
}

// From bucket to bucket over a store that fails now and then, whole row groups and those of
// which rows are dropped: every row, and as from directory to directory.
func TestS3LateUnderFaults(t *testing.T) {
	srv := s3test.New(t)
	in := upload(t, srv, 60_000, 2, 10_000)
	dir := filepath.Join(srv.Dir, s3test.Bucket, "in", "*.parquet")
	p := s3test.NewProxy(t, srv)
	for name, operators := range map[string]string{
		"Whole":    `{ with: { eur: "amount * 0.92" } }, { drop: [phone] }`,
		"Filtered": `{ filter: "amount > 20.0" }, { with: { amount: "amount / 3" } }`,
	} {
		t.Run(name, func(t *testing.T) {
			s := stack.New(t)
			s.Start(t, stack.All()...)
			local := filepath.Join(t.TempDir(), "out")
			text := strings.Replace(touched(dir, local, operators, ""), "carry: touched", "carry: all", 1)
			rec := s.Await(t, s.Submit(t, text, nil))
			require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)

			var mu sync.Mutex
			rng := rand.New(rand.NewPCG(5, 6))
			faults := 0
			p.Judge(func(r *http.Request) s3test.Fault {
				mu.Lock()
				defer mu.Unlock()
				if rng.IntN(10) > 0 {
					return s3test.Pass
				}
				faults++
				return []s3test.Fault{s3test.Failed, s3test.Reset, s3test.Lost, s3test.Broken}[rng.IntN(4)]
			})
			defer p.Judge(nil)
			out := srv.URI("out/" + strings.ToLower(name))
			run := s.Submit(t, touched(in, out, operators, "    target_file: 256KiB\n"), nil)
			rec = s.Await(t, run)
			require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
			p.Judge(nil)
			stack.Clean(t, out, run)
			require.Equal(t, stack.Digest(stack.Rows(t, local)), stack.Digest(stack.Rows(t, out)))
			require.Positive(t, faults)
		})
	}
}

// A file of the source that is gone, or is another one, when the writer comes to take
// columns from it fails the run, which names it; so does an object that is replaced between
// two reads. Nobody dies of it.
func TestLateSourceThatChanges(t *testing.T) {
	table := func(t *testing.T, dir string, seed uint64) {
		t.Helper()
		_, err := generate.Customers(t.Context(), generate.Options{Rows: 40_000, Files: 2, RowsPerGroup: 10_000, Seed: seed, Dir: dir}, nil)
		require.NoError(t, err)
	}
	const second = "customers-0001.parquet"
	replaced := func(t *testing.T) []byte {
		t.Helper()
		dir := t.TempDir()
		table(t, dir, 8)
		data, err := os.ReadFile(filepath.Join(dir, second))
		require.NoError(t, err)
		return data
	}
	fails := func(t *testing.T, s *stack.Stack, run flow.RunID, out, reason string) {
		t.Helper()
		p := s.Start(t, writer.New(writer.Config{}))
		rec := s.Await(t, run)
		require.Equal(t, flow.StatusFailed, rec.Status)
		require.Contains(t, rec.Reason, second)
		require.Contains(t, rec.Reason, reason)
		require.NotContains(t, rec.Reason, "write to the sink")
		require.NoError(t, p.Drain())
		stack.Clean(t, out, run)
	}
	const whole, filtered = `{ with: { eur: "amount * 0.92" } }`, `{ filter: "amount > 20.0" }`

	for name, change := range map[string]func(t *testing.T, path string){
		"gone": func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Remove(path)) },
		"changed": func(t *testing.T, path string) {
			t.Helper()
			require.NoError(t, os.WriteFile(path, replaced(t), 0o644))
		},
		"truncated": func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Truncate(path, 1000)) },
		"empty":     func(t *testing.T, path string) { t.Helper(); require.NoError(t, os.Truncate(path, 0)) },
	} {
		reasons := map[string]string{"gone": "no such file", "changed": "changed", "truncated": "truncated", "empty": "0 bytes"}
		for kind, operators := range map[string]string{"whole": whole, "filtered": filtered} {
			t.Run("Directory/"+name+"/"+kind, func(t *testing.T) {
				dir, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
				table(t, dir, 7)
				s := stack.New(t)
				run := waits(t, s, touched(filepath.Join(dir, "*.parquet"), out, operators, "    mode: overwrite\n"))
				change(t, filepath.Join(dir, second))
				fails(t, s, run, out, reasons[name])
				require.Empty(t, stack.Visible(t, out))
			})
		}
	}

	srv := s3test.New(t)
	p := s3test.NewProxy(t, srv)
	for name, operators := range map[string]string{"whole": whole, "filtered": filtered} {
		// put puts the table into a bucket, with the tags that the store gives.
		put := func(t *testing.T) (uri string, swap func(ctx context.Context, data []byte) error) {
			t.Helper()
			uri = srv.URI("in-" + strings.ReplaceAll(strings.ToLower(t.Name()), "/", "-"))
			b := stack.Bucket(t, uri)
			dir := t.TempDir()
			table(t, dir, 7)
			for _, name := range []string{"customers-0000.parquet", second} {
				data, err := os.ReadFile(filepath.Join(dir, name))
				require.NoError(t, err)
				require.NoError(t, b.Put(t.Context(), name, data))
			}
			return uri, func(ctx context.Context, data []byte) error {
				if err := b.Delete(ctx, second); err != nil || data == nil {
					return err
				}
				return b.Put(ctx, second, data)
			}
		}
		t.Run("S3/gone/"+name, func(t *testing.T) {
			in, swap := put(t)
			s, out := stack.New(t), srv.URI("out-gone-"+name)
			run := waits(t, s, touched(in+"/*.parquet", out, operators, "    mode: overwrite\n"))
			require.NoError(t, swap(t.Context(), nil))
			fails(t, s, run, out, "does not exist")
			require.Empty(t, stack.Visible(t, out))
		})
		t.Run("S3/changed/"+name, func(t *testing.T) {
			in, swap := put(t)
			s, out := stack.New(t), srv.URI("out-changed-"+name)
			run := waits(t, s, touched(in+"/*.parquet", out, operators, "    mode: overwrite\n"))
			require.NoError(t, swap(t.Context(), replaced(t)))
			fails(t, s, run, out, "changed")
		})
		t.Run("S3/changed between two reads/"+name, func(t *testing.T) {
			in, swap := put(t)
			s, out := stack.New(t), srv.URI("out-between-"+name)
			run := waits(t, s, touched(in+"/*.parquet", out, operators, "    mode: overwrite\n"))
			// One with the same rows, and the footer that was planned: only its tag tells.
			data, err := os.ReadFile(filepath.Join(srv.Dir, s3test.Bucket, strings.TrimPrefix(in, srv.URI("")), second))
			require.NoError(t, err)
			data = slices.Clone(data)
			data[len(data)/3] ^= 1
			var once sync.Once
			p.Judge(func(r *http.Request) s3test.Fault {
				if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, second) && !strings.HasPrefix(r.Header.Get("Range"), "bytes=-") {
					once.Do(func() {
						if err := swap(context.WithoutCancel(t.Context()), data); err != nil {
							t.Errorf("swap: %v", err)
						}
					})
				}
				return s3test.Pass
			})
			defer p.Judge(nil)
			fails(t, s, run, out, "changed")
		})
	}
}
