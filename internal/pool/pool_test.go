package pool_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/levada-data/levada/internal/pool"
)

const interval = 250 * time.Millisecond

// load is an interval in which busy of size workers worked all the time.
func load(size int, busy float64, waiting int) pool.Load {
	return pool.Load{Interval: interval, WaitedIn: time.Duration((float64(size) - busy) * float64(interval)), Waiting: waiting, Cores: 2}
}

// many repeats an interval.
func many(n int, l pool.Load) []pool.Load {
	all := make([]pool.Load, n)
	for i := range all {
		all[i] = l
	}
	return all
}

func join(parts ...[]pool.Load) []pool.Load {
	var all []pool.Load
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

func TestDecisions(t *testing.T) {
	full := load(2, 2, 37)
	full.Full = true
	crowded := load(2, 2, 37)
	crowded.CPU = 2 * interval
	unknown := load(2, 2, 37)
	unknown.Cores = 0
	stuck := load(8, 0, 100)
	stuck.Full = true
	for name, c := range map[string]struct {
		from  pool.State
		loads []pool.Load
		want  []pool.Decision
	}{
		"BusyWithBlocksWaitingGrows": {
			pool.State{Min: 1, Max: 8, Size: 2},
			many(2, load(2, 2, 37)),
			[]pool.Decision{{From: 2, To: 4, Reason: "37 blocks waited, output did not"}},
		},
		"OneBusyIntervalIsNoPressure": {pool.State{Min: 1, Max: 8, Size: 2}, join(many(1, load(2, 2, 37)), many(1, load(2, 1.5, 37)), many(1, load(2, 2, 37))), nil},
		"BusyWithNothingWaitingStays": {pool.State{Min: 1, Max: 8, Size: 2}, many(20, load(2, 2, 0)), nil},
		"AFullEdgeBehindItStays":      {pool.State{Min: 1, Max: 8, Size: 2}, many(20, full), nil},
		"CoresUsedUpStays":            {pool.State{Min: 1, Max: 8, Size: 2}, many(20, crowded), nil},
		"CoresNotKnownGrows": {
			pool.State{Min: 1, Max: 3, Size: 2},
			many(2, unknown),
			[]pool.Decision{{From: 2, To: 3, Reason: "37 blocks waited, output did not"}},
		},
		"NoMoreWorkersThanBlocks": {
			pool.State{Min: 1, Max: 8, Size: 4},
			many(2, load(4, 4, 1)),
			[]pool.Decision{{From: 4, To: 5, Reason: "1 block waited, output did not"}},
		},
		"DoublesUpToTheMost": {
			pool.State{Min: 1, Max: 5, Size: 1},
			join(many(2, load(1, 1, 9)), many(2, load(2, 2, 9)), many(2, load(4, 4, 9)), many(10, load(5, 5, 9))),
			[]pool.Decision{
				{From: 1, To: 2, Reason: "9 blocks waited, output did not"},
				{From: 2, To: 4, Reason: "9 blocks waited, output did not"},
				{From: 4, To: 5, Reason: "9 blocks waited, output did not"},
			},
		},
		"IdleShrinksToTheLeast": {
			pool.State{Min: 2, Max: 8, Size: 8},
			many(12, load(8, 0, 0)),
			[]pool.Decision{{From: 8, To: 2, Reason: "2 were enough"}},
		},
		"ShrinksToWhatTheBusiestIntervalNeeded": {
			pool.State{Min: 1, Max: 8, Size: 8},
			join(many(11, load(8, 1, 0)), many(1, load(8, 3, 0))),
			[]pool.Decision{{From: 8, To: 4, Reason: "4 were enough"}},
		},
		"OneBusyIntervalEndsIdleness":  {pool.State{Min: 1, Max: 8, Size: 8}, join(many(11, load(8, 1, 0)), many(1, load(8, 7, 0)), many(11, load(8, 1, 0))), nil},
		"WaitingForAFullEdgeIsNotIdle": {pool.State{Min: 1, Max: 8, Size: 8}, many(50, stuck), nil},
		"AFixedPoolStays":              {pool.State{Min: 4, Max: 4, Size: 4}, join(many(20, load(4, 4, 99)), many(20, load(4, 0, 0))), nil},
		"AnIntervalOfNothingIsNone":    {pool.State{Min: 1, Max: 4, Size: 1}, many(20, pool.Load{Waiting: 9}), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []pool.Decision
			s := c.from
			for _, l := range c.loads {
				var (
					d       pool.Decision
					changed bool
				)
				if s, d, changed = s.Next(l); changed {
					got = append(got, d)
					require.Equal(t, d.To, s.Size)
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}

// Whatever is measured, the size stays within its bounds, and every decision changes it.
func TestSizeStaysWithinItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		least := rapid.IntRange(1, 8).Draw(t, "min")
		s := pool.State{Min: least, Max: rapid.IntRange(least, 32).Draw(t, "max"), Size: least}
		for range rapid.IntRange(1, 60).Draw(t, "intervals") {
			before := s.Size
			next, d, changed := s.Next(pool.Load{
				Interval: interval, WaitedIn: time.Duration(rapid.Int64Range(-1e9, 1e10).Draw(t, "waited")),
				CPU: time.Duration(rapid.Int64Range(0, 1e10).Draw(t, "cpu")), Cores: rapid.IntRange(0, 4).Draw(t, "cores"),
				Waiting: rapid.IntRange(0, 50).Draw(t, "waiting"), Full: rapid.Bool().Draw(t, "full"),
			})
			s = next
			require.GreaterOrEqual(t, s.Size, s.Min)
			require.LessOrEqual(t, s.Size, s.Max)
			require.Equal(t, changed, s.Size != before)
			if changed {
				require.Equal(t, before, d.From)
				require.NotEmpty(t, d.Reason)
			}
		}
	})
}

// A steady load, whatever it is, leads to a size that stays: work for n workers, on a
// pool that starts anywhere.
func TestASteadyLoadLeadsToASizeThatStays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := pool.State{Min: 1, Max: 32, Size: rapid.IntRange(1, 32).Draw(t, "size")}
		work := rapid.Float64Range(0, 40).Draw(t, "work") // workers that it keeps busy
		step := func() bool {
			waiting := 0
			if work > float64(s.Size) {
				waiting = 100
			}
			var changed bool
			s, _, changed = s.Next(load(s.Size, min(work, float64(s.Size)), waiting))
			return changed
		}
		for range 100 {
			step()
		}
		for range 100 {
			require.False(t, step(), "size %d", s.Size)
		}
		require.GreaterOrEqual(t, float64(s.Size), min(work, 32), "too few")
	})
}
