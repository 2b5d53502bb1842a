package suggest_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/levada-data/levada/internal/cli/suggest"
)

func TestNextTime(t *testing.T) {
	// One process: refine has one worker and does 390 blocks a second, the reader could send 780.
	slow := with(facts(stage("source", 1, 2, 3900, ms(2.564)), stage("refine", 1, 1, 3900, ms(2.5)), stage("sink", 1, 1, 3900, ms(0.5))),
		func(f *suggest.Facts) { f.Local = true })
	for name, c := range map[string]struct {
		facts suggest.Facts
		text  string
		do    []string
	}{
		"AStageThatOthersWaitFor": {
			slow, "refine is the bottleneck: each block takes 2.5 ms, 1 instance worked 98 % of the time; 2 workers would keep up with the reader's 780 blocks/s",
			[]string{"levada run FILE --workers 2", "or workers: { min: 1, max: 2 } in stage refine of the spec"},
		},
		"ProcessesOfAServer": {
			with(slow, func(f *suggest.Facts) { f.Local = false }),
			"refine is the bottleneck: each block takes 2.5 ms, 1 instance worked 98 % of the time; 2 instances would keep up with the reader's 780 blocks/s",
			[]string{"levada transform & (1 more)", "docker compose up -d --no-recreate --scale transform=2", "kubectl scale deployment/transform --replicas 2"},
		},
		"Writer": {
			with(facts(stage("source", 1, 2, 3000, ms(1)), stage("refine", 1, 2, 3000, ms(1)), stage("sink", 1, 1, 3000, ms(3.3))),
				func(f *suggest.Facts) { f.Local = true }),
			"the writer is the bottleneck: each block takes 3.3 ms, 1 writer worked 99 % of the time; 4 lanes would do about 1,080 blocks/s, and use up the cores",
			[]string{"levada run FILE --lanes 4"},
		},
		"Cores": {
			with(slow, func(f *suggest.Facts) { f.Machines = []suggest.Machine{{Cores: 2, Used: 1.7}} }),
			"the cores were the limit: 1.7 of 2 cores were in use, and refine worked the most", nil,
		},
		"NobodyWorks": {
			facts(stage("source", 1, 2, 100, ms(10)), stage("refine", 1, 2, 100, ms(1)), stage("sink", 1, 1, 100, ms(20))),
			"no stage was the bottleneck: the writer worked the most, 20 % of the time; the rest is waiting for the server, the store or the disk", nil,
		},
		"TooShort":       {with(slow, func(f *suggest.Facts) { f.Interval = 900 * time.Millisecond }), "", nil},
		"NobodyReported": {suggest.Facts{Interval: time.Minute}, "", nil},
		"NothingMoved":   {facts(stage("source", 1, 1, 0, 0), stage("sink", 1, 1, 0, 0)), "", nil},
		"AllAreAsSlow":   {facts(stage("source", 1, 1, 3000, ms(3.2)), stage("refine", 1, 1, 3000, ms(3.3)), stage("sink", 1, 1, 3000, ms(3.2))), "nothing to gain: refine is the bottleneck: each block takes 3.3 ms, 1 instance worked 99 % of the time, but the reader could do no more than 313 blocks/s either", nil},
		"OfTheUsersOwn":  {with(slow, func(f *suggest.Facts) { f.Stages = []suggest.Stage{f.Stages[0], external(f.Stages[1]), f.Stages[2]} }), "refine is the bottleneck: each block takes 2.5 ms, 1 instance worked 98 % of the time; 2 workers would keep up with the reader's 780 blocks/s", []string{"start 1 more process of your own that serves refine"}},
	} {
		t.Run(name, func(t *testing.T) {
			a := suggest.Next(c.facts)
			require.Equal(t, c.text, a.Text)
			require.Equal(t, c.do, a.Do)
		})
	}
}
