package suggest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/suggest"
	"github.com/levada-data/levada/pkg/flow"
)

const looked = 10 * time.Second

// stage measures n instances of w workers each that were done with so many blocks in ten
// seconds and worked for so long at each.
func stage(name string, n, w int, blocks int64, each time.Duration) suggest.Stage {
	return suggest.Stage{
		Name: name, Instances: n, Workers: n * w, Blocks: blocks, Capacity: time.Duration(n*w) * looked,
		Working: time.Duration(blocks) * each, CPU: time.Duration(blocks) * each,
	}
}

// holds gives a stage an input: of an edge of 1000 blocks, so many, of which nobody has
// taken some.
func holds(s suggest.Stage, blocks, waiting int64) suggest.Stage {
	s.Input = suggest.Queue{Blocks: blocks, Waiting: waiting, Bytes: blocks << 10, MaxBytes: 1000 << 10}
	return s
}

func tasks(s suggest.Stage, taken, waiting int64) suggest.Stage {
	s.Input = suggest.Queue{Blocks: taken + waiting, Waiting: waiting, Bytes: 100 * (taken + waiting), MaxBytes: 64 << 20}
	return s
}

func external(s suggest.Stage) suggest.Stage {
	s.External, s.CPU = true, s.CPU/100
	return s
}

func facts(stages ...suggest.Stage) suggest.Facts {
	return suggest.Facts{Run: "r", Pipeline: "p", Planned: true, Interval: looked, Stages: stages, Machines: []suggest.Machine{{Cores: 16, Used: 4}}}
}

func with(f suggest.Facts, change func(*suggest.Facts)) suggest.Facts {
	change(&f)
	return f
}

// ms is some milliseconds.
func ms(n float64) time.Duration { return time.Duration(n * float64(time.Millisecond)) }

