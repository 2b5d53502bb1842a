package stack_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/generate"
	"github.com/levada-data/levada/internal/s3test"
	"github.com/levada-data/levada/internal/sink"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/test/stack"
)

// upload puts a table of customers into a bucket, and returns its glob.
func upload(t *testing.T, srv *s3test.Server, rows int64, files int, rowsPerGroup int64) string {
	t.Helper()
	_, err := generate.Customers(t.Context(), generate.Options{
		Rows: rows, Files: files, RowsPerGroup: rowsPerGroup, Seed: 7, Dir: filepath.Join(srv.Dir, s3test.Bucket, "in"), // a directory is a prefix
	}, nil)
	require.NoError(t, err)
	return srv.URI("in/*.parquet")
}

// A job from bucket to bucket gives the rows that it gives from directory to directory.
func TestS3RunsFromBucketToBucket(t *testing.T) {
	srv := s3test.New(t)
	s := stack.New(t)
	s.Start(t, stack.All()...)
	local := filepath.Join(t.TempDir(), "out")
	rec := s.Await(t, s.Submit(t, spec(stack.Customers(t, 30_000, 3, 4096), local, "", ""), nil))
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	want := stack.Digest(stack.Rows(t, local))

	in := upload(t, srv, 30_000, 3, 4096)
	for name, c := range map[string]struct{ sink, policies string }{
		"Plain":     {},
		"AtTheEnd":  {policies: "  visibility: run\n"},
		"Overwrite": {sink: "    mode: overwrite\n"},
		"ManyFiles": {sink: "    target_file: 64KiB\n"},
	} {
		t.Run(name, func(t *testing.T) {
			out := srv.URI("out/" + strings.ToLower(name))
			if name == "Overwrite" { // something to replace
				rec := s.Await(t, s.Submit(t, spec(in, out, "", ""), nil))
				require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
			}
			run := s.Submit(t, spec(in, out, c.sink, c.policies), nil)
			rec := s.Await(t, run)
			require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
			require.Equal(t, want, stack.Digest(stack.Rows(t, out)))
			m := stack.Clean(t, out, run)
			require.Equal(t, sink.StatusDone, m.Status)
		})
	}
}

// While the store throttles, fails and forgets to answer, a run takes longer, and ends
// with the right rows.
func TestS3RunUnderFaults(t *testing.T) {
	srv := s3test.New(t)
	in := upload(t, srv, 20_000, 2, 4096)
	p := s3test.NewProxy(t, srv)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(3, 4))
	counts := map[s3test.Fault]int{}
	p.Judge(func(*http.Request) s3test.Fault {
		mu.Lock()
		defer mu.Unlock()
		if rng.IntN(10) > 0 {
			return s3test.Pass
		}
		fault := []s3test.Fault{s3test.Failed, s3test.Reset, s3test.Lost, s3test.Broken}[rng.IntN(4)]
		counts[fault]++
		return fault
	})
	s := stack.New(t)
	s.Start(t, stack.All()...)
	out := srv.URI("out")
	run := s.Submit(t, spec(in, out, "    target_file: 64KiB\n", ""), nil)
	rec := s.Await(t, run)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	p.Judge(nil)
	m := stack.Clean(t, out, run)
	require.EqualValues(t, 20_000, m.Books.Source)
	require.Len(t, stack.Rows(t, out), int(m.Books.Written))
	t.Log(counts)
	require.NotEmpty(t, counts)
}

// What nobody can mend by trying again fails the run, and says what to do.
func TestS3RunsThatCannotWork(t *testing.T) {
	srv := s3test.New(t)
	in := upload(t, srv, 1000, 1, 1000)
	s := stack.New(t)
	s.Start(t, stack.All()...)
	for name, c := range map[string]struct{ in, out, want string }{
		"NoSource": {srv.URI("nothing/*.parquet"), srv.URI("a"), "matches no file"},
		"NoBucket": {in, "s3://another/b", "create the bucket another"},
	} {
		t.Run(name, func(t *testing.T) {
			rec := s.Await(t, s.Submit(t, spec(c.in, c.out, "", ""), nil))
			require.Equal(t, flow.StatusFailed, rec.Status)
			require.Contains(t, rec.Reason, c.want)
		})
	}
	t.Run("NotEmpty", func(t *testing.T) {
		out := srv.URI("full")
		rec := s.Await(t, s.Submit(t, spec(in, out, "", ""), nil))
		require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
		rec = s.Await(t, s.Submit(t, spec(in, out, "", ""), nil))
		require.Equal(t, flow.StatusFailed, rec.Status)
		require.Contains(t, rec.Reason, fmt.Sprintf("%s is not empty", out))
	})
}
