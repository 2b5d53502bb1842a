package suggest

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/levada-data/levada/pkg/flow"
)

// Facts are what a suggestion rests on. [Measure] makes most of them.
type Facts struct {
	Run, Pipeline string

	Over       bool // the run has ended; its stages are measured from their start to their end
	Planned    bool // it has a plan
	SourceDone bool // every task has been read to its end
	Local      bool // one process plays all roles: it has no more instances, but more workers

	Interval time.Duration // that was measured
	Stages   []Stage       // in the order of the flow: the source's, the spec's, the sink's
	Machines []Machine
}

// Stage is one stage of the run, all its instances together.
type Stage struct {
	Name      string
	External  bool // a process of the user's own serves it
	Instances int
	Workers   int           // of all instances together: tasks of readers, lanes of writers
	Blocks    int64         // that it was done with in the interval
	Capacity  time.Duration // of its workers: how long they might have worked
	Working   time.Duration // how long they did
	CPU       time.Duration // in that time; 0 where it is not known
	Input     Queue         // for the source, its tasks
}

// Queue is what waits before a stage.
type Queue struct {
	Blocks   int64 `json:"blocks"`  // that are in the edge
	Waiting  int64 `json:"waiting"` // of them, those that nobody has taken
	Bytes    int64 `json:"bytes"`
	MaxBytes int64 `json:"max_bytes"`
}

// Machine is what the processes of the run use of one machine.
type Machine struct {
	Cores float64 // that they may use
	Used  float64 // that they used, on average
}

// busy is the share of their time that a stage's workers worked.
func (s *Stage) busy() float64 {
	if s.Capacity <= 0 {
		return 0
	}
	return min(s.Working.Seconds()/s.Capacity.Seconds(), 1)
}

// service is how long one block takes.
func (s *Stage) service() time.Duration {
	if s.Blocks == 0 {
		return 0
	}
	return s.Working / time.Duration(s.Blocks)
}

// fill is the share of the edge that waits for the stage. A writer holds blocks until its
// next commit, and they stay in the edge: they do not wait for it.
func (s *Stage) fill() float64 {
	q := s.Input
	if q.MaxBytes <= 0 || q.Blocks <= 0 {
		return 0
	}
	share := float64(q.Bytes) / float64(q.MaxBytes)
	if s.Name == flow.SinkStage {
		share *= float64(q.Waiting) / float64(q.Blocks)
	}
	return min(share, 1)
}

// queued is how many blocks wait for the stage.
func (s *Stage) queued() int64 {
	if s.Name == flow.SinkStage {
		return s.Input.Waiting
	}
	return s.Input.Blocks
}

// QueueOf is the queue of a lag.
func QueueOf(l flow.Lag) Queue {
	return Queue{Blocks: whole(l.Blocks), Waiting: whole(l.Waiting), Bytes: l.Bytes, MaxBytes: l.MaxBytes}
}

func whole(n uint64) int64 { return int64(min(n, 1<<62)) }

// Measure makes stages and machines of two reports of every instance; before may be empty
// for a run that has ended, which is then measured from the start. names are the stages of
// the run in the order of the flow. An instance counts when it has reported since the
// first look.
func Measure(names []string, before, after []flow.Stats) ([]Stage, []Machine) {
	stages := make([]Stage, len(names))
	for i, name := range names {
		stages[i].Name = name
	}
	processes := map[string]*process{}
	for _, now := range after {
		i := slices.Index(names, now.Stage)
		was, ok := earlier(before, now)
		took := now.At.Sub(was.At)
		if i < 0 || !ok || took <= 0 {
			continue
		}
		st := &stages[i]
		st.Instances++
		st.Workers += now.Workers
		st.Blocks += done(now) - done(was)
		st.Capacity += time.Duration(max(now.Workers, 1)) * took
		st.Working += now.Working - was.Working
		st.CPU += now.CPU - was.CPU
		if p := now.Process; p != nil && p.CPU > 0 {
			one := &process{machine: machine(p), cores: p.Cores, all: p.MachineCores}
			if was.Process != nil {
				one.used = (p.CPU - was.Process.CPU).Seconds() / took.Seconds()
			}
			processes[machine(p)+"/"+p.Host+"/"+strconv.Itoa(p.PID)] = one
		}
	}
	return stages, machines(processes)
}

// earlier returns what an instance had reported at the first look; for one that has
// started since, or without a first look, its start.
func earlier(before []flow.Stats, now flow.Stats) (flow.Stats, bool) {
	i := slices.IndexFunc(before, func(s flow.Stats) bool { return s.Stage == now.Stage && s.Instance == now.Instance })
	if i >= 0 && before[i].Started.Equal(now.Started) {
		return before[i], true
	}
	fresh := len(before) == 0 || !slices.ContainsFunc(before, func(s flow.Stats) bool { return now.Started.Before(s.At) })
	return flow.Stats{At: now.Started}, fresh
}

// done is how many blocks an instance is done with. A stage sends one for each that it
// takes; a writer sends none.
func done(s flow.Stats) int64 {
	if s.Stage == flow.SinkStage {
		return s.BlocksIn
	}
	return s.BlocksOut
}

type process struct {
	machine    string
	used       float64
	cores, all int
}

func machine(p *flow.ProcessStats) string { return cmp.Or(p.Machine, p.Host) }

// machines adds up processes. Containers may each have fewer cores than the machine.
func machines(processes map[string]*process) []Machine {
	names := map[string]int{}
	var all []Machine
	var cores []int
	for _, p := range processes {
		i, ok := names[p.machine]
		if !ok {
			i = len(all)
			names[p.machine] = i
			all = append(all, Machine{})
			cores = append(cores, 0)
		}
		all[i].Used += p.used
		all[i].Cores += float64(p.cores)
		cores[i] = max(cores[i], p.all)
	}
	for i := range all {
		all[i].Cores = min(all[i].Cores, float64(cores[i]))
	}
	return all
}