func TestSuggestions(t *testing.T) {
	// A stage that does 390 blocks a second where the reader could send 780.
	slow := facts(
		tasks(stage("source", 1, 2, 3900, ms(2.564)), 2, 6),
		holds(stage("refine", 2, 1, 3900, ms(5.0)), 980, 940),
		holds(stage("sink", 1, 1, 3900, ms(0.5)), 40, 0))
	for name, c := range map[string]struct {
		facts      suggest.Facts
		verdict    suggest.Verdict
		bottleneck string
		suggested  int
		text       string
		do         string // part of one way; "" when there is none
	}{
		"Stage": {
			slow, suggest.VerdictScale, "refine", 4,
			"refine is the bottleneck: its input holds 980 blocks (98% of the edge), each block takes 5.0 ms, 2 instances work 98 % of the time; " +
				"4 instances would keep up with the reader's 780 blocks/s",
			"docker compose up -d --no-recreate --scale transform=4",
		},
		"StageOfTheUsersOwn": {
			with(slow, func(f *suggest.Facts) {
				f.Stages = []suggest.Stage{f.Stages[0], external(f.Stages[1]), f.Stages[2]}
			}), suggest.VerdictScale, "refine", 4,
			"refine is the bottleneck: its input holds 980 blocks (98% of the edge), each block takes 5.0 ms, 2 instances work 98 % of the time; " +
				"4 instances would keep up with the reader's 780 blocks/s",
			"start 2 more processes of your own that serve refine",
		},
		"OneProcessForAllRoles": {
			with(slow, func(f *suggest.Facts) { f.Local = true }), suggest.VerdictScale, "refine", 4,
			"refine is the bottleneck: its input holds 980 blocks (98% of the edge), each block takes 5.0 ms, 2 instances work 98 % of the time; " +
				"4 workers would keep up with the reader's 780 blocks/s",
			"levada resume r --workers 4",
		},
		"CoresLimitWhatMoreWouldBring": {
			with(slow, func(f *suggest.Facts) { f.Machines = []suggest.Machine{{Cores: 4, Used: 2.5}} }), suggest.VerdictScale, "refine", 3,
			"refine is the bottleneck: its input holds 980 blocks (98% of the edge), each block takes 5.0 ms, 2 instances work 98 % of the time; " +
				"3 instances would do about 562 blocks/s, and use up the cores",
			"kubectl scale deployment/transform --replicas 3",
		},
		"CoresUsedUp": {
			with(slow, func(f *suggest.Facts) {
				f.Machines = []suggest.Machine{{Cores: 2, Used: 1.9}, {Cores: 2, Used: 1.8}}
			}), suggest.VerdictCores, "refine", 0,
			"nothing to gain on these machines: 3.7 of 4 cores are in use; refine is the bottleneck: its input holds 980 blocks (98% of the edge), " +
				"each block takes 5.0 ms, 2 instances work 98 % of the time, and only more cores would widen it", "",
		},
		"CoresAlmostUsedUp": {
			with(slow, func(f *suggest.Facts) { f.Machines = []suggest.Machine{{Cores: 2, Used: 1.75}} }), suggest.VerdictEnough, "refine", 0,
			"nothing to gain: refine is the bottleneck: its input holds 980 blocks (98% of the edge), each block takes 5.0 ms, " +
				"2 instances work 98 % of the time, but 1.8 of 2 cores are in use", "",
		},
		"FarTooSlowIsApproachedInSteps": {
			with(facts(tasks(stage("source", 1, 2, 100, ms(0.1)), 2, 6), holds(stage("refine", 1, 1, 100, ms(100)), 900, 890), holds(stage("sink", 1, 1, 100, ms(1)), 3, 0)),
				func(f *suggest.Facts) { f.Machines = nil }),
			suggest.VerdictScale, "refine", 4,
			"refine is the bottleneck: its input holds 900 blocks (90% of the edge), each block takes 100 ms, 1 instance works 100 % of the time; " +
				"4 instances would do about 40 blocks/s; look again then", "levada transform & (3 more)",
		},
		"Sink": {
			facts(tasks(stage("source", 1, 2, 3000, ms(2)), 2, 6), holds(stage("refine", 2, 1, 3000, ms(1)), 950, 900), holds(stage("sink", 1, 1, 3000, ms(3.3)), 960, 600)),
			suggest.VerdictScale, "sink", 4,
			"the writer is the bottleneck: its input holds 600 blocks (60% of the edge), each block takes 3.3 ms, 1 writer works 99 % of the time; " +
				"4 writers would keep up with the reader's 1,000 blocks/s", "--scale writer=4",
		},
		"BlocksThatAWriterHoldsDoNotWait": {
			facts(tasks(stage("source", 1, 2, 3900, ms(5)), 2, 6), holds(stage("refine", 2, 1, 3900, ms(1)), 2, 0), holds(stage("sink", 1, 1, 3900, ms(1)), 990, 3)),
			suggest.VerdictScale, "source", 3,
			"the reader is the bottleneck: nothing piles up behind it, each block takes 5.0 ms, 1 reader works 98 % of the time; " +
				"3 readers would keep up with the writer's 1,000 blocks/s", "--scale reader=3",
		},
		"SourceWithEveryTaskTaken": {
			facts(tasks(stage("source", 2, 1, 3900, ms(5)), 2, 0), holds(stage("refine", 2, 1, 3900, ms(1)), 2, 0), holds(stage("sink", 1, 1, 3900, ms(1)), 9, 0)),
			suggest.VerdictEnough, "source", 0,
			"nothing to gain: the reader is the bottleneck: nothing piles up behind it, each block takes 5.0 ms, 2 readers work 98 % of the time, " +
				"and no task waits for another reader (a task is some row groups of a file)", "",
		},
		"StagesAsFastAsEachOther": {
			facts(tasks(stage("source", 1, 1, 1000, ms(9.5)), 1, 6), holds(stage("refine", 1, 1, 1000, ms(9.9)), 600, 500), holds(stage("sink", 1, 1, 1000, ms(1)), 9, 0)),
			suggest.VerdictEnough, "refine", 0,
			"nothing to gain: refine is the bottleneck: its input holds 600 blocks (60% of the edge), each block takes 9.9 ms, " +
				"1 instance works 99 % of the time, but the reader could do no more than 105 blocks/s either", "",
		},
		"AllReadAndTheRestPilesUp": {
			with(slow, func(f *suggest.Facts) {
				f.SourceDone = true
				f.Stages = []suggest.Stage{{Name: "source"}, f.Stages[1], f.Stages[2]}
			}), suggest.VerdictScale, "refine", 7,
			"refine is the bottleneck: its input holds 980 blocks (98% of the edge), each block takes 5.0 ms, 2 instances work 98 % of the time; " +
				"7 instances would do about 1,400 blocks/s, and use up the cores", "transform=7",
		},
		"StageThatWaitsForTheServer": {
			facts(tasks(stage("source", 1, 2, 3900, ms(1)), 2, 6), holds(stage("refine", 2, 1, 3900, ms(1)), 980, 940), holds(stage("sink", 1, 1, 3900, ms(1)), 9, 0)),
			suggest.VerdictServer, "refine", 0,
			"refine is the bottleneck: its input holds 980 blocks (98% of the edge), each block takes 1.0 ms, 2 instances work 20 % of the time: " +
				"it waits for the server to store its output, or for a store, and more instances would wait as well", "",
		},
		"NobodyServesAStage": {
			facts(tasks(stage("source", 1, 2, 50, ms(1)), 2, 6), holds(suggest.Stage{Name: "refine"}, 1000, 1000), stage("sink", 1, 1, 0, 0)),
			suggest.VerdictMissing, "refine", 1, "nobody serves refine: no process of it reports", "levada transform & (1 more)",
		},
		"NobodyReads": {
			with(facts(suggest.Stage{Name: "source"}, stage("sink", 1, 1, 0, 0)), func(f *suggest.Facts) { f.Planned = false }),
			suggest.VerdictMissing, "source", 1, "nobody serves the reader: no process of it reports", "levada reader & (1 more)",
		},
		"NoPlanYet": {
			with(slow, func(f *suggest.Facts) { f.Planned = false }), suggest.VerdictEarly, "", 0, "too early to say: the run has no plan yet", "",
		},
		"NothingHasPassed": {
			facts(tasks(stage("source", 1, 2, 0, 0), 2, 6), holds(stage("refine", 2, 1, 0, 0), 0, 0), holds(stage("sink", 1, 1, 0, 0), 0, 0)),
			suggest.VerdictEarly, "", 0, "too early to say: nothing has come through in 10.0s; look again, or for longer with --for", "",
		},
		"NoBlockFinished": {
			facts(tasks(stage("source", 1, 2, 400, ms(1)), 2, 6), holds(stage("refine", 1, 1, 0, 0), 900, 890), holds(stage("sink", 1, 1, 0, 0), 0, 0)),
			suggest.VerdictEarly, "refine", 0,
			"too early to say: refine is the bottleneck: its input holds 900 blocks (90% of the edge), 1 instance works 0 % of the time, " +
				"and has finished none in 10.0s; look for longer with --for", "",
		},
		"Over": {
			with(slow, func(f *suggest.Facts) { f.Over = true }), suggest.VerdictOver, "refine", 4,
			"the run is over, nothing is left to scale; of the whole of it: refine is the bottleneck: each block takes 5.0 ms, " +
				"2 instances worked 98 % of the time; 4 instances would keep up with the reader's 780 blocks/s", "",
		},
		"OverAtOnce": {
			with(slow, func(f *suggest.Facts) { f.Over, f.Interval = true, 100*time.Millisecond }), suggest.VerdictOver, "", 0,
			"the run is over, and was too short to learn from", "",
		},
		"OverBeforeItBegan": {
			with(facts(suggest.Stage{Name: "source"}, suggest.Stage{Name: "sink"}), func(f *suggest.Facts) { f.Over = true }), suggest.VerdictOver, "", 0,
			"the run is over, and was too short to learn from", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := suggest.Suggest(c.facts)
			require.Equal(t, c.text, s.Text)
			require.Equal(t, c.verdict, s.Verdict)
			require.Equal(t, c.bottleneck, s.Bottleneck)
			require.Equal(t, c.suggested, s.Suggested)
			require.Len(t, s.Stages, len(c.facts.Stages))
			if c.do == "" {
				require.Empty(t, s.Do)
				return
			}
			found := false
			for _, do := range s.Do {
				found = found || strings.Contains(do, c.do)
			}
			require.True(t, found, "%q is not in %q", c.do, s.Do)
		})
	}
}

