package stack_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/fault"
	"github.com/levada-data/levada/pkg/flow"
	"github.com/levada-data/levada/pkg/ledger"
	"github.com/levada-data/levada/services/reader"
	"github.com/levada-data/levada/services/transform"
	"github.com/levada-data/levada/services/writer"
	"github.com/levada-data/levada/test/stack"
)

// fuse makes every edge of a run one that has no stream.
func fuse(r *flow.Record) {
	r.BlockBytes = 64 << 10
	for i := range r.Edges {
		r.Edges[i] = flow.Edge{Stage: r.Edges[i].Stage, Fused: true}
	}
}

// failing is a role that fails, so many times, when the run has come further; it is served
// again each time.
type failing struct {
	flow.Role
	left   atomic.Int32
	failed atomic.Int32
}

func (f *failing) Serve(intake, work context.Context, run *flow.Run) error {
	if f.left.Add(-1) < 0 {
		return f.Role.Serve(intake, work, run)
	}
	before := covered(run)
	intake, stop := context.WithCancel(intake)
	defer stop()
	var watching sync.WaitGroup
	watching.Go(func() {
		_ = run.Ledger.Wait(intake, func(s *ledger.State) bool { return s.Progress().Covered > before })
		stop()
	})
	err := f.Role.Serve(intake, work, run)
	stop()
	watching.Wait()
	f.failed.Add(1)
	return errors.Join(err, errors.New("a fault that passes"))
}

func covered(run *flow.Run) (n int64) {
	run.Ledger.View(func(s *ledger.State) { n = s.Progress().Covered })
	return n
}

// A role that fails while blocks wait in the fused edges before and behind it is served
// again, and what it gave back is read again at once, not when somebody misses it.
func TestFusedRoleThatFailsIsServedAgain(t *testing.T) {
	in := stack.Customers(t, 60_000, 4, 3000)
	roles := map[string]func() flow.Role{
		"reader":    func() flow.Role { return reader.New(reader.Config{Tasks: 2}) },
		"transform": func() flow.Role { return transform.New(transform.Config{Workers: 2}) },
		"writer":    func() flow.Role { return writer.New(writer.Config{}) },
	}
	for name := range roles {
		t.Run(name, func(t *testing.T) {
			s := stack.New(t)
			out := filepath.Join(t.TempDir(), "out")
			run := s.Submit(t, spec(in, out, "    target_file: 64KiB\n", ""), func(r *flow.Record) {
				fuse(r)
				r.RequeueAfter = time.Hour // nobody asks for what is owed
			})
			f := &failing{}
			f.left.Store(3)
			var all []flow.Role
			for of, role := range roles {
				if of == name {
					f.Role = role()
					all = append(all, f)
				} else {
					all = append(all, role())
				}
			}
			s.Start(t, all...)
			rec := s.Await(t, run)
			require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
			m := stack.Clean(t, out, run)
			require.Len(t, stack.Rows(t, out), int(m.Books.Written))
			require.EqualValues(t, 60_000, m.Books.Source)
			require.Positive(t, f.failed.Load())
		})
	}
}

// A commit over a fused edge of which part is settled by somebody else does not stand: the
// rest is given back, and is read again at once.
func TestFusedCommitThatClashes(t *testing.T) {
	const rows, group = 6000, 1000
	in := stack.Customers(t, rows, 1, group)
	s := stack.New(t)
	out := filepath.Join(t.TempDir(), "out")
	id := s.Submit(t, spec(in, out, "", "  max_dead_rows: 6000\n"), func(r *flow.Record) {
		fuse(r)
		r.RequeueAfter = time.Hour
	})
	run, err := s.Connect(t).Attach(t.Context(), id)
	require.NoError(t, err)
	var once sync.Once
	fault.Set(t, fault.WriterCommitAppendBefore, func() {
		once.Do(func() {
			ctx := context.WithoutCancel(t.Context())
			if err := run.Ledger.Sync(ctx); err != nil {
				t.Errorf("sync: %v", err)
				return
			}
			err := run.Ledger.AppendUntil(ctx, func(st *ledger.State) *ledger.Entry {
				if st.DeadRows() > 0 {
					return nil
				}
				if !st.AllExtents() || st.Progress().Covered > 0 {
					t.Error("the commit that is made now is not of all rows")
				}
				dead := &ledger.Dead{Plan: st.PlanID(), Stage: "refine", Attempt: flow.NewNonce(), Reason: "somebody else said so", Dropped: map[string]int64{}}
				dead.Span.To = st.Plan().Tasks[0].BlockRows
				return &ledger.Entry{Kind: ledger.KindDead, Dead: dead}
			})
			if err != nil {
				t.Errorf("append: %v", err)
			}
		})
	})
	s.Start(t, stack.All()...)
	rec := s.Await(t, id)
	require.Equal(t, flow.StatusDone, rec.Status, rec.Reason)
	m := stack.Clean(t, out, id)
	require.Positive(t, m.Books.Dead)
	require.Less(t, m.Books.Dead, int64(rows))
	require.Len(t, stack.Rows(t, out), int(m.Books.Written))
	seen := map[string]bool{}
	for _, row := range stack.Rows(t, out) {
		require.False(t, seen[fields(row)["id"]], "a row is there twice")
		seen[fields(row)["id"]] = true
	}
}
