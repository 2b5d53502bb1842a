package traffic

import (
	"slices"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/levada-data/levada/pkg/blocks"
	"github.com/levada-data/levada/pkg/flow"
)

// Flow is what one stage has sent within some time.
type Flow struct {
	V        int           `json:"v"` // 1
	Stage    string        `json:"stage"`
	At       time.Time     `json:"at"` // the end of the time
	Elapsed  time.Duration `json:"elapsed_ns"`
	Blocks   int64         `json:"blocks"`
	Rows     int64         `json:"rows"`        // in the blocks
	Covered  int64         `json:"source_rows"` // that the blocks' spans cover
	Tasks    int           `json:"tasks"`       // whose spans they are
	Bytes    int64         `json:"bytes"`       // of the payloads
	Smallest int64         `json:"smallest_bytes"`
	Largest  int64         `json:"largest_bytes"`
	Schema   string        `json:"schema"` // the fingerprint of the last block
	// Latency from the source to here; zeros for the source, and for blocks whose source
	// passed before anybody listened.
	Latency Latency `json:"latency"`
}

// Latency is how a time is spread over blocks.
type Latency struct {
	Blocks int64         `json:"blocks"`
	P50    time.Duration `json:"p50_ns"`
	P99    time.Duration `json:"p99_ns"`
	Max    time.Duration `json:"max_ns"`
}

// Meter adds up the blocks of one run. Not for concurrent use.
type Meter struct {
	began, cut time.Time
	stages     []*stage // in the order of the flow, as far as it was seen
	sent       map[uint32]*sent
}

// stage is one stage, in all and since the last cut.
type stage struct {
	name       string
	all, since sum
}

type sum struct {
	flow  Flow
	tasks map[uint32]struct{}
	took  *hdrhistogram.Histogram // microseconds
}

// longest is the largest latency that is told apart from larger ones.
const longest = time.Hour

func newSum(stage string) sum {
	const digits = 3
	return sum{
		flow: Flow{V: 1, Stage: stage}, tasks: map[uint32]struct{}{},
		took: hdrhistogram.New(1, longest.Microseconds(), digits),
	}
}

// NewMeter begins at a time.
func NewMeter(began time.Time) *Meter {
	return &Meter{began: began, cut: began, sent: map[uint32]*sent{}}
}

// Observe adds a block that was seen at a time, with the bytes of its payload. Each span
// of a stage must come once.
func (m *Meter) Observe(h *blocks.Header, at time.Time, size int) {
	i := slices.IndexFunc(m.stages, func(s *stage) bool { return s.name == h.Stage })
	if i < 0 {
		m.stages = append(m.stages, &stage{h.Stage, newSum(h.Stage), newSum(h.Stage)})
		i = len(m.stages) - 1
	}
	var took time.Duration
	known := false
	if h.Stage == flow.SourceStage {
		m.send(h.Span, at)
	} else if from, ok := m.sentAt(h.Span); ok {
		took, known = at.Sub(from), true
	}
	for _, s := range []*sum{&m.stages[i].all, &m.stages[i].since} {
		s.add(h, int64(size))
		if known {
			// Out of range it would be an error; the ends of the range say as much.
			_ = s.took.RecordValue(min(max(took.Microseconds(), 1), longest.Microseconds()))
		}
	}
}

func (s *sum) add(h *blocks.Header, size int64) {
	f := &s.flow
	if f.Blocks == 0 || size < f.Smallest {
		f.Smallest = size
	}
	f.Largest = max(f.Largest, size)
	f.Blocks++
	f.Rows += h.Rows
	f.Covered += h.Span.Rows()
	f.Bytes += size
	f.Schema = string(h.Schema)
	s.tasks[h.Span.Task] = struct{}{}
}

// Cut returns what has passed since the last cut, by stage, and begins anew. Stages that
// were seen before and sent nothing are among them.
func (m *Meter) Cut(now time.Time) []Flow {
	var flows []Flow
	for _, s := range m.stages {
		flows = append(flows, s.since.close(m.cut, now))
		s.since = newSum(s.name)
	}
	m.cut = now
	return flows
}

// Total returns what has passed since the beginning.
func (m *Meter) Total(now time.Time) []Flow {
	var flows []Flow
	for _, s := range m.stages {
		flows = append(flows, s.all.close(m.began, now))
	}
	return flows
}

func (s *sum) close(from, to time.Time) Flow {
	const median, late = 50, 99
	f := s.flow
	f.At, f.Elapsed, f.Tasks = to, to.Sub(from), len(s.tasks)
	if n := s.took.TotalCount(); n > 0 {
		micros := func(v int64) time.Duration { return time.Duration(v) * time.Microsecond }
		f.Latency = Latency{n, micros(s.took.ValueAtQuantile(median)), micros(s.took.ValueAtQuantile(late)), micros(s.took.Max())}
	}
	return f
}

// sent is when the source's blocks of one task were seen, by their first rows, ascending.
type sent struct {
	spans []blocks.Span
	at    []time.Time
}

// remembered bounds the source's blocks of a task that are remembered: far more than the
// edges of a run hold.
const remembered = 1 << 14

func (m *Meter) send(span blocks.Span, at time.Time) {
	s := m.sent[span.Task]
	if s == nil {
		s = &sent{}
		m.sent[span.Task] = s
	}
	i, _ := s.find(span.From)
	s.spans = slices.Insert(s.spans, i, span)
	s.at = slices.Insert(s.at, i, at)
	if len(s.spans) > remembered { // the lowest rows passed first, and have long arrived
		s.spans, s.at = s.spans[1:], s.at[1:]
	}
}

// sentAt is when the first row of a span was seen to leave the source.
func (m *Meter) sentAt(span blocks.Span) (time.Time, bool) {
	s := m.sent[span.Task]
	if s == nil {
		return time.Time{}, false
	}
	i, exact := s.find(span.From)
	if !exact {
		i-- // a part of the block before, which a stage has halved
	}
	if i < 0 || s.spans[i].To <= span.From {
		return time.Time{}, false
	}
	return s.at[i], true
}

func (s *sent) find(from int64) (int, bool) {
	return slices.BinarySearchFunc(s.spans, from, func(a blocks.Span, b int64) int { return int(a.From - b) })
}