// What waits instead of computing can do it in one process as well.
func TestStagesThatWaitMayHaveMoreWorkers(t *testing.T) {
	refine := holds(stage("refine", 2, 4, 3900, ms(20)), 980, 940)
	refine.CPU /= 10
	s := suggest.Suggest(facts(tasks(stage("source", 1, 2, 3900, ms(2.564)), 2, 6), refine, holds(stage("sink", 1, 1, 3900, ms(0.5)), 40, 0)))
	require.Equal(t, 4, s.Suggested)
	require.Contains(t, s.Do[len(s.Do)-1], "workers: { min: 4, max: 8 }")
}

func report(stage, instance string, at time.Duration, blocks int64, working time.Duration, p *flow.ProcessStats) flow.Stats {
	start := time.Unix(1_000_000, 0)
	return flow.Stats{
		Stage: stage, Instance: instance, Started: start, At: start.Add(at), BlocksIn: blocks, BlocksOut: blocks, Workers: 2, Working: working, Process: p,
	}
}

func process(machine, host string, pid int, cpu time.Duration) *flow.ProcessStats {
	return &flow.ProcessStats{Machine: machine, Host: host, PID: pid, Cores: 2, MachineCores: 4, CPU: cpu}
}

func TestMeasure(t *testing.T) {
	names := []string{"source", "refine", "sink"}
	before := []flow.Stats{
		report("refine", "a", 10*time.Second, 100, 5*time.Second, process("m", "x", 1, 4*time.Second)),
		report("refine", "b", 10*time.Second, 100, 5*time.Second, process("m", "y", 1, 4*time.Second)),
		report("sink", "a", 10*time.Second, 100, 5*time.Second, process("m", "x", 1, 4*time.Second)),
		report("refine", "again", 10*time.Second, 900, 9*time.Second, nil),
	}
	late := report("refine", "late", 15*time.Second, 30, time.Second, process("n", "z", 1, time.Second))
	late.Started = late.Started.Add(12 * time.Second)
	again := report("refine", "again", 14*time.Second, 10, time.Second, nil)
	again.Started = again.Started.Add(12 * time.Second)
	unheard := report("refine", "unheard", 15*time.Second, 500, time.Second, nil)
	stages, machines := suggest.Measure(names, before, []flow.Stats{
		report("refine", "a", 15*time.Second, 160, 9*time.Second, process("m", "x", 1, 9*time.Second)),
		report("refine", "b", 14*time.Second, 140, 8*time.Second, process("m", "y", 1, 6*time.Second)),
		report("sink", "a", 15*time.Second, 200, 6*time.Second, process("m", "x", 1, 9*time.Second)),
		report("stranger", "a", 15*time.Second, 999, 6*time.Second, nil),
		late, again, unheard,
	})
	require.Equal(t, suggest.Stage{Name: "source"}, stages[0])
	require.Equal(t, suggest.Stage{
		Name: "refine", Instances: 4, Workers: 8, Blocks: 60 + 40 + 30 + 10, // unheard may have done its 500 at any time
		Capacity: 2 * (5 + 4 + 3 + 2) * time.Second, Working: (4 + 3 + 1 + 1) * time.Second,
	}, stages[1])
	require.EqualValues(t, 100, stages[2].Blocks)
	require.ElementsMatch(t, []suggest.Machine{{Cores: 4, Used: 1 + 0.5}, {Cores: 2, Used: 0}}, machines, "two containers of m, one process each")

	stages, _ = suggest.Measure(names, nil, before)
	require.EqualValues(t, 1100, stages[1].Blocks, "without a first look, from the start")
	require.Equal(t, 3, stages[1].Instances)
}
